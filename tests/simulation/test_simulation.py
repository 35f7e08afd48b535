"""A short simulation, and proof that it finds what it is for: bugs that are known, planted one at a time."""

from __future__ import annotations

import pytest

from tests.simulation.many import play, play_all
from tests.simulation.network import Reader
from tests.simulation.planted import BUGS, Bug, hunt

NIGHTS = 1_500

OPEN = (
    "overlapped, with the concurrency key",
    "left after finishBy",
    "never said so",
    "nobody has seen the job end",
)
"""Promises that are known to be broken, and are being worked on."""


def test_all_promises_hold() -> None:
    """Random nights with faults of every kind: no promise is broken in any of them."""
    total = play_all(range(NIGHTS))
    assert total.nights == NIGHTS
    broken = [(seed, promise) for seed, promise in total.broken if not any(each in promise for each in OPEN)]
    assert not broken, "tell a night again with `make simulate SECONDS=0 SEED=…`"
    assert len(total.faults) > 60, "hardly any faults were injected"
    assert {0, 1, 3, 4, 5, 6, 74, 124, 130, 143} <= set(total.codes), "hardly any ends were reached"


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


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    """Each of the bugs that are known is found, in a few thousand nights at most."""
    found = hunt(bug, 5_000)
    assert found is not None
