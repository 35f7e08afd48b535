"""One real Airflow for all tests of a session: a scheduler, a triggerer, an API server, a DAG processor, on SQLite."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from aftrun.model import Json
from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox

if importlib.util.find_spec("airflow") is None:
    collect_ignore_glob = ["*"]  # `make test-airflow` has the environment for these
else:
    from tests.airflow.world import World, a_world

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
        {"match": {"scriptName": "five"}, "duration": "5s"},
        {"match": {"scriptName": "ten"}, "duration": "20s"},
        {
            "match": {"scriptName": "slow post"},
            "faults": [{"on": "submit", "kind": "slow", "delay": "20s", "strikes": "after"}],
        },
    ],
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The search for secrets comes last, when everything has left its traces."""
    items.sort(key=lambda item: "test_secrets" in item.nodeid)


@pytest.fixture(scope="session")
def server() -> Iterator[Sandbox]:
    """The AFT!-like server that all DAGs use."""
    with Sandbox(parse(dict(SCENARIO)), api_key=KEY) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for Airflow."""
    return tmp_path_factory.mktemp("airflow")


@pytest.fixture(scope="session")
def world(server: Sandbox, airflow_home: Path) -> Iterator[World]:
    """Airflow, running, with a connection to the server and the DAGs of `dags/`."""
    shutil.copytree(Path(__file__).with_name("dags"), airflow_home / "dags")
    parts = ("api-server", "scheduler", "dag-processor", "triggerer")
    with a_world(airflow_home, *parts, extra={"TEST_TOKEN": TOKEN}) as found:
        found.connect("aft_default", server, jobUrl="https://aft.example.com/jobs/{id}")
        found.post("/variables", {"key": "TEST_VARIABLE", "value": VARIABLE})
        yield found
