"""A state folder that is only read: its runs, one of them as it goes on, and how jobs fared. Nothing is written."""

from __future__ import annotations

from pathlib import Path

from aftrun.domain.frozen import replace
from aftrun.domain.model import RunOutcome, RunReport
from aftrun.domain.past import JobPast, Past
from aftrun.run.fold import ReportBuilder
from aftrun.run.store.folder import check
from aftrun.run.store.record import Log
from aftrun.service import history, past, which


class Record:
    """One state folder."""

    def __init__(self, folder: Path) -> None:
        """Raises UsageError where the folder is not this user's own."""
        check(folder)
        self.folder = folder

    def stamp(self) -> tuple[int, ...]:
        """What is another one whenever something has been recorded: sizes and times of its files."""
        found: list[int] = []
        for name in ("state.db", "state.db-wal"):
            try:
                seen = (self.folder / name).stat()
            except OSError:
                continue  # there is none yet, or no more
            found += [seen.st_mtime_ns, seen.st_size]
        return tuple(found)

    def past(self) -> Past:
        """How runs and jobs have fared; nothing where there is no record yet.

        Raises:
            StateError: it cannot be read.
        """
        if not (self.folder / "state.db").exists():
            return Past((), ())
        with Log.reading(self.folder) as log:
            return past.gather(log, which.runs(log))

    def run(self, run: str) -> RunReport | None:
        """One run as it is now; None where there is no such run.

        Raises:
            StateError: it cannot be read.
        """
        if not (self.folder / "state.db").exists():
            return None
        with Log.reading(self.folder) as log:
            row = next((row for row in which.runs(log) if row.id == run), None)
            if row is None:
                return None
            report = history.read(log, row).report
            return report if row.ended_at is not None else replace(report, outcome=row.outcome)

    def before(self, report: RunReport) -> dict[str, JobPast]:
        """How the jobs of a run fared in the runs before it, by key.

        Raises:
            StateError: it cannot be read.
        """
        with Log.reading(self.folder) as log:
            return past.before(log, report.id, [job.key for job in report.jobs])


class LiveRun:
    """A run as it goes on, from the events that its process records."""

    def __init__(self, record: Record, run: str) -> None:
        self._record, self._run = record, run
        self._stamp: tuple[int, ...] | None = None
        self._next = 0
        self._fold = ReportBuilder()
        self.report: RunReport | None = None
        """As it was when it was last asked for."""

    def news(self) -> list[int] | None:
        """The numbers of the jobs that have changed since the last time; None where nothing at all has.

        Raises:
            StateError: the record cannot be read.
        """
        stamp = self._record.stamp()
        if stamp == self._stamp and self.report is not None and self.report.outcome != RunOutcome.RUNNING:
            return None
        with Log.reading(self._record.folder) as log:
            events = log.events(self._run, first=self._next)
            row = which.as_it_is(log.run(self._run), self._record.folder)
        self._stamp = stamp
        self._next += len(events)
        before = dict(self._fold.jobs())
        for event in events:
            self._fold.feed(event)
        report = self._fold.report()
        report = report if row.ended_at is not None else replace(report, outcome=row.outcome)
        changed = [number for number, (key, job) in enumerate(self._fold.jobs().items()) if before.get(key) is not job]
        same = not changed and self.report is not None and report.outcome == self.report.outcome
        self.report = report
        return None if same else changed
