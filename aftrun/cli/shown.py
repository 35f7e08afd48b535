"""JSON that a server sent, made fit for a terminal without a change to what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aftrun.model import Json

_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""What `json` leaves as it is, and what a terminal could act upon: C1, changes of direction, the invisible."""


def scrubbed(value: Json, scrub: Callable[[str], str]) -> Json:
    """The value with secrets replaced in keys, texts and numbers alike."""
    if isinstance(value, dict):
        return {scrub(key): scrubbed(item, scrub) for key, item in value.items()}
    if isinstance(value, list):
        return [scrubbed(item, scrub) for item in value]
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, bool) or value is None:
        return value
    text = repr(value)
    return value if scrub(text) == text else scrub(text)


def dumps(value: Json, *, indent: int | None = 2) -> str:
    """The value as JSON in which every character that a terminal could act upon is escaped."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def safe(line: str) -> str:
    """A line with its indentation, without what a terminal could take for a command."""
    return "".join(char if char.isprintable() else " " for char in line).rstrip()
