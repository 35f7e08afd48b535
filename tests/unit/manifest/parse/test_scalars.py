"""YAML 1.2 scalars, durations and times."""

from __future__ import annotations

import math

import pytest

from aftrun.domain.model import ParamKind
from aftrun.manifest.parse import scalars


@pytest.mark.parametrize(
    "text", ["yes", "on", "No", "12:30", "2026-01-02", "1_000", "0b1", "1e", "--1", "tRUE", "+", "."]
)
def test_text_stays_text(text: str) -> None:
    """What YAML 1.1 would turn into something else is text."""
    assert scalars.kind(text) is ParamKind.TEXT
    assert scalars.resolve(text) == text


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("007", ParamKind.INTEGER, 7),
        ("-0", ParamKind.INTEGER, 0),
        ("0x1F", ParamKind.INTEGER, 31),
        ("0o17", ParamKind.INTEGER, 15),
        ("1.10", ParamKind.NUMBER, 1.1),
        (".5", ParamKind.NUMBER, 0.5),
        ("1e3", ParamKind.NUMBER, 1000.0),
        ("True", ParamKind.BOOLEAN, True),
        ("FALSE", ParamKind.BOOLEAN, False),
    ],
)
def test_core_schema(text: str, kind: ParamKind, value: object) -> None:
    """Numbers and booleans of the core schema."""
    assert scalars.kind(text) is kind
    assert scalars.resolve(text) == value
    assert not scalars.is_text(text)


def test_null_and_special_numbers() -> None:
    """Null in its spellings, infinity, and not a number."""
    assert [scalars.resolve(text) for text in ("", "~", "null", "NULL")] == [None] * 4
    assert scalars.resolve("-.inf") == -math.inf
    assert scalars.resolve(".nan") != scalars.resolve(".nan")
    assert scalars.kind(".inf") is ParamKind.TEXT


def test_huge_integers_stay_text() -> None:
    """Python refuses to convert very long digits; so do we, without an exception."""
    assert scalars.resolve("1" * 10_000) == "1" * 10_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("5m", 300),
        ("2h", 7200),
        ("1d", 86_400),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("0s", 0),
    ],
)
def test_duration(text: str, seconds: float) -> None:
    """Durations of one and several units."""
    assert scalars.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "h", "1 h", "1h1h", "-1s", "1w", "999999999d", "1h\n", "\u06f1s"])
def test_no_duration(text: str) -> None:
    """What is no duration, or an absurd one."""
    assert scalars.duration(text) is None


def test_finish_by() -> None:
    """Times of day and instants that exist."""
    assert all(map(scalars.is_finish_by, ["06:00", "6:00", "23:59", "2026-01-02T06:00:00Z", "2026-01-02 06:00+01:00"]))
    assert not any(map(scalars.is_finish_by, ["24:00", "6", "2026-02-30T06:00:00Z", "2026-01-02T06:00:00", "06:00\n"]))
