"""Words that flags take, for commands to be declared with before anything else is imported."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

DEFAULT_STATE_DIR = Path(".aftrun")


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


def detect(environ: Mapping[str, str]) -> Ci:
    """The server that this process runs under, by the variable that it documents.

    Detected by the variables that the servers document: `GITHUB_ACTIONS=true`
    (https://docs.github.com/en/actions/reference/workflows-and-actions/variables), `GITLAB_CI=true`
    (https://docs.gitlab.com/ci/variables/predefined_variables/), `TF_BUILD=True`
    (https://learn.microsoft.com/azure/devops/pipelines/build/variables), `TEAMCITY_VERSION`
    (https://www.jetbrains.com/help/teamcity/predefined-build-parameters.html). Jenkins needs
    nothing but `--report-junit`.
    """
    if environ.get("GITHUB_ACTIONS") == "true":
        return Ci.GITHUB
    if environ.get("GITLAB_CI") == "true":
        return Ci.GITLAB
    if environ.get("TF_BUILD", "").lower() == "true":
        return Ci.AZURE
    return Ci.TEAMCITY if environ.get("TEAMCITY_VERSION") else Ci.NONE


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
