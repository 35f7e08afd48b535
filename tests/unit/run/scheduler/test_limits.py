"""Clocks: `timeout`, `queueTimeout`, `finishBy`, and a record that takes its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
    Event,
    Reason,
    RetryPlanned,
    SubmitDeferred,
    SubmitIntended,
)
from aftrun.domain.model import (
    Outcome,
    Retry,
    ServerSpec,
    When,
)
from tests.simulation.kernel import EPOCH, NEVER, World
from tests.unit.run.scheduler.seen import message, posts, reason
from tests.unit.world import (
    ONE,
    REFUSED,
    Acts,
    Life,
    Setting,
    SimJournal,
    check,
    job,
    manifest,
    parallel,
    run,
)


def test_timeout_ends_with_one_last_look_at_the_deadline() -> None:
    """The last read is made when the clock runs out, and what it says is what is reported."""
    setting = Setting((manifest(job("slow", timeout=100)),), acts={"slow": Acts((Life(runs=NEVER),))})
    ran = setting.go()
    check(ran)
    assert ran.outcome("slow") == "timedOut"
    assert reason(ran, "slow") == Reason.TIMEOUT
    assert "may still be running" in message(ran, "slow")
    assert ran.report.exit_code == 124
    accepted = ran.of(Accepted)[0].at - EPOCH
    assert setting.servers[0].gets[-1][0] == pytest.approx(accepted + 100, abs=0.01)


def test_a_job_that_ends_just_before_the_clock_runs_out_is_seen() -> None:
    """Looks are two seconds apart; the last one comes at the deadline and finds the success."""
    ran = run(manifest(job("close", timeout=100)), acts={"close": Acts((Life(runs=99.99),))})
    assert ran.outcome("close") == "succeeded"


def test_queue_timeout_counts_only_while_queued() -> None:
    """Still queued at the limit: given up; already running then: its other clock counts."""
    ran = run(
        parallel(job("stuck", queue_timeout=10), job("moving", queue_timeout=10)),
        acts={"stuck": Acts((Life(queued=50),)), "moving": Acts((Life(queued=5, runs=50),))},
    )
    assert ran.outcomes() == {"stuck": "timedOut", "moving": "succeeded"}
    assert reason(ran, "stuck") == Reason.QUEUE_TIMEOUT


def test_finish_by_gives_up_on_running_jobs_and_starts_no_more() -> None:
    """Past finishBy: one last look, then timedOut; what has not begun is skipped; exit 124."""
    ran = run(
        manifest(job("long"), job("never", when=When.ALWAYS), finish_by="2026-01-01T00:01:00Z"),
        acts={"long": Acts((Life(runs=600),))},
    )
    assert ran.outcomes() == {"long": "timedOut", "never": "skipped"}
    assert [reason(ran, name) for name in ("long", "never")] == [Reason.FINISH_BY, Reason.FINISH_BY]
    assert ran.report.exit_code == 124
    assert ran.world.time == pytest.approx(60, abs=1)


def test_finish_by_in_the_past_starts_nothing() -> None:
    """Nothing is sent when the time is over before the run begins."""
    ran = run(manifest(job("a"), finish_by="2025-12-31T00:00:00Z"))
    assert posts(ran) == []
    assert ran.outcome("a") == "skipped"
    assert ran.report.exit_code == 124


def test_a_submission_is_not_tried_beyond_finish_by() -> None:
    """A POST that cannot be delivered is given up at finishBy, although submitTimeout is longer."""
    patient = ServerSpec(submit_timeout=3600.0)
    ran = run(
        manifest(job("a"), finish_by="2026-01-01T00:00:10Z", servers=(patient,)),
        acts={"a": Acts(faults=(REFUSED,) * 1000)},
    )
    assert ran.outcome("a") == "undelivered"
    assert ran.world.time <= 10.5


def test_a_manifest_that_begins_after_its_finish_by_starts_nothing() -> None:
    """The first manifest took too long; the second begins in the very moment in which the first ends."""
    ran = run(
        manifest(job("long")),
        manifest(
            job("late"), job("later", when=When.ALWAYS, needs=("late",)), name="two", finish_by="2026-01-01T00:01:00Z"
        ),
        acts={"long": Acts((Life(runs=120),))},
    )
    assert posts(ran) == ["long"]
    assert [reason(ran, name) for name in ("late", "later")] == [Reason.FINISH_BY, Reason.FINISH_BY]
    assert ran.report.exit_code == 124


@pytest.mark.parametrize("phase", ["deferred", "waiting"])
def test_a_submission_that_was_to_be_tried_again_is_not_after_finish_by(phase: str) -> None:
    """The process was killed while it waited to try again, and the run is resumed an hour too late."""
    setting = Setting((manifest(job("a", retry=Retry(limit=1)), finish_by="2026-01-01T00:01:00Z"),))
    end = AttemptEnded(EPOCH + 2, "main/a", 1, Outcome.FAILED, Reason.DONE)
    happened: dict[str, list[Event]] = {
        "deferred": [SubmitDeferred(EPOCH + 1, "main/a", 1, "connection refused", 5.0)],
        "waiting": [Accepted(EPOCH + 1, "main/a", 1, "s0-1"), end, RetryPlanned(EPOCH + 2, "main/a", 2, 10.0)],
    }
    intent = SubmitIntended(EPOCH, "main/a", 1, {"scriptName": "a"})
    setting.world.advance(3600.0)
    ran = setting.go([setting.start(setting.plan()), intent, *happened[phase]])
    assert posts(ran) == []
    assert ran.outcome("a") == {"deferred": "undelivered", "waiting": "failed"}[phase]


class SlowJournal(SimJournal):
    """Each write takes two seconds."""

    def append(self, events: Sequence[Event]) -> Sequence[Event]:
        """Record a batch, and let time pass."""
        super().append(events)
        self.world.advance(self.world.time + 2.0)
        return events


def test_a_rate_that_opens_while_the_record_is_written_is_not_missed() -> None:
    """The server may be asked again by the time the write is done, so nobody waits for that moment any more."""
    world = World()
    paced = replace(ONE, max_requests_per_second=0.6)
    ran = run(manifest(job("a"), job("b"), servers=(paced,)), world=world, journal=SlowJournal(world))
    assert ran.outcomes() == {"a": "succeeded", "b": "succeeded"}


def test_nothing_leaves_whose_time_ran_out_while_the_record_was_written() -> None:
    """Another program had the record locked: what was decided before finishBy does not leave after it."""
    world = World()
    night = manifest(job("a"), job("b", when=When.ALWAYS), finish_by="2026-01-01T00:00:01Z")
    ran = run(night, world=world, journal=SlowJournal(world))
    assert posts(ran) == []
    assert ran.outcomes() == {"a": "undelivered", "b": "skipped"}
    assert message(ran, "a") == "given up at finishBy, no job was created"


def test_nothing_leaves_once_the_run_was_told_to_stop_while_the_record_was_written() -> None:
    """The record says that it did not, and who resumes the run sends it."""
    world = World()
    setting = Setting((manifest(job("a")),), world=world, journal=SlowJournal(world), interrupt_at=1.0)
    ran = setting.go()
    assert posts(ran) == []
    (deferred,) = ran.of(SubmitDeferred)
    assert deferred.message == "not sent, since the run was told to stop before it left"
    assert ran.report.exit_code == 130
    setting.interrupt_at, setting.journal = None, None
    again = setting.go([setting.start(setting.plan()), *ran.journal.events])
    assert again.outcomes() == {"a": "succeeded"}
    assert posts(again) == ["a"]
