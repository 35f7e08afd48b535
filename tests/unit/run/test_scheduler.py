"""The scheduler in a simulated world: no threads, no sleeping, every server and every record under control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from aftrun.domain.errors import StateError
from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
    Event,
    Interrupted,
    JobEnded,
    LookFailed,
    Reason,
    RetryPlanned,
    RunEnded,
    RunStarted,
    SubmitDeferred,
    SubmitIntended,
    Warned,
)
from aftrun.domain.model import (
    Answer,
    Failure,
    FailureKind,
    JobInfo,
    Json,
    OnAmbiguous,
    Outcome,
    Param,
    Retry,
    ServerSpec,
    State,
    When,
)
from aftrun.domain.secrets import Scrubber
from aftrun.domain.values import Inside, Outside, Template
from tests.simulation.kernel import EPOCH, NEVER, World
from tests.unit.world import (
    BAD_REQUEST,
    FORBIDDEN,
    LOST_AFTER,
    LOST_BEFORE,
    ONE,
    REFUSED,
    RUN,
    Acts,
    Fault,
    Life,
    Ran,
    Setting,
    SimJournal,
    SimServer,
    check,
    job,
    manifest,
    parallel,
    run,
)

FAILS = Acts((Life(end=State.FAILED, exit_code=1),))
TWO = ServerSpec(name="two", url="https://two:44399", poll=ONE.poll)


def posts(ran: Ran) -> list[str]:
    """The scripts of all POSTs, in order."""
    return [body["scriptName"] for kind, body in ran.world.trace if kind == "post"]


def reason(ran: Ran, name: str) -> str:
    """Why a job ended."""
    return str(ran.result(name).reason)


def message(ran: Ran, name: str) -> str:
    """What is said of a job's end."""
    return str(ran.result(name).message)


# --- order --------------------------------------------------------------------------------------------------------


def test_sequential_starts_the_next_when_the_last_has_ended() -> None:
    """One slot: each job is over on the server before the next is sent, in manifest order."""
    setting = Setting((manifest(job("a"), job("b"), job("c")),))
    ran = setting.go()
    check(ran)
    assert posts(ran) == ["a", "b", "c"]
    assert setting.servers[0].overlap() == 1
    assert ran.report.exit_code == 0
    ends = [each.at for each in ran.of(JobEnded)]
    starts = [each.at for each in ran.of(SubmitIntended)]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))


def test_sequential_honours_needs_that_point_forward() -> None:
    """A job that stands before its need in the file still runs after it."""
    ran = run(manifest(job("late", needs=("early",)), job("early")))
    assert posts(ran) == ["early", "late"]


@pytest.mark.parametrize("limit", [1, 2, 3, 8])
def test_parallel_never_exceeds_max_parallel(limit: int) -> None:
    """At no instant are more than maxParallel jobs unfinished on the server, and the limit is used."""
    setting = Setting((parallel(*(job(f"j{n}") for n in range(12)), max_parallel=limit),))
    ran = setting.go()
    check(ran)
    assert setting.servers[0].overlap() == limit
    assert set(ran.outcomes().values()) == {"succeeded"}
    assert posts(ran) == [f"j{n}" for n in range(12)]


def test_more_jobs_than_places_in_the_pool_are_all_watched() -> None:
    """Jobs that wait hold no place: twenty run side by side through a pool of two."""
    setting = Setting((parallel(*(job(f"j{n}") for n in range(20)), max_parallel=20),), pool_size=2)
    ran = setting.go()
    check(ran)
    assert ran.pool.most == 2
    assert setting.servers[0].overlap() == 20
    assert ran.report.exit_code == 0


def test_a_job_starts_as_soon_as_its_own_needs_have_ended() -> None:
    """Side by side, a short chain does not wait for a long job that it does not need."""
    ran = run(
        parallel(job("long"), job("short"), job("after", needs=("short",))),
        acts={"long": Acts((Life(runs=500),)), "short": Acts((Life(runs=1),))},
    )
    ended = {each.job: each.at for each in ran.of(JobEnded)}
    assert ended["main/after"] < ended["main/long"]


def test_an_empty_run_succeeds() -> None:
    """A manifest without jobs is a run with nothing to do."""
    world = World()
    ran = Setting((manifest(),), world=world, servers=[SimServer(world)], pool_size=1).go()
    check(ran)
    assert (ran.report.outcome, ran.report.exit_code) == ("succeeded", 0)


# --- when, failFast, allowFailure -----------------------------------------------------------------------------------


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


# --- clocks -------------------------------------------------------------------------------------------------------


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


# --- reading ------------------------------------------------------------------------------------------------------


def test_a_fresh_job_may_be_missing_for_a_while() -> None:
    """404 during the grace time is not an end."""
    ran = run(manifest(job("fresh")), acts={"fresh": Acts((Life(hidden=20, runs=40),))})
    assert ran.outcome("fresh") == "succeeded"
    assert [each.message for each in ran.of(LookFailed)] == ["HTTP 404: no such job"]


def test_a_job_that_stays_missing_is_unknown() -> None:
    """After the grace time a vanished job is `unknown`, never failed, never a success."""
    ran = run(manifest(job("gone")), acts={"gone": Acts((Life(runs=NEVER, vanishes=10),))})
    assert ran.outcome("gone") == "unknown"
    assert reason(ran, "gone") == Reason.VANISHED
    assert ran.report.exit_code == 6
    assert 40 <= ran.world.time <= 75


def test_an_unlisted_state_is_told_once_and_never_a_success() -> None:
    """A state in no list: one warning, waiting goes on, and the clock makes it unknown."""
    ran = run(
        manifest(job("odd", timeout=60)),
        acts={"odd": Acts((Life(runs=1, end=State.UNLISTED, word="Zombie"),))},
    )
    assert ran.outcome("odd") == "unknown"
    assert reason(ran, "odd") == Reason.UNLISTED
    assert len([each for each in ran.of(Warned) if "'Zombie'" in each.message]) == 1
    assert ran.report.exit_code == 6


def test_failing_looks_are_recorded_once_and_repeated() -> None:
    """Server errors on status reads change nothing but the pace; the same words are recorded once."""
    ran = run(manifest(job("a")), acts={"a": Acts(looks=(Answer(502, message="bad gateway"),) * 4)})
    assert ran.outcome("a") == "succeeded"
    assert len(ran.of(LookFailed)) == 1


def test_looks_that_fail_until_the_end_make_it_unknown() -> None:
    """Nothing could be read when the clock ran out: unknown, since the job may have done anything."""
    ran = run(manifest(job("a", timeout=30)), acts={"a": Acts(looks=(Answer(500),) * 1000)})
    assert (ran.outcome("a"), reason(ran, "a")) == ("unknown", Reason.UNREADABLE)


def test_retry_after_on_a_look_is_honoured() -> None:
    """A server that asks for a minute of peace gets it."""
    setting = Setting((manifest(job("a")),), acts={"a": Acts(looks=(Answer(429, retry_after=60.0),))})
    ran = setting.go()
    check(ran)
    first, second, *_ = (time for time, _ in setting.servers[0].gets)
    assert second - first >= 60


YEAR = 31_536_000.0
CERTIFICATE = Failure(FailureKind.TLS, sent=False, message="the certificate is another one", hint="pin it")


@pytest.mark.parametrize("wait", [YEAR, 61.0])
@pytest.mark.parametrize("status", [429, 503, 500, 404, 403, 302])
def test_no_retry_after_of_a_read_keeps_us_away_for_longer_than_a_minute(status: int, wait: float) -> None:
    """A server that says "in a year" is read again in a minute, or when a clock runs out before."""
    acts = {"a": Acts((Life(runs=20.0),), looks=(Answer(status, retry_after=wait),))}
    setting = Setting((manifest(job("a")),), acts=acts)
    ran = setting.go()
    check(ran)
    first, second, *_ = (time for time, _ in setting.servers[0].gets)
    assert second - first <= 61
    assert ran.outcome("a") == "succeeded"


@pytest.mark.parametrize(
    "said",
    [*(Answer(status, message="no") for status in (301, 302, 307, 400, 405, 422, 401, 403, 404, 410)), CERTIFICATE],
    ids=lambda said: str(getattr(said, "status", "certificate")),
)
@pytest.mark.parametrize("times", [1, 3])
def test_a_read_decides_nothing_but_an_end_that_it_saw(said: Answer | Failure, times: int) -> None:
    """A redirect, a refusal, a moment of another certificate: said, read again, and the job's own end counts."""
    ran = run(manifest(job("a")), acts={"a": Acts((Life(runs=3.0),), looks=(None, *(said,) * times))})
    assert ran.outcome("a") == "succeeded"
    assert len(ran.of(LookFailed)) == 1


@pytest.mark.parametrize("said", [Answer(302), Answer(400), CERTIFICATE], ids=["302", "400", "certificate"])
def test_reads_that_say_nothing_until_the_clock_runs_out_make_it_unknown(said: Answer | Failure) -> None:
    """Read again, and once more when the clock runs out; then unknown, and the words say what was in the way."""
    setting = Setting((manifest(job("a", timeout=100)),), acts={"a": Acts(looks=(said,) * 1000)})
    ran = setting.go()
    check(ran)
    assert (ran.outcome("a"), reason(ran, "a"), ran.report.exit_code) == ("unknown", Reason.UNREADABLE, 6)
    assert message(ran, "a").startswith("the timeout of 1m40s ran out, and the last status read failed: ")
    assert setting.servers[0].gets[-1][0] - ran.of(Accepted)[0].at + EPOCH == pytest.approx(100, abs=1)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_may_not_read_is_said_at_once_and_given_up_after_submit_timeout(status: int) -> None:
    """The key may submit but perhaps not read: told with the first read, read again for a while, then unknown."""
    short = replace(ONE, submit_timeout=7.0)
    setting = Setting((manifest(job("a"), servers=(short,)),), acts={"a": Acts(looks=(Answer(status),) * 1000)})
    ran = setting.go()
    check(ran)
    assert (ran.outcome("a"), reason(ran, "a"), ran.report.exit_code) == ("unknown", Reason.UNREADABLE, 6)
    assert "may submit but perhaps not read" in message(ran, "a")
    reads = [time for time, _ in setting.servers[0].gets]
    (said,) = ran.of(LookFailed)
    assert said.at - EPOCH - reads[0] < 1
    assert "allow-list" in said.message
    assert len(reads) > 3
    assert reads[-1] - reads[0] == pytest.approx(7, abs=0.2)


def test_a_key_that_may_read_again_in_time_is_forgiven() -> None:
    """Each refusal begins the wait anew once something else was answered."""
    ran = run(manifest(job("a")), acts={"a": Acts((Life(runs=2.0),), looks=(Answer(403), Answer(500)) * 10)})
    assert ran.outcome("a") == "succeeded"


def test_a_job_that_is_missing_now_and_then_is_read_until_its_clock_runs_out() -> None:
    """404 for 30 s in a row means gone; with other answers in between, nobody can tell."""
    ran = run(manifest(job("a", timeout=300)), acts={"a": Acts(looks=(Answer(404), Answer(404), Answer(503)) * 500)})
    assert (ran.outcome("a"), reason(ran, "a")) == ("unknown", Reason.UNREADABLE)
    assert ran.world.time > 299


def test_a_resumed_job_whose_clock_ran_out_meanwhile_is_read_once() -> None:
    """What ended while nobody was there is seen, however late."""
    setting = Setting((manifest(job("a", timeout=60)),), acts={"a": Acts((Life(runs=30),))}, interrupt_at=10.0)
    first = setting.go()
    setting.world.advance(setting.world.time + 100_000)
    setting.interrupt_at = None
    second = setting.go([first.told[0], *first.journal.events])
    assert second.outcome("a") == "succeeded"


# --- submitting ---------------------------------------------------------------------------------------------------


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


# --- values handed on ---------------------------------------------------------------------------------------------


def outputs_of(*path: str) -> tuple[Param, ...]:
    """One param `up` with `${{ path }}` in it."""
    text = "${{ " + ".".join(path) + " }}"
    return (Param("up", Template((Inside(path, text),), text)),)


def test_ids_and_outputs_reach_the_jobs_that_need_them() -> None:
    """`jobs.a.id` and `jobs.a.outputs.x` are in the next job's request, numbers as their JSON text."""
    setting = Setting(
        (
            manifest(
                job("a", outputs=(("n", "result.count"), ("s", "result.name"))),
                job("b", needs=("a",), correlation="", params=outputs_of("jobs", "a", "id")),
                job("c", needs=("a",), correlation="", params=outputs_of("jobs", "a", "outputs", "n")),
                job("d", needs=("a",), correlation="", params=outputs_of("jobs", "a", "outputs", "s")),
            ),
        ),
        acts={"a": Acts((Life(raw={"result": {"count": 7, "name": "x"}}),))},
    )
    ran = setting.go()
    check(ran)
    assert [body.get("params") for body in setting.servers[0].bodies[1:]] == [{"up": "s0-1"}, {"up": "7"}, {"up": "x"}]
    assert dict(ran.result("a").outputs) == {"n": 7, "s": "x"}


def test_a_missing_output_rejects_the_job_without_sending_it() -> None:
    """An output that is not there is warned of, and the job that uses it is rejected before anything is sent."""
    setting = Setting(
        (
            manifest(
                job("a", outputs=(("x", "nowhere"),)),
                job(
                    "b",
                    needs=("a",),
                    params=outputs_of("jobs", "a", "outputs", "x"),
                    retry=Retry(3, (Outcome.REJECTED,)),
                ),
                job("c", when=When.ALWAYS),
            ),
        )
    )
    ran = setting.go()
    check(ran)
    assert ran.outcomes() == {"a": "succeeded", "b": "rejected", "c": "succeeded"}
    assert reason(ran, "b") == Reason.VALUE
    assert "nothing was sent" in message(ran, "b")
    assert setting.servers[0].posts == ["a", "c"]
    assert any("output x (nowhere) is empty" in each.message for each in ran.of(Warned))
    assert ran.result("b").attempts == ()


def test_outputs_that_echo_a_secret_are_handed_on_but_not_recorded() -> None:
    """The next job gets the value; the record and everybody who listens get `***`."""
    secret = "hunter2-and-more"
    setting = Setting(
        (
            manifest(
                job(
                    "a",
                    correlation="",
                    outputs=(("t", "token"),),
                    params=(Param("p", Template((Outside("env", "S", "${S}"),), "${S}")),),
                ),
                job("b", needs=("a",), correlation="", params=outputs_of("jobs", "a", "outputs", "t")),
            ),
        ),
        acts={"a": Acts((Life(raw={"token": secret}),))},
        scrubber=Scrubber([secret]),
        bindings={("env", "S"): secret},
    )
    ran = setting.go()
    check(ran)
    assert setting.servers[0].bodies[0]["params"] == {"p": secret}
    assert setting.servers[0].bodies[1]["params"] == {"up": secret}
    assert dict(ran.result("a").outputs) == {"t": "***"}
    assert secret not in repr(ran.journal.events)


def test_errors_of_expressions_that_quote_a_secret_are_scrubbed() -> None:
    """JMESPath quotes the value that it could not take; neither the warning nor the end may."""
    secret = "hunter2-and-more"
    ran = run(
        manifest(
            job("a", outputs=(("t", "join(',', token)"),), expect=("join(',', token) == 'x'",)),
            job("b"),
            fail_fast=False,
        ),
        acts={"a": Acts((Life(raw={"token": secret}),))},
        scrubber=Scrubber([secret]),
    )
    assert ran.outcome("a") == "failed"
    assert "***" in message(ran, "a")
    assert any("***" in each.message for each in ran.of(Warned))
    assert secret not in repr(ran.told)


def test_expect_turns_a_success_into_a_failure() -> None:
    """A condition that is false or null on the final job info fails the job, and says which."""
    raw: Json = {"files": 0}
    ran = run(
        manifest(
            job("ok", expect=("files == `0`",)),
            job("no", expect=("files > `0`",)),
            job("null", expect=("missing",)),
            job("broken", expect=("length(files)",)),
            fail_fast=False,
        ),
        acts={name: Acts((Life(raw=raw),)) for name in ("ok", "no", "null", "broken")},
    )
    assert ran.outcomes() == {"ok": "succeeded", "no": "failed", "null": "failed", "broken": "failed"}
    assert reason(ran, "no") == Reason.EXPECT
    assert "files > `0` (files is 0)" in message(ran, "no")
    assert "missing (it is null)" in message(ran, "null")


# --- several servers ------------------------------------------------------------------------------------------------


def test_a_rate_limit_spaces_requests() -> None:
    """Two requests a second: any two requests to that server start at least half a second apart."""
    slow = ServerSpec(max_requests_per_second=2.0, poll=ONE.poll)
    setting = Setting((parallel(*(job(f"j{n}") for n in range(5)), servers=(slow,)),))
    ran = setting.go()
    check(ran)
    created = [each.at for each in setting.servers[0].ledger]
    moments = sorted(created + [at for at, _ in setting.servers[0].gets])
    assert all(second - first >= 0.5 - 1e-9 for first, second in pairwise(moments))
    assert ran.report.exit_code == 0


def test_a_slow_server_does_not_hold_up_another() -> None:
    """One server takes a minute for each answer; the jobs of the other run through as if it were alone."""
    world = World()
    servers = [SimServer(world, latency=60.0, name="slow-"), SimServer(world, latency=0.01, name="fast-")]
    jobs = [job(f"slow{n}") for n in range(6)] + [job(f"fast{n}", server="two") for n in range(6)]
    setting = Setting(
        (parallel(*jobs, max_parallel=12, servers=(ONE, TWO)),), world=world, servers=servers, pool_size=3
    )
    ran = setting.go()
    check(ran)
    ended = {each.job.partition("/")[2]: each.at - EPOCH for each in ran.of(JobEnded)}
    assert max(at for name, at in ended.items() if name.startswith("fast")) < 20
    assert ran.report.exit_code == 0


def test_jobs_go_to_their_own_servers() -> None:
    """Each job's POST and looks reach the server that the job names, and no other."""
    world = World()
    servers = [SimServer(world, name="one-"), SimServer(world, name="two-")]
    ran = Setting((manifest(job("a"), job("b", server="two"), servers=(ONE, TWO)),), world=world, servers=servers).go()
    check(ran)
    assert [server.posts for server in servers] == [["a"], ["b"]]
    assert ran.result("b").server == "https://two:44399"


# --- several manifests ----------------------------------------------------------------------------------------------


def test_manifests_run_one_after_another() -> None:
    """The second begins when every job of the first is over."""
    setting = Setting((parallel(job("a"), job("b"), name="m1"), parallel(job("c"), job("d"), name="m2")))
    ran = setting.go()
    check(ran)
    ledger = {each.script: each for each in setting.servers[0].ledger}
    assert min(ledger["c"].at, ledger["d"].at) >= max(ledger["a"].ends_at(), ledger["b"].ends_at())
    assert ran.report.exit_code == 0


@pytest.mark.parametrize("keep_going", [False, True])
def test_a_bad_manifest_stops_the_next_unless_told_to_keep_going(*, keep_going: bool) -> None:
    """After a bad end the next manifest is skipped whole, `when: always` included; --keep-going starts it."""
    ran = run(
        manifest(job("a"), name="m1"),
        manifest(job("b"), job("c", when=When.ALWAYS), name="m2"),
        acts={"a": FAILS},
        keep_going=keep_going,
    )
    end = "succeeded" if keep_going else "skipped"
    assert ran.outcomes() == {"a": "failed", "b": end, "c": end}
    assert ran.report.exit_code == 1


def test_each_manifest_keeps_its_own_strategy() -> None:
    """A sequential manifest after a parallel one has one slot again."""
    names = [job(f"p{n}") for n in range(3)], [job(f"s{n}") for n in range(3)]
    setting = Setting((parallel(*names[0], name="m1"), manifest(*names[1], name="m2")))
    ran = setting.go()
    check(ran)
    later = [each for each in setting.servers[0].ledger if each.script.startswith("s")]
    assert all(first.ends_at() <= second.at for first, second in pairwise(later))


# --- interruption ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("signal", "code"), [(2, 130), (15, 143)])
def test_an_interruption_starts_nothing_new_and_leaves_jobs_pending(signal: int, code: int) -> None:
    """Running jobs stay pending in the report, the rest is not begun, and the exit code names the signal."""
    setting = Setting(
        (parallel(job("a"), job("b"), job("c"), max_parallel=2),),
        acts={name: Acts((Life(runs=1000),)) for name in "abc"},
        interrupt_at=10.0,
        signal=signal,
    )
    ran = setting.go()
    check(ran)
    assert ran.outcomes() == {"a": "pending", "b": "pending", "c": "pending"}
    assert posts(ran) == ["a", "b"]
    assert (ran.report.outcome, ran.report.exit_code) == ("interrupted", code)
    assert [each.signal for each in ran.of(Interrupted)] == [signal]
    assert ran.world.time < 11


def test_an_interruption_waits_for_posts_under_way() -> None:
    """A POST in flight is awaited, so that its id is not lost, even where the server is slow."""
    world = World()
    setting = Setting(
        (parallel(job("a"), job("b"), max_parallel=1),),
        world=world,
        servers=[SimServer(world, latency=20.0)],
        interrupt_at=5.0,
    )
    ran = setting.go()
    check(ran)
    assert [each.job_id for each in ran.of(Accepted)] == ["s1"]
    assert ran.result("a").job_id == "s1"
    assert ran.outcome("a") == "pending"
    assert posts(ran) == ["a"]
    assert world.time == pytest.approx(20, abs=0.1)


def test_an_interruption_before_the_first_request_sends_nothing() -> None:
    """A signal that comes while the run is being set up is not forgotten."""
    ran = run(manifest(job("a")), interrupt_at=0.0)
    assert posts(ran) == []
    assert ran.outcome("a") == "pending"
    assert ran.report.exit_code == 130


def test_an_interruption_does_not_wait_for_looks_or_retries() -> None:
    """Between two attempts, or with a status read under way, the run ends at once."""
    ran = run(
        manifest(job("a", retry=Retry(1, duration=600, cap=600))),
        acts={"a": Acts((Life(runs=1, end=State.FAILED),))},
        interrupt_at=100.0,
    )
    assert ran.world.time == pytest.approx(100, abs=0.1)
    assert ran.outcome("a") == "pending"


# --- the record fails -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", range(1, 16))
def test_a_record_that_cannot_be_written_stops_submissions(n: int) -> None:
    """Whenever the record fails: nothing is sent without an intent on record, running jobs are watched, exit 74."""
    world = World()
    journal = SimJournal(world, fails_at=n, error=StateError("the disk is full"))
    setting = Setting(
        (parallel(*(job(f"j{i}", retry=Retry(1, duration=1)) for i in range(5)), max_parallel=2),),
        world=world,
        acts={"j0": Acts((Life(runs=1, end=State.FAILED), Life(runs=1))), "j1": Acts(faults=(REFUSED,))},
        journal=journal,
    )
    ran = setting.go()
    write_ahead_but_for_ids(ran)
    assert isinstance(ran.told[-1], RunEnded)
    if journal._calls < n:
        pytest.skip("the run makes fewer writes than that")
    assert journal.calls_after_failure == 0
    assert ran.scheduler is not None
    assert ran.scheduler.state_error is not None
    assert ran.told[-1].exit_code == 74
    assert ran.report.exit_code == 74
    for made in setting.servers[0].ledger:
        assert ran.outcome(made.script) in ("succeeded", "failed", "skipped"), "a job on the server was abandoned"
        assert made.ends_at() <= world.time
    assert "pending" not in ran.outcomes().values()


def write_ahead_but_for_ids(ran: Ran) -> None:
    """Intents are on record before POSTs leave. Ids may be used once the record has failed."""
    intended = {(each.job, each.attempt) for each in ran.journal.events if isinstance(each, SubmitIntended)}
    for kind, body in ran.world.trace:
        if kind == "post":
            run_id, name, attempt = body["params"]["cid"].split("/")
            assert run_id == RUN
            assert (f"main/{name}", int(attempt)) in intended


def test_the_reason_of_jobs_not_started_is_the_record() -> None:
    """The words name the cause, and a warning tells it at once."""
    world = World()
    ran = Setting(
        (manifest(job("a"), job("b")),),
        world=world,
        journal=SimJournal(world, fails_at=2, error=StateError("disk full")),
    ).go()
    assert ran.outcomes() == {"a": "succeeded", "b": "skipped"}
    assert reason(ran, "b") == Reason.STATE
    assert "disk full" in message(ran, "b")
    assert len([each for each in ran.of(Warned) if "nothing more is submitted" in each.message]) == 1


def test_a_record_that_fails_at_the_very_end_still_ends_the_stream() -> None:
    """The write of `RunEnded` itself fails: it is still the last event told, and says 74, as the process does."""
    writes = len(run(manifest(job("a"))).journal.batches)
    world = World()
    ran = Setting(
        (manifest(job("a")),), world=world, journal=SimJournal(world, fails_at=writes, error=StateError("disk full"))
    ).go()
    assert ran.outcomes() == {"a": "succeeded"}
    assert isinstance(ran.told[-1], RunEnded)
    assert [each.exit_code for each in ran.of(RunEnded)] == [74]
    assert ran.report.exit_code == 74


# --- bugs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["submit", "look"])
def test_an_exception_in_a_door_ends_the_stream_with_70(where: str) -> None:
    """A bug is raised, not swallowed, after the stream has been ended and recorded."""
    bug = ZeroDivisionError("a bug")
    acts = Acts(faults=(Fault(bug),)) if where == "submit" else Acts(looks=(bug,))
    ran = Setting((manifest(job("a")),), acts={"a": acts}).go()
    assert ran.error is bug
    last = ran.told[-1]
    assert isinstance(last, RunEnded)
    assert last.exit_code == 70
    assert ran.journal.events[-1] == last


def test_a_bug_does_not_lose_the_ids_that_came_in_with_it() -> None:
    """Two answers arrive in one turn, the first is a bug: the other's id is still put on record."""
    ran = Setting(
        (parallel(job("bug"), job("fine")),), acts={"bug": Acts(faults=(Fault(ZeroDivisionError("a bug")),))}
    ).go()
    assert isinstance(ran.error, ZeroDivisionError)
    assert [each.job for each in ran.journal.events if isinstance(each, Accepted)] == ["main/fine"]


def test_an_exception_in_a_listener_ends_the_stream() -> None:
    """Whoever listens and breaks ends the run with 70; the record is complete up to its end."""

    def listener(event: object, _: object) -> None:
        if isinstance(event, Accepted):
            raise ZeroDivisionError

    ran = Setting((manifest(job("a")),), listeners=(listener,)).go()
    assert isinstance(ran.error, ZeroDivisionError)
    last = ran.journal.events[-1]
    assert isinstance(last, RunEnded)
    assert last.exit_code == 70


# --- the stream -----------------------------------------------------------------------------------------------------


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


# --- resume, in the small -------------------------------------------------------------------------------------------


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
