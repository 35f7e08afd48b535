"""Pure decisions: was it processed, may it be tried again, when to read its status, how did it end.

Every rule of the contract about requests is one row of a table here or in `test_policy.py`. Nothing in this
module knows the time, a socket or a file; it is told, and it answers.
"""

from __future__ import annotations

import re
from dataclasses import field
from random import Random

from aftrun.domain import jobids
from aftrun.domain.events import Reason
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Answer, Failure, FailureKind, JobInfo, OnAmbiguous, Outcome, Poll, Reply, Retry, State
from aftrun.domain.words import NOT_BORNE_OUT

NOT_FOUND_GRACE = 30.0
"""Seconds for which a 404 on a status read is taken as "not listed yet" rather than "gone"."""

SUBMIT_BACKOFF = (0.25, 5.0)
READ_BACKOFF = (0.5, 30.0)
"""First and longest wait between tries, seconds; it doubles in between."""

LONGEST_READ_WAIT = 60.0
"""Seconds of a `Retry-After` that count on a status read. A read does no harm, and a job's end must be noticed."""

MAY_EXIST = "the job may or may not have been created, so it is not submitted again: check on the server"
MAY_BE_SENT_AGAIN = (
    "the job may or may not have been created; `onAmbiguous: resubmit` has it submitted again until submitTimeout is "
    "over: check on the server"
)
"""The same where the job says so. It is as true of the last submission as of those before it."""
_IN_DOUBT = {OnAmbiguous.FAIL: MAY_EXIST, OnAmbiguous.RESUBMIT: MAY_BE_SENT_AGAIN}
NAME_ITS_ID = "if it is about this job, say where its id stands with server.jobInfo.id"
_ALLOW_LIST = (
    "check that the API key is right, and that its IP allow-list (web UI, Settings > API Keys) includes the address of "
    "this machine"
)


_NO_SUCH = (
    "either the server has no such address (check that `server.url` ends with the port, and `server.paths.submit`), or "
    "it has no such script (check its name in the web UI): `aftrun doctor` tells more about the address"
)


@dataclass(frozen=True, slots=True)
class Created:
    """The server created the job."""

    job_id: str
    state: str = ""
    id_field: str = ""
    """Where its id was read from."""
    phase: State = State.MISSING
    """What aftrun takes `state` for."""


@dataclass(frozen=True, slots=True)
class NotProcessed:
    """The POST was provably not processed and may be tried again, no sooner than in `retry_after` seconds."""

    message: str
    retry_after: float | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The attempt is over."""

    outcome: Outcome
    reason: Reason
    message: str = ""
    info: JobInfo | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Going:
    """The job is not over. `note` is something to tell the user, once."""

    info: JobInfo
    note: str = ""


@dataclass(frozen=True, slots=True)
class Blind:
    """A status read gave nothing to go by; read again, no sooner than in `retry_after` seconds."""

    message: str
    retry_after: float | None = None
    missing: bool = False
    """The server says that there is no such job."""
    refused: bool = False
    """The server does not let this key, or this address, read the job."""
    stale: bool = False
    """What the server shows may be the end of another job, which had the same id before."""


SubmitDecision = Created | NotProcessed | Ended
ReadDecision = Going | Blind | Ended


def _said(answer: Answer) -> str:
    text = answer.message or answer.problem
    return f"HTTP {answer.status}" + (f": {text}" if text else "")


def _with_hint(message: str, hint: str) -> str:
    """Cause and remedy as one message: the cause is its first line."""
    return f"{message}\n{hint}" if hint else message


def after_submit(reply: Reply, on_ambiguous: OnAmbiguous = OnAmbiguous.FAIL) -> SubmitDecision:
    """What a reply to the POST of a job with this `onAmbiguous` means.

    Only what provably was not processed may be tried again; a definite refusal is the job's end; everything else
    is ambiguous and ends as `unknown`: see `may_resubmit` for what follows.
    """
    if isinstance(reply, Failure):
        if reply.kind is FailureKind.TLS and not reply.sent:
            return Ended(Outcome.UNDELIVERED, Reason.TLS, _with_hint(reply.message, reply.hint))
        if not reply.sent:
            return NotProcessed(reply.message, hint=reply.hint)
        return fate_unknown(f"after the request was sent, {reply.message}", on_ambiguous)
    status = reply.status
    if 200 <= status < 300:
        if reply.info is not None and reply.info.id:
            info = reply.info
            return Created(reply.info.id, info.status, jobids.field_of(info), info.state)
        why = reply.problem or "its answer holds no job id that aftrun can read"
        return fate_unknown(f"the server answered HTTP {status}, but {why}", on_ambiguous)
    if status in (429, 503):
        return _put_off(reply, on_ambiguous)
    if status in (401, 403):
        return Ended(Outcome.REJECTED, Reason.KEY, _with_hint(_said(reply), _ALLOW_LIST))
    if status in (404, 405, 410):
        return Ended(Outcome.REJECTED, Reason.REFUSED, _with_hint(_said(reply), _NO_SUCH))
    if 400 <= status < 500 or status in (307, 308):
        # 307 and 308 promise that the request was not acted upon (RFC 9110, 15.4.8 and 15.4.9); other 3xx do not.
        return Ended(Outcome.REJECTED, Reason.REFUSED, _said(reply))
    return fate_unknown(f"the server answered {_said(reply)}", on_ambiguous)


def _put_off(answer: Answer, on_ambiguous: OnAmbiguous) -> SubmitDecision:
    """429 and 503 say that the server has not taken the job, unless they name it."""
    if answer.info is not None and answer.info.id:
        named = f"the server answered {_said(answer)}, and yet names a job: {answer.info.id}"
        return fate_unknown(named, on_ambiguous)
    if answer.status == 503 and answer.retry_after is None:
        # It may come from a proxy that gave up waiting.
        return fate_unknown(f"the server answered {_said(answer)}", on_ambiguous)
    return NotProcessed(_said(answer), answer.retry_after)


def fate_unknown(why: str, on_ambiguous: OnAmbiguous, reason: Reason = Reason.AMBIGUOUS) -> Ended:
    """How a submission ends that may have created a job, or none."""
    return Ended(Outcome.UNKNOWN, reason, f"{why}\n{_IN_DOUBT[on_ambiguous]}")


def after_read(reply: Reply, job_id: str, id_field: str = "") -> ReadDecision:
    """What a reply to a status read means. Only an end that was seen ends a job; everything else is read again.

    `id_field` is where the job's id was read from when it was submitted, see `jobids.mismatch`.

    How long a job may be `missing` or `refused` before its outcome is unknown is for the caller to say.
    """
    if isinstance(reply, Failure):
        return Blind(_with_hint(reply.message, reply.hint))
    status = reply.status
    if 200 <= status < 300:
        return _read(reply, job_id, id_field)
    wait = None if reply.retry_after is None else min(reply.retry_after, LONGEST_READ_WAIT)
    if status in (401, 403):
        message = (
            f"{_said(reply)} when reading the job's status: the job was accepted, so this key may submit but perhaps "
            f"not read\n{_ALLOW_LIST}; AFT! documents no rights of single keys, so reading may want another "
            "credential: see server.headers"
        )
        return Blind(message, wait, refused=True)
    return Blind(_said(reply), wait, missing=status in (404, 410))


def _read(answer: Answer, job_id: str, id_field: str) -> ReadDecision:
    info = answer.info
    if info is None:
        return Blind(f"HTTP {answer.status}, but {answer.problem or 'the answer is no job info'}")
    strange = jobids.mismatch(info, job_id, id_field)
    if strange:
        return Blind(_with_hint(strange, NAME_ITS_ID))
    match info.state:
        case State.SUCCEEDED:
            return Ended(Outcome.SUCCEEDED, Reason.DONE, info.message, info)
        case State.FAILED:
            return Ended(Outcome.FAILED, Reason.DONE, _failure_text(info), info)
        case State.CANCELLED:
            return Ended(
                Outcome.CANCELLED, Reason.DONE, info.message or f"cancelled on the server ({info.status})", info
            )
        case State.MISSING:
            return Going(
                info,
                "the job info names no state that aftrun can find; it goes on waiting\n"
                "say where it is with server.jobInfo.status",
            )
    return Going(info)  # what is said of a word that nobody listed depends on those before it: see `sightings`


def _failure_text(info: JobInfo) -> str:
    parts = [info.message] if info.message else []
    said = rf"exit ?code:? {info.exit_code}\b"
    if info.exit_code not in (None, 0) and not re.search(said, info.message or "", re.IGNORECASE):
        parts.append(f"exit code {info.exit_code}")
    return ", ".join(parts) or f"the server says {info.status!r}"


def out_of_time(last: ReadDecision, reason: Reason, clock: str) -> Ended:
    """How a job ends whose clock ran out, given what the last read said. It is never a success.

    `clock` is the clock's name and length, for people: ``timeout of 2h``.
    """
    if isinstance(last, Ended):
        return last
    if isinstance(last, Blind):
        return Ended(
            Outcome.UNKNOWN, Reason.UNREADABLE, f"{clock} ran out, and the last status read failed: {last.message}"
        )
    if last.info.state in (State.UNLISTED, State.MISSING):
        what, remedy = _unknown(last.info)
        message = f"{clock} ran out, and the job {what}\n{remedy}, and resume reads the job again"
        return Ended(Outcome.UNKNOWN, Reason.UNLISTED, message, last.info)
    return Ended(
        Outcome.TIMED_OUT,
        reason,
        f"{clock} ran out; the job was {last.info.state.value} when its status was last read, and may still be running",
        last.info,
    )


def _unknown(info: JobInfo) -> tuple[str, str]:
    """What is said of a job whose state nobody could tell, and what to do about it."""
    if info.doubted:
        what = f"was in state {info.status!r}, {NOT_BORNE_OUT}"
        return what, "see the job info: server.jobInfo says which of its fields count"
    if info.state is State.MISSING:
        return "info named no state that aftrun can find", "say where it is with server.jobInfo.status"
    what = f"was in a state that aftrun does not know: {info.status!r}"
    return what, "if it is an end, say which: `aftrun learn` asks about each word"


def base_interval(poll: Poll, elapsed: float) -> float:
    """`clamp(fraction × elapsed, minimum, maximum)`, seconds."""
    return min(max(poll.fraction * elapsed, poll.minimum), poll.maximum)


def poll_interval(poll: Poll, elapsed: float, random: Random) -> float:
    """Seconds until the next status read by the rule: the clamped fraction, ±10 % so that reads spread."""
    return base_interval(poll, elapsed) * random.uniform(0.9, 1.1)


def backoff(tries: int, bounds: tuple[float, float], random: Random) -> float:
    """Seconds before try number `tries + 1`: doubling between the bounds, with "equal jitter".

    Half of the wait is fixed, half random: see M. Brooker, "Exponential Backoff And Jitter", AWS, 2015.
    """
    first, longest = bounds
    full = min(first * 2.0 ** min(tries - 1, 32), longest)
    return full / 2 + random.uniform(0, full / 2)


def retry_delay(retry: Retry, attempt: int, outcome: Outcome) -> float | None:
    """Seconds until a new submission after attempt number `attempt` ended with `outcome`, or None: no retry.

    Only definite bad ends are retried: an `unknown` or `timedOut` job may still be running.
    """
    if attempt > retry.limit or outcome not in retry.on:
        return None
    if outcome not in (Outcome.FAILED, Outcome.CANCELLED, Outcome.REJECTED, Outcome.UNDELIVERED):
        return None
    try:
        delay = retry.duration * retry.factor ** (attempt - 1)
    except OverflowError:  # after hundreds of attempts; the cap was reached long ago
        delay = retry.cap if retry.duration else 0.0
    return float(min(delay, retry.cap))


def may_resubmit(policy: OnAmbiguous, ended: Ended) -> bool:
    """Whether an attempt of unknown fate is followed by another submission."""
    return policy is OnAmbiguous.RESUBMIT and ended.reason in (Reason.AMBIGUOUS, Reason.CRASHED)


def runs_on(outcome: Outcome | None) -> bool:
    """Whether a submission that ended so, as far as aftrun is concerned, may still be running on the server."""
    return outcome in (Outcome.UNKNOWN, Outcome.TIMED_OUT, Outcome.SUBMITTED)


def is_bad(outcome: Outcome, reason: Reason, *, allow_failure: bool) -> bool:
    """Whether an end counts against the run and against the jobs that need it.

    `allowFailure` forgives what is known. It does not forgive `unknown`, since unknown is never taken for an end,
    nor a job that was never run because its own needs went wrong.
    """
    if outcome.well:
        return False
    if outcome is Outcome.SKIPPED:
        return reason is not Reason.NOT_NEEDED
    return not allow_failure or outcome is Outcome.UNKNOWN
