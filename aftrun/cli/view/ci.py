"""What a CI server gets: folded progress, annotations, files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aftrun.cli.choices import Ci
from aftrun.domain.errors import StateError
from aftrun.domain.model import RunReport
from aftrun.report import ci_azure, ci_github, ci_gitlab, ci_teamcity, markdown
from aftrun.report.ci import Locate
from aftrun.system.files import write_atomic

TITLE = "aftrun: what each job did"


class Speaker:
    """Speaks one server's language.

    `environ` says where its files are, `folder` is the current one (paths of manifests are relative to it).
    """

    def __init__(self, ci: Ci, environ: Mapping[str, str], folder: Path) -> None:
        self.ci = ci
        self._environ = environ
        self._folder = folder

    def opening(self, at: float) -> str:
        """What begins the part of the log that holds the progress; empty where there is nothing to say."""
        match self.ci:
            case Ci.GITHUB:
                return ci_github.opening(TITLE)
            case Ci.GITLAB:
                return ci_gitlab.opening(TITLE, at)
            case Ci.AZURE:
                return ci_azure.opening(TITLE)
            case Ci.TEAMCITY:
                return ci_teamcity.opening(TITLE)
            case _:
                return ""

    def closing(self, at: float) -> str:
        """What ends it."""
        match self.ci:
            case Ci.GITHUB:
                return ci_github.closing()
            case Ci.GITLAB:
                return ci_gitlab.closing(at)
            case Ci.AZURE:
                return ci_azure.closing()
            case Ci.TEAMCITY:
                return ci_teamcity.closing(TITLE)
            case _:
                return ""

    def result(self, report: RunReport, run_folder: Path) -> tuple[tuple[str, ...], tuple[StateError, ...]]:
        """Writes the server's files; returns the lines to print, and what could not be written."""
        match self.ci:
            case Ci.GITHUB:
                errors = [
                    error
                    for name, text in (
                        ("GITHUB_OUTPUT", ci_github.outputs(report)),
                        ("GITHUB_STEP_SUMMARY", ci_github.step_summary(report)),
                    )
                    if (error := self._append(name, text)) is not None
                ]
                return ci_github.result(report, self._locate("GITHUB_WORKSPACE")), tuple(errors)
            case Ci.AZURE:
                path = (run_folder / "summary.md").resolve()
                try:
                    write_atomic(path, markdown.render(report, jobs=1_000))
                except StateError as error:
                    return ci_azure.result(report, self._locate("BUILD_SOURCESDIRECTORY")), (error,)
                locate = self._locate("BUILD_SOURCESDIRECTORY")
                return ci_azure.result(report, locate, summary_path=str(path)), ()
            case Ci.TEAMCITY:
                return ci_teamcity.result(report), ()
            case _:
                return (), ()

    def _append(self, variable: str, text: str) -> StateError | None:
        """Add to the file that a variable names. The server reads it when the step has ended."""
        path = self._environ.get(variable)
        if not path:
            return None  # an old runner, or `--ci github` somewhere else
        try:
            with Path(path).open("a", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as error:
            return StateError(f"cannot write the file that {variable} names: {path}: {error.strerror or error}")
        return None

    def _locate(self, variable: str) -> Locate:
        """Paths as the server knows them: relative to the root of its checkout."""
        root = self._environ.get(variable)

        def locate(path: str) -> str:
            if not root:
                return path
            try:
                return (self._folder / path).resolve().relative_to(Path(root).resolve()).as_posix()
            except (ValueError, OSError):  # outside of the checkout, or there is no folder to be relative to any more
                return path

        return locate
