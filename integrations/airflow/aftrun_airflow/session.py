"""What an operator or a sensor needs of Airflow and of a server, in one place."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aftrun.errors import UsageError
from aftrun.model import Json, OnAmbiguous
from aftrun.run.plan import finish_time
from aftrun.server.client import Door
from aftrun_airflow.logs import Lines, mask
from aftrun_airflow.record import Book
from aftrun_airflow.sources import Airflow, AirflowValues, server_of
from aftrun_airflow.spec import Prepared, Watched, prepare
from aftrun_airflow.work import Following, Work

_SECRET = re.compile(r"auth|token|key|secret|cookie|password", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Facts:
    """Which task this is, and when. Times are epoch seconds."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    max_tries: int
    try_number: int
    run_started_at: float
    task_started_at: float
    """Of this try; a deferral in between does not change it."""

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> Facts:
        """From a task's context."""
        ti, dag_run = context["ti"], context["dag_run"]
        begun = ti.start_date.timestamp()
        run_start = getattr(dag_run, "start_date", None)
        return cls(
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            task_id=ti.task_id,
            map_index=-1 if ti.map_index is None else ti.map_index,
            max_tries=ti.max_tries or 0,
            try_number=ti.try_number,
            run_started_at=begun if run_start is None else run_start.timestamp(),
            task_started_at=begun,
        )

    @property
    def retries_left(self) -> bool:
        """Whether Airflow will try again after an `AirflowException`."""
        return self.max_tries > 0 and self.try_number <= self.max_tries

    def settle(self, job_id: str = "") -> str:
        """The command by which a person says what they found on the server."""
        copy = f" --map-index {self.map_index}" if self.map_index >= 0 else ""
        found = f" --job {job_id}" if job_id else " [--job ID]"
        return f"aftrun-airflow settle {self.dag_id} '{self.run_id}' {self.task_id}{copy}{found}"

    def how_to_settle(self) -> str:
        """What a person does once they have looked."""
        return (
            f"then, where Airflow is installed: {self.settle()} (with --job where the job exists), and clear the task; "
            "or clear it with resubmit_unknown=True in the DAG file"
        )

    @property
    def label(self) -> str:
        """The task's id, and which of its copies."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a task says about its job. Texts hold references, no secret."""

    aft_conn_id: str | None
    server: Mapping[str, Json] | None
    base_dir: str = ""
    poll: Mapping[str, Json] | None = None
    label: str = ""
    timeout: float | None = None
    queue_timeout: float | None = None
    finish_by: str | None = None
    expect: tuple[str, ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    hidden: tuple[str, ...] = ()
    on_ambiguous: OnAmbiguous = OnAmbiguous.FAIL
    wait: bool = True
    request: Mapping[str, Json] | None = field(default=None, repr=False)

    def describe(self, airflow: Airflow) -> dict[str, Json]:
        """The server, as manifests describe it.

        Raises:
            UsageError: the connection is not there or not complete, or none is named.
        """
        if self.server is not None and self.aft_conn_id is None:
            found = dict(self.server)
        elif self.aft_conn_id:
            found = server_of(self.aft_conn_id, airflow.connection(self.aft_conn_id))
        else:
            raise UsageError("the task names no server", hint="give aft_conn_id, or server with aft_conn_id=None")
        return found if self.poll is None else {**found, "poll": dict(self.poll)}


class Session:
    """One execution of a task: its server, its rules, its record."""

    def __init__(self, settings: Settings, facts: Facts, log: Any) -> None:
        """Fetch everything. Every secret is known to Airflow's masker when this returns.

        Raises:
            ManifestError, UsageError: something is missing or wrong; nothing was sent.
        """
        self.settings = settings
        self.facts = facts
        self.log = Lines(log)
        airflow = Airflow()
        self._values = AirflowValues(airflow)
        self._watched = Watched(
            server=settings.describe(airflow),
            base_dir=settings.base_dir,
            name=settings.label or facts.label,
            timeout=settings.timeout,
            queue_timeout=settings.queue_timeout,
            expect=settings.expect,
            outputs=settings.outputs,
            hidden=settings.hidden,
        )
        self.prepared: Prepared = prepare(
            self._watched,
            self._values,
            request=settings.request,
            on_ambiguous=settings.on_ambiguous,
            wait=settings.wait,
            label=settings.label or facts.label,
            run_id=facts.run_id,
            started_at=facts.run_started_at,
        )
        mask(self.prepared.secrets)
        self.finish_at = finish_time(settings.finish_by or "", facts.run_started_at)
        self._door: Door | None = None

    @property
    def door(self) -> Door:
        """The connection to the server.

        Raises:
            UsageError: its settings cannot be used.
        """
        if self._door is None:
            try:
                self._door = Door(self.prepared.endpoint, scrubber=self.prepared.setup.scrubber, connections=1)
            except UsageError as error:  # a path may have come from a variable
                scrub = self.prepared.setup.scrubber.scrub
                raise UsageError(scrub(error.message), hint=scrub(error.hint)) from None
        return self._door

    @property
    def literal_secrets(self) -> tuple[str, ...]:
        """What is secret and stands in the DAG file: the key, or a header."""
        server = self.settings.server
        if server is None or self.settings.aft_conn_id is not None:
            return ()
        headers = server.get("headers")
        named = {"apiKey": server.get("apiKey"), **(headers if isinstance(headers, dict) else {})}
        return tuple(
            name
            for name, value in named.items()
            if isinstance(value, str) and value and "${" not in value and (name == "apiKey" or _SECRET.search(name))
        )

    def close(self) -> None:
        """Let the connection go."""
        if self._door is not None:
            self._door.close()

    def work(self, book: Book) -> Work:
        """A worker for the job."""
        return Work(
            Following(self.prepared, self.log, finish=self.finish_at),
            self.door,
            book,
            self.log,
            max_tries=self.facts.max_tries,
            sleep=time.sleep,
        )

    def watching(self, job_id: str, attempt: int, accepted_at: float, give_up: float | None) -> dict[str, Any]:
        """The arguments of a trigger that follows a job. None of them is secret."""
        settings = self.settings
        by_connection = settings.server is None or settings.aft_conn_id is not None
        return {
            "job_id": job_id,
            "accepted_at": accepted_at,
            "attempt": attempt,
            "aft_conn_id": settings.aft_conn_id if by_connection else None,
            "server": None if by_connection else dict(self._watched.server),
            "poll": None if settings.poll is None else dict(settings.poll),
            "base_dir": settings.base_dir,
            "timeout": settings.timeout,
            "queue_timeout": settings.queue_timeout,
            "finish": self.finish_at,
            "give_up": give_up,
            "expect": list(settings.expect),
            "outputs": dict(settings.outputs),
            "hidden": list(settings.hidden),
        }

    def patience(self, accepted_at: float, give_up: float | None) -> float:
        """Seconds after which something must be wrong with the triggerer: all clocks have run out, and some more."""
        job = self.prepared.setup.plan.tasks[0].job
        ends = [accepted_at + job.timeout, *(each for each in (self.finish_at, give_up) if each is not None)]
        return max(0.0, min(ends) - time.time()) + self.prepared.endpoint.read_timeout + 60.0
