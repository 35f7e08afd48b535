"""`once`: the same `apply`, again and again, with the real program against the real sandbox."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def test_a_job_that_is_followed_is_not_settled(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Its end is about to be seen; who says "failed" meanwhile would have it sent a second time beside itself."""
    clock = HandClock()
    server = sandbox(HELD, clock=clock)
    night(tmp_path)
    process = begin(tmp_path, server, "apply", "night.yaml", *reach(server))
    until(lambda: read(server))
    process.kill()
    process.communicate(timeout=HANG)
    runs = tmp_path / ".aftrun" / "runs"
    (run,) = (each.name for each in runs.iterdir())
    before = len(server.ledger())
    second = begin(tmp_path, server, "apply", "night.yaml", *reach(server))
    until(lambda: any(entry.method == "GET" for entry in server.ledger()[before:]))
    other = next(each.name for each in runs.iterdir() if each.name != run)
    refused = aftrun("settle", run, "one", "failed")
    assert refused.code == 75, refused.err
    assert f"followed to its end by run {other}" in refused.err
    assert f"aftrun watch {other}" in refused.err
    clock.advance(60)
    _, error = second.communicate(timeout=HANG)
    assert second.returncode == 0, error
    assert scripts(server) == ["one", "two"]
    assert aftrun("settle", run, "one", "failed").code == 0
    assert aftrun("apply", "night.yaml", server=server).code == 0  # what was seen stands above what is said
    assert scripts(server) == ["one", "two"]


def test_a_job_in_doubt_waits_for_a_person(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """An answer that never came: unknown again and again, nothing sent, until it is settled."""
    server = sandbox({"defaults": {**QUICK, "faults": NO_ANSWER}})
    night(tmp_path)
    assert aftrun("apply", "night.yaml", server=server).code == 6
    again = aftrun("apply", "night.yaml", server=server)
    assert (again.code, ends(again)) == (6, ["unknown", "skipped"])
    run = again.report()["run"]["id"]
    assert aftrun("apply", "night.yaml", server=server).code == 6
    assert scripts(server) == ["one"]
    assert "3 ends are unknown, and not settled" in aftrun("history").out
    assert f"aftrun settle {run} one succeeded" in again.err
    settled = aftrun("settle", run, "one", "failed", "--note", "not in the server's list")
    assert settled.code == 0, settled.err
    report = json.loads((tmp_path / ".aftrun" / "runs" / run / "report.json").read_text())
    assert report["jobs"][0]["outcome"] == "unknown"
    assert report["jobs"][0]["settled"]["outcome"] == "failed"
    assert report["jobs"][0]["settled"]["note"] == "not in the server's list"
    assert aftrun("show", run, "--exit-status").code == 1
    for line in (("history",), ("history", "--rebuild"), ("history",)):
        said = aftrun(*line).out
        assert "unknown, and not settled" not in said  # it was one submission, whichever run it was asked of
    assert "in 1 of 1 runs" in said
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


def plan(aftrun: Run, server: Sandbox, *more: str, env: dict[str, str] | None = None) -> tuple[int, list[Any], str]:
    """The code of `plan --exit-code`, what it says of each job as data, and the text."""
    text = aftrun("plan", "night.yaml", *more, server=server, env=env)
    assert text.code == 0, text.err
    data = aftrun("plan", "night.yaml", "--exit-code", "--format", "json", *more, server=server, env=env)
    return data.code, [job["now"] for job in json.loads(data.out)["jobs"]], text.out


def test_plan_says_what_apply_would_do(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Submit, up to date, with other params, and by which run; nothing is written and nothing sent."""
    server = sandbox({"defaults": QUICK, "behaviours": FLAKY})
    night(tmp_path)
    code, now, text = plan(aftrun, server)
    assert (code, [each["does"] for each in now]) == (10, ["submit", "submit"])
    assert "2 requests would be sent" in text
    assert not (tmp_path / ".aftrun").exists()
    aftrun("apply", "night.yaml", server=server)
    code, now, text = plan(aftrun, server)
    assert (code, [each["does"] for each in now]) == (10, ["upToDate", "submit"])
    assert "up to date since 20" in text
    assert "submit: it ended as failed in run " in text
    assert "1 request would be sent" in text
    assert now[0]["jobId"] == server.jobs()[0].id
    aftrun("apply", "night.yaml", server=server)
    code, now, text = plan(aftrun, server)
    assert (code, [each["does"] for each in now]) == (0, ["upToDate", "upToDate"])
    night(tmp_path, NIGHT.replace("scriptName: two", "scriptName: too"))
    code, now, text = plan(aftrun, server)
    assert (code, now[1]["does"]) == (0, "upToDate")
    assert "it was sent with other script" in now[1]["why"]
    assert "outputs.state" not in now[1]["why"], "what only a run knows is no difference"
    assert plan(aftrun, server, "--var", "day=other")[0] == 10
    other = sandbox()
    assert plan(aftrun, other)[0] == 10, "what another server did is not done on this one"


def test_plan_says_who_waits_for_a_person(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Exit 6, which outranks that something could be done; what needs the job is skipped."""
    server = sandbox({"defaults": {**QUICK, "faults": NO_ANSWER}})
    night(tmp_path)
    assert aftrun("apply", "night.yaml", server=server).code == 6
    code, now, text = plan(aftrun, server)
    assert (code, [each["does"] for each in now]) == (6, ["person", "skip"])
    assert "wait for a person: run " in text
    assert "0 requests would be sent" in text


def test_plan_says_which_job_it_would_follow(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """By its id."""
    server = sandbox(HELD, clock=HandClock())
    night(tmp_path)
    process = begin(tmp_path, server, "apply", "night.yaml", *reach(server))
    until(lambda: read(server))
    process.kill()
    process.communicate(timeout=HANG)
    code, now, text = plan(aftrun, server)
    assert (code, now[0]["does"]) == (10, "follow")
    assert f"follow job {server.jobs()[0].id}" in text


def test_plan_reads_no_value_for_a_key(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """A key that needs one is said as such, whether it is set or not."""
    server = sandbox()
    night(tmp_path, NIGHT.replace('"2026-01-02"', '"${DAY}"'))
    assert aftrun("apply", "night.yaml", server=server, env={"DAY": "monday"}).code == 0
    for env in ({}, {"DAY": "monday"}):
        code, now, text = plan(aftrun, server, env=env)
        assert (code, now[0]["does"]) == (10, "undecided")
        assert "its once needs ${DAY}, and a plan reads no value from outside" in text


def test_a_server_from_outside_is_the_one_of_then_as_far_as_can_be_told(
    sandbox: Start, aftrun: Run, tmp_path: Path
) -> None:
    """Its address is on record as a digest alone; apply compares it, and plan says on what it hangs."""
    server, other = sandbox(), sandbox()
    pins = f"['{server.fingerprint}', '{other.fingerprint}']"
    night(tmp_path, f"server: {{url: '${{AFT}}', tls: {{fingerprint: {pins}}}}}\nscriptName: one\nonce: k\n")
    env = {"AFT_API_KEY": server.api_key, "AFT": server.url}
    assert aftrun("apply", "night.yaml", env=env).code == 0
    state = b"".join(path.read_bytes() for path in (tmp_path / ".aftrun").rglob("*") if path.is_file())
    assert server.url.encode() not in state
    again = aftrun("apply", "night.yaml", env=env)
    assert (again.code, ends(again)) == (0, ["upToDate"])
    text = aftrun("plan", "night.yaml", env=env)
    assert "if the server is the one of then" in text.out
    elsewhere = aftrun("apply", "night.yaml", env={"AFT_API_KEY": other.api_key, "AFT": other.url})
    assert (elsewhere.code, ends(elsewhere)) == (0, ["succeeded"])
    (tmp_path / ".aftrun" / "digest.key").unlink()
    lost = aftrun("apply", "night.yaml", env=env)
    assert (lost.code, ends(lost)) == (6, ["unknown"])
    assert "digest.key" in lost.err
    assert len(scripts(server)) + len(scripts(other)) == 2


def test_what_differs_is_said(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """A param from outside too, and never its value."""
    server = sandbox()
    night(tmp_path, "scriptName: one\nonce: k\nparams: {a: '${SECRET}', run: '${{ run.id }}', b: x}\n")
    assert aftrun("apply", "night.yaml", server=server, env={"SECRET": "hunter2"}).code == 0
    same = aftrun("apply", "night.yaml", server=server, env={"SECRET": "hunter2"})
    assert (same.code, same.report()["run"]["warnings"]) == (0, [])
    again = aftrun("apply", "night.yaml", server=server, env={"SECRET": "hunter3"})
    assert (again.code, ends(again)) == (0, ["upToDate"])
    (warning,) = again.report()["run"]["warnings"]
    assert "params.a is not what run " in warning
    assert "hunter" not in again.err + again.out + warning


def test_a_pipe_in_the_place_of_the_report_makes_way_for_it(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """The report of a run that is settled is written as all reports are: a pipe is replaced, and holds nobody up."""
    server = sandbox({"defaults": {**QUICK, "faults": NO_ANSWER}})
    night(tmp_path, "name: night\njobs: [{scriptName: one, once: k}]\n")
    run = aftrun("apply", "night.yaml", server=server).report()["run"]["id"]
    place = tmp_path / ".aftrun" / "runs" / run / "report.json"
    place.unlink()
    os.mkfifo(place)
    settled = aftrun("settle", run, "one", "failed")
    assert settled.code == 0, settled.err
    assert json.loads(place.read_text(encoding="utf-8"))["jobs"][0]["settled"]["outcome"] == "failed"


def test_an_older_copy_of_the_record_does_not_make_a_night_look_done(
    sandbox: Start, aftrun: Run, tmp_path: Path
) -> None:
    """What was sent again since the copy was made is in its journal: the job is followed, not said to be up to date."""
    server = sandbox({"defaults": {"queue": "0s", "duration": "300ms"}})
    night(tmp_path, 'name: night\njobs: [{scriptName: one, once: "2026-01-02"}]\n')
    assert aftrun("apply", "night.yaml", server=server).code == 0
    state = tmp_path / ".aftrun" / "state.db"
    with (
        contextlib.closing(sqlite3.connect(state)) as db,
        contextlib.closing(sqlite3.connect(tmp_path / "copy")) as copy,
    ):
        db.backup(copy)
    assert aftrun("apply", "night.yaml", "--again", "--timeout", "10ms", server=server).code == 124
    for path in state.parent.glob("state.db*"):
        path.unlink()
    (tmp_path / "copy").replace(state)
    done = aftrun("apply", "night.yaml", server=server)
    assert (done.code, ends(done), scripts(server)) == (0, ["succeeded"], ["one", "one"])
    assert done.report()["jobs"][0]["jobId"] == server.jobs()[1].id
