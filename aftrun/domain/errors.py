"""What can go wrong, as exceptions that carry their exit code and their message for people.

::

    AftrunError                 70
     ├── UsageError              2   flags or arguments that make no sense
     │    └── UnderWay          75   another run of these jobs is under way, or open; nothing was sent
     ├── ManifestError           2   one or many problems in manifests; nothing was sent
     ├── ServerError             3   the library's Client got no usable answer
     │    ├── Unreachable        3   provably nothing was processed (DNS, connect, TLS)
     │    ├── Refused            4   the server refused the key or the address (401/403)
     │    ├── Rejected           1   any other refusal (4xx)
     │    └── Ambiguous          6   the request may or may not have been processed
     └── StateError             74   state or report could not be written or read

The exit codes are those of the contract with users; `ExitCode` names them all.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import ClassVar

from aftrun.domain.frozen import dataclass


class ExitCode(IntEnum):
    """The process exit codes that users may rely on."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    CANCELLED = 5
    UNKNOWN = 6
    CHANGES = 10
    """Of `plan --exit-code` alone: there is something to do."""
    BUG = 70
    STATE = 74
    UNDER_WAY = 75
    GAVE_UP = 124
    SIGINT = 130
    SIGTERM = 143


class Severity(StrEnum):
    """How bad a problem is. Warnings become errors under ``validate --strict``."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding in one place of one file.

    Lines and columns count from 1; the end is exclusive and may be 0 when it is not known. A line of 0 says that
    `path` is all there is to the place: a flag.
    """

    code: str
    message: str
    path: str
    line: int = 1
    column: int = 1
    end_line: int = 0
    end_column: int = 0
    severity: Severity = Severity.ERROR
    hint: str = ""

    @property
    def place(self) -> str:
        """``FILE:LINE:COL``, the form that editors and terminals turn into a link."""
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path


class AftrunError(Exception):
    """Base of everything that aftrun raises on purpose.

    The first argument is the whole message for people: what happened, and why. `hint` is the remedy.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def diagnostics(self) -> tuple[str, ...]:
        """The lines to print, most important first."""
        lines = [self.message]
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return tuple(lines)


class UsageError(AftrunError):
    """Flags or arguments that make no sense together."""

    exit_code = ExitCode.USAGE


class UnderWay(UsageError):
    """Another run of these jobs is under way, or was cut off and is open; nothing was sent."""

    exit_code = ExitCode.UNDER_WAY


class ManifestError(AftrunError):
    """Everything that is wrong with the manifests, found in one go.

    `problems` holds at least one error; warnings of the same files may stand among them. `files` holds the bytes of
    the files that were read, by path, for those who show the lines in question; `what` is what they hold.
    """

    exit_code = ExitCode.USAGE

    def __init__(
        self, problems: Sequence[Problem], *, files: Sequence[tuple[str, bytes]] = (), what: str = "manifest"
    ) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        self.files: tuple[tuple[str, bytes], ...] = tuple(files)
        errors = [p for p in self.problems if p.severity is Severity.ERROR]
        count = len(errors)
        super().__init__(f"{count} problem{'' if count == 1 else 's'} in the {what}; nothing was sent")

    def diagnostics(self) -> tuple[str, ...]:
        """One line for each problem, then its remedy, indented."""
        lines: list[str] = []
        for problem in self.problems:
            lines.append(f"{problem.place}: {problem.severity}[{problem.code}]: {problem.message}")
            if problem.hint:
                lines.append(f"  hint: {problem.hint}")
        return (*lines, self.message)


class ServerError(AftrunError):
    """The library's `Client` could not get a usable answer."""

    exit_code = ExitCode.UNREACHABLE


class Unreachable(ServerError):
    """Provably nothing was processed: name resolution, connection, certificate."""


class Refused(ServerError):
    """The server refused the key or the calling address (401, 403)."""

    exit_code = ExitCode.REFUSED


class Rejected(ServerError):
    """The server refused the request for another reason (other 4xx)."""

    exit_code = ExitCode.FAILED


class Ambiguous(ServerError):
    """The request left, and whether it was processed is not known. Never repeat it blindly."""

    exit_code = ExitCode.UNKNOWN


class StateError(AftrunError):
    """State or a report could not be written or read: disk full, read-only, corrupt, busy."""

    exit_code = ExitCode.STATE


_SHORT_OF = frozenset(
    getattr(errno, name)
    for name in ("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "ENOSPC", "EDQUOT", "EROFS", "EIO", "EAGAIN")
    if hasattr(errno, name)
)
"""What the system says when the machine is short of something, whatever was asked of it."""


def explained(error: BaseException, *, reading: bool = False) -> AftrunError | None:
    """What a failure that nobody handled means to people, with its exit code; None for a bug.

    A machine that is full, short of memory, files or threads, or whose files are taken away, is no bug of aftrun's.
    `reading` says that nothing has been sent or written yet, so that what cannot be opened is what was asked for: a
    mistake in the command (2). From then on it is an output (74).
    """
    if isinstance(error, AftrunError):
        return error
    if isinstance(error, MemoryError):
        return StateError("there is not enough memory", hint="free some, or give aftrun less to do at once (-j)")
    if isinstance(error, ImportError | SyntaxError) or _damaged_bytecode(error):
        name = getattr(error, "name", None) or getattr(error, "filename", None) or "a compiled module"
        return StateError(
            f"a part of aftrun, {name}, cannot be loaded",
            hint="was it, or something that it needs, changed, damaged or removed since it was installed? Remove the "
            "folders named __pycache__ beside it, or install it again",
        )
    if isinstance(error, OSError) and error.errno is not None:
        where = ""
        if isinstance(error.filename, str | bytes):  # it need not be text
            where = os.fsdecode(error.filename).encode("utf-8", "backslashreplace").decode() + ": "
        # The error's own number tells more than its text, which may be anybody's.
        message = f"{where}{os.strerror(error.errno)}"
        if not where and error.errno == errno.ENOENT and _nowhere():
            message = "the folder that this was started in does not exist any more"
        if reading and error.errno not in _SHORT_OF:
            return UsageError(message, hint="check the path, and who may use it")
        return StateError(message, hint="check the disk, and what `ulimit -a` allows")
    if isinstance(error, OverflowError) and _beyond_time():
        message = "this machine's clock shows a time that programs cannot work with (after the year 2262)"
        return UsageError(message, hint="set the clock") if reading else StateError(message, hint="set the clock")
    if reading and isinstance(error, UnicodeError):
        return UsageError("a name or a text in the command line or the environment is not text that aftrun can use")
    if reading and isinstance(error, RecursionError):
        return UsageError("something that was given is nested too deeply")
    return None


def _damaged_bytecode(error: BaseException) -> bool:
    """Whether Python could not read a compiled module: a disk that was full when it was written leaves half of one."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_name == "_compile_bytecode"


def _nowhere() -> bool:
    try:
        os.getcwd()  # noqa: PTH109  # a question to the system, not a path to work with
    except OSError:
        return True
    return False


def _beyond_time() -> bool:
    """Whether Python cannot tell the time: it counts nanoseconds since 1970 in 64 bits."""
    try:
        time.time()
    except OverflowError:
        return True
    return False


def code_of(error: BaseException) -> ExitCode:
    """The exit code of a run that this ended."""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.SIGINT
    known = explained(error)
    return ExitCode.BUG if known is None else known.exit_code
