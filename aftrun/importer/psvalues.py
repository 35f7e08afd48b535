"""What PowerShell's texts and dates come to: escapes, formats."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from aftrun.importer.pieces import reference

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b"}

_DATE = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "hh": "%I", "mm": "%M", "ss": "%S"}


@dataclass(frozen=True, slots=True)
class Encoded:
    """What `ConvertTo-Json` makes of a value."""

    value: Any


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that only running the script would tell."""

    why: str


@dataclass(frozen=True, slots=True)
class Now:
    """`Get-Date`, before anybody has formatted it."""


def date_reference(form: str) -> str | None:
    """`${{ run.date:… }}` for a .NET date format; None where it has parts that are not known here."""
    parts: list[str] = []
    for token in re.findall(r"([a-zA-Z])(\1*)|([^a-zA-Z]+)", form):
        word = token[0] + token[1]
        if token[2]:
            if "%" in token[2] or "}" in token[2] or "'" in token[2]:
                return None
            parts.append(token[2])
        elif word in _DATE:
            parts.append(_DATE[word])
        elif word == "T":
            parts.append("T")
        else:
            return None
    return reference("${{ run.date:" + "".join(parts) + " }}") if parts and parts[-1].strip() else None


def as_text(value: Any) -> str | None:
    """A value as PowerShell puts it into text; None for what is no scalar."""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return repr(value)
    return "" if value is None else None
