"""Nothing is imported, and nothing of the installation is opened, once the first POST may leave.

Then there may be no descriptor left to open a file with, or an upgrade may have taken the file away.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from aftrun.domain.model import Json
from aftrun.report.registry import FORMATS
from aftrun.sandbox.server import Sandbox
from tests.conftest import clean_environ, reach
from tests.unit.receiver import receiver
from tests.waiting import HANG

Start = Callable[..., Sandbox]

SENTINEL = (sys.executable, str(Path(__file__).with_name("sentinel.py")))
REPORTS = tuple(each for name in FORMATS for each in (f"--report-{name}", f"out/{name}"))

NIGHT = """
name: night
strategy: {order: parallel, maxParallel: 4, failFast: false}
server:
  poll: {min: 20ms}
  submitTimeout: 1s
  jobInfo: {message: "join('', [message || ''])"}
jobs:
  - {name: good, scriptName: good, expect: ["status != 'x'"], outputs: {a: "id", b: "length(nope)"}, correlation: cid}
  - {name: next, scriptName: good, needs: [good], params: {a: "${{ jobs.good.outputs.a }}", day: "${{ run.date }}"}}
  - {name: bad, scriptName: bad, retry: {limit: 1, backoff: {duration: 10ms}}}
  - {name: unmet, scriptName: good, expect: ["files == `3`"]}
  - {name: tell, scriptName: good, needs: [bad], when: failure, wait: false}
  - {name: late, scriptName: stuck, timeout: 300ms}
"""
KINDS = ("reset", "close", "truncate", "garbage", "html", "badJson", "noId", "huge", "gzipBomb", "redirect", "echoKey")
SUBMITS = "".join(f"  - {{name: s-{kind}, scriptName: s-{kind}}}\n" for kind in KINDS)
READS = "".join(f"  - {{name: r-{kind}, scriptName: r-{kind}}}\n" for kind in (*KINDS, "notFound", "trickle"))
CODES = "".join(f"  - {{name: h-{code}, scriptName: h-{code}}}\n" for code in (302, 400, 401, 403, 404, 429, 500, 503))


def scenario() -> dict[str, Json]:
    """A server on which each script meets what its name says."""

    def rule(script: str, **fault: Json) -> Json:
        if fault["kind"] == "redirect":
            fault["to"] = "https://127.0.0.1:1/"
        return {"match": {"scriptName": script}, "faults": [fault]}

    return {
        "defaults": {"queue": "0s", "duration": "20ms"},
        "behaviours": [
            {"match": {"scriptName": "bad"}, "outcome": "failed"},
            {"match": {"scriptName": "stuck"}, "outcome": "stuck"},
            *(rule(f"s-{kind}", on="submit", kind=kind) for kind in KINDS),
            *(rule(f"r-{kind}", on="status", kind=kind) for kind in (*KINDS, "trickle")),
            *(rule(f"h-{code}", on="submit", kind="status", code=code) for code in (302, 400, 401, 403, 404, 500)),
            rule("h-429", on="submit", kind="status", code=429, retryAfter={"date": "10ms"}),
            rule("h-503", on="submit", kind="status", code=503, retryAfter=0),
        ],
    }


def watched(
    folder: Path, *arguments: str, env: Mapping[str, str], breaks: bool = False, terminal: bool = False
) -> tuple[int, str, str]:
    """Run the program under the sentinel: its exit code, what it said on standard error, and what was noted."""
    log = folder / "sentinel.log"
    log.unlink(missing_ok=True)
    environ = clean_environ(TERM="xterm-256color", **env)
    if breaks:
        environ["SENTINEL_BREAK"] = "1"
    command = [*SENTINEL, str(log), *arguments]
    if not terminal:
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=False, timeout=HANG)
        return done.returncode, done.stderr.decode(), log.read_text() if log.exists() else ""
    ours, theirs = pty.openpty()
    said: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(ours, 65536):
                said.append(data)
        except OSError:  # the other end is closed
            return

    process = subprocess.Popen(command, cwd=folder, env=environ, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    reader = threading.Thread(target=read)
    reader.start()
    process.wait(HANG)
    reader.join(HANG)
    os.close(ours)
    return process.returncode, b"".join(said).decode(errors="replace"), log.read_text() if log.exists() else ""


@pytest.mark.parametrize(
    ("arguments", "env", "terminal"),
    [
        pytest.param((*REPORTS, "--events", "events", "--metrics-textfile", "out/p", "-vv"), {}, False, id="files"),
        pytest.param(("--events", "-", "-q"), {}, False, id="events"),
        pytest.param(
            ("-o", "json", "--ci", "github"), {"GITHUB_OUTPUT": "o", "GITHUB_STEP_SUMMARY": "s"}, False, id="gh"
        ),
        pytest.param(("--ci", "gitlab"), {}, False, id="gitlab"),
        pytest.param(("--ci", "azure", "-o", "none"), {}, False, id="azure"),
        pytest.param(("--ci", "teamcity"), {}, False, id="teamcity"),
        pytest.param((), {}, True, id="live"),
        pytest.param((), {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "NO_COLOR": "1"}, True, id="plain live"),
    ],
)
def test_nothing_is_loaded_after_the_first_post(
    sandbox: Start, tmp_path: Path, arguments: tuple[str, ...], env: dict[str, str], *, terminal: bool
) -> None:
    """Runs that use every output, with ends of every kind, and everything refused that would be loaded late."""
    server = sandbox(scenario())
    (tmp_path / "m.yaml").write_text(NIGHT, encoding="utf-8")
    environ = {"AFT_API_KEY": server.api_key, **env}
    code, said, noted = watched(
        tmp_path, "apply", "m.yaml", *reach(server), *arguments, env=environ, breaks=True, terminal=terminal
    )
    assert noted == ""
    assert code == 124, said
    if "--report-junit" in arguments:
        assert "<testsuite" in (tmp_path / "out" / "junit").read_text()
        assert "<!doctype html>" in (tmp_path / "out" / "html").read_text().lower()


@pytest.mark.parametrize("jobs", [SUBMITS, READS, CODES], ids=["submits", "reads", "statuses"])
def test_nothing_is_loaded_by_faults_of_the_server(sandbox: Start, tmp_path: Path, jobs: str) -> None:
    """Answers that break off, are no HTTP, too long, of another kind, and every status that means something."""
    server = sandbox(scenario())
    head = (
        "strategy: {order: parallel, maxParallel: 8, failFast: false}\nserver: {poll: {min: 20ms}, readTimeout: 5s}\n"
    )
    text = f"name: faults\n{head}defaults: {{timeout: 3s}}\njobs:\n{jobs}"
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    code, said, noted = watched(
        tmp_path, "apply", "m.yaml", *reach(server), "-vv", env={"AFT_API_KEY": server.api_key}, breaks=True
    )
    assert noted == ""
    assert code == 6, said


def test_nothing_is_loaded_by_connections_that_fail(sandbox: Start, tmp_path: Path) -> None:
    """Another certificate, nobody there, no such name: one job each, beside one that gets through."""
    server = sandbox(scenario())
    closed = sandbox(scenario())
    gone = closed.url
    closed.stop()
    wrong = f"{server.fingerprint[:-2]}{'00' if server.fingerprint[-2:] != '00' else '11'}"
    pin = f"tls: {{fingerprint: '{server.fingerprint}'}}, submitTimeout: 500ms"
    servers = {
        "good": f"{{url: '{server.url}', {pin}}}",
        "wrong": f"{{url: '{server.url}', tls: {{fingerprint: '{wrong}'}}, submitTimeout: 500ms}}",
        "gone": f"{{url: '{gone}', {pin}}}",
        "name": "{url: 'https://no-such-host.invalid:1', submitTimeout: 500ms}",
        "authority": f"{{url: '{server.url}', submitTimeout: 500ms}}",
    }
    lines = "".join(f"  {name}: {text}\n" for name, text in servers.items())
    jobs = "".join(f"  - {{name: {name}, scriptName: good, server: {name}}}\n" for name in servers)
    head = "strategy: {order: parallel, failFast: false}\n"
    (tmp_path / "m.yaml").write_text(f"name: n\n{head}servers:\n{lines}jobs:\n{jobs}", encoding="utf-8")
    code, said, noted = watched(tmp_path, "apply", "m.yaml", env={"AFT_API_KEY": server.api_key}, breaks=True)
    assert noted == ""
    assert code == 1, said
    assert said.count("undelivered") >= 4


def test_nothing_is_loaded_by_a_resume_or_a_retry(sandbox: Start, tmp_path: Path) -> None:
    """Commands that begin with a record that is there already."""
    server = sandbox(scenario())
    environ = {"AFT_API_KEY": server.api_key}
    (tmp_path / "m.yaml").write_text(NIGHT, encoding="utf-8")
    code, said, noted = watched(tmp_path, "apply", "m.yaml", *reach(server), "-q", env=environ)
    assert (code, noted) == (124, ""), said
    code, said, noted = watched(tmp_path, "retry", "--include-unknown", *REPORTS, env=environ, breaks=True)
    assert (code, noted) == (124, ""), said
    run = re.search(r"run (\d{8}-\d{6}-\w{4})", said)
    assert run is not None


def test_nothing_is_loaded_by_start_or_by_a_sandbox_of_its_own(sandbox: Start, tmp_path: Path) -> None:
    """The other two ways to a POST: one job by flags, and the server in the same process."""
    server = sandbox(scenario())
    environ = {"AFT_API_KEY": server.api_key}
    code, said, noted = watched(tmp_path, "start", "-n", "good", *reach(server), env=environ, breaks=True)
    assert (code, noted) == (0, ""), said
    (tmp_path / "m.yaml").write_text("jobs: [{scriptName: a}, {scriptName: b}]\n", encoding="utf-8")
    code, said, noted = watched(tmp_path, "apply", "m.yaml", "--sandbox", *REPORTS, env={}, breaks=True)
    assert (code, noted) == (0, ""), said


def test_nothing_is_loaded_by_notices_and_traces(sandbox: Start, tmp_path: Path) -> None:
    """The extras, where they are asked for."""
    pytest.importorskip("apprise")
    pytest.importorskip("opentelemetry.sdk")
    server = sandbox(scenario())
    with receiver() as collector:
        notify = f"notify: {{urls: ['{collector.url.replace('http:', 'json:')}/'], on: [succeeded]}}\n"
        text = notify + "jobs: [{scriptName: good}]\n"
        (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
        environ = {
            "AFT_API_KEY": server.api_key,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        }
        code, said, noted = watched(tmp_path, "apply", "m.yaml", *reach(server), env=environ, breaks=True)
        assert (code, noted) == (0, ""), said
        assert len(collector.received) >= 2, said


def test_the_sentinel_sees_what_is_loaded_late(sandbox: Start, tmp_path: Path) -> None:
    """Taken apart on purpose: a report that nobody rehearsed shows up, and is an error that keeps its exit code."""
    server = sandbox(scenario())
    (tmp_path / "m.yaml").write_text("scriptName: good\n", encoding="utf-8")
    environ = {"AFT_API_KEY": server.api_key, "SENTINEL_LATE": "1"}
    code, said, noted = watched(
        tmp_path, "apply", "m.yaml", *reach(server), "--report-junit", "j.xml", env=environ, breaks=True
    )
    assert "aftrun/report/junit.py" in noted
    assert code == 74, said
    assert "bug" not in said
