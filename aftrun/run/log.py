"""The durable record: every event of every run, in SQLite. The only importer of `sqlite3`.

`append` returns only after the events are on disk (`synchronous=FULL`), and takes all events of one turn of the
scheduler in one transaction, so that one fsync serves all jobs that moved in that turn.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aftrun.errors import StateError
from aftrun.events import FORMAT, Event, JobEnded, RunEnded, RunResumed, RunStarted, from_json, instant, to_json
from aftrun.model import Json
from aftrun.run.log_errors import explain

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

SQLite = str | float | None
"""What is put into a column."""
_AT_ONCE = 50
"""Rows of one statement; SQLite takes 999 values at least."""

_DURATIONS = """
SELECT seconds FROM ends
WHERE job = :job AND run <> :but AND outcome = 'succeeded' AND seconds IS NOT NULL AND (:sandbox IS NULL OR EXISTS (
    SELECT 1 FROM runs WHERE id = ends.run AND (instr(options, '"sandbox": true') > 0) = :sandbox
))
ORDER BY run DESC LIMIT :limit
"""

_MIGRATIONS: dict[int, str] = {}
"""From version N to N + 1. A database is brought up to date, one step at a time, when it is opened for writing."""

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
"""Made once: `json.dumps` makes an encoder at every call that asks for anything but its defaults."""

BUSY_SECONDS = 30.0
"""How long to wait for another aftrun that is writing to the same file."""


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
class StoredFile:
    """A manifest file as it was when the run began, nothing expanded."""

    path: str
    content: bytes


class Log:
    """The state file. Use one per thread; the scheduler's thread is the one that writes."""

    def __init__(self, folder: Path, *, create: bool = True) -> None:
        """Open `folder/state.db`, making both where they are missing and `create` says so.

        Raises:
            StateError: it cannot be opened, or was written by a newer aftrun.
        """
        self.path = folder / "state.db"
        if create:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StateError(
                    f"cannot make the state folder {folder}: {error.strerror or error}",
                    hint="make its parent writable, or use another --state-dir",
                ) from error
        elif not self.path.exists():
            raise StateError(
                f"there is no state file {self.path}", hint="no run has been recorded here: see --state-dir"
            )
        try:
            self._db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        except sqlite3.Error as error:
            raise explain(error, self.path, BUSY_SECONDS) from error
        try:
            with self._explained():
                self._prepare()
        except StateError:
            self._db.close()
            raise
        self._sequence: dict[str, int] = {}

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

    def _prepare(self) -> None:
        # WAL needs shared memory, which some network file systems do not give; SQLite then keeps its rollback
        # journal and says so, which is slower and just as safe.
        self._db.execute("PRAGMA journal_mode = WAL").fetchone()
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
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
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # the first error is the one to report
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # --- writing --------------------------------------------------------------------------------------------------

    def begin(
        self, start: RunStarted, others: Sequence[Event], files: Iterable[StoredFile], options: dict[str, Json]
    ) -> None:
        """Make a run known, with its first events and all that it needs to be taken up again, in one transaction.

        Raises:
            StateError: it could not be recorded.
        """
        names = json.dumps([source.name for source in start.sources])
        row = (start.run, instant(start.at), names, len(start.jobs), FORMAT, json.dumps(options))
        with self._explained(), self._transaction():
            self._db.execute(
                "INSERT INTO runs (id, started_at, manifests, jobs, format, options) VALUES (?, ?, ?, ?, ?, ?)", row
            )
            self._db.executemany(
                "INSERT INTO files (run, seq, path, content) VALUES (?, ?, ?, ?)",
                [(start.run, seq, file.path, file.content) for seq, file in enumerate(files)],
            )
            self._insert(start.run, [start, *others])

    def append(self, run: str, events: Sequence[Event]) -> None:
        """Record events of a run; they are on disk when this returns.

        Raises:
            StateError: they could not be recorded; none of them was.
        """
        if not events:
            return
        with self._explained(), self._transaction():
            first = self._insert(run, events)
            ends = [event for event in events if isinstance(event, JobEnded)]
            if ends:
                self._write(
                    "INSERT OR REPLACE INTO ends (run, job, outcome, seconds) VALUES ",
                    [(run, event.job, event.outcome.value, event.seconds) for event in ends],
                )
            for event in events:
                if isinstance(event, RunEnded):
                    ended = (instant(event.at), event.outcome, event.exit_code, run)
                    self._db.execute("UPDATE runs SET ended_at = ?, outcome = ?, exit_code = ? WHERE id = ?", ended)
                elif isinstance(event, RunResumed):
                    self._db.execute(
                        "UPDATE runs SET ended_at = NULL, outcome = 'running', exit_code = NULL WHERE id = ?", (run,)
                    )
        self._sequence[run] = first + len(events)

    def _insert(self, run: str, events: Sequence[Event]) -> int:
        """Write the events behind those on record; returns the number of the first."""
        first = self._sequence.get(run)
        if first is None:
            query = "SELECT COALESCE(MAX(seq) + 1, 0) FROM events WHERE run = ?"
            first = int(self._db.execute(query, (run,)).fetchone()[0])
        rows = [
            # ASCII only: JSON of a server can hold half a surrogate pair, which SQLite takes in no other form.
            (run, first + offset, _encode(to_json(event)))
            for offset, event in enumerate(events)
        ]
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

    def runs(self) -> list[RunRow]:
        """All runs, the newest first.

        Raises:
            StateError: they cannot be read.
        """
        with self._explained():
            found = self._db.execute(
                "SELECT id, started_at, ended_at, outcome, exit_code, manifests, jobs, options FROM runs "
                "ORDER BY started_at DESC, id DESC"
            ).fetchall()
        return [
            RunRow(row[0], row[1], row[2], row[3], row[4], tuple(json.loads(row[5])), row[6], json.loads(row[7]))
            for row in found
        ]

    def events(self, run: str) -> list[Event]:
        """Every event of a run, in order. Nothing is skipped: what cannot be read is an error.

        Raises:
            StateError: they cannot be read.
        """
        with self._explained():
            found = self._db.execute("SELECT body FROM events WHERE run = ? ORDER BY seq", (run,)).fetchall()
        try:
            return [from_json(json.loads(row[0])) for row in found]
        except ValueError as error:
            raise StateError(f"the record of run {run} in {self.path} is damaged: {error}") from error

    def files(self, run: str) -> list[StoredFile]:
        """The manifest files of a run as they were when it began.

        Raises:
            StateError: they cannot be read.
        """
        with self._explained():
            found = self._db.execute("SELECT path, content FROM files WHERE run = ? ORDER BY seq", (run,)).fetchall()
        return [StoredFile(row[0], bytes(row[1])) for row in found]

    def counts(self) -> dict[str, dict[str, int]]:
        """How many jobs of each run ended in which way, by run and outcome.

        Raises:
            StateError: they cannot be read.
        """
        result: dict[str, dict[str, int]] = {}
        with self._explained():
            for run, outcome, count in self._db.execute(
                "SELECT run, outcome, COUNT(*) FROM ends GROUP BY run, outcome"
            ):
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
                found = self._db.execute(_DURATIONS, {"job": key, "but": but, "sandbox": sandbox, "limit": limit})
                result += [(key, row[0]) for row in found]
        return result

    def alone(self, run: str) -> bool:
        """Whether no other run is on record.

        Raises:
            StateError: the file cannot be read.
        """
        with self._explained():
            return self._db.execute("SELECT 1 FROM runs WHERE id <> ? LIMIT 1", (run,)).fetchone() is None

    def prune(self, before: str) -> list[str]:
        """Forget runs that ended before an RFC 3339 instant (UTC, as stored). Returns their ids.

        Raises:
            StateError: the file cannot be written.
        """
        with self._explained(), self._transaction():
            found = self._db.execute(
                "SELECT id FROM runs WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY id", (before,)
            ).fetchall()
            self._db.executemany("DELETE FROM runs WHERE id = ?", found)
        return [row[0] for row in found]


def process_name() -> tuple[int, str]:
    """The pid and host of this process, for messages to people."""
    import platform  # noqa: PLC0415  # its import is slow, and only this needs it

    return os.getpid(), platform.node()
