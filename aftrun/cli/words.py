"""Words that flags take, for commands to be declared with before anything else is imported."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

DEFAULT_STATE_DIR = Path(".aftrun")


class Ci(StrEnum):
    """The CI servers that aftrun speaks to."""

    NONE = "none"
    GITHUB = "github"
    GITLAB = "gitlab"
    AZURE = "azure"
    TEAMCITY = "teamcity"


class Output(StrEnum):
    """What goes to standard output after a run."""

    TABLE = "table"
    JSON = "json"
    NONE = "none"
