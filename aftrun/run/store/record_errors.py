"""What SQLite says went wrong, as sentences for people."""

from __future__ import annotations

from pathlib import Path

from aftrun.domain.errors import StateError
from aftrun.run.store.lock import NO_LOCKS

_ABOUT_LOCKS = (
    "SQLITE_IOERR_LOCK",
    "SQLITE_IOERR_RDLOCK",
    "SQLITE_IOERR_UNLOCK",
    "SQLITE_IOERR_SHMOPEN",
    "SQLITE_IOERR_SHMLOCK",
    "SQLITE_IOERR_SHMMAP",
    "SQLITE_PROTOCOL",
)
"""How the names of errors begin that come from a file system without locks, or without shared memory."""
_ABOUT_SPACE = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
"""The same of a disk that is full: the second where there is no room for the file of the shared memory."""


class Damaged(StateError):
    """The state file is not what SQLite wrote."""


def explain(error: Exception, path: Path, patience: float) -> StateError:
    """SQLite's words as ours: what happened to which file, and what to do.

    `patience` is how long the file was waited for while another program had it, seconds.
    """
    text = str(error)
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_BUSY") or "locked" in text:
        return StateError(
            f"the state file {path} is in use by another program and did not come free in {patience:.0f} s",
            hint=f"wait for the other aftrun to finish, or use another --state-dir; if there is none, {NO_LOCKS}",
        )
    if name.startswith(_ABOUT_LOCKS):
        return StateError(f"the state file {path} cannot be locked ({text})", hint=NO_LOCKS)
    if name.startswith(_ABOUT_SPACE) or "disk is full" in text:
        return StateError(f"the disk is full: cannot write the state file {path}", hint="free some space on that disk")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return StateError(
            f"the state file {path} cannot be written ({text})",
            hint="make its folder writable, or use another --state-dir",
        )
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")) or "not decode" in text or "no such table" in text:
        return Damaged(
            f"the state file {path} is damaged ({text})",
            hint="`aftrun resume` makes it anew from the journals of its runs, and keeps the damaged one beside it",
        )
    return StateError(f"cannot use the state file {path}: {text}", hint="check the disk, or use another --state-dir")
