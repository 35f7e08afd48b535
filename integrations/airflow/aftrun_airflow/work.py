"""The worker's part: submits a job at most once, and follows it where no triggerer does."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from aftrun.domain.durations import format_duration
from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
    Event,
    LookFailed,
    RetryPlanned,
    StateSeen,
    SubmitDeferred,
    Warned,
)
from aftrun.domain.model import Json, Reply
from aftrun.run.active_job import ActiveJob, Phase
from aftrun.run.policy import Ended
from aftrun.run.ports import JobApi
from aftrun.run.steps import Step, Steps
from aftrun_airflow.finish import Finish
from aftrun_airflow.prepare import Prepared
from aftrun_airflow.record import NotKept, Progress, Record, RecordStore


def tell(events: Sequence[Event], log: Any, job_id: str, scrub: Callable[[str], str]) -> None:
    """What happened, as lines of a task's log, a `logging.Logger` or Airflow's own. Texts may hold `%`."""
    for event in events:
        match event:
            case Accepted():
                log.log(logging.INFO, "%s", f"the server accepted the job, its id is {event.job_id}")
            case StateSeen():
                log.log(logging.INFO, "%s", scrub(f"job {job_id} is {event.phase} (the server says {event.state!r})"))
            case LookFailed():
                log.log(logging.WARNING, "%s", scrub(f"job {job_id}: no state this time: {event.message}"))
            case SubmitDeferred():
                wait = format_duration(event.retry_in)
                log.log(logging.WARNING, "%s", scrub(f"no job was created: {event.message}; trying again in {wait}"))
            case RetryPlanned():
                wait = format_duration(event.retry_in)
                log.log(logging.WARNING, "%s", scrub(f"on_ambiguous is 'resubmit': submitting again in {wait}"))
            case Warned():
                log.log(logging.WARNING, "%s", scrub(event.message))


class Following:
    """One accepted job and the core's rules about it. Knows no network: it is told replies."""

    def __init__(self, prepared: Prepared, log: Any, *, finish: float | None = None) -> None:
        self.prepared = prepared
        self.log = log
        self.steps: Steps = prepared.steps(prepared.finish if finish is None else finish)
        self.active: ActiveJob = self.steps.jobs[0]

    def resume(self, job_id: str, attempt: int, accepted_at: float) -> None:
        """Follow a job that was accepted at that time (epoch seconds)."""
        self.active.phase = Phase.WATCH
        self.active.attempt = attempt
        self.active.job_id = job_id
        self.active.accepted = accepted_at

    def reads(self) -> None:
        """A status read is about to leave."""
        self.active.sent_at = time.time()

    def answered(self, reply: Reply) -> Step:
        """A status read has been answered."""
        return self.told(self.steps.read(self.active, reply))

    def told(self, step: Step) -> Step:
        """Log what a step says."""
        tell(step.events, self.log, self.active.job_id, self.prepared.scrub)
        return step

    def finish(self, step: Step) -> Finish | None:
        """How the job ended; None while it has not."""
        if step.end is None:
            return None
        over = next((event for event in reversed(step.events) if isinstance(event, AttemptEnded)), None)
        if over is None:
            return self.ended(step.end)
        outputs = tuple((name, self._clean(name, step.end, value)) for name, value in over.outputs.items())
        return Finish(
            over.outcome,
            over.reason,
            over.message,
            self.active.job_id,
            self.active.attempt,
            over.exit_code,
            self.prepared.scrub(over.state),
            outputs,
            over.at,
        )

    def ended(self, end: Ended) -> Finish:
        """An end that no reply of the server led to."""
        scrub = self.prepared.scrub
        return Finish(
            end.outcome,
            end.reason,
            scrub(end.message),
            self.active.job_id,
            self.active.attempt,
            at=round(time.time(), 3),
        )

    def _clean(self, name: str, end: Ended, value: Json) -> Json:
        """An output as it may be handed on; None where it held a secret: better no value than a wrong one."""
        raw = (self.active.outputs.outputs or {}).get(name)
        if end.info is None or raw == value:
            return value
        self.log.log(
            logging.WARNING, "%s", f"the output {name} holds a value that is secret, so it is not handed on: it is null"
        )
        return None


class Work:
    """A worker with one job."""

    def __init__(
        self,
        following: Following,
        client: JobApi,
        store: RecordStore,
        *,
        max_tries: int,
        sleep: Callable[[float], None],
        once: str = "",
    ) -> None:
        """`once` is the key that is kept with the submission."""
        self.following = following
        self._once = once
        self._client = client
        self._store = store
        self._log = following.log
        self._max_tries = max_tries
        self._sleep = sleep
        self.under_way = False
        """A POST has left and has not been answered."""

    def record(self, phase: Progress, **more: object) -> Record:
        """The record as it would be now."""
        active = self.following.active
        record = Record(phase, max(active.attempt, 1), self._max_tries, self.following.prepared.url, once=self._once)
        return replace(record, **more)  # type: ignore[arg-type]  # checked by dataclasses itself

    def submit(self, attempt: int) -> Finish | None:
        """Send the POST. None: the job was accepted and is to be waited for.

        Raises:
            NotKept: the intent, or the id, could not be put on record.
        """
        following, active = self.following, self.following.active
        active.attempt = attempt - 1
        step = following.steps.begin(active)
        while step.end is None:
            self._pause(step)
            if active.phase is Phase.BACKOFF:
                step = following.steps.begin(active)
                continue
            following.steps.intend(active)
            intended_at = round(time.time(), 3)
            self._intend(intended_at)
            assert active.request is not None, "begin has made it"  # noqa: S101  # for the type checker
            self.under_way = True
            reply = self._client.submit(active.request.body)
            self.under_way = False
            step = following.steps.submitted(active, reply)
            if active.job_id:
                accepted_at = round(time.time(), 3)
                kept = {"job_id": active.job_id, "accepted_at": accepted_at, "intended_at": intended_at}
                self._log_id(active.job_id)
                self._store.write(self.record(Progress.ACCEPTED, **kept))
                active.accepted = accepted_at
                return following.finish(step)
            following.told(step)
            if step.end is None and active.phase is Phase.SUBMIT:
                self._store.write(self.record(Progress.DEFERRED))
        return following.finish(step)

    def _intend(self, at: float) -> None:
        try:
            self._store.write(self.record(Progress.INTENDED, intended_at=at))
        except NotKept:
            with contextlib.suppress(NotKept):  # it may be there all the same, and would be taken for a POST
                self._store.write(self.record(Progress.DEFERRED))
            raise

    def _log_id(self, job_id: str) -> None:
        self._log.log(logging.INFO, "%s", f"the server accepted the job, its id is {job_id}")

    def read_status(self) -> Finish | None:
        """One status read. None: the job has not ended."""
        return self.following.finish(self._read_status())

    def wait(self, give_up: float | None = None) -> Finish | None:
        """Follow the job to its end, here in the worker. None: `give_up` (epoch seconds) has come before it."""
        step = self._read_status()
        while (finish := self.following.finish(step)) is None:
            if give_up is not None and time.time() >= give_up:
                return None
            due = step.due or 0.0
            self._sleep(max(0.0, min(due, give_up or due) - time.time()))
            step = self._read_status()
        return finish

    def _read_status(self) -> Step:
        self.following.reads()
        return self.following.answered(self._client.status(self.following.active.job_id))

    def _pause(self, step: Step) -> None:
        self._sleep(max(0.0, (step.due or 0.0) - time.time()))
