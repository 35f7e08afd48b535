"""What an operator or a sensor needs of Airflow and of a server, in one place."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aftrun.client.client import AftClient
from aftrun_airflow.prepare import Settings, prepare
from aftrun_airflow.record import RecordStore
from aftrun_airflow.sources import Airflow, AirflowValues, mask
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
        """What a person does once they have checked."""
        return (
            f"then, where Airflow is installed: {self.settle()} (with --job where the job exists), and clear the task; "
            "or clear it with resubmit_unknown=True in the DAG file"
        )

    @property
    def label(self) -> str:
        """The task's id, and which of its copies."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


class Session:
    """One execution of a task: its server, its rules, its record."""

    def __init__(self, settings: Settings, facts: Facts, log: Any) -> None:
        """Fetch everything. Every secret is known to Airflow's masker when this returns.

        Raises:
            ManifestError, UsageError: something is missing or wrong; nothing was sent.
        """
        self.settings = replace(settings, label=settings.label or facts.label)
        self.facts = facts
        self.log = log
        airflow = Airflow()
        self.prepared = prepare(
            self.settings,
            settings.described(airflow),
            AirflowValues(airflow),
            run_id=facts.run_id,
            started_at=facts.run_started_at,
        )
        mask(self.prepared.secrets)
        self._client: AftClient | None = None

    @property
    def client(self) -> AftClient:
        """The connection to the server.

        Raises:
            UsageError: its settings cannot be used.
        """
        if self._client is None:
            self._client = self.prepared.connect()
        return self._client

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
        if self._client is not None:
            self._client.close()

    def work(self, store: RecordStore, once: str = "") -> Work:
        """A worker for the job. `once` is the key that is kept with a submission."""
        following = Following(self.prepared, self.log)
        return Work(following, self.client, store, max_tries=self.facts.max_tries, sleep=time.sleep, once=once)

    def watching(self, job_id: str, attempt: int, accepted_at: float, give_up: float | None) -> dict[str, Any]:
        """The arguments of a trigger that follows a job. None of them is secret."""
        return {
            "job_id": job_id,
            "accepted_at": accepted_at,
            "attempt": attempt,
            "finish": self.prepared.finish,
            "give_up": give_up,
            **self.settings.followed(),
        }

    def patience(self, accepted_at: float, give_up: float | None) -> float:
        """Seconds after which something must be wrong with the triggerer: all clocks have run out, and some more."""
        ends = [accepted_at + self.prepared.timeout, self.prepared.finish, give_up]
        last = min(each for each in ends if each is not None)
        return max(0.0, last - time.time()) + self.prepared.read_timeout + 60.0
