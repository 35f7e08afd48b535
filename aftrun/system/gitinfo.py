"""Which commit a manifest was part of, for the report."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

TIMEOUT = 5.0


def work_tree(folder: Path) -> Path | None:
    """The root of the git work tree that a folder is in; None where it is in none. Nothing is started."""
    try:
        here = folder.resolve()
        return next((each for each in (here, *here.parents) if (each / ".git").exists()), None)
    except OSError:  # a folder above may not be entered, or the one that this was started in is gone
        return None


def _git() -> str | None:
    """The program, from the folders of PATH alone: one in the working folder came with a checkout."""
    here = os.path.realpath(os.curdir)
    folders = [each for each in os.get_exec_path() if os.path.isabs(each) and os.path.realpath(each) != here]  # noqa: PTH117
    found = shutil.which("git", path=os.pathsep.join(folders)) if folders else None
    # On Windows `which` looks into the working folder first.
    return found if found is not None and os.path.realpath(os.path.dirname(found)) != here else None  # noqa: PTH120


def git_facts(path: str) -> dict[str, str]:
    """`commit` and `branch` of the checkout that holds `path`; empty outside one, or where git is not installed.

    Nothing is started where no folder above the file has a `.git`. A detached head has no branch.
    """
    try:
        here = (Path.cwd() if path == "-" else Path(path)).resolve()
        folder = here if here.is_dir() else here.parent
        git = None if work_tree(folder) is None else _git()
    except OSError:  # a folder above may not be entered, or the one that this was started in is gone
        return {}
    if git is None:
        return {}
    command = [git, "-C", str(folder), "rev-parse", "HEAD", "--abbrev-ref", "HEAD"]
    try:
        # The command is fixed but for the folder, which is an argument of its own and never read by a shell.
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    lines = done.stdout.split()
    if done.returncode or len(lines) != 2:
        return {}
    commit, branch = lines
    return {"commit": commit} if branch == "HEAD" else {"commit": commit, "branch": branch}
