"""What comes of a run beside its table."""

from __future__ import annotations

import json
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from aftrun.cli.view import outputs
from aftrun.cli.view.outputs import notify, trace, write_metrics, write_reports
from aftrun.domain.model import Manifest, Notify, Outcome
from aftrun.domain.secrets import Scrubber
from aftrun.domain.values import Outside, Template
from aftrun.report.registry import FORMATS
from tests.unit.receiver import receiver
from tests.unit.report_samples import job, run, sample

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def test_every_format_is_written_to_every_path(tmp_path: Path) -> None:
    """By the registry, in one go."""
    paths = {name: [tmp_path / "a" / f"r{each.suffix}", tmp_path / f"r{each.suffix}"] for name, each in FORMATS.items()}
    assert write_reports(sample(), paths) == []
    starts = {"json": "{", "junit": "<?xml", "html": "<!doctype html>", "markdown": "## ❌", "tap": "TAP version 14"}
    for name, places in paths.items():
        for path in places:
            text = path.read_text(encoding="utf-8")
            assert text.startswith(starts.get(name, ""))
            assert text.endswith("\n")


def test_one_that_fails_keeps_no_other_from_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a folder that is a file, nor a package that is missing."""
    (tmp_path / "file").write_text("")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    paths = {"html": [tmp_path / "r.html"], "tap": [tmp_path / "file" / "r.tap"], "json": [tmp_path / "r.json"]}
    errors = write_reports(sample(), paths)
    assert [str(error).split(": ")[0] for error in errors] == [
        "the HTML report needs Jinja2",
        f"cannot write {paths['tap'][0]}",
    ]
    assert (tmp_path / "r.json").exists()


def test_metrics_are_brought_up_to_date(tmp_path: Path) -> None:
    """What the file says of others is kept."""
    path = tmp_path / "aftrun.prom"
    assert write_metrics(run(job("a", manifest="weekly")), path) == []
    assert write_metrics(sample(), path) == []
    text = path.read_text()
    assert 'aftrun_last_run_success{manifest="weekly"} 1' in text
    assert 'aftrun_last_run_success{manifest="nightly"} 0' in text
    (error,) = write_metrics(sample(), path / "below")
    assert "cannot write" in error.message


def manifest(*urls: str | Template) -> Manifest:
    """A manifest that wants these told of failures."""
    return Manifest("nightly", "n.yaml", (), notify=Notify(urls, (Outcome.FAILED,)))


def test_the_manifests_recipients_are_told() -> None:
    """Values from outside are filled in at the last moment, and never shown."""
    outside = Outside("env", "HOOK", "${HOOK}")
    with receiver() as server, receiver(status=500) as broken:
        url = server.url.replace("http://", "json://") + "/t0ken-t0ken"
        wanted = manifest(Template((outside,), "${HOOK}"), broken.url.replace("http://", "json://") + "/t0ken-t0ken")
        problems = notify(sample(), [wanted], {outside.key: url}, Scrubber({url}))
    assert json.loads(server.received[0].body)["title"] == "nightly: 3 of 12 jobs failed"
    assert len(problems) == 1
    assert problems[0].startswith("json://… could not be notified")
    assert "t0ken" not in problems[0]


def test_nobody_hears_of_a_sandbox_or_of_what_was_not_asked_for() -> None:
    """A trial run must wake nobody."""
    with receiver() as server:
        url = server.url.replace("http://", "json://")
        assert notify(replace(sample(), sandbox=True), [manifest(url)], {}, Scrubber()) == ()
        assert notify(run(job("a")), [manifest(url)], {}, Scrubber()) == ()
        assert notify(sample(), [manifest()], {}, Scrubber()) == ()
    assert server.received == []


def test_a_trace_is_sent_where_a_collector_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """And OpenTelemetry is not even imported where none is."""
    monkeypatch.delitem(sys.modules, "aftrun.telemetry", raising=False)
    assert trace(sample(), {}) == ()
    assert "aftrun.telemetry" not in sys.modules
    with receiver() as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        assert trace(sample(), {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url}) == ()
        assert trace(sample(), {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_SDK_DISABLED": "true"}) == ()
    assert len(server.received) == 1


def test_who_never_answers_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither with a notice nor with a trace: the run is over, and its exit code is waited for."""
    monkeypatch.setattr(outputs, "NOTICE", 0.0)
    monkeypatch.setattr(outputs, "TRACE", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        hook = Outside("env", "HOOK", "${HOOK}")
        wanted = [manifest(Template((hook,), "${HOOK}"))]
        told = notify(sample(), wanted, {hook.key: f"json://{place}"}, Scrubber())
        assert told == ("${HOOK} may not have been notified: it had not answered after 0s",)
        told = trace(sample(), {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{place}"})
        assert told == ("the trace may not have been sent: the collector had not answered after 0s",)
