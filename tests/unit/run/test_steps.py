"""What follows for one job from each thing that can happen, most of all when a run is resumed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
    Event,
    JobHeader,
    LookFailed,
    Reason,
    RetryPlanned,
    RunStarted,
    StateSeen,
    SubmitDeferred,
    SubmitIntended,
    Warned,
)
from aftrun.domain.model import (
    Answer,
    Attempt,
    Failure,
    FailureKind,
    Job,
    JobInfo,
    JobResult,
    Json,
    OnAmbiguous,
    Outcome,
    Param,
    Poll,
    Retry,
    State,
)
from aftrun.domain.secrets import Scrubber
from aftrun.domain.values import Inside, Template
from aftrun.run import policy
from aftrun.run.active_job import Phase
from aftrun.run.claims import Claim
from aftrun.run.expect import unmet
from aftrun.run.fold import fold
from aftrun.run.plan import make_plan
from aftrun.run.policy import MAY_BE_SENT_AGAIN, MAY_EXIST, Ended
from aftrun.run.render import RunFacts
from aftrun.run.steps import Step, Steps
from tests.simulation.kernel import EPOCH, World
from tests.unit.world import ONE, RUN, job, parallel

KEY = "main/a"
NOW = 1000.0
"""Seconds after the run's start at which all of these tests take place."""
AT = EPOCH + NOW
INFO = JobInfo("17", State.FAILED, "Broken", 3, "disk on fire", AT - 50, AT - 20, {"id": "17", "n": 7})


class Bench:
    """The rules, a clock and one job, whose patience with its server is 30 seconds."""

    def __init__(self, one: Job, *others: Job, past: tuple[float, ...] = (), finish: float | None = None) -> None:
        self.world = World(reading=0.0)
        self.world.advance(NOW)
        server = replace(ONE, poll=Poll(minimum=2.0, maximum=2.0, fraction=0.0))
        finish_by = "" if finish is None else datetime.fromtimestamp(finish, UTC).isoformat()
        plan = make_plan([parallel(one, *others, servers=(server,), finish_by=finish_by)])
        self.steps = Steps(
            plan,
            RunFacts(RUN, EPOCH),
            {},
            clock=self.world,
            random=Random(1),  # noqa: S311  # it spreads reads
            scrubber=Scrubber(["hunter2"]),
            past=lambda key: past if key == KEY else (),
        )
        self.active = self.steps.jobs[0]

    def adopt(self, phase: str, *attempts: Attempt) -> Step:
        """Take the job over from an earlier process."""
        seen = JobResult("a", "main", "https://one", job("a").origin, {}, phase=phase, attempts=attempts)
        seen = replace(seen, job_id=attempts[-1].job_id)
        return self.steps.adopt(self.active, seen)

    def watching(self, age: float = 100.0) -> Bench:
        """The job was accepted so many seconds ago as 17, and is running."""
        self.adopt("running", Attempt(1, accepted_at=AT - age, job_id="17", state="running"))
        return self

    def after(self, due: float | None) -> float:
        """Seconds from now until something is due."""
        assert due is not None
        return round(due - self.world.monotonic(), 6)


def ended(outcome: Outcome, reason: Reason, message: str, attempt: int = 1, **fields: Any) -> AttemptEnded:
    """The end of an attempt, now."""
    return AttemptEnded(AT, KEY, attempt, outcome, reason, message, **fields)


# --- an earlier process' work ---------------------------------------------------------------------------------------


def test_a_job_that_was_being_submitted_is_unknown() -> None:
    """Nobody can tell what came of the request; it is said, and the job ends."""
    bench = Bench(job("a", retry=Retry(limit=5)))
    message = f"aftrun was stopped between sending the request and its answer\n{MAY_EXIST}"
    step = bench.adopt("submitting", Attempt(2, tries=3))
    assert step == Step(
        (ended(Outcome.UNKNOWN, Reason.CRASHED, message, 2),), end=Ended(Outcome.UNKNOWN, Reason.CRASHED, message)
    )


def test_a_submission_that_was_put_off_is_made_under_its_own_number() -> None:
    """The third attempt stays the third, and is due at once."""
    bench = Bench(job("a"))
    step = bench.adopt("deferred", Attempt(1, outcome=Outcome.FAILED), Attempt(3, tries=2))
    assert (step.events, bench.after(step.due), step.end) == ((), 0.0, None)
    intent = bench.steps.intend(bench.active)
    assert isinstance(intent, SubmitIntended)
    assert (intent.attempt, intent.request["params"]) == (3, {"cid": f"{RUN}/a/3"})


@pytest.mark.parametrize(("ago", "left"), [(0.0, 10.0), (3.25, 6.75), (10.0, 0.0), (500.0, 0.0)])
def test_a_wait_between_two_attempts_goes_on_where_it_was(ago: float, left: float) -> None:
    """What has passed of it while nobody was there has passed."""
    bench = Bench(job("a", retry=Retry(limit=3, duration=10.0, factor=1.0)))
    over = Attempt(2, ended_at=AT - ago, outcome=Outcome.FAILED, reason="done", message="exit code 1")
    step = bench.adopt("waiting", over)
    assert step.events == (RetryPlanned(AT, KEY, 3, left, "failed: exit code 1"),)
    assert (bench.after(step.due), bench.active.phase) == (left, Phase.BACKOFF)
    assert bench.active.last == Ended(Outcome.FAILED, Reason.DONE, "exit code 1")


def test_a_retry_without_a_message_names_the_outcome() -> None:
    """There is always a reason to read, and waits are whole milliseconds."""
    bench = Bench(job("a", retry=Retry(limit=3, duration=1.23456)))
    step = bench.adopt("waiting", Attempt(1, ended_at=AT, outcome=Outcome.FAILED, reason="done"))
    assert step.events == (RetryPlanned(AT, KEY, 2, 1.235, "failed"),)


def test_the_last_attempt_of_another_process_ends_the_job() -> None:
    """It may not be tried again, so its end, and what it said, is the job's."""
    bench = Bench(job("a", retry=Retry(limit=1)))
    over = Attempt(2, ended_at=AT - 1, outcome=Outcome.FAILED, reason="done", message="exit code 1")
    assert bench.adopt("waiting", over) == Step(end=Ended(Outcome.FAILED, Reason.DONE, "exit code 1"))


@pytest.mark.parametrize("ago", [0.0, 0.5, 250.0])
def test_the_clocks_of_an_accepted_job_run_from_its_acceptance(ago: float) -> None:
    """Whoever watches, and however far from 0 the clocks of the machine are."""
    bench = Bench(job("a"))
    step = bench.adopt("accepted", Attempt(1, accepted_at=AT - ago, job_id="17", state="Waiting"))
    assert step == Step(due=bench.world.monotonic())
    active = bench.active
    assert (bench.after(active.accepted), active.phase, active.job_id) == (-ago, Phase.WATCH, "17")
    assert (active.status, active.state, active.outputs.id) == ("", None, "17")


def test_a_state_that_is_on_record_is_not_recorded_again() -> None:
    """A running job that still runs is no news; another word is."""
    bench = Bench(job("a")).watching()
    same = bench.steps.read(bench.active, Answer(200, JobInfo("17", State.RUNNING, "running")))
    assert same.events == ()
    other = bench.steps.read(bench.active, Answer(200, JobInfo("17", State.RUNNING, "Copying")))
    assert other.events == (StateSeen(AT, KEY, 1, "Copying", "running"),)


def test_a_job_that_is_not_waited_for_is_submitted() -> None:
    """Killed between its acceptance and its end: accepted is enough."""
    step = Bench(job("a", wait=False)).adopt("accepted", Attempt(1, accepted_at=AT - 5, job_id="17"))
    end = Ended(Outcome.SUBMITTED, Reason.DONE, "accepted; not waited for")
    assert step == Step((ended(Outcome.SUBMITTED, Reason.DONE, end.message),), end=end)


# --- submitting -----------------------------------------------------------------------------------------------------


def test_a_submission_that_is_due_too_late_is_none() -> None:
    """At finishBy to the moment, whether it is a new attempt or one that was put off."""
    assert Bench(job("a"), finish=AT + 0.001).steps.too_late(Bench(job("a")).active) is None
    bench = Bench(job("a", retry=Retry(limit=3, duration=0.0)), finish=AT)
    message = "given up at finishBy, no job was created"
    end = Ended(Outcome.UNDELIVERED, Reason.UNREACHABLE, message)
    bench.adopt("deferred", Attempt(1, outcome=Outcome.FAILED), Attempt(2))
    bench.active.last = Ended(Outcome.FAILED, Reason.DONE, "the attempt before")
    assert bench.steps.too_late(bench.active) == Step((ended(end.outcome, end.reason, message, 2),), end=end)
    bench.active.phase = Phase.BACKOFF
    assert bench.steps.too_late(bench.active) == Step(end=bench.active.last)


def test_a_submission_that_did_not_arrive_is_put_off() -> None:
    """It is recorded why, and for how long, to the millisecond; each try waits longer, a server may ask for more."""
    bench = Bench(job("a"))
    bench.steps.begin(bench.active)
    refused = Failure(FailureKind.CONNECT, sent=False, message="refused")
    for number in range(1, 5):
        bench.steps.intend(bench.active)
        assert bench.active.tries == number
        step = bench.steps.submitted(bench.active, refused)
        wait = bench.after(step.due)
        assert step.events == (SubmitDeferred(AT, KEY, 1, "refused", round(wait, 3)),)
        assert 0.125 * 2 ** (number - 1) <= wait <= 0.25 * 2 ** (number - 1)
    busy = bench.steps.submitted(bench.active, Answer(429, retry_after=9.0))
    assert busy.events == (SubmitDeferred(AT, KEY, 1, "HTTP 429", 9.0),)


def test_an_accepted_job_is_followed() -> None:
    """Its id and its server's word for its state are recorded, and handed on; the first read is the rule's."""
    bench = Bench(job("a"))
    bench.steps.begin(bench.active)
    step = bench.steps.submitted(bench.active, Answer(201, JobInfo("17", State.QUEUED, "Waiting")))
    assert step.events == (Accepted(AT, KEY, 1, "17", "Waiting"),)
    assert 1.8 <= bench.after(step.due) <= 2.2
    assert bench.active.outputs.id == "17"
    assert bench.active.going == bench.active.accepted == bench.world.monotonic()


def test_an_accepted_job_that_is_not_waited_for_ends() -> None:
    """With a reason to read."""
    bench = Bench(job("a", wait=False))
    bench.steps.begin(bench.active)
    step = bench.steps.submitted(bench.active, Answer(201, JobInfo("17", State.QUEUED, "Waiting")))
    assert step.events[1:] == (ended(Outcome.SUBMITTED, Reason.DONE, "accepted; not waited for"),)


NO_VALUE = (
    "has no value, since the job that it names handed nothing of that name on, or a text that holds a secret, which no "
    "later run can read; nothing was sent"
)


def test_an_attempt_that_lacks_a_value_is_none() -> None:
    """The job that it names handed nothing on: nothing is sent, and the attempt does not count."""
    text = "${{ jobs.b.id }}"
    lacking = Param("id", Template((Inside(("jobs", "b", "id"), text),), text))
    bench = Bench(job("a", params=(lacking,)))
    bench.active.attempt = 4
    step = bench.steps.begin(bench.active)
    assert step.end is not None
    message = f"{text} {NO_VALUE}"
    assert (step.end, bench.active.attempt) == (Ended(Outcome.REJECTED, Reason.VALUE, message), 4)


def test_an_attempt_that_names_no_script_is_none() -> None:
    """What a variable or another job's output comes to can be empty: nothing is sent."""
    text = "${{ matrix.b }}"
    named = job("a", matrix=(("b", ""),))
    nameless = replace(named, script=replace(named.script, value=Template((Inside(("matrix", "b"), text),), text)))
    bench = Bench(nameless)
    message = "its scriptName comes to an empty text, which names no script; nothing was sent"
    assert bench.steps.begin(bench.active).end == Ended(Outcome.REJECTED, Reason.VALUE, message)
    assert bench.active.attempt == 0


def test_of_what_is_sent_the_record_keeps_all_but_secrets() -> None:
    """Each param by itself: what is beside a secret stays as it was sent. At first there is nothing to keep."""
    bench = Bench(job("a", params=(Param("token", "hunter2"), Param("to", "/archive"))))
    assert bench.steps.intend(bench.active) == SubmitIntended(AT, KEY, 0, {})
    bench.active.tries = 0
    bench.steps.begin(bench.active)
    intent = bench.steps.intend(bench.active)
    assert intent.request["params"] == {"token": "***", "to": "/archive", "cid": f"{RUN}/a/1"}


def test_a_submission_may_be_made_until_its_time_is_over() -> None:
    """In the very moment, too: a wait that ends with `submitTimeout` is waited for. Another attempt needs time left."""
    bench = Bench(job("a", retry=Retry(limit=1, duration=10.0)), finish=AT + 10.0)
    bench.steps.begin(bench.active)
    bench.active.submit_until = bench.world.monotonic() + 30.0
    put_off = bench.steps.submitted(bench.active, Answer(429, retry_after=30.0))
    assert (put_off.end, bench.after(put_off.due)) == (None, 30.0)
    late = bench.steps.after_attempt(bench.active, Ended(Outcome.FAILED, Reason.DONE, "broken"), ())
    assert late.end is not None, "finishBy is the moment at which nothing starts any more"


def test_a_resubmission_may_be_made_until_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for `onAmbiguous`."""
    bench = Bench(job("a", on_ambiguous=OnAmbiguous.RESUBMIT))
    monkeypatch.setattr(policy, "backoff", lambda *_: 5.0)
    bench.active.resubmit_until = bench.world.monotonic() + 5.0
    again = bench.steps.after_attempt(bench.active, Ended(Outcome.UNKNOWN, Reason.AMBIGUOUS, "lost"), ())
    assert (again.end, bench.after(again.due)) == (None, 5.0)


def test_where_an_id_was_read_from_is_on_record() -> None:
    """With the acceptance; a word that nobody knows is said at once, and so is nothing where there is none."""
    bench = Bench(job("a"), job("b"))
    for active, info in zip(
        bench.steps.jobs,
        (
            JobInfo("17", State.UNLISTED, "frob", ids=(("uuid", "17"),)),
            JobInfo("18", State.MISSING, ids=(("uuid", "18"),)),
        ),
        strict=True,
    ):
        bench.steps.begin(active)
        accepted, *more = bench.steps.submitted(active, Answer(201, info)).events
        assert isinstance(accepted, Accepted)
        assert accepted.id_field == "uuid"
        words = [each.message.partition("\n")[0] for each in more if isinstance(each, Warned)]
        assert words == ["a: the server says state 'frob', which aftrun does not know; it goes on waiting"] * (
            info.id == "17"
        )
        assert [each.word for each in active.words] == [info.status] * (info.id == "17")


def test_ambiguous_submissions_are_made_again_for_as_long_as_was_said() -> None:
    """`onAmbiguous: resubmit` has the time of submitTimeout, from the first one of unknown fate on."""
    bench = Bench(job("a", on_ambiguous=OnAmbiguous.RESUBMIT))
    bench.steps.begin(bench.active)
    lost = Failure(FailureKind.LOST, sent=True, message="reset")
    first = bench.steps.submitted(bench.active, lost)
    assert [type(each) for each in first.events] == [AttemptEnded, RetryPlanned]
    for event in first.events:
        assert isinstance(event, AttemptEnded | RetryPlanned)
        assert MAY_BE_SENT_AGAIN in event.message
    assert 0.125 <= bench.after(first.due) <= 0.25
    bench.world.advance(NOW + 30.0)
    again = bench.steps.submitted(bench.active, lost)
    assert again.end is not None
    assert (again.due, again.end.outcome) == (None, Outcome.UNKNOWN)
    assert again.end.message == f"after the request was sent, reset\n{MAY_BE_SENT_AGAIN}"


@pytest.mark.parametrize(("hint", "more"), [("", ""), ("see the firewall", "\nsee the firewall")])
def test_what_could_not_be_delivered_says_why_and_what_to_do(hint: str, more: str) -> None:
    """The cause is the first line, the remedy the second, where there is one."""
    bench = Bench(job("a"))
    bench.steps.begin(bench.active)
    bench.active.submit_until = bench.world.monotonic()
    step = bench.steps.submitted(bench.active, Failure(FailureKind.CONNECT, sent=False, message="refused", hint=hint))
    assert step.end is not None
    assert step.end.message == f"refused; given up at submitTimeout, no job was created{more}"


# --- reading --------------------------------------------------------------------------------------------------------


def test_an_end_is_recorded_as_the_server_told_it() -> None:
    """Exit code, word, times and outputs, without what is secret, and how long the job took by the server's clock."""
    bench = Bench(job("a", outputs=(("n", "n"), ("none", "nothing")))).watching(age=100.0)
    step = bench.steps.read(bench.active, Answer(200, replace(INFO, message="no hunter2")))
    told: list[Event] = [
        Warned(AT, "a: output none (nothing) is empty: the job info has nothing there", KEY),
        ended(
            *(Outcome.FAILED, Reason.DONE, "no ***, exit code 3"),
            exit_code=3,
            state="Broken",
            server_started_at=AT - 50,
            server_ended_at=AT - 20,
            outputs={"n": 7, "none": None},
        ),
    ]
    assert step.events == tuple(told)
    assert step.end is not None
    assert step.end.message == "no ***, exit code 3"
    assert bench.active.lasted == pytest.approx(80.0)


def test_a_success_that_is_not_expected_keeps_what_the_server_said() -> None:
    """It fails by `expect`, and its record still has code, word and times."""
    bench = Bench(job("a", expect=("n > `10`",))).watching()
    step = bench.steps.read(bench.active, Answer(200, replace(INFO, state=State.SUCCEEDED, exit_code=0)))
    (event,) = step.events
    assert isinstance(event, AttemptEnded)
    assert (event.outcome, event.reason, event.exit_code, event.state) == (Outcome.FAILED, Reason.EXPECT, 0, "Broken")
    assert event.server_ended_at == AT - 20
    assert step.end is not None
    assert step.end.info is not None
    assert step.end.info.ended_at == AT - 20


def test_what_was_expected_is_told_without_secrets() -> None:
    """The condition and what stood there instead."""
    bench = Bench(job("a", expect=("token == 'hunter3'",))).watching()
    info = replace(INFO, state=State.SUCCEEDED, exit_code=0, raw={"id": "17", "token": "hunter2"})
    step = bench.steps.read(bench.active, Answer(200, info))
    assert step.end is not None
    assert step.end.message == unmet(("token == 'hunter3'",), info.raw, Scrubber(["hunter2"]))
    assert "hunter2" not in step.end.message
    long: Json = {"id": "17", "token": "x" * 76 + "hunter2"}
    step = bench.steps.read(bench.active, Answer(200, replace(info, raw=long)))
    assert step.end is not None
    assert "xhun" not in step.end.message, "secrets are taken out before it is cut"


def test_a_word_that_nobody_knows_is_said_of_its_job() -> None:
    """Once, with the job's key, so that a reader of events knows whose it is."""
    bench = Bench(job("a")).watching()
    strange = Answer(200, JobInfo("17", State.UNLISTED, "frob"))
    warned = [each for each in bench.steps.read(bench.active, strange).events if isinstance(each, Warned)]
    assert [each.job for each in warned] == [KEY]
    assert not bench.steps.read(bench.active, strange).events


def test_reads_that_fail_are_made_ever_more_seldom() -> None:
    """By the row of failures, up to half a minute; one that succeeds ends the row. A server's own wish counts, too."""
    bench = Bench(job("a")).watching()
    waits = [bench.after(bench.steps.read(bench.active, Answer(500)).due) for _ in range(9)]
    assert all(
        low <= wait <= high for wait, low, high in zip(waits[3:], (2, 4, 8, 15, 15), (4.1, 8, 16, 30, 30), strict=False)
    )
    assert bench.after(bench.steps.read(bench.active, Answer(429, retry_after=55.0)).due) == 55.0
    again = bench.steps.read(bench.active, Answer(200, JobInfo("17", State.RUNNING, "running")))
    assert 1.8 <= bench.after(again.due) <= 2.2
    assert bench.active.going == bench.active.sent_at


def test_a_job_that_the_server_does_not_know_is_given_up_after_half_a_minute() -> None:
    """In the very moment; what the server said last is told."""
    bench = Bench(job("a")).watching()
    missing = Answer(404, message="no such job")
    bench.steps.read(bench.active, missing)
    bench.world.advance(NOW + 29.9)
    assert bench.steps.read(bench.active, missing).end is None
    bench.world.advance(NOW + 30.0)
    message = "the server no longer knows the job (HTTP 404: no such job); how it ended cannot be told from here"
    assert bench.steps.read(bench.active, missing).end == Ended(Outcome.UNKNOWN, Reason.VANISHED, message)


def test_the_last_read_is_made_when_the_clock_runs_out() -> None:
    """In the very moment, neither before nor after; the job is given up on its answer."""
    bench = Bench(job("a", timeout=101.0)).watching(age=100.0)
    going = Answer(200, JobInfo("17", State.RUNNING, "running"))
    assert bench.after(bench.steps.read(bench.active, going).due) == 1.0
    bench.world.advance(NOW + 1.0)
    over = bench.steps.read(bench.active, going).end
    assert over is not None
    assert (over.outcome, over.reason) == (Outcome.TIMED_OUT, Reason.TIMEOUT)


def test_a_failed_job_is_tried_again_after_its_wait() -> None:
    """An end that was read is followed by the next attempt when `backoff` says so."""
    bench = Bench(job("a", retry=Retry(limit=1, duration=7.0))).watching()
    step = bench.steps.read(bench.active, Answer(200, INFO))
    assert [type(each) for each in step.events] == [AttemptEnded, RetryPlanned]
    assert (bench.after(step.due), step.end) == (7.0, None)


def test_past_ends_say_when_to_look() -> None:
    """The rule alone would wait for a minute; the job has always ended after 100 s."""
    bench = Bench(job("a"), past=(100.0, 100.0))
    server = bench.steps.plan.servers[0]
    bench.steps.plan = replace(
        bench.steps.plan, servers=(replace(server, poll=Poll(minimum=1.0, maximum=60.0, fraction=1.0)),)
    )
    bench.watching(age=99.0)
    assert bench.active.stops
    step = bench.steps.read(bench.active, Answer(200, JobInfo("17", State.RUNNING, "running")))
    assert bench.after(step.due) < 30


def test_the_end_of_another_job_that_had_the_id_is_not_believed_for_long() -> None:
    """From the first such read on, whatever comes between; a read that fails leaves open whose end it was."""
    bench = Bench(job("a")).watching()
    claim = Claim(1, 1, "b", over=True)
    bench.active.earlier = (claim,)
    shown = Answer(200, JobInfo("17", State.SUCCEEDED, "done"))
    said = "the server gave the id 17 to b before, and may still show how that one ended"
    assert bench.steps.read(bench.active, shown).events == (LookFailed(AT, KEY, 1, said),)
    assert bench.steps.read(bench.active, Answer(500)).end is None
    assert bench.active.earlier == (claim,)
    assert bench.active.stale_since is None, "it was not seen this time"
    bench.steps.read(bench.active, shown)
    bench.world.advance(NOW + 29.9)
    assert bench.steps.read(bench.active, shown).end is None
    bench.world.advance(NOW + 30.0)
    assert bench.steps.read(bench.active, shown).end == Ended(Outcome.UNKNOWN, Reason.UNREADABLE, said)


def test_once_it_was_seen_going_the_id_is_the_jobs_own() -> None:
    """An ended job does not go back to running."""
    bench = Bench(job("a")).watching()
    bench.active.earlier = (Claim(1, 1, "b", over=True),)
    bench.steps.read(bench.active, Answer(200, JobInfo("17", State.RUNNING, "running")))
    end = bench.steps.read(bench.active, Answer(200, JobInfo("17", State.SUCCEEDED, "done"))).end
    assert end is not None
    assert end.outcome is Outcome.SUCCEEDED


def test_a_failure_that_comes_again_is_told_again() -> None:
    """A read between that gave something to go by makes it news."""
    bench = Bench(job("a")).watching()
    failed = (LookFailed(AT, KEY, 1, "HTTP 500"),)
    assert bench.steps.read(bench.active, Answer(500)).events == failed
    assert bench.steps.read(bench.active, Answer(500)).events == ()
    bench.steps.read(bench.active, Answer(200, JobInfo("17", State.RUNNING, "running")))
    assert (bench.active.blind, bench.active.blind_message) == (0, "")
    assert bench.steps.read(bench.active, Answer(500)).events == failed


def test_a_job_info_without_a_state_is_said_once() -> None:
    """Of its job, by name and key."""
    bench = Bench(job("a")).watching()
    nothing = Answer(200, JobInfo("17", State.MISSING))
    words = "the job info names no state that aftrun can find; it goes on waiting"
    (warned,) = [each for each in bench.steps.read(bench.active, nothing).events if isinstance(each, Warned)]
    assert (warned.job, warned.message.partition("\n")[0]) == (KEY, f"a: {words}")
    assert bench.steps.read(bench.active, nothing).events == ()


def test_what_the_last_read_said_is_told_with_the_end() -> None:
    """Of a job that is given up in that very moment: its word, and why there was nothing to go by."""
    going = Answer(200, JobInfo("17", State.RUNNING, "late"))
    bench = Bench(job("a", timeout=100.0)).watching(age=100.0)
    seen, over = bench.steps.read(bench.active, going).events
    assert isinstance(seen, StateSeen)
    assert (seen.state, type(over)) == ("late", AttemptEnded)
    bench = Bench(job("a")).watching()
    bench.active.missing_since = bench.world.monotonic() - policy.NOT_FOUND_GRACE
    failed, over = bench.steps.read(bench.active, Answer(404, message="gone")).events
    assert (type(failed), type(over)) == (LookFailed, AttemptEnded)


def test_one_failure_makes_no_read_later_than_its_pause() -> None:
    """Where the server asks for no more."""
    bench = Bench(job("a")).watching(age=0.0)
    server = replace(bench.steps.plan.servers[0], poll=Poll(minimum=0.1, maximum=0.1, fraction=0.0))
    bench.steps.plan = replace(bench.steps.plan, servers=(server,))
    assert bench.after(bench.steps.read(bench.active, Answer(500)).due) <= 0.5


@pytest.mark.parametrize(("phase", "kept"), [("running", False), ("accepted", True)])
def test_a_resumed_job_that_was_seen_running_has_its_id_for_itself(phase: str, *, kept: bool) -> None:
    """The end of another job that had the id before may be shown only until then."""
    bench = Bench(job("a"), job("b"))
    other = JobResult("b", "main", "https://one", job("b").origin, {}, phase="ended")
    ended_before = Attempt(1, job_id="17", outcome=Outcome.SUCCEEDED, ended_at=AT - 200)
    bench.steps.recall(bench.steps.jobs[1], replace(other, attempts=(ended_before,)))
    bench.adopt(phase, Attempt(1, accepted_at=AT - 100, job_id="17"))
    assert bench.active.earlier == ((Claim(1, 1, "b", over=True),) if kept else ())


def test_reads_that_fail_wait_at_least_as_long_as_the_rule() -> None:
    """The pause after a failure is shorter than the polls of an old job: these are made no denser by it."""
    bench = Bench(job("a")).watching()
    server = replace(bench.steps.plan.servers[0], poll=Poll(minimum=20.0, maximum=20.0, fraction=0.0))
    bench.steps.plan = replace(bench.steps.plan, servers=(server,))
    assert bench.after(bench.steps.read(bench.active, Answer(500)).due) >= 18.0


def test_a_resumed_job_remembers_where_its_id_was_read_from() -> None:
    """Another job's info may hold its id in another field, today as yesterday."""
    bench = Bench(job("a"))
    accepted = Accepted(AT - 5, KEY, 1, "17", id_field="id")
    opening = RunStarted(AT - 9, "r", (JobHeader(KEY, "a", "m", "s", "m.yaml", 1, 1),))
    (seen,) = fold([opening, SubmitIntended(AT - 6, KEY, 1), accepted]).jobs
    bench.steps.recall(bench.active, seen)
    bench.steps.adopt(bench.active, seen)
    other = JobInfo("18", State.SUCCEEDED, "done", ids=(("id", "18"), ("jobid", "17")))
    assert bench.steps.read(bench.active, Answer(200, other)).end is None
    ours = JobInfo("17", State.SUCCEEDED, "done", ids=(("id", "17"), ("jobid", "18")))
    end = bench.steps.read(bench.active, Answer(200, ours)).end
    assert end is not None
    assert end.outcome is Outcome.SUCCEEDED
