"""What all CI servers have in common: which jobs to point at, and what the module of each has to hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from aftrun.domain.frozen import dataclass
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
    """Empty where the job stands in no file."""
    line: int
    column: int
    allowed: bool
    """A bad end that `allowFailure` forgives: a warning, not an error."""

    def place(self, file: str, line: str, column: str) -> dict[str, str | int]:
        """Where the job stands, under these names; empty where it stands in no file."""
        return {file: self.path, line: self.line, column: self.column} if self.path else {}

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
            path=clean(locate(job.origin.path)) if job.origin.in_file else "",
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


@dataclass(frozen=True, slots=True)
class CiFile:
    """A file that a server reads when the step has ended."""

    path: Path
    text: str
    variable: str = ""
    """Of the environment: what names the file, which is added to. Empty: aftrun's own file, written as a whole."""


class CiServer(Protocol):
    """What `report/ci_NAME.py` holds for the CI server of that name."""

    ROOT: str
    """The variable that names the root of the checkout; empty: none is needed."""

    def opening(self, title: str, at: float) -> str:
        """What begins a part of the log that can be folded. `at` is epoch seconds."""
        ...

    def closing(self, title: str, at: float) -> str:
        """What ends it."""
        ...

    def files(self, report: RunReport, environ: Mapping[str, str], run_folder: Path) -> tuple[CiFile, ...]:
        """The files to write."""
        ...

    def result(self, report: RunReport, locate: Locate = as_is, written: tuple[Path, ...] = ()) -> tuple[str, ...]:
        """The lines to print; `written` are the files that could be written."""
        ...


def server(name: str) -> CiServer:
    """The module of the CI server of that name."""
    return cast("CiServer", import_module(f"aftrun.report.ci_{name}"))
