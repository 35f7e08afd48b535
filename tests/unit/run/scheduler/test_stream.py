"""The stream of events, and a run that is resumed."""

from __future__ import annotations

from aftrun.domain.events import (
    AttemptEnded,
    JobEnded,
    Reason,
    RunStarted,
    SubmitIntended,
)
from aftrun.domain.model import (
    Answer,
    Failure,
    FailureKind,
    JobInfo,
    Outcome,
    Retry,
    State,
)
from tests.simulation.kernel import World
from tests.unit.run.scheduler.seen import FAILS, posts, reason
from tests.unit.world import (
    BAD_REQUEST,
    LOST_AFTER,
    REFUSED,
    Acts,
    Fault,
    Life,
    Setting,
    job,
    manifest,
    parallel,
    run,
)


def test_events_are_told_after_they_were_recorded_and_in_order() -> None:
    """Nobody hears of anything that is not on record yet, and both lists are equal."""
    ran = run(
        parallel(job("a", retry=Retry(1, duration=1)), job("b", needs=("a",)), job("c")),
        acts={"a": Acts((Life(runs=1, end=State.FAILED), Life()))},
    )
    recorded = 0
    told = 0
    for kind, _ in ran.world.trace:
        recorded += kind == "recorded"
        told += kind == "told"
        assert told <= recorded
    assert ran.told[1:] == ran.journal.events
    assert isinstance(ran.told[0], RunStarted)


def test_one_write_serves_all_jobs_of_a_turn() -> None:
    """Eight POSTs that may leave at once cost one write, not eight."""
    ran = run(parallel(*(job(f"j{n}") for n in range(8))))
    assert [type(event) for event in ran.journal.batches[0]] == [SubmitIntended] * 8


def test_every_attempt_ends_once_and_every_job_ends_once() -> None:
    """Whatever happens, each job has one `JobEnded`, and each attempt one `AttemptEnded`."""
    ran = run(
        parallel(
            *(job(name, retry=Retry(2, (Outcome.FAILED, Outcome.REJECTED), duration=1)) for name in "abcde"),
            job("z", needs=("b",)),
        ),
        acts={
            "a": FAILS,
            "b": Acts(faults=(BAD_REQUEST, BAD_REQUEST, BAD_REQUEST)),
            "c": Acts(faults=(LOST_AFTER,)),
            "d": Acts(faults=(REFUSED, None)),
        },
    )
    assert ran.outcomes() == {
        "a": "failed",
        "b": "rejected",
        "c": "unknown",
        "d": "succeeded",
        "e": "succeeded",
        "z": "skipped",
    }
    jobs = [each.job for each in ran.of(JobEnded)]
    assert sorted(jobs) == sorted(set(jobs))
    assert len(jobs) == 6
    attempts = [(each.job, each.attempt) for each in ran.of(AttemptEnded)]
    assert sorted(attempts) == sorted(set(attempts))
    assert len(attempts) == 3 + 3 + 1 + 1 + 1


def test_resume_keeps_the_queue_state_that_was_seen() -> None:
    """A job that was seen running is not held to its queueTimeout again because the first look after resume fails."""
    world = World()
    acts = {"a": Acts((Life(queued=5, runs=100),), looks=(None,) * 8 + (Answer(503),))}
    setting = Setting((manifest(job("a", queue_timeout=10)),), world=world, acts=acts, interrupt_at=9.0)
    first = setting.go()
    assert first.result("a").phase == "running"
    history = [first.told[0], *first.journal.events]
    world.advance(30.0)
    made = setting.servers[0].ledger[0]
    setting.servers[0].acts["a"] = Acts(looks=(None,) * made.looks + (Answer(503), Answer(503)))
    setting.interrupt_at = None
    second = setting.go(history)
    assert second.outcome("a") == "succeeded"


def test_a_job_info_of_another_job_is_not_believed() -> None:
    """A mixed-up answer is looked at again, not taken for the end of this job."""
    other = Answer(200, JobInfo("other", State.FAILED, "failed", raw={"id": "other"}))
    ran = run(manifest(job("a")), acts={"a": Acts(looks=(other,))})
    assert ran.outcome("a") == "succeeded"


def test_a_certificate_that_is_refused_is_final() -> None:
    """TLS refused on the POST: undelivered at once, exit 3."""
    tls = Fault(Failure(FailureKind.TLS, sent=False, message="self-signed certificate", hint="pin it"))
    ran = run(manifest(job("a")), acts={"a": Acts(faults=(tls,))})
    assert (ran.outcome("a"), reason(ran, "a"), ran.report.exit_code) == ("undelivered", Reason.TLS, 3)
    assert posts(ran) == ["a"]
