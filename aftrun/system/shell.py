"""Words of a command line, quoted for the shell of this system, so that what is printed can be pasted."""

from __future__ import annotations

import os
import re
import shlex

_BARE = re.compile(r"[\w@+=:,./\\-]+")


def quoted(word: str, *, windows: bool = os.name == "nt") -> str:
    """One word, quoted where a shell would read it as another. On Windows for cmd and PowerShell both.

    In double quotes these two agree, but for what they expand: `%`, `$`, a backtick and a double quote itself. A word
    that holds one of these is quoted for PowerShell, which is what people paste into.
    """
    if not windows:
        return shlex.quote(word)
    if _BARE.fullmatch(word):
        return word
    if re.search(r'[$`%"]', word):
        return "'" + word.replace("'", "''") + "'"
    return f'"{word}"'


def command(*words: str) -> str:
    """A command line of these words."""
    return " ".join(map(quoted, words))
