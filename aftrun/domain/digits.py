"""Numbers with the digits that were written, and JSON that says them so: `1.10`, not `1.1`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Self

_JSON = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


class Digits(float):
    """A number as it was written, where JSON can write it so."""

    written: str

    def __new__(cls, written: str) -> Self:
        """Raises ValueError where JSON has no such spelling."""
        if not _JSON.fullmatch(written):
            raise ValueError("not a number of JSON")
        number = super().__new__(cls, written)
        number.written = written
        return number

    def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]  # a float copies itself by its value
        """A copy is made of the text, too."""
        return (self.written,)


def as_written(text: str) -> float:
    """The number that a text of digits is, with these digits if JSON can carry them."""
    return Digits(text) if _JSON.fullmatch(text) else float(text)


def as_read(text: str) -> float:
    """The number of a JSON text, with its digits where it would be written otherwise."""
    number = float(text)
    return number if repr(number) == text else as_written(text)


exact_loads = json.JSONDecoder(parse_float=as_read).decode
"""As `json.loads`, but that numbers keep their digits."""


def has_digits(request: Mapping[str, object]) -> bool:
    """Whether a request holds a param that `json.dumps` would write otherwise than it was sent."""
    params = request.get("params")
    return isinstance(params, Mapping) and any(isinstance(each, Digits) for each in params.values())


_plain_json = json.JSONEncoder(ensure_ascii=False).encode


def line_json(value: object, request: Mapping[str, object]) -> str:
    """A value as JSON on one line, not all of it ASCII; the numbers of the request in it keep their digits."""
    return exact_json(value, ensure_ascii=False) if has_digits(request) else _plain_json(value)


def exact_json(value: object, *, indent: int | None = None, ensure_ascii: bool = True, depth: int = 0) -> str:
    """A value as JSON, as `json.dumps` writes it, but for `Digits`, which keep theirs.

    Raises:
        ValueError: it holds a number that JSON does not have.
    """
    if isinstance(value, Digits):
        return value.written
    if not isinstance(value, Mapping | list) or not value:
        return json.dumps(value, ensure_ascii=ensure_ascii, allow_nan=False)

    def inner(each: object) -> str:
        return exact_json(each, indent=indent, ensure_ascii=ensure_ascii, depth=depth + 1)

    if isinstance(value, list):
        brackets, items = "[]", [inner(each) for each in value]
    else:
        after = ":" if indent is None else ": "
        brackets = "{}"
        items = [f"{json.dumps(key, ensure_ascii=ensure_ascii)}{after}{inner(each)}" for key, each in value.items()]
    if indent is None:
        return f"{brackets[0]}{','.join(items)}{brackets[1]}"
    line = "\n" + " " * indent * (depth + 1)
    return f"{brackets[0]}{line}{f',{line}'.join(items)}{line[:-indent]}{brackets[1]}"
