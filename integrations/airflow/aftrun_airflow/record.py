"""What a task has done so far, kept where a retry finds it, and what may be done next.

A task submits at most once for each time that somebody wants it to. Before the POST leaves, the intent is in
Airflow's task state store; after the answer, the id. The store belongs to the task instance of one DAG run. It
outlives tries, workers and triggerers, and goes when the run is deleted. XComs would not do: Airflow clears them when a
try begins.

What happens when the task starts again, from what the record says:

==========================  ==================================  ======================================
the record says             Airflow retries, or starts over     a person cleared the task
==========================  ==================================  ======================================
nothing                     submit                              submit
deferred                    submit                              submit
intended, no answer known   `unknown`; a person must check      `unknown`; clearing is not checking
accepted, not ended         follow the job that runs            follow the job that runs
… and that has failed       submit, if `retry_on` names it      submit
ended well                  take the result, send nothing       submit
… under the same `once`     take the result, send nothing       take the result, send nothing
failed, for certain         submit, if `retry_on` names it      submit
`unknown` with an id,       follow that job again               follow that job again, clocks anew
or `timedOut`
`unknown` without an id     `unknown`                           `unknown`
==========================  ==================================  ======================================

`on_ambiguous="resubmit"` and `resubmit_unknown=True` turn `unknown` without an id into a submission. `settle` is how a
person says what they found on the server.

Clearing raises the task instance's `max_tries` and a retry does not, which is how the two are told apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

from aftrun.domain.events import Reason
from aftrun.domain.model import Json, Outcome, Retry
from aftrun.run.policy import MAY_EXIST, retry_delay
from aftrun_airflow.finish import Finish

KEY = "aftrun"
"""The key of the record in the task state store."""


class Progress(StrEnum):
    """How far a submission came."""

    INTENDED = "intended"
    """A POST is about to leave. If nothing follows, its fate is unknown."""
    DEFERRED = "deferred"
    """The POST provably did not arrive, and is to be tried again."""
    ACCEPTED = "accepted"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Record:
    """One submission. Times are epoch seconds. Nothing in it is secret."""

    phase: Progress
    attempt: int
    max_tries: int
    server: str
    """The server's address, as it may be shown."""
    intended_at: float = 0.0
    job_id: str = ""
    accepted_at: float = 0.0
    outcome: str = ""
    reason: str = ""
    message: str = ""
    ended_at: float = 0.0
    outputs: Mapping[str, Json] = field(default_factory=dict)
    once: str = ""
    """The key of `once` under which it was made; empty: none."""

    def to_json(self) -> dict[str, Json]:
        """A JSON object."""
        return {**asdict(self), "phase": self.phase.value, "outputs": dict(self.outputs)}

    def finish(self) -> Finish:
        """How the submission ended; only where it has."""
        return Finish(
            Outcome(self.outcome),
            Reason(self.reason),
            self.message,
            self.job_id,
            self.attempt,
            outputs=tuple(self.outputs.items()),
            at=self.ended_at,
        )

    @classmethod
    def from_json(cls, data: Any) -> Record:
        """The record that `to_json` made, or that a person wrote.

        Raises:
            ValueError: it is none.
        """
        if not isinstance(data, dict):
            raise ValueError(f"the task state {KEY!r} is not one of aftrun's: {type(data).__name__}")  # noqa: TRY004  # one kind of error
        try:
            known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
            record = cls(**{**known, "phase": Progress(data["phase"])})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the task state {KEY!r} cannot be read: {error}") from None
        if record.phase is Progress.ACCEPTED and not record.job_id:
            raise ValueError(f"the task state {KEY!r} says accepted, but has no job_id")
        return record


class StateStore(Protocol):
    """`context["task_state_store"]`, the part of it that is used."""

    def get(self, key: str, default: Any = None) -> Any:
        """A value, or the default."""
        ...

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        """Write a value."""
        ...


class NotKept(Exception):
    """The record could not be written, or is not what was written. The argument is for people."""


class RecordStore:
    """The record of one task instance."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

    def read(self) -> Record | None:
        """What is on record.

        Raises:
            ValueError: what is there cannot be read.
        """
        data = self._store.get(KEY)
        return None if data is None else Record.from_json(data)

    def write(self, record: Record) -> None:
        """Keep a record; it is in Airflow's database when this returns, since it has been read from there again.

        Raises:
            NotKept: it is not.
        """
        from airflow.sdk.execution_time.context import NEVER_EXPIRE  # noqa: PLC0415  # Airflow where it is needed

        try:
            self._store.set(KEY, record.to_json(), retention=NEVER_EXPIRE)
            kept = self.read()
        except Exception as error:  # whatever keeps it from being kept, nothing may be sent
            raise NotKept(f"Airflow could not keep the task's record: {error}") from error
        if kept != record:
            raise NotKept("Airflow's task state store gives back another record than was written")

    def close(self, finish: Finish, max_tries: int) -> Record:
        """Put an end on record, and return the record.

        Raises:
            NotKept: it could not be.
        """
        try:
            last = self.read()
        except ValueError as error:
            raise NotKept(str(error)) from None
        last = last or Record(Progress.ENDED, finish.attempt, max_tries, "")
        record = replace(
            last,
            phase=Progress.ENDED,
            attempt=finish.attempt,
            max_tries=max_tries,
            job_id=finish.job_id,
            outcome=finish.outcome.value,
            reason=finish.reason.value,
            message=finish.message,
            ended_at=finish.at,
            outputs=dict(finish.outputs),
        )
        self.write(record)
        return record


@dataclass(frozen=True, slots=True)
class Submit:
    """Send a POST."""

    attempt: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Follow:
    """Follow a job that was accepted earlier."""

    record: Record
    anew: bool = False
    """Its clocks start now."""
    then: tuple[Outcome, ...] = ()
    """Where the first status read finds one of these ends, a new submission follows."""


@dataclass(frozen=True, slots=True)
class TakeResult:
    """The result is known already."""

    record: Record


@dataclass(frozen=True, slots=True)
class AskPerson:
    """A person must check."""

    message: str


Next = Submit | Follow | TakeResult | AskPerson

_WELL = (Outcome.SUCCEEDED, Outcome.SUBMITTED)
BAD = (Outcome.FAILED, Outcome.CANCELLED, Outcome.REJECTED, Outcome.UNDELIVERED)
"""The ends that are bad for certain: nothing runs any more, or ever ran."""


def may_follow(outcome: Outcome, retry_on: tuple[Outcome, ...]) -> bool:
    """Whether a new submission may follow an end by itself: a definite bad one that `retry_on` names."""
    return retry_delay(Retry(limit=1, on=retry_on), 1, outcome) is not None


def decide(
    record: Record | None,
    *,
    max_tries: int,
    server: str,
    retry_on: tuple[Outcome, ...],
    resubmit: bool,
    once: str = "",
) -> Next:
    """What a starting task does, by the table above. Pure.

    `resubmit`: unknown fates may be followed by a POST. `once` is the task's key, if it has one.
    """
    if record is None:
        return Submit(1)
    if record.phase is Progress.DEFERRED:
        return Submit(record.attempt)
    cleared = record.max_tries != max_tries
    if record.server != server and not (record.phase is Progress.ENDED and cleared and _settled(record)):
        return AskPerson(
            f"this task submitted to {record.server}, and its server is {server} now: what became of that submission "
            "cannot be asked here"
        )
    again = Submit(record.attempt + 1, f"attempt {record.attempt} ended as {record.outcome}")
    if record.phase is Progress.INTENDED:
        return _unknown(record, "aftrun was stopped between sending the request and its answer", resubmit=resubmit)
    if record.phase is Progress.ACCEPTED:
        return Follow(record, then=BAD if cleared else retry_on)
    outcome = Outcome(record.outcome)
    if _settled(record):
        if cleared and once and once == record.once and outcome in _WELL:
            return TakeResult(record)
        if cleared:
            return Submit(record.attempt + 1, "the task was cleared")
        return again if may_follow(outcome, retry_on) else TakeResult(record)
    if record.job_id:
        return Follow(record, anew=cleared, then=BAD if cleared else ())
    return _unknown(record, record.message.partition("\n")[0], resubmit=resubmit)


def _settled(record: Record) -> bool:
    """Whether a submission has ended for certain, well or badly."""
    outcome = Outcome(record.outcome)
    return outcome in _WELL or outcome is Outcome.SKIPPED or outcome in BAD


def _unknown(record: Record, message: str, *, resubmit: bool) -> Next:
    if resubmit:
        return Submit(record.attempt + 1, f"the fate of attempt {record.attempt} is unknown, and may be: {message}")
    return AskPerson(f"{message}\n{MAY_EXIST}")
