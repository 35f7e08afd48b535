"""Epoch seconds ↔ dates, by arithmetic alone.

The C library refuses instants that it does not like: that of Windows any before 1970 or after the year 3000, and that
is where `datetime.fromtimestamp` and naive `timestamp` come from. A certificate may well be valid until 9999, and a
server may say anything. So nobody else calls those; `tests/unit/test_single_homes.py` holds them to it.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta, timezone, tzinfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400.0
_FIRST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()
_LAST = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH).total_seconds()
"""The ends of Python's years."""
_EARLIEST, _LATEST, _SURELY = _DAY, 32_500_000_000.0, 2.0**31 - _DAY
"""What C libraries know the local time of: to November 2999, and some, silently, no longer than to 2038. Beyond, the
offset of the nearest one serves."""


def at_utc(at: float) -> datetime:
    """Epoch seconds as a date in UTC; beyond the years 1 to 9999, the end of those."""
    return _EPOCH + timedelta(seconds=min(max(at, _FIRST), _LAST))


def at_zone(at: float, where: tzinfo | None) -> datetime:
    """Epoch seconds as a date in a zone; None: this machine's own, as an offset with its name.

    What lies beyond the years 1 to 9999 is a day from their end, which every zone can show.
    """
    date = at_utc(min(max(at, _FIRST + _DAY), _LAST - _DAY))
    if where is not None:
        return date.astimezone(where)
    there = _nearest(at)
    return date.astimezone(timezone(timedelta(seconds=there.tm_gmtoff), there.tm_zone))


def _nearest(at: float) -> time.struct_time:
    """The local time at the nearest instant that the C library knows."""
    there = time.localtime(min(max(at, _EARLIEST), _LATEST))
    return there if abs(there.tm_gmtoff) < _DAY else time.localtime(min(max(at, _EARLIEST), _SURELY))


def seconds(date: datetime) -> float:
    """The epoch seconds of a date; one without a zone is in UTC."""
    return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()


def local_seconds(date: datetime) -> float:
    """The epoch seconds of a date without a zone, in this machine's; `fold` says which, where there are two."""
    as_utc = seconds(date)
    try:
        found = date.timestamp()
    except (OSError, OverflowError, ValueError):
        found = math.inf
    return found if abs(found - as_utc) <= _DAY else as_utc - _nearest(as_utc).tm_gmtoff
