"""Words that flags take, for commands to be declared with before anything else is imported."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Language(StrEnum):
    """What `import` reads."""

    BASH = "bash"
    POWERSHELL = "powershell"
    CMD = "cmd"
    AFT = "aft"


class Ci(StrEnum):
    """The CI servers that aftrun speaks to."""

    NONE = "none"
    GITHUB = "github"
    GITLAB = "gitlab"
    AZURE = "azure"
    TEAMCITY = "teamcity"


DETECTED = {
    # https://docs.github.com/en/actions/reference/workflows-and-actions/variables
    Ci.GITHUB: ("GITHUB_ACTIONS", "true"),
    # https://docs.gitlab.com/ci/variables/predefined_variables/
    Ci.GITLAB: ("GITLAB_CI", "true"),
    # https://learn.microsoft.com/azure/devops/pipelines/build/variables
    Ci.AZURE: ("TF_BUILD", "true"),
    # https://www.jetbrains.com/help/teamcity/predefined-build-parameters.html
    Ci.TEAMCITY: ("TEAMCITY_VERSION", ""),
}
"""The variable that each server documents, and its value without case; empty: any.

Jenkins needs nothing but `--report-junit`.
"""


def detect(environ: Mapping[str, str]) -> Ci:
    """The server that this process runs under."""
    for ci, (variable, value) in DETECTED.items():
        found = environ.get(variable, "")
        if found and value in ("", found.lower()):
            return ci
    return Ci.NONE


class Output(StrEnum):
    """What goes to standard output after a run."""

    TABLE = "table"
    JSON = "json"
    NONE = "none"


class CheckFormat(StrEnum):
    """How problems are shown."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


class PlanFormat(StrEnum):
    """How a plan is shown."""

    TEXT = "text"
    JSON = "json"
    CURL = "curl"
    POWERSHELL = "powershell"


class SchemaName(StrEnum):
    """The schemas that aftrun ships."""

    MANIFEST = "manifest"
    REPORT = "report"
    EVENT = "event"
    SCENARIO = "scenario"
    POLICY = "policy"


class PolicyAction(StrEnum):
    """What to do about the policy."""

    INIT = "init"
    SHOW = "show"


class TextFormat(StrEnum):
    """How findings are shown."""

    TEXT = "text"
    JSON = "json"


class Found(StrEnum):
    """What a person can find out of a job whose end nobody saw."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


class ListFormat(StrEnum):
    """How a list is shown."""

    TABLE = "table"
    JSON = "json"


class TableFormat(StrEnum):
    """How a list is shown that spreadsheets may want, too."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Shell(StrEnum):
    """The shells that completion knows."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"
