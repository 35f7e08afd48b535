"""What SQLite says, as cause and remedy."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from aftrun.domain.errors import StateError, UnderWay
from aftrun.run.store import lock
from aftrun.run.store.record_errors import explain


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SQLITE_BUSY", "did not come free in 30 s"),
        ("SQLITE_BUSY_SNAPSHOT", "did not come free in 30 s"),
        ("SQLITE_IOERR_LOCK", "cannot be locked"),
        ("SQLITE_IOERR_SHMMAP", "cannot be locked"),
        ("SQLITE_PROTOCOL", "cannot be locked"),
    ],
)
def test_file_systems_without_locks_are_told_of(name: str, words: str) -> None:
    """A share that keeps no locks looks like another program for ever: the remedy names a local disk."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    path = Path("/share/state.db")
    found = explain(error, path, 30)
    assert words in found.message
    assert str(path) in found.message
    assert "may not support locks" in found.hint
    assert "use --state-dir on a local disk" in found.hint


@pytest.mark.parametrize("name", ["SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"])
def test_other_trouble_of_a_disk_is_not_a_lock(name: str) -> None:
    """A full disk keeps its own remedy: there may be no room for the state file, or for the one beside it."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    found = explain(error, Path("state.db"), 30)
    assert "the disk is full" in found.message
    assert "locks" not in found.hint


def test_a_file_that_cannot_be_locked_is_not_said_to_be_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No locks here is another cause than another aftrun, and has another remedy."""

    def nothing(_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "_lock", nothing)
    path = tmp_path / "events"
    with pytest.raises(StateError, match=r"cannot lock .*No locks available") as caught:
        lock.lock_file(os.open(path, os.O_CREAT | os.O_RDWR), path)
    assert not isinstance(caught.value, UnderWay)
    assert "--state-dir on a local disk" in caught.value.hint
