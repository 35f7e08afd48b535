"""State folders for tests: a copy of one is nobody's until it is accepted."""

from __future__ import annotations

import shutil
from pathlib import Path

from aftrun.run.store import folder as state_folder


def copied(source: Path, folder: Path) -> Path:
    """A copy of a state folder, accepted as this user's own."""
    shutil.copytree(source, folder)
    state_folder.accept(folder)
    return folder
