"""A world for the scheduler, made of replies that a test names: servers with a ledger, a journal that can fail.

Clock and pool are the simulation's kernel. Servers and journal write into one common `World.trace`, so that a test can
say in which order things were sent and recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from aftrun.domain.events import Accepted, Event, RunEnded, RunResumed, RunStarted, SubmitIntended
from aftrun.domain.model import (
    Answer,
    Failure,
    FailureKind,
    Job,
    JobInfo,
    Json,
    Manifest,
    Order,
    Poll,
    Reply,
    RunReport,
    Script,
    Selector,
    ServerSpec,
    State,
    Strategy,
)
from aftrun.domain.secrets import NOTHING_SECRET, Scrubber
from aftrun.domain.values import Bindings, Origin
from aftrun.run.fold import fold
from aftrun.run.plan import Plan, headers, make_plan
from aftrun.run.ports import Listener
from aftrun.run.render import RunFacts, lookup_for
from aftrun.run.scheduler import Scheduler
from aftrun.run.steps import Steps
from tests.simulation.kernel import EPOCH, NEVER, Crash, SimPool, World

RUN = "20260101-000000-test"


@dataclass(frozen=True, slots=True)
class Life:
    """What becomes of a job that was created. Times are seconds."""

    queued: float = 0.0
    runs: float = 5.0
    """How long it runs after it left the queue; `NEVER` for one that does not end."""
    end: State = State.SUCCEEDED
    word: str = ""
    """The server's own word for the end; empty: the state's name."""
    exit_code: int | None = None
    message: str = ""
    raw: Json = None
    """The whole job info, for `expect` and `outputs`."""
    hidden: float = 0.0
    """404 for that long after creation."""
    vanishes: float = NEVER
    """404 from then on."""

    def info(self, job_id: str, age: float) -> JobInfo | None:
        """What the server says of the job at an age; None: it knows no such job."""
        if age < self.hidden or age >= self.vanishes:
            return None
        if age < self.queued:
            return JobInfo(job_id, State.QUEUED, "queued", raw={"id": job_id})
        if age < self.queued + self.runs:
            return JobInfo(job_id, State.RUNNING, "running", raw={"id": job_id})
        word = self.word or self.end.value
        raw: Json = {"id": job_id} if self.raw is None else self.raw
        return JobInfo(job_id, self.end, word, self.exit_code, self.message, raw=raw)


@dataclass(frozen=True, slots=True)
class Fault:
    """A POST that does not simply create a job: what is answered, and whether a job was created all the same."""

    reply: Reply | Exception
    creates: bool = False


REFUSED = Fault(Failure(FailureKind.CONNECT, sent=False, message="connection refused"))
LOST_BEFORE = Fault(Failure(FailureKind.LOST, sent=True, message="connection reset"))
LOST_AFTER = Fault(Failure(FailureKind.LOST, sent=True, message="connection reset"), creates=True)
FORBIDDEN = Fault(Answer(403, message="key not allowed"))
BAD_REQUEST = Fault(Answer(400, message="no such script"))


@dataclass(frozen=True, slots=True)
class Acts:
    """How a server acts on one script: what its first POSTs meet, and what becomes of each job that is created."""

    lives: tuple[Life, ...] = (Life(),)
    """One for each creation; the last is used again."""
    faults: tuple[Fault | None, ...] = ()
    """One for each of the first POSTs; None: nothing is wrong with that one."""
    looks: tuple[Reply | Exception | None, ...] = ()
    """What the first status reads of a job of this script meet; None: the truth."""


@dataclass(slots=True)
class Creation:
    """A line of a server's ledger: a job that was really created."""

    job_id: str
    script: str
    body: Mapping[str, Json]
    at: float
    life: Life
    looks: int = 0

    def ends_at(self) -> float:
        """When the job is over, on the server."""
        return self.at + self.life.queued + self.life.runs

    @property
    def correlation(self) -> str:
        """The param that names run, job and attempt; empty where the job has none."""
        params = self.body.get("params")
        return str(params.get("cid", "")) if isinstance(params, dict) else ""


class SimServer:
    """A `JobApi`: what aftrun sees of a server, and the server behind it."""

    def __init__(
        self, world: World, acts: Mapping[str, Acts] | None = None, *, latency: float = 0.05, name: str = "s"
    ) -> None:
        self.world = world
        self.acts = dict(acts or {})
        self.latency = latency
        self.name = name
        self.ledger: list[Creation] = []
        self.posts: list[str] = []
        """The script of every POST that arrived, in order."""
        self.gets: list[tuple[float, str]] = []
        """Time and job id of every status read that arrived."""
        self.bodies: list[Mapping[str, Json]] = []

    def submit(self, body: Mapping[str, Json]) -> Reply:
        """POST one job."""
        self.world.latency = self.latency
        script = str(body[Selector.NAME.value])
        self.world.trace.append(("post", body))
        acts = self.acts.get(script, Acts())
        turn = self.posts.count(script)
        self.posts.append(script)
        self.bodies.append(body)
        fault = acts.faults[turn] if turn < len(acts.faults) else None
        if fault is None or fault.creates:
            made = self._create(script, body, acts)
        if fault is None:
            info = made.life.info(made.job_id, 0.0) or JobInfo(made.job_id, State.QUEUED, "queued")
            return Answer(201, info)
        if isinstance(fault.reply, Exception):
            raise fault.reply
        return fault.reply

    def status(self, job_id: str) -> Reply:
        """GET one job info."""
        self.world.latency = self.latency
        self.world.trace.append(("get", job_id))
        self.gets.append((self.world.time, job_id))
        made = next(each for each in self.ledger if each.job_id == job_id)
        acts = self.acts.get(made.script, Acts())
        turn = made.looks
        made.looks += 1
        said = acts.looks[turn] if turn < len(acts.looks) else None
        if isinstance(said, Exception):
            raise said
        if said is not None:
            return said
        info = made.life.info(job_id, self.world.time - made.at)
        return Answer(404, message="no such job") if info is None else Answer(200, info)

    def created(self, script: str) -> list[Creation]:
        """The ledger's lines about one script."""
        return [each for each in self.ledger if each.script == script]

    def overlap(self) -> int:
        """How many jobs were unfinished on the server at once, at most."""
        moments = [(each.at, 1) for each in self.ledger] + [(each.ends_at(), -1) for each in self.ledger]
        level = most = 0
        for _, step in sorted(moments):
            level += step
            most = max(most, level)
        return most

    def _create(self, script: str, body: Mapping[str, Json], acts: Acts) -> Creation:
        number = len(self.created(script))
        life = acts.lives[min(number, len(acts.lives) - 1)]
        made = Creation(f"{self.name}{len(self.ledger) + 1}", script, body, self.world.time, life)
        self.ledger.append(made)
        return made


class SimJournal:
    """A `Journal` that keeps batches, and can fail at the n-th one (counted from 1)."""

    def __init__(
        self,
        world: World,
        *,
        fails_at: int = 0,
        error: BaseException | None = None,
        keeps: bool = False,
    ) -> None:
        self.world = world
        self.batches: list[tuple[Event, ...]] = []
        self._fails_at, self._error = fails_at, error
        self._keeps = keeps
        """Whether the batch at which it fails is on record all the same (killed just after the write)."""
        self._calls = 0
        self.calls_after_failure = 0

    @property
    def events(self) -> list[Event]:
        """All that is on record."""
        return [event for batch in self.batches for event in batch]

    def append(self, events: Sequence[Event]) -> Sequence[Event]:
        """Record a batch, or fail."""
        assert events, "an empty batch costs a write for nothing"
        self._calls += 1
        failing = self._error is not None and self._calls >= self._fails_at
        self.calls_after_failure += failing and self._calls > self._fails_at
        if not failing or (self._keeps and self._calls == self._fails_at):
            self.batches.append(tuple(events))
            self.world.trace.extend(("recorded", event) for event in events)
        if failing:
            assert self._error is not None
            self.world.trace.append(("crash" if isinstance(self._error, Crash) else "lost", None))
            raise self._error
        return events

    def keep(self, events: Sequence[Event]) -> None:
        """There is no second file here."""


# --- plans --------------------------------------------------------------------------------------------------------

ONE = ServerSpec(url="https://one:44399", poll=Poll(minimum=0.5, maximum=2.0, fraction=0.1))
"""A server that is looked at often, so that little time passes between a job's end and aftrun's seeing it."""


def job(name: str, **fields: Any) -> Job:
    """A job whose script has the job's own name, and whose param `cid` names run, job and attempt."""
    fields.setdefault("correlation", "cid")
    return Job(name=name, script=Script(Selector.NAME, name), origin=Origin("m.yaml", 1, 1), **fields)


def manifest(
    *jobs: Job,
    name: str = "main",
    order: Order = Order.SEQUENTIAL,
    max_parallel: int = 8,
    fail_fast: bool | None = None,
    finish_by: str = "",
    servers: tuple[ServerSpec, ...] = (ONE,),
) -> Manifest:
    """A manifest; `fail_fast` has the contract's default for each order."""
    quick = order is Order.SEQUENTIAL if fail_fast is None else fail_fast
    return Manifest(
        name=name,
        path=f"{name}.yaml",
        jobs=jobs,
        servers=servers,
        strategy=Strategy(order=order, max_parallel=max_parallel, fail_fast=quick, finish_by=finish_by),
    )


def parallel(*jobs: Job, **fields: Any) -> Manifest:
    """A manifest whose jobs run side by side."""
    return manifest(*jobs, order=Order.PARALLEL, **fields)


# --- runs ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Ran:
    """A run in a simulated world, and all that can be known of it afterwards."""

    world: World
    journal: SimJournal
    told: list[Event]
    pool: SimPool
    report: RunReport
    error: BaseException | None = None
    scheduler: Scheduler | None = None

    def outcome(self, name: str) -> str:
        """How a job ended; `pending` where it has not."""
        found = self.result(name).outcome
        return "pending" if found is None else found.value

    def outcomes(self) -> dict[str, str]:
        """How all jobs ended."""
        return {each.name: self.outcome(each.name) for each in self.report.jobs}

    def result(self, name: str) -> Any:
        """A job's part of the report."""
        return next(each for each in self.report.jobs if each.name == name)

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of one kind, as they were told."""
        return [event for event in self.told if isinstance(event, kind)]


@dataclass(slots=True)
class Setting:
    """Everything that a run needs, so that a test names only what it is about."""

    manifests: tuple[Manifest, ...]
    world: World = field(default_factory=World)
    servers: list[SimServer] = field(default_factory=list)
    acts: Mapping[str, Acts] = field(default_factory=dict)
    keep_going: bool = False
    pool_size: int = 0
    journal: SimJournal | None = None
    listeners: tuple[Listener, ...] = ()
    seed: int = 1
    interrupt_at: float | None = None
    signal: int = 2
    scrubber: Scrubber = NOTHING_SECRET
    bindings: Bindings = field(default_factory=dict)
    past: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """How long jobs took in past runs, by key."""
    places: tuple[str, ...] = ()
    """Where each server's ids are unique; empty: each server is a place of its own."""

    def plan(self) -> Plan:
        """The plan of the manifests."""
        return make_plan(self.manifests, keep_going=self.keep_going)

    def start(self, plan: Plan) -> RunStarted:
        """The run's first event."""
        facts = RunFacts(RUN, EPOCH)
        jobs = headers(plan, lambda task: lookup_for(task, facts, {}, lambda _: None))
        return RunStarted(EPOCH, RUN, jobs)

    def go(self, history: Sequence[Event] | None = None) -> Ran:
        """Run, or take up the run that `history` (its `RunStarted` first) is the record of."""
        plan, world = self.plan(), self.world
        if not self.servers:
            self.servers = [SimServer(world, self.acts, name=f"s{n}-") for n in range(len(plan.servers))]
        slots = max(min(stage.strategy.slots, stage.count) for stage in plan.stages)
        pool = SimPool(world, self.pool_size or slots)
        journal = self.journal or SimJournal(world)
        told: list[Event] = []

        def hear(event: Event, _: object) -> None:
            told.append(event)
            world.trace.append(("told", event))

        opening: list[Event] = [self.start(plan)] if history is None else [RunResumed(world.now(), 1, "here")]
        steps = Steps(
            plan,
            RunFacts(RUN, EPOCH),
            self.bindings,
            clock=world,
            random=Random(self.seed),  # noqa: S311  # spreads simulated reads; nothing secret
            scrubber=self.scrubber,
            past=lambda key: self.past.get(key, ()),
            places=self.places,
        )
        scheduler = Scheduler(
            steps, self.servers, journal, pool, listeners=(hear, *self.listeners), history=history or ()
        )
        if self.interrupt_at is not None and self.interrupt_at <= world.time:
            scheduler.interrupt(self.signal)
        elif self.interrupt_at is not None:
            world.at(self.interrupt_at, lambda: scheduler.interrupt(self.signal))
        world.trace.extend(("recorded", event) for event in opening)
        error: BaseException | None = None
        try:
            report = scheduler.run(opening)
        except BaseException as raised:  # noqa: BLE001  # a test looks at what was raised
            error = raised
            report = fold([*(history or ()), *told])
        return Ran(world, journal, told, pool, report, error, scheduler)


def run(*manifests: Manifest, acts: Mapping[str, Acts] | None = None, **fields: Any) -> Ran:
    """Run manifests in a fresh world, and check what must hold of every run."""
    setting = Setting(manifests, acts=acts or {}, **fields)
    ran = setting.go()
    check(ran)
    return ran


def check(ran: Ran) -> None:
    """What must hold of every run: the write-ahead rule, and a stream with one end that folds to the report."""
    write_ahead(ran.world.trace)
    assert isinstance(ran.told[-1], RunEnded)
    assert sum(isinstance(event, RunEnded) for event in ran.told) == 1
    if isinstance(ran.told[0], RunStarted):
        assert fold(ran.told) == ran.report


def write_ahead(trace: Sequence[tuple[str, Any]]) -> None:
    """No POST starts before its intent was recorded, and no id is used before its acceptance was.

    Once the record is lost, an id may be used that could only be told: the job is on the server already.
    """
    lost = False
    intents: Counter[str] = Counter()
    known: set[str] = set()
    for kind, what in trace:
        if kind == "recorded" and isinstance(what, SubmitIntended):
            intents[what.job.partition("/")[2]] += 1
        elif (kind == "recorded" or (kind == "told" and lost)) and isinstance(what, Accepted):
            known.add(what.job_id)
        elif kind == "post":
            script = what[Selector.NAME.value]
            intents[script] -= 1
            assert intents[script] >= 0, f"a POST for {script} left before its intent was on record"
        elif kind == "lost":
            lost = True
        elif kind == "crash":
            intents.clear()  # an intent of a process that died is no leave for the next one
        elif kind == "get":
            assert what in known, f"the id {what} was used before it was on record"
