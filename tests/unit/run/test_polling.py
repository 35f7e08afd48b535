"""Looks that history moves: never later than the rule, never sooner than `min`, and no more of them."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftrun.domain.model import Poll
from aftrun.run import policy, polling

polls = st.builds(
    lambda minimum, more, fraction: Poll(minimum, minimum + more, fraction),
    st.sampled_from([0.05, 0.1, 0.5, 1.0, 5.0]),
    st.sampled_from([0.0, 1.0, 30.0, 300.0]),
    st.sampled_from([0.0, 0.02, 0.1, 0.3]),
)
pasts = st.lists(st.floats(0.01, 5_000), max_size=20)


class Edge(Random):
    """Dice that always fall on the same edge of what is asked for."""

    def __init__(self, at: float) -> None:
        super().__init__(0)
        self._at = at

    def uniform(self, a: float, b: float) -> float:
        """The point so far between `a` and `b`."""
        return a + (b - a) * self._at


def looks(poll: Poll, until: float, planned: tuple[float, ...], dice: Random, latency: float = 0.0) -> list[float]:
    """The ages of all looks up to the first at `until` or later."""
    age, found = 0.0, list[float]()
    while not found or found[-1] < until:
        age += polling.next_poll(poll, age, planned, dice)
        found.append(age)
        age += latency
    return found


@given(polls, pasts, st.floats(0, 10_000), st.integers())
def test_no_wait_leaves_what_the_rule_allows(poll: Poll, past: list[float], elapsed: float, seed: int) -> None:
    """Whatever history says, and however wrong it is: at most 1.1 times the clamp, at least 0.9 times `min`."""
    base = policy.base_interval(poll, elapsed)
    found = polling.next_poll(poll, elapsed, polling.stops(poll, past), Random(seed))  # noqa: S311  # a lot
    assert 0.9 * poll.minimum - 1e-9 <= found <= 1.1 * base + 1e-9


@given(polls, pasts, st.floats(0.1, 3_000), st.integers(0, 99))
def test_an_end_at_any_age_is_noticed_as_soon_as_the_rule_would_at_worst(
    poll: Poll, past: list[float], end: float, seed: int
) -> None:
    """The lag never exceeds the longest wait of the rule at the age of the look before."""
    ages = looks(poll, end, polling.stops(poll, past), Random(seed))  # noqa: S311  # a lot
    before = ages[-2] if len(ages) > 1 else 0.0
    assert ages[-1] - end <= 1.1 * policy.base_interval(poll, before) + 1e-9


@given(polls, pasts, st.floats(0.1, 3_000), st.integers(0, 99))
def test_reads_never_exceed_the_rules_by_more_than_the_stops(
    poll: Poll, past: list[float], until: float, seed: int
) -> None:
    """Up to any age: the reads of the rule at its shorter edge, and each stop at most twice (a wait cut in two)."""
    planned = polling.stops(poll, past)
    reached = sum(1 for stop in planned if stop <= until) + 1
    by_rule = len(looks(poll, until, (), Edge(0.0)))
    assert len(looks(poll, until, planned, Random(seed))) <= by_rule + 2 * reached  # noqa: S311  # a lot


@given(polls, st.floats(0, 5_000), st.integers())
def test_without_history_the_rule_alone_decides(poll: Poll, elapsed: float, seed: int) -> None:
    """The same dice give the same wait."""
    mine, rule = (Random(seed), Random(seed))  # noqa: S311  # a lot
    assert polling.next_poll(poll, elapsed, (), mine) == policy.poll_interval(poll, elapsed, rule)


def test_nothing_known_plans_nothing() -> None:
    """No past, and a past of zeros, is none."""
    assert polling.stops(Poll(), ()) == polling.stops(Poll(), [0.0, 0.0]) == ()


@given(polls, pasts)
def test_stops_rise_and_lie_behind_past_ends(poll: Poll, past: list[float]) -> None:
    """In order; the first is not before the earliest past end, and the last not before the latest."""
    planned = polling.stops(poll, past)
    assert list(planned) == sorted(planned)
    if past:
        assert planned[0] >= min(past)
        assert planned[-1] >= max(past)


@pytest.mark.parametrize(
    ("poll", "age"), [(Poll(), 3.0), (Poll(), 40.0), (Poll(), 900.0), (Poll(0.0, 30.0, 0.1), 60.0), (Poll(2, 2, 0), 90)]
)
def test_the_rules_reads_are_counted_about_right(poll: Poll, age: float) -> None:
    """The formula against the rule itself, within a tenth and one read."""
    ages, now = 0, 0.0
    while now < age:
        now += max(policy.base_interval(poll, now), 0.05)
        ages += 1
    assert math.isclose(polling.rule_reads(poll, age), ages, rel_tol=0.1, abs_tol=1.5)


@pytest.mark.parametrize(
    ("name", "spread", "better"), [("constant", 0.0, 0.5), ("5 % either way", 0.05, 0.6), ("far apart", 0.3, 1.0)]
)
def test_history_halves_the_lag_with_fewer_reads(name: str, spread: float, better: float) -> None:
    """Two minutes, give or take: learnt over 25 runs, the mean lag falls and so do the reads."""
    dice = Random(3)  # noqa: S311  # a lot
    totals = {True: [0.0, 0], False: [0.0, 0]}
    for _ in range(40):
        past: list[float] = []
        for number in range(25):
            end = 120 * dice.uniform(1 - spread, 1 + spread)
            for knowing in (False, True):
                ages = looks(Poll(), end, polling.stops(Poll(), past[-20:]) if knowing else (), dice, 0.01)
                if number >= 5:
                    totals[knowing][0] += ages[-1] - end
                    totals[knowing][1] += len(ages)
            past.append((ages[-2] + ages[-1]) / 2)
    assert totals[True][0] <= better * totals[False][0], name
    assert totals[True][1] <= totals[False][1], name


def test_a_look_falls_just_behind_the_usual_end() -> None:
    """A job that always takes 100 s is looked at within a second after that."""
    planned = polling.stops(Poll(), [100.0] * 5)
    ages = looks(Poll(), 100.0, planned, Random(1))  # noqa: S311  # a lot
    assert 100.0 < ages[-1] <= 101.01
