"""What several report formats say of a job or a run, worked out in one place."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from urllib.parse import urlsplit

from aftrun.domain.durations import human_duration
from aftrun.domain.jobnames import job_labels
from aftrun.domain.model import JobResult, Outcome, RunReport
from aftrun.domain.past import RECENT, JobPast, Verdict, median, verdict
from aftrun.domain.text import one_line

PENDING = "pending"
"""The word for a job that has not ended, beside the outcomes."""


class Kind(StrEnum):
    """How a job counts, in the terms of test reports."""

    PASSED = "passed"
    FAILURE = "failure"
    """What the job did: it failed, a condition of `expect` did not hold, or somebody cancelled it."""
    ERROR = "error"
    """What aftrun could not do: create the job, deliver the request, see the end."""
    SKIPPED = "skipped"
    ALLOWED = "allowed"
    """A bad end that `allowFailure` forgives."""


_KINDS = {
    Outcome.SUCCEEDED: Kind.PASSED,
    Outcome.SUBMITTED: Kind.PASSED,
    Outcome.UP_TO_DATE: Kind.PASSED,
    Outcome.FAILED: Kind.FAILURE,
    Outcome.CANCELLED: Kind.FAILURE,
    Outcome.REJECTED: Kind.ERROR,
    Outcome.UNDELIVERED: Kind.ERROR,
    Outcome.TIMED_OUT: Kind.ERROR,
    Outcome.UNKNOWN: Kind.ERROR,
    Outcome.SKIPPED: Kind.SKIPPED,
}


def kind(job: JobResult) -> Kind:
    """How the job counts. One that has not ended is an error: nobody saw it succeed."""
    outcome = job.verdict
    if outcome is None:
        return Kind.ERROR
    found = _KINDS[outcome]
    if job.allow_failure and found in (Kind.FAILURE, Kind.ERROR) and outcome is not Outcome.UNKNOWN:
        return Kind.ALLOWED
    return found


def word(job: JobResult) -> str:
    """The job's outcome, or `pending`."""
    return PENDING if job.outcome is None else job.outcome.value


def about(job: JobResult) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What a job says of itself beside its description: each thing by its name, as one text or several."""
    said = {name: value for name, value in job.about().items() if name != "description" and value}
    return tuple((name, value if isinstance(value, tuple) else (value,)) for name, value in said.items())


def labels(report: RunReport) -> tuple[str, ...]:
    """The label of each job, in order, fit to show. All different."""
    seen: set[str] = set()
    result = []
    for label in map(one_line, job_labels([(job.manifest, job.name) for job in report.jobs])):
        base, number = label, 1
        while label in seen:  # two names can differ in what is not seen only
            number += 1
            label = f"{base} ({number})"  # noqa: PLW2901  # the same job's
        seen.add(label)
        result.append(label)
    return tuple(result)


def title(report: RunReport) -> str:
    """What the run is called: the names of its manifests."""
    names = dict.fromkeys(one_line(file.name or file.path) for file in report.manifests)
    names = names or dict.fromkeys(one_line(job.manifest) for job in report.jobs)
    return ", ".join(names) or report.id


def summary(report: RunReport) -> str:
    """The run in one line: `9 jobs in 2m5s: 8 succeeded, 1 failed`."""
    total = len(report.jobs)
    counts = ", ".join(f"{count} {name}" for name, count in report.counts().items() if count)
    took = "" if report.duration is None else f" in {human_duration(report.duration)}"
    return f"{total} job{'' if total == 1 else 's'}{took}: {counts or 'nothing to do'}"


def hosts(jobs: Sequence[JobResult]) -> str:
    """The hosts of the servers that the jobs ran on, `aft.example.com:44399, …`."""
    return ", ".join(dict.fromkeys(one_line(urlsplit(job.server).netloc or job.server) for job in jobs))


def first_line(job: JobResult, limit: int = 0) -> str:
    """The cause, without its remedy."""
    return one_line(job.message.partition("\n")[0], limit)


MEASURES = {
    "duration_seconds": "How long the job took, from the acceptance of its last attempt to its end.",
    "usual_duration_seconds": "The median of its newest successes before this run.",
    "failed_ratio": "Which share of its newest ends failed, this run's among them.",
}
"""What Prometheus (`aftrun_job_NAME`) and OpenTelemetry (`aftrun.job.NAME`) are told of a job, by name."""


def measures(job: JobResult, earlier: JobPast | None) -> dict[str, float]:
    """The measures of a job that are known, by name; `earlier` is how it fared in the runs before."""
    found: dict[str, float] = {}
    took = job.took
    if took is not None:
        found["duration_seconds"] = round(took, 3)
    times = () if earlier is None else earlier.seconds[-RECENT:]
    if times:
        found["usual_duration_seconds"] = round(median(times), 3)
    ends = [] if earlier is None else [verdict(end.outcome) for end in earlier.tried]
    ends += [] if job.outcome is None else [verdict(job.outcome.value)]
    known = [each for each in ends if each is not Verdict.NONE][-RECENT:]
    if known:
        found["failed_ratio"] = round(sum(each is Verdict.BAD for each in known) / len(known), 4)
    return found
