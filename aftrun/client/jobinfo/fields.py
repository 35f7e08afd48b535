"""Single values of a JSON object whose spelling and type are not known for sure."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from aftrun.client.jobinfo import keys
from aftrun.domain.frozen import dataclass
from aftrun.domain.instants import seconds

_EPOCH_UNITS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
"""A number below the first is in units of which the second make a second: s, ms, µs, ns."""
_EARLIEST, _LATEST = 3.15e8, 7.26e9  # 1980 to 2200: zero times (`0001-01-01`, 0) mean "not yet"


_USUAL = 40
"""Characters of a key that is worth remembering: a server's answers have the same ones, again and again."""


def _flat(key: str) -> str:
    return key.replace("_", "").replace("-", "").replace(" ", "").lower()


_remembered = functools.lru_cache(maxsize=1024)(_flat)


class View:
    """An object whose keys are found without case, `_` and `-`: those that `keys` has, and no others are kept."""

    __slots__ = ("_fields",)

    def __init__(self, source: Mapping[str, Any]) -> None:
        self._fields: dict[str, list[Any]] = {}
        for key, value in source.items():
            name = _remembered(key) if len(key) <= _USUAL else _flat(key)
            if name in keys.ALL:
                self._fields.setdefault(name, []).append(value)

    def all(self, names: Iterable[str]) -> Iterator[Any]:
        """Every value under one of these names that is not null, in the order of the names."""
        for name in names:
            for value in self._fields.get(name, ()):
                if value is not None:
                    yield value

    def has(self, name: str) -> bool:
        """Whether the key is there, be its value null."""
        return name in self._fields

    def says(self, names: Iterable[str], *, flag: bool) -> bool:
        """Whether one of these fields is the boolean `flag`."""
        return any(value is flag for value in self.all(names))


@dataclass(frozen=True, slots=True)
class ExitCode:
    """`code` is None with `odd` where there is something that is not a number."""

    code: int | None = None
    odd: bool = False


def exit_code_of(values: Iterable[Any]) -> ExitCode:
    """Of several exit codes, the first that is not zero."""
    found = ExitCode()
    for value in values:
        code: int | None = None
        if value == "":
            continue
        whole = (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, float) and value.is_integer()
        )
        if whole or (isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value.strip())):
            code = int(value)
        if code is None or abs(code) >= 2**63:
            found = ExitCode(None, odd=True)
        elif code != 0:
            return ExitCode(code)
        elif not found.odd:
            found = ExitCode(0)
    return found


def instant(value: Any) -> float | None:
    """RFC 3339, or seconds, milliseconds, … since 1970; None for anything else, and for "zero" times."""
    at: float | None = None
    if isinstance(value, str):
        value = value.strip()
        if re.fullmatch(r"[0-9]{9,19}(\.[0-9]{1,9})?", value):
            value = float(value)
        elif len(value) >= 20:
            try:
                parsed = datetime.fromisoformat(value)
                at = seconds(parsed) if parsed.tzinfo is not None else None  # a time without zone is no instant
            except (ValueError, OverflowError):
                return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        at = next((value / unit for limit, unit in _EPOCH_UNITS if 0 < value < limit), None)
    return round(at, 3) if at is not None and _EARLIEST < at < _LATEST else None


def first_instant(values: Iterable[Any]) -> float | None:
    """The first of these values that is an instant, as epoch seconds."""
    return next((at for at in map(instant, values) if at is not None), None)


def word_of(value: Any) -> str:
    """A state as text: strings as they are, everything else as JSON."""
    return (
        value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)[:100_000]
    )  # cut further once secrets are out
