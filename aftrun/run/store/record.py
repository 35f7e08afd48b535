"""The durable record: every event of every run, in SQLite. The only importer of `sqlite3`.

`append` returns only after the events are on disk (`synchronous=FULL`), and takes all events of one turn of the
scheduler in one transaction, so that one fsync serves all jobs that moved in that turn.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from aftrun.domain.errors import StateError, UnderWay, UsageError
from aftrun.domain.events import (
    FORMAT,
    Event,
    RunEnded,
    RunResumed,
    RunStarted,
    Settled,
    from_json,
    instant,
)
from aftrun.domain.model import Json, RunOutcome
from aftrun.domain.past import End
from aftrun.domain.runids import checked, is_run_id
from aftrun.run.converge import LastAttempt
from aftrun.run.store import folder as state_folder
from aftrun.run.store import space
from aftrun.run.store.ends import Ends
from aftrun.run.store.folder import run_folder
from aftrun.run.store.identities import Identities
from aftrun.run.store.journal_file import encode
from aftrun.run.store.lock import held
from aftrun.run.store.record_errors import Damaged, explain

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
_AT_ONCE = 50
"""Rows of one statement; SQLite takes 999 values at least."""

_RUNS = "SELECT id, started_at, ended_at, outcome, exit_code, manifests, jobs, options FROM runs"

_DURATIONS = """
SELECT seconds FROM ends
WHERE job = ?1 AND run <> ?2 AND outcome = 'succeeded' AND seconds IS NOT NULL AND (?3 IS NULL OR EXISTS (
    SELECT 1 FROM runs WHERE id = ends.run AND (instr(options, '"sandbox": true') > 0) = ?3
))
ORDER BY run DESC LIMIT ?4
"""

_MIGRATIONS: dict[int, str] = {}
"""From version N to N + 1. A database is brought up to date, one step at a time, when it is opened for writing."""

_LEAVE = "leave the state folder to aftrun while runs are under way; `aftrun resume` puts it in order afterwards"

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)

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


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as the list of runs knows it; times are RFC 3339 texts."""

    id: str
    started_at: str
    ended_at: str | None
    outcome: str
    exit_code: int | None
    manifests: tuple[str, ...]
    jobs: int
    options: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Retry:
    """What a new run is a retry of."""

    of: str
    seen: Mapping[str, tuple[int, str | None]] = field(default_factory=dict)
    """That run and its retries, when it was decided what to run again: how many events each had, and its own retry."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A manifest file as it was when the run began, nothing expanded."""

    path: str
    content: bytes


class Log:
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
        self.identities = Identities(self._execute)
        self.outcomes = Ends(self._execute, self._write)
        """What is known of jobs with `once`. To be written through this class."""
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
                    "--trust-state; make that writable, or set XDG_DATA_HOME to a folder that is kept"
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
        self._sequence: dict[str, int] = {}
        self.doubt = ""
        """Why the file may have lost its last events, although SQLite finds nothing wrong; empty: no reason."""
        self._seen: dict[Path, tuple[int, int]] = {}
        """Device and inode of the files that are in use."""
        self._size = 0

    @classmethod
    @contextlib.contextmanager
    def _damaged(cls, path: Path) -> Iterator[Self | None]:
        """A state file that is damaged, open for reading; None where not even that can be done."""
        log = cls.__new__(cls)
        log.path = path
        log._waiting, log._hurried = lambda _: None, lambda: False  # noqa: SLF001  # one of its own kind
        log.identities = Identities(log._execute)  # noqa: SLF001  # the same
        log.outcomes = Ends(log._execute, log._write)  # noqa: SLF001  # the same
        try:
            where = f"{path.absolute().as_uri()}?mode=ro"
            log._db = sqlite3.connect(where, uri=True, isolation_level=None)  # noqa: SLF001  # the same
        except sqlite3.Error:
            yield None
            return
        with log:
            yield log

    @classmethod
    def readable_runs(cls, path: Path) -> Iterator[tuple[RunRow, list[Event], list[StoredFile]]]:
        """The runs of a damaged state file that can still be read whole; it is not changed."""
        rows: list[RunRow] = []
        with cls._damaged(path) as log:
            if log is None:
                return
            with contextlib.suppress(StateError):  # nothing of it can be read
                rows = log._run_rows(lambda _: None)  # noqa: SLF001  # the same
            for row in rows:
                try:
                    yield row, log.events(row.id), log.files(row.id)
                except StateError:
                    continue  # this one is lost, the next may not be

    @classmethod
    def readable_attempts(cls, path: Path) -> list[LastAttempt]:
        """What a damaged state file still tells of jobs with `once`; it is not changed."""
        with cls._damaged(path) as log:
            try:
                return [] if log is None else [last for last in log.identities.all() if last.readable]
            except (sqlite3.Error, StateError):
                return []

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
                raise StateError(f"{path} was {reason} while the run was under way", hint=_LEAVE) from error
            identity = (found.st_dev, found.st_ino)
            if self._seen.setdefault(path, identity) != identity:
                self._abandon()
                raise StateError(f"{path} was replaced by another file while the run was under way", hint=_LEAVE)
            if path == self.path:
                if found.st_size < self._size and found.st_size < space.length(path):
                    raise StateError(f"{path} was cut short while the run was under way", hint=_LEAVE)
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
            self.identities.reset()
            with contextlib.suppress(sqlite3.Error):  # the first error is the one to report
                self._db.execute("ROLLBACK")
            raise

    # --- writing --------------------------------------------------------------------------------------------------

    def begin(
        self,
        start: RunStarted,
        others: Sequence[Event],
        files: Iterable[StoredFile],
        options: dict[str, Json],
        *,
        retry: Retry | None = None,
        admit: Callable[[Log], None] = lambda _: None,
    ) -> None:
        """Make a run known, with its first events and all that it needs to be taken up again, in one transaction.

        `admit` raises what keeps it from beginning. It is asked in that transaction, and whoever calls this holds the
        run's lock: so of two runs that begin at the same instant one sees the other.

        Raises:
            StateError: it could not be recorded.
            UnderWay: another process has retried the same run meanwhile; or `admit` says so.
        """
        with self._explained(), self._transaction():
            admit(self)
            if retry is not None:
                self._claim(retry, start.run)
            self._begin(start, files, options)
            self._insert(start.run, [start, *others])
        self._sequence[start.run] = 1 + len(others)

    def _claim(self, retry: Retry, run: str) -> None:
        """Take the one place of a run's retry, as a row whose key is the run: two processes cannot both have it.

        Whoever goes on with a run holds its lock before it asks (`take_up`) whether another has taken its place. So
        either that one sees this row, or this one sees the lock, or what has been done under it.
        """
        self._db.execute("CREATE TABLE IF NOT EXISTS retries (of TEXT PRIMARY KEY, run TEXT NOT NULL) WITHOUT ROWID")
        self.must_have_its_place(retry.of)
        for each, (number, then) in retry.seen.items():
            taken = self.retried(each)
            if taken != then:
                raise UnderWay(
                    f"run {each} is being retried by another process, as run {taken}",
                    hint=f"`aftrun show {taken}` shows it; nothing was sent",
                )
            if held(run_folder(self.path.parent, each)) or self.count(each) != number:
                raise UnderWay(
                    f"run {each} has been resumed by another process", hint="wait until it has ended, and try again"
                )
        self._db.execute("INSERT OR REPLACE INTO retries (of, run) VALUES (?, ?)", (retry.of, run))

    def take_up(self, run: str) -> None:
        """Make sure that a run may go on: a run and its retries are one piece of work, and the last of them does it.

        Under the run's lock the answer stays true; see `_claim`.

        Raises:
            StateError: the file cannot be read.
            UsageError: another run has taken its place.
        """
        with self._explained(), self._transaction():
            self.must_have_its_place(run)
            retry = self.retried(run)
        if retry is not None:
            raise UsageError(
                f"run {run} was retried as run {retry}, which runs what was left of it",
                hint=f"`aftrun show {retry}` shows that one; if it was cut off: aftrun resume {retry}",
            )

    def must_have_its_place(self, run: str) -> None:
        """Refuse a retry, or a retry of one, in whose place there is another by now.

        Raises:
            StateError: the file cannot be read.
            UsageError: there is another in its place.
        """
        line = [run]
        while (of := self._retry_of(line[-1])) is not None and of not in line:
            other = self.retried(of)
            if other not in (None, line[-1]):
                raise UsageError(
                    f"run {line[-1]} was a retry of run {of}, and run {other} has taken its place",
                    hint=f"`aftrun show {other}` shows that one",
                )
            line.append(of)

    def _retry_of(self, run: str) -> str | None:
        """The run that this one is a retry of."""
        with self._explained():
            found = self._execute("SELECT options FROM runs WHERE id = ?", (run,)).fetchone()
        try:
            of = json.loads(found[0]).get("retry_of") if found is not None else None
        except (AttributeError, TypeError, ValueError) as error:
            raise Damaged(f"the state file {self.path} is damaged: its list of runs cannot be read") from error
        return checked(of) if of else None

    def count(self, run: str) -> int:
        """How many events of a run are in the file now, whoever wrote them.

        Raises:
            StateError: the file cannot be read.
        """
        with self._explained():
            return int(self._execute("SELECT COUNT(*) FROM events WHERE run = ?", (run,)).fetchone()[0])

    def retried(self, run: str) -> str | None:
        """The run that is the retry of this one; None where there is none.

        Raises:
            StateError: the file cannot be read.
        """
        with self._explained():
            if self._execute("SELECT 1 FROM sqlite_master WHERE name = 'retries'").fetchone():
                found = self._execute("SELECT run FROM retries WHERE of = ?", (run,)).fetchone()
                if found is not None and self._execute("SELECT 1 FROM runs WHERE id = ?", (found[0],)).fetchone():
                    return checked(found[0])
            # Those of version 0.1, and of a state file that was made anew, are told by their options alone.
            mark = json.dumps({"retry_of": run})[1:-1]
            query = "SELECT id FROM runs WHERE instr(options, ?) > 0 ORDER BY started_at DESC, id DESC LIMIT 1"
            found = self._execute(query, (mark,)).fetchone()
        return None if found is None else checked(found[0])

    def _begin(self, start: RunStarted, files: Iterable[StoredFile], options: Mapping[str, Json]) -> None:
        names = json.dumps([source.name for source in start.sources])
        row = (start.run, instant(start.at), names, len(start.jobs), FORMAT, json.dumps(dict(options)))
        self._db.execute(
            "INSERT INTO runs (id, started_at, manifests, jobs, format, options) VALUES (?, ?, ?, ?, ?, ?)", row
        )
        self._db.executemany(
            "INSERT INTO files (run, seq, path, content) VALUES (?, ?, ?, ?)",
            [(start.run, seq, _path_in(file.path), file.content) for seq, file in enumerate(files)],
        )

    def append(
        self,
        run: str,
        events: Sequence[Event],
        *,
        first: int | None = None,
        patience: float | None = None,
        texts: Mapping[int, str] = MappingProxyType({}),
    ) -> list[Event]:
        """Record events of a run; they are on disk when this returns. Returns those that are.

        All are, but for intents of jobs with `once` that another process has submitted meanwhile.

        `first` is the number of the first of them; None: behind those on record. `patience` is how long to wait for
        other programs that have the file locked, seconds; None: as usual. `texts` are the events as they stand in the
        file, by their `id`, where that is known.

        Raises:
            Busy: it stayed locked.
            StateError: they could not be recorded; none of them was.
        """
        if not events:
            return []
        with self._explained(), self._transaction(patience):
            admitted = self.identities.admit(run, events)
            first = self._insert(run, admitted, first, texts)
            self._follow(run, admitted)
        self._sequence[run] = first + len(admitted)
        return admitted

    def _follow(self, run: str, events: Sequence[Event]) -> None:
        """Let the tables that lists are read from follow the events."""
        self.outcomes.follow(run, events)
        for event in events:
            if isinstance(event, RunEnded):
                ended = (instant(event.at), event.outcome, event.exit_code, run)
                self._db.execute("UPDATE runs SET ended_at = ?, outcome = ?, exit_code = ? WHERE id = ?", ended)
            elif isinstance(event, RunResumed):
                self._db.execute(
                    "UPDATE runs SET ended_at = NULL, outcome = 'running', exit_code = NULL WHERE id = ?", (run,)
                )
            elif isinstance(event, Settled):
                settled = (event.run_outcome, event.exit_code, run)
                self._db.execute(
                    "UPDATE runs SET outcome = COALESCE(?1, outcome), exit_code = COALESCE(?2, exit_code) "
                    "WHERE id = ?3 AND ended_at IS NOT NULL",
                    settled,
                )

    def restore(
        self, start: RunStarted, others: Sequence[Event], files: Iterable[StoredFile], options: Mapping[str, Json]
    ) -> None:
        """Put a run on record as it should stand there, in place of what may be there of it.

        Raises:
            StateError: it could not be recorded; what was there before still is.
        """
        run, events = start.run, [start, *others]
        with self._explained(), self._transaction():
            self._db.execute("DELETE FROM runs WHERE id = ?", (run,))
            for table in ("ends", "events", "files"):  # what is left where it was forgotten and comes back
                self._db.execute(f"DELETE FROM {table} WHERE run = ?", (run,))  # noqa: S608  # three names of ours
            self._begin(start, files, options)
            self._sequence[run] = 0
            self._insert(run, events)
            self._follow(run, events)
            self.identities.replay(run, events)
        self._sequence[run] = len(events)

    def next_number(self, run: str) -> int:
        """The number of the next event of a run.

        Raises:
            StateError: the file cannot be read.
        """
        if run not in self._sequence:
            query = "SELECT COALESCE(MAX(seq) + 1, 0) FROM events WHERE run = ?"
            with self._explained():
                self._sequence[run] = int(self._execute(query, (run,)).fetchone()[0])
        return self._sequence[run]

    def _insert(
        self,
        run: str,
        events: Sequence[Event],
        first: int | None = None,
        texts: Mapping[int, str] = MappingProxyType({}),
    ) -> int:
        """Write the events behind those on record; returns the number of the first."""
        if first is None:
            first = self.next_number(run)
        # ASCII only: JSON of a server can hold half a surrogate pair, which SQLite takes in no other form.
        rows = [(run, first + offset, texts.get(id(event)) or encode(event)) for offset, event in enumerate(events)]
        self._write("INSERT INTO events (run, seq, body) VALUES ", rows)
        return first

    def _write(self, into: str, rows: Sequence[tuple[SQLite, ...]]) -> None:
        """Insert rows, many with one statement.

        Python lets other threads run at every step that SQLite takes, and who has let go may wait for the next turn.
        """
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            places = ", ".join(["(" + ", ".join("?" * len(some[0])) + ")"] * len(some))
            self._db.execute(into + places, [value for row in some for value in row])

    # --- reading --------------------------------------------------------------------------------------------------

    def runs(self, *, open_or: Collection[str] | None = None) -> list[RunRow]:
        """All runs, the newest first; with `open_or` only those that have no end on record, or one of these outcomes.

        Raises:
            StateError: they cannot be read.
        """

        def refuse(error: Exception) -> None:
            raise Damaged(f"the state file {self.path} is damaged: its list of runs cannot be read") from error

        return self._run_rows(refuse, open_or)

    def _run_rows(self, bad: Callable[[Exception], None], open_or: Collection[str] | None = None) -> list[RunRow]:
        """The same; `bad` hears of each row that is none, which is left out unless it raises."""
        outcomes = tuple(open_or or ())
        places = ", ".join("?" * len(outcomes))
        which = "" if open_or is None else f"WHERE ended_at IS NULL OR outcome IN ({places}) "
        with self._explained():
            found = self._execute(f"{_RUNS} {which}ORDER BY started_at DESC, id DESC", outcomes).fetchall()
        rows = []
        for row in found:
            try:
                rows.append(_run_row(row))
            except (TypeError, ValueError, RecursionError) as error:
                bad(error)
        return rows

    def events(self, run: str) -> list[Event]:
        """Every event of a run, in order. Nothing is skipped: what cannot be read is an error.

        Raises:
            StateError: they cannot be read.
        """
        return list(self.numbered(run).values())

    def start(self, run: str) -> Event | None:
        """The first event of a run; None where it is not there.

        Raises:
            StateError: it cannot be read.
        """
        with self._explained():
            found = self._execute("SELECT body FROM events WHERE run = ? AND seq = 0", (run,)).fetchone()
        try:
            return None if found is None else from_json(json.loads(found[0]))
        except ValueError as error:
            raise StateError(f"the record of run {run} in {self.path} is damaged: {error}") from error

    def numbered(self, run: str) -> dict[int, Event]:
        """Every event of a run, in order, by its number.

        Raises:
            StateError: they cannot be read.
        """
        with self._explained():
            found = self._execute("SELECT seq, body FROM events WHERE run = ? ORDER BY seq", (run,)).fetchall()
        try:
            return {row[0]: from_json(json.loads(row[1])) for row in found}
        except ValueError as error:
            raise StateError(f"the record of run {run} in {self.path} is damaged: {error}") from error

    def salvage(self, run: str) -> tuple[dict[int, Event], str]:
        """The events of a run that can be read, by number, and what is wrong with the others; empty: nothing.

        For a run that has a journal beside it, which knows better what is damaged and what is merely new.

        Raises:
            StateError: the file cannot be read, for another reason than damage.
        """
        found: dict[int, Event] = {}
        bad = 0
        try:
            for number, body in self._execute("SELECT seq, body FROM events WHERE run = ? ORDER BY seq", (run,)):
                try:
                    found[number] = from_json(json.loads(body))
                except (StateError, TypeError, ValueError):
                    bad += 1
        except sqlite3.Error as error:
            explained = explain(error, self.path, BUSY_SECONDS)
            if not isinstance(explained, Damaged):
                raise explained from error
            return found, str(error)
        return found, f"{bad} event{'' if bad == 1 else 's'} cannot be read" if bad else ""

    def damage(self) -> str:
        """What SQLite finds wrong with the file when it reads all of it; empty: nothing."""
        try:
            found = str(self._execute("PRAGMA integrity_check(1)").fetchone()[0])
        except (sqlite3.Error, StateError) as error:
            return str(error)
        return "" if found == "ok" else found.splitlines()[-1]

    def version(self) -> int:
        """A number that is another one whenever somebody else has written to the file since.

        Raises:
            StateError: it cannot be read.
        """
        with self._explained():
            return int(self._execute("PRAGMA data_version").fetchone()[0])

    def files(self, run: str) -> list[StoredFile]:
        """The manifest files of a run as they were when it began.

        Raises:
            StateError: they cannot be read.
        """
        with self._explained():
            found = self._execute("SELECT path, content FROM files WHERE run = ? ORDER BY seq", (run,)).fetchall()
        return [StoredFile(_path_out(row[0]), bytes(row[1])) for row in found]

    def counts(self) -> dict[str, dict[str, int]]:
        """How many jobs of each run ended in which way, by run and outcome.

        Raises:
            StateError: they cannot be read.
        """
        result: dict[str, dict[str, int]] = {}
        with self._explained():
            for run, outcome, count in self._execute("SELECT run, outcome, COUNT(*) FROM ends GROUP BY run, outcome"):
                result.setdefault(run, {})[outcome] = count
        return result

    def durations(
        self, keys: Collection[str], *, but: str = "", sandbox: bool | None = None, limit: int = 100
    ) -> list[tuple[str, float]]:
        """Key and seconds of each successful end of these jobs, the newest run first, up to `limit` for each job.

        `sandbox` asks for runs against a sandbox only, or (False) for others only: a job takes its time in one, and a
        made-up time in the other.

        Raises:
            StateError: they cannot be read.
        """
        result: list[tuple[str, float]] = []
        with self._explained():
            for key in keys:
                found = self._execute(_DURATIONS, (key, but, sandbox, limit))
                result += [(key, row[0]) for row in found]
        return result

    def accepted(self, job_id: str) -> list[str]:
        """The runs that were given this id for a job, the newest first.

        Raises:
            StateError: the file cannot be read.
        """
        query = (
            'SELECT DISTINCT run FROM events WHERE instr(body, \'"type":"accepted"\') > 0 AND instr(body, ?) > 0 '
            "ORDER BY run DESC"
        )
        with self._explained():
            return [row[0] for row in self._execute(query, (f'"jobId":{json.dumps(job_id)}',))]

    def alone(self, run: str) -> bool:
        """Whether no other run is on record.

        Raises:
            StateError: the file cannot be read.
        """
        with self._explained():
            return self._execute("SELECT 1 FROM runs WHERE id <> ? LIMIT 1", (run,)).fetchone() is None

    def last_attempt(self, identity: str) -> LastAttempt | None:
        """The newest submission of a job with `once`, by its identity.

        Raises:
            StateError: the file cannot be read.
        """
        with self._explained():
            return self.identities.last(identity)

    def attempts_of(self, manifest: str, job: str, key: str) -> list[LastAttempt]:
        """The newest submissions of a job under a key of `once`, one for each server.

        Raises:
            StateError: the file cannot be read.
        """
        with self._explained():
            return self.identities.of_job(manifest, job, key)

    def keep_attempts(self, attempts: Iterable[LastAttempt]) -> None:
        """Take submissions that are known from elsewhere, where nothing newer is on record.

        Raises:
            StateError: the file cannot be written.
        """
        with self._explained(), self._transaction():
            self.identities.put(attempts)

    def ended_before(self, before: str) -> list[str]:
        """The runs that ended before an RFC 3339 instant (UTC, as stored), but for those of open submissions.

        Raises:
            StateError: the file cannot be read.
        """
        with self._explained():
            found = self._execute(
                "SELECT id FROM runs WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY id", (before,)
            ).fetchall()
            still = self.identities.open_runs()
        return [checked(row[0]) for row in found if row[0] not in still]

    def attempts(self) -> list[LastAttempt]:
        """The newest submission under each identity of `once`, whichever run made it.

        Raises:
            StateError: the file cannot be read.
        """
        with self._explained():
            return self.identities.all()

    def forget_once(self, identities: Iterable[str]) -> None:
        """Forget identities of `once`, so that their jobs are submitted again.

        Raises:
            StateError: the file cannot be written.
        """
        with self._explained(), self._transaction():
            self.identities.forget(identities)

    def forget(self, run: str, before: str) -> bool:
        """Take a run off every list, if it did end before this instant; `sweep` removes what is left of it.

        Raises:
            StateError: the file cannot be written.
        """
        with self._explained():
            self._execute("PRAGMA foreign_keys = OFF")  # its row goes before its events, which may be many
            try:
                with self._transaction():
                    ended = "DELETE FROM runs WHERE id = ? AND ended_at IS NOT NULL AND ended_at < ?"
                    gone = self._db.execute(ended, (run, before)).rowcount > 0
                    if gone:
                        self.outcomes.forget(run)
            finally:
                self._db.execute("PRAGMA foreign_keys = ON")
        return gone

    def sweep(self, breathe: Callable[[], None]) -> None:
        """Remove what is left of forgotten runs, and give its space back; `breathe` is called between transactions.

        Raises:
            StateError: the file cannot be written.
        """
        with self._explained():
            space.sweep(self._execute, self._transaction, breathe)

    def compact(self) -> bool:
        """Make the file anew, so that it can give space back from now on; False where it can already.

        Nobody else can write meanwhile: not for use while a run is under way.

        Raises:
            StateError: the file cannot be written, or is in use.
        """
        with self._explained():
            if space.gives_back(self._execute):
                return False
            self._execute(f"PRAGMA auto_vacuum = {space.INCREMENTAL}")
            self._execute("VACUUM", patience=HURRIED_SECONDS)
        return True

    def ends(self) -> Iterator[tuple[str, list[End]]]:
        """Every end on record: each job's key, with its ends in the order of the runs' ids.

        Raises:
            StateError: they cannot be read.
        """
        with self._explained():
            yield from self.outcomes.all()

    def causes(self) -> dict[tuple[str, str], str]:
        """Why jobs did not succeed, by job and run; runs of version 0.1 have none here until `refold`.

        Raises:
            StateError: they cannot be read.
        """
        with self._explained():
            return self.outcomes.causes()

    def refold(self, run: str) -> None:
        """Make what lists are read from anew from a run's events.

        Raises:
            StateError: they cannot be read, or the file cannot be written.
        """
        with self._explained(), self._transaction():
            self.outcomes.forget(run)
            self._follow(run, self.events(run))


def _run_row(row: Sequence[Any]) -> RunRow:
    """A row of the list of runs, whose columns can hold anything whatever the table says.

    Raises:
        ValueError: it does not hold what aftrun writes there.
    """
    run, started_at, ended_at, outcome, exit_code, manifests, jobs, options = row
    names, chosen = json.loads(manifests), json.loads(options)
    fits = (
        is_run_id(run)
        and _is_instant(started_at)
        and (ended_at is None or _is_instant(ended_at))
        and outcome in set(RunOutcome)
        and (exit_code is None or isinstance(exit_code, int))
        and isinstance(names, list)
        and all(isinstance(name, str) for name in names)
        and isinstance(jobs, int)
        and isinstance(chosen, dict)
    )
    if not fits:
        raise ValueError(f"not a run as aftrun records it: {run!r}")
    return RunRow(run, started_at, ended_at, outcome, exit_code, tuple(names), jobs, chosen)


def _is_instant(value: object) -> bool:
    return isinstance(value, str) and _INSTANT.fullmatch(value) is not None


def _path_in(path: str) -> str | bytes:
    """A path as it is stored: text, or the bytes of a name that is not UTF-8, which SQLite takes for no text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def _path_out(stored: str | bytes) -> str:
    return stored if isinstance(stored, str) else os.fsdecode(stored)


def process_name() -> tuple[int, str]:
    """The pid and host of this process, for messages to people."""
    import platform  # noqa: PLC0415  # its import is slow, and only this needs it

    return os.getpid(), platform.node()
