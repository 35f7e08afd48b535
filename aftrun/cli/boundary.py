"""The one place where errors become messages and exit codes."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TextIO

from aftrun.domain.errors import AftrunError, ExitCode, ManifestError, StateError, UsageError, explained
from aftrun.domain.text import clean, escaped_json, escaped_markup, harmless


def colour(stream: object) -> bool:
    """Whether to colour what goes to `stream`. `NO_COLOR` (see no-color.org) wins, then whether a person reads it."""
    if os.environ.get("NO_COLOR"):
        return False
    wanted = bool(getattr(stream, "isatty", lambda: False)()) and os.environ.get("TERM") != "dumb"
    return wanted and _understands_colours(stream)


if sys.platform == "win32":  # pragma: no cover  # no Windows among the machines that measure coverage

    def _understands_colours(stream: object) -> bool:
        """Whether the console takes escape sequences once it is asked to; old ones refuse."""
        import ctypes  # only Windows pays for it
        import msvcrt

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


def keeps_lines(stream: TextIO, system: str = os.name) -> bool:
    """Whether lines that go to `stream` end as they were written, where Python would make CR and LF of their ends.

    Pipes and files on Windows get what was written: scripts for bash, NDJSON and reports have no CR in them.
    """
    return system == "nt" and not stream.isatty()


def drawable(file: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether `file` is a terminal that can be drawn on, with a person before it and not a CI's log."""
    ci = environ.get("CI", "").lower() not in ("", "0", "false")
    return file.isatty() and environ.get("TERM") != "dumb" and not ci


class Form(Enum):
    """What leaves, and with it what makes it safe for a terminal and for a CI server that reads the log."""

    TEXT = "for people: unseen characters are written out, commands of CI servers are broken by a blank"
    JSON = "escapes, so that it reads as before"
    MARKUP = "XML and HTML: references, so that it reads as before"
    SCRIPT = "shell scripts and YAML, whose writers quote what could act; comments are made safe as text is"
    COMMANDS = "for the CI server, by a module that escapes for it (`report/ci_*`, `check/formats`): one a line"


_OURS = re.compile("(\x1b\\[(?:[012]|(?:1;)?3[1-6])m)")
"""The colours that aftrun itself paints with."""
_SECOND = re.compile(r"(?<!^)#(?=#(?:\[|vso\[|teamcity\[))", re.MULTILINE | re.IGNORECASE)
"""A command in the middle of a line that is one already: somebody's message."""
_COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)


def safe(text: str, form: Form = Form.TEXT, *, coloured: bool = False) -> str:
    """The text as it may leave. `coloured`: colours of aftrun's own may stay in it; no other escape ever does."""
    match form:
        case Form.TEXT:
            plain = harmless(clean(text))
            pieces = [clean(piece) for piece in _OURS.split(text)[::2]]
            if not coloured or len(pieces) == 1 or "".join(pieces) != plain:
                return plain  # colours go where they could part what reads as a command without them
            return "".join(f"{piece}{paint}" for piece, paint in zip(pieces, [*_OURS.findall(text), ""], strict=True))
        case Form.JSON:
            return escaped_json(text)
        case Form.MARKUP:
            return escaped_markup(text)
        case Form.SCRIPT:
            return _COMMENT.sub(lambda line: harmless(clean(line.group())), text)
        case Form.COMMANDS:
            return _SECOND.sub("# ", text)


def say(text: str, form: Form = Form.TEXT) -> None:
    """A line to standard error, at once. Where nobody can be told (closed, disk full), the work goes on."""
    try:
        print(safe(text, form, coloured=colour(sys.stderr)), file=sys.stderr, flush=True)  # noqa: T201  # the one place
    except (OSError, ValueError):  # ValueError: somebody closed it
        _give_up_on(sys.stderr)


def emit(text: str, form: Form = Form.TEXT) -> None:
    """Data to standard output, at once. `text` brings its own newline.

    A reader that has gone away (`| head`) has read what it wanted: that is no error.

    Raises:
        StateError: it cannot be written: the disk is full, say.
    """
    try:
        sys.stdout.write(safe(text, form, coloured=colour(sys.stdout)))
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
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def flushed(code: int) -> int:
    """The exit code, once everything that was written has left this process.

    Python would do the same at its end, and exit with 120 where it fails.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            _give_up_on(stream)
            if stream is sys.stdout and not isinstance(error, BrokenPipeError):
                code = code or int(ExitCode.STATE)
            try:
                stream.flush()
            except (OSError, ValueError):
                os._exit(code)  # not even nowhere can be opened; there is nothing left to do
    return code


def open_missing_streams() -> None:
    """Give closed streams (`>&-`, `<&-`) a stand-in, so that a run does not end for want of an audience."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123  # for good


def report_error(error: AftrunError) -> None:
    """Say what went wrong, in the error's own words."""
    if isinstance(error, ManifestError):
        from aftrun.manifest.check.diagnostics import render  # only errors pay for it

        say(render(error.problems, error.files).rstrip("\n"))
        say(error.message)
        return
    first, *others = error.diagnostics()
    say(f"aftrun: {first}")
    for line in others:
        say(f"  {line}")


def report_bug(error: BaseException) -> None:
    """Say that something failed that should not be able to, and where."""
    say(f"aftrun: a bug in aftrun: {type(error).__name__}")
    if {"-v", "-vv", "--verbose"} & set(sys.argv) or os.environ.get("AFTRUN_VERBOSE", "0") not in ("", "0"):
        # Without the exception's own text and without values: they may hold what must not be seen. And without the
        # module `traceback`, which could not be loaded where the failure is that nothing can be loaded any more.
        trace = error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            say(f"  {code.co_filename}:{trace.tb_lineno} in {code.co_name}")
            trace = trace.tb_next
    else:
        say("  hint: set AFTRUN_VERBOSE=1 and run it again to see where, and report it; jobs on the server go on")


def report_failure(error: BaseException, *, reading: bool = False) -> ExitCode:
    """Say what went wrong, whatever it is; returns its exit code. `reading` is as for `errors.explained`."""
    known = explained(error, reading=reading)
    if known is None:
        report_bug(error)
        return ExitCode.BUG
    report_error(known)
    return known.exit_code


def _check_clock() -> None:
    """Refuse a time zone that Python cannot work with: C takes `TZ=XXX-25:59` for one.

    Raises:
        UsageError: its offset is a day or more.
    """
    if abs(time.localtime().tm_gmtoff) >= 86_400:
        raise UsageError(
            f"the time zone {os.environ.get('TZ', '')!r} is a day or more from UTC",
            hint="set TZ to one such as Europe/Rome",
        )


def guarded(run: Callable[[], int | None]) -> int:
    """Run the program, and return the exit code of whatever it came to."""
    try:
        _check_clock()
        return flushed(int(run() or 0))
    except KeyboardInterrupt:
        say("aftrun: interrupted")
        code = ExitCode.SIGINT
    except BrokenPipeError:  # typer's own help, say, with nobody left to read it
        _give_up_on(sys.stdout)
        code = ExitCode.STATE
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001  # the last resort; what is written in Rust panics with none of ours
        # A run puts what goes wrong once it has begun into its own result; what comes here went wrong before.
        code = report_failure(error, reading=True)
    return flushed(int(code))
