"""Events to report: the one reading of what happened.

`fold` is pure. `ReportBuilder` is the same thing fed one event at a time, for those who listen while the run goes on;
both give equal reports for equal events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aftrun.domain.errors import StateError
from aftrun.domain.events import (
    Accepted,
    Action,
    AttemptEnded,
    Converged,
    Event,
    Interrupted,
    JobEnded,
    JobHeader,
    LookFailed,
    Reason,
    RetryPlanned,
    RunEnded,
    RunResumed,
    RunStarted,
    Settled,
    StateSeen,
    SubmitDeferred,
    SubmitIntended,
    Warned,
)
from aftrun.domain.frozen import replace
from aftrun.domain.model import Attempt, Earlier, FileRef, JobResult, Outcome, RunReport, SeenWord, Settlement, State
from aftrun.domain.text import brief
from aftrun.domain.values import Origin


def _result(header: JobHeader) -> JobResult:
    return JobResult(
        name=header.name,
        manifest=header.manifest,
        server=header.server,
        origin=Origin(header.path, header.line, header.column),
        request=header.request,
        needs=header.needs,
        allow_failure=header.allow_failure,
        **header.about(),
    )


def _open_again(job: JobResult) -> JobResult:
    """A job that had ended, but not for good: its status is read again, or its turn comes again."""
    job = replace(job, outcome=None, reason="", message="", ended_at=None, phase="pending")
    if not job.attempts:
        return job
    last = job.attempts[-1]
    if last.job_id is not None and last.outcome in (None, Outcome.UNKNOWN):
        return _with_attempt(job, last.number, {"outcome": None, "reason": "", "ended_at": None}, phase="accepted")
    return replace(job, phase="deferred" if last.outcome is None else "waiting")


def _with_attempt(job: JobResult, number: int, changes: Mapping[str, object], **others: object) -> JobResult:
    """The job with attempt `number` changed, or begun where it is new, and with `others` changed of its own."""
    attempts = list(job.attempts)
    if attempts and attempts[-1].number == number:
        attempts[-1] = replace(attempts[-1], **changes)  # type: ignore[arg-type]  # checked by dataclasses itself
    else:
        attempts.append(Attempt(number, **changes))  # type: ignore[arg-type]  # the same
    return replace(job, attempts=tuple(attempts), **others)  # type: ignore[arg-type]  # the same


class ReportBuilder:
    """Takes events one at a time; `report()` is the fold of all taken so far."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._start: RunStarted | None = None
        self._jobs: dict[str, JobResult] = {}
        self._warnings: dict[str, None] = {}
        """In the order in which they were first said: whoever resumes a run says again what is still so."""
        self._ended_at: float | None = None
        self._outcome = "running"
        self._exit_code: int | None = None
        self._settled: tuple[str, int] | None = None
        for event in events:
            self.feed(event)

    def job(self, key: str) -> JobResult:
        """What has been seen of one job."""
        return self._jobs[key]

    def jobs(self) -> dict[str, JobResult]:
        """All jobs by key, in manifest order."""
        return self._jobs

    def feed(self, event: Event) -> None:
        """Take the next event.

        Raises:
            StateError: it cannot follow the ones before it.
        """
        match event:
            case RunStarted():
                self._start = event
                self._jobs = {header.key: _result(header) for header in event.jobs}
            case RunResumed():
                self._ended_at, self._outcome, self._exit_code = None, "running", None
                self._settled = None
                for key in event.again or ():
                    self._jobs[key] = _open_again(self._named(key))
            case RunEnded():
                self._ended_at, self._outcome, self._exit_code = event.at, event.outcome, event.exit_code
            case Interrupted():
                pass  # it says when; what came of it is for the end of the run to say
            case Warned():
                self._warnings[event.message] = None
            case _:
                self._jobs[event.job] = _next(self._named(event.job), event)
                if isinstance(event, Settled) and event.run_outcome is not None and event.exit_code is not None:
                    self._settled = (event.run_outcome, event.exit_code)

    def _named(self, key: str) -> JobResult:
        if key not in self._jobs:
            raise StateError(f"the record of the run speaks of a job that it never named: {brief(key)!r}")
        return self._jobs[key]

    def report(self) -> RunReport:
        """The report so far.

        Raises:
            StateError: the run has not even started.
        """
        start = self._start
        if start is None:
            raise StateError("the record of the run is empty")
        return RunReport(
            id=start.run,
            started_at=start.at,
            jobs=tuple(self._jobs.values()),
            manifests=tuple(FileRef(source.path, source.sha256, source.name) for source in start.sources),
            ended_at=self._ended_at,
            outcome=self._outcome,
            exit_code=self._exit_code,
            aftrun=start.aftrun,
            git=tuple((key, str(value)) for key, value in start.git.items()),
            warnings=tuple(self._warnings),
            sandbox=start.sandbox,
            settled=self._settled,
        )


RunEvent = SubmitIntended | SubmitDeferred | Accepted | StateSeen | LookFailed | AttemptEnded | RetryPlanned | JobEnded
JobEvent = RunEvent | Converged | Settled


def seen_next(words: tuple[SeenWord, ...], word: SeenWord) -> tuple[SeenWord, ...]:
    """The words of a job with one that was seen behind them, unless it says nothing new."""
    if not word.word:
        return words
    if words and words[-1].word == word.word:
        return (*words[:-1], SeenWord(word.word, words[-1].at, word.phase or words[-1].phase))
    return (*words, word)


def _last_word(event: AttemptEnded) -> SeenWord:
    """The word that came with the end, which it means where the server told the end, and no clock ran out."""
    phase = {Reason.DONE: event.outcome.value, Reason.EXPECT: State.SUCCEEDED.value}.get(event.reason, "")
    return SeenWord(event.state, event.at, phase)


def _converged(job: JobResult, event: Converged) -> JobResult:
    """A job that goes by the attempt of another run: its id and outputs, and its times where it is followed."""
    since = event.since if event.since is not None else event.accepted_at
    earlier = Earlier(event.run, event.of_attempt, event.action.value, since)
    job = replace(job, once=event.once.key, earlier=earlier, job_id=event.job_id, outputs=tuple(event.outputs.items()))
    if event.action is not Action.FOLLOW:
        return job
    changes = {"accepted_at": event.accepted_at, "job_id": event.job_id, "id_field": event.id_field or "", "tries": 0}
    started = event.accepted_at if job.started_at is None else job.started_at
    return _with_attempt(job, event.attempt, changes, phase="accepted", started_at=started)


def _settle(job: JobResult, event: Settled) -> JobResult:
    """What a person found out stands above what was seen, in every report."""
    settled = Settlement(event.outcome, event.at, event.by, event.note)
    note = f": {event.note}" if event.note else ""
    said = f"settled as {event.outcome.value} by {event.by}{note}"
    message = f"{said}\n{job.message}" if job.message else said
    return replace(job, settled=settled, job_id=event.job_id or job.newest_id, message=message)


def _next(job: JobResult, event: JobEvent) -> JobResult:
    match event:
        case Converged():
            return _converged(job, event)
        case Settled():
            return _settle(job, event)
    return _advance(job, event)


def _advance(job: JobResult, event: RunEvent) -> JobResult:
    """One job, one event further."""
    match event:
        case SubmitIntended():
            again = bool(job.attempts) and job.attempts[-1].number == event.attempt
            tries = job.attempts[-1].tries + 1 if again else 1
            submitted = job.attempts[-1].submitted_at if again else event.at
            return _with_attempt(
                job,
                event.attempt,
                {"request": event.request, "submitted_at": submitted, "tries": tries},
                phase="submitting",
                request=event.request,
                started_at=event.at if job.started_at is None else job.started_at,
                once=job.once if event.once is None else event.once.key,
            )
        case SubmitDeferred():
            return _with_attempt(job, event.attempt, {"message": event.message}, phase="deferred")
        case Accepted():
            changes: dict[str, object] = {
                "accepted_at": event.at,
                "job_id": event.job_id,
                "id_field": event.id_field or "",
                "state": event.state,
                "message": "",
                "words": seen_next((), SeenWord(event.state, event.at)),
            }
            return _with_attempt(job, event.attempt, changes, phase="accepted", job_id=event.job_id)
        case StateSeen():
            if not job.attempts:
                raise StateError(f"the record of the run tells the state of a job that was never sent: {event.job!r}")
            words = seen_next(job.attempts[-1].words, SeenWord(event.state, event.at, event.phase))
            changes = {"state": event.state, "words": words}
            if event.phase == State.RUNNING and job.attempts[-1].running_at is None:
                changes["running_at"] = event.at
            phase = "running" if event.phase == State.RUNNING else "accepted"
            return _with_attempt(job, event.attempt, changes, phase=phase)
        case LookFailed():
            return _with_attempt(job, event.attempt, {"message": event.message})
        case AttemptEnded():
            changes = {
                "ended_at": event.at,
                "outcome": event.outcome,
                "reason": event.reason.value,
                "message": event.message,
                "exit_code": event.exit_code,
                "server_started_at": event.server_started_at,
                "server_ended_at": event.server_ended_at,
            }
            if event.state:
                changes["state"] = event.state
                changes["words"] = seen_next(job.attempts[-1].words if job.attempts else (), _last_word(event))
            return _with_attempt(job, event.attempt, changes, outputs=tuple(event.outputs.items()), phase="waiting")
        case RetryPlanned():
            return replace(job, message=event.message)  # it waits since its attempt ended
        case JobEnded():
            return replace(
                job,
                phase="ended",
                outcome=event.outcome,
                reason=event.reason.value,
                message=event.message,
                ended_at=event.at,
                lasted=event.seconds,
            )


def fold(events: Iterable[Event]) -> RunReport:
    """The report of a run, from its events.

    Raises:
        StateError: the events do not make a run.
    """
    return ReportBuilder(events).report()
