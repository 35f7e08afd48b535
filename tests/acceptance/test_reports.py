"""Reports, events, CI servers, metrics, notices and traces, by the flags of `apply`."""

from __future__ import annotations

import json
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from aftrun.report.registry import FORMATS
from aftrun.sandbox.server import Sandbox
from aftrun.system.resources import schema_text
from tests.conftest import Run

Start = Callable[..., Sandbox]

MIXED = {
    "defaults": {"queue": "0s", "duration": "10ms"},
    "behaviours": [
        {
            "match": {"scriptName": "bad"},
            "outcome": "failed",
            "message": "disk is full",
            "queue": "0s",
            "duration": "10ms",
        }
    ],
}


@pytest.fixture(autouse=True)
def _manifest(tmp_path: Path) -> None:
    text = "strategy: {order: parallel}\njobs:\n  - {scriptName: good}\n  - {scriptName: bad}\n"
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")


class Receiver:
    """An HTTP server that keeps what is posted to it."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                outer.bodies.append((self.path, self.rfile.read(length)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port."""
    found = Receiver()
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def test_every_format_at_once_and_again(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Each flag writes its file; `report` writes the same again from the record."""
    server = sandbox(MIXED)
    names = {name: f"r{each.suffix}" for name, each in FORMATS.items()}
    flags = [part for name, path in names.items() for part in (f"--report-{name}", path)]
    done = aftrun("apply", "m.yaml", *flags, server=server)
    assert done.code == 1, done.err
    first = {name: (tmp_path / path).read_bytes() for name, path in names.items()}
    assert ET.fromstring(first["junit"]).find(".//failure") is not None  # noqa: S314  # our own file
    assert first["tap"].startswith(b"TAP version 14")
    assert b"disk is full" in first["markdown"]
    assert b"disk is full" in first["html"]
    again = aftrun("report", *(part for name in names for part in (f"--report-{name}", f"again.{name}")))
    assert again.code == 0, again.err
    assert {name: (tmp_path / f"again.{name}").read_bytes() for name in names} == first
    assert "failed" in aftrun("report").out


def test_events_as_they_happen(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """NDJSON to a file or to standard output, every line valid, the version first, the end last."""
    server = sandbox(MIXED)
    validator = jsonschema.Draft202012Validator(json.loads(schema_text("event")))
    aftrun("apply", "m.yaml", "--events", "e.ndjson", server=server)
    done = aftrun("apply", "m.yaml", "--events", "-", server=server)
    for text in ((tmp_path / "e.ndjson").read_text(), done.out):
        lines = [json.loads(line) for line in text.splitlines()]
        for line in lines:
            validator.validate(line)
        assert lines[0]["type"] == "stream"
        assert lines[1]["type"] == "runStarted"
        assert lines[-1] == {**lines[-1], "type": "runEnded", "exitCode": 1}
    assert aftrun("apply", "m.yaml", "--events", "no/such/folder", server=server).code == 74
    assert aftrun("apply", "m.yaml", "--events", "-", "-o", "json", server=server).code == 2
    assert aftrun("apply", "m.yaml", "-o", "none", "--report-tap", "-", server=server).out.startswith("TAP version 14")


def test_one_thing_goes_to_standard_output(aftrun: Run, sandbox: Start) -> None:
    """A report that goes there goes there alone, so that a program can read it; two start nothing."""
    server = sandbox(MIXED)
    for words in (("apply", "m.yaml"), ("start", "-n", "x"), ("report",)):
        where = None if words == ("report",) else server
        json.loads(aftrun(*words, "--report-json", "-", server=where).out)
        started = len(server.jobs())
        for more in (("--report-tap", "-"), ("--report-json", "-"), ("--events", "-"), ("-o", "json")):
            if words == ("report",) and more[0] in ("--events", "-o"):
                continue  # it has no events, and prints a table only where no report is written
            done = aftrun(*words, "--report-json", "-", *more, server=where)
            assert (done.code, done.out) == (2, ""), more
            assert "standard output" in done.err
        assert len(server.jobs()) == started


def test_github_actions(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Summary, outputs and annotations at the manifest's line, from the documented variables alone."""
    server = sandbox(MIXED)
    environ = {
        "GITHUB_ACTIONS": "true",
        "CI": "true",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_WORKSPACE": str(tmp_path),
    }
    done = aftrun("apply", "m.yaml", server=server, env=environ)
    assert done.code == 1
    assert "::error file=m.yaml,line=4" in done.out
    assert "disk is full" in (tmp_path / "summary.md").read_text()
    output = (tmp_path / "output").read_text()
    assert f"run-id={done.report()['run']['id']}" in output
    assert "outcome=failed" in output
    assert "bad" in output
    quiet = aftrun("apply", "m.yaml", "--ci", "none", server=server, env=environ)
    assert "::" not in quiet.out


def test_metrics(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """A file for Prometheus' textfile collector."""
    server = sandbox(MIXED)
    assert aftrun("apply", "m.yaml", "--metrics-textfile", "aftrun.prom", server=server).code == 1
    assert 'manifest="m"' in (tmp_path / "aftrun.prom").read_text()


def test_notices(aftrun: Run, sandbox: Start, receiver: Receiver, tmp_path: Path) -> None:
    """Whom the manifest names is told of failures; one that cannot be told changes no exit code."""
    server = sandbox(MIXED)
    text = "notify: {on: [failed], urls: ['${HOOK}']}\njobs: [{scriptName: bad}]\n"
    (tmp_path / "n.yaml").write_text(text, encoding="utf-8")
    done = aftrun("apply", "n.yaml", server=server, env={"HOOK": f"json://127.0.0.1:{receiver.port}/hook"})
    assert done.code == 1, done.err
    ((path, body),) = receiver.bodies
    assert path == "/hook"
    assert "disk is full" in body.decode()
    deaf = aftrun("apply", "n.yaml", server=server, env={"HOOK": "json://127.0.0.1:1/secret-hook"})
    assert deaf.code == 1
    assert "${HOOK}" in deaf.err
    assert "secret-hook" not in deaf.err + deaf.out


def test_traces(aftrun: Run, sandbox: Start, receiver: Receiver) -> None:
    """With the standard variables set, a trace with run, jobs and requests reaches the collector."""
    server = sandbox(MIXED)
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.port}"}
    done = aftrun("apply", "m.yaml", server=server, env=environ)
    assert done.code == 1, done.err
    ((path, body),) = receiver.bodies
    assert path == "/v1/traces"
    assert b"good" in body
    assert b"GET" in body
    assert server.api_key.encode() not in body
