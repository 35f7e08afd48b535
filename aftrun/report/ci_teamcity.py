"""TeamCity: service messages. Jobs become tests of a suite, the run's end a build problem.

https://www.jetbrains.com/help/teamcity/service-messages.html: `##teamcity[name attribute='value' …]` on one line; in
values `|` escapes `'`, `|`, `[`, `]`, newline (`|n`) and carriage return (`|r`), and `|0xNNNN` is any other character.
Names: `blockOpened`/`blockClosed`, `testSuiteStarted`, `testStarted`, `testFailed`, `testIgnored`, `testFinished`
(`duration` in milliseconds), `buildProblem` (`description` up to 4000 characters, `identity` up to 60), `setParameter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aftrun.domain.model import JobResult, RunReport
from aftrun.domain.text import clean, clip, one_line
from aftrun.report.ci import CiFile, Locate, as_is
from aftrun.report.facts import Kind, first_line, kind, labels, summary, title, word

ROOT = ""
_ESCAPES = {"|": "||", "'": "|'", "[": "|[", "]": "|]", "\n": "|n", "\r": "|r"}


def value(text: str) -> str:
    """Text of an attribute."""
    shown = []
    for char in text:
        code = ord(char)
        # Characters beyond U+FFFF have no escape of their own; agents read UTF-8, so they stay as they are.
        plain = 0x20 <= code < 0x7F or code > 0xFFFF
        shown.append(_ESCAPES.get(char) or (char if plain else f"|0x{code:04X}"))
    return "".join(shown)


def message(name: str, /, **attributes: str | int) -> str:
    """One service message."""
    shown = "".join(f" {key}='{value(str(each))}'" for key, each in attributes.items())
    return f"##teamcity[{name}{shown}]"


def opening(title: str, _at: float = 0.0) -> str:
    """Begins a block of the log that can be folded."""
    return message("blockOpened", name=one_line(title, 200))


def closing(title: str, _at: float = 0.0) -> str:
    """Ends the block of that title."""
    return message("blockClosed", name=one_line(title, 200))


def _test(job: JobResult, label: str) -> list[str]:
    found = kind(job)
    lines = [message("testStarted", name=label)]
    if found in (Kind.SKIPPED, Kind.ALLOWED):
        why = first_line(job, 1_000) or word(job)
        lines = [message("testIgnored", name=label, message=why if found is Kind.SKIPPED else f"allowed: {why}")]
        lines.insert(0, message("testStarted", name=label))
    elif found is not Kind.PASSED:
        details = clip(clean(f"{job.message}\nat {job.origin}".strip()), 4_000)
        lines.append(message("testFailed", name=label, message=word(job), details=details))
    return [*lines, message("testFinished", name=label, duration=round((job.took or 0) * 1000))]


def files(_report: RunReport, _environ: Mapping[str, str], _run_folder: Path) -> tuple[CiFile, ...]:
    """None: everything is in the log."""
    return ()


def result(report: RunReport, _locate: Locate = as_is, _written: tuple[Path, ...] = ()) -> tuple[str, ...]:
    """A suite of tests for each manifest, the parameters `aftrun.run.id` and `aftrun.outcome`, and a build problem."""
    suites: dict[str, list[str]] = {}
    for job, label in zip(report.jobs, labels(report), strict=True):
        suites.setdefault(job.manifest, []).extend(_test(job, clip(label, 200)))
    lines: list[str] = []
    for name, tests in suites.items():
        suite = one_line(name, 200)
        lines += [message("testSuiteStarted", name=suite), *tests, message("testSuiteFinished", name=suite)]
    lines.append(message("setParameter", name="aftrun.run.id", value=report.id))
    lines.append(message("setParameter", name="aftrun.outcome", value=report.outcome))
    lines += [message("message", text=clip(clean(text), 4_000), status="WARNING") for text in report.warnings]
    if report.exit_code:
        description = clip(f"aftrun {title(report)}: {report.outcome}: {summary(report)}", 4_000)
        lines.append(message("buildProblem", description=description, identity=f"aftrun_{report.outcome}"[:60]))
    return tuple(lines)
