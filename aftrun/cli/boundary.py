"""The one place where errors become messages and exit codes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import TextIO

from aftrun.errors import AftrunError, ExitCode, ManifestError, StateError


def colour(stream: object) -> bool:
    """Whether to colour what goes to `stream`. `NO_COLOR` (see no-color.org) wins, then whether a person reads it."""
    if os.environ.get("NO_COLOR"):
        return False
    wanted = bool(getattr(stream, "isatty", lambda: False)()) and os.environ.get("TERM") != "dumb"
    return wanted and _understands_colours(stream)


if sys.platform == "win32":  # pragma: no cover  # no Windows among the machines that measure coverage

    def _understands_colours(stream: object) -> bool:
        """Whether the console takes escape sequences once it is asked to; old ones refuse."""
        import ctypes  # noqa: PLC0415  # only Windows pays for it
        import msvcrt  # noqa: PLC0415  # the same

        try:
            handle = ctypes.c_void_p(msvcrt.get_osfhandle(getattr(stream, "fileno")()))  # noqa: B009  # any object
        except (OSError, ValueError):
            return False
        kernel, mode, processing = ctypes.windll.kernel32, ctypes.c_ulong(), 4
        if not kernel.GetConsoleMode(handle, ctypes.byref(mode)):
            return False
        return bool(kernel.SetConsoleMode(handle, mode.value | processing))
else:

    def _understands_colours(_: object) -> bool:
        return True


def encoding(stream: TextIO, environ: Mapping[str, str], system: str = os.name) -> str | None:
    """What to write to `stream` in, where that is not what Python chose.

    Pipes and files on Windows get UTF-8, as JSON and YAML must be, and not the code page of the country.
    """
    if system != "nt" or stream.isatty() or environ.get("PYTHONIOENCODING"):
        return None
    return "utf-8"


def drawable(file: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether `file` is a terminal that can be drawn on, with a person before it and not a CI's log."""
    ci = environ.get("CI", "").lower() not in ("", "0", "false")
    return file.isatty() and environ.get("TERM") != "dumb" and not ci


def say(text: str) -> None:
    """A line to standard error, at once. Where nobody can be told (closed, disk full), the work goes on."""
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201  # this is where aftrun speaks
    except OSError:
        _give_up_on(sys.stderr)


def emit(text: str) -> None:
    """Data to standard output, at once. `text` brings its own newline.

    A reader that has gone away (`| head`) has read what it wanted: that is no error.

    Raises:
        StateError: it cannot be written: the disk is full, say.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _give_up_on(sys.stdout)
    except OSError as error:
        _give_up_on(sys.stdout)
        raise StateError(
            f"cannot write to standard output: {error.strerror or error}", hint="what was to be printed is lost"
        ) from error


def _give_up_on(stream: TextIO) -> None:
    """Let Python flush to nowhere at its end, instead of failing again."""
    with contextlib.suppress(OSError, ValueError):  # a stream without a descriptor has nothing to redirect
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def open_missing_streams() -> None:
    """Give closed streams (`>&-`, `<&-`) a stand-in, so that a run does not end for want of an audience."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123  # for good


def report_error(error: AftrunError) -> None:
    """Say what went wrong, in the error's own words."""
    if isinstance(error, ManifestError):
        from aftrun.manifest.diagnostics import render  # noqa: PLC0415  # only errors pay for it

        say(render(error.problems, error.files).rstrip("\n"))
        say(error.message)
        return
    first, *others = error.diagnostics()
    say(f"aftrun: {first}")
    for line in others:
        say(f"  {line}")


def guarded(run: Callable[[], int | None]) -> int:
    """Run the program, and return the exit code of whatever it came to."""
    verbose = bool({"-v", "-vv", "--verbose"} & set(sys.argv)) or os.environ.get("AFTRUN_VERBOSE", "0") not in ("", "0")
    try:
        return int(run() or 0)
    except AftrunError as error:
        report_error(error)
        return int(error.exit_code)
    except KeyboardInterrupt:
        say("aftrun: interrupted")
        return int(ExitCode.SIGINT)
    except BrokenPipeError:  # typer's own help, say, with nobody left to read it
        _give_up_on(sys.stdout)
        return int(ExitCode.STATE)
    except Exception as error:  # noqa: BLE001  # the last resort: whatever it is, it is a bug of ours, and said so
        say(f"aftrun: a bug in aftrun: {type(error).__name__}")
        if verbose:
            import traceback  # noqa: PLC0415  # only for bugs

            # Without the exceptions' own texts and without values: they may hold what must not be seen.
            for frame in traceback.extract_tb(error.__traceback__):
                say(f"  {frame.filename}:{frame.lineno} in {frame.name}")
        else:
            say("  hint: set AFTRUN_VERBOSE=1 and run it again to see where, and report it; jobs on the server go on")
        return int(ExitCode.BUG)
