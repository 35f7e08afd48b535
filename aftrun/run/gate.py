"""Which job may start next: needs, `when`, fail-fast, slots, concurrency keys. No time, no I/O."""

from __future__ import annotations

import heapq
from collections.abc import Collection
from enum import Enum

from aftrun.domain.events import Reason
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import When
from aftrun.run.plan import Plan, Task


class Mark(Enum):
    """What a job's end means to the jobs that need it."""

    GOOD = "good"
    BAD = "bad"
    NEUTRAL = "neutral"
    """It was rightly not needed: `when: failure`, and nothing failed."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A job that will not run, and why."""

    index: int
    reason: Reason
    message: str


class _Place(Enum):
    FREE = 0
    """Blocked or ready; nobody has it."""
    TAKEN = 1
    """JobOutputs out: it holds a slot and its concurrency key."""
    GONE = 2
    """Skipped or ended."""


class Gate:
    """Hands out jobs in manifest order, each once, when everything it waits for allows it.

    Skips that follow from an end are returned to the caller, who records them and reports each back through `end`.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._missing = [0] * len(plan.tasks)
        self._dependants: list[list[int]] = [[] for _ in plan.tasks]
        for task in plan.tasks:
            for need in task.needs:
                self._dependants[need].append(task.index)
        self._marks: list[Mark | None] = [None] * len(plan.tasks)
        self._places = [_Place.FREE] * len(plan.tasks)
        self._ready: list[list[int]] = [[] for _ in plan.servers]
        self._parked: dict[str, list[int]] = {}
        self._holders: dict[str, int] = {}
        self._stuck: dict[str, int] = {}
        """Keys of jobs whose end nobody has seen, and those jobs: not free again in this run."""
        self._stage = -1
        self._open = 0
        self._active = 0
        self._broken = ""
        """The first manifest that ended badly."""
        self._failing_fast = False
        self.closed = False
        """Nothing new starts any more (an interruption, a full disk)."""

    @property
    def done(self) -> bool:
        """Every stage has ended."""
        return self._stage >= len(self._plan.stages)

    @property
    def stage(self) -> int:
        """The number of the stage under way."""
        return self._stage

    def adopt(self, index: int, mark: Mark | None, *, seen: bool = True) -> None:
        """Before the start: a job of an earlier process has ended (`mark`) or is under way (None).

        `seen` is as for `end`.
        """
        self._places[index] = _Place.TAKEN if mark is None else _Place.GONE
        self._marks[index] = mark
        if mark is not None and not seen:
            self._stick(index)

    def advance(self) -> list[Skip] | None:
        """Begin the next stage if the one under way has ended; None where there is nothing to begin.

        The skips are the jobs of the new stage that will not run.
        """
        if self.done or self._open:
            return None
        if self._stage >= 0 and any(self._marks[task.index] is Mark.BAD for task in self._tasks()):
            self._broken = self._broken or self._plan.stages[self._stage].name
        self._stage += 1
        if self._stage >= len(self._plan.stages):
            return None
        tasks = self._tasks()
        self._open = sum(1 for task in tasks if self._marks[task.index] is None)
        self._active = 0
        self._failing_fast = False
        for task in tasks:
            self._missing[task.index] = sum(1 for need in task.needs if self._marks[need] is None)
            if self._places[task.index] is _Place.TAKEN:
                self._hold(task)
        free = [task for task in tasks if self._places[task.index] is _Place.FREE]
        if self._broken and not self._plan.keep_going:
            why = f"not started, since manifest {self._broken} ended badly (see --keep-going)"
            return self._take_away([Skip(task.index, Reason.FAIL_FAST, why) for task in free])
        skips = [skip for task in free if not self._missing[task.index] for skip in self._open_up(task)]
        self._take_away(skips)
        bad = next((task for task in tasks if self._marks[task.index] is Mark.BAD), None)
        return skips if bad is None else skips + self._fail_fast(bad)

    def next(self, servers: Collection[int]) -> Task | None:
        """Take the first ready job, in manifest order, whose server is one of `servers`; None where there is none."""
        if self.closed or self.done or self._active >= self._plan.stages[self._stage].strategy.slots:
            return None
        while heads := [(self._ready[server][0], server) for server in servers if self._ready[server]]:
            index, server = min(heads)
            heapq.heappop(self._ready[server])
            if self._places[index] is not _Place.FREE:
                continue
            task = self._plan.tasks[index]
            key = task.job.concurrency
            if key in self._holders:
                heapq.heappush(self._parked.setdefault(key, []), index)
                continue
            self._places[index] = _Place.TAKEN
            self._hold(task)
            return task
        return None

    def end(self, index: int, mark: Mark, *, seen: bool = True) -> list[Skip]:
        """A job has ended, by running or by being skipped. Returns the skips that follow from it.

        `seen` is False where all that has ended is the wait for it: a submission of it may still run on the server.
        Its slot is free then, its concurrency key is not.
        """
        task = self._plan.tasks[index]
        if self._places[index] is _Place.TAKEN:
            # One of a later stage, which a resume reads again, has no slot: each stage counts its own as it begins.
            self._active -= task.stage == self._stage
            if seen:
                self._release(task)
        self._places[index] = _Place.GONE
        stuck = [] if seen else self._stick(index)
        self._marks[index] = mark
        if task.stage != self._stage:
            return stuck  # a later stage counts its jobs when it begins
        self._open -= 1
        skips: list[Skip] = []
        for dependant in self._dependants[index]:
            self._missing[dependant] -= 1
            if not self._missing[dependant] and self._places[dependant] is _Place.FREE:
                skips += self._open_up(self._plan.tasks[dependant])
        skips = self._take_away([*skips, *stuck])
        return skips + self._fail_fast(task) if mark is Mark.BAD else skips

    def free(self) -> list[int]:
        """The jobs of all stages that nobody has taken and that have not been skipped."""
        return [index for index, place in enumerate(self._places) if place is _Place.FREE]

    def take_away(self, index: int) -> None:
        """A job is about to be skipped by the caller."""
        self._places[index] = _Place.GONE

    def _tasks(self) -> tuple[Task, ...]:
        stage = self._plan.stages[self._stage]
        return self._plan.tasks[stage.first : stage.first + stage.count]

    def _take_away(self, skips: list[Skip]) -> list[Skip]:
        for skip in skips:
            self._places[skip.index] = _Place.GONE
        return skips

    def _hold(self, task: Task) -> None:
        self._active += 1
        if task.job.concurrency:
            self._holders[task.job.concurrency] = task.index

    def _release(self, task: Task) -> None:
        key = task.job.concurrency
        if self._holders.get(key) == task.index:
            del self._holders[key]
            for index in self._parked.pop(key, ()):
                heapq.heappush(self._ready[self._plan.tasks[index].server], index)

    def _stick(self, index: int) -> list[Skip]:
        """A job keeps its key for the rest of the run. Returns the skips of the jobs that wait for nothing else."""
        key = self._plan.tasks[index].job.concurrency
        if not key or key in self._stuck:
            return []
        self._stuck[key] = index
        waiting = [
            task
            for task in (self._tasks() if self._stage >= 0 else ())
            if task.job.concurrency == key and self._places[task.index] is _Place.FREE and not self._missing[task.index]
        ]
        return self._take_away([self._apart(task) for task in waiting])

    def _apart(self, task: Task) -> Skip:
        holder = self._plan.tasks[self._stuck[task.job.concurrency]]
        why = "it was not waited for" if not holder.job.wait else "nobody saw its end"
        message = f"not started, since {holder.label} has the same concurrency key and may still be running: {why}"
        return Skip(task.index, Reason.NEEDS, message)

    def _open_up(self, task: Task) -> list[Skip]:
        """All needs of a job have ended: it becomes ready, or is skipped."""
        bad = next((need for need in task.needs if self._marks[need] is Mark.BAD), None)
        neutral = any(self._marks[need] is Mark.NEUTRAL for need in task.needs)
        when = task.job.when
        if when is When.FAILURE and bad is None:
            return [Skip(task.index, Reason.NOT_NEEDED, "runs on failure only, and none of its needs failed")]
        if when is When.SUCCESS and bad is not None:
            return [Skip(task.index, Reason.NEEDS, f"it needs {self._plan.tasks[bad].label}, which did not succeed")]
        if when is When.SUCCESS and neutral:
            return [Skip(task.index, Reason.NOT_NEEDED, "it needs a job that was not needed")]
        if task.job.concurrency in self._stuck:
            return [self._apart(task)]
        heapq.heappush(self._ready[task.server], task.index)
        return []

    def _fail_fast(self, bad: Task) -> list[Skip]:
        """What a bad end takes with it under `failFast`: every job of the stage that waits for success only.

        Jobs with `when: always` or `when: failure` are there for bad ends, so they still run.
        """
        if self._failing_fast or not self._plan.stages[self._stage].strategy.fail_fast:
            return []
        self._failing_fast = True
        why = f"not started, since {bad.label} ended badly (see --keep-going)"
        return self._take_away(
            [
                Skip(task.index, Reason.FAIL_FAST, why)
                for task in self._tasks()
                if self._places[task.index] is _Place.FREE and task.job.when is When.SUCCESS
            ]
        )
