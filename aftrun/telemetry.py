"""A run as an OpenTelemetry trace: one span for the run, one for each job, one for each request (extra `otel`).

The trace is made from the report when the run is over, so it costs nothing while jobs run, needs no thread, and is
whole even where a run was resumed. Where it goes is for the standard variables to say
(https://opentelemetry.io/docs/specs/otel/protocol/exporter/): `OTEL_EXPORTER_OTLP_ENDPOINT`, `…_HEADERS`,
`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SDK_DISABLED`, … `TRACEPARENT` makes it part of a larger trace.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Answer, Attempt, JobResult, Json, Reply, RunReport
from aftrun.domain.past import JobPast
from aftrun.domain.text import clean, clip, one_line
from aftrun.report.facts import Kind, kind, measures, title, word

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span, Tracer

_BATCH = 512
_MISSING = 'the trace was not sent, since OpenTelemetry is not installed; install it with: pip install "aftrun[otel]"'


class JobApi(Protocol):
    """One server, as the scheduler knows it."""

    def submit(self, body: Mapping[str, Json]) -> Reply:
        """POST one job."""
        ...

    def status(self, job_id: str) -> Reply:
        """GET one job info."""
        ...


@dataclass(frozen=True, slots=True)
class Read:
    """One status read. Times are epoch seconds."""

    url: str
    job_id: str
    start: float
    end: float
    status: int | None
    """The HTTP status; None where there was no answer."""


class Reads:
    """Keeps every status read that goes through its clients; safe to use from the threads that make them."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.seen: list[Read] = []
        self._now = now

    def client(self, inner: JobApi, url: str) -> JobApi:
        """The same client, watched. Of its POSTs the report knows already, since they are events."""
        return _Watched(inner, url, self)

    def add(self, url: str, job_id: str, start: float, reply: Reply) -> None:
        """Keep one read that has just come back."""
        status = reply.status if isinstance(reply, Answer) else None
        self.seen.append(Read(url, job_id, start, self._now(), status))

    def now(self) -> float:
        """Epoch seconds."""
        return self._now()


class _Watched:
    def __init__(self, inner: JobApi, url: str, reads: Reads) -> None:
        self._inner, self._url, self._reads = inner, url, reads

    def submit(self, body: Mapping[str, Json]) -> Reply:
        return self._inner.submit(body)

    def status(self, job_id: str) -> Reply:
        start = self._reads.now()
        reply = self._inner.status(job_id)
        self._reads.add(self._url, job_id, start, reply)
        return reply

    def close(self) -> None:
        getattr(self._inner, "close", lambda: None)()


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether the environment asks for traces: it names a collector, and does not turn traces off."""
    named = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    disabled = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return bool(named) and not disabled and environ.get("OTEL_TRACES_EXPORTER", "otlp") != "none"


def send(
    report: RunReport,
    environ: Mapping[str, str],
    *,
    reads: Sequence[Read] = (),
    past: Mapping[str, JobPast] | None = None,
) -> tuple[str, ...]:
    """Send the trace of a run; returns what went wrong, a line each. Changes no outcome.

    `past` tells how the jobs fared in earlier runs, by key.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  # an extra
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415  # the same
    except ImportError:
        return (_MISSING,)
    log = logging.getLogger("opentelemetry")
    disabled, log.disabled = log.disabled, True  # it logs what we return
    child = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    level = child.level
    child.setLevel(logging.CRITICAL + 1)
    exporter = OTLPSpanExporter()
    try:
        spans = make_spans(report, environ, reads=reads, past=past)
        for start in range(0, len(spans), _BATCH):
            if exporter.export(spans[start : start + _BATCH]) is not SpanExportResult.SUCCESS:
                return ("the trace was not sent: the collector could not be reached, or refused it",)
    finally:
        exporter.shutdown()  # type: ignore[no-untyped-call]  # so the package has it
        log.disabled = disabled
        child.setLevel(level)
    return ()


def load(environ: Mapping[str, str], rehearsal: RunReport) -> None:
    """Load what sending a trace will need, by making the spans of a rehearsal."""
    import netrc  # noqa: F401, PLC0415  # `requests`, which the exporter sends with, loads it at its first request

    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  # an extra
            OTLPSpanExporter,
        )

        make_spans(rehearsal, environ)
    except ImportError:
        return  # `send` says that it is missing
    OTLPSpanExporter().shutdown()  # type: ignore[no-untyped-call]  # so the package has it


def make_spans(
    report: RunReport,
    environ: Mapping[str, str],
    *,
    reads: Sequence[Read] = (),
    past: Mapping[str, JobPast] | None = None,
) -> list[ReadableSpan]:
    """The spans of a run, children before their parents.

    Raises:
        ImportError: OpenTelemetry is not installed.
    """
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  # an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # the same
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415  # the same
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: PLC0415  # the same
        InMemorySpanExporter,
    )
    from opentelemetry.trace import SpanKind, set_span_in_context  # noqa: PLC0415  # the same
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415  # the same
        TraceContextTextMapPropagator,
    )

    own: dict[str, str] = {"service.version": report.aftrun}
    if "OTEL_SERVICE_NAME" not in environ and "service.name" not in environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        own["service.name"] = "aftrun"
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create(own), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("aftrun", report.aftrun)
    outer = TraceContextTextMapPropagator().extract({"traceparent": environ.get("TRACEPARENT", "")})
    attributes: dict[str, str | int | bool] = {
        "aftrun.run.id": report.id,
        "aftrun.outcome": report.outcome,
        "aftrun.jobs": len(report.jobs),
        "aftrun.sandbox": report.sandbox,
    }
    if report.exit_code is not None:
        attributes["aftrun.exit_code"] = report.exit_code
    span = tracer.start_span(
        f"aftrun {title(report)}",
        context=outer,
        kind=SpanKind.INTERNAL,
        attributes=attributes,
        start_time=_nanoseconds(report.started_at),
    )
    if report.exit_code:
        _fail(span, report.outcome)
    end = report.ended_at if report.ended_at is not None else _last(report)
    context = set_span_in_context(span)
    of_job: dict[tuple[str, str], list[Read]] = {}
    for read in reads:
        of_job.setdefault((read.url, read.job_id), []).append(read)
    for job in report.jobs:
        if job.started_at is not None:
            _job_spans(tracer, context, job, end, of_job, told=measures(job, (past or {}).get(job.key)))
    span.end(_nanoseconds(end))
    return list(memory.get_finished_spans())


def _job_spans(
    tracer: Tracer,
    context: Context,
    job: JobResult,
    end: float,
    reads: Mapping[tuple[str, str], Sequence[Read]],
    *,
    told: Mapping[str, float],
) -> None:
    from opentelemetry.trace import SpanKind, set_span_in_context  # noqa: PLC0415  # an extra

    start = job.started_at if job.started_at is not None else end
    span = tracer.start_span(
        f"job {one_line(job.name, 200)}",
        context=context,
        kind=SpanKind.INTERNAL,
        start_time=_nanoseconds(start),
        attributes={
            "aftrun.job.name": one_line(job.name, 500),
            "aftrun.job.manifest": one_line(job.manifest, 500),
            "aftrun.job.outcome": word(job),
            "aftrun.job.reason": job.reason,
            "aftrun.job.id": one_line(job.job_id or "", 500),
            "aftrun.job.attempts": len(job.attempts),
            "code.file.path": clean(job.origin.path),
            "code.line.number": job.origin.line,
            **{f"aftrun.job.{name}": value for name, value in told.items()},
        },
    )
    if kind(job) in (Kind.FAILURE, Kind.ERROR):
        _fail(span, job.message or word(job))
    inside = set_span_in_context(span)
    for attempt in job.attempts:
        _post_span(tracer, inside, job, attempt)
        if attempt.running_at is not None:
            span.add_event("running", {"aftrun.attempt": attempt.number}, _nanoseconds(attempt.running_at))
        for read in reads.get((job.server, attempt.job_id or ""), ()):
            _request_span(tracer, inside, "GET", job.server, (read.start, read.end), status=read.status)
    span.end(_nanoseconds(job.ended_at if job.ended_at is not None else end))


def _post_span(tracer: Tracer, context: Context, job: JobResult, attempt: Attempt) -> None:
    if attempt.submitted_at is None:
        return
    answered = attempt.accepted_at if attempt.accepted_at is not None else attempt.ended_at
    end = answered if answered is not None else attempt.submitted_at
    why = "" if attempt.accepted_at is not None else attempt.message or "no answer was seen"
    more = {"aftrun.attempt": attempt.number, "http.request.resend_count": max(0, attempt.tries - 1)}
    _request_span(tracer, context, "POST", job.server, (attempt.submitted_at, end), problem=why, more=more)


def _request_span(
    tracer: Tracer,
    context: Context,
    method: str,
    url: str,
    times: tuple[float, float],
    *,
    status: int | None = None,
    problem: str = "",
    more: Mapping[str, int] | None = None,
) -> None:
    from opentelemetry.trace import SpanKind  # noqa: PLC0415  # an extra

    place = urlsplit(url)
    attributes: dict[str, str | int] = {"http.request.method": method, "server.address": clean(place.hostname or url)}
    if place.port is not None:
        attributes["server.port"] = place.port
    if status is not None:
        attributes["http.response.status_code"] = status
    span = tracer.start_span(
        method,
        context=context,
        kind=SpanKind.CLIENT,
        start_time=_nanoseconds(times[0]),
        attributes={**attributes, **(more or {})},
    )
    if problem or (status is not None and status >= 400) or (method == "GET" and status is None):
        _fail(span, problem)
    span.end(_nanoseconds(times[1]))


def _fail(span: Span, why: str) -> None:
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415  # an extra

    span.set_status(Status(StatusCode.ERROR, clip(clean(why), 2_000) or None))


def _last(report: RunReport) -> float:
    """The last thing that was seen of a run that has not ended."""
    ends = [job.ended_at for job in report.jobs if job.ended_at is not None]
    return max([*ends, *(job.started_at for job in report.jobs if job.started_at is not None), report.started_at])


def _nanoseconds(seconds: float) -> int:
    """Whole milliseconds, as instants are kept, without what a float adds."""
    return round(seconds * 1000) * 1_000_000
