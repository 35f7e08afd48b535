"""Many runs as data for programs: JSON and CSV. Pure, as all formats are."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from aftrun.domain.events import instant
from aftrun.domain.model import Json
from aftrun.domain.past import End, JobPast, RunPast
from aftrun.domain.text import one_line


def run_data(run: RunPast) -> dict[str, Json]:
    """A run as an element of `history --format json`."""
    return {
        "id": run.id,
        "startedAt": instant(run.started_at),
        "endedAt": None if run.ended_at is None else instant(run.ended_at),
        "outcome": run.outcome,
        "exitCode": run.exit_code,
        "manifests": list(run.manifests),
        "jobs": run.jobs,
        "counts": dict(run.counts),
        "notSucceeded": list(run.bad),
        "retryOf": run.retry_of,
        "sandbox": run.sandbox,
    }


def _end_data(job: JobPast, end: End) -> dict[str, Json]:
    return {
        "run": end.run,
        "startedAt": instant(job.starts[end.run]),
        "outcome": end.outcome,
        "seconds": end.seconds,
        "message": job.causes.get(end.run, ""),
    }


def job_data(job: JobPast) -> dict[str, Json]:
    """A job as an element of `history JOB --format json`; its ends, the newest first."""
    last = job.last_failure
    return {
        "manifest": job.manifest,
        "job": job.name,
        "sandbox": job.sandbox,
        "runs": len(job.tried),
        "failed": len(job.failures),
        "unknown": len(job.unknown),
        "failureRate": None if job.failure_rate is None else round(job.failure_rate, 4),
        "p50Seconds": job.p50,
        "p95Seconds": job.p95,
        "slower": None if job.slower is None else {"seconds": job.slower[0], "usualSeconds": job.slower[1]},
        "flaky": job.flaky,
        "strip": job.strip,
        "lastFailure": None if last is None else _end_data(job, last),
        "attention": [{"concern": note.concern.value, "text": note.text} for note in job.notes],
        "ends": [_end_data(job, end) for end in reversed(job.ends)],
    }


def _cell(value: Json) -> str:
    """A cell that a spreadsheet takes for text: a name that begins with `=` would be a formula there."""
    if value is None:
        return ""
    text = one_line(str(value))
    return f"'{text}" if isinstance(value, str) and text[:1] in {"=", "+", "-", "@"} else text


def _csv(header: Sequence[str], rows: Iterable[Sequence[Json]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return file.getvalue()


def runs_csv(runs: Iterable[RunPast]) -> str:
    """One line a run."""
    header = ("run", "startedAt", "endedAt", "outcome", "exitCode", "manifests", "jobs", "notSucceeded", "sandbox")
    rows = (
        (
            run.id,
            instant(run.started_at),
            None if run.ended_at is None else instant(run.ended_at),
            run.outcome,
            run.exit_code,
            ", ".join(run.manifests),
            run.jobs,
            ", ".join(run.bad),
            str(run.sandbox).lower(),
        )
        for run in runs
    )
    return _csv(header, rows)


def ends_csv(jobs: Iterable[JobPast]) -> str:
    """One line for each end of each job, the newest first."""
    header = ("manifest", "job", "run", "startedAt", "outcome", "seconds", "message")
    rows = (
        (
            job.manifest,
            job.name,
            end.run,
            instant(job.starts[end.run]),
            end.outcome,
            end.seconds,
            job.causes.get(end.run),
        )
        for job in jobs
        for end in reversed(job.ends)
    )
    return _csv(header, rows)
