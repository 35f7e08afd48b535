"""One process' work on one run: the record, the lock, the scheduler, the report file, in the right order."""

from __future__ import annotations

import codecs
import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from aftrun.domain.errors import ExitCode, StateError
from aftrun.domain.events import AttemptEnded, Event, JobEnded, Reason, RunEnded, RunResumed, RunStarted
from aftrun.domain.model import Answer, JobResult, Json, Outcome, Reply, RunReport
from aftrun.report import json as json_report
from aftrun.run import expect
from aftrun.run.fold import ReportBuilder
from aftrun.run.pins import Elsewhere, elsewhere, make_key, pins, read_key
from aftrun.run.ports import Clock, JobApi, Listener, SystemClock
from aftrun.run.select import to_read_again
from aftrun.run.store import journal_file
from aftrun.run.store.journal import RunJournal
from aftrun.run.store.journal_file import Head, JournalFile
from aftrun.run.store.lock import RunLock
from aftrun.run.store.record import Log, StoredFile, process_name
from aftrun.run.store.restore import recover, run_folder
from aftrun.run.verdict import NAMES, worst
from aftrun.service.prepare import PreparedRun, make_scheduler, open_clients, opening_events, pool_size
from aftrun.system.files import reserve, write_atomic

if TYPE_CHECKING:
    from aftrun.client.client import AftClient
    from aftrun.run.plan import Plan
    from aftrun.run.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Finished:
    """How this process' work on the run ended."""

    report: RunReport
    exit_code: ExitCode
    report_path: Path
    errors: tuple[StateError, ...] = ()
    """What could not be written."""
    failure: BaseException | None = field(default=None, repr=False)
    """What ended the run before its time, where something of aftrun's own failed."""


_CODECS = ("ascii", "idna", "latin-1", "unicode-escape", "utf-8", "utf-8-sig", "utf-16-be", "utf-32-be")
"""Whatever a host name, a certificate, an answer or a report may need to be read or written."""


def _load_ahead(plan: Plan) -> None:
    """Load what requests, decisions and the report may need. Python loads many things at their first use.

    When jobs have been sent it is too late: there may be no descriptor left to open a file with, or an upgrade may have
    taken the file away.
    """
    for name in _CODECS:
        codecs.lookup(name)
    expect.load(plan)


class ReportFile:
    """Keeps `report.json` true while the run goes on: a listener.

    Rewriting the whole file at every event would cost the square of the number of jobs, so a rewrite waits until
    a multiple of the cost of the last one has passed; what was left out meanwhile is made up for by `tick`. The last
    event always writes.
    """

    END_PAUSE, PAUSE = 40, 100
    """How many times its own cost a rewrite waits when a job has ended, and when something else has happened."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.error: StateError | None = None
        self._clock = clock
        self._written, self._cost = -math.inf, 0.0
        self._pause = 0
        """For what has happened since the last rewrite; 0: nothing has."""
        self._folder: ReportBuilder | None = None

    def __call__(self, event: Event, folder: ReportBuilder) -> None:
        """Hear one event."""
        self._folder = folder
        pause = self.END_PAUSE if isinstance(event, JobEnded) else self.PAUSE
        self._pause = min(self._pause or pause, pause)
        if isinstance(event, RunEnded):
            self.write(folder.report())
        else:
            self.tick()

    @property
    def restless(self) -> bool:
        """Whether the file is behind, so that `tick` wants to be called."""
        return self._pause > 0

    def tick(self, *_: object) -> None:
        """Write, if the file is behind and the last time is long enough ago."""
        if self._pause and self._folder is not None:
            now = self._clock.monotonic()
            if now - self._written >= self._pause * self._cost:
                self.write(self._folder.report())
                self._written = self._clock.monotonic()
                self._cost = self._written - now

    def write(self, report: RunReport) -> None:
        """Write the report now. A failure is kept in `error`; a later success clears it."""
        try:
            write_atomic(self.path, json_report.render(report))
            self.error = None
        except StateError as error:
            self.error = error
        self._pause = 0


_ELSEWHERE = (
    "the job was accepted when its server was another one, and the server of now is not asked for it\n"
    "resume the run with the values of then, and the job is read again"
)


class Moved:
    """A server that was at other URLs in earlier processes of the run: jobs of then are asked for where they are."""

    def __init__(self, client: AftClient, former: Mapping[str, AftClient]) -> None:
        """`former` are the connections to those other URLs, by the ids of the jobs that were accepted there."""
        self._door, self._former = client, dict(former)

    def submit(self, body: Mapping[str, Json]) -> Reply:
        """POST one job, to where the server is now."""
        reply = self._door.submit(body)
        if isinstance(reply, Answer) and reply.info is not None and reply.info.id is not None:
            self._former.pop(reply.info.id, None)  # from now on it is the id of this one
        return reply

    def status(self, job_id: str) -> Reply:
        """GET one job info, from where the job was accepted."""
        return self._former.get(job_id, self._door).status(job_id)

    def notices(self) -> list[str]:
        """What either has learnt about its server."""
        former = {id(each): each for each in self._former.values()}.values()
        return [*self._door.notices(), *(text for each in former for text in each.notices())]

    def close(self) -> None:
        """Let the connections go; those to the former places are somebody else's to close."""
        self._door.close()


class RunExecution:
    """Runs a setup once, or takes up an earlier process' run where `history` is given."""

    def __init__(
        self,
        setup: PreparedRun,
        state_dir: Path,
        *,
        files: Sequence[StoredFile] = (),
        listeners: Sequence[Listener] = (),
        clock: Clock | None = None,
        resume: bool = False,
        watched: Callable[[JobApi, str], JobApi] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`watched` puts somebody between the scheduler and a server, whose URL it is given.

        `say` hears what has to be said at once and is no event: that the record is waited for.
        """
        self.setup = setup
        self._state_dir = state_dir
        self._files = files
        self._listeners = listeners
        self._clock: Clock = clock or SystemClock()
        self._resume = resume
        self._watched = watched
        self._say = say
        self._scheduler: Scheduler | None = None
        self._signal = 0

    def interrupt(self, signal: int) -> None:
        """Ask the run to stop; safe in a signal handler, at any time."""
        self._signal = signal
        if self._scheduler is not None:
            self._scheduler.interrupt(signal)

    def run(self, ready: Callable[[str], None] | None = None) -> Finished:
        """Do the work. `ready` hears the run's id once the run is on record, before anything is sent.

        What goes wrong from then on is in the result, so that reports can still be written.

        Raises:
            StateError: the record could not be begun; nothing was sent.
            UsageError: a file that a server's TLS settings name cannot be used; nothing was sent.
        """
        from aftrun.run.pool import ThreadPool  # noqa: PLC0415  # threads are for runs only

        setup, run = self.setup, self.setup.facts.id
        _load_ahead(setup.plan)
        reserve()
        folder = run_folder(self._state_dir, run)
        keeper = ReportFile(folder / "report.json", self._clock)
        pid, host = process_name()
        pool = ThreadPool(pool_size(setup.plan))
        clients: Sequence[AftClient] = ()
        try:
            clients = open_clients(setup, pool.size)
            with (
                Log(
                    self._state_dir,
                    create=not self._resume,
                    waiting=self._say,
                    hurried=lambda: self._signal != 0,
                ) as log,
                RunLock(folder, pid, host) as lock,
                contextlib.ExitStack() as stack,
            ):
                history, opening, file = self._open(log, pid, host)
                stack.callback(file.close)
                clients = self._with_former(clients, history, stack)
                journal = RunJournal(log, run, file, sandbox=setup.sandbox, checks=(lock.check,))
                scheduler = make_scheduler(
                    setup,
                    self._through(clients),
                    journal,
                    pool,
                    clock=self._clock,
                    listeners=(keeper, *self._listeners),
                    history=history,
                    past=journal.past,
                    parting=lambda: [text for client in clients for text in client.notices()],
                )
                self._scheduler = scheduler
                if self._signal:
                    scheduler.interrupt(self._signal)
                if ready is not None:
                    ready(run)
                failure: BaseException | None = None
                try:
                    report = scheduler.run(opening)
                except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the caller writes its reports first
                    failure, report = error, scheduler.report()
        finally:
            pool.close()
            for client in clients:
                with contextlib.suppress(OSError):  # all that it was for has been done
                    client.close()
        if keeper.error is not None:
            keeper.write(report)  # the connections are closed now, and somebody may have made room
        errors = [error for error in (scheduler.state_error, keeper.error) if error is not None]
        code = ExitCode(report.exit_code if report.exit_code is not None else ExitCode.BUG)
        if errors:
            code = worst((code, ExitCode.STATE))
            report = replace(report, exit_code=int(code), outcome=NAMES[code])
        return Finished(report, code, keeper.path, tuple(errors), failure)

    def _through(self, clients: Sequence[JobApi]) -> Sequence[JobApi]:
        if self._watched is None:
            return clients
        return [self._watched(client, each.url) for client, each in zip(clients, self.setup.endpoints, strict=True)]

    def _with_former(
        self, clients: Sequence[AftClient], history: Sequence[Event], stack: contextlib.ExitStack
    ) -> Sequence[AftClient]:
        """The clients, such that a job is asked for where it was accepted, whatever the server's URL is by now."""
        result = list(clients)
        former: dict[int, dict[str, AftClient]] = {}
        opened: dict[tuple[int, str], AftClient] = {}
        for job in self._elsewhere(history):
            if job.url is None:
                continue
            place = (job.server, job.url)
            if place not in opened:
                ends = list(self.setup.endpoints)
                ends[job.server] = replace(ends[job.server], url=job.url)
                made = open_clients(replace(self.setup, endpoints=tuple(ends)), len(self.setup.plan.tasks))
                for client in made:
                    stack.callback(client.close)
                opened[place] = made[job.server]
            former.setdefault(job.server, {})[job.job_id] = opened[place]
        for number, ids in former.items():
            result[number] = cast("AftClient", Moved(clients[number], ids))
        return result

    def _elsewhere(self, history: Sequence[Event]) -> tuple[Elsewhere, ...]:
        """The jobs of earlier processes that are at another URL than their server's of now."""
        servers = {task.key: task.server for task in self.setup.plan.tasks}
        urls = [each.url for each in self.setup.endpoints]
        return elsewhere(history, read_key(self._state_dir), urls, servers)

    def _lost(self, history: Sequence[Event], jobs: Mapping[str, JobResult]) -> dict[str, int]:
        """Jobs without an end that were accepted at a URL that is not known any more, and the attempt that was.

        It came from outside, so the record holds no more than its digest. The server of now is not asked for them.
        """
        gone = {each.job: each.attempt for each in self._elsewhere(history) if each.url is None}
        lasts = {key: jobs[key].attempts[-1] for key in gone if jobs[key].attempts}
        return {
            key: last.number
            for key, last in lasts.items()
            if last.number == gone[key] and last.outcome in (None, Outcome.UNKNOWN)
        }

    def _open(self, log: Log, pid: int, host: str) -> tuple[list[Event], list[Event], JournalFile]:
        """What was on record before, what has just been put there to begin with, and the run's second file."""
        run = self.setup.facts.id
        if self._resume:
            log.take_up(run)  # once more: this process holds the lock now
            restored = recover(log, run, self._clock.now())
            for note in restored.notes:
                self._say(f"warning: {note}")  # at once: it is no event of this process, and may explain what follows
            at = self._clock.now()
            jobs = ReportBuilder(restored.events).jobs()
            lost = self._lost(restored.events, jobs)
            again = tuple(key for key in to_read_again(tuple(jobs.values())) if key not in lost)
            resumed = RunResumed(at, pid, host, again or None, self.setup.changes or None)
            if resumed.changes is not None:
                urls = [each.url for each in self.setup.endpoints]
                digests = pins(make_key(self._state_dir), {}, urls)
                resumed = replace(resumed, servers=self.setup.shown_urls, pins=digests)
            opening: list[Event] = [resumed]
            for key, attempt in lost.items():
                if jobs[key].outcome is None:
                    opening += [
                        AttemptEnded(at, key, attempt, Outcome.UNKNOWN, Reason.UNREADABLE, _ELSEWHERE),
                        JobEnded(at, key, Outcome.UNKNOWN, Reason.UNREADABLE, _ELSEWHERE),
                    ]
            RunJournal(log, run, restored.file).append(opening)
            return list(restored.events), opening, restored.file
        first, *others = opening_events(self.setup, self.setup.warnings())
        assert isinstance(first, RunStarted), "a run begins with its start"  # noqa: S101  # for the type checker
        start = replace(first, journal=True, zone=self.setup.facts.zone)
        if not self.setup.sandbox:  # a sandbox ends with its run, so that there is nothing to compare
            urls = [each.url for each in self.setup.endpoints]
            digests = pins(make_key(self._state_dir), self.setup.used, urls)
            start = replace(start, servers=self.setup.shown_urls, pins=digests)
        options = self.setup.options.to_json()
        log.begin(start, others, self._files, options, retry=self.setup.retry)
        head = Head(run, options, tuple((file.path, file.content) for file in self._files))
        path = run_folder(self._state_dir, run) / journal_file.NAME
        try:
            file = JournalFile.make(path, head, enumerate([start, *others]))
        except StateError:
            with contextlib.suppress(StateError):  # the first error is the one to report
                log.append(run, [RunEnded(self._clock.now(), NAMES[ExitCode.STATE], int(ExitCode.STATE))])
            raise
        return [], [start, *others], file
