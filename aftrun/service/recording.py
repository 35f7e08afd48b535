"""How a run is put on record: begun, resumed after another process, or kept in memory only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from aftrun.domain.errors import ExitCode, StateError, UnderWay
from aftrun.domain.events import AttemptEnded, Event, JobEnded, Reason, RunEnded, RunResumed, RunStarted, Warned
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.model import JobResult, Outcome
from aftrun.run.fold import ReportBuilder
from aftrun.run.once import Convergence, Found
from aftrun.run.pins import Elsewhere, elsewhere, make_key, pins, read_key
from aftrun.run.ports import Clock, Journal
from aftrun.run.select import to_read_again
from aftrun.run.store import journal_file
from aftrun.run.store.attempts import Attempts
from aftrun.run.store.folder import has_state_file, run_folder
from aftrun.run.store.journal import MemoryJournal, RunJournal
from aftrun.run.store.journal_file import Head, JournalFile
from aftrun.run.store.lock import RunLock
from aftrun.run.store.record import Log
from aftrun.run.store.restore import open_record, recover
from aftrun.run.store.rows import StoredFile, process_name
from aftrun.run.verdict import NAMES
from aftrun.service.prepare import PreparedRun

_ELSEWHERE = (
    "the job was accepted when its server was another one, and the server of now is not asked for it\n"
    "resume the run with the values of then, and the job is read again"
)


@dataclass(frozen=True, slots=True)
class Recording:
    """A run whose record is open for this process."""

    journal: Journal
    opening: tuple[Event, ...] = ()
    """What this process began with; it is on record."""
    history: tuple[Event, ...] = ()
    """What was on record before: of earlier processes that worked on the run."""
    past: Callable[[str], Sequence[float]] = lambda _key: ()
    """How long a job, by its key, took in past runs, seconds."""
    convergence: Convergence | None = None
    """What asks the record about jobs with `once`; None: they are sent as all others."""
    elsewhere: tuple[Elsewhere, ...] = ()
    """The jobs of earlier processes that are at another URL than their server's of now."""

    def knowing(self, done: Mapping[str, Found]) -> Recording:
        """The same, where it is known already what the record holds of some jobs: see `Record.done_before`."""
        if not done or self.convergence is None:
            return self
        return replace(self, convergence=replace(self.convergence, done=done))


class Record(Protocol):
    """Where a run is kept."""

    def report_path(self, setup: PreparedRun) -> Path | None:
        """Where its report is kept; None: nowhere."""
        ...

    def done_before(self, setup: PreparedRun, say: Callable[[str], None]) -> Mapping[str, Found]:
        """What the record holds of each job, by key, if all have `once` and are up to date: then no request is made.

        Empty where something is to be sent or read.
        """
        ...

    def opened(
        self, setup: PreparedRun, clock: Clock, *, say: Callable[[str], None], hurried: Callable[[], bool]
    ) -> AbstractContextManager[Recording]:
        """The record of the run, for as long as this process works on it.

        `say` hears at once what is no event: that the record is waited for. `hurried` tells whether to wait no longer.

        Raises:
            StateError: it could not be begun, or somebody else works on the run.
        """
        ...


@dataclass(frozen=True, slots=True)
class InMemory:
    """A run that is on no record: whoever looks at jobs that are not ours."""

    history: tuple[Event, ...] = ()

    def report_path(self, _setup: PreparedRun) -> None:
        """Its report is not kept."""

    def done_before(self, _setup: PreparedRun, _say: Callable[[str], None]) -> dict[str, Found]:
        """Nothing is known."""
        return {}

    @contextlib.contextmanager
    def opened(
        self, _setup: PreparedRun, _clock: Clock, *, say: Callable[[str], None], hurried: Callable[[], bool]
    ) -> Iterator[Recording]:
        """There is nothing to open."""
        yield Recording(MemoryJournal(), history=self.history)


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A run in a state folder: a new one, or (`resume`) one that earlier processes have worked on."""

    state_dir: Path
    files: tuple[StoredFile, ...] = ()
    """The manifests that a new run keeps a copy of."""
    resume: bool = False
    admit: Callable[[Log], None] = lambda _: None
    """Raises what keeps a new run from beginning; see `Log.begin`."""

    def report_path(self, setup: PreparedRun) -> Path:
        """Beside its journal."""
        return run_folder(self.state_dir, setup.facts.id) / "report.json"

    @contextlib.contextmanager
    def opened(
        self, setup: PreparedRun, clock: Clock, *, say: Callable[[str], None], hurried: Callable[[], bool]
    ) -> Iterator[Recording]:
        """The run is on record, and its lock is held, before the first request."""
        pid, host = process_name()
        run = setup.facts.id
        with (
            self._log(setup, say, hurried) as log,
            RunLock(run_folder(self.state_dir, run), pid, host) as lock,
        ):
            history: tuple[Event, ...] = ()
            moved: tuple[Elsewhere, ...] = ()
            if self.resume:
                log.take_up(run)  # once more: this process holds the lock now
                restored = recover(log, run, clock.now())
                for note in restored.notes:
                    say(f"warning: {note}")  # at once: it is no event of this process, and may explain what follows
                history, file = restored.events, restored.file
                moved = moved_jobs(setup, history, self.state_dir)
                opening = self._resumed(setup, history, moved, RunResumed(clock.now(), pid, host))
                RunJournal(log, run, file).append(opening)
            else:
                start = self._start(setup)
                warnings = tuple(Warned(start.at, text) for text in setup.warnings())
                try:
                    file = self._begin(log, setup, start, warnings, clock)
                except UnderWay:
                    lock.forget()
                    raise
                opening = (start, *warnings)
            with contextlib.closing(file):
                journal = RunJournal(log, run, file, sandbox=setup.sandbox, checks=(lock.check,))
                yield Recording(journal, opening, history, journal.past, self._convergence(setup, Attempts(log)), moved)

    def done_before(self, setup: PreparedRun, say: Callable[[str], None]) -> dict[str, Found]:
        """See `Record`. Asked of a record that is in order: an older copy of it may know less than journals do."""
        if self.resume or setup.options.again or not _converges(setup) or not has_state_file(self.state_dir):
            return {}
        with contextlib.suppress(StateError), open_record(self.state_dir, say) as log:  # whoever opens it next says so
            convergence = self._convergence(setup, Attempts(log))
            return {} if convergence is None else convergence.all_done(setup.plan, setup.lookup)
        return {}

    def _convergence(self, setup: PreparedRun, attempts: Attempts) -> Convergence | None:
        """What asks the record about jobs with `once`."""
        if not _converges(setup):
            return None
        return Convergence(
            attempts,
            setup.facts.id,
            make_key(self.state_dir),
            tuple(_urls(setup)),
            setup.shown_urls,
            bindings=setup.bindings,
            scrubber=setup.scrubber,
            again=setup.options.again,
        )

    def _log(self, setup: PreparedRun, say: Callable[[str], None], hurried: Callable[[], bool]) -> Log:
        """The state file. Where jobs have `once`, what it has lost is put back first: it might have been done."""
        if self.resume or not _converges(setup):
            return Log(self.state_dir, create=not self.resume, waiting=say, hurried=hurried)
        return open_record(self.state_dir, say, create=True, hurried=hurried)

    def _start(self, setup: PreparedRun) -> RunStarted:
        """The first event of a new run."""
        start = replace(setup.opening(), journal=True, zone=setup.facts.zone)
        if not setup.sandbox:  # a sandbox ends with its run, so that there is nothing to compare
            digests = pins(make_key(self.state_dir), setup.used, _urls(setup))
            start = replace(start, servers=setup.shown_urls, pins=digests)
        return start

    def _begin(
        self, log: Log, setup: PreparedRun, start: RunStarted, warnings: Sequence[Event], clock: Clock
    ) -> JournalFile:
        """Put a new run on record, in both files; returns the second."""
        run, options = setup.facts.id, setup.options.to_json()
        log.begin(start, warnings, self.files, options, retry=setup.retry, admit=self.admit)
        head = Head(run, options, tuple((file.path, file.content) for file in self.files))
        try:
            return JournalFile.make(
                run_folder(self.state_dir, run) / journal_file.NAME, head, enumerate([start, *warnings])
            )
        except StateError:
            with contextlib.suppress(StateError):  # the first error is the one to report
                log.append(run, [RunEnded(clock.now(), NAMES[ExitCode.STATE], int(ExitCode.STATE))])
            raise

    def _resumed(
        self, setup: PreparedRun, history: Sequence[Event], moved: Sequence[Elsewhere], resumed: RunResumed
    ) -> tuple[Event, ...]:
        """What a run goes on with."""
        jobs = ReportBuilder(history).jobs()
        lost = _lost(moved, jobs)
        again = tuple(key for key in to_read_again(tuple(jobs.values())) if key not in lost)
        resumed = replace(resumed, again=again or None, changes=setup.changes or None)
        if resumed.changes is not None:
            digests = pins(make_key(self.state_dir), {}, _urls(setup))
            resumed = replace(resumed, servers=setup.shown_urls, pins=digests)
        ends: list[Event] = []
        for key, attempt in lost.items():
            if jobs[key].outcome is None:
                ends += [
                    AttemptEnded(resumed.at, key, attempt, Outcome.UNKNOWN, Reason.UNREADABLE, _ELSEWHERE),
                    JobEnded(resumed.at, key, Outcome.UNKNOWN, Reason.UNREADABLE, _ELSEWHERE),
                ]
        return (resumed, *ends)


def moved_jobs(setup: PreparedRun, history: Sequence[Event], state_dir: Path) -> tuple[Elsewhere, ...]:
    """The jobs of earlier processes that are at another URL than their server's of now."""
    servers = {task.key: task.server for task in setup.plan.tasks}
    return elsewhere(history, read_key(state_dir), _urls(setup), servers)


def _converges(setup: PreparedRun) -> bool:
    """Whether the record is asked about jobs. A sandbox ends with its run, so that nothing is left of it."""
    return setup.has_once and not setup.sandbox


def _urls(setup: PreparedRun) -> list[str]:
    return [each.url for each in setup.endpoints]


def _lost(moved: Sequence[Elsewhere], jobs: Mapping[str, JobResult]) -> dict[str, int]:
    """Jobs without an end that were accepted at a URL that is not known any more, and the attempt that was.

    It came from outside, so the record holds no more than its digest. The server of now is not asked for them.
    """
    gone = {each.job: each.attempt for each in moved if each.url is None}
    lasts = {key: jobs[key].attempts[-1] for key in gone if jobs[key].attempts}
    return {
        key: last.number
        for key, last in lasts.items()
        if last.number == gone[key] and last.outcome in (None, Outcome.UNKNOWN)
    }
