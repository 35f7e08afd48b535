"""Problems for machines: JSON, GitHub's workflow commands, SARIF 2.1.0."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

import aftrun
from aftrun.domain.errors import Problem, Severity
from aftrun.domain.model import Json
from aftrun.manifest.check.diagnostics import CODES

DOCS = "https://github.com/aftrun/aftrun/blob/main/docs/diagnostics.md"
"""Where each code has its page, under its own name in small letters."""
SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def to_json(problems: Sequence[Problem], manifests: int, jobs: int) -> dict[str, Json]:
    """`{"version": 1, "valid": …, "manifests": n, "jobs": n, "problems": [{path, line, column, …}]}`.

    Lines and columns count from 1, in characters; the end is exclusive, and null where it is not known.
    """
    return {
        "version": 1,
        "valid": not any(problem.severity is Severity.ERROR for problem in problems),
        "manifests": manifests,
        "jobs": jobs,
        "problems": [
            {
                "path": problem.path,
                "line": problem.line,
                "column": problem.column,
                "endLine": problem.end_line or None,
                "endColumn": problem.end_column or None,
                "code": problem.code,
                "title": CODES[problem.code],
                "severity": problem.severity.value,
                "message": problem.message,
                "hint": problem.hint or None,
            }
            for problem in problems
        ],
    }


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def to_github(problems: Sequence[Problem]) -> str:
    """One workflow command a line, which GitHub Actions shows at the line in question.

    See "Workflow commands for GitHub Actions". Columns are given only where the text ends on the line on which it
    begins, since GitHub refuses them otherwise. Paths have slashes, as in the repository.
    """
    lines = []
    for problem in problems:
        parts = [f"file={_property(_with_slashes(problem.path))}", f"line={problem.line}"]
        if problem.end_line in (0, problem.line):
            parts.append(f"col={problem.column}")
            if problem.end_column:
                parts += [f"endLine={problem.line}", f"endColumn={problem.end_column}"]
        else:
            parts.append(f"endLine={problem.end_line}")
        parts.append(f"title={_property(f'{problem.code} {CODES[problem.code]}')}")
        message = problem.message + (f"\nhint: {problem.hint}" if problem.hint else "")
        lines.append(f"::{problem.severity.value} {','.join(parts)}::{_data(message)}\n")
    return "".join(lines)


def _with_slashes(path: str) -> str:
    return path.replace(os.sep, "/")


def _uri(path: str) -> str:
    if os.path.isabs(path):  # noqa: PTH117 - text in, text out
        return Path(path).as_uri()
    return urllib.parse.quote(os.fsencode(_with_slashes(path)))


def _rule(code: str) -> dict[str, Json]:
    level = "warning" if code >= "AFT100" else "error"
    return {
        "id": code,
        "shortDescription": {"text": CODES[code]},
        "helpUri": f"{DOCS}#{code.lower()}",
        "defaultConfiguration": {"level": level},
    }


def _region(problem: Problem) -> dict[str, Json]:
    region: dict[str, Json] = {"startLine": problem.line, "startColumn": problem.column}
    if problem.end_line and (problem.end_line, problem.end_column) > (problem.line, problem.column):
        region |= {"endLine": problem.end_line, "endColumn": problem.end_column}
    return region


def to_sarif(problems: Sequence[Problem]) -> dict[str, Json]:
    """A SARIF 2.1.0 log with one run, for code scanning."""
    used = sorted({problem.code for problem in problems})
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "aftrun",
                        "version": aftrun.__version__,
                        "informationUri": "https://github.com/aftrun/aftrun",
                        "rules": [_rule(code) for code in used],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [
                    {
                        "ruleId": problem.code,
                        "ruleIndex": used.index(problem.code),
                        "level": problem.severity.value,
                        "message": {"text": problem.message + (f"\n{problem.hint}" if problem.hint else "")},
                        "locations": [
                            {
                                "physicalLocation": {
                                    "artifactLocation": {"uri": _uri(problem.path)},
                                    "region": _region(problem),
                                }
                            }
                        ],
                    }
                    for problem in problems
                ],
            }
        ],
    }
