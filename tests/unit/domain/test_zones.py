"""Time zones by name, and local times on the nights in which the clock is changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftrun.domain import zones

AT = 1_767_225_600.0


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in Japan."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("tokyo")
def test_the_name_of_this_machines_zone(tmp_path: Path) -> None:
    """From TZ, or from the link that systems keep; the offset where the name does not tell this machine's time."""
    nowhere = tmp_path / "none"
    assert zones.local_name(AT, {"TZ": "Asia/Tokyo"}, nowhere) == "Asia/Tokyo"
    assert zones.local_name(AT, {"TZ": ":Asia/Tokyo"}, nowhere) == "Asia/Tokyo"
    assert zones.local_name(AT, {"TZ": "/usr/share/zoneinfo/Asia/Tokyo"}, nowhere) == "Asia/Tokyo"
    link = tmp_path / "localtime"
    (tmp_path / "zoneinfo" / "Asia").mkdir(parents=True)
    (tmp_path / "zoneinfo" / "Asia" / "Tokyo").touch()
    link.symlink_to(tmp_path / "zoneinfo" / "Asia" / "Tokyo")
    assert zones.local_name(AT, {}, link) == "Asia/Tokyo"
    for wrong in ("Europe/Berlin", "JST-9", "no such zone", "../../etc/passwd"):
        assert zones.local_name(AT, {"TZ": wrong}, nowhere) == "+09:00"
    assert zones.local_name(AT, {}, nowhere) == "+09:00"


@pytest.mark.parametrize("name", ["Nowhere/Land", "../x", "\0", "+1:00", "Europe"])
def test_an_unknown_zone_is_an_error(name: str) -> None:
    """With its name."""
    with pytest.raises(ValueError, match="does not know the time zone"):
        zones.zone(name)


def test_offsets_are_zones() -> None:
    """Both signs, and seconds, which old zones have."""
    for name, seconds in (("+02:00", 7200), ("-03:30", -12600), ("+00:19:32", 1172)):
        found = zones.zone(name)
        assert found is not None
        assert found.utcoffset(None) == timedelta(seconds=seconds)


@given(
    local=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda each: each.replace(microsecond=0)),  # noqa: DTZ001  # local times have no zone
    name=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tehran", "UTC", "+05:45"]),
)
def test_a_local_time_is_an_instant_that_shows_it_or_the_end_of_a_gap(local: datetime, name: str) -> None:
    """There is always one; in a gap it is the first instant at which the clock shows a later time."""
    where = zones.zone(name)
    found = zones.instants(local, where)
    assert list(found) == sorted(found)
    shown = datetime.fromtimestamp(found[0], where).replace(tzinfo=None)
    if shown != local:
        just_before = datetime.fromtimestamp(found[0] - 1, where).replace(tzinfo=None)
        assert just_before < local < shown
    for each in found[1:]:
        assert datetime.fromtimestamp(each, where).replace(tzinfo=None) == local


def test_the_night_of_lord_howe() -> None:
    """A gap of half an hour, and a time in it."""
    where = ZoneInfo("Australia/Lord_Howe")
    (found,) = zones.instants(datetime(2026, 10, 4, 2, 15), where)  # noqa: DTZ001  # as above
    assert datetime.fromtimestamp(found, where).isoformat() == "2026-10-04T02:30:00+11:00"
