"""Runs aftrun, and notes what it imports or opens of its installation once its first POST may leave.

`sentinel.py LOG aftrun-arguments…` The real program runs in this very process, under an audit hook. With
`SENTINEL_BREAK` set, what is noted is refused as well, as if the files had been taken away. With `SENTINEL_LATE` set,
aftrun rehearses no report.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aftrun
from aftrun.cli.main import run
from aftrun.cli.view import outputs
from aftrun.domain.model import Reply
from aftrun.run.pool import ThreadPool
from aftrun.run.ports import Ticket

HOMES = tuple(str(Path(each).resolve()) for each in (sys.prefix, sys.base_prefix, Path(aftrun.__file__).parent))


def main() -> None:
    """Arm the hook when the first POST is about to leave."""
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    refuses = bool(os.environ.get("SENTINEL_BREAK"))
    armed = False
    original = ThreadPool.start

    def start(self: ThreadPool, ticket: Ticket, call: Callable[[], Reply]) -> None:
        nonlocal armed
        armed = armed or ticket.submits
        original(self, ticket, call)

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if not armed or event not in ("import", "open"):
            return
        what = str(given[0])
        if event == "open" and not os.path.realpath(what).startswith(HOMES):
            return
        frame = sys._getframe(1)
        os.write(log, f"{event} {what} from {frame.f_code.co_filename}:{frame.f_lineno}\n".encode())
        if refuses:
            raise OSError(2, "taken away", what)

    if os.environ.get("SENTINEL_LATE"):
        outputs.rehearse = lambda *_: None
    ThreadPool.start = start  # type: ignore[method-assign]  # the point of this script
    sys.addaudithook(hook)
    sys.argv = ["aftrun", *sys.argv[2:]]
    sys.exit(run())


if __name__ == "__main__":
    main()
