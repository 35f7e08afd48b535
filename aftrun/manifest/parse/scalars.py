"""What a piece of text means: YAML 1.2 core-schema scalars, durations, times of day."""

from __future__ import annotations

import re
from datetime import datetime

from aftrun.domain.durations import broken_rule, parse_duration
from aftrun.domain.model import Json, ParamKind

_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LONGEST_INTEGER = 400
"""Digits. Longer ones stay text: Python refuses to convert them in reasonable time, and no field takes them."""

DURATION = "a duration such as 500ms, 30s, 5m, 2h, 1d or 1h30m"
FINISH_BY = "a time of day such as 06:00, or an instant such as 2026-01-02T06:00:00Z"

_TIME_OF_DAY = re.compile(r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9]")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:[Zz]|[-+][0-9]{2}:[0-9]{2})"
)


def is_null(text: str) -> bool:
    """Whether plain (unquoted) text stands for nothing: empty, `~` or `null`."""
    return text in _NULLS


def kind(text: str) -> ParamKind:
    """What plain text means under the YAML 1.2 core schema. `yes`, `12:30` and `1_000` are text.

    `.inf` and `.nan` are text too, since JSON cannot say them; so is null, which the caller looks for first.
    """
    first = text[:1]
    if first and first in "tTfF" and text in _BOOLEANS:
        return ParamKind.BOOLEAN
    if first and first in "0123456789+-.":
        if _INTEGER.fullmatch(text):
            return ParamKind.INTEGER
        if _NUMBER.fullmatch(text):
            return ParamKind.NUMBER
    return ParamKind.TEXT


def is_text(text: str) -> bool:
    """Whether plain text stands for itself: neither null nor a number nor a boolean."""
    return kind(text) is ParamKind.TEXT and text not in _NULLS and not _SPECIAL.fullmatch(text)


def _integer(text: str) -> int | str:
    if text.startswith(("0o", "0x")):
        return int(text, 0)
    return int(text) if len(text) <= _LONGEST_INTEGER else text


def resolve(text: str) -> Json:
    """The data that plain text stands for under the YAML 1.2 core schema."""
    if text in _NULLS:
        return None
    meaning = kind(text)
    if meaning is ParamKind.BOOLEAN:
        return _BOOLEANS[text]
    if meaning is ParamKind.INTEGER:
        return _integer(text)
    if meaning is ParamKind.NUMBER:
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def duration(text: str) -> float | None:
    """Seconds of `500ms`, `30s`, `5m`, `2h`, `1d`, `1h30m`; None where the text is no duration.

    The same as on the command line.
    """
    try:
        return parse_duration(text)
    except ValueError:
        return None


def wanted_duration(text: str) -> str:
    """What is asked of a text that is no duration, or of a zero where none can be: with the rule that it breaks."""
    rule = "longer than zero" if duration(text) == 0 else broken_rule(text)
    return f"{DURATION}, {rule}" if rule else DURATION


def is_finish_by(text: str) -> bool:
    """Whether text is a time of day `HH:MM`, or an RFC 3339 instant with its offset."""
    if _TIME_OF_DAY.fullmatch(text):
        return True
    if not _INSTANT.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        return False
    return True
