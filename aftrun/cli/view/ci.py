"""What a CI server gets: folded progress, annotations, files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aftrun.cli.choices import Ci
from aftrun.domain.errors import StateError
from aftrun.domain.model import RunReport
from aftrun.report.ci import CiFile, Locate, server
from aftrun.system.files import write_atomic

TITLE = "aftrun: what each job did"


class Speaker:
    """Speaks one server's language, which the module of its name in `report/` holds.

    `environ` says where its files are, `folder` is the current one (paths of manifests are relative to it).
    """

    def __init__(self, ci: Ci, environ: Mapping[str, str], folder: Path) -> None:
        self._server = None if ci is Ci.NONE else server(ci.value)
        self._environ = environ
        self._folder = folder

    def opening(self, at: float) -> str:
        """What begins the part of the log that holds the progress; empty where there is nothing to say."""
        return "" if self._server is None else self._server.opening(TITLE, at)

    def closing(self, at: float) -> str:
        """What ends it."""
        return "" if self._server is None else self._server.closing(TITLE, at)

    def result(self, report: RunReport, run_folder: Path) -> tuple[tuple[str, ...], tuple[StateError, ...]]:
        """Writes the server's files; returns the lines to print, and what could not be written."""
        if self._server is None:
            return (), ()
        written: list[Path] = []
        errors: list[StateError] = []
        for each in self._server.files(report, self._environ, run_folder):
            try:
                _write(each)
                written.append(each.path)
            except StateError as error:
                errors.append(error)
        return self._server.result(report, self._locate(self._server.ROOT), tuple(written)), tuple(errors)

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


def _write(each: CiFile) -> None:
    if not each.variable:
        write_atomic(each.path, each.text)
        return
    try:
        with each.path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(each.text)
    except OSError as error:
        raise StateError(
            f"cannot write the file that {each.variable} names: {each.path}: {error.strerror or error}"
        ) from error
