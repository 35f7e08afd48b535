"""`python -m aftrun`, and the console script."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
import threading
from typing import NoReturn


def _stop(number: int, _frame: object) -> None:
    """End at once: until a command puts its own handler here there is nothing to finish."""
    from aftrun.system.signals import exit_code  # noqa: PLC0415  # loaded by whoever had this called

    os._exit(exit_code(number))


def _not_loaded(error: BaseException) -> int:
    """Not even what turns errors into messages could be loaded: too little memory, too few files, or files are gone.

    Or damaged: EOFError and ValueError come of compiled modules of which a full disk took only half.
    """
    what = getattr(error, "name", None) or getattr(error, "strerror", None) or str(error) or "no memory"
    with contextlib.suppress(OSError):  # nobody may be there to read it
        os.write(2, f"aftrun: a part of aftrun cannot be loaded ({what}); nothing was sent\n".encode())
    return 74


def _leave(code: int) -> NoReturn:
    """What Python does at its end, but for taking all modules apart: that takes longer than most commands' own work.

    What was written has been flushed; a thread that is still at work, a tracer or a profiler gets Python's own end.
    """
    others = [thread for thread in threading.enumerate() if not thread.daemon]
    if len(others) > 1 or sys.gettrace() or sys.getprofile():
        sys.exit(code)
    atexit._run_exitfuncs()  # noqa: SLF001  # there is no other way to say it
    os._exit(code)


def main() -> None:
    """Run the command line and exit."""
    gc.set_threshold(100_000)  # starting makes thousands of objects, and no garbage worth looking for
    try:
        from aftrun.system.signals import ENDING, listen  # noqa: PLC0415  # what cannot be loaded is said

        listen(_stop, ENDING)
        from aftrun.cli.main import run  # noqa: PLC0415  # nothing is imported until signals are heard
    except (ImportError, SyntaxError, OSError, MemoryError, EOFError, ValueError) as error:
        sys.exit(_not_loaded(error))
    except KeyboardInterrupt:
        os._exit(130)  # a Ctrl-C from before `listen`; what hears the next one may not be loaded
    _leave(run())


if __name__ == "__main__":
    main()
