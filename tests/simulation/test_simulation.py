"""A short simulation, and proof that it finds what it is for: bugs that are known, planted one at a time."""

from __future__ import annotations

import pytest

from tests.effort import alike
from tests.simulation.many import play, play_all
from tests.simulation.network import Reader
from tests.simulation.planted import BUGS, Bug, hunt


@pytest.mark.parametrize("first", range(0, 1_500, 300))
def test_all_promises_hold(first: int) -> None:
    """Random nights with faults of every kind: no promise is broken in any of them."""
    total = play_all(range(first, first + 300))
    assert total.nights == 300
    assert not total.broken, "tell a night again with `make simulate SECONDS=0 SEED=…`"


def test_nights_differ() -> None:
    """In a thousand nights, most kinds of faults are injected, and runs end in every way there is."""
    total = play_all(range(10_000, 11_000))
    assert not total.broken
    assert len(total.faults) > 60
    assert {0, 1, 5, 6, 74, 124, 130, 143} <= set(total.codes)


def test_a_night_is_a_function_of_its_seed() -> None:
    """Told twice, a night is the same to the last line; else a seed would be of no use."""
    tellings: list[list[str]] = []
    for _ in range(2):
        lines: list[str] = []
        for seed in range(20):
            play(seed, Reader(), lines.append)
        tellings.append(lines)
    assert tellings[0] == tellings[1]
    assert len(tellings[0]) > 200


@pytest.mark.parametrize("bug", alike(BUGS, lambda bug: bug.name, every=3))
def test_a_planted_bug_is_found(bug: Bug) -> None:
    """Each of the bugs that are known is found, in a few thousand nights at most."""
    found = hunt(bug, 5_000)
    assert found is not None
