"""GitHub Actions: annotations as workflow commands, outputs and the step summary as files.

Commands, their escaping, and the files: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
(`::error file={name},line={line},col={col},title={title}::{message}`; `GITHUB_OUTPUT` takes `name=value` lines, and
`name<<DELIMITER`, the value, `DELIMITER` for values of several lines; `GITHUB_STEP_SUMMARY` takes Markdown, at most
1 MiB a step). The page does not spell the escapes out; they are those of GitHub's own toolkit, @actions/core
(packages/core/src/command.ts): `%`, CR and LF in data, `:` and `,` too in properties. A step shows ten errors and ten
warnings (https://github.com/orgs/community/discussions/26680).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from aftrun.domain.model import RunReport
from aftrun.domain.text import clean
from aftrun.report import markdown
from aftrun.report.ci import CiFile, Locate, as_is, findings
from aftrun.report.facts import summary

_SHOWN = 10
_LARGEST = 1_000_000
"""Bytes of a step summary; GitHub takes 1 MiB and drops all of a larger one."""


def data(text: str) -> str:
    """Text after the `::` of a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def value(text: str) -> str:
    """Text of a command's property."""
    return data(text).replace(":", "%3A").replace(",", "%2C")


def command(name: str, message: str, /, **properties: str | int) -> str:
    """One workflow command."""
    shown = ",".join(f"{key}={value(str(each))}" for key, each in properties.items())
    return f"::{name}{' ' + shown if shown else ''}::{data(message)}"


ROOT = "GITHUB_WORKSPACE"


def opening(title: str, _at: float = 0.0) -> str:
    """Begins a group of the log that can be folded."""
    return command("group", title)


def closing(_title: str = "", _at: float = 0.0) -> str:
    """Ends the group."""
    return "::endgroup::"


def files(report: RunReport, environ: Mapping[str, str], _run_folder: Path) -> tuple[CiFile, ...]:
    """Outputs and step summary, in the files that the runner names; an old one names none."""
    texts = {"GITHUB_OUTPUT": outputs(report), "GITHUB_STEP_SUMMARY": step_summary(report)}
    return tuple(CiFile(Path(path), text, name) for name, text in texts.items() if (path := environ.get(name)))


def result(report: RunReport, locate: Locate = as_is, _written: tuple[Path, ...] = ()) -> tuple[str, ...]:
    """The annotations, each at its job's line of the manifest, and warnings of the run. No more than are shown."""
    found = findings(report, locate)
    errors = [
        command(
            "error",
            each.message or each.text,
            **each.place("file", "line", "col"),
            title=f"{each.label} {each.outcome}",
        )
        for each in found
        if not each.allowed
    ]
    warnings = [
        command("warning", each.message or each.text, **each.place("file", "line", "col"), title=each.label)
        for each in found
        if each.allowed
    ]
    warnings += [command("warning", clean(text)) for text in report.warnings]
    if len(errors) > _SHOWN:
        rest = len(errors) - _SHOWN + 1
        errors[_SHOWN - 1 :] = [
            command("error", f"{rest} more jobs did not succeed; {summary(report)}", title="aftrun")
        ]
    return (*errors, *warnings[:_SHOWN])


def outputs(report: RunReport) -> str:
    """What to append to the file that `GITHUB_OUTPUT` names: `run-id`, `outcome`, `exit-code`, and `failed`.

    `failed` holds the jobs that did not end well and are not forgiven, one a line.
    """
    failed = "\n".join(each.label for each in findings(report) if not each.allowed)
    pairs = {
        "run-id": report.id,
        "outcome": report.outcome,
        "exit-code": "" if report.exit_code is None else str(report.exit_code),
        "failed": failed,
    }
    return "".join(_output(name, text) for name, text in pairs.items())


def _output(name: str, text: str) -> str:
    if "\n" not in text and "\r" not in text:
        return f"{name}={text}\n"
    # No value can hold its own digest, so none can end early and define outputs of its own.
    delimiter = "aftrun_" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return f"{name}<<{delimiter}\n{text}\n{delimiter}\n"


def step_summary(report: RunReport) -> str:
    """What to append to the file that `GITHUB_STEP_SUMMARY` names: the Markdown report, as much as is allowed."""
    text = ""
    for jobs in (None, 2_000, 500, 100, 20):
        text = markdown.render(report, jobs=jobs)
        if len(text.encode()) <= _LARGEST:
            break
    return text
