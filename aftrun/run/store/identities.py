"""What the record knows of jobs with `once`: the newest submission under each identity, as a row with a unique key.

The rows are a projection of the events, kept in the transaction that records these. They outlive the runs that they
speak of, so that a pruned night is not run again; for the day on which the state file is lost, what is pruned goes to a
second file, `once.ndjson`, as the journals are a second file of the events.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from aftrun.domain.errors import StateError
from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
    Converged,
    Event,
    JobEnded,
    Once,
    Reason,
    Settled,
    SubmitDeferred,
    SubmitIntended,
    as_json,
    from_json,
    made_from,
)
from aftrun.domain.runids import is_run_id
from aftrun.run.converge import LastAttempt, Submission, after, is_open, may_submit, submission, taken

TABLES = """
CREATE TABLE IF NOT EXISTS once (
    identity TEXT PRIMARY KEY,
    manifest TEXT NOT NULL,
    job      TEXT NOT NULL,
    key      TEXT NOT NULL,
    run      TEXT NOT NULL,
    open     INTEGER NOT NULL,
    body     TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS once_by_job ON once (manifest, job, key);
CREATE INDEX IF NOT EXISTS once_by_run ON once (run);
"""
"""Added to a state file when the first job with `once` is about to be sent."""


class Rows(Protocol):
    """The result of a statement."""

    def fetchone(self) -> Any:
        """The next row, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows."""
        ...


_TELLING = (SubmitDeferred, Accepted, AttemptEnded, JobEnded, Settled)
"""Events that may say something about a submission: see `converge.after`."""

Execute = Callable[[str, Sequence[Any]], Rows]


def body_of(last: LastAttempt) -> str:
    """An attempt as it is kept: JSON in ASCII."""
    return json.dumps(as_json(last), separators=(",", ":"))


def attempt_of(body: str) -> LastAttempt:
    """The attempt that `body_of` made a text of.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    found = made_from(LastAttempt, json.loads(body))
    if not is_run_id(found.run):
        raise ValueError(f"not the id of a run: {found.run!r}")
    return found


class Identities:
    """The rows. Writing is for those who are in a transaction."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._there = False
        self._attempts: dict[str, dict[str, Submission]] = {}
        """Which submission the newest attempt of each job is, by run."""

    def reset(self) -> None:
        """A transaction was taken back: forget what was noted of it."""
        self._there = False
        self._attempts.clear()

    def last(self, identity: str) -> LastAttempt | None:
        """The newest submission under an identity."""
        found = self._select("identity = ?", (identity,))
        return found[0] if found else None

    def of_job(self, manifest: str, job: str, key: str) -> list[LastAttempt]:
        """The newest submissions of a job under a key, on whatever server."""
        return self._select("manifest = ? AND job = ? AND key = ?", (manifest, job, _ascii(key)))

    def all(self) -> list[LastAttempt]:
        """The newest submission under each identity."""
        return self._select("1", ())

    def known(self) -> dict[str, tuple[str, bool]]:
        """Of each identity, the run of its newest submission, and whether that may still do something."""
        if not self._exists():
            return {}
        found = self._execute("SELECT identity, run, open FROM once", ()).fetchall()
        return {identity: (run, bool(still)) for identity, run, still in found}

    def open_runs(self) -> set[str]:
        """The runs whose submissions may still do something that is not on record."""
        if not self._exists():
            return set()
        return {row[0] for row in self._execute("SELECT DISTINCT run FROM once WHERE open <> 0", ()).fetchall()}

    def admit(self, run: str, events: Sequence[Event]) -> list[Event]:
        """Let the rows follow events of a run that are about to be recorded. Returns those that may be.

        An intent may not where another process has submitted the job since this one asked.
        """
        return [event for event in events if self._admits(run, event, ask=True)]

    def replay(self, run: str, events: Iterable[Event]) -> None:
        """Let the rows follow events that are on record already."""
        self._attempts[run] = {}
        for event in events:
            self._admits(run, event, ask=False)

    def put(self, attempts: Iterable[LastAttempt]) -> None:
        """Take what was known elsewhere, where nothing newer is known here."""
        for found in attempts:
            here = self.last(found.once.identity)
            if here is None or not here.readable or here.once.number < found.once.number or _further(found, here):
                self._write(found)

    def forget(self, identities: Iterable[str]) -> None:
        """Forget identities, so that their jobs are submitted again."""
        for identity in identities:
            self._execute("DELETE FROM once WHERE identity = ?", (identity,))

    def _admits(self, run: str, event: Event, *, ask: bool) -> bool:
        job = getattr(event, "job", "")
        if not job:
            return True
        known = self._of_run(run)
        found = submission(run, event)
        if found is None:
            which = known.get(job)
            if which is not None and isinstance(event, _TELLING):
                self._follow(which, event)
            return True
        if ask and isinstance(event, Converged):
            known[job] = found
            return True  # the row that it was read from is there
        last = self.last(found.identity)
        if ask and isinstance(event, SubmitIntended) and not may_submit(last, run, event, job):
            return False
        assert isinstance(event, SubmitIntended | Converged), "nothing else names a submission"  # noqa: S101  # for the type checker
        known[job] = found
        now = taken(last, run, event)
        if now is not None and now != last:
            self._write(now)
        return True

    def _follow(self, which: Submission, event: Event) -> None:
        if isinstance(event, JobEnded) and event.reason is not Reason.CRASHED:
            return
        last = self.last(which.identity)
        if last is not None and last.readable and (now := after(last, which, event)) != last:
            self._write(now)

    def _of_run(self, run: str) -> dict[str, Submission]:
        """Which submission each job of a run is, by what is on record of it."""
        if run not in self._attempts:
            found = self._attempts[run] = {}
            query = "SELECT body FROM events WHERE run = ? AND instr(body, '\"once\":') > 0 ORDER BY seq"
            for (body,) in self._execute(query, (run,)).fetchall():
                try:
                    event = from_json(json.loads(body))
                except (StateError, TypeError, ValueError):
                    continue  # it is damaged; whoever reads the run says so
                which = submission(run, event)
                if which is not None:
                    found[getattr(event, "job", "")] = which
        return self._attempts[run]

    def _exists(self) -> bool:
        if not self._there:
            query = "SELECT 1 FROM sqlite_master WHERE name = 'once'"
            return self._execute(query, ()).fetchone() is not None
        return True

    def _select(self, where: str, values: Sequence[str]) -> list[LastAttempt]:
        if not self._exists():
            return []
        rows = self._execute(f"SELECT identity, manifest, job, key, run, body FROM once WHERE {where}", values)  # noqa: S608  # texts of ours
        found = rows.fetchall()
        self._there = self._there or bool(found)  # a table that was made in a transaction may be gone with it
        return [_read(row) for row in found]

    def _write(self, last: LastAttempt) -> None:
        for statement in TABLES.split(";") if not self._there else ():
            if statement.strip():
                self._execute(statement, ())
        self._execute(
            "INSERT OR REPLACE INTO once (identity, manifest, job, key, run, open, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                last.once.identity,
                last.manifest,
                last.job,
                _ascii(last.once.key),
                last.run,
                int(is_open(last)),
                body_of(last),
            ),
        )


def _further(found: LastAttempt, here: LastAttempt) -> bool:
    """Whether one submission is known to have ended, and here is not."""
    return (found.run, found.attempt) == (here.run, here.attempt) and is_open(here) and not is_open(found)


def _ascii(key: str) -> str:
    """A key as SQLite takes it: a half of a surrogate pair is no text to it."""
    return key.encode("utf-8", "backslashreplace").decode()


def _read(row: Sequence[str]) -> LastAttempt:
    identity, manifest, job, key, run, body = row
    try:
        return attempt_of(body)
    except (AttributeError, KeyError, TypeError, ValueError):
        return LastAttempt(Once(identity, key, "", ""), manifest, job, run, 0, 0.0, readable=False)
