"""Nothing that was secret is anywhere. This runs last: everything has left its traces by then."""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from aftrun.sandbox.server import Sandbox
from tests.conftest import KEY, TOKEN, VARIABLE
from tests.world import World

SECRETS = {"key": KEY, "token": TOKEN, "variable": VARIABLE}


def spellings(secret: str) -> Iterator[bytes]:
    """A secret as it is, as a URL has it, and as base64 has it at each offset."""
    yield secret.encode()
    yield urllib.parse.quote(secret, safe="").encode()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + secret.encode())
        yield encoded[(0, 2, 3)[offset] : (offset + len(secret)) * 8 // 6]


def leaks(text: bytes) -> list[str]:
    """The names of the secrets in it."""
    return [name for name, secret in SECRETS.items() if any(form in text for form in spellings(secret))]


@pytest.fixture(scope="module")
def used(world: World, runs: Mapping[str, str], server: Sandbox) -> str:
    """A run that uses all secrets, on a server that gives one back; with the others it has left its traces."""
    run = runs["basic"]
    assert set(world.ended("basic", run).values()) == {"success"}
    assert TOKEN in str([entry.parsed for entry in server.ledger()])
    return run


def test_no_file_holds_a_secret(world: World, used: str) -> None:
    """Task logs, logs of the parts, and the metadata database: XComs, rendered templates, triggers, task states."""
    files = [path for path in world.home.rglob("*") if path.is_file() and not path.is_relative_to(world.dags)]
    names = {path.name for path in files}
    assert {"airflow.db", "scheduler.out", "triggerer.out", "api-server.out"} <= names
    assert any("task_id=first" in str(path) for path in files)
    assert {str(path): found for path in files if (found := leaks(path.read_bytes()))} == {}


def test_no_answer_of_the_api_holds_a_secret(world: World, used: str) -> None:
    """What the UI shows of tasks: instances, rendered fields, XComs, logs, states, the connection."""
    base = f"/dags/basic/dagRuns/{used}"
    paths = [
        "/connections/aft_default",
        "/dags/basic/details",
        "/dags/basic/tasks",
        base,
        f"{base}/taskInstances",
        f"{base}/taskInstances/~/xcomEntries",
        "/eventLogs",
        "/dagSources/basic",
    ]
    tries = {each["task_id"]: each["try_number"] for each in world.tasks("basic", used)}
    for task in ("first", "second"):
        here = f"{base}/taskInstances/{task}"
        paths += [
            here,
            f"{here}/tries",
            f"{here}/links",
            f"{here}/logs/{tries[task]}",
            f"{here}/states",
            f"{here}/states/aftrun",
        ]
        paths += [f"{here}/xcomEntries/{key}" for key in ("report", "outputs", "message", "return_value")]
    texts: dict[str, bytes] = {}
    for path in paths:
        reply = world.client.get(f"/api/v2{path}")
        texts[path] = reply.content
        if "/states" not in path:
            assert reply.status_code == 200, (path, reply.text)
    assert {path: found for path, text in texts.items() if (found := leaks(text))} == {}
    rendered = texts[f"{base}/taskInstances/first"].decode()
    assert "Bearer ${TEST_TOKEN}" in rendered, rendered


def test_the_search_would_find_one(tmp_path: Path) -> None:
    """The tests above look for what is there to be found."""
    assert leaks(b"x" + KEY.encode()) == ["key"]
    assert leaks(base64.b64encode(b"a" + TOKEN.encode())) == ["token"]
