"""Time zones by name, so that a run keeps its own wherever it is resumed, and local times on nights without them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aftrun.domain.instants import at_utc, at_zone, local_seconds, seconds

_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)(?::(\d\d))?")
_LINK = "zoneinfo/"


def zone(name: str) -> tzinfo | None:
    """The zone of this name (IANA, or an offset such as `+02:00`); None for no name: this machine's.

    Raises:
        ValueError: this machine knows no such zone.
    """
    if not name:
        return None
    if found := _OFFSET.fullmatch(name):
        sign, hours, minutes, seconds = found.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds or 0))
        return timezone(-offset if sign == "-" else offset)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        raise ValueError(f"this machine does not know the time zone {name}") from error


def local_name(at: float, environ: Mapping[str, str] = os.environ, link: Path = Path("/etc/localtime")) -> str:
    """The name of this machine's zone: IANA's where it can be told, or else its offset at `at` (epoch seconds)."""
    local = at_zone(at, None)
    offset = local.isoformat()[-6:] if local.utcoffset() is not None else "+00:00"
    name = environ.get("TZ", "").removeprefix(":")
    if not name:
        try:
            _, _, name = os.path.realpath(link).partition(_LINK)
        except OSError:
            return offset
    else:
        name = name.partition(_LINK)[2] if name.startswith("/") else name
    try:
        found = zone(name)
    except ValueError:
        return offset
    # The name is a guess until it gives the time that this machine's own clock gives.
    if found is None or at_zone(at, found).utcoffset() != local.utcoffset():
        return offset
    return name


def same_rules(one: str, other: str, at: float) -> bool:
    """Whether two zones tell the same time around `at` and for a year after it, whatever they are called.

    Raises:
        ValueError: this machine does not know one of them.
    """
    first, second = zone(one), zone(other)
    days = (at_utc(at) + timedelta(days=day) for day in range(-1, 400))
    return all(each.astimezone(first).utcoffset() == each.astimezone(second).utcoffset() for each in days)


def instants(local: datetime, where: tzinfo | None) -> tuple[float, ...]:
    """When a local time (without a zone of its own) is, in epoch seconds.

    Twice in the night in which the clock goes back. A time that does not exist, since the clock goes forward over it,
    is the first instant after the gap.
    """
    first, second = (_seconds(local.replace(fold=fold), where) for fold in (0, 1))
    if first == second:
        return (first,)
    if first < second:
        return (first, second)
    low, high = int(second), int(first)  # before and behind the instant at which the offset changes (PEP 495)
    before = at_zone(low, where).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if at_zone(middle, where).utcoffset() == before:
            low = middle
        else:
            high = middle
    return (float(high),)


def _seconds(local: datetime, where: tzinfo | None) -> float:
    return local_seconds(local) if where is None else seconds(local.replace(tzinfo=where))
