"""The journal of a run where it cannot be written."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from aftrun.domain.errors import StateError
from aftrun.domain.events import RunStarted
from aftrun.run.store.journal_file import Head, JournalFile


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_said_to_be_one(tmp_path: Path) -> None:
    """With what helps: nobody has touched the state folder."""
    path = tmp_path / "journal.ndjson"
    with contextlib.closing(JournalFile.make(path, Head("r1"), [(0, RunStarted(1.0, "r1", ()))])) as file:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, file._file)
        os.close(full)
        with pytest.raises(StateError) as caught:
            file.append(["{}\n"])
    assert caught.value.message.startswith(f"cannot write {path}: No space left")
    assert caught.value.hint.startswith("free some space")
