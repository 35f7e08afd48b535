"""The decisions about requests: one row for each rule of the contract."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftrun.domain import jobids
from aftrun.domain.events import Reason
from aftrun.domain.model import (
    Answer,
    Failure,
    FailureKind,
    JobInfo,
    OnAmbiguous,
    Outcome,
    Poll,
    Reply,
    Retry,
    State,
)
from aftrun.run import policy
from aftrun.run.policy import Blind, Created, Ended, Going, NotProcessed

CREATED = JobInfo("17", State.QUEUED, "queued")
KINDS = list(FailureKind)


def _dice(seed: int) -> Random:
    return Random(seed)  # noqa: S311  # a test's dice


def info(state: State, **fields: object) -> JobInfo:
    """A job info of the job `17`."""
    values: dict[str, object] = {"id": "17", "status": state.value.title(), **fields}
    return JobInfo(state=state, **values)  # type: ignore[arg-type]  # tests choose the fields


# --- submitting ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "sent"), list(product(KINDS, [False, True])))
def test_a_failed_post_is_repeated_only_when_nothing_was_sent(kind: FailureKind, *, sent: bool) -> None:
    """Sent: unknown, whatever the failure. Not sent: may be tried again, but for a certificate, which is final."""
    decision = policy.after_submit(Failure(kind, sent, "what happened", "what to do"))
    if sent:
        assert isinstance(decision, Ended)
        assert (decision.outcome, decision.reason) == (Outcome.UNKNOWN, Reason.AMBIGUOUS)
        assert "may or may not have been created" in decision.message
    elif kind is FailureKind.TLS:
        assert isinstance(decision, Ended)
        assert (decision.outcome, decision.reason) == (Outcome.UNDELIVERED, Reason.TLS)
        assert "what to do" in decision.message
    else:
        assert isinstance(decision, NotProcessed)
    if isinstance(decision, NotProcessed | Ended):
        assert "what happened" in decision.message


AMBIGUOUS = (Outcome.UNKNOWN, Reason.AMBIGUOUS)
REFUSED = (Outcome.REJECTED, Reason.REFUSED)
KEY = (Outcome.REJECTED, Reason.KEY)


@pytest.mark.parametrize("retry_after", [None, 0.0, 7.0])
@pytest.mark.parametrize(
    ("status", "end"),
    [
        (100, AMBIGUOUS),
        (101, AMBIGUOUS),
        (301, AMBIGUOUS),
        (302, AMBIGUOUS),
        (303, AMBIGUOUS),
        (304, AMBIGUOUS),
        (307, REFUSED),
        (308, REFUSED),
        (400, REFUSED),
        (401, KEY),
        (402, REFUSED),
        (403, KEY),
        (404, REFUSED),
        (405, REFUSED),
        (408, REFUSED),
        (409, REFUSED),
        (410, REFUSED),
        (413, REFUSED),
        (415, REFUSED),
        (422, REFUSED),
        (425, REFUSED),
        (499, REFUSED),
        (500, AMBIGUOUS),
        (501, AMBIGUOUS),
        (502, AMBIGUOUS),
        (504, AMBIGUOUS),
        (507, AMBIGUOUS),
        (599, AMBIGUOUS),
    ],
)
def test_the_status_of_a_post(status: int, end: tuple[Outcome, Reason], retry_after: float | None) -> None:
    """Definite refusals end the job as rejected, what leaves its fate open as unknown; Retry-After changes neither."""
    decision = policy.after_submit(Answer(status, message="because", retry_after=retry_after))
    assert isinstance(decision, Ended)
    assert (decision.outcome, decision.reason) == end
    assert f"HTTP {status}: because" in decision.message


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_after_the_time_it_names(status: int) -> None:
    """429, and 503 with Retry-After, were provably not processed."""
    decision = policy.after_submit(Answer(status, message="busy", retry_after=7.0))
    assert decision == NotProcessed(f"HTTP {status}: busy", 7.0)


@pytest.mark.parametrize("retry_after", [None, 0.0, 7.0])
@pytest.mark.parametrize("status", [429, 503])
def test_put_off_with_a_job_is_no_proof(status: int, retry_after: float | None) -> None:
    """A server that names a job has processed something: the POST is not repeated, and the id is told."""
    decision = policy.after_submit(Answer(status, info=CREATED, retry_after=retry_after))
    assert isinstance(decision, Ended)
    assert (decision.outcome, decision.reason) == AMBIGUOUS
    assert "names a job: 17" in decision.message


def test_429_needs_no_retry_after_and_503_does() -> None:
    """429 always means "not processed"; a bare 503 may come from a proxy that gave up waiting."""
    assert policy.after_submit(Answer(429)) == NotProcessed("HTTP 429", None)
    decision = policy.after_submit(Answer(503))
    assert isinstance(decision, Ended)
    assert (decision.outcome, decision.reason) == AMBIGUOUS
    assert decision.message.startswith("the server answered HTTP 503")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success_needs_an_id(status: int) -> None:
    """2xx with an id: created. Without a readable one: unknown, since the job exists and cannot be followed."""
    assert policy.after_submit(Answer(status, CREATED)) == Created("17", "queued", phase=State.QUEUED)
    nothing = Answer(status, problem="the answer is not JSON")
    for reply in (
        nothing,
        Answer(status),
        Answer(status, JobInfo(None, State.QUEUED)),
        Answer(status, JobInfo("", State.QUEUED)),
    ):
        decision = policy.after_submit(reply)
        assert isinstance(decision, Ended)
        assert (decision.outcome, decision.reason) == AMBIGUOUS
        assert f"HTTP {status}" in decision.message
    assert "not JSON" in str(policy.after_submit(nothing))


@pytest.mark.parametrize("status", [*range(100, 200, 33), *range(300, 600)])
def test_only_success_creates(status: int) -> None:
    """Whatever else an answer holds that names a job."""
    assert not isinstance(policy.after_submit(Answer(status, CREATED)), Created)


@pytest.mark.parametrize("status", [404, 405, 410])
def test_a_missing_address_or_script_is_told_apart(status: int) -> None:
    """Either may be what is missing; the remedy is on the line after the cause."""
    decision = policy.after_submit(Answer(status, message="no"))
    assert isinstance(decision, Ended)
    cause, _, remedy = decision.message.partition("\n")
    assert cause == f"HTTP {status}: no"
    assert "no such address" in remedy
    assert "no such script" in remedy


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_names_key_and_allow_list(status: int) -> None:
    """The two usual causes are named, on the POST and on the status read."""
    submit = policy.after_submit(Answer(status))
    look = policy.after_read(Answer(status), "17")
    assert isinstance(submit, Ended)
    assert isinstance(look, Blind)
    for decision in (submit, look):
        assert "API key" in decision.message
        assert "allow-list" in decision.message
    assert look.refused
    assert not look.missing
    assert "may submit but perhaps not read" in look.message


@given(status=st.integers(100, 599), retry_after=st.one_of(st.none(), st.floats(0, 1e6)), body=st.booleans())
def test_no_answer_without_an_id_is_ever_taken_for_a_creation(
    status: int,
    retry_after: float | None,
    *,
    body: bool,
) -> None:
    """Only 2xx with an id creates; only 429 and 503 with Retry-After may be sent again."""
    reply = Answer(status, JobInfo(None, State.SUCCEEDED) if body else None, retry_after=retry_after)
    decision = policy.after_submit(reply)
    assert not isinstance(decision, Created)
    assert isinstance(decision, NotProcessed) == (status == 429 or (status == 503 and retry_after is not None))


# --- reading ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "sent"), list(product(KINDS, [False, True])))
def test_a_read_that_failed_is_repeated(kind: FailureKind, *, sent: bool) -> None:
    """Reading twice does no harm, and a certificate may be put right while the job runs."""
    decision = policy.after_read(Failure(kind, sent, "what happened", "what to do"), "17")
    assert decision == Blind("what happened\nwhat to do")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504, 599])
def test_a_look_is_repeated_on_busy_and_broken_servers(status: int) -> None:
    """Retry-After is handed on, where there is one."""
    assert policy.after_read(Answer(status, retry_after=9.0), "17") == Blind(f"HTTP {status}", 9.0)
    assert policy.after_read(Answer(status), "17") == Blind(f"HTTP {status}")


@pytest.mark.parametrize("status", [404, 410])
def test_a_missing_job_is_marked_as_missing(status: int) -> None:
    """A fresh job may not be listed yet, so this is no end; how long it may last is for the caller to say."""
    assert policy.after_read(Answer(status, message="no job"), "17") == Blind(f"HTTP {status}: no job", missing=True)


@pytest.mark.parametrize("status", [100, 301, 302, 304, 307, 308, 400, 402, 405, 406, 409, 422, 431, 451, 499])
def test_redirects_and_refusals_of_a_read_decide_nothing(status: int) -> None:
    """One 302 or 400 on a read says nothing of the job: it is read again."""
    assert policy.after_read(Answer(status, message="no"), "17") == Blind(f"HTTP {status}: no")


@pytest.mark.parametrize("status", [*range(100, 200, 25), *range(300, 600)])
@pytest.mark.parametrize("retry_after", [None, 0.0, 60.0, 60.1, 31_536_000.0, 1e9])
def test_only_an_end_that_was_seen_ends_a_job(status: int, retry_after: float | None) -> None:
    """No status but 2xx decides anything, and no `Retry-After` of a read counts for more than a minute."""
    seen = info(State.SUCCEEDED)
    decision = policy.after_read(Answer(status, seen, "because", retry_after=retry_after), "17")
    assert isinstance(decision, Blind)
    assert decision.missing == (status in (404, 410))
    assert decision.refused == (status in (401, 403))
    assert decision.retry_after == (None if retry_after is None else min(retry_after, 60.0))


@pytest.mark.parametrize("reply", [Answer(200), Answer(200, problem="the answer is too large")])
def test_an_unreadable_body_is_looked_at_again(reply: Answer) -> None:
    """Neither an end nor a state can be taken from it."""
    decision = policy.after_read(reply, "17")
    assert isinstance(decision, Blind)
    assert (reply.problem or "no job info") in decision.message


@pytest.mark.parametrize(
    ("seen", "outcome", "message"),
    [
        (info(State.SUCCEEDED), Outcome.SUCCEEDED, ""),
        (info(State.SUCCEEDED, message="fine"), Outcome.SUCCEEDED, "fine"),
        (info(State.FAILED), Outcome.FAILED, "the server says 'Failed'"),
        (info(State.FAILED, exit_code=3), Outcome.FAILED, "exit code 3"),
        (info(State.FAILED, exit_code=0), Outcome.FAILED, "the server says 'Failed'"),
        (info(State.FAILED, exit_code=3, message="disk"), Outcome.FAILED, "disk, exit code 3"),
        (info(State.FAILED, exit_code=3, message="ended with Exit Code 3."), Outcome.FAILED, "ended with Exit Code 3."),
        (info(State.FAILED, exit_code=3, message="no exit code 33"), Outcome.FAILED, "no exit code 33, exit code 3"),
        (info(State.CANCELLED), Outcome.CANCELLED, "cancelled on the server (Cancelled)"),
        (info(State.CANCELLED, message="by bob"), Outcome.CANCELLED, "by bob"),
    ],
)
def test_ends_that_the_server_tells(seen: JobInfo, outcome: Outcome, message: str) -> None:
    """Three states are ends, each with the words of the server where it has any."""
    assert policy.after_read(Answer(200, seen), "17") == Ended(outcome, Reason.DONE, message, seen)


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
def test_states_that_go_on(state: State) -> None:
    """Nothing to tell."""
    assert policy.after_read(Answer(200, info(state)), "17") == Going(info(state))


def test_a_state_that_cannot_be_read_goes_on() -> None:
    """Unlisted and missing states are no ends; of words `sightings` speaks, which knows those before."""
    unlisted = policy.after_read(Answer(200, info(State.UNLISTED, status="Zombie")), "17")
    missing = policy.after_read(Answer(200, info(State.MISSING, status="")), "17")
    assert isinstance(unlisted, Going)
    assert isinstance(missing, Going)
    assert not unlisted.note
    assert "server.jobInfo.status" in missing.note


@pytest.mark.parametrize(
    ("fields", "believed"),
    [
        ({"id": "17"}, True),
        ({"id": "99"}, False),
        ({"id": "99", "ids": (("id", "99"), ("jobid", "17"))}, True),
        ({"id": "99", "ids": (("id", "99"),), "raw": {"id": 99, "attempt": 17}}, False),
        ({"id": None, "listed": True}, False),
        ({"id": "17", "listed": True}, True),
        ({"id": None, "ids": (("id", "true"),)}, False),
    ],
)
def test_a_job_info_of_another_job_is_not_believed(fields: dict[str, object], *, believed: bool) -> None:
    """Where the job info names ids, one of them must be the job's; `test_jobids.py` has the whole table."""
    seen = info(State.FAILED, **fields)
    decision = policy.after_read(Answer(200, seen), "17")
    assert isinstance(decision, Ended if believed else Blind)
    if isinstance(decision, Blind):
        assert decision.message == f"{jobids.mismatch(seen, '17')}\n{policy.NAME_ITS_ID}"


def test_the_field_of_the_id_is_what_the_submission_told() -> None:
    """Another job's info may hold this job's id in another field."""
    made = policy.after_submit(Answer(201, info(State.QUEUED, id="17", ids=(("id", "17"), ("jobid", "18")))))
    assert isinstance(made, Created)
    assert made.id_field == "id"
    other = Answer(200, info(State.SUCCEEDED, id="18", ids=(("id", "18"), ("jobid", "17"))))
    assert isinstance(policy.after_read(other, "17", made.id_field), Blind)
    assert isinstance(policy.after_read(other, "17"), Ended)


def test_a_job_info_without_an_id_is_believed() -> None:
    """Some servers do not repeat the id that was asked for."""
    assert isinstance(policy.after_read(Answer(200, info(State.SUCCEEDED, id=None)), "17"), Ended)


# --- out of time ----------------------------------------------------------------------------------------------------

REPLIES: list[Reply] = [
    *(Answer(200, info(state)) for state in State if state is not State.SUCCEEDED),
    Answer(200),
    Answer(404),
    Answer(500),
    Answer(403),
    *(Failure(kind, sent=True, message="x") for kind in KINDS),
]


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.QUEUE_TIMEOUT, Reason.FINISH_BY])
def test_out_of_time_is_never_a_success(reply: Reply, reason: Reason) -> None:
    """Whatever the last look said: only a success that was seen is one."""
    ended = policy.out_of_time(policy.after_read(reply, "17"), reason, "the timeout of 2h")
    assert ended.outcome not in (Outcome.SUCCEEDED, Outcome.SUBMITTED)


@pytest.mark.parametrize(
    ("last", "outcome", "reason"),
    [
        (Going(info(State.RUNNING)), Outcome.TIMED_OUT, Reason.TIMEOUT),
        (Going(info(State.QUEUED)), Outcome.TIMED_OUT, Reason.TIMEOUT),
        (Going(info(State.UNLISTED)), Outcome.UNKNOWN, Reason.UNLISTED),
        (Going(info(State.MISSING, status="")), Outcome.UNKNOWN, Reason.UNLISTED),
        (Blind("HTTP 500"), Outcome.UNKNOWN, Reason.UNREADABLE),
        (Ended(Outcome.SUCCEEDED, Reason.DONE), Outcome.SUCCEEDED, Reason.DONE),
        (Ended(Outcome.FAILED, Reason.DONE), Outcome.FAILED, Reason.DONE),
    ],
)
def test_what_the_last_look_makes_of_a_job_out_of_time(
    last: policy.ReadDecision, outcome: Outcome, reason: Reason
) -> None:
    """An end that was seen stands; going on is timedOut; what could not be read is unknown."""
    ended = policy.out_of_time(last, Reason.TIMEOUT, "the timeout of 2h")
    assert (ended.outcome, ended.reason) == (outcome, reason)
    if not isinstance(last, Ended):
        assert ended.message.startswith("the timeout of 2h ran out")


@pytest.mark.parametrize(
    ("state", "doubted", "words"),
    [
        (State.UNLISTED, False, "was in a state that aftrun does not know: 'frob'\nif it is an end, say which"),
        (State.UNLISTED, True, "was in state 'frob', which reads as success, but"),
        (State.MISSING, False, "info named no state that aftrun can find\nsay where it is with server.jobInfo.status"),
        (State.RUNNING, False, "was running when its status was last read"),
    ],
)
def test_a_word_that_nobody_knew_to_the_end_is_named(state: State, doubted: bool, words: str) -> None:
    """So that a person can say what it means, or where to look; what the server showed last goes on record."""
    seen = info(state, status="" if state is State.MISSING else "frob", doubted=doubted)
    ended = policy.out_of_time(Going(seen), Reason.TIMEOUT, "the timeout of 2h")
    assert ended.info is seen
    assert words in ended.message
    assert ended.message.endswith("and resume reads the job again") == (state is not State.RUNNING)


@pytest.mark.parametrize(("hint", "message"), [("", "refused"), ("pin it", "refused\npin it")])
def test_a_remedy_is_a_line_of_its_own(hint: str, message: str) -> None:
    """Cause first; where there is no remedy there is no second line."""
    failed = Failure(FailureKind.TLS, sent=False, message="refused", hint=hint)
    assert policy.after_submit(failed) == Ended(Outcome.UNDELIVERED, Reason.TLS, message)
    assert policy.after_read(failed, "17") == Blind(message)


# --- waits ----------------------------------------------------------------------------------------------------------


@given(
    st.floats(0, 1e7),
    st.floats(0.001, 60),
    st.floats(0, 600),
    st.floats(0, 10),
    st.integers(),
)
def test_poll_interval_is_the_clamped_fraction_within_ten_percent(
    elapsed: float, minimum: float, more: float, fraction: float, seed: int
) -> None:
    """`clamp(fraction × elapsed, min, max)` ± 10 %."""
    poll = Poll(minimum, minimum + more, fraction)
    expected = min(max(fraction * elapsed, poll.minimum), poll.maximum)
    found = policy.poll_interval(poll, elapsed, _dice(seed))
    assert expected * 0.9 - 1e-9 <= found <= expected * 1.1 + 1e-9


@pytest.mark.parametrize(("elapsed", "base"), [(0, 0.5), (4, 0.5), (50, 5.0), (300, 30.0), (1e6, 30.0)])
def test_the_default_poll(elapsed: float, base: float) -> None:
    """Half a second at first, a tenth of the age, half a minute at last; and it is spread, not one number."""
    found = [policy.poll_interval(Poll(), elapsed, _dice(seed)) for seed in range(200)]
    assert base * 0.9 <= min(found) < base * 0.95
    assert base * 1.05 < max(found) <= base * 1.1


@given(st.integers(1, 10_000), st.floats(0.001, 10), st.floats(0, 1000), st.integers())
def test_backoff_keeps_its_bounds(tries: int, first: float, more: float, seed: int) -> None:
    """Between half and all of the doubled wait, never over the longest; no number of tries overflows."""
    longest = first + more
    full = min(first * 2.0 ** min(tries - 1, 1000), longest)
    found = policy.backoff(tries, (first, longest), _dice(seed))
    assert full / 2 * 0.999 <= found <= full * 1.001


def test_backoff_may_take_the_whole_of_the_doubled_wait() -> None:
    """At the luckiest half of it, at the unluckiest all."""

    class Loaded(Random):
        share = 0.0

        def random(self) -> float:
            return self.share

    dice = Loaded()
    dice.share = 1.0
    assert policy.backoff(3, (0.5, 30.0), dice) == 2.0
    dice.share = 0.0
    assert policy.backoff(3, (0.5, 30.0), dice) == 1.0


@pytest.mark.parametrize(
    ("attempt", "outcome", "delay"),
    [
        (1, Outcome.FAILED, 10.0),
        (2, Outcome.FAILED, 20.0),
        (3, Outcome.FAILED, 40.0),
        (4, Outcome.FAILED, None),
        (1, Outcome.CANCELLED, 10.0),
        (1, Outcome.REJECTED, 10.0),
        (1, Outcome.UNDELIVERED, 10.0),
        (1, Outcome.UNKNOWN, None),
        (1, Outcome.TIMED_OUT, None),
        (1, Outcome.SUCCEEDED, None),
        (1, Outcome.SUBMITTED, None),
        (1, Outcome.SKIPPED, None),
    ],
)
def test_retry_delay(attempt: int, outcome: Outcome, delay: float | None) -> None:
    """Definite bad ends that are listed are retried up to the limit, with growing waits; open ends never."""
    assert policy.retry_delay(Retry(limit=3, on=tuple(Outcome)), attempt, outcome) == delay


def test_retry_only_on_what_is_listed() -> None:
    """The default is `failed` alone, and no retry at all."""
    assert policy.retry_delay(Retry(), 1, Outcome.FAILED) is None
    assert policy.retry_delay(Retry(limit=1), 1, Outcome.REJECTED) is None
    assert policy.retry_delay(Retry(limit=9, cap=25.0), 8, Outcome.FAILED) == 25.0


@pytest.mark.parametrize(("duration", "delay"), [(0.0, 0.0), (0.5, 25.0)])
def test_a_delay_beyond_all_numbers_is_the_cap(duration: float, delay: float) -> None:
    """But nothing, doubled however often, is nothing."""
    retry = Retry(limit=5000, duration=duration, factor=10.0, cap=25.0)
    assert policy.retry_delay(retry, 4000, Outcome.FAILED) == delay


@given(st.integers(1, 1_000_000), st.floats(1, 1e6), st.floats(0.001, 1e6), st.floats(0.001, 1e6))
def test_retry_delay_never_exceeds_its_cap(attempt: int, factor: float, duration: float, cap: float) -> None:
    """However many attempts: a number, and no more than the cap."""
    delay = policy.retry_delay(Retry(1_000_000, (Outcome.FAILED,), duration, factor, cap), attempt, Outcome.FAILED)
    assert delay is not None
    assert 0 <= delay <= cap


@pytest.mark.parametrize("on", OnAmbiguous)
@pytest.mark.parametrize("reason", Reason)
def test_only_an_open_fate_is_resubmitted_and_only_when_told(on: OnAmbiguous, reason: Reason) -> None:
    """`onAmbiguous: resubmit` concerns POSTs of unknown fate, not jobs that were accepted and cannot be read."""
    expected = on is OnAmbiguous.RESUBMIT and reason in (Reason.AMBIGUOUS, Reason.CRASHED)
    assert policy.may_resubmit(on, Ended(Outcome.UNKNOWN, reason)) == expected


@pytest.mark.parametrize("allow", [False, True])
@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("outcome", Outcome)
def test_is_bad(outcome: Outcome, reason: Reason, *, allow: bool) -> None:
    """Good: succeeded, submitted, up to date, rightly skipped. allowFailure forgives all but unknown and skipped."""
    if outcome in (Outcome.SUCCEEDED, Outcome.SUBMITTED, Outcome.UP_TO_DATE):
        expected = False
    elif outcome is Outcome.SKIPPED:
        expected = reason is not Reason.NOT_NEEDED
    elif outcome is Outcome.UNKNOWN:
        expected = True
    else:
        expected = not allow
    assert policy.is_bad(outcome, reason, allow_failure=allow) is expected
