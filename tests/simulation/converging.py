"""Weeks of `apply` with `once`: processes that are killed, or get in each other's way, on one record. From one seed.

The scheduler, its rules, the table and the rows are the real ones; servers, journals and time are simulated. A process
is killed just before or after a write, or a second one gets in between what it asked and what it records, which then
runs as far as it comes. In the end a person settles what is in doubt, by the server's own ledger, until all is done.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from aftrun.domain.events import Event, RunStarted, Settled, SubmitIntended
from aftrun.domain.model import Job, Outcome, Retry, RunReport, State
from aftrun.domain.values import nothing_inside
from aftrun.run.converge import LastAttempt
from aftrun.run.fold import ReportBuilder
from aftrun.run.once import Convergence
from aftrun.run.plan import headers, make_plan
from aftrun.run.render import RunFacts
from aftrun.run.scheduler import Scheduler
from aftrun.run.steps import Steps
from aftrun.run.store.identities import Identities
from aftrun.run.store.journal_file import encode
from tests.simulation.kernel import EPOCH, Crash, SimPool, World
from tests.unit.world import LOST_AFTER, LOST_BEFORE, REFUSED, Acts, Fault, Life, SimServer, job, parallel

_URL = "https://one:44399"
_MOST = 30
"""Processes of a week, until which all must be done."""
_PATIENCE = 20
"""How often a process asks for an id that is not there, until it is killed."""


class Record:
    """One state file, in memory: the events of all runs, and the rows of `once`."""

    def __init__(self) -> None:
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        self._db.execute("CREATE TABLE events (run TEXT, seq INTEGER, body TEXT)")
        self.identities = Identities(self._db.execute)
        self.alive: dict[str, Journal] = {}
        self.runs: dict[str, list[Event]] = {}

    def write(self, run: str, events: Sequence[Event]) -> list[Event]:
        """One transaction."""
        self._db.execute("BEGIN")
        admitted = self.identities.admit(run, events)
        for event in admitted:
            self._db.execute("INSERT INTO events VALUES (?, ?, ?)", (run, len(self.runs[run]), encode(event)))
            self.runs[run].append(event)
        self._db.execute("COMMIT")
        return admitted

    def last_attempt(self, identity: str) -> LastAttempt | None:
        """As the real one."""
        return self.identities.last(identity)

    def attempts_of(self, manifest: str, job_name: str, key: str) -> Sequence[LastAttempt]:
        """As the real one."""
        return self.identities.of_job(manifest, job_name, key)

    def under_way(self, run: str) -> bool:
        """Whether its process lives. Whoever waits for one that it keeps from going on is killed in the end."""
        asking = next(reversed(self.alive.values()))
        if run in self.alive:
            asking.waited += 1
            if asking.waited > _PATIENCE:
                asking.dead = True
                raise Crash
        return run in self.alive


@dataclass
class Journal:
    """One run's share of the record, at whose writes things happen."""

    record: Record
    run: str
    kill_at: int
    """The number of the write at which the process is killed; 0: it is not."""
    after: bool
    """Whether what is written then is on record."""
    between: Callable[[], None]
    """Gets in before a write."""
    writes: int = 0
    dead: bool = False
    waited: int = 0

    def append(self, events: Sequence[Event]) -> Sequence[Event]:
        """Write, or be killed."""
        if self.dead:
            raise Crash
        self.writes += 1
        if self.writes != self.kill_at:
            self.between()
            return self.record.write(self.run, events)
        self.dead = True
        if self.after:
            self.record.write(self.run, events)
        raise Crash

    def keep(self, events: Sequence[Event]) -> None:
        """Nothing is lost here."""


@dataclass
class Week:
    """One seed's story. `broken` is the first promise that does not hold; empty: all do."""

    seed: int
    broken: str = ""
    processes: int = 0
    kills: int = 0
    between: int = 0
    doubts: int = 0
    moves: set[str] = field(default_factory=set)
    """What was seen: outcomes of jobs, and what became of those that were not sent."""

    def play(self) -> Week:
        """Play it."""
        try:
            _Story(self).play()
        except AssertionError as error:
            self.broken = str(error).splitlines()[0] if str(error) else "an assertion failed"
        return self


class _Story:
    def __init__(self, week: Week) -> None:
        self.week = week
        self.random = Random(week.seed)  # noqa: S311  # the story's own
        self.world = World()
        self.record = Record()
        self.jobs = self._jobs()
        self.server = SimServer(self.world, self._acts(), name="s")
        self.plan = make_plan([parallel(*self.jobs, max_parallel=self.random.choice([1, 3]))])
        self.depth = 0

    def _jobs(self) -> list[Job]:
        names = "abcde"[: self.random.randint(2, 5)]
        found: list[Job] = []
        for name in names:
            needs = tuple(each.name for each in found if self.random.random() < 0.3)
            retry = Retry(self.random.choice([0, 0, 1]), duration=self.random.choice([0.0, 3.0]))
            key = self.random.choice(["", "k"])
            wait = self.random.random() < 0.85
            found.append(job(name, needs=needs, retry=retry, concurrency=key, once="2026-01-02", wait=wait))
        return found

    def _acts(self) -> dict[str, Acts]:
        acts = {}
        for each in self.jobs:
            faults: list[Fault | None] = [None, None, None, REFUSED, REFUSED, LOST_AFTER, LOST_BEFORE]
            bad = [Life(runs=self.random.choice([1.0, 8.0]), end=State.FAILED)] * self.random.choice([0, 0, 1, 2])
            lives = (*bad, Life(runs=self.random.choice([0.5, 5.0, 20.0])))
            acts[each.name] = Acts(lives, tuple(self.random.choice(faults) for _ in range(3)))
        return acts

    def play(self) -> None:
        """Processes come and go; towards the end nobody is killed any more, and somebody settles what is in doubt."""
        while self.week.processes < _MOST:
            calm = self.week.processes > 6
            report = self._process(calm=calm)
            if report is None:
                continue
            self._judge(report)
            if report.exit_code == 0:
                self._finish(report)
                return
            self._settle(report)
        raise AssertionError("lost: it is never all done")

    def _process(self, *, calm: bool) -> RunReport | None:
        """One `apply`; None where it was killed."""
        self.week.processes += 1
        run = f"r{self.week.processes:03}"
        kill_at = 0 if calm or self.random.random() < 0.4 else self.random.randint(1, 12)
        self.week.kills += bool(kill_at)
        journal = Journal(self.record, run, kill_at, self.random.random() < 0.5, lambda: self._another(calm=calm))
        facts = RunFacts(run, EPOCH, "UTC")
        start = RunStarted(self.world.now(), run, headers(self.plan, lambda _: nothing_inside))
        self.record.runs[run] = []
        self.record.write(run, [start])
        self.record.alive[run] = journal
        self.depth += 1
        scheduler = Scheduler(
            Steps(
                self.plan,
                facts,
                {},
                clock=self.world,
                random=Random(self.week.seed + self.week.processes),  # noqa: S311  # spreads simulated reads
                convergence=Convergence(self.record, run, b"k" * 32, (_URL,), (_URL,)),
            ),
            [self.server],
            journal,
            SimPool(self.world, 3),
        )
        try:
            scheduler.run([start])
        except Crash:
            return None
        finally:
            self.depth -= 1
            del self.record.alive[run]
        return ReportBuilder(self.record.runs[run]).report()

    def _another(self, *, calm: bool) -> None:
        """Another process runs while this one is about to write."""
        if self.depth < 3 and self.week.processes < _MOST - 5 and self.random.random() < 0.1:
            self.week.between += 1
            report = self._process(calm=calm)
            if report is not None:
                self._judge(report)

    def _judge(self, report: RunReport) -> None:
        for each in report.jobs:
            made = self.server.created(each.name)
            good = [creation for creation in made if creation.life.end is State.SUCCEEDED]
            assert len(good) <= 1, f"twice: {each.name} succeeds {len(good)} times"
            ids = {creation.job_id for creation in good}
            self.week.moves |= {str(each.outcome), "" if each.earlier is None else each.earlier.action}
            if each.outcome in (Outcome.SUCCEEDED, Outcome.UP_TO_DATE, Outcome.SUBMITTED):
                waited = next(task.job.wait for task in self.plan.tasks if task.job.name == each.name)
                known = ids if waited else {creation.job_id for creation in made}
                assert each.job_id in known, f"untrue: {each.name} is {each.outcome} as {each.job_id}"
            if each.outcome is Outcome.UNKNOWN:
                assert self._intended(each.key), f"untrue: {each.name} is in doubt, and nobody was about to send it"
        self._one_at_a_time()

    def _intended(self, key: str) -> bool:
        events = [event for run in self.record.runs.values() for event in run]
        return any(isinstance(event, SubmitIntended) and event.job == key for event in events)

    def _one_at_a_time(self) -> None:
        """No job is made while an earlier one of it runs, unless it is not waited for: then once is enough."""
        for each in self.jobs:
            made = self.server.created(each.name)
            for one, two in itertools.pairwise(made):
                assert one.ends_at() <= two.at, f"twice: {each.name} is made while it runs"
                assert one.life.end is not State.SUCCEEDED, f"twice: {each.name} is made after it succeeded"

    def _settle(self, report: RunReport) -> None:
        """A person looks at the server, waits for what runs, and says what became of each job in doubt."""
        for each in report.jobs:
            if each.outcome is not Outcome.UNKNOWN:
                continue
            self.week.doubts += 1
            made = self.server.created(each.name)
            if made:
                self.world.advance(max(self.world.time, made[-1].ends_at()))
            good = bool(made) and made[-1].life.end is State.SUCCEEDED
            outcome = Outcome.SUCCEEDED if good else Outcome.FAILED
            job_id = made[-1].job_id if good and each.newest_id is None else None
            self.record.write(report.id, [Settled(self.world.now(), each.key, outcome, "jo@box", job_id=job_id)])

    def _finish(self, report: RunReport) -> None:
        """All is done: each job once, and the record says so."""
        for each in report.jobs:
            made = self.server.created(each.name)
            assert made, f"lost: {each.name} was never made"
            task = next(task for task in self.plan.tasks if task.job.name == each.name)
            if task.job.wait:
                assert made[-1].life.end is State.SUCCEEDED, f"untrue: {each.name} has not succeeded"
        before = len(self.server.posts)
        again = self._process(calm=True)
        assert again is not None
        assert {each.outcome for each in again.jobs} == {Outcome.UP_TO_DATE}, "it is not up to date"
        assert len(self.server.posts) == before, "twice: something was sent"


def tell(week: int) -> str:
    """A week's record as lines of JSON, to look into one that is broken."""
    story = _Story(Week(week))
    story.week.play()
    return "\n".join(json.dumps([run, encode(event)]) for run, events in story.record.runs.items() for event in events)
