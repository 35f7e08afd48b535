"""State folders of published versions: `show`, `history`, `resume` and `retry` go on reading them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aftrun import Client
from aftrun.domain.model import Json
from aftrun.sandbox.server import Sandbox
from tests.conftest import ROOT, Run
from tests.records import copied

Start = Callable[..., Sandbox]

STATES = ROOT / "tests" / "data" / "state"
VERSIONS = sorted(path.parent.name for path in STATES.glob("*/finished"))
SCENARIO: dict[str, Json] = {"defaults": {"dialect": "numeric", "queue": "0s", "duration": "20ms"}}

pytestmark = pytest.mark.parametrize("version", VERSIONS)


def again(version: str, name: str, folder: Path) -> str:
    """A copy of a folder, as this folder's own record; returns the id of its oldest run."""
    copied(STATES / version / name, folder / ".aftrun")
    return min(path.name for path in (folder / ".aftrun" / "runs").iterdir())


def values(server: Sandbox) -> Mapping[str, str]:
    """What the manifests need from outside."""
    return {
        "AFT_URL": server.url,
        "AFT_PIN": server.fingerprint,
        "AFT_API_KEY": server.api_key,
        "TOKEN": "t-0815",
        "TZ": "UTC",
    }


def remake(server: Sandbox, *scripts: str) -> int:
    """Make the jobs of the recorded run anew, with the ids that they had. Returns how many there are now."""
    with Client(server.url, server.api_key, fingerprint=server.fingerprint) as client:
        for script in scripts:
            client.submit({"scriptName": script})
    return len(server.jobs())


def outcomes(report: Mapping[str, Any]) -> dict[str, str]:
    """The outcome of each job, by name."""
    return {job["name"]: job["outcome"] for job in report["jobs"]}


def shown(aftrun: Run, *run: str) -> dict[str, Any]:
    """One run as `show` tells it."""
    done = aftrun("show", *run, "--format", "json")
    assert done.code == 0, done.err
    data: dict[str, Any] = json.loads(done.out)
    return data


def scripts_sent(server: Sandbox, after: int) -> list[Json]:
    """The scripts of the jobs created since then."""
    return [job.body["scriptName"] for job in server.jobs()[after:]]


def test_history_and_show_read_every_folder(version: str, aftrun: Run, tmp_path: Path) -> None:
    """Outcomes and ids, of runs that ended, were interrupted, or were killed."""
    wanted = {
        "killed": ("stopped", {"quick": "1003", "long": "1002", "lost": None, "later": None}),
        "interrupted": ("interrupted", {"one": "1001", "two": None}),
        "finished": ("succeeded", {"one": "1001", "two": "1002"}),
        "failed": ("failed", {"one": "1001", "two": None}),
        "retried": ("succeeded", {"one": "1002", "two": "1003"}),
        "refused": ("unknown", {"one": "1001", "two": None}),
    }
    for name, (outcome, ids) in wanted.items():
        again(version, name, tmp_path)
        rows = json.loads(aftrun("history", "--format", "json").out)
        assert rows[0]["outcome"] == outcome
        assert len(rows) == (2 if name == "retried" else 1)
        report = shown(aftrun)
        assert report["run"]["outcome"] == outcome
        assert {job["name"]: job["jobId"] for job in report["jobs"]} == ids
        shutil.rmtree(tmp_path / ".aftrun")


def test_resume_of_a_killed_run(version: str, sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """What ended is kept, what was accepted is watched by its id, what had no answer is unknown, the rest runs."""
    again(version, "killed", tmp_path)
    server = sandbox(SCENARIO)
    before = remake(server, "slow", "long", "quick")
    done = aftrun("resume", env=values(server))
    assert done.code == 6, done.err
    report = shown(aftrun)
    assert outcomes(report) == {"quick": "succeeded", "long": "succeeded", "lost": "unknown", "later": "succeeded"}
    assert scripts_sent(server, before) == ["quick"]
    assert {job["name"]: job["jobId"] for job in report["jobs"]}["long"] == "1002"


def test_resume_of_an_interrupted_run(version: str, sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """The accepted job is watched, the other is run."""
    again(version, "interrupted", tmp_path)
    server = sandbox(SCENARIO)
    before = remake(server, "long")
    done = aftrun("resume", env=values(server))
    assert done.code == 0, done.err
    assert outcomes(shown(aftrun)) == {"one": "succeeded", "two": "succeeded"}
    assert scripts_sent(server, before) == ["quick"]


def test_resume_reads_again_what_was_refused(version: str, sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """A job of unknown end that has an id is read again, and what was skipped for its sake runs."""
    again(version, "refused", tmp_path)
    server = sandbox(SCENARIO)
    before = remake(server, "secret")
    done = aftrun("resume", env=values(server))
    assert done.code == 0, done.err
    assert outcomes(shown(aftrun)) == {"one": "succeeded", "two": "succeeded"}
    assert scripts_sent(server, before) == ["quick"]


def test_retry_of_a_failed_run(version: str, sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """A new run of what did not succeed."""
    run = again(version, "failed", tmp_path)
    server = sandbox(SCENARIO)
    done = aftrun("retry", run, env=values(server))
    assert done.code == 0, done.err
    rows = json.loads(aftrun("history", "--format", "json").out)
    assert rows[0]["retryOf"] == run
    assert scripts_sent(server, 0) == ["bad", "quick"]


def test_a_finished_run_is_neither_resumed_nor_retried(version: str, aftrun: Run, tmp_path: Path) -> None:
    """Nothing is left to do, and it is said."""
    run = again(version, "finished", tmp_path)
    env = {"AFT_URL": "https://127.0.0.1:9", "AFT_PIN": "sha256:" + "0" * 64, "AFT_API_KEY": "k"}
    assert aftrun("resume", run, env=env).code == 2
    assert aftrun("retry", run, env=env).code == 2
