"""Weeks of `apply` with `once`, and proof that they find what they are for: known bugs, planted one at a time."""

from __future__ import annotations

import os

import pytest

from tests.effort import effort
from tests.simulation.converging import Week
from tests.simulation.planted import Bug

WEEKS = effort(quick=50, usual=200, long=20_000)
FIRST_SEED = int(os.environ.get("AFTRUN_TEST_SEED", "0"))

BUGS = (
    Bug(
        "nobody is refused an intent",
        "aftrun.run.converge:may_submit",
        (("return once.number ==", "return True or once.number =="),),
    ),
    Bug(
        "a job that was accepted is sent again",
        "aftrun.run.converge:decide",
        (("if last.job_id: return Move.FOLLOW", "if last.job_id: return Move.SUBMIT"),),
    ),
    Bug(
        "a job in doubt is sent again",
        "aftrun.run.converge:decide",
        (("case Outcome.UNKNOWN: return Move.DOUBT", "case Outcome.UNKNOWN: return Move.SUBMIT"),),
    ),
    Bug(
        "what a follower saw is not on record",
        "aftrun.run.store.identities:Identities._admits",
        (("known[job] = found return True", "return True"),),
    ),
    Bug(
        "a failure is taken for done",
        "aftrun.run.converge:decide",
        (("case Outcome.SUCCEEDED: return Move.UP_TO_DATE", "case _ if last.outcome: return Move.UP_TO_DATE"),),
    ),
    Bug(
        "a settlement is compared with the clock",
        "aftrun.run.converge:after",
        (("if last.settled_by is not None and event.at", "if event.at - 1"),),
    ),
)


def test_all_weeks_end_well() -> None:
    """Nothing twice, nothing lost, nothing untrue, whoever is killed or gets in between; seeds of those that do not."""
    weeks = [Week(seed).play() for seed in range(FIRST_SEED, FIRST_SEED + WEEKS)]
    assert [(week.seed, week.broken) for week in weeks if week.broken] == []
    assert {"upToDate", "follow", "doubt", "unknown", "failed"} <= set().union(*(week.moves for week in weeks))
    assert sum(week.kills for week in weeks) > WEEKS
    assert sum(week.between for week in weeks) > WEEKS // 2


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    """Each of the bugs that are known is found, in a few hundred weeks at most."""
    with bug.planted():
        found = next((seed for seed in range(600) if Week(seed).play().broken), None)
    assert found is not None
