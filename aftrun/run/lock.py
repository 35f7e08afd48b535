"""One process to a run: a lock that the operating system lets go of when its holder dies, however it dies."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import IO, Self

from aftrun.errors import StateError, UsageError

if sys.platform == "win32":  # pragma: no cover  # no Windows among the machines that measure coverage
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        # Far behind the text, since a locked region cannot be read by others on Windows.
        file.seek(1 << 20)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def held(folder: Path) -> bool:
    """Whether some process works on the run whose folder this is."""
    try:
        with (folder / "lock").open("rb") as file:
            _lock(file)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


class RunLock:
    """Held for as long as a process works on a run. Its file says who that is, for people."""

    def __init__(self, folder: Path, pid: int, host: str) -> None:
        """Take the lock of the run whose folder this is.

        Raises:
            UsageError: another process holds it.
            StateError: its file cannot be written.
        """
        self.path = folder / "lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Append mode makes the file where it is missing, and does not empty it while another holds the lock.
            self._file = self.path.open("a+b")
        except OSError as error:
            raise StateError(
                f"cannot write {self.path}: {error.strerror or error}", hint="make the state folder writable"
            ) from error
        try:
            _lock(self._file)
        except OSError as error:
            holder = self._holder()
            self._file.close()
            raise UsageError(
                f"another aftrun is working on this run: {holder}",
                hint="wait for it, or stop it first; two at once could submit twice",
            ) from error
        try:
            self._file.truncate(0)
            self._file.write(json.dumps({"pid": pid, "host": host}).encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.close()
            raise StateError(
                f"cannot write {self.path}: {error.strerror or error}", hint="free some space on that disk"
            ) from error

    def _holder(self) -> str:
        try:
            self._file.seek(0)
            found = json.loads(self._file.read(4096))
            return f"process {found['pid']} on {found['host']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "its file does not say which"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let go. The file stays, as files that come and go make locks unsafe."""
        self._file.close()
