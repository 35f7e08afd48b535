"""Lines to paste, for the shell at hand: the only home of quoting and of how a variable is set.

On Windows that is PowerShell or cmd (or a POSIX shell, as Git's bash is), found among the processes that started this
one; everywhere else it is a POSIX shell.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
from enum import Enum


class Shell(Enum):
    """A family of shells that read a line alike."""

    POSIX = "sh, bash, zsh, …"
    POWERSHELL = "PowerShell"
    CMD = "cmd"


_FAMILIES = {"powershell": Shell.POWERSHELL, "pwsh": Shell.POWERSHELL, "cmd": Shell.CMD}
_PLAIN = re.compile(r"[\w./\\:+=-]+", re.ASCII)
"""What needs no quotes in PowerShell and cmd."""
_QUOTES = re.compile("['\u2018\u2019\u201a\u201b]")
"""What PowerShell takes for a single quote."""


def found(system: str = os.name) -> Shell:
    """The shell that this process was started from; PowerShell where that cannot be told, on Windows."""
    if system != "nt":
        return Shell.POSIX
    import shellingham  # type: ignore[import-untyped]  # noqa: PLC0415  # it has no types; only Windows pays for it

    try:
        name, _ = shellingham.detect_shell()
    except (shellingham.ShellDetectionFailure, OSError, NotImplementedError):
        return Shell.POWERSHELL  # a service, the Task Scheduler
    return _FAMILIES.get(name, Shell.POSIX)


@functools.cache
def here() -> Shell:
    """`found`, once: a process stays in its shell."""
    return found()


def quoted(text: str, shell: Shell | None = None) -> str:
    """Text as one word of a command line."""
    shell = shell or here()
    if shell is Shell.POSIX:
        return shlex.quote(text)
    if _PLAIN.fullmatch(text):
        return text
    if shell is Shell.POWERSHELL:
        return _always_quoted(text)
    # The program undoes quotes, and backslashes before them. cmd leaves what stands between quotes alone, but for %,
    # and counts quotes in its own way: with either in the text, each character that means something has its caret.
    whole = '"' + re.sub(r"(\\+)$", r"\1\1", re.sub(r'(\\*)"', r'\1\1\\"', text)) + '"'
    return re.sub(r'([()%!^"<>&|])', r"^\1", whole) if re.search('["%]', text) else whole


def command(*words: str, shell: Shell | None = None) -> str:
    """A command line to paste."""
    return " ".join(quoted(each, shell) for each in words)


def setting(name: str, value: str | None = None, shell: Shell | None = None) -> str:
    """The line that sets a variable; without a value it has `…` in its place."""
    match shell or here():
        case Shell.POWERSHELL:
            return f"$env:{name} = " + ("'…'" if value is None else _always_quoted(value))
        case Shell.CMD:
            return f"set {name}=…" if value is None else f'set "{name}={value}"'
        case _:
            return f"export {name}=" + ("…" if value is None else shlex.quote(value))


def _always_quoted(value: str) -> str:
    """A word of PowerShell that is no command and no number."""
    return "'" + _QUOTES.sub(lambda quote: quote.group() * 2, value) + "'"
