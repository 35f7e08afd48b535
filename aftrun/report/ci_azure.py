"""Azure Pipelines: logging commands.

https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands:
`##vso[area.action property1=value;property2=value;]message`, among them `task.logissue` (type, sourcepath, linenumber,
columnnumber, code), `task.setvariable` (variable, isoutput), `task.uploadsummary` with the absolute path of a Markdown
file, and the formatting commands `##[group]` and `##[endgroup]`. The page does not spell the escapes out; they are
those of Microsoft's own azure-pipelines-task-lib (node/taskcommand.ts): `;`, CR, LF, `]` in properties, CR and LF in
the message, and in both the percent sign, as `%AZP25`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aftrun.domain.model import RunReport
from aftrun.domain.text import clean, one_line
from aftrun.report import markdown
from aftrun.report.ci import CiFile, Locate, as_is, findings


def data(text: str) -> str:
    """Text after the `]` of a command."""
    return text.replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")


def value(text: str) -> str:
    """Text of a command's property."""
    return data(text).replace("]", "%5D").replace(";", "%3B")


def command(name: str, message: str, /, **properties: str | int) -> str:
    """One logging command."""
    shown = "".join(f"{key}={value(str(each))};" for key, each in properties.items())
    return f"##vso[{name}{' ' + shown if shown else ''}]{data(message)}"


ROOT = "BUILD_SOURCESDIRECTORY"


def opening(title: str, _at: float = 0.0) -> str:
    """Begins a group of the log that can be folded."""
    return f"##[group]{one_line(title)}"


def closing(_title: str = "", _at: float = 0.0) -> str:
    """Ends the group."""
    return "##[endgroup]"


def files(report: RunReport, _environ: Mapping[str, str], run_folder: Path) -> tuple[CiFile, ...]:
    """The Markdown report, for the page of the run."""
    return (CiFile((run_folder / "summary.md").resolve(), markdown.render(report, jobs=1_000)),)


def result(report: RunReport, locate: Locate = as_is, written: tuple[Path, ...] = ()) -> tuple[str, ...]:
    """Issues at the manifest's lines, the variables `aftrunRunId`, `aftrunOutcome`, `aftrunFailed`, the summary."""
    lines = [
        command(
            "task.logissue",
            each.text,
            type="warning" if each.allowed else "error",
            **each.place("sourcepath", "linenumber", "columnnumber"),
            code=each.outcome.partition(",")[0],
        )
        for each in findings(report, locate)
    ]
    lines += [command("task.logissue", clean(text), type="warning") for text in report.warnings]
    failed = ", ".join(each.label for each in findings(report) if not each.allowed)
    for name, text in (("RunId", report.id), ("Outcome", report.outcome), ("Failed", failed)):
        lines.append(command("task.setvariable", text, variable=f"aftrun{name}", isoutput="true"))
    lines += [command("task.uploadsummary", str(path)) for path in written]
    return tuple(lines)
