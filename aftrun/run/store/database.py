"""The state file itself: opened, brought up to date, waited for, and watched. The only importer of `sqlite3`."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

from aftrun.domain.errors import StateError
from aftrun.run.store import folder as state_folder
from aftrun.run.store import space
from aftrun.run.store.record_errors import explain

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE runs (
    id         TEXT PRIMARY KEY,
    started_at TEXT NOT NULL,
    ended_at   TEXT,
    outcome    TEXT NOT NULL DEFAULT 'running',
    exit_code  INTEGER,
    manifests  TEXT NOT NULL,
    jobs       INTEGER NOT NULL,
    format     INTEGER NOT NULL,
    options    TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
CREATE INDEX runs_by_start ON runs (started_at);
CREATE TABLE ends (
    run     TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job     TEXT NOT NULL,
    outcome TEXT NOT NULL,
    seconds REAL,
    PRIMARY KEY (job, run)
) WITHOUT ROWID;
CREATE INDEX ends_by_run ON ends (run, outcome);
CREATE TABLE events (
    run  TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq  INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;
CREATE TABLE files (
    run     TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq     INTEGER NOT NULL,
    path    TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;
"""

SQLite = str | bytes | float | None
"""What is put into a column."""

_MIGRATIONS: dict[int, str] = {}
"""From version N to N + 1. A database is brought up to date, one step at a time, when it is opened for writing."""

LEAVE = "leave the state folder to aftrun while runs are under way; `aftrun resume` puts it in order afterwards"

BUSY_SECONDS = 600.0
"""How long to wait for a file that another program has locked: a backup may take its time."""
HURRIED_SECONDS = 5.0
"""The same once the run was told to stop."""
_SLICE = 0.1
"""How long SQLite itself waits; between two waits Python sees signals."""
_SAY_AFTER, _SAY_EVERY = 2.0, 60.0
"""When to say that the file is waited for, seconds."""


class Busy(StateError):
    """The state file stayed locked by another program; nothing of what was to be written is there."""


SQLError = sqlite3.Error


class Database:
    """The state file. Use one per thread; the scheduler's thread is the one that writes."""

    def __init__(
        self,
        folder: Path,
        *,
        create: bool = True,
        waiting: Callable[[str], None] = lambda _: None,
        hurried: Callable[[], bool] = lambda: False,
    ) -> None:
        """Open `folder/state.db`, making both where they are missing and `create` says so.

        While another program has the file locked, `waiting` hears about it, and `hurried` tells whether the run has
        been told to stop, so that it is not waited for any longer.

        Raises:
            StateError: it cannot be opened, or was written by a newer aftrun.
            UsageError: the folder is not this user's own.
        """
        self.path = folder / "state.db"
        self._waiting, self._hurried = waiting, hurried
        self._make_parts()
        state_folder.check(folder)
        if create:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StateError(
                    f"cannot make the state folder {folder}: {error.strerror or error}",
                    hint="make its parent writable, or use another --state-dir",
                ) from error
            if why := state_folder.claim(folder):
                waiting(
                    f"warning: {folder} cannot be marked as yours ({why}), so that the next command will ask for "
                    "--trust-state; make that writable, or set XDG_DATA_HOME to a folder of its own that is kept"
                )
        elif not self.path.exists():
            raise StateError(
                f"there is no state file {self.path}", hint="no run has been recorded here: see --state-dir"
            )
        try:
            self._db = sqlite3.connect(self.path, timeout=_SLICE, isolation_level=None)
        except sqlite3.Error as error:
            raise explain(error, self.path, BUSY_SECONDS) from error
        try:
            with self._explained():
                self._prepare()
        except BaseException:
            self._db.close()
            raise
        self._seen: dict[Path, tuple[int, int]] = {}
        """Device and inode of the files that are in use."""
        self._size = 0

    def _make_parts(self) -> None:
        """For what a subclass keeps beside the file, before that is opened."""

    def _rolled_back(self) -> None:
        """For what a subclass remembers of a transaction that came to nothing."""

    @classmethod
    def reading(cls, folder: Path) -> Self:
        """The state file of a folder, open for reading alone: nothing is written, and nothing put in order.

        Raises:
            StateError: it cannot be opened.
            UsageError: the folder is not this user's own.
        """
        state_folder.check(folder)
        path = folder / "state.db"
        try:
            waiting = (folder / "state.db-wal").stat().st_size > 0
        except OSError:
            waiting = False
        try:
            # Where nobody has it open, SQLite need not even make the files by which readers and writers meet.
            log = cls._read_only(path, "mode=ro" if waiting else "mode=ro&immutable=1")
            version = log._version()  # noqa: SLF001  # one of its own kind
        except sqlite3.Error as error:
            raise explain(error, path, BUSY_SECONDS) from error
        if version != SCHEMA_VERSION:
            log.close()
            raise StateError(
                f"the state file {path} was written by another aftrun (version {version} of its format)",
                hint="upgrade aftrun, or use another --state-dir",
            )
        return log

    @classmethod
    def _read_only(cls, path: Path, how: str) -> Self:
        log = cls.__new__(cls)
        log.path = path
        log._waiting, log._hurried = lambda _: None, lambda: False  # noqa: SLF001  # one of its own kind
        log._make_parts()  # noqa: SLF001  # the same
        where = f"{path.absolute().as_uri()}?{how}"
        log._db = sqlite3.connect(where, uri=True, timeout=_SLICE, isolation_level=None)  # noqa: SLF001  # the same
        return log

    @classmethod
    @contextlib.contextmanager
    def _damaged(cls, path: Path) -> Iterator[Self | None]:
        """A state file that is damaged, open for reading; None where not even that can be done."""
        try:
            log = cls._read_only(path, "mode=ro")
        except sqlite3.Error:
            yield None
            return
        with log:
            yield log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Nothing is lost by not calling this."""
        with contextlib.suppress(sqlite3.Error):  # everything is on disk already; a failing close changes nothing
            self._db.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explain(error, self.path, BUSY_SECONDS) from error

    def _execute(self, sql: str, values: Sequence[SQLite] = (), patience: float | None = None) -> sqlite3.Cursor:
        """One statement, tried again while another program has the file locked, up to `patience` seconds."""
        began = time.monotonic()
        said = began - _SAY_EVERY + _SAY_AFTER
        while True:
            try:
                return self._db.execute(sql, values)
            except sqlite3.OperationalError as error:
                if not getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                    raise
                now = time.monotonic()
                limit = BUSY_SECONDS if patience is None else patience
                limit = min(limit, HURRIED_SECONDS) if self._hurried() else limit
                if now - began >= limit:
                    text = explain(error, self.path, limit)
                    raise Busy(text.message, hint=text.hint) from error
                if now - said >= _SAY_EVERY:
                    said = now
                    self._waiting(f"waiting for {self.path}, which another program has locked (a backup, say)")

    def check(self) -> None:
        """Make sure that the files at these paths are still the ones that were opened.

        SQLite itself goes on writing to files that were deleted or replaced, and so to nowhere.

        Raises:
            StateError: one was deleted, replaced or cut short.
        """
        wal = self.path.with_name(f"{self.path.name}-wal")
        for path in (self.path, wal):
            try:
                found = os.stat(path)  # noqa: PTH116  # called before every POST; this is the quicker way
            except OSError as error:
                if path not in self._seen:
                    continue  # SQLite has not needed it yet
                self._abandon()
                reason = "deleted" if isinstance(error, FileNotFoundError) else f"made unusable ({error.strerror})"
                raise StateError(f"{path} was {reason} while the run was under way", hint=LEAVE) from error
            identity = (found.st_dev, found.st_ino)
            if self._seen.setdefault(path, identity) != identity:
                self._abandon()
                raise StateError(f"{path} was replaced by another file while the run was under way", hint=LEAVE)
            if path == self.path:
                if found.st_size < self._size and found.st_size < space.length(path):
                    raise StateError(f"{path} was cut short while the run was under way", hint=LEAVE)
                self._size = found.st_size

    def _abandon(self) -> None:
        """Leave files that are no longer ours alone: closing would remove the log of whoever uses that name now."""
        if sys.version_info >= (3, 12):
            with contextlib.suppress(sqlite3.Error):  # it is a precaution
                self._db.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)

    def _prepare(self) -> None:
        # WAL needs shared memory, which some network file systems do not give; SQLite then keeps its rollback
        # journal and says so, which is slower and just as safe.
        self._execute(f"PRAGMA auto_vacuum = {space.INCREMENTAL}")  # of a file that is yet to be made
        self._execute("PRAGMA journal_mode = WAL").fetchone()
        self._execute("PRAGMA synchronous = FULL")
        self._execute("PRAGMA foreign_keys = ON")
        version = self._version()
        if version == SCHEMA_VERSION:
            return
        if version > SCHEMA_VERSION:
            raise StateError(
                f"the state file {self.path} was written by a newer aftrun (version {version} of its format)",
                hint="upgrade aftrun, or use another --state-dir",
            )
        with self._transaction():
            version = self._version()  # another process may have been faster
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    if statement.strip():
                        self._db.execute(statement)
            else:
                for step in range(version, SCHEMA_VERSION):
                    self._db.execute(_MIGRATIONS[step])
            self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _version(self) -> int:
        return int(self._execute("PRAGMA user_version").fetchone()[0])

    @contextlib.contextmanager
    def _transaction(self, patience: float | None = None) -> Iterator[None]:
        self._execute("BEGIN IMMEDIATE", patience=patience)
        try:
            yield
            self._execute("COMMIT", patience=patience)
        except BaseException:
            self._rolled_back()
            with contextlib.suppress(sqlite3.Error):  # the first error is the one to report
                self._db.execute("ROLLBACK")
            raise
