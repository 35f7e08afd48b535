"""Submissions: what is sent again, as what, and until when."""

from __future__ import annotations

import pytest

from aftrun.domain.events import (
    RetryPlanned,
    SubmitDeferred,
    SubmitIntended,
)
from aftrun.domain.model import (
    Answer,
    OnAmbiguous,
    Param,
    Retry,
    State,
)
from tests.unit.run.scheduler.seen import FAILS, message
from tests.unit.world import (
    FORBIDDEN,
    LOST_AFTER,
    LOST_BEFORE,
    REFUSED,
    RUN,
    Acts,
    Fault,
    Life,
    Setting,
    check,
    job,
    manifest,
    run,
)


def test_a_post_that_did_not_arrive_is_sent_again() -> None:
    """Refused connections are repeated with growing waits, each with an intent of its own; one job is created."""
    setting = Setting((manifest(job("a")),), acts={"a": Acts(faults=(REFUSED, REFUSED, REFUSED))})
    ran = setting.go()
    check(ran)
    assert ran.outcome("a") == "succeeded"
    assert len(setting.servers[0].ledger) == 1
    assert len(ran.of(SubmitDeferred)) == 3
    assert ran.result("a").attempts[0].tries == 4
    assert {each.attempt for each in ran.of(SubmitIntended)} == {1}


def test_undelivered_after_submit_timeout() -> None:
    """Given up within submitTimeout; no job was created, exit 3."""
    ran = run(manifest(job("a")), acts={"a": Acts(faults=(REFUSED,) * 1000)})
    assert (ran.outcome("a"), ran.report.exit_code) == ("undelivered", 3)
    assert 20 <= ran.world.time <= 31
    assert "no job was created" in message(ran, "a")


def test_retry_after_longer_than_submit_timeout_gives_up_at_once() -> None:
    """There is no use in waiting for a moment that comes too late; the words say what the server asked for."""
    ran = run(manifest(job("a")), acts={"a": Acts(faults=(Fault(Answer(429, retry_after=3600.0)),))})
    assert ran.outcome("a") == "undelivered"
    assert ran.world.time < 1
    assert "asks to wait 1h" in message(ran, "a")


@pytest.mark.parametrize(("fault", "created"), [(LOST_BEFORE, 0), (LOST_AFTER, 1)])
def test_an_ambiguous_post_is_never_repeated(fault: Fault, created: int) -> None:
    """The answer was lost: unknown, exit 6, one POST, whether or not the server created the job."""
    setting = Setting((manifest(job("a", allow_failure=True, retry=Retry(5))),), acts={"a": Acts(faults=(fault,))})
    ran = setting.go()
    check(ran)
    assert (ran.outcome("a"), ran.report.exit_code) == ("unknown", 6)
    assert len(setting.servers[0].posts) == 1
    assert len(setting.servers[0].ledger) == created


def test_on_ambiguous_resubmit_sends_again_as_a_new_attempt() -> None:
    """The user said that repeating does no harm: a new attempt with its own correlation."""
    setting = Setting(
        (manifest(job("a", on_ambiguous=OnAmbiguous.RESUBMIT)),), acts={"a": Acts(faults=(LOST_AFTER, LOST_BEFORE))}
    )
    ran = setting.go()
    check(ran)
    assert ran.outcome("a") == "succeeded"
    assert [each.correlation for each in setting.servers[0].ledger] == [f"{RUN}/a/1", f"{RUN}/a/3"]


def test_resubmitting_ends_at_submit_timeout() -> None:
    """A server that always loses the answer is not sent jobs for ever."""
    ran = run(manifest(job("a", on_ambiguous=OnAmbiguous.RESUBMIT)), acts={"a": Acts(faults=(LOST_BEFORE,) * 1000)})
    assert (ran.outcome("a"), ran.report.exit_code) == ("unknown", 6)
    assert 20 <= ran.world.time <= 32


def test_a_refused_key_is_final_and_exits_4() -> None:
    """403 on the POST: rejected without a second try, and no job was created."""
    ran = run(manifest(job("a"), job("b")), acts={"a": Acts(faults=(FORBIDDEN,))})
    assert ran.outcomes() == {"a": "rejected", "b": "skipped"}
    assert ran.report.exit_code == 4
    assert "allow-list" in message(ran, "a")


def test_retry_makes_new_submissions_with_growing_waits() -> None:
    """Two bad ends, then a good one: three creations, waits of 10 s and 20 s in between."""
    bad = Life(runs=1, end=State.FAILED)
    setting = Setting((manifest(job("a", retry=Retry(limit=3))),), acts={"a": Acts((bad, bad, Life(runs=1)))})
    ran = setting.go()
    check(ran)
    assert ran.outcome("a") == "succeeded"
    assert [each.retry_in for each in ran.of(RetryPlanned)] == [10.0, 20.0]
    ledger = setting.servers[0].ledger
    assert [each.correlation.rpartition("/")[2] for each in ledger] == ["1", "2", "3"]
    assert ledger[1].at - ledger[0].ends_at() >= 10
    assert ledger[2].at - ledger[1].ends_at() >= 20
    assert [each.outcome for each in ran.result("a").attempts] == ["failed", "failed", "succeeded"]


def test_retries_run_out() -> None:
    """After `limit` new submissions the last end stands."""
    setting = Setting((manifest(job("a", retry=Retry(limit=2, duration=0.1))),), acts={"a": FAILS})
    ran = setting.go()
    check(ran)
    assert ran.outcome("a") == "failed"
    assert len(setting.servers[0].ledger) == 3


def test_no_retry_is_begun_that_finish_by_would_cut_off() -> None:
    """A wait that ends past finishBy is not begun; the bad end stands at once."""
    ran = run(
        manifest(job("a", retry=Retry(limit=1, duration=3600, cap=3600)), finish_by="2026-01-01T00:01:00Z"),
        acts={"a": FAILS},
    )
    assert ran.outcome("a") == "failed"
    assert ran.world.time < 20


def test_correlation_is_filled_with_run_job_and_attempt() -> None:
    """The param named by `correlation` says which run, job and attempt a job belongs to, and is shown."""
    setting = Setting(
        (
            manifest(
                job("a", params=(Param("x", "1"),)),
            ),
        )
    )
    ran = setting.go()
    check(ran)
    assert setting.servers[0].bodies == [{"scriptName": "a", "params": {"x": "1", "cid": f"{RUN}/a/1"}}]
    assert ran.of(SubmitIntended)[0].request == setting.servers[0].bodies[0]
