"""State folders for tests: a copy of one is nobody's until it is accepted."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from aftrun.run.store import folder as state_folder


def copied(source: Path, folder: Path) -> Path:
    """A copy of a state folder, accepted as this user's own."""
    shutil.copytree(source, folder)
    state_folder.accept(folder)
    return folder


@contextmanager
def database(path: Path) -> Iterator[sqlite3.Connection]:
    """A state file as SQLite has it, kept and closed in the end: `with sqlite3.connect(…)` leaves it open."""
    with closing(sqlite3.connect(path)) as db, db:
        yield db
