"""What git knows of files: which commit a manifest was part of, and whether a folder can come with a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from aftrun.system.files import read_regular

TIMEOUT = 5.0


def work_tree(folder: Path) -> Path | None:
    """The root of the git work tree that a folder is in; None where it is in none. Nothing is started."""
    try:
        here = folder.resolve()
        return next((each for each in (here, *here.parents) if (each / ".git").exists()), None)
    except OSError:  # a folder above may not be entered, or the one that this was started in is gone
        return None


def tracks(folder: Path, names: Iterable[str]) -> bool:
    """Whether git tracks something of these names in a folder, so that a pull or another branch can change it.

    git's index is looked at, and git not asked, which can be made to run programs by a repository's settings. In its
    version 4, where a path is written as its difference from the one before, the names alone decide.
    """
    tree = work_tree(folder)
    if tree is None:
        return False
    try:
        home = tree / ".git"
        if home.is_file():  # of a submodule, or of another work tree of one repository
            home = tree / home.read_text(encoding="utf-8", errors="surrogateescape").partition(":")[2].strip()
        index = read_regular(home / "index")
        below = folder.resolve().relative_to(tree).as_posix()
    except (OSError, ValueError):
        return False  # nothing is tracked yet; or it is no repository
    if index[4:8] == b"\0\0\0\4":
        return any(os.fsencode(name) + end in index for name in names for end in (b"\0", b"/"))
    start = "" if below == "." else f"{below}/"
    return any(os.fsencode(f"{start}{name}") + end in index for name in names for end in (b"\0", b"/"))


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
