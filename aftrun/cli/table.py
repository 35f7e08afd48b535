"""The result of a run as a table for a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from aftrun.cli.progress import COLOURS, MARKS, paint
from aftrun.durations import human_duration
from aftrun.model import JobResult, Outcome, RunReport


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


def one_line(text: str) -> str:
    """A message on one line, without what a terminal could take for a command."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def label(job: JobResult, names: dict[str, int]) -> str:
    """The job's name, or `manifest/job` where that name stands for several."""
    return job.name if names[job.name] == 1 else f"{job.manifest}/{job.name}"


def labels(report: RunReport) -> dict[str, str]:
    """How each job is called on the terminal, by its key."""
    names: dict[str, int] = {}
    for job in report.jobs:
        names[job.name] = names.get(job.name, 0) + 1
    return {f"{job.manifest}/{job.name}": label(job, names) for job in report.jobs}


def _outcome(job: JobResult) -> str:
    word = job.outcome.value if job.outcome is not None else f"({job.phase})"
    return f"{word}, allowed" if job.allow_failure and MARKS.get(job.outcome or Outcome.SKIPPED) == "FAIL" else word


def render(report: RunReport, *, colour: bool, columns: int | None = None) -> str:
    """One line a job in manifest order, then one line for the run. Messages are cut at `columns`, where given."""
    names = labels(report)
    rows = [
        [
            one_line(names[f"{job.manifest}/{job.name}"]),
            _outcome(job),
            "" if job.duration is None else human_duration(job.duration),
            one_line(job.job_id or ""),
            one_line(job.message.partition("\n")[0]),
        ]
        for job in report.jobs
    ]
    lines: list[str] = []
    for cells, job in zip(
        rows_to_text(["JOB", "OUTCOME", "TIME", "ID", "MESSAGE"], rows), [None, *report.jobs], strict=True
    ):
        if job is None:
            lines.append(paint("  ".join(cells).rstrip(), "1", colour=colour))
            continue
        if columns is not None:
            used = sum(width(cell) + 2 for cell in cells[:-1])
            cells[-1] = fit(cells[-1], max(20, columns - used)).rstrip()
        code = COLOURS[MARKS[job.outcome]] if job.outcome is not None else "35"
        cells[1] = paint(cells[1], code, colour=colour)
        lines.append("  ".join(cells).rstrip())
    lines.append("")
    lines.append(summary(report, colour=colour))
    return "\n".join(lines) + "\n"


def summary(report: RunReport, *, colour: bool) -> str:
    """The run in one line: `nightly: 9 jobs, 8 succeeded, 1 failed, in 2m5s`."""
    counts = ", ".join(f"{count} {word}" for word, count in report.counts().items() if count)
    total = len(report.jobs)
    took = "" if report.duration is None else f" in {human_duration(report.duration)}"
    word = paint(report.outcome, "32" if report.exit_code == 0 else "31", colour=colour)
    return f"{word}: {total} job{'' if total == 1 else 's'}{took}: {counts or 'nothing to do'}"
