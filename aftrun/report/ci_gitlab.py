r"""GitLab CI: sections of the job log that can be folded. Results come as JUnit (`artifacts: reports: junit`).

https://docs.gitlab.com/ci/jobs/job_logs/ (custom collapsible sections). A section begins with
`\e[0Ksection_start:UNIX_TIMESTAMP:NAME[collapsed=true]\r\e[0KHEADER`, and ends with
`\e[0Ksection_end:UNIX_TIMESTAMP:NAME\r\e[0K`; names are letters, digits, `_`, `.` and `-`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from aftrun.domain.model import RunReport
from aftrun.domain.text import one_line
from aftrun.report.ci import CiFile, Locate, as_is

ROOT = ""
_ERASE = "\x1b[0K"


def _name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)


def opening(title: str, at: float, *, name: str = "aftrun", collapsed: bool = True) -> str:
    """Begins a section. `at` is epoch seconds, `name` its id within the log, `title` its header."""
    folded = "[collapsed=true]" if collapsed else ""
    return f"{_ERASE}section_start:{int(at)}:{_name(name)}{folded}\r{_ERASE}{one_line(title)}"


def closing(_title: str, at: float, *, name: str = "aftrun") -> str:
    """Ends the section."""
    return f"{_ERASE}section_end:{int(at)}:{_name(name)}\r{_ERASE}"


def files(_report: RunReport, _environ: Mapping[str, str], _run_folder: Path) -> tuple[CiFile, ...]:
    """None: what `--report-junit` writes is all that GitLab reads."""
    return ()


def result(_report: RunReport, _locate: Locate = as_is, _written: tuple[Path, ...] = ()) -> tuple[str, ...]:
    """None, for the same reason."""
    return ()
