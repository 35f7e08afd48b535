"""What a run was begun with: found out where it differs, by name, and never told from what is stored."""

from __future__ import annotations

import json
import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftrun.domain.events import Accepted, RunResumed, RunStarted
from aftrun.run.pins import KEY_FILE, changes, elsewhere, make_key, pins, read_key

KEY = b"k" * 32
NO_KEY = "digest.key of the state folder is missing or another one, so no value from outside can be compared"
VALUES = {("env", "AFT_URL"): "https://a", ("env", "EMPTY"): "", ("env", "UNSET"): None, ("file", "x.txt"): "secret"}


def start(**fields: object) -> RunStarted:
    """A run that was begun with these values."""
    given_fields = {
        "servers": ("https://a",),
        "zone": "Europe/Berlin",
        "pins": pins(KEY, VALUES, ["https://a"]),
        **fields,
    }
    return RunStarted(1_767_225_600.0, "r1", (), **given_fields)  # type: ignore[arg-type]  # each by its name


def now(**fields: object) -> dict[str, object]:
    """The same values at the resume."""
    return {
        "key": KEY,
        "values": VALUES,
        "urls": ("https://a",),
        "shown_urls": ("https://a",),
        "zone": "Europe/Berlin",
        **fields,
    }


@pytest.mark.parametrize(
    ("differs", "said"),
    [
        ({}, ()),
        ({"values": {**VALUES, ("env", "AFT_URL"): "https://b"}}, ("${AFT_URL} has another value",)),
        ({"values": {**VALUES, ("file", "x.txt"): "other"}}, ("${file:x.txt} has another value",)),
        (
            {"values": {**VALUES, ("env", "EMPTY"): None}},
            ("${EMPTY} had a value, and now has none: its default would serve",),
        ),
        (
            {"values": {**VALUES, ("env", "UNSET"): ""}},
            ("${UNSET} had no value, so that its default served, and now has one",),
        ),
        ({"urls": ("https://b",), "shown_urls": ("https://b",)}, ("the server https://a is now https://b",)),
        ({"urls": ("https://b",), "shown_urls": ("${B}",)}, ("the server https://a is now ${B}",)),
        ({"urls": (), "shown_urls": ()}, ("the server https://a is now none",)),
        ({"zone": "America/New_York"}, ("the time zone was Europe/Berlin, and is now America/New_York",)),
        ({"zone": "+01:00"}, ("the time zone was Europe/Berlin, and is now +01:00",)),
        ({"zone": "Europe/Vienna"}, ()),
        ({"zone": "Nowhere/Land"}, ("the time zone was Europe/Berlin, and is now Nowhere/Land",)),
        (
            {"key": None},
            (NO_KEY,),
        ),
        (
            {"key": b"j" * 32},
            (NO_KEY,),
        ),
    ],
)
def test_each_difference_is_named(differs: dict[str, object], said: tuple[str, ...]) -> None:
    """Servers in clear, values by reference only, zones by the time that they tell."""
    assert changes(start(), **now(**differs)) == said  # type: ignore[arg-type]  # each by its name


def test_a_server_that_came_from_outside_is_told_by_its_reference() -> None:
    """The record holds a digest of it."""
    begun = start(servers=("${AFT_URL}",))
    assert changes(begun, **now(shown_urls=("${AFT_URL}",))) == ()  # type: ignore[arg-type]  # each by its name
    other = changes(begun, **now(urls=("https://b",), shown_urls=("${AFT_URL}",)))  # type: ignore[arg-type]  # the same
    assert other == ("the server ${AFT_URL} is another one",)
    assert "https://a" not in json.dumps(begun.pins)


def test_a_run_without_pins_has_nothing_to_compare() -> None:
    """Those of version 0.1."""
    old = RunStarted(1_767_225_600.0, "r1", ())
    assert changes(old, **now(key=None, zone="+05:00")) == ()  # type: ignore[arg-type]  # as above


@given(value=st.text(), other=st.text(), key=st.binary(min_size=32, max_size=32))
def test_a_digest_tells_equal_from_different_and_nothing_else(value: str, other: str, key: bytes) -> None:
    """It needs the key: under another one the same value has another digest, and the name is part of it."""
    place = ("env", "A")
    first, again = pins(KEY, {place: value}, []), pins(KEY, {place: value}, [])
    assert first == again
    assert (pins(KEY, {place: other}, []) == first) == (other == value)
    if key != KEY:
        assert pins(key, {place: value}, [])["values"] != first["values"]
    moved = pins(KEY, {("env", "B"): value}, [])
    assert list(first["values"].values()) != list(moved["values"].values())  # type: ignore[union-attr]  # an object
    if len(value) > 3:
        assert value not in json.dumps(first)


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    """Whoever asks at the same time gets the same key; the file is 0600 whatever the umask."""
    before = os.umask(0)
    try:
        with ThreadPoolExecutor(8) as pool:
            keys = set(pool.map(lambda _: make_key(tmp_path), range(16)))
    finally:
        os.umask(before)
    assert len(keys) == 1
    assert read_key(tmp_path) in keys
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_a_damaged_key_is_no_key(tmp_path: Path) -> None:
    """It cannot be compared with any more, and the next run makes another."""
    for damaged in (b"short", b"x" * 33):
        (tmp_path / KEY_FILE).write_bytes(damaged)
        assert read_key(tmp_path) is None
    assert len(make_key(tmp_path)) == 32
    assert read_key(tmp_path) == make_key(tmp_path)


OUT = "https://${HOST}"
"""How a URL whose host came from outside is shown."""


def resumed(url: str, shown: str = OUT, key: bytes = KEY) -> RunResumed:
    """A process that went by another URL, which a person accepted."""
    return RunResumed(1_767_225_700.0, servers=(shown,), pins=pins(key, {}, [url]))


def where(events: list[object], url: str, key: bytes | None = KEY) -> dict[str, str | None]:
    """The jobs that are elsewhere, and where, seen from a process that goes by `url`."""
    began = start(servers=(OUT,))
    found = elsewhere([began, *events], key, [url], {"m/a": 0, "m/b": 0})  # type: ignore[list-item]  # events, all of them
    return {each.job: each.url for each in found}


A, B = Accepted(0.0, "m/a", 1, "1"), Accepted(0.0, "m/b", 1, "2")


@pytest.mark.parametrize(
    ("events", "url", "found"),
    [
        ([A], "https://a", {}),
        ([A], "https://b", {"m/a": None}),
        ([A, RunResumed(1.0)], "https://a", {}),
        ([A, resumed("https://b"), B], "https://a", {"m/b": None}),
        ([A, resumed("https://b"), B], "https://b", {"m/a": None}),
        ([A, resumed("https://b"), B], "https://c", {"m/a": None, "m/b": None}),
        ([A, resumed("https://b"), RunResumed(2.0), B], "https://a", {}),
        ([A, resumed("https://b"), resumed("https://c"), B], "https://b", {"m/a": None, "m/b": None}),
        ([A, resumed("https://b"), Accepted(0.0, "m/a", 2, "9")], "https://b", {}),
        ([A, resumed("https://b", "https://b"), B], "https://a", {"m/b": "https://b"}),
        ([resumed("https://b", "https://b", b"o" * 32), B], "https://b", {}),
        ([resumed("https://b", OUT, b"o" * 32), B], "https://b", {"m/b": None}),
    ],
)
def test_each_job_is_where_the_process_went_by_that_had_it_accepted(
    events: list[object], url: str, found: dict[str, str | None]
) -> None:
    """Whatever URLs other processes of the run went by, before and after."""
    assert where(events, url) == found


def test_without_the_key_only_urls_in_clear_can_be_compared() -> None:
    """One that came from outside is then taken to be another."""
    assert where([A, resumed("https://b", "https://b"), B], "https://b", None) == {"m/a": None}


def test_a_run_of_an_older_aftrun_kept_no_servers() -> None:
    """Its jobs are asked for where the server is now."""
    assert elsewhere([start(servers=None, pins=None), A], KEY, ["https://b"], {"m/a": 0}) == ()
