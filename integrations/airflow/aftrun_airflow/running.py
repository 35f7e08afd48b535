"""What a task does when it runs: submits or follows, waits here or in the triggerer, and ends as the job did."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowTaskTimeout,
    TaskDeferralError,
    TaskDeferralTimeout,
)

from aftrun.domain.durations import format_duration
from aftrun.domain.errors import ManifestError, UsageError
from aftrun.domain.events import Reason
from aftrun.domain.model import Json, Outcome, Selector
from aftrun.run.policy import MAY_EXIST, Ended
from aftrun_airflow import reports, trigger
from aftrun_airflow.finish import Finish
from aftrun_airflow.prepare import Settings, explained
from aftrun_airflow.record import AskPerson, Follow, NotKept, Progress, RecordStore, Submit, decide, may_follow
from aftrun_airflow.session import Facts, Session
from aftrun_airflow.work import Work

SELECTORS = {"script_name": Selector.NAME, "script_id": Selector.ID, "file_path": Selector.FILE}
"""The operator's arguments that name a script, exactly one of which is given."""


class RunsJob(BaseOperator):
    """The running half of `AftJobOperator`, whose arguments these attributes are."""

    job_params: Any
    deferrable: bool
    on_ambiguous: str
    resubmit_unknown: bool | str
    once: str | None
    allow_failure: bool
    retry_on: tuple[Outcome, ...]
    job_label: str | None
    job_id_seen: str = ""
    """The job, once it is known; for the links and for `on_kill`."""

    def settings(self) -> Settings:
        """What the task says about its job, rendered."""
        raise NotImplementedError

    def execute(self, context: Context) -> Any:
        """Do what the record says is to be done next."""
        with self._opened(context) as session:
            try:
                record = _store(context).read()
            except ValueError as error:
                self._ask(session.facts, context, str(error))
            next_step = decide(
                record,
                max_tries=session.facts.max_tries,
                server=session.prepared.url,
                retry_on=self.retry_on,
                resubmit=self.on_ambiguous == "resubmit" or _is_true(self.resubmit_unknown),
                once=self.once or "",
            )
            if isinstance(next_step, AskPerson):
                self._ask(session.facts, context, next_step.message)
            if isinstance(next_step, Follow):
                return self._resume(session, context, next_step)
            if isinstance(next_step, Submit):
                return self._submit(session, context, next_step.attempt, next_step.why)
            known = next_step.record
            self.log.info("attempt %s has ended before, as %s; nothing is sent", known.attempt, known.outcome)
            return self._concluded(session.facts, context, known.finish(), known.server)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """The triggerer has seen the end, or gives the job back."""
        if event.get("kind") == trigger.ENDED:
            # All is known, so nothing is fetched: not even a lost connection turns a success into a failure.
            finish = Finish.from_json({key: value for key, value in event.items() if key != "kind"})
            return self._close(Facts.of(context), context, finish)
        if event.get("kind") == trigger.OVERDUE:
            self._overdue(str(event.get("job_id", "")))
        self.log.warning("%s; this worker follows the job", event.get("message", "the triggerer gives the job back"))
        with self._opened(context) as session:
            return self._follow_here(session, context, event)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """As in the base class, but a trigger that failed does not end the task: the worker reads the status itself."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (TaskDeferralTimeout, TaskDeferralError) as error:
            self.log.warning("the triggerer did not follow the job to its end (%s); this worker does", error)
            with self._opened(context) as session:
                return self._follow_here(session, context, {})

    def on_kill(self) -> None:
        """Say what is true: there is no documented way to stop a job."""
        if self.job_id_seen:
            self.log.warning(
                "job %s goes on, on the server: AFT! documents no way to stop a job. If the task starts again, it "
                "follows the job",
                self.job_id_seen,
            )
        else:
            self.log.warning("the task is stopped; a request that has left is not undone by that")

    @contextlib.contextmanager
    def _opened(self, context: Context) -> Iterator[Session]:
        session: Session | None = None
        try:
            session = Session(self.settings(), Facts.of(context), self.log)
            yield session
        except (ManifestError, UsageError) as error:
            raise AirflowFailException(explained(error)) from None
        except NotKept as error:
            raise AirflowException(f"{error}\nnothing was sent") from error
        finally:
            if session is not None:
                session.close()

    def _submit(self, session: Session, context: Context, attempt: int, why: str = "") -> Any:
        if session.prepared.finish is not None and time.time() >= session.prepared.finish:
            ended = Ended(Outcome.SKIPPED, Reason.FINISH_BY, "not started before finishBy; nothing was sent")
            return self._close(session.facts, context, session.work(_store(context)).following.ended(ended))
        for warning in session.prepared.warnings:
            self.log.warning("%s", warning)
        again = f", attempt {attempt}: {why}" if attempt > 1 else ""
        self.log.info("starting %s on %s%s", self._script(), session.prepared.url, again)
        reports.push(context, outcome=Outcome.UNKNOWN.value, message="the request is under way")
        work = session.work(_store(context), self.once or "")
        try:
            finish = work.submit(attempt)
        except AirflowTaskTimeout:
            if work.under_way:
                self._ask(session.facts, context, f"execution_timeout ran out before the server answered\n{MAY_EXIST}")
            raise
        except NotKept as error:
            if not work.following.active.job_id:
                raise
            raise AirflowFailException(
                f"the server created job {work.following.active.job_id}, and Airflow could not note it down: {error}\n"
                f"the job goes on; once Airflow is well: {session.facts.settle(work.following.active.job_id)}"
            ) from error
        active = work.following.active
        self.job_id_seen = active.job_id
        if active.job_id:
            reports.push(context, job_id=active.job_id, message="accepted; how it ended is not known yet")
        if finish is not None:
            return self._close(session.facts, context, finish)
        return self._wait(session, context, work)

    def _resume(self, session: Session, context: Context, step: Follow) -> Any:
        """Follow a job that an earlier try submitted."""
        record = step.record
        work = session.work(_store(context))
        accepted_at = round(time.time(), 3) if step.anew else record.accepted_at
        facts = session.facts
        _store(context).write(
            replace(
                record,
                phase=Progress.ACCEPTED,
                accepted_at=accepted_at,
                max_tries=facts.max_tries,
                outcome="",
                reason="",
            )
        )
        work.following.resume(record.job_id, record.attempt, accepted_at)
        self.job_id_seen = record.job_id
        self.log.info(
            "job %s was submitted before (attempt %s); following it, nothing is sent", record.job_id, record.attempt
        )
        reports.push(context, job_id=record.job_id, outcome=Outcome.UNKNOWN.value, message="followed again")
        finish = work.read_status()
        if finish is None:
            return self._wait(session, context, work)
        if may_follow(finish.outcome, step.then):
            why = f"job {record.job_id} has ended meanwhile: {finish.sentence()}"
            return self._submit(session, context, record.attempt + 1, why)
        return self._close(session.facts, context, finish)

    def _wait(self, session: Session, context: Context, work: Work) -> Any:
        active = work.following.active
        give_up = self._give_up(session)
        if self.deferrable and session.literal_secrets:
            self.log.warning(
                "%s stands in the DAG file as it is, so this worker follows the job: what a triggerer is told goes to "
                "the database. Write ${AFT_API_KEY}, or use a connection",
                " and ".join(session.literal_secrets),
            )
        elif self.deferrable:
            self.log.info("waiting for job %s in the triggerer; this worker is free", active.job_id)
            self.defer(
                trigger=trigger.AftJobTrigger(
                    **session.watching(active.job_id, active.attempt, active.accepted, give_up),
                    not_before=round(time.time(), 3) + trigger.SETTLING,
                ),
                method_name="execute_complete",
                timeout=timedelta(seconds=session.patience(active.accepted, give_up)),
            )
        self.log.info("waiting for job %s", active.job_id)
        finish = work.wait(give_up)
        if finish is None:
            self._overdue(active.job_id)
        return self._close(session.facts, context, finish)

    def _follow_here(self, session: Session, context: Context, event: Mapping[str, Any]) -> Any:
        """Follow the job in the worker after a deferral. `event` may hold an outcome that was seen already."""
        record = _store(context).read()
        if record is None or not record.job_id:
            self._ask(session.facts, context, "the task's record is gone while its job ran")
        work = session.work(_store(context))
        work.following.resume(record.job_id, record.attempt, record.accepted_at)
        self.job_id_seen = record.job_id
        finish = work.wait(self._give_up(session))
        if finish is None:
            self._overdue(record.job_id)
        if finish.outcome is Outcome.UNKNOWN and event.get("outcome"):
            text = "the triggerer saw this end; what the server said about it can no longer be read"
            seen = Ended(Outcome(event["outcome"]), Reason(event["reason"]), text)
            finish = work.following.ended(seen)
        return self._close(session.facts, context, finish)

    def _give_up(self, session: Session) -> float | None:
        limit = self.execution_timeout
        return None if limit is None else session.facts.task_started_at + limit.total_seconds()

    # --- ending ---------------------------------------------------------------------------------------------------

    def _close(self, facts: Facts, context: Context, finish: Finish) -> Any:
        """Put the end on record, and end as it did."""
        server = ""
        try:
            server = _store(context).close(finish, facts.max_tries).server
        except NotKept as error:
            # The job has ended and its id is on record: a later try finds it and reads the end again.
            self.log.warning("%s", error)
        return self._concluded(facts, context, finish, server)

    def _concluded(self, facts: Facts, context: Context, finish: Finish, server: str) -> Any:
        self.job_id_seen = finish.job_id
        request = self._script_shown()
        if self.job_params:
            request["params"] = dict(self.job_params)
        reports.push(
            context,
            job_id=finish.job_id or None,
            outcome=finish.outcome.value,
            message=finish.message,
            outputs=dict(finish.outputs),
            report=reports.report(finish, self.job_label or facts.label, server, request),
        )
        sentence = finish.sentence()
        retried = may_follow(finish.outcome, self.retry_on)
        if finish.is_bad(allow_failure=self.allow_failure) or (self.allow_failure and retried and facts.retries_left):
            if finish.outcome is Outcome.UNKNOWN and not finish.job_id:
                raise AirflowFailException(f"{sentence}\n{facts.how_to_settle()}")
            raise AirflowException(sentence) if retried else AirflowFailException(sentence)
        if finish.outcome in (Outcome.SUCCEEDED, Outcome.SUBMITTED):
            self.log.info("%s", f"job {finish.job_id} {sentence}")
        else:
            note = "allow_failure is set, so the task succeeds all the same"
            self.log.warning("%s", f"job {finish.job_id} {sentence}\n{note}")
        return finish.job_id or None

    def _ask(self, facts: Facts, context: Context, message: str) -> NoReturn:
        """Fail for good: only a person can tell."""
        reports.push(context, outcome=Outcome.UNKNOWN.value, message=message)
        raise AirflowFailException(f"{Outcome.UNKNOWN.value}: {message}\n{facts.how_to_settle()}")

    def _overdue(self, job_id: str) -> NoReturn:
        limit = format_duration(self.execution_timeout.total_seconds()) if self.execution_timeout else ""
        self.job_id_seen = job_id
        self.on_kill()
        raise AirflowTaskTimeout(
            f"the execution_timeout of {limit} ran out; job {job_id} had not ended when its status was read last"
        )

    def _script_shown(self) -> dict[str, Json]:
        return {
            selector.value: getattr(self, name)
            for name, selector in SELECTORS.items()
            if getattr(self, name) is not None
        }

    def _script(self) -> str:
        return ", ".join(f"{name} {value!r}" for name, value in self._script_shown().items())


def _store(context: Context) -> RecordStore:
    return RecordStore(context["task_state_store"])


def _is_true(value: bool | str) -> bool:
    return value if isinstance(value, bool) else value.strip().lower() in ("true", "1", "yes", "on")
