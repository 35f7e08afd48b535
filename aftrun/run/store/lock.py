"""One process to a run: a lock that the operating system lets go of when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from pathlib import Path
from typing import BinaryIO, Self

from aftrun.domain.errors import StateError, UnderWay
from aftrun.domain.text import brief
from aftrun.system.files import NotAFileError, open_regular

if sys.platform == "win32":  # pragma: no cover  # no Windows among the machines that measure coverage
    import msvcrt

    def _lock(file: int) -> None:
        # Far behind the text, since a locked region cannot be read by others on Windows.
        os.lseek(file, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno:
                raise
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from error  # Wine refuses without a reason

    _try = _lock
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _try(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # two that only look are not in each other's way


def _take(file: int) -> None:
    """Lock it, also past others who only look at it: they hold a shared lock for that instant.

    Raises:
        OSError: somebody works on the run, or there are no locks here.
    """
    for left in reversed(range(_LOOKERS)):
        try:
            _lock(file)
        except OSError:
            if not left:
                raise
            _try(file)  # where that can be had, nobody works on the run
            if _try is _lock:  # and it is the lock itself, where there is no shared one
                return
        else:
            return


def lock_file(file: int, path: Path) -> None:
    """Lock another open file of a run, so that a lock that somebody deletes is not the only one.

    Raises:
        UnderWay: another process holds it.
        StateError: it cannot be locked here.
    """
    try:
        _lock(file)
    except OSError as error:
        os.close(file)
        if error.errno not in _HELD:
            raise StateError(f"cannot lock {path}: {error.strerror or error}", hint=NO_LOCKS) from error
        raise UnderWay(
            f"another aftrun is working on this run: it holds {path}",
            hint="wait for it, or stop it first; two at once could submit twice",
        ) from error


_LOOKERS = 200
"""How often to try again where others only look: they do it a few times a second, and are done at once."""
_HELD = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK})
"""What systems say of a lock that somebody else has."""
NO_LOCKS = "this file system may not support locks, as shares often do not: use --state-dir on a local disk"


def holder(folder: Path) -> str | None:
    """Who works on the run whose folder this is, for people: `process 12 on box`. None: nobody does."""
    try:
        with open_regular(folder / "lock", "rb") as file:
            try:
                _try(file.fileno())
            except OSError:
                return _named(file)
    except (FileNotFoundError, NotAFileError, IsADirectoryError):
        return None  # who wants to work on it is told what stands there
    except OSError:
        return _NAMELESS
    return None


def held(folder: Path) -> bool:
    """Whether some process works on the run whose folder this is."""
    return holder(folder) is not None


_NAMELESS = "a process that its lock does not name"


def _named(file: BinaryIO) -> str:
    """What the lock says of its holder. It may be anybody's text, since a state folder can come from elsewhere."""
    try:
        file.seek(0)
        found = json.loads(file.read(4096))
        return f"process {brief(str(found['pid']))} on {brief(str(found['host']))}"
    except (OSError, ValueError, KeyError, TypeError):
        return _NAMELESS


_LEAVE = "leave the state folder to aftrun while runs are under way"


class RunLock:
    """Held for as long as a process works on a run. Its file says who that is, for people."""

    def __init__(self, folder: Path, pid: int, host: str) -> None:
        """Take the lock of the run whose folder this is.

        Raises:
            UnderWay: another process holds it.
            StateError: its file cannot be written.
        """
        self.path = folder / "lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Append mode makes the file where it is missing, and does not empty it while another holds the lock.
            self._file = open_regular(self.path, "a+b")
        except OSError as error:
            raise StateError(
                f"cannot write {self.path}: {error.strerror or error}", hint="make the state folder writable"
            ) from error
        try:
            _take(self._file.fileno())
        except OSError as error:
            who = _named(self._file)
            self.release()
            if error.errno not in _HELD:
                raise StateError(f"cannot lock {self.path}: {error.strerror or error}", hint=NO_LOCKS) from error
            raise UnderWay(
                f"another aftrun is working on this run: {who}",
                hint="wait for it, or stop it first; two at once could submit twice",
            ) from error
        try:
            self._file.truncate(0)
            self._file.write(json.dumps({"pid": pid, "host": host}).encode())
            self._file.flush()  # not for good: it tells who works now, and after a crash nobody does
        except OSError as error:
            self.release()
            raise StateError(
                f"cannot write {self.path}: {error.strerror or error}", hint="free some space on that disk"
            ) from error

    def check(self) -> None:
        """Make sure that the file is still the one that was locked: another one would lock nobody out.

        Raises:
            StateError: it was deleted or replaced.
        """
        try:
            found, ours = self.path.stat(), os.fstat(self._file.fileno())
        except OSError as error:
            raise StateError(f"cannot use {self.path}: {error.strerror or error}", hint=_LEAVE) from error
        if (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino):
            raise StateError(f"{self.path} was replaced by another file while the run was under way", hint=_LEAVE)

    def forget(self) -> None:
        """The run never began, so nobody knows its id: let go, and leave nothing of it behind."""
        self.release()  # first, since Windows removes no file that is open
        with contextlib.suppress(OSError):  # an empty folder harms nobody
            self.path.unlink()
            self.path.parent.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let go. The file stays, as files that come and go make locks unsafe."""
        with contextlib.suppress(OSError):  # what it says is on disk already, and the lock ends with the process
            self._file.close()
