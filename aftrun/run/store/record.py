"""The durable record: every event of every run, in SQLite.

`append` returns only after the events are on disk (`synchronous=FULL`), and takes all events of one turn of the
scheduler in one transaction, so that one fsync serves all jobs that moved in that turn.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from aftrun.domain.digits import exact_loads
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
from aftrun.domain.model import Json
from aftrun.domain.past import End
from aftrun.domain.runids import checked
from aftrun.run.converge import LastAttempt
from aftrun.run.store import space
from aftrun.run.store.database import BUSY_SECONDS, HURRIED_SECONDS, LEAVE, Database, SQLError, SQLite
from aftrun.run.store.ends import Ends
from aftrun.run.store.folder import run_folder
from aftrun.run.store.identities import Identities
from aftrun.run.store.journal_file import encode
from aftrun.run.store.lock import NO_LOCKS, held
from aftrun.run.store.record_errors import Damaged, explain
from aftrun.run.store.rows import RUNS, Retry, RunRow, StoredFile, path_in, path_out, run_row
from aftrun.system.lines import about_run

_AT_ONCE = 50
"""Rows of one statement; SQLite takes 999 values at least."""

_DURATIONS = """
SELECT seconds FROM ends
WHERE job = ?1 AND run <> ?2 AND outcome = 'succeeded' AND seconds IS NOT NULL AND (?3 IS NULL OR EXISTS (
    SELECT 1 FROM runs WHERE id = ends.run AND (instr(options, '"sandbox": true') > 0) = ?3
))
ORDER BY run DESC LIMIT ?4
"""


class Log(Database):
    """Every event of every run."""

    def _make_parts(self) -> None:
        self.identities = Identities(self._execute)
        """What is known of jobs with `once`. To be written through this class."""
        self.outcomes = Ends(self._execute, self._write)
        self._sequence: dict[str, int] = {}
        self.doubt = ""
        """Why the file may have lost its last events, although SQLite finds nothing wrong; empty: no reason."""

    def _rolled_back(self) -> None:
        self.identities.reset()

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
            except (SQLError, StateError):
                return []

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
        """Make a run known, with its first events and all that it needs to be resumed, in one transaction.

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
                    hint=f"`{about_run('show', taken or each, self.path.parent)}` shows it; nothing was sent",
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
            shown, resumed = (about_run(verb, retry, self.path.parent) for verb in ("show", "resume"))
            raise UsageError(
                f"run {run} was retried as run {retry}, which runs what was left of it",
                hint=f"`{shown}` shows that one; if it was cut off: {resumed}",
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
                    hint=f"`{about_run('show', other, self.path.parent)}` shows that one",
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
            [(start.run, seq, path_in(file.path), file.content) for seq, file in enumerate(files)],
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

        `first` is the number of the first of them, as whoever wrote those before it knows; None: behind those on
        record. `patience` is how long to wait for other programs that have the file locked, seconds; None: as usual.
        `texts` are the events as they stand in the file, by their `id`, where that is known.

        Raises:
            Busy: it stayed locked.
            StateError: they could not be recorded; none of them was.
        """
        if not events:
            return []
        with self._explained(), self._transaction(patience):
            if first is not None:
                self._must_end_at(run, first - 1)
            admitted = self.identities.admit(run, events)
            first = self._insert(run, admitted, first, texts)
            self._follow(run, admitted)
        self._sequence[run] = first + len(admitted)
        return admitted

    def _must_end_at(self, run: str, number: int) -> None:
        """Make sure that the last event of a run is still the one that this process wrote last.

        An older copy that is written over the file is no other file to the system, and SQLite takes it for its own:
        jobs that were sent since would not be known any more.
        """
        last = self.last_number(run)
        if last < number:
            why = "has lost what was written to it while the run was under way: an older copy is in its place"
            raise StateError(f"{self.path} {why}", hint=LEAVE)
        if last > number:
            why = f"was written to while run {run} was under way: another process works on it, which its lock forbids"
            raise StateError(f"{self.path} {why}", hint=NO_LOCKS)

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
            self._sequence[run] = self.last_number(run) + 1
        return self._sequence[run]

    def last_number(self, run: str) -> int:
        """The number of the last event of a run in the file now, whoever wrote it; -1 where there is none.

        Raises:
            StateError: the file cannot be read.
        """
        query = "SELECT COALESCE(MAX(seq), -1) FROM events WHERE run = ?"
        with self._explained():
            return int(self._execute(query, (run,)).fetchone()[0])

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

    def run(self, run: str) -> RunRow:
        """One run, which was there a moment ago.

        Raises:
            StateError: it cannot be read, or is not there any more (`history --prune`).
        """
        found = next((row for row in self.runs() if row.id == run), None)
        if found is None:
            raise StateError(f"run {run} is not on record any more")
        return found

    def _run_rows(self, bad: Callable[[Exception], None], open_or: Collection[str] | None = None) -> list[RunRow]:
        """The same; `bad` hears of each row that is none, which is left out unless it raises."""
        outcomes = tuple(open_or or ())
        places = ", ".join("?" * len(outcomes))
        which = "" if open_or is None else f"WHERE ended_at IS NULL OR outcome IN ({places}) "
        with self._explained():
            found = self._execute(f"{RUNS} {which}ORDER BY started_at DESC, id DESC", outcomes).fetchall()
        rows = []
        for row in found:
            try:
                rows.append(run_row(row))
            except (TypeError, ValueError, RecursionError) as error:
                bad(error)
        return rows

    def events(self, run: str, *, first: int = 0) -> list[Event]:
        """The events of a run, in order, from number `first` on. What cannot be read is an error, and not skipped.

        Raises:
            StateError: they cannot be read.
        """
        return list(self.numbered(run, first=first).values())

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

    def numbered(self, run: str, *, first: int = 0) -> dict[int, Event]:
        """The events of a run, in order, by number, from `first` on.

        Raises:
            StateError: they cannot be read.
        """
        with self._explained():
            query = "SELECT seq, body FROM events WHERE run = ? AND seq >= ? ORDER BY seq"
            found = self._execute(query, (run, first)).fetchall()
        try:
            return {row[0]: from_json(exact_loads(row[1])) for row in found}
        except ValueError as error:
            raise StateError(f"the record of run {run} in {self.path} is damaged: {error}") from error

    def salvage(self, run: str, events: Mapping[int, Event], bodies: Mapping[int, str]) -> tuple[dict[int, Event], str]:
        """The events of a run that can be read, by number, and what is wrong with the others; empty: nothing.

        For a run that has a journal beside it, which knows better what is damaged and what is merely new. Its `events`
        are not read once more where the same `bodies` stand here.

        Raises:
            StateError: the file cannot be read, for another reason than damage.
        """
        found: dict[int, Event] = {}
        bad = 0
        try:
            for number, body in self._execute("SELECT seq, body FROM events WHERE run = ? ORDER BY seq", (run,)):
                if bodies.get(number) == body:
                    found[number] = events[number]
                    continue
                try:
                    found[number] = from_json(exact_loads(body))
                except (StateError, TypeError, ValueError):
                    bad += 1
        except SQLError as error:
            explained = explain(error, self.path, BUSY_SECONDS)
            if not isinstance(explained, Damaged):
                raise explained from error
            return found, str(error)
        return found, f"{bad} event{'' if bad == 1 else 's'} cannot be read" if bad else ""

    def damage(self) -> str:
        """What SQLite finds wrong with the file when it reads all of it; empty: nothing."""
        try:
            found = str(self._execute("PRAGMA integrity_check(1)").fetchone()[0])
        except (SQLError, StateError) as error:
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
        return [StoredFile(path_out(row[0]), bytes(row[1])) for row in found]

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

    def attempts_known(self) -> dict[str, tuple[str, bool]]:
        """Of each identity of `once`, the run of its newest submission, and whether that is open.

        Raises:
            StateError: the file cannot be read.
        """
        with self._explained():
            return self.identities.known()

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

    def has(self, run: str) -> bool:
        """Whether a run is on record. Under the run's lock the answer stays true; see `forget`.

        Raises:
            StateError: the file cannot be read.
        """
        with self._explained(), self._transaction():
            return self._db.execute("SELECT 1 FROM runs WHERE id = ?", (run,)).fetchone() is not None

    def forget(self, run: str, before: str) -> bool:
        """Take a run off every list, if it did end before this instant; `sweep` removes what is left of it.

        Whoever goes on with a run holds its lock before it asks (`has`) whether the run is still there. So either that
        one sees that it is gone, or this one sees the lock, and leaves the run.

        Raises:
            StateError: the file cannot be written.
        """
        with self._explained():
            self._execute("PRAGMA foreign_keys = OFF")  # its row goes before its events, which may be many
            try:
                with self._transaction():
                    ended = "DELETE FROM runs WHERE id = ? AND ended_at IS NOT NULL AND ended_at < ?"
                    free = not held(run_folder(self.path.parent, run))
                    gone = free and self._db.execute(ended, (run, before)).rowcount > 0
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

    def newest_ends(self, jobs: Iterable[str], limit: int) -> dict[str, list[End]]:
        """The newest ends of these jobs, in the order of the runs' ids, by job.

        Raises:
            StateError: they cannot be read.
        """
        with self._explained():
            return {job: found for job, found in self.outcomes.newest(jobs, limit) if found}

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
