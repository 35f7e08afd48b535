"""JUnit XML, the one format that every CI reads. One test suite a manifest, one test case a job.

A job's bad end is a `<failure>` where it is about what the job did (failed, cancelled, a condition of `expect`), and
an `<error>` where aftrun could not do its part (rejected, undelivered, timed out, unknown, not ended). What
`allowFailure` forgives is `<skipped type="allowedFailure">`, since the format knows no "failed, but that is fine".

Jenkins' xUnit plugin drops a whole file that does not fit its schema (junit-10.xsd), and that schema has no
properties of a test case. So they stand in the suite, as `NAME.id` and `NAME.server`, and in the case's `<system-out>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from aftrun.domain.events import instant
from aftrun.domain.model import JobResult, RunReport
from aftrun.domain.text import clean, clip, joined, one_line
from aftrun.report.facts import Kind, about, hosts, kind, labels, title, word

_MESSAGE = 1_000
"""Characters of a message in an attribute; the element's text has all of it."""


def _attributes(**values: str | float | None) -> str:
    shown = {
        name: f"{value:.3f}" if isinstance(value, float) else str(value)
        for name, value in values.items()
        if value is not None
    }
    return "".join(f" {name}={quoteattr(clean(text))}" for name, text in shown.items())


def _verdict(job: JobResult) -> list[str]:
    """The element that says how a job ended; none where it went well."""
    found = kind(job)
    if found is Kind.PASSED:
        return []
    reason = job.reason or word(job)
    message = clip(one_line(f"{word(job)}: {joined(job.message)}" if job.message else word(job)), _MESSAGE)
    if found in (Kind.SKIPPED, Kind.ALLOWED):
        if found is Kind.ALLOWED:
            reason, message = "allowedFailure", f"allowed to fail: {message}"
        attributes = _attributes(type=reason, message=message)
        return [f"      <skipped{attributes}/>"]
    text = "\n".join(part for part in (clean(job.message), f"at {clean(str(job.origin))}") if part)
    return [f"      <{found.value}{_attributes(type=reason, message=message)}>{escape(text)}</{found.value}>"]


def _case(job: JobResult, label: str) -> list[str]:
    facts = [f"outcome: {word(job)}", f"server: {job.server}", f"manifest: {job.origin}"]
    facts += [f"job id: {attempt.job_id}" for attempt in job.attempts if attempt.job_id is not None]
    facts += [f"{name.removesuffix('s')}: {text}" for name, texts in about(job) for text in texts]
    attributes = _attributes(name=label, classname=one_line(job.manifest), time=float(job.took or 0))
    return [
        f"    <testcase{attributes}>",
        *_verdict(job),
        f"      <system-out>{escape(clean(chr(10).join(facts)))}</system-out>",
        "    </testcase>",
    ]


def _counts(jobs: Sequence[JobResult]) -> dict[str, int]:
    kinds = [kind(job) for job in jobs]
    return {"tests": len(jobs), "failures": kinds.count(Kind.FAILURE), "errors": kinds.count(Kind.ERROR)}


def _suite(name: str, jobs: Sequence[tuple[JobResult, str]], report: RunReport) -> list[str]:
    plain = [job for job, _ in jobs]
    starts = [job.started_at for job in plain if job.started_at is not None]
    ends = [job.ended_at for job in plain if job.ended_at is not None]
    properties = [("run", report.id), ("aftrun", report.aftrun)]
    properties += [("sandbox", "true")] if report.sandbox else []
    properties += [(f"git.{key}", value) for key, value in report.git]
    for job, label in jobs:
        properties += [(f"{label}.server", job.server)]
        properties += [(f"{label}.id", job.job_id)] if job.job_id is not None else []
    attributes = _attributes(
        name=one_line(name),
        **_counts(plain),
        skipped=sum(kind(job) in (Kind.SKIPPED, Kind.ALLOWED) for job in plain),
        time=max(0.0, max(ends) - min(starts)) if starts and ends else 0.0,
        timestamp=instant(min(starts, default=report.started_at)),
        hostname=hosts(plain),
    )
    return [
        f"  <testsuite{attributes}>",
        "    <properties>",
        *(f"      <property{_attributes(name=key, value=one_line(value))}/>" for key, value in properties),
        "    </properties>",
        *(line for job, label in jobs for line in _case(job, label)),
        "  </testsuite>",
    ]


def render(report: RunReport) -> str:
    """The report as JUnit XML, UTF-8, with a newline at the end."""
    suites: dict[str, list[tuple[JobResult, str]]] = {}
    for job, label in zip(report.jobs, labels(report), strict=True):
        suites.setdefault(job.manifest, []).append((job, label))
    attributes = _attributes(name=title(report), **_counts(report.jobs), time=report.duration)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites{attributes}>",
        *(line for name, jobs in suites.items() for line in _suite(name, jobs, report)),
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"
