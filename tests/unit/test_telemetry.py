"""Traces, really received by a server as OTLP."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from aftrun.domain.model import Answer, Failure, FailureKind, Reply
from aftrun.telemetry import Read, Reads, send, wanted
from tests.unit.receiver import Receiver, receiver
from tests.unit.report_samples import START, big, nasty, run, sample

SERVER = "https://aft.example.com:44399"


def spans(server: Receiver) -> tuple[list[Any], dict[str, str]]:
    """The spans that were received, and what was said of the process."""
    found, resource = [], {}
    for received in server.received:
        assert received.path == "/v1/traces"
        request = ExportTraceServiceRequest()
        request.ParseFromString(received.body)
        for each in request.resource_spans:
            resource = {pair.key: pair.value.string_value for pair in each.resource.attributes}
            found += [span for scope in each.scope_spans for span in scope.spans]
    return found, resource


def attributes(span: Any) -> dict[str, Any]:
    """A span's attributes as plain values."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}


def sent(monkeypatch: pytest.MonkeyPatch, report: Any, reads: tuple[Read, ...] = (), **environ: str) -> Any:
    """Send a report's trace to a receiver, which gives back what it got."""
    with receiver() as server:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, **environ}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        assert wanted(environ)
        assert send(report, environ, reads=reads) == ()
    return spans(server)


def test_one_trace_with_a_span_for_run_jobs_and_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested, with their times to the millisecond."""
    reads = (
        Read(SERVER, "7", START + 31.0, START + 31.1, 200),
        Read(SERVER, "6", START + 5.0, START + 5.1, None),
        Read("https://elsewhere", "7", START, START, 200),
    )
    found, resource = sent(monkeypatch, sample(), reads)
    assert len({span.trace_id for span in found}) == 1
    (root,) = [span for span in found if not span.parent_span_id]
    assert root.name == "aftrun nightly"
    assert attributes(root)["aftrun.exit_code"] == 6
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (int(START) * 10**9, int(START + 125) * 10**9)
    jobs = {span.name: span for span in found if span.parent_span_id == root.span_id}
    assert len(jobs) == 9, "all but the three that were never sent"
    extract = jobs["job extract"]
    assert attributes(extract)["aftrun.job.id"] == "7"
    assert attributes(extract)["aftrun.job.duration_seconds"] == 31.8
    assert attributes(jobs["job load[eu]"])["aftrun.job.failed_ratio"] == 1.0
    assert extract.end_time_unix_nano - extract.start_time_unix_nano == 62 * 10**9
    inside = [span for span in found if span.parent_span_id == extract.span_id]
    assert sorted(span.name for span in inside) == ["GET", "GET", "POST", "POST"]
    post = next(span for span in inside if span.name == "POST")
    assert attributes(post)["server.address"] == "aft.example.com"
    assert post.end_time_unix_nano - post.start_time_unix_nano == 200_000_000
    codes = {
        attributes(span).get("http.response.status_code"): span.status.code for span in inside if span.name == "GET"
    }
    assert codes == {200: 0, None: 2}, "a read without an answer is an error"
    assert jobs["job load[eu]"].status.code == 2
    assert jobs["job load[eu]"].status.message == "exit code 3: no such file"
    assert jobs["job flaky"].status.code == 0
    assert (resource["service.name"], resource["service.version"]) == ("aftrun", "0.1.0")


def test_the_standard_variables_are_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the service, headers, and the trace that this run is part of."""
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with receiver() as server:
        environ = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{server.url}/v1/traces",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=night",
            "OTEL_SERVICE_NAME": "transfers",
            "TRACEPARENT": f"00-{trace}-{parent}-01",
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        assert send(sample(), environ) == ()
    found, resource = spans(server)
    assert server.received[0].headers["x-tenant"] == "night"
    assert resource["service.name"] == "transfers"
    assert {span.trace_id.hex() for span in found} == {trace}
    assert parent in {span.parent_span_id.hex() for span in found}


def test_thousands_of_jobs_arrive_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them with its POST."""
    found, _ = sent(monkeypatch, big(1_000))
    assert len(found) == 1 + 2 * 1_000


def test_nasty_names_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protocol buffers want text that is Unicode."""
    found, _ = sent(monkeypatch, nasty())
    assert any(span.name == "job 0 <script>alert(1)</script>" for span in found)


def test_an_unreachable_collector_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """And that is all."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "0.3"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert send(run(), environ) == ("the trace was not sent: the collector could not be reached, or refused it",)


def test_without_opentelemetry_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    (problem,) = send(run(), {})
    assert 'pip install "aftrun[otel]"' in problem


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
    ],
)
def test_traces_are_sent_where_a_collector_is_named(environ: dict[str, str], expected: bool) -> None:
    """And nowhere else."""
    assert wanted(environ) is expected


def test_status_reads_are_kept_as_they_pass_through() -> None:
    """The replies are handed on untouched."""

    class Inner:
        def submit(self, body: Any) -> Reply:
            return Answer(201, message=str(body))

        def status(self, job_id: str) -> Reply:
            if job_id == "1":
                return Answer(200)
            return Failure(FailureKind.LOST, sent=True, message="reset")

    times = iter([1.0, 1.5, 2.0, 2.25])
    reads = Reads(lambda: next(times))
    door = reads.client(Inner(), "https://h")
    assert door.submit({"a": 1}) == Answer(201, message="{'a': 1}")
    assert door.status("1") == Answer(200)
    assert isinstance(door.status("2"), Failure)
    assert reads.seen == [Read("https://h", "1", 1.0, 1.5, 200), Read("https://h", "2", 2.0, 2.25, None)]
