"""The result of a run as a table for a terminal."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from aftrun.cli.view.progress import COLOURS, LONG, MARKS, paint
from aftrun.domain.durations import human_duration
from aftrun.domain.instants import at_zone
from aftrun.domain.model import JobResult, Outcome, RunReport
from aftrun.domain.text import joined, one_line
from aftrun.report.facts import labels


def width(text: str) -> int:
    """Terminal columns that a text takes: wide East Asian characters two, combining ones none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def fit(text: str, columns: int) -> str:
    """The text, cut to so many columns with an ellipsis where it is longer, and padded where it is shorter."""
    if width(text) > columns:
        kept = ""
        for char in text:
            if width(kept + char) > columns - 1:
                break
            kept += char
        text = kept + "…"
    return text + " " * (columns - width(text))


def rows_to_text(header: Sequence[str], rows: Sequence[Sequence[str]], *, limit: int = 48) -> list[list[str]]:
    """Header and rows with every column as wide as its widest cell, but no wider than `limit`. The last is free."""
    columns = [min(limit, max(width(row[number]) for row in [header, *rows])) for number in range(len(header) - 1)]
    return [
        [*(fit(cell, column) for cell, column in zip(row, columns, strict=False)), row[-1]] for row in [header, *rows]
    ]


def _outcome(job: JobResult) -> str:
    word = job.outcome.value if job.outcome is not None else f"({job.phase})"
    if job.settled is not None:
        return f"{word}, {job.settled.outcome.value}"
    return f"{word}, allowed" if job.allow_failure and MARKS.get(job.outcome or Outcome.SKIPPED) == "FAIL" else word


def _usual(job: JobResult, usual: Mapping[str, float]) -> str:
    """The usual time of a job, and how this one compares where it is far off."""
    median = usual.get(job.key)
    if median is None:
        return ""
    text = human_duration(median)
    if job.took is not None and job.outcome is Outcome.SUCCEEDED and median >= 1:
        ratio = job.took / median
        if ratio >= 2 or ratio <= 0.5:
            return f"{text} (×{ratio:.1f})"
    return text


def render(
    report: RunReport,
    *,
    colour: bool,
    columns: int | None = None,
    usual: Mapping[str, float] | None = None,
    strips: Mapping[str, str] | None = None,
) -> str:
    """One line a job in manifest order, then one line for the run.

    Messages are cut at `columns`, where given. With `usual`, the median seconds by job key, times are compared; with
    `strips`, the signs of earlier ends by job key, those stand beside them.
    """
    names = labels(report)
    shown, folded = _folded(report.jobs)
    told: dict[str, str] = {}
    rows = [
        [
            names[number],
            _outcome(job),
            "" if job.took is None else human_duration(job.took),
            *(() if usual is None else (_usual(job, usual),)),
            *((strips.get(job.key, ""),) if strips else ()),
            one_line(job.job_id or ""),
            _message(job, names[number], told),
        ]
        for number, job in shown
    ]
    lines: list[str] = []
    header = [
        "JOB",
        "OUTCOME",
        "TIME",
        *(() if usual is None else ("USUAL",)),
        *(("BEFORE",) if strips else ()),
        "ID",
        "MESSAGE",
    ]
    for cells, job in zip(rows_to_text(header, rows), [None, *(job for _, job in shown)], strict=True):
        if job is None:
            lines.append(paint("  ".join(cells).rstrip(), "1", colour=colour))
            continue
        if columns is not None:
            used = sum(width(cell) + 2 for cell in cells[:-1])
            cells[-1] = fit(cells[-1], max(20, columns - used)).rstrip()
        code = COLOURS[MARKS[job.verdict]] if job.verdict is not None else "35"
        cells[1] = paint(cells[1], code, colour=colour)
        lines.append("  ".join(cells).rstrip())
    if folded:
        lines.append(f"and {folded} more, not started")
    lines.append("")
    lines.append(summary(report, colour=colour))
    return "\n".join(lines) + "\n"


_FEW = 3
"""Jobs that were not started and have a line of their own, where there are no more than that."""


def _folded(jobs: Sequence[JobResult]) -> tuple[list[tuple[int, JobResult]], int]:
    """The jobs that have a line, each with its number, and how many are told by their number alone."""
    idle = {number for number, job in enumerate(jobs) if job.outcome is None and job.phase == "pending"}
    if len(idle) <= _FEW:
        idle = set()
    return [(number, job) for number, job in enumerate(jobs) if number not in idle], len(idle)


def _message(job: JobResult, label: str, told: dict[str, str]) -> str:
    """The first line of a job's message; of a cause that was told already, whose it was. `told` remembers them."""
    text = one_line(job.message.partition("\n")[0])
    if not text or job.outcome is None or job.outcome.well:
        return text
    first = told.setdefault(text, label)
    return text if first == label or len(text) <= max(LONG, len(first)) else f"as {first}"


_PLACES = {
    "accepted": "on the server",
    "running": "on the server",
    "pending": "not started",
    "submitting": "perhaps sent",
    "deferred": "not delivered yet",
    "waiting": "between two attempts",
}
"""Where a job is that has no end, by its phase: true also of a run that nobody works on any more."""


def summary(report: RunReport, *, colour: bool) -> str:
    """The run in one line: `nightly: 9 jobs, 8 succeeded, 1 failed, in 2m5s`."""
    ends = [f"{count} {word}" for word, count in report.counts().items() if count and word != "pending"]
    places = Counter(_PLACES.get(job.phase, job.phase) for job in report.jobs if job.outcome is None)
    counts = ", ".join([*ends, *(f"{count} {word}" for word, count in sorted(places.items(), reverse=True))])
    total = len(report.jobs)
    took = "" if report.duration is None else f" in {human_duration(report.duration)}"
    word = paint(report.outcome, "32" if report.exit_code == 0 else "31", colour=colour)
    if report.settled is not None:
        word += f", settled: {paint(report.settled[0], '32' if report.settled[1] == 0 else '31', colour=colour)}"
    return f"{word}: {total} job{'' if total == 1 else 's'}{took}: {counts or 'nothing to do'}"


def details(report: RunReport) -> str:
    """What a run was made from, above its table."""
    lines = [f"run      {report.id}" + (" (sandbox)" if report.sandbox else "")]
    lines.append(f"started  {at_zone(report.started_at, None):%Y-%m-%d %H:%M:%S %z}")
    lines += [f"from     {file.path} (sha256 {file.sha256[:12]})" for file in report.manifests]
    git = dict(report.git)
    if git:
        lines.append(f"git      {git.get('commit', '')[:12]} {git.get('branch', '')}".rstrip())
    lines += [f"warning  {one_line(joined(text))}" for text in report.warnings]
    return "\n".join(lines) + "\n"
