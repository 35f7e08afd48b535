"""`once`: what becomes of a job of which the record holds an earlier attempt under the same identity. Pure.

An identity is server, manifest, job (with its matrix) and expanded key. `LastAttempt` is what the record knows of the
newest submission under one: a fold of that submission's events, whichever runs they come from. `decide` is the table
of what a new run does about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from enum import StrEnum

from aftrun.domain import zones
from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
    Converged,
    Event,
    JobEnded,
    Once,
    Reason,
    Settled,
    SubmitDeferred,
    SubmitIntended,
)
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.instants import at_zone
from aftrun.domain.jobnames import job_key
from aftrun.domain.model import Json, Outcome
from aftrun.system.shell import quoted

_DEFINITE = frozenset({Outcome.SUCCEEDED, Outcome.FAILED, Outcome.REJECTED, Outcome.UNDELIVERED, Outcome.CANCELLED})
"""Ends that were seen. Nothing that is heard later changes them."""


class Move(StrEnum):
    """What a run does about a job with `once`."""

    SUBMIT = "submit"
    UP_TO_DATE = "upToDate"
    FOLLOW = "follow"
    WAIT = "wait"
    """Another process has its POST under way: it will tell the id."""
    DOUBT = "doubt"
    """A person must look."""


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """The newest submission under an identity, as far as it is on record."""

    once: Once
    manifest: str
    job: str
    run: str
    """The run that made it."""
    attempt: int
    """Its number there."""
    at: float
    """When it was about to leave; epoch seconds, as all times here."""
    sent: bool = True
    """Whether a POST may have left; not so where it was provably not processed."""
    job_id: str | None = None
    """None until the server has told it: there is nothing that stands in its place."""
    id_field: str | None = None
    accepted_at: float | None = None
    outcome: Outcome | None = None
    """How it ended; None where that is not on record."""
    ended_at: float | None = None
    outputs: Mapping[str, Json] = field(default_factory=dict)
    settled_by: str | None = None
    readable: bool = True
    """False where its place in the record is taken, and what stands there cannot be read."""

    @property
    def key(self) -> str:
        """The job's key within a run."""
        return job_key(self.manifest, self.job)


@dataclass(frozen=True, slots=True)
class Submission:
    """Which submission an attempt of a run is: one of its own, or that of another run which it goes by."""

    identity: str
    attempt: int
    """The attempt's number in the run."""
    run: str
    """The run that made the submission."""
    of_attempt: int
    """Its number there."""


def submission(run: str, event: Event) -> Submission | None:
    """The submission that an attempt of `run` is from this event on; None for events that say nothing of it."""
    if isinstance(event, SubmitIntended) and event.once is not None:
        return Submission(event.once.identity, event.attempt, run, event.attempt)
    if isinstance(event, Converged):
        return Submission(event.once.identity, event.attempt, event.run, event.of_attempt)
    return None


def taken(last: LastAttempt | None, run: str, event: SubmitIntended | Converged) -> LastAttempt | None:
    """What is known under the identity once an intent, or what a run found there, is on record.

    A record that is put in order tells its runs in any order, so what is newer or goes further stays.
    """
    once = event.once
    if once is None:
        return last
    manifest, _, job = event.job.partition("/")
    found = LastAttempt(once, manifest, job, run, event.attempt, event.at)
    if isinstance(event, Converged):
        found = replace(
            found,
            run=event.run,
            attempt=event.of_attempt,
            job_id=event.job_id,
            id_field=event.id_field,
            accepted_at=event.accepted_at,
            outcome=event.outcome,
            ended_at=event.since,
            outputs=event.outputs,
        )
    if last is None or not last.readable:
        return found
    if (last.run, last.attempt) == (found.run, found.attempt):
        known = isinstance(event, Converged) or last.job_id is not None or last.outcome is not None
        return last if known else found
    return last if (last.once.number, last.at) > (once.number, event.at) else found


def after(last: LastAttempt, which: Submission, event: Event) -> LastAttempt:
    """What is known once an event of a run is on record whose attempt is the submission `which`."""
    if (last.run, last.attempt) != (which.run, which.of_attempt):
        return last  # it is about an earlier one
    match event:
        case Settled():
            if last.outcome in _DEFINITE and last.settled_by is None:
                return last
            if last.settled_by is not None and event.at < (last.ended_at or event.at):
                return last  # somebody has said another thing since; a clock that was set back decides nothing else
            job_id = event.job_id or last.job_id
            return replace(last, outcome=event.outcome, ended_at=event.at, job_id=job_id, settled_by=event.by)
        case JobEnded(outcome=Outcome.UNKNOWN, reason=Reason.CRASHED):
            # Whatever else is on record, something that is not may have followed it.
            seen = last.outcome is Outcome.SUCCEEDED or last.settled_by is not None
            return last if seen else replace(last, outcome=event.outcome, ended_at=event.at)
        case SubmitDeferred() | Accepted() | AttemptEnded():
            if event.attempt != which.attempt or last.outcome in _DEFINITE:
                return last
    match event:
        case SubmitDeferred() if last.job_id is None:
            return replace(last, sent=False)
        case Accepted() if last.job_id != event.job_id:
            return replace(
                last, sent=True, job_id=event.job_id, id_field=event.id_field, accepted_at=event.at, outcome=None
            )
        case AttemptEnded() if event.outcome in _DEFINITE or event.at >= (last.ended_at or event.at):
            return replace(last, outcome=event.outcome, ended_at=event.at, outputs=event.outputs)
    return last


def decide(last: LastAttempt | None, *, wait: bool, under_way: Callable[[], bool]) -> Move:
    """What to do about a job. `wait` is the job's own; `under_way` asks whether the run of the attempt is alive."""
    if last is None:
        return Move.SUBMIT
    if not last.readable:
        return Move.DOUBT
    match last.outcome:
        case Outcome.FAILED | Outcome.REJECTED | Outcome.UNDELIVERED | Outcome.CANCELLED:
            return Move.SUBMIT
        case Outcome.SUCCEEDED:
            return Move.UP_TO_DATE
        case Outcome.SUBMITTED if not wait:
            return Move.UP_TO_DATE
        case Outcome.UNKNOWN:
            return Move.DOUBT
    if last.job_id:
        return Move.FOLLOW
    if not last.sent:
        return Move.SUBMIT
    return Move.WAIT if last.outcome is None and under_way() else Move.DOUBT


def may_submit(last: LastAttempt | None, run: str, event: SubmitIntended, key: str) -> bool:
    """Whether an intent may go on record, asked in the transaction that would put it there.

    What the run knew when it made the intent may be old by now: another process may have sent the job meanwhile.
    """
    once = event.once
    if last is None or once is None or (last.readable and (last.run, last.key) == (run, key)):
        return True  # of its own submissions a run knows more than the record
    if once.again:
        return True
    return once.number == last.once.number + 1 and decide(last, wait=True, under_way=lambda: True) is Move.SUBMIT


def differing(last: LastAttempt, once: Once) -> tuple[str, ...]:
    """The script and the params that are not what they were at that attempt, by name; nothing if it cannot be told."""
    if last.once.mark != once.mark or not last.once.made_of:
        return ()
    then, now = last.once.made_of, once.made_of
    return tuple(name for name in {**now, **then} if then.get(name) != now.get(name))


def is_open(last: LastAttempt) -> bool:
    """Whether the submission may still do something that is not on record."""
    return decide(last, wait=True, under_way=lambda: True) in (Move.FOLLOW, Move.WAIT, Move.DOUBT)


def _at(instant: float | None, zone: str) -> str:
    if instant is None:
        return "an unknown time"
    return f"{at_zone(instant, zones.zone(zone)):%Y-%m-%d %H:%M:%S}"


def up_to_date(last: LastAttempt, zone: str = "") -> str:
    """Since when a job is up to date, and what has done it, for people. `zone` is the run's, see `domain.zones`."""
    which = f" as job {last.job_id}" if last.job_id else ""
    by = f", settled by {last.settled_by}" if last.settled_by else ""
    return f"up to date since {_at(last.ended_at, zone)}: run {last.run} did it{which}{by}"


def why_in_doubt(last: LastAttempt, once: Once) -> str:
    """Why nobody knows what became of an attempt, for people."""
    if not last.readable and last.once.mark and last.once.mark != once.mark:
        return (
            f"run {last.run} sent it, and it cannot be told whether to this server: digest.key of the state folder is "
            "another one now"
        )
    if not last.readable:
        return "an earlier run sent it, and the record of that is damaged"
    if last.job_id:
        return f"run {last.run} had it accepted as job {last.job_id}, whose end is unknown"
    return f"run {last.run} sent it, and its answer is not on record: the job may or may not have been created"


def in_doubt(last: LastAttempt, once: Once, run: str, record: str = "") -> str:
    """The same with the remedy. `run` is the one in which it is said; `record` as of `record_flag`."""
    remedy: list[str] = []
    if last.once.mark:
        settle = f"aftrun settle {run} {quoted(last.job)} succeeded{record}"
        remedy.append(f"check on the server; then: {settle} (or failed)")
    if last.readable and last.job_id:
        remedy.append(f"or read its status again: aftrun resume {last.run}{record}")
    remedy.append("or send it all the same: --again" if remedy else "check on the server; to send it again: --again")
    return "\n".join((f"not sent: {why_in_doubt(last, once)}", *remedy))
