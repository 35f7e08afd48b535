"""`AftJobSensor`: waits for a job that somebody else started."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator, Context, conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout

from aftrun.domain.errors import ManifestError, UsageError
from aftrun.domain.jobids import checked
from aftrun.domain.model import Json, Outcome
from aftrun_airflow import reports, trigger
from aftrun_airflow.finish import Finish
from aftrun_airflow.prepare import Settings, explained
from aftrun_airflow.session import Facts, Session
from aftrun_airflow.work import Following


class AftJobSensor(BaseSensorOperator):
    """Succeeds when a job was seen to succeed; fails when it was seen to end otherwise, or nobody can tell.

    In the modes `poke` and `reschedule` it reads the status every `poke_interval`. Deferred, the triggerer reads it as
    often as the server's `poll` says. `timeout` and `soft_fail` are Airflow's.

    Args:
        job_id: the job, as the server calls it.
        aft_conn_id, server, base_dir: the server, as of `AftJobOperator`.
        expect, outputs: as of `AftJobOperator`.
        deferrable: by default as `[operators] default_deferrable` says.

    XComs: `outcome`, `message`, `outputs`; the return value is the job's id.
    """

    template_fields: Sequence[str] = ("job_id", "aft_conn_id")
    ui_color = "#e4f0e8"

    def __init__(
        self,
        *,
        job_id: str,
        aft_conn_id: str | None = "aft_default",
        server: Mapping[str, Json] | None = None,
        base_dir: str = "",
        expect: Sequence[str] = (),
        outputs: Mapping[str, str] | None = None,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.aft_conn_id = aft_conn_id
        self.server = server
        self.base_dir = base_dir
        self.expect = tuple(expect)
        self.outputs = dict(outputs or {})
        self.deferrable = (
            conf.getboolean("operators", "default_deferrable", fallback=False) if deferrable is None else deferrable
        )
        self._following: Following | None = None
        self._session: Session | None = None

    def execute(self, context: Context) -> Any:
        """Read the status, or have the triggerer read it."""
        try:
            if not self.deferrable:
                super().execute(context)
                return self.job_id
            if not self.poke(context):
                self._defer(context)
            return self.job_id
        finally:
            if self._session is not None:
                self._session.close()

    def poke(self, context: Context) -> bool:
        """One status read."""
        if self._session is None:
            self._session = self._opened(context)
        if self._following is None:
            self._following = Following(self._session.prepared, self._session.log)
            self._following.resume(self.job_id, 1, time.time())
            self._following.active.missing_since = self._began(context)
        following = self._following
        following.reads()
        finish = following.finish(following.answered(self._session.client.status(self.job_id)))
        return finish is not None and self._concluded(context, finish)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """The triggerer has seen the end."""
        kind = event.get("kind")
        if kind == trigger.ENDED:
            self._concluded(context, Finish.from_json({k: v for k, v in event.items() if k != "kind"}))
        elif kind == trigger.OVERDUE:
            raise AirflowSensorTimeout(f"job {self.job_id} had not ended when the sensor's timeout ran out")
        else:
            raise AirflowFailException(str(event.get("message", "the triggerer cannot follow the job")))
        return self.job_id

    def _opened(self, context: Context) -> Session:
        settings = Settings(
            aft_conn_id=self.aft_conn_id,
            server=self.server,
            base_dir=self.base_dir,
            label=f"job {self.job_id}",
            timeout=_seconds(self.timeout) + 86_400.0,
            expect=self.expect,
            outputs=self.outputs,
        )
        try:
            checked(self.job_id)
            return Session(settings, Facts.of(context), self.log)
        except (ManifestError, UsageError) as error:
            raise AirflowFailException(explained(error)) from None

    def _began(self, context: Context) -> float | None:
        """Since when the job may have been missing: in the mode `reschedule`, each read is a process of its own."""
        if not self.reschedule:
            return None
        first = context["ti"].get_first_reschedule_date(context)
        return None if first is None else float(first.timestamp())

    def _defer(self, context: Context) -> None:
        session = self._session or self._opened(context)
        now = time.time()
        limit = _seconds(self.timeout)
        self.log.info("waiting for job %s in the triggerer; this worker is free", self.job_id)
        self.defer(
            trigger=trigger.AftJobTrigger(
                **session.watching(self.job_id, 1, now, now + limit), not_before=now + trigger.SETTLING
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=limit + session.prepared.read_timeout + 60.0),
        )

    def _concluded(self, context: Context, finish: Finish) -> bool:
        """True where the job succeeded.

        Raises:
            AirflowFailException: it ended otherwise, or nobody can tell.
        """
        reports.push(context, outcome=finish.outcome.value, message=finish.message, outputs=dict(finish.outputs))
        if finish.outcome is not Outcome.SUCCEEDED:
            raise AirflowFailException(f"job {self.job_id} {finish.sentence()}")
        self.log.info("%s", f"job {self.job_id} {finish.sentence()}")
        return True


def _seconds(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
