"""Which commit a manifest was part of, for the report."""

from __future__ import annotations

import subprocess
from pathlib import Path

TIMEOUT = 5.0


def git_facts(path: str) -> dict[str, str]:
    """`commit` and `branch` of the checkout that holds `path`; empty outside one, or where git is not installed.

    Nothing is started where no folder above the file has a `.git`. A detached head has no branch.
    """
    try:
        here = (Path.cwd() if path == "-" else Path(path)).resolve()
        if not any((folder / ".git").exists() for folder in (here, *here.parents)):
            return {}
        folder = here if here.is_dir() else here.parent
    except OSError:  # a folder above may not be entered, or the one that this was started in is gone
        return {}
    command = ["git", "-C", str(folder), "rev-parse", "HEAD", "--abbrev-ref", "HEAD"]
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
