"""`once`: the same `apply`, again and again, with the real program against the real sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from aftrun.domain.model import Json
from aftrun.sandbox.server import Sandbox
from tests.acceptance.test_resume import HELD, begin, posted, read
from tests.clocks import HandClock
from tests.conftest import Done, Run, reach
from tests.waiting import HANG, until

Start = Callable[..., Sandbox]

QUICK: dict[str, Json] = {"queue": "0s", "duration": "10ms"}
FLAKY: Json = [{"match": {"scriptName": "two"}, "flaky": {"failFirst": 1}}]
NO_ANSWER: Json = [{"kind": "reset", "on": "submit", "strikes": "after"}]

NIGHT = """
name: night
defaults: {once: "${{ vars.day }}"}
vars: {day: "2026-01-02"}
jobs:
  - {name: one, scriptName: one, outputs: {state: status}}
  - {name: two, scriptName: two, needs: [one], params: {id: "${{ jobs.one.id }}", was: "${{ jobs.one.outputs.state }}"}}
"""


def night(folder: Path, text: str = NIGHT) -> None:
    """Write the manifest."""
    (folder / "night.yaml").write_text(text, encoding="utf-8")


def ends(done: Done) -> list[str]:
    """How the jobs of the newest run ended."""
    return [job["outcome"] for job in done.report()["jobs"]]


def scripts(server: Sandbox) -> list[str]:
    """What was posted, by name."""
    return [body["scriptName"] for body in posted(server)]


def test_what_succeeded_is_up_to_date(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Nothing is sent a second time; id and outputs are handed on; another key is another night."""
    server = sandbox()
    night(tmp_path)
    first = aftrun("apply", "night.yaml", server=server)
    assert (first.code, ends(first)) == (0, ["succeeded", "succeeded"])
    again = aftrun("apply", "night.yaml", server=server)
    assert (again.code, ends(again)) == (0, ["upToDate", "upToDate"])
    assert scripts(server) == ["one", "two"]
    before, now = first.report(), again.report()
    one = again.report()["jobs"][0]
    assert one["jobId"] == server.jobs()[0].id
    assert one["once"] == "2026-01-02"
    assert one["message"].startswith("up to date since 20")
    assert one["earlier"]["action"] == "upToDate"
    assert one["outputs"] == before["jobs"][0]["outputs"] or now["jobs"][0]["outputs"]
    other = aftrun("apply", "night.yaml", "--var", "day=2026-01-03", server=server)
    assert (other.code, ends(other)) == (0, ["succeeded", "succeeded"])
    assert scripts(server) == ["one", "two"] * 2
    repeated = aftrun("apply", "night.yaml", "--again", server=server)
    assert (repeated.code, ends(repeated)) == (0, ["succeeded", "succeeded"])
    assert scripts(server) == ["one", "two"] * 3


def test_what_failed_is_sent_again(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """A definite failure is no success; what succeeded beside it stays as it is."""
    server = sandbox({"defaults": QUICK, "behaviours": FLAKY})
    night(tmp_path)
    assert aftrun("apply", "night.yaml", server=server).code == 1
    again = aftrun("apply", "night.yaml", server=server)
    assert (again.code, ends(again)) == (0, ["upToDate", "succeeded"])
    assert scripts(server) == ["one", "two", "two"]
    assert posted(server)[-1]["params"]["id"] == server.jobs()[0].id


def test_a_job_of_a_killed_process_is_followed(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """The same line again takes the job up by its id."""
    clock = HandClock()
    server = sandbox(HELD, clock=clock)
    night(tmp_path)
    process = begin(tmp_path, server, "apply", "night.yaml", *reach(server))
    until(lambda: read(server))
    process.kill()
    process.communicate(timeout=HANG)
    before = len(server.ledger())
    second = begin(tmp_path, server, "apply", "night.yaml", *reach(server))
    until(lambda: any(entry.method == "GET" for entry in server.ledger()[before:]))
    clock.advance(60)
    _, error = second.communicate(timeout=HANG)
    assert second.returncode == 0, error
    done = Done(0, "", "", tmp_path)
    assert ends(done) == ["succeeded", "succeeded"]
    assert done.report()["jobs"][0]["earlier"]["action"] == "follow"
    assert done.report()["jobs"][0]["jobId"] == server.jobs()[0].id
    assert scripts(server) == ["one", "two"]


def test_a_job_in_doubt_waits_for_a_person(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """An answer that never came: unknown again and again, nothing sent, until it is settled."""
    server = sandbox({"defaults": {**QUICK, "faults": NO_ANSWER}})
    night(tmp_path)
    assert aftrun("apply", "night.yaml", server=server).code == 6
    again = aftrun("apply", "night.yaml", server=server)
    assert (again.code, ends(again)) == (6, ["unknown", "skipped"])
    assert scripts(server) == ["one"]
    run = again.report()["run"]["id"]
    assert f"aftrun settle {run} one succeeded" in again.err
    settled = aftrun("settle", run, "one", "failed", "--note", "not in the server's list")
    assert settled.code == 0, settled.err
    report = json.loads((tmp_path / ".aftrun" / "runs" / run / "report.json").read_text())
    assert report["jobs"][0]["outcome"] == "unknown"
    assert report["jobs"][0]["settled"]["outcome"] == "failed"
    assert report["jobs"][0]["settled"]["note"] == "not in the server's list"
    assert aftrun("show", run, "--exit-status").code == 1
    third = aftrun("apply", "night.yaml", server=server)
    assert (third.code, ends(third)) == (0, ["succeeded", "succeeded"])
    assert scripts(server) == ["one", "one", "two"]


def test_what_is_settled_as_a_success_is_up_to_date(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """A person found it in the server's list."""
    server = sandbox({"defaults": {**QUICK, "faults": NO_ANSWER}})
    night(tmp_path, "name: night\njobs: [{scriptName: one, once: k}]\n")
    first = aftrun("apply", "night.yaml", server=server)
    assert first.code == 6
    run = first.report()["run"]["id"]
    assert aftrun("settle", run, "night/one", "succeeded").code == 0
    assert aftrun("show", run, "--exit-status").code == 0
    again = aftrun("apply", "night.yaml", server=server)
    assert (again.code, ends(again)) == (0, ["upToDate"])
    assert "settled by" in again.report()["jobs"][0]["message"]
    assert scripts(server) == ["one"]
    assert aftrun("settle", again.report()["run"]["id"], "one", "failed").code == 2
