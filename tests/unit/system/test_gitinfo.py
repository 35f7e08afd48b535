"""Which commit a manifest was part of."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from aftrun.system import gitinfo
from aftrun.system.gitinfo import git_facts
from tests.conftest import needs_git


def git(folder: Path, *words: str) -> str:
    """Run git in a folder of the test, with nothing of the machine's own settings."""
    who = {f"GIT_{role}_{what}": "test@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True, env=env)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one commit on the branch `work`."""
    git(tmp_path, "init", "-q", "-b", "work")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    (tmp_path / "sub").mkdir()
    return tmp_path


@needs_git
def test_commit_and_branch(checkout: Path) -> None:
    """Of the checkout that the file is in, however deep; the file need not exist any more."""
    expected = {"commit": git(checkout, "rev-parse", "HEAD"), "branch": "work"}
    assert git_facts(str(checkout / "sub" / "m.yaml")) == expected
    assert git_facts(str(checkout)) == expected


@needs_git
def test_standard_input_belongs_to_the_working_folder(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` has no place of its own."""
    monkeypatch.chdir(checkout / "sub")
    assert git_facts("-")["branch"] == "work"


@needs_git
def test_a_detached_head_has_no_branch(checkout: Path) -> None:
    """As CI checks out."""
    git(checkout, "checkout", "-q", "--detach")
    assert git_facts(str(checkout)) == {"commit": git(checkout, "rev-parse", "HEAD")}


@needs_git
def test_a_checkout_without_a_commit(tmp_path: Path) -> None:
    """There is nothing to tell."""
    git(tmp_path, "init", "-q")
    assert git_facts(str(tmp_path / "m.yaml")) == {}


def test_outside_a_checkout_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `.git` above the file: no process."""
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    assert git_facts(str(tmp_path / "m.yaml")) == {}


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", gitinfo.TIMEOUT)])
def test_a_git_that_is_missing_or_hangs_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The report does without."""
    (tmp_path / ".git").mkdir()

    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", broken)
    assert git_facts(str(tmp_path / "m.yaml")) == {}


def test_a_working_folder_that_is_gone_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest from standard input is nowhere then."""

    def gone() -> Path:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "cwd", gone)
    assert git_facts("-") == {}
