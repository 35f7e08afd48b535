"""The last run of each manifest as a file for Prometheus' textfile collector (`--metrics-textfile`).

Format: https://prometheus.io/docs/instrumenting/exposition_formats/; the collector takes no timestamps and wants the
file replaced at once (https://github.com/prometheus/node_exporter#textfile-collector). Several manifests may share one
file: what it says of others is kept, and so is the time of this one's last success.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from aftrun.domain.model import JobResult, Outcome, RunReport
from aftrun.domain.past import JobPast
from aftrun.domain.text import one_line
from aftrun.report.facts import MEASURES, PENDING, Kind, kind, measures, word

_HELP = {
    "aftrun_last_run_timestamp_seconds": "When the last run of the manifest ended.",
    "aftrun_last_run_duration_seconds": "How long the last run took, for this manifest's jobs.",
    "aftrun_last_run_success": "1 if every job of the last run ended as it should, else 0.",
    "aftrun_last_run_exit_code": "The exit code of the last run.",
    "aftrun_last_run_jobs": "Jobs of the last run by outcome.",
    "aftrun_last_run_info": "The last run: its id and outcome.",
    "aftrun_last_success_timestamp_seconds": "When the manifest's last successful run ended.",
    **{f"aftrun_job_{name}": explanation for name, explanation in MEASURES.items()},
}
_SAMPLE = re.compile(r'(aftrun_\w+)\{manifest="((?:[^"\\\n]|\\.)*)"(?:,[^\n]*)?\} (\S+)')
_LAST_SUCCESS = "aftrun_last_success_timestamp_seconds"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _sample(name: str, value: float, **labels: str) -> str:
    shown = ",".join(f"{key}={_quoted(one_line(each))}" for key, each in labels.items())
    return f"{name}{{{shown}}} {value:.3f}".removesuffix(".000")


def _well(job: JobResult) -> bool:
    if job.outcome is Outcome.SKIPPED:
        return job.reason == "notNeeded"
    return kind(job) in (Kind.PASSED, Kind.ALLOWED)


def _of(manifest: str, jobs: Iterable[JobResult], report: RunReport, past: Mapping[str, JobPast]) -> list[str]:
    jobs = tuple(jobs)
    starts = [job.started_at for job in jobs if job.started_at is not None]
    ends = [job.ended_at for job in jobs if job.ended_at is not None]
    ended = report.ended_at if report.ended_at is not None else max(ends, default=report.started_at)
    well = all(map(_well, jobs))
    counts = dict.fromkeys([*(outcome.value for outcome in Outcome), PENDING], 0)
    for job in jobs:
        counts[word(job)] += 1
    took = max(0.0, max(ends) - min(starts)) if starts and ends else 0.0
    lines = [
        _sample("aftrun_last_run_timestamp_seconds", ended, manifest=manifest),
        _sample("aftrun_last_run_duration_seconds", took, manifest=manifest),
        _sample("aftrun_last_run_success", int(well), manifest=manifest),
        *(_sample("aftrun_last_run_jobs", count, manifest=manifest, outcome=name) for name, count in counts.items()),
        _sample("aftrun_last_run_info", 1, manifest=manifest, run=report.id, outcome=report.outcome),
        *(
            _sample(f"aftrun_job_{name}", value, manifest=manifest, job=job.name)
            for job in jobs
            for name, value in measures(job, past.get(job.key)).items()
        ),
    ]
    if report.exit_code is not None:
        lines.append(_sample("aftrun_last_run_exit_code", report.exit_code, manifest=manifest))
    if well:
        lines.append(_sample(_LAST_SUCCESS, ended, manifest=manifest))
    return lines


def render(report: RunReport, previous: str = "", past: Mapping[str, JobPast] | None = None) -> str:
    """The new text of the file; `previous` is its old one, of which foreign lines are dropped.

    `past` tells how the jobs fared in earlier runs, by key.
    """
    manifests: dict[str, list[JobResult]] = {}
    for job in report.jobs:
        manifests.setdefault(job.manifest, []).append(job)
    lines = [line for name, jobs in manifests.items() for line in _of(name, jobs, report, past or {})]
    names = {_quoted(one_line(name))[1:-1] for name in manifests}
    succeeded = {match[2] for line in lines if (match := _SAMPLE.fullmatch(line)) and match[1] == _LAST_SUCCESS}
    for line in previous.splitlines():
        match = _SAMPLE.fullmatch(line)
        if match is None or match[1] not in _HELP:
            continue
        if match[2] not in names or (match[1] == _LAST_SUCCESS and match[2] not in succeeded):
            lines.append(line)
    text = []
    for name, explanation in _HELP.items():
        samples = sorted({line for line in lines if line.startswith(name + "{")})
        if samples:
            text += [f"# HELP {name} {explanation}", f"# TYPE {name} gauge", *samples]
    return "\n".join(text) + "\n" if text else ""
