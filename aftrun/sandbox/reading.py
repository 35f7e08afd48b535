"""Reads plain data key by key, and says exactly where it is wrong and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import TypeVar

from aftrun.domain.durations import parse_duration
from aftrun.domain.errors import UsageError
from aftrun.domain.model import Json

_Word = TypeVar("_Word", bound=StrEnum)

HINT = "docs/sandbox.md shows every key with an example"


def article(value: Json) -> str:
    """What a value is, in words: `a list`, `the text "x"`, `nothing (null)`."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f'the text "{value}"' if len(value) <= 60 else f'the text "{value[:57]}…"'
        case list():
            return "a list"
        case _:
            return "a mapping"


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?`, or nothing where no known word is near."""
    by_folded = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return f'; did you mean "{by_folded[near[0]]}"?' if near else ""


def wrong(path: str, message: str, hint: str = HINT) -> UsageError:
    """The error for the value at `path`."""
    return UsageError(f"{path}: {message}" if path else f"scenario: {message}", hint=hint)


class Mapping:
    """A mapping at `path` of which only the keys in `known` may be used. Keys that start with `x-` are free.

    Each method reads one key and returns `default` where it is absent.

    Raises:
        UsageError: on construction, it is no mapping or has an unknown key; in the methods, the value is wrong.
    """

    def __init__(self, data: Json, path: str, known: Sequence[str]) -> None:
        if not isinstance(data, dict):
            raise wrong(path, f"should be a mapping of keys to values, but is {article(data)}")
        self.data = {name_of(key): value for key, value in data.items()}
        self.path = path
        for key in self.data:
            if key not in known and not key.startswith("x-"):
                raise wrong(self.at(key), f"unknown key{meant(key, known)}", f"keys here: {', '.join(known)}")

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def at(self, key: str) -> str:
        """The full path of `key`."""
        return f"{self.path}.{key}" if self.path else key

    def wrong(self, key: str, should: str) -> UsageError:
        """The error for the value of `key`, which `should` describe."""
        return wrong(self.at(key), f"should be {should}, but is {article(self.data[key])}")

    def text(self, key: str, default: str) -> str:
        """A text. Numbers and booleans are not turned into one."""
        value = self.data.get(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "a text (in quotes, if it looks like a number)")
        return value

    def integer(self, key: str, default: int, minimum: int, maximum: int) -> int:
        """A whole number within bounds."""
        value = self.data.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            raise self.wrong(key, f"a whole number from {minimum} to {maximum}")
        return value

    def number(self, key: str, default: float, minimum: float, maximum: float) -> float:
        """A number within bounds."""
        value = self.data.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= maximum:
            raise self.wrong(key, f"a number from {minimum:g} to {maximum:g}")
        return float(value)

    def word(self, key: str, words: type[_Word], default: _Word) -> _Word:
        """One of the words of an enumeration."""
        if key not in self.data:
            return default
        value = self.data[key]
        known = [word.value for word in words]
        if not isinstance(value, str) or value not in known:
            near = meant(value, known) if isinstance(value, str) else ""
            raise wrong(self.at(key), f"{article(value)} is not known here{near}", f"write one of: {', '.join(known)}")
        return words(value)

    def duration(self, key: str, default: float) -> float:
        """A length of time, in seconds."""
        return seconds(self.data[key], self.at(key)) if key in self.data else default

    def items(self, key: str) -> Iterator[tuple[str, Json]]:
        """The items of a list, each with its path. Nothing where the key is absent."""
        value = self.data.get(key, [])
        if not isinstance(value, list):
            raise self.wrong(key, "a list")
        for index, item in enumerate(value):
            yield f"{self.at(key)}[{index}]", item


def name_of(key: object) -> str:
    """A key as text. The key `on` is true to those who read YAML 1.1, and it must mean the same to them."""
    return "on" if key is True else str(key)


def seconds(value: Json, path: str) -> float:
    """A length of time such as `500ms`, in seconds.

    Raises:
        UsageError: it is none.
    """
    if value == 0 and not isinstance(value, bool):
        return 0.0
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise wrong(path, f"the number {value} has no unit", f"write {value}s, or {value}ms if that is meant")
    if not isinstance(value, str):
        raise wrong(path, f"should be a length of time such as 500ms, 2s or 1m30s, but is {article(value)}")
    try:
        return parse_duration(value)
    except ValueError as error:
        raise wrong(path, str(error)) from None
