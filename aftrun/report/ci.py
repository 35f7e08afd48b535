"""What all CI servers have in common: which jobs to point at, and keeping text of strangers from giving commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aftrun.domain.model import JobResult, RunReport
from aftrun.domain.text import clean, clip
from aftrun.report.facts import Kind, kind, labels, word

Locate = Callable[[str], str]
"""Turns a manifest's path into what the CI server calls that file."""

_MESSAGE = 4_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One job to point at, in its manifest."""

    label: str
    outcome: str
    message: str
    path: str
    line: int
    column: int
    allowed: bool
    """A bad end that `allowFailure` forgives: a warning, not an error."""

    @property
    def text(self) -> str:
        """What to say of it: `load failed: exit code 3`."""
        return f"{self.label} {self.outcome}: {self.message}" if self.message else f"{self.label} {self.outcome}"


def as_is(path: str) -> str:
    """The `Locate` that changes nothing."""
    return path


def findings(report: RunReport, locate: Locate = as_is) -> tuple[Finding, ...]:
    """The jobs that did not end well, in manifest order; forgiven ones come last."""

    def finding(job: JobResult, label: str) -> Finding:
        allowed = kind(job) is Kind.ALLOWED
        return Finding(
            label=clip(label, 200),
            outcome=f"{word(job)}, which is allowed" if allowed else word(job),
            message=clip(clean(job.message), _MESSAGE),
            path=clean(locate(job.origin.path)),
            line=job.origin.line,
            column=job.origin.column,
            allowed=allowed,
        )

    found = [
        finding(job, label)
        for job, label in zip(report.jobs, labels(report), strict=True)
        if kind(job) in (Kind.FAILURE, Kind.ERROR, Kind.ALLOWED)
    ]
    return tuple(sorted(found, key=lambda each: each.allowed))
