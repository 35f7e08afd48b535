"""Following the documents in a checkout leaves nothing that git would want to add."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.packaging.tools import clean, run, tool

PAGES = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("tutorial", "first-server"))]
WRITTEN = re.compile(r'title="([\w.-]+)"|--report-\w+ (\S+)|-m venv ([^\s;]+)')


def written(page: Path) -> set[str]:
    """The files and folders that a page has its reader make in the current folder."""
    found = WRITTEN.findall(page.read_text(encoding="utf-8"))
    names = {name for each in found for name in each if name and not name.startswith(("/", "$", "'", "PATH"))}
    return {f"{name}/" if name.endswith("venv") else name for name in names}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_git_ignores_what_a_page_has_its_reader_write(page: Path, tmp_path: Path) -> None:
    """Asked of git itself, in a repository with our `.gitignore`; what a run leaves is ignored too."""
    git = tool("git")
    env = clean(GIT_CONFIG_GLOBAL="/dev/null")
    run([git, "init", "--quiet", tmp_path], env=env)
    (tmp_path / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    asked = "\n".join(sorted(written(page) | {".aftrun/state.db", ".venv-newest/", "build/demo/report.json"}))
    command = [git, "check-ignore", "--no-index", "--verbose", "--non-matching", "--stdin"]
    done = subprocess.run(command, cwd=tmp_path, env=env, input=asked, capture_output=True, text=True, check=False)
    assert [line for line in done.stdout.splitlines() if line.startswith("::")] == []
    assert len(done.stdout.splitlines()) == len(asked.splitlines())
