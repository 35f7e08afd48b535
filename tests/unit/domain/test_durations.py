"""Durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftrun.domain.durations import broken_rule, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0.0),
        ("500ms", 0.5),
        ("30s", 30.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("1d", 86_400.0),
        ("1h30m", 5400.0),
        ("1m500ms", 60.5),
        ("1.5s", 1.5),
        ("1.1s200ms", 1.3),
    ],
)
def test_reads_every_unit_and_their_sums(text: str, seconds: float) -> None:
    """Each unit, a fraction, and sums come out in seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "-1s", "1 s", "30m1h", "1s1s", "1S", "1w", "s1", "1ms1s", "1e3s", "٣s", "1s\n"]
)
def test_refuses_what_is_no_duration(text: str) -> None:
    """Signs, blanks, wrong order, unknown units and repeats are errors that show the right form."""
    with pytest.raises(
        ValueError, match=r"is not a length of time(: each unit once and the longest first)?; write for example 500ms"
    ):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "rule"),
    [("1h1h", "each unit once"), ("30m1h", "longest first"), ("36501d", "a hundred years"), ("36500d", ""), ("x", "")],
)
def test_the_rule_that_is_broken_is_named(text: str, rule: str) -> None:
    """A sum of known units that is refused says why; anything else breaks no rule, or is no such sum."""
    assert rule in broken_rule(text)
    assert bool(broken_rule(text)) == bool(rule)
    if rule:
        with pytest.raises(ValueError, match=rule):
            parse_duration(text)


def test_a_bare_number_is_told_to_take_a_unit() -> None:
    """Seconds and milliseconds are easily confused, so a bare number is never guessed at."""
    with pytest.raises(ValueError, match=r'"30" has no unit; write for example 30s, 500ms'):
        parse_duration("30")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (-3, "0s"), (0.25, "250ms"), (90, "1m30s"), (90_061.5, "1d1h1m1s500ms")]
)
def test_writes_the_shortest_form(seconds: float, text: str) -> None:
    """Only the units that are needed are written."""
    assert format_duration(seconds) == text


@given(st.integers(0, 10**12))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    """Formatting and parsing agree to the millisecond."""
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-6)
