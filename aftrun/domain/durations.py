"""Lengths of time as people write them: `500ms`, `30s`, `5m`, `2h`, `1d`, `1h30m`."""

from __future__ import annotations

import re

_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
"""Longest first, which is also the order in which the parts of a duration must be written."""

_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)"
_UNITS = re.compile(f"(?:{_NUMBER}(?:d|h|ms|m|s))+")
_PATTERN = re.compile("".join(f"(?:{_NUMBER}{unit})?" for unit in ("d", "h", "m(?!s)", "s", "ms")))


LONGEST = 36_500 * 86_400.0
"""Seconds. A hundred years: what is longer is a slip of the keyboard."""


def broken_rule(text: str) -> str:
    """The rule that a text of numbers and units breaks, as a clause; empty where it breaks none, or is no such text."""
    if _UNITS.fullmatch(text) is None:
        return ""
    match = _PATTERN.fullmatch(text)
    if match is None:
        return "each unit once and the longest first"
    return "a hundred years at most" if _seconds(match) > LONGEST else ""


def _seconds(match: re.Match[str]) -> float:
    total = 0.0
    for number, scale in zip(match.groups(), _MILLISECONDS.values(), strict=True):
        # Milliseconds keep whole numbers whole: 1.1 + 0.2 is not 1.3 in binary, 1100 + 200 is 1300.
        total += float(number) * scale if number else 0.0
    return total / 1000


def parse_duration(text: str) -> float:
    """The seconds that `text` stands for.

    Each unit stands at most once, longest first: `1h30m`; a hundred years are the most. A fraction is allowed
    (`1.5s`); blanks and signs are not.

    Raises:
        ValueError: it is no duration. The message says why and shows what one looks like.
    """
    match = _PATTERN.fullmatch(text)
    if rule := broken_rule(text):
        raise ValueError(f'"{text}" is not a length of time: {rule}; write for example 500ms, 30s or 1h30m')
    if match is None or not text:
        missing_unit = re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) is not None
        why = "has no unit" if missing_unit else "is not a length of time"
        raise ValueError(f'"{text}" {why}; write for example {text + "s, " if missing_unit else ""}500ms, 30s or 1h30m')
    return _seconds(match)


def format_duration(seconds: float) -> str:
    """The shortest spelling of `seconds` that `parse_duration` reads, to the millisecond.

    Negative values are shown as `0s`: no length of time is negative.
    """
    rest = max(0, round(seconds * 1000))
    parts: list[str] = []
    for unit, scale in _MILLISECONDS.items():
        count, rest = divmod(rest, scale)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def human_duration(seconds: float) -> str:
    """A duration that a person reads at a glance: `0.3s`, `12.5s`, `2m5s`, `3h7m`."""
    if seconds < 59.95:
        return f"{max(0.0, seconds):.1f}s".replace(".0s", "s")
    whole = round(seconds)
    if whole >= 3600:
        whole = round(whole / 60) * 60
    return format_duration(whole)
