"""`needs`, `when` and `strategy` → edges and trigger rules that mean the same. Pure.

aftrun decides about a job when all its needs have ended; a need is then good, bad, or neutral (a job with
`when: failure` that was not needed). In Airflow these are `success`, `failed` or `upstream_failed`, and `skipped`. Its
rules differ in three ways, which is what most of this module is about:

- `all_success` and `none_failed` decide as soon as one task has failed, while others still run. What has to come
  after everything before it (`when: always`, the next manifest) therefore waits for those others too: `settled`.
- `one_failed` starts at once. Where there are several needs, two gates say it better: one waits for all, the other
  asks whether one has failed.
- An edge that only means "not before" must not carry a failure on. A gate that is `all_done` swallows it.

A gate is an `EmptyOperator`: the scheduler marks it by itself, no worker runs it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from aftrun.domain.model import Job, Strategy, When
from aftrun.run.plan import Task, start_order

ALL_SUCCESS, ALL_DONE, NONE_FAILED, ONE_FAILED = "all_success", "all_done", "none_failed", "one_failed"
_CARRYING = (ALL_SUCCESS, NONE_FAILED)
"""Rules by which a failure is handed on."""


@dataclass(slots=True)
class WiredTask:
    """What decides when a task starts. `name` is the job's, or that of a gate."""

    name: str
    rule: str = ALL_SUCCESS
    upstream: tuple[str, ...] = ()
    job: Job | None = None
    """None: a gate."""
    skip_with: tuple[str, ...] = ()
    """Before it starts, it checks whether one of these was skipped; then it is, too."""
    fail_fast: bool = False
    """Before it starts, it checks whether any task of the manifest has failed; then it fails."""
    note: str = ""
    complete: bool = False
    """When it has ended, everything before it has ended too."""


@dataclass(slots=True)
class Wiring:
    """The tasks of one manifest, each gate before its job, needs before what needs them."""

    barrier: str = ""
    """The task that says that all earlier manifests ended well; empty: there are none."""
    wires: dict[str, WiredTask] = field(default_factory=dict)
    neutral: set[str] = field(default_factory=set)
    """Jobs that may be rightly skipped."""

    @property
    def masked(self) -> bool:
        """Whether a failure may stay without effect on the last tasks, which alone decide about a run in Airflow."""
        return any(wire.rule not in _CARRYING for wire in self.wires.values())

    def add(self, wire: WiredTask) -> None:
        """Put a wire up."""
        if wire.rule in _CARRYING:
            wire.complete = wire.complete or (
                len(wire.upstream) < 2 and all(self._complete(name) for name in wire.upstream)
            )
        self.wires[wire.name] = wire

    def gate(self, job: Job, suffix: str, rule: str, upstream: Iterable[str], note: str) -> str:
        """Put a gate up before a job. Returns its name, which no job can have."""
        wire = WiredTask(f"{job.name}\n{suffix}", rule, unique(upstream), note=note, complete=True)
        self.add(wire)
        return wire.name

    def _complete(self, name: str) -> bool:
        return name not in self.wires or self.wires[name].complete

    def settled(self, names: Iterable[str]) -> tuple[str, ...]:
        """Tasks that, once they have ended, leave nothing unended before `names`; these among them."""
        found: dict[str, None] = {}
        stack = list(reversed(list(names)))
        while stack:
            name = stack.pop()
            if name not in found:
                found[name] = None
                if not self._complete(name):
                    stack += reversed(self.wires[name].upstream)
        return tuple(found)

    def closing(self) -> tuple[str, ...]:
        """Tasks of which, once all have ended, none has failed exactly if no job of the manifest failed."""
        carried = {name for wire in self.wires.values() if wire.rule in _CARRYING for name in wire.upstream}
        last = [wire.name for wire in self.wires.values() if wire.job is not None and wire.name not in carried]
        found = self.settled(last)
        implied = {
            up for name in found if name != self.barrier and self._waits(name) for up in self.wires[name].upstream
        }
        return tuple(name for name in found if name != self.barrier and (name in last or name not in implied))

    def _waits(self, name: str) -> bool:
        return self.wires[name].rule == ALL_DONE


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Names once each, in order, without empty ones."""
    return tuple(dict.fromkeys(name for name in names if name))


def wire_up(jobs: Sequence[Job], strategy: Strategy, *, barrier: str, pooled: Collection[str]) -> Wiring:
    """Say the same with edges and rules.

    Args:
        jobs: of one manifest; their needs are names of others of them.
        strategy: of the manifest.
        barrier: see `Wiring.barrier`.
        pooled: concurrency keys that are kept apart by pools, and need no edges.
    """
    one_by_one = strategy.slots == 1
    wiring = Wiring(barrier)
    before: list[Job] = []
    keyed: dict[str, list[str]] = {}
    for job in _in_start_order(jobs):
        same = keyed.setdefault(job.concurrency, []) if job.concurrency and job.concurrency not in pooled else []
        if one_by_one and strategy.fail_fast and job.when is When.SUCCESS:
            _after_good(wiring, job, before)
        else:
            waits = wiring.settled([before[-1].name]) if one_by_one and before else _latest(wiring, same)
            _BY_WHEN[job.when](wiring, job, waits)
        if job.when is When.FAILURE or (job.when is When.SUCCESS and not wiring.neutral.isdisjoint(job.needs)):
            wiring.neutral.add(job.name)
        # Side by side, no edge says what `failFast` does: the job asks when its turn comes.
        wiring.wires[job.name].fail_fast = strategy.fail_fast and not one_by_one and job.when is When.SUCCESS
        before.append(job)
        same.append(job.name)
    return wiring


def _in_start_order(jobs: Sequence[Job]) -> list[Job]:
    where = {job.name: number for number, job in enumerate(jobs)}
    if all(where[need] < number for number, job in enumerate(jobs) for need in job.needs):
        return list(jobs)
    tasks = [Task(number, "", 0, job, 0, tuple(where[need] for need in job.needs)) for number, job in enumerate(jobs)]
    return [task.job for task in start_order(tasks)]


def _latest(wiring: Wiring, names: Sequence[str]) -> tuple[str, ...]:
    """The last of jobs that must not overlap, and those before it whose end its own end does not imply."""
    found: list[str] = []
    for name in reversed(names):
        found.append(name)
        if wiring.wires[name].complete:
            break
    return tuple(found)


def _after_good(wiring: Wiring, job: Job, before: Sequence[Job]) -> None:
    """One by one under `failFast`: after the ones before, if none of them failed.

    The last one before that waits for success knows about all before itself; those after it may be there for
    failures, and are asked one by one.
    """
    chain: list[str] = []
    for each in reversed(before):
        chain.append(each.name)
        if each.when is When.SUCCESS:
            break
    _succeed(wiring, job, unique((*job.needs, *reversed(chain), "" if before else wiring.barrier)))


def _succeed(wiring: Wiring, job: Job, upstream: tuple[str, ...]) -> None:
    """Start when no task of `upstream` failed, and no need among them was skipped. Others may have been skipped."""
    neutral = wiring.neutral.intersection(upstream)
    skips = tuple(name for name in job.needs if name in neutral)
    others = [wiring.wires[name] for name in upstream if name not in job.needs and name in wiring.wires]
    if not neutral or (len(job.needs) == 1 and skips and not any(other.job for other in others)):
        # In the second case nothing beside the one need can fail or be skipped, so it does not matter who is first.
        wiring.add(WiredTask(job.name, ALL_SUCCESS, upstream, job))
    else:
        wiring.add(WiredTask(job.name, NONE_FAILED, upstream, job, skip_with=skips))


def _on_success(wiring: Wiring, job: Job, waits: tuple[str, ...]) -> None:
    hard = job.needs or unique([wiring.barrier])
    waits = tuple(name for name in waits if name not in hard)
    if not waits:
        _succeed(wiring, job, hard)
    elif not hard:
        wiring.add(WiredTask(job.name, ALL_DONE, waits, job, complete=True))
    else:
        turn = wiring.gate(job, "turn", ALL_DONE, waits, "its turn, however the ones before it ended")
        _succeed(wiring, job, (*hard, turn))


def _always(wiring: Wiring, job: Job, waits: tuple[str, ...]) -> None:
    upstream = unique((*wiring.settled(job.needs), *waits))
    if not upstream:
        wiring.add(WiredTask(job.name, ALL_SUCCESS, unique([wiring.barrier]), job))
    elif not wiring.barrier:
        wiring.add(WiredTask(job.name, ALL_DONE, upstream, job, complete=True))
    else:
        ended = _ended(wiring, job, upstream)
        wiring.add(WiredTask(job.name, ALL_SUCCESS, (wiring.barrier, ended), job, complete=True))


def _on_failure(wiring: Wiring, job: Job, waits: tuple[str, ...]) -> None:
    upstream = unique((*wiring.settled(job.needs), *waits))
    if len(upstream) == 1 and not wiring.barrier:
        wiring.add(WiredTask(job.name, ONE_FAILED, upstream, job, complete=True))
        return
    ended = _ended(wiring, job, upstream)
    # The second gate waits for the first before it is skipped, so the job's own end still comes after all of these.
    failed = wiring.gate(job, "failed", ONE_FAILED, (*job.needs, ended), "one of its needs failed")
    wiring.add(WiredTask(job.name, ALL_SUCCESS, unique((wiring.barrier, ended, failed)), job, complete=True))


def _ended(wiring: Wiring, job: Job, upstream: Iterable[str]) -> str:
    return wiring.gate(job, "ended", ALL_DONE, upstream, "all before it has ended, well or badly")


_BY_WHEN = {When.SUCCESS: _on_success, When.ALWAYS: _always, When.FAILURE: _on_failure}
