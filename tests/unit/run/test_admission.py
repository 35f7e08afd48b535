"""`overlap` and `unfinished`, row by row: what other runs of the same jobs keep a new one from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest

from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
    Event,
    JobEnded,
    JobHeader,
    Reason,
    RetryPlanned,
    RunStarted,
    Settled,
    StateSeen,
    SubmitDeferred,
    SubmitIntended,
)
from aftrun.domain.model import Job, Manifest, Outcome, Overlap, Script, Selector, Strategy, Unfinished
from aftrun.domain.values import Origin
from aftrun.run.admission import (
    Asked,
    Attach,
    Begin,
    Decision,
    Other,
    Refuse,
    Resume,
    Rule,
    Wait,
    after,
    asked,
    beside,
    goes_on_first,
    open_jobs,
)
from aftrun.run.fold import fold
from aftrun.run.plan import make_plan

HERE = Origin("m.yaml", 1, 1)


def want(overlap: Overlap = Overlap.REFUSE, unfinished: Unfinished = Unfinished.REFUSE, jobs: str = "ab") -> Asked:
    """These jobs of the manifest `m`, all under one rule."""
    keys = frozenset(f"m/{job}" for job in jobs)
    return Asked(keys, dict.fromkeys(keys, Rule(overlap, unfinished)))


def other(wanted: Asked, run: str = "r", jobs: str = "ab") -> Other:
    """A run of these jobs, all of which are at stake."""
    keys = frozenset(f"m/{job}" for job in jobs)
    return Other(run, keys, tuple(sorted(keys & wanted.rules.keys())))


@pytest.mark.parametrize(
    ("word", "decision"),
    [
        (Overlap.REFUSE, Refuse(("r",))),
        (Overlap.WAIT, Wait(("r",))),
        (Overlap.ATTACH, Attach("r")),
        (Overlap.ALLOW, Begin()),
    ],
)
def test_each_word_of_overlap(word: Overlap, decision: Decision) -> None:
    """One run with the same jobs; and one with none of them, which is nobody's business."""
    wanted = want(word)
    assert beside(wanted, [other(wanted)]) == decision
    assert beside(wanted, [other(wanted, jobs="xy")]) == Begin()
    assert beside(wanted, []) == Begin()


@pytest.mark.parametrize(
    ("word", "decision"),
    [(Unfinished.REFUSE, Refuse(("r",))), (Unfinished.RESUME, Resume("r")), (Unfinished.IGNORE, Begin())],
)
def test_each_word_of_unfinished(word: Unfinished, decision: Decision) -> None:
    """The same for a run that was cut off."""
    wanted = want(unfinished=word)
    assert after(wanted, [other(wanted)]) == decision
    assert after(wanted, [other(wanted, jobs="xy")]) == Begin()
    assert after(wanted, []) == Begin()


@pytest.mark.parametrize("jobs", ["a", "bx"])
def test_another_run_stands_for_this_one_only_if_it_has_all_its_jobs(jobs: str) -> None:
    """0 says that everything asked for succeeded; a run that never had some of it cannot say so."""
    wanted = want(Overlap.ATTACH, Unfinished.RESUME)
    missing = ({"m/a", "m/b"} - {f"m/{job}" for job in jobs}).pop()
    for decision in (beside(wanted, [other(wanted, jobs=jobs)]), after(wanted, [other(wanted, jobs=jobs)])):
        assert isinstance(decision, Refuse)
        assert decision.because.endswith(missing)
    more = other(wanted, jobs="abc")
    assert (beside(wanted, [more]), after(wanted, [more])) == (Attach("r"), Resume("r"))


def test_jobs_that_need_no_rule_are_asked_for_all_the_same() -> None:
    """A job that converges by itself is in nobody's way, but a run that does not have it cannot stand for this one."""
    wanted = Asked(frozenset({"m/a", "m/b"}), {"m/a": Rule(Overlap.ATTACH, Unfinished.RESUME)})
    assert isinstance(beside(wanted, [other(wanted, jobs="a")]), Refuse)
    assert beside(wanted, [other(wanted, jobs="b")]) == Begin()
    assert beside(wanted, [other(wanted)]) == Attach("r")


def test_of_several_runs_none_stands_for_this_one() -> None:
    """But each can be waited for, or be the reason to refuse."""
    for word, decision in ((Overlap.WAIT, Wait(("r", "s"))), (Overlap.REFUSE, Refuse(("r", "s")))):
        wanted = want(word)
        assert beside(wanted, [other(wanted), other(wanted, "s")]) == decision
    wanted = want(Overlap.ATTACH, Unfinished.RESUME)
    for found in (
        beside(wanted, [other(wanted), other(wanted, "s")]),
        after(wanted, [other(wanted), other(wanted, "s")]),
    ):
        assert isinstance(found, Refuse)
        assert "2 runs" in found.because


@pytest.mark.parametrize(("one", "two"), list(product(Overlap, Overlap)))
def test_where_manifests_differ_the_most_careful_one_decides(one: Overlap, two: Overlap) -> None:
    """In the order refuse, wait, attach, allow; whatever the order of the manifests."""
    careful = [Overlap.REFUSE, Overlap.WAIT, Overlap.ATTACH, Overlap.ALLOW]
    keys = frozenset({"m/a", "m/b"})
    wanted = Asked(keys, {"m/a": Rule(one), "m/b": Rule(two)})
    first = min(one, two, key=careful.index)
    assert beside(wanted, [other(wanted)]) == beside(want(first), [other(wanted)])


@pytest.mark.parametrize(("one", "two"), list(product(Unfinished, Unfinished)))
def test_the_same_for_unfinished(one: Unfinished, two: Unfinished) -> None:
    """In the order refuse, resume, ignore."""
    careful = [Unfinished.REFUSE, Unfinished.RESUME, Unfinished.IGNORE]
    wanted = Asked(frozenset({"m/a", "m/b"}), {"m/a": Rule(unfinished=one), "m/b": Rule(unfinished=two)})
    first = min(one, two, key=careful.index)
    assert after(wanted, [other(wanted)]) == after(want(unfinished=first), [other(wanted)])


@pytest.mark.parametrize(
    ("words", "jobs", "first"),
    [
        ([Unfinished.RESUME, Unfinished.RESUME], "ab", True),
        ([Unfinished.RESUME, Unfinished.RESUME], "abc", True),
        ([Unfinished.RESUME, Unfinished.RESUME], "a", False),
        ([Unfinished.RESUME, Unfinished.REFUSE], "ab", False),
        ([Unfinished.RESUME, Unfinished.IGNORE], "ab", False),
        ([Unfinished.REFUSE, Unfinished.REFUSE], "ab", False),
    ],
)
def test_a_run_that_is_resumed_whatever_became_of_its_open_jobs(
    words: list[Unfinished], jobs: str, first: bool
) -> None:
    """Its other jobs are still to be done; but only if it can stand for the run that is asked for."""
    keys = ["m/a", "m/b"]
    wanted = Asked(frozenset(keys), {key: Rule(unfinished=word) for key, word in zip(keys, words, strict=True)})
    assert goes_on_first(wanted, [f"m/{job}" for job in jobs], keys) is first


def manifest(name: str, strategy: Strategy) -> Manifest:
    """Of one job."""
    return Manifest(name, f"{name}.yaml", (Job("a", Script(Selector.NAME, "a"), HERE),), strategy=strategy)


def test_each_manifest_says_what_counts_for_its_own_jobs_and_flags_win() -> None:
    """Two manifests in one run."""
    both = [
        manifest("m", Strategy(overlap=Overlap.WAIT, unfinished=Unfinished.IGNORE)),
        manifest("n", Strategy()),
    ]
    plan = make_plan(both)
    found = asked(plan, None, None)
    assert found.jobs == frozenset({"m/a", "n/a"})
    assert found.rules == {"m/a": Rule(Overlap.WAIT, Unfinished.IGNORE), "n/a": Rule()}
    forced = Rule(Overlap.ALLOW, Unfinished.RESUME)
    assert asked(plan, forced.overlap, forced.unfinished).rules == {"m/a": forced, "n/a": forced}
    assert asked(plan, Overlap.ALLOW, None).rules["m/a"] == Rule(Overlap.ALLOW, Unfinished.IGNORE)


def test_a_job_with_once_needs_no_rule() -> None:
    """It is asked for, but what the record has of it decides on its own."""
    one = manifest("m", Strategy())
    two = replace(one, jobs=(*one.jobs, replace(one.jobs[0], name="b", once="x")))
    found = asked(make_plan([two]), Overlap.ALLOW, None)
    assert found.jobs == frozenset({"m/a", "m/b"})
    assert found.rules.keys() == {"m/a"}


INTENT = SubmitIntended(1.0, "m/a", 1)
ID = Accepted(2.0, "m/a", 1, "A")
RUNNING = StateSeen(3.0, "m/a", 1, "Running", "running")


def over(outcome: Outcome, attempt: int = 1) -> AttemptEnded:
    """The end of an attempt."""
    return AttemptEnded(4.0, "m/a", attempt, outcome, Reason.DONE)


def done(outcome: Outcome) -> tuple[Event, ...]:
    """The end of the job."""
    return (over(outcome), JobEnded(4.0, "m/a", outcome, Reason.DONE))


@pytest.mark.parametrize(
    ("events", "is_open"),
    [
        ((), False),
        ((INTENT,), True),
        ((INTENT, SubmitDeferred(1.5, "m/a", 1, "no", 1.0)), False),
        ((INTENT, SubmitDeferred(1.5, "m/a", 1, "no", 1.0), INTENT), True),
        ((INTENT, ID), True),
        ((INTENT, ID, RUNNING), True),
        ((INTENT, ID, over(Outcome.FAILED)), False),
        ((INTENT, ID, over(Outcome.FAILED), RetryPlanned(4.0, "m/a", 2, 1.0)), False),
        ((INTENT, ID, over(Outcome.FAILED), SubmitIntended(5.0, "m/a", 2)), True),
        ((INTENT, ID, Settled(9.0, "m/a", Outcome.FAILED, "me")), False),
        ((INTENT, over(Outcome.UNKNOWN)), True),
        ((INTENT, ID, over(Outcome.TIMED_OUT)), True),
        ((INTENT, ID, over(Outcome.SUBMITTED)), False),
        *(((INTENT, ID, *done(outcome)), False) for outcome in Outcome),
    ],
)
def test_which_jobs_of_a_run_that_was_cut_off_are_open(events: Sequence[Event], is_open: bool) -> None:
    """Intended or accepted, with no end on record: they may be on the server."""
    start = RunStarted(0.0, "r", (JobHeader("m/a", "a", "m", "https://s", "m.yaml", 1, 1),))
    jobs = fold([start, *events]).jobs
    assert bool(open_jobs(jobs, {"m/a"})) is is_open
    assert open_jobs(jobs, {"m/b"}) == {}
