"""How jobs ended, as rows that lists and histories are read from.

A projection of the events, kept in the transaction that records these.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Protocol

from aftrun.domain.events import Action, Converged, Event, JobEnded, RunResumed, Settled
from aftrun.domain.past import WELL, End, without_echoes

TABLES = """
CREATE TABLE IF NOT EXISTS causes (
    job     TEXT NOT NULL,
    run     TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    message TEXT NOT NULL,
    PRIMARY KEY (job, run)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS causes_by_run ON causes (run);
CREATE TABLE IF NOT EXISTS echoes (
    job  TEXT NOT NULL,
    run  TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    sent TEXT NOT NULL,
    PRIMARY KEY (job, run)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS echoes_by_run ON echoes (run);
"""
"""Why jobs ended as they did that did not succeed; which runs said "unknown" of what another one (`sent`) had sent.

Version 0.1 had no such tables, and does no harm to them.
"""

_CAUSE = 500
"""Characters of a cause; the events have all of them."""

_ENDS = """
SELECT run, outcome, CASE WHEN seconds BETWEEN 0 AND 1e10 AND typeof(seconds) <> 'text' THEN seconds END
FROM ends WHERE job = ? AND typeof(run) = 'text' AND typeof(outcome) = 'text' ORDER BY run
"""
"""Columns can hold anything, whatever the table says."""

_NEWEST = _ENDS.replace("ORDER BY run", "ORDER BY run DESC LIMIT ?")

_EVERY_CAUSE = """
SELECT job, run, message FROM causes
WHERE typeof(job) = 'text' AND typeof(run) = 'text' AND typeof(message) = 'text'
"""

_SETTLED = """
INSERT INTO ends (run, job, outcome) VALUES (?1, ?2, ?3) ON CONFLICT (job, run) DO UPDATE SET outcome = ?3
"""


_TABLES = ("ends", "causes", "echoes")


class Rows(Protocol):
    """The result of a statement."""

    def fetchone(self) -> Any:
        """The next row, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Ends:
    """The rows. Writing is for those who are in a transaction.

    `execute` takes a statement and its values; `write` the beginning of an insertion, and rows.
    """

    def __init__(
        self, execute: Callable[[str, Sequence[Any]], Rows], write: Callable[[str, Sequence[tuple[Any, ...]]], None]
    ) -> None:
        self._execute, self._write = execute, write
        self._there = False

    def follow(self, run: str, events: Iterable[Event]) -> None:
        """Take what events say of ends: a job's own, that it is open again, and what a person found out."""
        ends: dict[str, JobEnded] = {}
        for event in events:
            match event:
                case JobEnded():
                    ends[event.job] = event
                case Converged(action=Action.DOUBT):
                    self._make_table()
                    self._write("INSERT OR REPLACE INTO echoes (job, run, sent) VALUES ", [(event.job, run, event.run)])
                case RunResumed() if event.again:
                    for job in event.again:
                        ends.pop(job, None)
                        self._reopen(run, job)
                case Settled():
                    self._put(run, ends)
                    self._execute(_SETTLED, (run, event.job, event.outcome.value))
        self._put(run, ends)

    def _put(self, run: str, ends: dict[str, JobEnded]) -> None:
        if not ends:
            return
        self._write(
            "INSERT OR REPLACE INTO ends (run, job, outcome, seconds) VALUES ",
            [(run, each.job, each.outcome.value, each.seconds) for each in ends.values()],
        )
        causes = [(each.job, run, _cause(each)) for each in ends.values() if each.outcome not in WELL]
        if causes:
            self._make_table()
            self._write("INSERT OR REPLACE INTO causes (job, run, message) VALUES ", causes)
        ends.clear()

    def _reopen(self, run: str, job: str) -> None:
        self._make_table()
        for table in _TABLES:
            self._execute(f"DELETE FROM {table} WHERE run = ? AND job = ?", (run, job))  # noqa: S608  # names of ours

    def forget(self, run: str) -> None:
        """Of a run that is forgotten, or is about to be read anew."""
        self._make_table()
        for table in _TABLES:
            self._execute(f"DELETE FROM {table} WHERE run = ?", (run,))  # noqa: S608  # names of ours

    def _make_table(self) -> None:
        if not self._there:
            for statement in filter(str.strip, TABLES.split(";")):
                self._execute(statement, ())
            self._there = True

    def all(self) -> Iterator[tuple[str, list[End]]]:
        """Every end on record: each job's key, with its ends in the order of the runs' ids."""
        echoed = self._echoed()
        for (job,) in self._execute("SELECT DISTINCT job FROM ends WHERE typeof(job) = 'text'", ()).fetchall():
            yield job, self._read(job, self._execute(_ENDS, (job,)), echoed)

    def newest(self, jobs: Iterable[str], limit: int) -> Iterator[tuple[str, list[End]]]:
        """Each of these jobs, with its newest ends in the order of the runs' ids."""
        echoed = self._echoed()
        for job in jobs:
            yield job, self._read(job, self._execute(_NEWEST, (job, limit)).fetchall()[::-1], echoed)

    def causes(self) -> dict[tuple[str, str], str]:
        """Why jobs did not succeed, by job and run; runs of version 0.1 have none here until they are read anew."""
        if not self._has("causes"):
            return {}
        return {(job, run): message for job, run, message in self._execute(_EVERY_CAUSE, ())}

    def _read(self, job: str, rows: Iterable[Any], echoed: Collection[str]) -> list[End]:
        """The ends of a job, each submission's told once."""
        ends = [End(*row) for row in rows]
        if job not in echoed:
            return ends
        return without_echoes(ends, dict(self._execute("SELECT run, sent FROM echoes WHERE job = ?", (job,))))

    def _echoed(self) -> Collection[str]:
        """The jobs of which a run said "unknown" of what another had sent."""
        if not self._has("echoes"):
            return ()
        return {job for (job,) in self._execute("SELECT DISTINCT job FROM echoes", ())}

    def _has(self, table: str) -> bool:
        return self._execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is not None


def _cause(event: JobEnded) -> str:
    """Why, in a line; what a server said may hold half a surrogate pair, which SQLite takes in no form."""
    text = event.message.partition("\n")[0][:_CAUSE]
    return text.encode("utf-8", "backslashreplace").decode()
