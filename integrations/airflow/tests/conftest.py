"""One real Airflow for all tests of a session: a scheduler, a triggerer, an API server, a DAG processor, on SQLite."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it has no types

from aftrun.domain.model import Json
from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from tests.clock import Clock
from tests.world import World, a_world

# How long an example takes says more of the machine than of the code.
settings.register_profile("aftrun", deadline=None)
settings.load_profile("aftrun")

FAST: Mapping[str, Json] = {"defaults": {"queue": "0s", "duration": "10ms"}}
"""A scenario in which jobs take next to no time."""

KEY = "Kq7-airflow-key-9f2e61"
TOKEN = "tok-5d1c-airflow-token"
VARIABLE = "val-77ab-airflow-variable"

SCENARIO: Mapping[str, Json] = {
    "defaults": {"queue": "0s", "duration": "300ms", "outputs": {"result": "ok"}},
    "behaviours": [
        {
            "match": {"scriptName": "echo"},
            "message": f"used {TOKEN}",
            "outputs": {"result": "ok", "echo": TOKEN},
        },
        {"match": {"scriptName": "bad"}, "outcome": "failed", "message": "no such folder"},
        {"match": {"scriptName": "flaky"}, "flaky": {"failFirst": 1}},
        {"match": {"scriptName": "flaky-not-named"}, "outcome": "failed"},
        {
            "match": {"scriptName": "lost"},
            "faults": [{"on": "submit", "kind": "reset", "strikes": "after", "times": "always"}],
        },
        {"match": {"scriptName": "lost once"}, "faults": [{"on": "submit", "kind": "reset", "strikes": "after"}]},
        {"match": {"scriptName": "long"}, "duration": "10m"},
        {"match": {"scriptName": "stuck"}, "queue": "10m"},
        {"match": {"scriptName": "short"}, "duration": "6s"},
    ],
}

HELD: Mapping[str, Json] = {
    "defaults": {"queue": "0s", "duration": "30d"},
    "behaviours": [
        {"match": {"scriptName": "one of many"}, "duration": "365d"},
        {
            "match": {"scriptName": "slow post"},
            "faults": [{"on": "submit", "kind": "slow", "delay": "1h", "strikes": "after"}],
        },
    ],
}
"""Jobs that go on until a test lets a month pass, or a year."""

DAGS = ("basic", "mapped", "retried", "unclear", "clocks", "forgiven", "sensed", "killed", "many")


_WORLD = ("test_provider", "test_running", "test_kills", "test_secrets")
"""Tests in a real Airflow, in their order: the search for secrets comes when everything has left its traces."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In their order."""
    items.sort(key=lambda item: _WORLD.index(item.path.stem) if item.path.stem in _WORLD else -1)


class ByResource(LoadScopeScheduling):  # type: ignore[misc]  # the same
    """All tests in the real Airflow in one process, all DAGs without servers in another; what is quick, anywhere.

    (`--dist=loadgroup` does the same, but xdist 3.8 loses the groups with pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        path = PurePosixPath(nodeid.partition("::")[0])
        return "world" if path.stem in _WORLD else "dag" if path.parent.name == "dag" else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByResource:
    """What xdist asks for."""
    return ByResource(config, log)


@pytest.fixture
def sandbox() -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes; they stop at the end of the test."""
    with ExitStack() as stack:

        def start(scenario: Mapping[str, Json] = FAST, **settings: Any) -> Sandbox:
            return stack.enter_context(Sandbox(parse(dict(scenario)), **settings))

        yield start


@dataclass(frozen=True)
class Done:
    """A finished process."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def program(tmp_path: Path) -> Run:
    """Runs `aftrun-airflow` as a process in an empty folder, `tmp_path`, without Airflow being there."""
    # A broken module in the way: who imports Airflow fails.
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "airflow.py").write_text("raise ImportError('no Airflow here')\n", encoding="utf-8")
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}

    def run(*arguments: str, env: Mapping[str, str] | None = None) -> Done:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("aftrun-airflow")), *arguments],
            cwd=tmp_path,
            env={**keep, "PYTHONPATH": str(tmp_path / "without"), **(env or {})},
            capture_output=True,
            timeout=600,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture(scope="session")
def server() -> Iterator[Sandbox]:
    """The AFT!-like server that all DAGs use."""
    with Sandbox(parse(dict(SCENARIO)), api_key=KEY) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def held() -> Iterator[tuple[Sandbox, Clock]]:
    """A second one, whose jobs end when a test says so."""
    clock = Clock()
    with Sandbox(parse(dict(HELD)), api_key=KEY, clock=clock) as sandbox:
        yield sandbox, clock


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Airflow's tables, with nothing in them: made once, copied by whoever needs some."""
    folder = tmp_path_factory.mktemp("database")
    World(folder).run("db", "migrate")
    return folder / "airflow.db"


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for Airflow."""
    return tmp_path_factory.mktemp("airflow")


@pytest.fixture(scope="session")
def world(server: Sandbox, held: tuple[Sandbox, Clock], database: Path, airflow_home: Path) -> Iterator[World]:
    """Airflow, running, with a connection to the server and the DAGs of `dags/`."""
    shutil.copytree(Path(__file__).with_name("dags"), airflow_home / "dags")
    shutil.copy(database, airflow_home / "airflow.db")
    parts = ("api-server", "scheduler", "dag-processor", "triggerer")
    with a_world(airflow_home, *parts, extra={"TEST_TOKEN": TOKEN}) as found:
        found.connect("aft_default", server, jobUrl="https://aft.example.com/jobs/{id}")
        found.connect("aft_held", held[0], readTimeout="1h", poll={"min": "100ms", "max": "1s"})
        found.post("/variables", {"key": "TEST_VARIABLE", "value": VARIABLE})
        yield found


@pytest.fixture(scope="session")
def runs(world: World) -> Mapping[str, str]:
    """One run of each DAG, all started at once: most of their time is waiting."""
    return {dag: world.trigger(dag) for dag in DAGS}
