"""One process to a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aftrun.domain.errors import StateError, UsageError
from aftrun.run.store.lock import RunLock, holder
from tests.waiting import HANG

ROOT = Path(__file__).parents[4]
HOLD = (
    "import os, sys; from pathlib import Path; from aftrun.run.store.lock import RunLock\n"
    "lock = RunLock(Path(sys.argv[1]), os.getpid(), 'machine-7')\n"
    "print('held', flush=True); sys.stdin.read()"
)


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    """The message names pid and host; when the holder is killed the lock is free, though its file is still there."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"held"
        for _ in range(2):
            with pytest.raises(UsageError, match=f"process {holder.pid} on machine-7") as caught:
                RunLock(tmp_path / "run", 1, "here")
            assert caught.value.exit_code == 75
        holder.kill()
        holder.wait(HANG)
    assert (tmp_path / "run" / "lock").exists()
    with (
        RunLock(tmp_path / "run", os.getpid(), "here"),
        pytest.raises(UsageError, match=f"process {os.getpid()} on here"),
    ):
        RunLock(tmp_path / "run", 2, "there")


def test_a_released_lock_is_free(tmp_path: Path) -> None:
    """By leaving the block, or by hand."""
    with RunLock(tmp_path, 1, "a"):
        pass
    lock = RunLock(tmp_path, 2, "b")
    lock.release()
    RunLock(tmp_path, 3, "c").release()


def test_the_locks_of_two_runs_are_two(tmp_path: Path) -> None:
    """Different runs do not wait for each other."""
    with RunLock(tmp_path / "one", 1, "a"), RunLock(tmp_path / "two", 1, "a"):
        assert (tmp_path / "two" / "lock").exists()


def test_a_holder_whose_file_says_nothing(tmp_path: Path) -> None:
    """It is refused all the same."""
    with RunLock(tmp_path, 1, "a") as lock:
        lock.path.write_bytes(b"")
        with pytest.raises(UsageError, match="a process that its lock does not name"):
            RunLock(tmp_path, 2, "b")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file is in the way: an error for people."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StateError, match="cannot write"):
        RunLock(tmp_path / "file" / "run", 1, "a")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_lock_that_cannot_be_written(tmp_path: Path) -> None:
    """The disk is full: the lock is not taken."""
    (tmp_path / "lock").symlink_to("/dev/full")
    with pytest.raises(StateError, match="cannot write"):
        RunLock(tmp_path, 1, "a")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_its_place(tmp_path: Path) -> None:
    """It is said, and not waited for; nobody can hold it."""
    os.mkfifo(tmp_path / "lock")
    assert holder(tmp_path) is None
    with pytest.raises(StateError, match="it is not a regular file"):
        RunLock(tmp_path, 1, "box")
