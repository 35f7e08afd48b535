"""A real Airflow on SQLite: its parts as processes, and its API as a client."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from cryptography.fernet import Fernet

from aftrun.sandbox.server import Sandbox

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = ROOT.parents[1]
"""Where aftrun itself is, with manifests that its own tests use."""
END = ("success", "failed", "skipped", "upstream_failed")


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def until(what: str, found: Callable[[], Any], seconds: float = 600.0, every: float = 0.3) -> Any:
    """What `found` gives, once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(every)
    raise AssertionError(f"not within {seconds:g} s: {what}")


@dataclass
class World:
    """One AIRFLOW_HOME. `start` starts parts; `stop` ends them all."""

    home: Path
    parallelism: int = 4
    extra: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    _parts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _client: httpx.Client | None = None

    def __post_init__(self) -> None:
        self.dags.mkdir(parents=True, exist_ok=True)
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        sections: dict[str, Mapping[str, Any]] = {
            "CORE": {
                "DAGS_FOLDER": self.dags,
                "LOAD_EXAMPLES": False,
                "EXECUTOR": "LocalExecutor",
                "PARALLELISM": self.parallelism,
                "FERNET_KEY": Fernet.generate_key().decode(),
                "SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
                "EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.port}/execution/",
                "TEST_CONNECTION": "Enabled",
                "DAGS_ARE_PAUSED_AT_CREATION": False,
                "MAX_ACTIVE_TASKS_PER_DAG": 1000,
            },
            # Airflow's parts share one file; SQLite gives up after five seconds, and a busy machine takes longer.
            "DATABASE": {"SQL_ALCHEMY_CONN": f"sqlite:///{self.database}?timeout=600"},
            "API": {"PORT": self.port, "HOST": "127.0.0.1", "WORKERS": 1, "BASE_URL": self.url},
            "API_AUTH": {"JWT_SECRET": secrets.token_hex(32)},
            "LOGGING": {"BASE_LOG_FOLDER": self.home / "logs"},
            "DAG_PROCESSOR": {"MIN_FILE_PROCESS_INTERVAL": 3600},
            "SCHEDULER": {
                "TASK_INSTANCE_HEARTBEAT_TIMEOUT": 12,
                "TASK_INSTANCE_HEARTBEAT_SEC": 2,
                "TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": 2,
                "TRIGGER_TIMEOUT_CHECK_INTERVAL": 2,
                "SCHEDULER_HEARTBEAT_SEC": 1,
            },
            "TRIGGERER": {"JOB_HEARTBEAT_SEC": 1, "TRIGGERER_HEALTH_CHECK_THRESHOLD": 5},
        }
        self.environ = {
            **keep,
            "AIRFLOW_HOME": str(self.home),
            "NO_PROXY": "*",
            "PYTHONPATH": str(ROOT),
            **{f"AIRFLOW__{part}__{key}": str(value) for part, keys in sections.items() for key, value in keys.items()},
            **self.extra,
        }

    @property
    def dags(self) -> Path:
        """The folder of DAG files."""
        return self.home / "dags"

    @property
    def database(self) -> Path:
        """The metadata database."""
        return self.home / "airflow.db"

    @property
    def url(self) -> str:
        """Where the API server is."""
        return f"http://127.0.0.1:{self.port}"

    def run(self, *arguments: str, check: bool = True, **environ: str) -> subprocess.CompletedProcess[str]:
        """One `airflow` command."""
        return subprocess.run(
            [str(BIN / "airflow"), *arguments],
            env={**self.environ, **environ},
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=600,
            check=check,
        )

    def program(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One `aftrun-airflow` command where Airflow is."""
        return subprocess.run(
            [str(BIN / "aftrun-airflow"), *arguments],
            env=self.environ,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def start(self, *parts: str) -> None:
        """Start parts (`api-server`, `scheduler`, `dag-processor`, `triggerer`) and wait until the API answers."""
        for part in parts:
            arguments = ["--capacity", "6000"] if part == "triggerer" else []
            with (self.home / f"{part}.out").open("ab") as log:
                self._parts[part] = subprocess.Popen(
                    [str(BIN / "airflow"), part, *arguments],
                    env=self.environ,
                    cwd=self.home,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        if "api-server" in parts:
            until("the API server answers", self._answers)

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/api/v2/version", timeout=2).status_code == 200
        return False

    def pid(self, part: str) -> int:
        """The process of a part."""
        return self._parts[part].pid

    def kill(self, part: str) -> None:
        """Kill a part and all that it started, at once."""
        process = self._parts.pop(part)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill_worker(self, dag_id: str, run: str, task: str) -> None:
        """Kill the process that runs a task and the one that looks after it, at once."""
        (ti,) = [each["id"] for each in self.tasks(dag_id, run) if _name(each) == task]
        everyone = psutil.Process(self.pid("scheduler")).children(recursive=True)
        (runner,) = [each for each in everyone if f"airflow worker -- {ti}" in _title(each)]
        supervisor = runner.parent()
        assert supervisor is not None
        assert supervisor.pid != self.pid("scheduler")
        supervisor.kill()
        runner.kill()

    def memory(self, part: str) -> float:
        """MiB that a part and all that it started hold (proportional set size)."""
        process = psutil.Process(self.pid(part))
        everyone = [process, *process.children(recursive=True)]
        total = 0
        for each in everyone:
            with contextlib.suppress(psutil.Error):
                total += each.memory_full_info().pss
        return total / 2**20

    def stop(self) -> None:
        """End everything."""
        if self._client is not None:
            self._client.close()
        for process in self._parts.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        end = time.monotonic() + 5
        for process in self._parts.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, end - time.monotonic()))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._parts.clear()

    # --- the API --------------------------------------------------------------------------------------------------

    @property
    def client(self) -> httpx.Client:
        """A client that may do everything."""
        if self._client is None:
            token = httpx.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]
            self._client = httpx.Client(
                base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=600, trust_env=False
            )
        return self._client

    def get(self, path: str, **params: Any) -> Any:
        """The JSON at a path below `/api/v2`."""
        reply = self.client.get(f"/api/v2{path}", params=params)
        reply.raise_for_status()
        return reply.json()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON that a POST answers."""
        reply = self.client.post(f"/api/v2{path}", json=body)
        assert reply.is_success, reply.text
        return reply.json()

    def connect(self, conn_id: str, server: Sandbox, **extra: Any) -> None:
        """Make a connection to a sandbox."""
        body = {
            "connection_id": conn_id,
            "conn_type": "aft",
            "host": "127.0.0.1",
            "port": server.port,
            "password": server.api_key,
            "extra": json.dumps({"fingerprint": server.fingerprint, **extra}),
        }
        self.post("/connections", body)

    def known(self, dag_id: str) -> None:
        """Wait until the DAG processor has read a DAG."""

        def there() -> bool:
            errors = self.get("/importErrors")["import_errors"]
            assert not errors, errors
            return self.client.get(f"/api/v2/dags/{dag_id}/details").status_code == 200

        until(f"DAG {dag_id} is known", there)

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a run."""
        self.known(dag_id)
        run: str = self.post(f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
        return run

    def tasks(self, dag_id: str, run: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.get(f"/dags/{dag_id}/dagRuns/{run}/taskInstances", limit=100, offset=len(found))
            found += page["task_instances"]
            if not page["task_instances"] or len(found) >= page["total_entries"]:
                return found

    def states(self, dag_id: str, run: str) -> dict[str, str | None]:
        """The state of each task of a run (mapped ones as `task[0]`)."""
        return {_name(each): each["state"] for each in self.tasks(dag_id, run)}

    def ended(self, dag_id: str, run: str, seconds: float = 600) -> dict[str, str | None]:
        """The states of all tasks, once the run is over."""

        def over() -> bool:
            return self.get(f"/dags/{dag_id}/dagRuns/{run}")["state"] in ("success", "failed")

        until(f"{dag_id} {run} ends: {self.home}", over, seconds)
        return self.states(dag_id, run)

    def xcom(self, dag_id: str, run: str, task: str, key: str, map_index: int = -1) -> Any:
        """A value; None where there is none."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key}"
        reply = self.client.get(path, params={"map_index": map_index, "deserialize": False, "stringify": False})
        return reply.json()["value"] if reply.status_code == 200 else None

    def log(self, dag_id: str, run: str, task: str, attempt: int = 1) -> str:
        """A task's log, as the UI shows it."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run}/taskInstances/{task}/logs/{attempt}"
        return self.client.get(path, params={"full_content": True}, headers={"Accept": "application/json"}).text

    def clear(self, dag_id: str, run: str, task: str) -> None:
        """Clear a task, as a person does."""
        body = {"dry_run": False, "dag_run_id": run, "task_ids": [task], "only_failed": False, "reset_dag_runs": True}
        self.post(f"/dags/{dag_id}/clearTaskInstances", body)


def _title(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _name(task: Mapping[str, Any]) -> str:
    return str(task["task_id"]) if task["map_index"] < 0 else f"{task['task_id']}[{task['map_index']}]"


def posts(server: Sandbox, **body: Any) -> int:
    """How many POSTs reached a sandbox, or of those with these fields in their bodies."""
    return sum(
        entry.method == "POST"
        and isinstance(entry.parsed, dict)
        and all(entry.parsed.get(key) == value for key, value in body.items())
        for entry in server.ledger()
    )


@contextlib.contextmanager
def a_world(home: Path, *parts: str, **settings: Any) -> Iterator[World]:
    """A world with these parts started; it ends with the block."""
    world = World(home, **settings)
    try:
        if not world.database.exists():
            world.run("db", "migrate")
        world.start(*parts)
        yield world
    finally:
        world.stop()
