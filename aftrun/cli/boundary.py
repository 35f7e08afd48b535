"""The one place where errors become messages and exit codes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import TextIO

from aftrun.errors import AftrunError, ExitCode, ManifestError, StateError


def colour(stream: object) -> bool:
    """Whether to colour what goes to `stream`. `NO_COLOR` (see no-color.org) wins, then whether a person reads it."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(getattr(stream, "isatty", lambda: False)()) and os.environ.get("TERM") != "dumb"


def say(text: str) -> None:
    """A line to standard error, at once. Where nobody can be told (closed, disk full), the work goes on."""
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201  # this is where aftrun speaks
    except OSError:
        _give_up_on(sys.stderr)


def emit(text: str) -> None:
    """Data to standard output, at once. `text` brings its own newline.

    Raises:
        StateError: it cannot be written: the disk is full, say, or the reader has gone away.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
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
    """Give closed streams (`>&-`) somewhere to write to, so that a run does not end for want of an audience."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123  # for good


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
    verbose = "-v" in sys.argv or "--verbose" in sys.argv or "-vv" in sys.argv
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
            say("  hint: run it again with -v to see where, and report it; jobs on the server go on")
        return int(ExitCode.BUG)
