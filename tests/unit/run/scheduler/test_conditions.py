"""`when`, `failFast`, `allowFailure` and `concurrency`: who starts after what end."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from aftrun.domain.events import (
    Reason,
)
from aftrun.domain.model import (
    OnAmbiguous,
    Retry,
    State,
    When,
)
from tests.simulation.kernel import NEVER
from tests.unit.run.scheduler.seen import FAILS, message, posts, reason
from tests.unit.world import (
    LOST_AFTER,
    Acts,
    Life,
    Setting,
    check,
    job,
    manifest,
    parallel,
    run,
)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("fail_fast", [False, True])
@pytest.mark.parametrize("order", [manifest, parallel])
def test_when_decides_who_runs_after_a_good_or_bad_end(order: object, *, fails: bool, fail_fast: bool) -> None:
    """`success` runs after good ends, `failure` after bad ones, `always` after both, with failFast or without."""
    make = order if callable(order) else manifest
    ran = run(
        make(
            job("first"),
            job("then", needs=("first",)),
            job("mend", needs=("first",), when=When.FAILURE),
            job("tell", needs=("first",), when=When.ALWAYS),
            fail_fast=fail_fast,
        ),
        acts={"first": FAILS} if fails else {},
    )
    assert ran.outcome("then") == ("skipped" if fails else "succeeded")
    assert ran.outcome("mend") == ("succeeded" if fails else "skipped")
    assert ran.outcome("tell") == "succeeded"
    assert ran.report.exit_code == (1 if fails else 0)
    if fails:
        assert reason(ran, "then") == Reason.NEEDS
    else:
        assert reason(ran, "mend") == Reason.NOT_NEEDED


def test_fail_fast_starts_nothing_new_that_waits_for_success() -> None:
    """Sequential default: after a bad end the rest is skipped with the reason, `always` and `failure` still run."""
    ran = run(
        manifest(job("bad"), job("plain"), job("always", when=When.ALWAYS), job("mend", when=When.FAILURE)),
        acts={"bad": FAILS},
    )
    assert ran.outcomes() == {"bad": "failed", "plain": "skipped", "always": "succeeded", "mend": "skipped"}
    assert reason(ran, "plain") == Reason.FAIL_FAST
    assert "bad ended badly" in message(ran, "plain")
    assert ran.report.exit_code == 1


def test_fail_fast_lets_running_jobs_end() -> None:
    """Side by side with failFast, what is on the server already is watched to its end."""
    ran = run(
        parallel(job("bad"), job("busy"), job("later"), max_parallel=2, fail_fast=True),
        acts={"bad": Acts((Life(runs=1, end=State.FAILED),)), "busy": Acts((Life(runs=60),))},
    )
    assert ran.outcomes() == {"bad": "failed", "busy": "succeeded", "later": "skipped"}


def test_without_fail_fast_independent_jobs_go_on() -> None:
    """Only what needs the failed job is skipped, through any number of steps."""
    ran = run(
        manifest(
            job("bad"), job("child", needs=("bad",)), job("grandchild", needs=("child",)), job("other"), fail_fast=False
        ),
        acts={"bad": FAILS},
    )
    assert ran.outcomes() == {"bad": "failed", "child": "skipped", "grandchild": "skipped", "other": "succeeded"}
    assert reason(ran, "grandchild") == Reason.NEEDS


def test_allow_failure_counts_neither_for_the_run_nor_for_needs() -> None:
    """A job that may fail is reported as it ended, and nothing else changes."""
    ran = run(manifest(job("shaky", allow_failure=True), job("next", needs=("shaky",))), acts={"shaky": FAILS})
    assert ran.outcomes() == {"shaky": "failed", "next": "succeeded"}
    assert ran.report.exit_code == 0


def test_a_need_that_was_not_needed_skips_its_dependant_rightly() -> None:
    """What needs a `when: failure` job that nothing called for is not needed either, and the run is a success."""
    ran = run(manifest(job("a"), job("mend", needs=("a",), when=When.FAILURE), job("check", needs=("mend",))))
    assert ran.outcomes() == {"a": "succeeded", "mend": "skipped", "check": "skipped"}
    assert reason(ran, "check") == Reason.NOT_NEEDED
    assert ran.report.exit_code == 0


def test_jobs_of_one_concurrency_key_never_overlap() -> None:
    """Two keys, six jobs, eight slots: within a key one after another, across keys side by side."""
    names = [f"{key}{n}" for n in range(3) for key in "xy"]
    setting = Setting((parallel(*(job(name, concurrency=name[0]) for name in names)),))
    ran = setting.go()
    check(ran)
    ledger = setting.servers[0].ledger
    for key in "xy":
        mine = [each for each in ledger if each.script.startswith(key)]
        assert all(first.ends_at() <= second.at for first, second in pairwise(mine))
    assert setting.servers[0].overlap() == 2


def test_a_concurrency_key_is_held_between_attempts() -> None:
    """A job that waits for its retry still holds its key, since it is not over."""
    ran = run(
        parallel(job("a", concurrency="k", retry=Retry(1, duration=20)), job("b", concurrency="k")),
        acts={"a": Acts((Life(end=State.FAILED), Life()))},
    )
    assert posts(ran) == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("fields", "acts", "ends"),
    [
        pytest.param({"timeout": 20}, Acts((Life(runs=NEVER),)), "timedOut", id="timed out"),
        pytest.param({"timeout": 20, "allow_failure": True}, Acts((Life(runs=NEVER),)), "timedOut", id="allowed"),
        pytest.param({"queue_timeout": 20}, Acts((Life(queued=NEVER),)), "timedOut", id="queue"),
        pytest.param({}, Acts((Life(runs=NEVER),), faults=(LOST_AFTER,)), "unknown", id="ambiguous"),
        pytest.param({}, Acts((Life(vanishes=1),)), "unknown", id="vanished"),
        pytest.param({"wait": False}, Acts((Life(runs=NEVER),)), "submitted", id="not waited for"),
        pytest.param(
            {"on_ambiguous": OnAmbiguous.RESUBMIT},
            Acts((Life(runs=NEVER), Life()), faults=(LOST_AFTER,)),
            "succeeded",
            id="the attempt before",
        ),
    ],
)
def test_a_concurrency_key_is_not_free_before_the_end_is_known(fields: dict[str, Any], acts: Acts, ends: str) -> None:
    """Who may still run on the server keeps the key to the run's end: the others are skipped, in every stage."""
    first = parallel(job("a", concurrency="k", **fields), job("b", concurrency="k"), job("c"))
    setting = Setting((first, manifest(job("d", concurrency="k"), name="next")), acts={"a": acts}, keep_going=True)
    ran = setting.go()
    check(ran)
    assert ran.outcomes() == {"a": ends, "b": "skipped", "c": "succeeded", "d": "skipped"}
    assert {"b", "d"}.isdisjoint(posts(ran))
    assert reason(ran, "b") == reason(ran, "d") == Reason.NEEDS
    assert "may still be running" in message(ran, "b")


def test_a_resumed_run_keeps_the_key_of_a_job_that_may_run_on() -> None:
    """The record tells: a timed-out job of the process before holds its key against the rest of the run."""
    jobs = (job("m"), job("n", needs=("m",)), job("b", concurrency="k", needs=("n",)))
    setting = Setting(
        (parallel(job("a", concurrency="k", timeout=20), *jobs),),
        acts={"a": Acts((Life(runs=NEVER),)), "m": Acts((Life(runs=50),))},
        interrupt_at=30,
    )
    before = setting.go()
    assert before.outcome("a") == "timedOut"
    assert before.outcome("b") == "pending"
    setting.interrupt_at, setting.journal = None, None
    after = setting.go([setting.start(setting.plan()), *before.journal.events])
    assert after.outcomes() == {"a": "timedOut", "m": "succeeded", "n": "succeeded", "b": "skipped"}


def test_wait_false_ends_at_acceptance() -> None:
    """`wait: false`: no status read at all, outcome `submitted`, and the id is on record."""
    setting = Setting((manifest(job("watcher", wait=False), job("next")),), acts={"watcher": Acts((Life(runs=NEVER),))})
    ran = setting.go()
    check(ran)
    assert ran.outcomes() == {"watcher": "submitted", "next": "succeeded"}
    assert ran.result("watcher").job_id == "s0-1"
    assert all(job_id != "s0-1" for _, job_id in setting.servers[0].gets)
    assert ran.report.exit_code == 0
