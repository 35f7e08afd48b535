"""Instants without the C library, which on Windows knows none before 1970 or after 3000."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftrun.client.client import retry_after
from aftrun.client.tls import day
from aftrun.domain import events, instants
from aftrun.domain.instants import at_utc, at_zone, local_seconds, seconds
from aftrun.domain.zones import instants as instants_of

YEARS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 28), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis' form
ODD = (-62_135_596_800.0, -1e11, -43_201.0, -1.0, 0.0, 0.5, 32_536_850_399.5, 1e11, 253_402_300_799.0, 1e300, -math.inf)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The C library of Windows, as far as it matters here."""
    real = time.localtime

    def localtime(at: float) -> time.struct_time:
        if not 0 <= at <= 32_536_850_399:
            raise OSError(22, "Invalid argument")
        return real(at)

    monkeypatch.setattr(instants, "time", type("Time", (), {"localtime": staticmethod(localtime)}))


def test_a_c_library_that_miscounts_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One took 2999 for a time eight thousand years later, without a word."""
    real = time.localtime

    class Odd:
        tm_gmtoff, tm_zone = -(2**35), "odd"

    stand_in = {"localtime": staticmethod(lambda at: real(at) if at < 2**31 else Odd)}
    monkeypatch.setattr(instants, "time", type("Time", (), {**stand_in, "struct_time": time.struct_time}))
    assert at_zone(32_400_000_000.0, None) == at_utc(32_400_000_000.0)


@given(YEARS)
def test_seconds_and_dates_are_one_another(date: datetime) -> None:
    """For every instant of Python's years, to the microsecond that a float can hold."""
    at = seconds(date)
    assert at == (date - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    assert abs(at_utc(at) - date) <= timedelta(microseconds=40)
    assert seconds(date.replace(tzinfo=None)) == at
    assert at_zone(at, ZoneInfo("Europe/Rome")) == at_utc(at)


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("at", ODD)
@pytest.mark.parametrize("where", [None, UTC, ZoneInfo("Pacific/Apia"), timezone(timedelta(hours=-23, minutes=59))])
def test_any_number_is_some_date(at: float, where: timezone | None) -> None:
    """Beyond the years there is the day next to their end; nothing is raised, in no zone."""
    shown = at_zone(at, where)
    assert 1 <= shown.year <= 9999
    assert shown.utcoffset() is not None
    if -6e10 < at < 2e11:
        assert shown == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)
    assert events.parse_instant(events.instant(at)) == pytest.approx(seconds(at_utc(at)), abs=0.001)


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("year", [1, 2, 1600, 1969, 1970, 2026, 2999, 3001, 9998])
def test_local_times_of_any_year(year: int) -> None:
    """Of a date without zone, this machine's instant; and back."""
    local = datetime(year, 7, 1, 12)  # noqa: DTZ001  # a local time has no zone
    at = local_seconds(local)
    assert abs(at - seconds(local)) <= 86_400
    assert day(at)[:4] == f"{year:04}"
    assert instants_of(local, UTC) == (seconds(local),)


@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000", ""])
@pytest.mark.parametrize("year", [1969, 1970, 1971, 3002])
def test_a_retry_after_of_any_year(zone: str, year: int) -> None:
    """The past is now, the future is as far as anybody waits; a date without zone is UTC, whatever this machine's."""
    date = datetime(year, 1, 1, 0, 0, 5, tzinfo=UTC)
    text = f"{format_datetime(date, usegmt=True).removesuffix('GMT')}{zone}".strip()
    found = retry_after(text, seconds(datetime(1970, 1, 1, tzinfo=UTC)))
    assert found is not None
    assert found == (0.0 if year == 1969 else 5.0 if year == 1970 else found)
    assert found >= 0


def test_days_of_certificates() -> None:
    """They are valid from 1950 (UTCTime) to the end of 9999, which stands for no end (RFC 5280)."""
    assert day(seconds(datetime(1950, 1, 1, tzinfo=UTC))) == "1950-01-01"
    assert day(seconds(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))) == "9999-12-31"
    assert day(seconds(datetime(3001, 6, 1, tzinfo=UTC))) == "3001-06-01"
