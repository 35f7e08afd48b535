"""Markdown, as GitHub, GitLab and chat programs show it: what went wrong first, then every job in a table."""

from __future__ import annotations

import re

from aftrun.domain.durations import human_duration
from aftrun.domain.events import instant
from aftrun.domain.model import JobResult, RunReport
from aftrun.domain.text import clean, clip, joined, one_line
from aftrun.report.facts import Kind, kind, labels, summary, title, word

MARKS = {Kind.PASSED: "✅", Kind.FAILURE: "❌", Kind.ERROR: "❗", Kind.SKIPPED: "⏭️", Kind.ALLOWED: "⚠️"}
"""Shapes that differ without their colours, too; the word always stands beside them."""

_ACTIVE = re.compile(r"[\\`*_\[\]<>#|~$&]")
"""What means something inside a line. Lists, numbers and headings need the start of one, where we never put text."""

_MESSAGE = 300


def plain(text: str, limit: int = 0) -> str:
    """Text that Markdown shows as it is, on one line."""
    text = one_line(text, limit)
    return _ACTIVE.sub(r"\\\g<0>", text)  # a backslash before ASCII punctuation makes it plain


def code(text: str, limit: int = 0, *, cell: bool = False) -> str:
    """Text as code, on one line. `cell`: it stands in a table, where `|` needs a backslash even within code."""
    text = one_line(text, limit)
    if not text:
        return ""
    # More backticks outside than any run of them inside.
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    text = text.replace("|", "\\|") if cell else text
    return f"{fence}{pad}{text}{pad}{fence}"


def block(text: str, limit: int) -> str:
    """Text of several lines as a code block."""
    text = clip(clean(text), limit)
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence}text\n{text}\n{fence}"


def _row(job: JobResult, label: str) -> str:
    found = kind(job)
    cells = [
        f"{MARKS[found]} {word(job)}{' (allowed)' if found is Kind.ALLOWED else ''}",
        plain(label, 200),
        "" if job.took is None else human_duration(job.took),
        code(job.job_id or "", 80, cell=True),
        plain(job.message.partition("\n")[0], _MESSAGE),
    ]
    return f"| {' | '.join(cells)} |"


def _problem(job: JobResult, label: str) -> list[str]:
    lines = [f"### {MARKS[kind(job)]} {plain(label, 200)}: {word(job)}", "", f"{code(str(job.origin), 300)}"]
    if job.job_id is not None:
        lines[-1] += f", job {code(job.job_id, 80)} on {code(job.server, 200)}"
    if job.message:
        lines += ["", block(job.message, 4_000)]
    return [*lines, ""]


def render(report: RunReport, *, jobs: int | None = None) -> str:
    """The report as Markdown, with a newline at the end. `jobs` limits the rows, worst first; None shows all."""
    pairs = list(zip(report.jobs, labels(report), strict=True))
    bad = [(job, label) for job, label in pairs if kind(job) in (Kind.FAILURE, Kind.ERROR)]
    well = report.exit_code == 0
    mark = "⏳" if report.exit_code is None else "✅" if well else "❌"
    facts = [f"Run {code(report.id)}", f"started {instant(report.started_at)}"]
    facts += [f"exit code {report.exit_code}"] if report.exit_code is not None else []
    facts += [f"aftrun {plain(report.aftrun)}"] if report.aftrun else []
    lines = [
        f"## {mark} {plain(title(report))}: {report.outcome}",
        "",
        plain(summary(report)),
        "",
        ", ".join(facts),
        "",
    ]
    if report.sandbox:
        lines += ["Against the sandbox: no real job was started.", ""]
    lines += [f"- warning: {plain(joined(warning), 1_000)}" for warning in report.warnings]
    lines += [""] if report.warnings else []
    shown_bad = bad[:20]
    for job, label in shown_bad:
        lines += _problem(job, label)
    if len(bad) > len(shown_bad):
        lines += [f"… and {len(bad) - len(shown_bad)} more that did not succeed, in the table.", ""]
    rows = pairs
    if jobs is not None and len(pairs) > jobs:
        rows = sorted(pairs, key=lambda pair: kind(pair[0]) not in (Kind.FAILURE, Kind.ERROR))[:jobs]
    if rows:
        lines += ["| Outcome | Job | Time | Id | Message |", "| --- | --- | ---: | --- | --- |"]
        lines += [_row(job, label) for job, label in rows]
    if len(rows) < len(pairs):
        lines += ["", f"{len(pairs) - len(rows)} more jobs are not shown here."]
    return "\n".join(lines).rstrip() + "\n"
