"""One process' work on one run: connections, record, lock, scheduler, report file, in the right order.

`apply`, `start`, `resume`, `retry`, `wait` and the library all come through here, and differ in the `Record` only.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from random import Random

from aftrun.domain.errors import ExitCode
from aftrun.domain.frozen import replace
from aftrun.domain.model import RunReport
from aftrun.run import expect
from aftrun.run.claims import place
from aftrun.run.once import Convergence
from aftrun.run.plan import Plan
from aftrun.run.pool import ThreadPool
from aftrun.run.ports import Clock, JobApi, Listener, Pool, SystemClock
from aftrun.run.scheduler import Scheduler
from aftrun.run.steps import Steps
from aftrun.run.verdict import NAMES, worst
from aftrun.service.clients import Connection, NoClient, close_all, open_clients, where_accepted
from aftrun.service.prepare import PreparedRun
from aftrun.service.recording import Record, Recording
from aftrun.service.report_file import Finished, ReportFile
from aftrun.system import shell
from aftrun.system.files import reserve

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
    shell.here()


def pool_size(plan: Plan) -> int:
    """How many requests of a plan can ever be in flight at once."""
    return max((min(stage.strategy.slots, stage.count) for stage in plan.stages), default=1)


def make_steps(
    setup: PreparedRun,
    clock: Clock,
    past: Callable[[str], Sequence[float]] = lambda _key: (),
    convergence: Convergence | None = None,
) -> Steps:
    """The jobs of a run, and its rules. `past` tells how long a job, by its key, took in past runs, seconds.

    `convergence` asks the record about jobs with `once`.
    """
    return Steps(
        setup.plan,
        setup.facts,
        setup.bindings,
        clock=clock,
        random=Random(),  # noqa: S311  # it spreads status reads over time; nothing secret hangs on it
        scrubber=setup.scrubber,
        inherited=setup.inherited,
        past=past,
        places=[place(each.url) for each in setup.endpoints],
        convergence=convergence,
        commands=setup.commands,
    )


class RunExecution:
    """Works on a run, once: begins it or goes on with it, follows its jobs to their ends, and keeps its report."""

    def __init__(
        self,
        setup: PreparedRun,
        record: Record,
        *,
        listeners: Sequence[Listener] = (),
        clock: Clock | None = None,
        watched: Callable[[JobApi, str], JobApi] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`watched` puts somebody between the scheduler and a server, whose URL it is given.

        `say` hears what has to be said at once and is no event: that the record is waited for.
        """
        self.setup = setup
        self._record = record
        self._listeners = listeners
        self._clock: Clock = clock or SystemClock()
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
        _load_ahead(self.setup.plan)
        reserve()
        path = self._record.report_path(self.setup)
        report_file = None if path is None else ReportFile(path, self._clock)
        done = self._record.done_before(self.setup, self._say)
        pool = ThreadPool(1 if done else pool_size(self.setup.plan))
        clients: Sequence[Connection] = ()
        try:
            clients = [NoClient()] * len(self.setup.endpoints) if done else open_clients(self.setup, pool.size)
            with self._record.opened(
                self.setup, self._clock, say=self._say, hurried=lambda: self._signal != 0
            ) as recording:
                clients = where_accepted(self.setup, clients, recording.elsewhere)
                scheduler = self._schedule(recording.knowing(done), clients, pool, report_file)
                if ready is not None:
                    ready(self.setup.facts.id)
                report, failure = _run(scheduler, recording)
        finally:
            pool.close()
            close_all(clients)
        written = None
        if report_file is not None:
            report_file.finish(report, self._say)  # the connections are closed now, and somebody may have made room
            path, written = report_file.path, report_file.error
        errors = tuple(error for error in (scheduler.state_error, written) if error is not None)
        code = ExitCode(report.exit_code if report.exit_code is not None else ExitCode.BUG)
        if errors:
            code = worst((code, ExitCode.STATE))
            report = replace(report, exit_code=int(code), outcome=NAMES[code])
        return Finished(report, code, path, errors, failure)

    def _schedule(
        self, recording: Recording, clients: Sequence[Connection], pool: Pool, report_file: ReportFile | None
    ) -> Scheduler:
        """The scheduler, which signals reach from now on."""
        self._scheduler = Scheduler(
            make_steps(self.setup, self._clock, recording.past, recording.convergence),
            self._through(clients),
            recording.journal,
            pool,
            listeners=(*([] if report_file is None else [report_file]), *self._listeners),
            history=recording.history,
            closing_warnings=lambda: [text for client in clients for text in client.notices()],
        )
        if self._signal:
            self._scheduler.interrupt(self._signal)
        return self._scheduler

    def _through(self, clients: Sequence[JobApi]) -> Sequence[JobApi]:
        if self._watched is None:
            return clients
        return [self._watched(client, each.url) for client, each in zip(clients, self.setup.endpoints, strict=True)]


def _run(scheduler: Scheduler, recording: Recording) -> tuple[RunReport, BaseException | None]:
    """Run to the end; what fails of aftrun's own comes back, since the caller writes its reports first."""
    try:
        return scheduler.run(recording.opening), None
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # it is in the result
        return scheduler.report(), error
