"""TAP version 14, the Test Anything Protocol: one test point a job, details as YAML.

See https://testanything.org/tap-version-14-specification.html. A skipped job is `ok … # SKIP why`; a bad end that
`allowFailure` forgives is `not ok … # TODO allowed to fail`, which a harness does not count.
"""

from __future__ import annotations

import json

from aftrun.domain.events import instant
from aftrun.domain.model import JobResult, Json, RunReport
from aftrun.domain.text import clean, one_line
from aftrun.report.facts import Kind, first_line, kind, labels, summary, title, word


def _text(text: str) -> str:
    r"""Text in a description or directive: `\` and `#` are the two characters that mean something there."""
    return one_line(text).replace("\\", "\\\\").replace("#", "\\#")


def _directive(job: JobResult) -> str:
    match kind(job):
        case Kind.SKIPPED:
            return f" # SKIP {_text(first_line(job, 200) or 'skipped')}"
        case Kind.ALLOWED:
            return f" # TODO allowed to fail: {_text(word(job))}"
        case _:
            return ""


def _details(job: JobResult) -> list[str]:
    facts: dict[str, Json] = {
        "outcome": word(job),
        "message": clean(job.message) or None,
        "reason": job.reason or None,
        "manifest": clean(job.manifest),
        "at": clean(str(job.origin)),
        "server": clean(job.server),
        "jobId": None if job.job_id is None else clean(job.job_id),
        "startedAt": None if job.started_at is None else instant(job.started_at),
        "durationSeconds": None if job.duration is None else round(job.duration, 3),
    }
    # JSON is YAML, and leaves a reader of YAML nothing to guess.
    lines = [f"  {key}: {json.dumps(value)}" for key, value in facts.items() if value is not None]
    return ["  ---", *lines, "  ..."]


def render(report: RunReport) -> str:
    """The report as TAP 14, with a newline at the end."""
    lines = ["TAP version 14", f"1..{len(report.jobs)}", f"# {title(report)}, run {report.id}"]
    for number, (job, label) in enumerate(zip(report.jobs, labels(report), strict=True), 1):
        good = kind(job) in (Kind.PASSED, Kind.SKIPPED)
        lines.append(f"{'ok' if good else 'not ok'} {number} - {_text(label)}{_directive(job)}")
        lines.extend(_details(job))
    lines.append(f"# {summary(report)}")
    return "\n".join(lines) + "\n"
