"""`resume`, `retry`, `history` and `show`, and what signals do, with the real program."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aftrun.run.store.record import Log
from aftrun.sandbox.server import Sandbox
from tests.clocks import HandClock
from tests.conftest import Run, clean_environ, program, reach
from tests.waiting import HANG, another_second, until

Start = Callable[..., Sandbox]

STUCK = {"defaults": {"outcome": "stuck", "queue": "0s"}}
HELD = {
    "defaults": {"queue": "0s", "duration": "0s"},
    "behaviours": [{"match": {"scriptName": "one"}, "queue": "0s", "duration": "60s"}],
}
"""The first job ends when the test lets its time pass."""


def posted(server: Sandbox) -> list[Any]:
    """The bodies of all POSTs."""
    return [entry.parsed for entry in server.ledger() if entry.method == "POST"]


def begin(folder: Path, server: Sandbox, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
    """The program, going on in the background."""
    environ = clean_environ(AFT_API_KEY=server.api_key, **env)
    return subprocess.Popen(
        [*program(), *arguments], cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def read(server: Sandbox) -> bool:
    """Whether a job was read, and so accepted."""
    return any(entry.method == "GET" for entry in server.ledger())


SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_the_run_and_resume_takes_it_up(
    sandbox: Start, aftrun: Run, tmp_path: Path, number: signal.Signals
) -> None:
    """Nothing new starts, the resume line is printed, jobs go on; resume watches them and runs the rest."""
    clock = HandClock()
    server = sandbox(HELD, clock=clock)
    (tmp_path / "m.yaml").write_text("jobs:\n  - {scriptName: one}\n  - {scriptName: two}\n", encoding="utf-8")
    process = begin(tmp_path, server, "apply", "m.yaml", *reach(server))
    until(lambda: read(server))
    process.send_signal(number)
    _, error = process.communicate(timeout=HANG)
    assert process.returncode == (130 if number is signal.SIGINT else 143)
    report = next((tmp_path / ".aftrun" / "runs").glob("*/report.json"))
    before = json.loads(report.read_text())
    run = before["run"]["id"]
    assert f"aftrun resume {run}" in error.decode()
    assert before["run"]["outcome"] == "interrupted"
    assert [job["outcome"] for job in before["jobs"]] == [None, None]
    assert before["jobs"][0]["jobId"] == server.jobs()[0].id
    (tmp_path / "m.yaml").unlink()  # the run has its own copy
    clock.advance(60)
    done = aftrun("resume", env={"AFT_API_KEY": server.api_key})
    assert done.code == 0, done.err
    after = done.report()
    assert after["run"]["id"] == run
    assert [job["outcome"] for job in after["jobs"]] == ["succeeded", "succeeded"]
    assert [body["scriptName"] for body in posted(server)] == ["one", "two"]


def test_a_second_signal_ends_it_at_once(sandbox: Start, tmp_path: Path) -> None:
    """Even while an answer is awaited that never comes."""
    faults = [{"on": "submit", "kind": "hang", "times": "always"}]
    server = sandbox({"defaults": {"faults": faults}})
    text = "server: {readTimeout: 1h}\njobs: [{scriptName: one}]\n"  # it would not end by itself
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    process = begin(tmp_path, server, "apply", "m.yaml", *reach(server))
    until(server.ledger)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert any(b"aftrun resume" in line for line in process.stderr), "the first waits for the answer under way"
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=HANG)
    assert process.returncode == 130


def test_resume_keeps_the_date_of_the_original_run(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """`${{ run.id }}` and `${{ run.started }}` are those of the run, not of the resume."""
    clock = HandClock()
    server = sandbox(HELD, clock=clock)
    params_text = '{at: "${{ run.started }}", run: "${{ run.id }}"}'
    text = f"jobs:\n  - {{scriptName: one}}\n  - {{scriptName: two, params: {params_text}}}\n"
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    process = begin(tmp_path, server, "apply", "m.yaml", *reach(server), TZ="UTC")
    until(lambda: read(server))
    assert json.loads(aftrun("history", "--format", "json").out)[0]["outcome"] == "running"
    process.kill()
    process.communicate()
    assert json.loads(aftrun("history", "--format", "json").out)[0]["outcome"] == "stopped"
    assert "aftrun resume" in aftrun("show").err
    another_second()  # so that a new start would be another one
    clock.advance(60)
    done = aftrun("resume", env={"AFT_API_KEY": server.api_key, "TZ": "UTC"})
    assert done.code == 0, done.err
    report = done.report()
    params = posted(server)[1]["params"]
    assert params["run"] == report["run"]["id"]
    assert params["at"] == report["run"]["startedAt"][:19] + "+0000"


def test_resume_needs_the_secrets_again_and_keeps_no_literal_key(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Neither the value of a variable nor a key written in the manifest is in the state folder."""
    server = sandbox(STUCK, api_key="literal-key-4711")
    text = f"server: {{url: '{server.url}', apiKey: literal-key-4711, tls: {{fingerprint: '{server.fingerprint}'}}}}\n"
    text += "jobs: [{scriptName: one, params: {t: '${TOKEN}'}, timeout: 600ms}, {scriptName: two}]\n"
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    process = begin(tmp_path, server, "apply", "m.yaml", TOKEN="token-value-0815")
    until(lambda: read(server))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=HANG)
    kept = b"".join(path.read_bytes() for path in (tmp_path / ".aftrun").rglob("*") if path.is_file())
    assert b"literal-key-4711" not in kept
    assert b"token-value-0815" not in kept
    missing = aftrun("resume")
    assert missing.code == 2
    assert "AFT_API_KEY" in missing.err
    assert "TOKEN" in missing.err
    done = aftrun("resume", env={"AFT_API_KEY": server.api_key, "TOKEN": "token-value-0815"})
    assert done.code == 124, done.err
    assert len(posted(server)) == 1, "sequential: nothing starts after the bad end but what runs always"


def test_an_unanswered_post_is_unknown_after_resume(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Killed between POST and answer: the job is never submitted again, exit 6; with `resubmit` it is."""
    slow = [{"on": "submit", "kind": "slow", "delay": "1s", "strikes": "after"}]
    for policy, code, posts in (("fail", 6, 1), ("resubmit", 0, 2)):
        server = sandbox({"defaults": {"queue": "0s", "duration": "0s", "faults": slow}}, clock=HandClock())
        folder = tmp_path / policy
        folder.mkdir()
        (folder / "m.yaml").write_text(f"scriptName: x\nonAmbiguous: {policy}\n", encoding="utf-8")
        process = begin(folder, server, "apply", "m.yaml", *reach(server))
        until(server.jobs)
        process.kill()
        process.communicate()
        done = aftrun("resume", "--state-dir", str(folder / ".aftrun"), env={"AFT_API_KEY": server.api_key})
        assert done.code == code, done.err
        assert len(posted(server)) == posts
        assert ("is not submitted again" in done.err) == (policy == "fail")


def test_retry_runs_what_did_not_succeed_and_what_needs_it(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Ids and outputs of jobs that succeeded are still at hand; the succeeded ones do not run again."""
    behaviours = [
        {"match": {"scriptName": "flaky"}, "flaky": {"failFirst": 1}, "queue": "0s", "duration": "10ms"},
        {"match": {"scriptName": "source"}, "queue": "0s", "duration": "10ms", "outputs": {"file": "a.csv"}},
    ]
    server = sandbox({"defaults": {"queue": "0s", "duration": "10ms"}, "behaviours": behaviours})
    text = (
        "strategy: {order: parallel}\njobs:\n  - {name: source, scriptName: source, outputs: {file: file}}\n"
        "  - {name: flaky, scriptName: flaky, needs: [source], "
        "params: {id: '${{ jobs.source.id }}', file: '${{ jobs.source.outputs.file }}'}}\n"
        "  - {name: after, scriptName: after, needs: [flaky]}\n  - {name: other, scriptName: other}\n"
    )
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    first = aftrun("apply", "m.yaml", server=server)
    assert first.code == 1, first.err
    old = first.report()["run"]["id"]
    before = len(posted(server))
    assert before == 3
    done = aftrun("retry", env={"AFT_API_KEY": server.api_key})
    assert done.code == 0, done.err
    again = posted(server)[before:]
    assert [body["scriptName"] for body in again] == ["flaky", "after"]
    source = next(job for job in server.jobs() if job.body == {"scriptName": "source"})
    assert again[0]["params"] == {"id": source.id, "file": "a.csv"}
    data = json.loads(aftrun("history", "--format", "json").out)
    assert [run["retryOf"] for run in data] == [old, None]
    nothing = aftrun("retry", env={"AFT_API_KEY": server.api_key})
    assert nothing.code == 2
    assert "nothing to run again" in nothing.err


@pytest.mark.parametrize(("fault", "told"), [(None, True), ({"on": "submit", "kind": "status", "code": 400}, False)])
def test_retry_tells_what_may_have_been_left_behind(
    sandbox: Start, aftrun: Run, tmp_path: Path, fault: dict[str, Any] | None, told: bool
) -> None:
    """Where a job was accepted, it may have moved a part; where it was refused, it has moved nothing."""
    server = sandbox({"defaults": {"queue": "0s", "outcome": "failed", "faults": [fault] if fault else []}})
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    assert aftrun("apply", "m.yaml", server=server).code == 1
    done = aftrun("retry", env={"AFT_API_KEY": server.api_key})
    assert done.code == 1, done.err
    assert ("look at the targets" in done.err) == told
    assert "look at the targets" not in aftrun("retry", "-q", env={"AFT_API_KEY": server.api_key}).err


def test_retry_asks_before_it_touches_unknown_jobs(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """They may have run: exit 2 with the reason, until `--include-unknown` says so."""
    faults = [{"on": "submit", "kind": "reset", "strikes": "after"}]
    server = sandbox({"defaults": {"queue": "0s", "duration": "10ms", "faults": faults}})
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    assert aftrun("apply", "m.yaml", server=server).code == 6
    refused = aftrun("retry", env={"AFT_API_KEY": server.api_key})
    assert refused.code == 2
    assert "may have run" in refused.err
    assert "check on the server" in refused.err
    assert "--include-unknown" in refused.err
    assert len(posted(server)) == 1
    assert aftrun("retry", "--include-unknown", env={"AFT_API_KEY": server.api_key}).code == 0
    assert len(posted(server)) == 2


def test_retry_of_what_a_resume_can_follow_says_so(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """A job with an id, whose end was not seen: `resume` reads it, and nothing is sent twice."""
    server = sandbox({"defaults": {"queue": "0s", "duration": "10ms", "dialect": "unlisted"}})
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    assert aftrun("apply", "m.yaml", "--timeout", "300ms", server=server).code == 6
    refused = aftrun("retry", env={"AFT_API_KEY": server.api_key})
    run = json.loads(aftrun("show", "--format", "json").out)["run"]["id"]
    assert refused.code == 2
    assert f"follow those that have an id to their ends: aftrun resume {run}; to run them again" in refused.err


def test_retry_in_the_manifest_submits_anew_after_a_definite_bad_end(
    sandbox: Start, aftrun: Run, tmp_path: Path
) -> None:
    """With backoff, each attempt on record, and each told apart by `correlation`."""
    behaviours = [{"match": {"scriptName": "flaky"}, "flaky": {"failFirst": 2}, "queue": "0s", "duration": "10ms"}]
    server = sandbox({"behaviours": behaviours})
    text = "name: m\njobs:\n  - name: f\n    scriptName: flaky\n    correlation: trace\n"
    text += "    retry: {limit: 3, backoff: {duration: 50ms, factor: 2}}\n"
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    done = aftrun("apply", "m.yaml", server=server)
    assert done.code == 0, done.err
    report = done.report()
    assert [attempt["outcome"] for attempt in report["jobs"][0]["attempts"]] == ["failed", "failed", "succeeded"]
    run = report["run"]["id"]
    assert [body["params"]["trace"] for body in posted(server)] == [f"{run}/f/{number}" for number in (1, 2, 3)]


def test_history_and_show(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Lists with filters, one run in detail with its usual times, and forgetting on request only."""
    server = sandbox({"defaults": {"queue": "0s", "duration": "10ms"}})
    (tmp_path / "good.yaml").write_text("scriptName: x\n", encoding="utf-8")
    (tmp_path / "bad.yaml").write_text("scriptName: x\nexpect: [nothing.there]\n", encoding="utf-8")
    assert aftrun("history").code == 0
    assert aftrun("history", "--format", "json").out == "[]\n"
    assert aftrun("apply", "good.yaml", server=server).code == 0
    assert aftrun("apply", "good.yaml", server=server).code == 0
    assert aftrun("apply", "bad.yaml", server=server).code == 1
    rows = json.loads(aftrun("history", "--format", "json").out)
    assert [(row["outcome"], row["manifests"]) for row in rows] == [
        ("failed", ["bad"]),
        ("succeeded", ["good"]),
        ("succeeded", ["good"]),
    ]
    assert rows[0]["counts"] == {"failed": 1}
    assert len(json.loads(aftrun("history", "--format", "json", "--status", "failed").out)) == 1
    assert len(json.loads(aftrun("history", "--format", "json", "--manifest", "good", "-n", "1").out)) == 1
    assert json.loads(aftrun("history", "--format", "json", "--last", "1ms").out) == []
    table = aftrun("history").out
    assert table.splitlines()[0].split() == ["RUN", "STARTED", "TIME", "OUTCOME", "MANIFEST", "JOBS"]
    assert rows[0]["id"] in table
    shown = aftrun("show", rows[0]["id"])
    assert "expect" in shown.out
    data = json.loads(aftrun("show", rows[1]["id"], "--format", "json").out)
    assert list(data["usualSeconds"]) == ["good/x"]  # a moment: nothing, where its end came before its id was read
    assert json.loads(aftrun("show", rows[1]["id"], "--format", "json", "--status", "failed").out)["jobs"] == []
    assert json.loads(aftrun("show", "--manifest", "good", "--format", "json").out)["run"]["id"] == rows[1]["id"]
    assert aftrun("show", "--last", "1ms").code == 2
    wrong = aftrun("show", "nope")
    assert wrong.code == 2
    assert "aftrun history" in wrong.err
    assert aftrun("history", "--prune", "1d").code == 0
    assert len(json.loads(aftrun("history", "--format", "json").out)) == 3
    assert aftrun("history", "--prune", "0s").code == 0
    assert json.loads(aftrun("history", "--format", "json").out) == []
    assert list((tmp_path / ".aftrun" / "runs").iterdir()) == []


def test_how_jobs_fared_over_runs(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """The job that fails by turns is named with its cause, as table, JSON and CSV; and found by name, path and glob."""
    server = sandbox(
        {
            "defaults": {"queue": "0s", "duration": "10ms"},
            "behaviours": [{"match": {"scriptName": "bad"}, "outcome": "failed", "message": "=no such file"}],
        }
    )
    text = "version: 1\nname: nightly\nstrategy: {failFast: false}\n"
    text += "jobs: [{scriptName: good}, {scriptName: %s, name: backup}]\n"
    for script in ("good", "bad", "good", "bad"):
        (tmp_path / "m.yaml").write_text(text % script, encoding="utf-8")
        assert aftrun("apply", "m.yaml", server=server).code == (1 if script == "bad" else 0)
    rows = json.loads(aftrun("history", "--format", "json").out)
    assert [row["notSucceeded"] for row in rows] == [["backup"], [], ["backup"], []]
    table = aftrun("history").out
    assert "✗ backup, ✓ 1" in table
    assert "nightly  ✓✗✓✗  2 of 4 runs failed" in table
    (job,) = json.loads(aftrun("history", "backup", "--format", "json").out)
    assert (job["manifest"], job["runs"], job["failed"], job["failureRate"], job["strip"]) == (
        "nightly",
        4,
        2,
        0.5,
        "✓✗✓✗",
    )
    assert job["lastFailure"]["run"] == rows[0]["id"]
    assert "no such file" in job["lastFailure"]["message"]
    assert [end["outcome"] for end in job["ends"]] == ["failed", "succeeded", "failed", "succeeded"]
    assert [note["concern"] for note in job["attention"]] == ["failing"]
    assert [each["job"] for each in json.loads(aftrun("history", "*", "--format", "json").out)] == ["backup", "good"]
    assert len(json.loads(aftrun("history", "nightly/b*", "--format", "json").out)) == 1
    one = json.loads(aftrun("history", "backup", "--status", "succeeded", "--format", "json").out)
    assert one[0]["strip"] == "✓✓"
    lines = aftrun("history", "backup", "--format", "csv").out.splitlines()
    assert lines[0] == "manifest,job,run,startedAt,outcome,seconds,message"
    assert len(lines) == 5
    assert lines[1].startswith(f"nightly,backup,{rows[0]['id']},")
    assert len(aftrun("history", "--format", "csv").out.splitlines()) == 5
    shown = aftrun("history", "backup").out
    assert shown.count("✗ failed") == 2
    assert "no such file" in shown
    assert "backup" in aftrun("history", "*").out
    wrong = aftrun("history", "bakup")
    assert wrong.code == 2
    assert "did you mean 'backup'?" in wrong.err


def test_what_history_reads_is_made_anew_from_the_events(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Where it was lost, or was never kept: `--rebuild` gives the same."""
    server = sandbox({"defaults": {"queue": "0s", "duration": "10ms", "outcome": "failed", "message": "no such file"}})
    (tmp_path / "m.yaml").write_text("name: x\nscriptName: x\n", encoding="utf-8")
    assert aftrun("apply", "m.yaml", server=server).code == 1
    before = aftrun("history", "x", "--format", "json").out
    assert "no such file" in before
    with Log(tmp_path / ".aftrun") as log:
        log._db.execute("DROP TABLE causes")
        log._db.execute("DELETE FROM ends")
    assert json.loads(aftrun("history", "--format", "json").out)[0]["counts"] == {}
    done = aftrun("history", "x", "--rebuild", "--format", "json")
    assert done.out == before
    assert "worked out anew from the events of 1 run" in done.err


def test_a_job_of_unknown_end_is_to_be_settled(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """History says so, with the line; once a person has said how it ended, it goes by that."""
    faults = [{"on": "submit", "kind": "reset", "strikes": "after"}]
    server = sandbox({"defaults": {"queue": "0s", "duration": "10ms", "faults": faults}})
    (tmp_path / "m.yaml").write_text("name: x\nscriptName: x\n", encoding="utf-8")
    assert aftrun("apply", "m.yaml", server=server).code == 6
    told = aftrun("history", "x")
    assert "1 end is unknown, and not settled" in told.out
    (line,) = re.findall(r"aftrun (settle \S+ m/x succeeded)", told.err)
    assert aftrun(*line.split()).code == 0
    after = aftrun("history", "x", "--format", "json")
    (job,) = json.loads(after.out)
    assert (job["unknown"], job["strip"]) == (0, "✓")
    assert "settle" not in after.err
    assert aftrun("history", "x", "--rebuild", "--format", "json").out == after.out


def test_history_as_a_page(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """One file, with links from where it stands to the runs' reports; a variable for other pages does not serve it."""
    server = sandbox({"defaults": {"queue": "0s", "duration": "10ms"}})
    (tmp_path / "m.yaml").write_text("name: nightly\nscriptName: x\n", encoding="utf-8")
    assert aftrun("apply", "m.yaml", server=server).code == 0
    (run,) = (path.name for path in (tmp_path / ".aftrun" / "runs").iterdir())
    (tmp_path / "pages").mkdir()
    done = aftrun("history", "--report-html", "pages/all.html", "--report-html", "all.html")
    assert done.code == 0
    assert done.out == ""
    assert f"../.aftrun/runs/{run}/report.json" in (tmp_path / "pages" / "all.html").read_text(encoding="utf-8")
    assert f"./.aftrun/runs/{run}/report.json" in (tmp_path / "all.html").read_text(encoding="utf-8")
    assert aftrun("history", "--report-html", "-").out.startswith("<!doctype html>")
    (tmp_path / "run.html").write_text("kept", encoding="utf-8")
    assert "nightly" in aftrun("history", env={"AFTRUN_REPORT_HTML": "run.html"}).out
    assert (tmp_path / "run.html").read_text(encoding="utf-8") == "kept"
    assert aftrun("history", env={"AFTRUN_HISTORY_REPORT_HTML": "own.html"}).out == ""
    assert (tmp_path / "own.html").exists()


def test_a_report_that_a_kill_kept_back_is_brought_up_to_date(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Killed after the end was on record, before the report said so: resume completes the report, and no more."""
    server = sandbox()
    (tmp_path / "m.yaml").write_text("scriptName: x\nexpect: [nothing]\n", encoding="utf-8")
    done = aftrun("apply", "m.yaml", server=server)
    assert done.code == 1
    (report,) = (tmp_path / ".aftrun" / "runs").glob("*/report.json")
    whole = report.read_bytes()
    report.write_bytes(whole.replace(b'"failed"', b'"running"'))
    again = aftrun("resume", env={"AFT_API_KEY": server.api_key})
    assert again.code == 1
    assert report.read_bytes() == whole
    assert len(posted(server)) == 1
    assert aftrun("resume", env={"AFT_API_KEY": server.api_key}).code == 2


def test_resume_of_what_has_ended_is_refused(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """It says how the run ended, and what can be done instead."""
    server = sandbox()
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    assert aftrun("apply", "m.yaml", server=server).code == 0
    done = aftrun("resume", env={"AFT_API_KEY": server.api_key})
    assert done.code == 2
    assert "nothing to resume" in done.err


def test_a_bug_ends_the_stream_and_leaves_a_true_report(sandbox: Start, tmp_path: Path) -> None:
    """An exception in the middle: exit 70, the report says `error`, and the run can be resumed."""
    server = sandbox(STUCK)
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    script = (
        "import sys\nfrom aftrun.cli.main import run\nfrom aftrun.run.steps import Steps\n"
        "def broken(*_): raise RuntimeError('secret text')\nSteps.read = broken\n"
        "sys.argv[0] = 'aftrun'\nsys.exit(run())\n"
    )
    (tmp_path / "broken.py").write_text(script, encoding="utf-8")
    command = [program()[0], "broken.py", "apply", "m.yaml", "-v", *reach(server)]
    environ = clean_environ(AFT_API_KEY=server.api_key)
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, check=False, timeout=HANG)
    assert done.returncode == 70
    assert b"a bug in aftrun: RuntimeError" in done.stderr
    assert b"secret text" not in done.stderr
    report = json.loads(next((tmp_path / ".aftrun" / "runs").glob("*/report.json")).read_text())
    assert (report["run"]["outcome"], report["run"]["exitCode"]) == ("error", 70)
    assert report["jobs"][0]["jobId"] == server.jobs()[0].id
    with Log(tmp_path / ".aftrun", create=False) as log:
        assert log.runs()[0].outcome == "error"


def test_a_run_is_retried_once(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Two at once: one wins, 75 for the other. After success: 2, unless --again. What failed again is retried again."""
    slow = {"on": "submit", "kind": "slow", "delay": "1m", "strikes": "after", "after": 1}  # the first retry's
    flaky = {"match": {"scriptName": "flaky"}, "flaky": {"failFirst": 2}, "queue": "0s", "duration": "0s"}
    clock = HandClock()
    server = sandbox({"behaviours": [{**flaky, "faults": [slow]}]}, clock=clock)
    (tmp_path / "m.yaml").write_text("server: {readTimeout: 1h}\njobs: [{scriptName: flaky}]\n", encoding="utf-8")
    assert aftrun("apply", "m.yaml", server=server).code == 1
    run = json.loads(aftrun("history", "--format", "json").out)[0]["id"]
    both = [begin(tmp_path, server, "retry", run) for _ in range(2)]
    until(lambda: any(process.poll() is not None for process in both) and len(posted(server)) == 2)
    clock.advance(61)
    errors = [process.communicate(timeout=HANG)[1].decode() for process in both]
    assert sorted(process.returncode for process in both) == [1, 75], errors
    assert any("is being retried" in error for error in errors)
    assert len(posted(server)) == 2
    third = aftrun("retry", run, env={"AFT_API_KEY": server.api_key})
    assert third.code == 0, third.err
    assert len(posted(server)) == 3
    fourth = aftrun("retry", run, env={"AFT_API_KEY": server.api_key})
    assert fourth.code == 2
    assert "which succeeded" in fourth.err
    assert len(posted(server)) == 3
    assert aftrun("retry", run, "--again", env={"AFT_API_KEY": server.api_key}).code == 0
    assert len(posted(server)) == 4


def test_a_run_that_was_retried_is_not_resumed(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Interrupted, then retried: the retry does what was left, and `resume` of the first sends nothing."""
    clock = HandClock()
    server = sandbox(HELD, clock=clock)
    (tmp_path / "m.yaml").write_text("jobs:\n  - {scriptName: one}\n  - {scriptName: two}\n", encoding="utf-8")
    process = begin(tmp_path, server, "apply", "m.yaml", *reach(server))
    until(lambda: read(server))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=HANG)
    run = json.loads(aftrun("history", "--format", "json").out)[0]["id"]
    process = begin(tmp_path, server, "retry", run, "--include-unknown")
    until(lambda: len(server.jobs()) == 2)
    clock.advance(61)
    process.communicate(timeout=HANG)
    assert process.returncode == 0
    assert [body["scriptName"] for body in posted(server)] == ["one", "one", "two"]
    refused = aftrun("resume", run, env={"AFT_API_KEY": server.api_key})
    assert refused.code == 2
    assert "was retried as run" in refused.err
    nothing = aftrun("resume", env={"AFT_API_KEY": server.api_key})
    assert nothing.code == 2
    assert "nothing to resume" in nothing.err
    assert len(posted(server)) == 3


def test_bare_resume_leaves_a_run_that_is_alive_alone(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """It names the process that works on it and ends with 75; so does naming the run, and so does `retry`."""
    server = sandbox(STUCK)
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    process = begin(tmp_path, server, "apply", "m.yaml", *reach(server))
    until(lambda: read(server))
    (row,) = json.loads(aftrun("history", "--format", "json").out)
    assert row["outcome"] == "running"
    for line in (["resume"], ["resume", row["id"]], ["retry"], ["retry", row["id"]]):
        refused = aftrun(*line, env={"AFT_API_KEY": server.api_key})
        assert refused.code == 75, refused.err
        assert f"process {process.pid} on " in refused.err
    process.kill()
    process.communicate(timeout=HANG)
    assert json.loads(aftrun("history", "--format", "json").out)[0]["outcome"] == "stopped"
    assert "aftrun resume" in aftrun("show").err
    assert len(posted(server)) == 1
