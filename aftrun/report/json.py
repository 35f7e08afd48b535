"""`report.json`: everything that was seen of a run, for programs. Its shape is `schemas/report.schema.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator

from aftrun.domain.digits import exact_json, has_digits, line_json
from aftrun.domain.events import instant
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.model import Attempt, Earlier, JobResult, Json, RunReport, Settlement
from aftrun.domain.text import camel

VERSION = 1
_INDENTED = 100
"""Jobs of a report that is indented all through."""


def _at(value: float | None) -> str | None:
    return None if value is None else instant(value)


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _attempt(attempt: Attempt) -> dict[str, Json]:
    return {
        "number": attempt.number,
        "outcome": None if attempt.outcome is None else attempt.outcome.value,
        "reason": attempt.reason or None,
        "jobId": attempt.job_id,
        "state": attempt.state or None,
        "exitCode": attempt.exit_code,
        "message": attempt.message,
        "request": dict(attempt.request),
        "tries": attempt.tries,
        "submittedAt": _at(attempt.submitted_at),
        "acceptedAt": _at(attempt.accepted_at),
        "runningAt": _at(attempt.running_at),
        "endedAt": _at(attempt.ended_at),
        "serverStartedAt": _at(attempt.server_started_at),
        "serverEndedAt": _at(attempt.server_ended_at),
    }


def _earlier(found: Earlier | None) -> dict[str, Json] | None:
    if found is None:
        return None
    return {"run": found.run, "attempt": found.attempt, "action": found.action, "since": _at(found.since)}


def _verdict(found: tuple[str, int] | None) -> dict[str, Json] | None:
    return None if found is None else {"outcome": found[0], "exitCode": found[1]}


def _settled(found: Settlement | None) -> dict[str, Json] | None:
    if found is None:
        return None
    return {"outcome": found.outcome.value, "at": instant(found.at), "by": found.by, "note": found.note}


def _job(job: JobResult) -> dict[str, Json]:
    return {
        "name": job.name,
        "manifest": job.manifest,
        **{camel(name): list(value) if isinstance(value, tuple) else value for name, value in job.about().items()},
        "file": job.origin.path,
        "line": job.origin.line,
        "server": job.server,
        "request": dict(job.request),
        "outcome": None if job.outcome is None else job.outcome.value,
        "reason": job.reason or None,
        "phase": job.phase,
        "allowFailure": job.allow_failure,
        "jobId": job.job_id,
        "message": job.message,
        "needs": list(job.needs),
        "outputs": dict(job.outputs),
        "once": job.once or None,
        "earlier": _earlier(job.earlier),
        "settled": _settled(job.settled),
        "startedAt": _at(job.started_at),
        "endedAt": _at(job.ended_at),
        "durationSeconds": _seconds(job.duration),
        "tookSeconds": _seconds(job.took),
        "attempts": [_attempt(attempt) for attempt in job.attempts],
    }


def to_data(report: RunReport, whole: RunReport | None = None) -> dict[str, Json]:
    """The report as plain data. Jobs stand in manifest order; what was not seen is null.

    `whole` is the report that the summary is of, where this one has lost some of its jobs.
    """
    all_of_it = report if whole is None else whole
    return {
        "version": VERSION,
        "run": {
            "id": report.id,
            "outcome": report.outcome,
            "exitCode": report.exit_code,
            "startedAt": instant(report.started_at),
            "endedAt": _at(report.ended_at),
            "durationSeconds": _seconds(report.duration),
            "manifests": [{"path": file.path, "sha256": file.sha256, "name": file.name} for file in report.manifests],
            "aftrun": report.aftrun,
            "git": dict(report.git) or None,
            "sandbox": report.sandbox,
            "settled": _verdict(report.settled),
            "warnings": list(report.warnings),
        },
        "summary": {"total": len(all_of_it.jobs), **all_of_it.counts()},
        "jobs": [_job(job) for job in report.jobs],
    }


@dataclass(frozen=True, slots=True)
class Text:
    """The report as JSON, piece by piece: all of it at once would take more memory than all of the run.

    Indented once the run has ended, with a line a job if it has many. Until then it is written again and again,
    mostly for programs, and indenting takes longer than all the rest.
    """

    report: RunReport

    def __iter__(self) -> Iterator[str]:
        report = self.report
        indent = None if report.ended_at is None else 2
        if len(report.jobs) <= _INDENTED:
            exact = any(has_digits(job.request) for job in report.jobs)
            yield (exact_json if exact else json.dumps)(to_data(report), indent=indent, ensure_ascii=False)
        else:
            head = json.dumps(to_data(replace(report, jobs=()), report), indent=indent, ensure_ascii=False)
            before, _, behind = head.rpartition("[]")
            yield before
            for number, job in enumerate(report.jobs):
                yield ",\n    " if number else "[\n    "
                yield line_json(_job(job), job.request)
            yield f"\n  ]{behind}"
        yield "\n"


def render(report: RunReport) -> str:
    """All of that text."""
    return "".join(Text(report))
