"""Before a new run begins: the record is asked about other runs of its jobs (`overlap`, `unfinished`).

What comes of it is decided before anything is sent, by `run/admission.py`. A run that is begun is asked about once more
in the very transaction that puts it on record (`Admission.check`), so that two cannot both have found nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from aftrun.domain.durations import human_duration
from aftrun.domain.errors import AftrunError, ExitCode, StateError, UnderWay
from aftrun.domain.events import Event, RunStarted, parse_instant
from aftrun.domain.frozen import dataclass
from aftrun.domain.instants import at_zone
from aftrun.domain.model import JobResult, Overlap, RunOutcome, Unfinished
from aftrun.domain.text import one_line
from aftrun.run import admission
from aftrun.run.admission import Asked, Attach, Begin, Other, Refuse, Resume, Wait
from aftrun.run.fold import ReportBuilder
from aftrun.run.plan import Plan
from aftrun.run.ports import Clock, SystemClock
from aftrun.run.store.record import Log
from aftrun.run.store.restore import open_record
from aftrun.run.store.rows import RunRow
from aftrun.service import history, last_read, which
from aftrun.service.watching import PAUSE, RunWatcher, WatchEnd
from aftrun.system.lines import about_run

T = TypeVar("T")

_MAY_GO_ON = (*which.GOES_ON, RunOutcome.UNKNOWN)
"""Outcomes with which somebody may be about to resume a run whose lock is held."""
_DOUBT = "it was being submitted, and nobody knows whether the server has it"
_MANY = 10
"""Jobs that are named."""


class Overtaken(UnderWay):
    """Another process was faster by a moment: the record is to be asked again."""


@dataclass(frozen=True, slots=True)
class Instead:
    """What to do instead of beginning a run."""

    run: str
    resume: bool
    """Go on with that run; else follow it."""


@dataclass(frozen=True, slots=True)
class Left:
    """Waiting was interrupted, and nothing was sent."""

    exit_code: ExitCode


@dataclass(frozen=True, slots=True)
class _CutOff:
    """A run that was cut off, as its record has it."""

    jobs: frozenset[str]
    """The keys of all its jobs."""
    open: Mapping[str, JobResult]
    """Those that are asked for and are open."""
    rest: bool
    """It has other jobs without an end."""


class Admission:
    """Asks the record whether the jobs of a plan may be begun."""

    def __init__(
        self,
        plan: Plan,
        state_dir: Path,
        environ: Mapping[str, str],
        *,
        overlap: Overlap | None = None,
        unfinished: Unfinished | None = None,
        say: Callable[[str], None] = lambda _: None,
        clock: Clock | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`overlap` and `unfinished` win over what the manifests say; None: as these say.

        `environ` is where the values of a run that was cut off are found. `say` hears what is waited for.
        """
        self.asked: Asked = admission.asked(plan, overlap, unfinished)
        self._names = {stage.name for stage in plan.stages}
        self.state_dir, self._environ, self._say = state_dir, environ, say
        self._clock: Clock = clock or SystemClock()
        self._pause = pause
        self._seen: dict[str, int] = {}
        """Runs that were cut off and stand against nothing, with how many events they had then."""
        self.waited = False
        """Whether it took long enough for the time of the run's start to be another."""
        self._watcher: RunWatcher | None = None
        self._signal = 0

    def interrupt(self, signal: int) -> None:
        """Do not wait any longer; safe in a signal handler."""
        self._signal = signal
        if self._watcher is not None:
            self._watcher.interrupt(signal)

    def ask(self) -> Begin | Instead | Left:
        """Find out what to do, waiting for other runs where that is asked for.

        Raises:
            StateError: the record cannot be read.
            UnderWay: nothing is to be sent; the message has the runs, and the line that goes on with them.
        """
        found = self._ask()
        return self._left() if self._signal else found

    def _left(self) -> Left:
        return Left(ExitCode.SIGINT if self._signal == 2 else ExitCode.SIGTERM)

    def _ask(self) -> Begin | Instead | Left:
        while self.asked.rules and self._on_record():
            with open_record(self.state_dir, self._say) as log:
                alive = self._alive(log)
                decision = admission.beside(self.asked, list(alive))
                if isinstance(decision, Begin):
                    found = self._after(log)
                    if found is None:
                        continue
                    return found
                if isinstance(decision, Attach):
                    return Instead(decision.run, resume=False)
                if isinstance(decision, Refuse):
                    raise self._under_way(log, alive, decision)
                assert isinstance(decision, Wait), "no run that is alive is resumed"  # noqa: S101  # for the type checker
                row = next(row for other, row in alive.items() if other.run == decision.runs[0])
                self.waited = True
                if not self._ended(log, row):
                    return self._left()
        return Begin()

    def check(self, log: Log) -> None:
        """Make sure, in the transaction in which the run begins, that what was found is still so.

        Raises:
            Overtaken: it is not.
        """
        if not self.asked.rules:
            return
        for row in self._others(log):
            if which.worker(log, row) is None:
                if log.count(row.id) != self._seen.get(row.id) and which.can_go_on(log, row):
                    raise Overtaken(f"run {row.id} has begun or ended at this very instant")
            elif not isinstance(admission.beside(self.asked, [self._other(log, row)]), Begin):
                raise Overtaken(f"run {row.id} has begun at this very instant")

    def _on_record(self) -> bool:
        try:
            return history.on_record(self.state_dir)
        except OSError as error:
            raise StateError(
                f"cannot use {self.state_dir}: {error.strerror or error}", hint="check the path, and who may use it"
            ) from error

    # --- what is on record ----------------------------------------------------------------------------------------

    def _others(self, log: Log) -> list[RunRow]:
        """Runs of the same manifests that may be under way, or have come to no end. Those of a sandbox do not count."""
        rows = [which.as_it_is(row, self.state_dir) for row in log.runs(open_or=_MAY_GO_ON)]
        return [row for row in rows if self._names.intersection(row.manifests) and not row.options.get("sandbox")]

    def _other(self, log: Log, row: RunRow) -> Other:
        """A run that is alive."""
        start = log.start(row.id)
        jobs = frozenset(header.key for header in start.jobs) if isinstance(start, RunStarted) else frozenset()
        return Other(row.id, jobs, tuple(sorted(jobs & self.asked.rules.keys())))

    def _alive(self, log: Log) -> dict[Other, RunRow]:
        rows = [row for row in self._others(log) if which.worker(log, row) is not None]
        return {self._other(log, row): row for row in rows}

    def _ended(self, log: Log, row: RunRow) -> bool:
        """Wait for the end of a run; False where that was interrupted."""
        self._watcher = RunWatcher(
            log, row.id, views=[_Minutes(self._say, row, which.worker(log, row))], pause=self._pause, clock=self._clock
        )
        if self._signal:
            self._watcher.interrupt(self._signal)
        ended = self._watcher.run().end is not WatchEnd.LEFT
        if ended:
            self._pause(PAUSE)  # its process lets go a moment after the end is on record
        return ended

    # --- runs that were cut off -----------------------------------------------------------------------------------

    def _after(self, log: Log) -> Begin | Instead | None:
        """What runs that were cut off have to say. Each of their open jobs is read once. None: ask once more."""
        found: dict[Other, tuple[RunRow, dict[str, str], str]] = {}
        self._seen = {}
        for row in self._others(log):
            if which.worker(log, row) is not None or not which.can_go_on(log, row):
                continue
            run, why = self._open(log, row), ""
            seen: Mapping[str, str] = {}
            readable = any(job.job_id for job in run.open.values())
            if readable and not (run.rest and admission.goes_on_first(self.asked, run.jobs, run.open)):
                try:
                    seen = last_read.put_ends_on_record(
                        log, history.read(log, row), run.open, self._environ, clock=self._clock, say=self._say
                    )
                except AftrunError as error:
                    if isinstance(error, UnderWay) and which.worker(log, row) is not None:
                        return None
                    why = error.message
                run = self._open(log, row)
            if run.open:
                far = {each: _how_far(job, seen.get(each, "")) for each, job in run.open.items()}
                found[Other(row.id, run.jobs, tuple(run.open))] = (row, far, why)
        decision = admission.after(self.asked, list(found))
        if isinstance(decision, Resume):
            return Instead(decision.run, resume=True)
        if isinstance(decision, Refuse):
            raise self._cut_off(found, decision)
        return Begin()

    def _open(self, log: Log, row: RunRow) -> _CutOff:
        self._seen[row.id] = log.count(row.id)
        past = history.read(log, row)
        opened = admission.open_jobs(past.report.jobs, self.asked.rules)
        left = {job.key for job in past.report.jobs if job.verdict is None}
        return _CutOff(frozenset(header.key for header in past.start.jobs), opened, not left <= opened.keys())

    # --- what is said ---------------------------------------------------------------------------------------------

    def _under_way(self, log: Log, alive: Mapping[Other, RunRow], decision: Refuse) -> UnderWay:
        lines = []
        for other, row in alive.items():
            if other.run in decision.runs:
                who = which.worker(log, row) or "a process that has just ended"
                has = _jobs(other.at_stake, len(self.asked.jobs))
                lines.append(f"run {other.run} is under way since {self._since(row)}, by {who}, and has {has}")
        line = about_run("watch", decision.runs[0], self.state_dir)
        because = f"cannot attach: {decision.because}\n  " if decision.because else ""
        return UnderWay(
            because + "\n  ".join(lines) + "\n  nothing was sent",
            hint=f"follow it: {line}; or let --overlap wait for it, attach to it, or allow it",
        )

    def _cut_off(self, found: Mapping[Other, tuple[RunRow, dict[str, str], str]], decision: Refuse) -> UnderWay:
        lines = [f"cannot resume: {decision.because}"] if decision.because else []
        for other, (row, far, why) in found.items():
            if other.run not in decision.runs:
                continue
            lines.append(f"run {other.run}, begun {self._since(row)}, was cut off, and has jobs without an end:")
            lines += [f"  {one_line(each)}: {text}" for each, text in list(far.items())[:_MANY]]
            if len(far) > _MANY:
                lines.append(f"  and {len(far) - _MANY} more")
            if why:
                lines.append(f"  their status could not be read: {why}")
        lines.append("nothing was sent")
        line = about_run("resume", decision.runs[0], self.state_dir)
        doubt = any(_DOUBT in far.values() for _, far, _ in found.values())
        settle = (
            f"; what a person finds out: {about_run('settle', decision.runs[0], self.state_dir)} JOB …" if doubt else ""
        )
        return UnderWay(
            "\n  ".join(lines),
            hint=f"go on with it: {line}; or let --unfinished resume it, or ignore it and start anew{settle}",
        )

    def _since(self, row: RunRow) -> str:
        began = parse_instant(row.started_at)
        ago = int(self._clock.now() - began)
        passed = f"{human_duration(float(ago))} ago" if ago > 0 else "just now"
        return f"{at_zone(began, None):%Y-%m-%d %H:%M:%S} ({passed})"


def begin_or_join(
    admission: Admission,
    *,
    begin: Callable[[], T],
    follow: Callable[[str], T],
    resume: Callable[[str], T],
    ask: Callable[[], Begin | Instead | Left] | None = None,
) -> T | Left:
    """Do what comes of asking, once more where another process was faster by a moment.

    Args:
        admission: of the run.
        begin: a new one, whose record has `admission.check` as `admit`.
        follow: the run of that id to its end.
        resume: go on with the run of that id.
        ask: as `admission.ask`, with whatever has to be done around it.

    Raises:
        UnderWay: nothing is to be sent.
    """
    while True:
        found = admission.ask() if ask is None else ask()
        if isinstance(found, Left):
            return found
        try:
            if isinstance(found, Begin):
                return begin()
            return resume(found.run) if found.resume else follow(found.run)
        except Overtaken:
            continue
        except UnderWay:
            if not isinstance(found, Instead) or not which.is_held(admission.state_dir, found.run):
                raise


def _jobs(keys: tuple[str, ...], total: int) -> str:
    names = ", ".join(one_line(each) for each in keys[:_MANY])
    names += f" and {len(keys) - _MANY} more" if len(keys) > _MANY else ""
    share = (
        f"{len(keys)} of the {total} jobs" if len(keys) < total else "the job" if total == 1 else f"all {total} jobs"
    )
    return f"{share} asked for: {names}"


def _how_far(job: JobResult, seen: str) -> str:
    """Where an open job stands, as far as the record tells, or what was `seen` of it just now."""
    last = job.attempts[-1]
    if last.job_id is None:
        return _DOUBT
    state = one_line(seen) if seen else f"last seen {one_line(last.state)}" if last.state else ""
    return f"accepted as job {one_line(last.job_id)}" + (f", {state}" if state else "")


class _Minutes:
    """Says once a minute what is waited for: a view of the run."""

    def __init__(self, say: Callable[[str], None], row: RunRow, worker: str | None) -> None:
        self._say, self._row, self._worker = say, row, worker
        self._next = float("-inf")
        self._builder: ReportBuilder | None = None

    def __call__(self, _event: Event, builder: ReportBuilder) -> None:
        """Hear an event."""
        self._builder = builder

    def tick(self, now: float, _due: object) -> None:
        """Hear the time, epoch seconds."""
        if now < self._next or self._builder is None:
            return
        self._next = now + 60.0
        jobs = self._builder.jobs()
        ended = sum(job.outcome is not None for job in jobs.values())
        who = f", by {self._worker}" if self._worker else ""
        self._say(f"waiting for run {self._row.id}{who}: {ended} of {len(jobs)} jobs have ended")


__all__ = ["Admission", "Begin", "Instead", "Left", "Overtaken", "begin_or_join"]
