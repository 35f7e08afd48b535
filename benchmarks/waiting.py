"""100,000 jobs that wait ten minutes, in one process: the real scheduler, and server, clock and pool simulated.

Requests take 10 ms there, and 31 are in flight at most, so 3,100 a second is all that can be asked; nothing else takes
time. What is measured is what the scheduler makes of that: its memory, how late it learns of an end, how evenly it
looks. How long the real process works on it is told beside that, and is no time of the simulation. The record is left
out, which is on disk.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from random import Random

from aftrun.domain.events import AttemptEnded, Event, RunStarted
from aftrun.domain.model import (
    Answer,
    Job,
    JobInfo,
    Json,
    Manifest,
    Order,
    Script,
    Selector,
    ServerSpec,
    State,
    Strategy,
)
from aftrun.domain.values import Origin
from aftrun.run.plan import headers, make_plan
from aftrun.run.render import RunFacts, lookup_for
from aftrun.run.scheduler import Scheduler
from aftrun.run.steps import Steps
from benchmarks.common import Row, arguments, environment, finish, show
from tests.simulation.kernel import EPOCH, SimPool, World

SIZE = 31
"""Requests in flight: `ThreadPool` starts no more threads than that."""
LATENCY = 0.01
LENGTH = 600.0


class Server:
    """Creates jobs that run for `LENGTH` seconds, and keeps account of how evenly it is asked."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.began: list[float] = []
        self._looked: list[float] = []
        self.reads = 0
        self._waits: dict[int, tuple[int, float, float]] = {}
        """By age, in steps of a quarter of it: how many waits began then, their sum, and the longest."""

    def submit(self, body: Mapping[str, Json]) -> Answer:
        """POST one job; its number is its id."""
        self._world.latency = LATENCY
        self.began.append(self._world.time)
        self._looked.append(self._world.time)
        return Answer(201, JobInfo(str(len(self.began) - 1), State.RUNNING, "running"))

    def status(self, job_id: str) -> Answer:
        """GET one job info."""
        self._world.latency = LATENCY
        self.reads += 1
        number, now = int(job_id), self._world.time
        before, self._looked[number] = self._looked[number], now
        step = int(math.log(1 + before - self.began[number], 1.25))
        count, total, longest = self._waits.get(step, (0, 0.0, 0.0))
        self._waits[step] = count + 1, total + now - before, max(longest, now - before)
        over = now >= self.began[number] + LENGTH
        return Answer(200, JobInfo(job_id, *((State.SUCCEEDED, "done") if over else (State.RUNNING, "running"))))

    def unevenness(self) -> float:
        """The longest wait, as a multiple of the mean of those that began at the same age."""
        return max(longest / (total / count) for count, total, longest in self._waits.values() if count > 100)


class Nothing:
    """A `Journal` that keeps nothing."""

    def append(self, events: Sequence[Event]) -> Sequence[Event]:
        """Take a batch."""
        return events

    def keep(self, events: Sequence[Event]) -> None:
        """There is no second file here."""


def play(count: int) -> dict[str, float]:
    """One run, in this process."""
    jobs = tuple(
        Job(name=f"j{number}", script=Script(Selector.NAME, "x"), origin=Origin("m.yaml", number, 1))
        for number in range(count)
    )
    strategy = Strategy(order=Order.PARALLEL, max_parallel=count, fail_fast=False)
    manifest = Manifest(name="m", path="m.yaml", jobs=jobs, servers=(ServerSpec(url="https://one"),), strategy=strategy)
    plan, facts, world = make_plan([manifest]), RunFacts("20260101-000000-test", EPOCH), World()
    server = Server(world)
    ends: dict[str, float] = {}

    def told(event: Event, _: object) -> None:
        if isinstance(event, AttemptEnded):
            ends[event.job] = world.time

    steps = Steps(plan, facts, {}, clock=world, random=Random(1))  # noqa: S311  # it spreads reads
    pool = SimPool(world, SIZE, patience=10**9)
    scheduler = Scheduler(steps, [server], Nothing(), pool, listeners=(told,))
    opening = RunStarted(EPOCH, facts.id, headers(plan, lambda task: lookup_for(task, facts, {}, lambda _: None)))
    report = scheduler.run([opening])
    if report.exit_code != 0:
        raise SystemExit(f"the run ended as {report.outcome}")
    late = sorted(ends[f"m/{job.name}"] - server.began[int(job.job_id or "")] - LENGTH for job in report.jobs)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "rss": usage.ru_maxrss / 1024,
        "cpu": usage.ru_utime + usage.ru_stime,
        "most": pool.most,
        "p95": late[int(len(late) * 0.95)],
        "last": late[-1],
        "reads": server.reads,
        "unevenness": server.unevenness(),
        "submitting": server.began[-1],
        "makespan": world.time,
    }


def rows(small: bool) -> Iterator[Row]:
    """One for each goal."""
    count = 300 if small else 100_000
    command = [sys.executable, "-m", "benchmarks.waiting", "--play", str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  # this very module
    found = json.loads(done.stdout)
    what, goal = f"{count} jobs of {LENGTH:.0f} s at once, server and clock simulated", 0.1 * LENGTH + 1.0
    note = f"{found['cpu']:.0f} s of CPU; submitted in {found['submitting']:.0f} s, over in {found['makespan']:.0f} s"
    yield Row(f"{what}: memory", "the goal", f"{found['rss']:.0f} MiB", "1024 MiB", found["rss"] / 1024, "<= 1", note)
    threads = found["most"] + 1
    yield Row(f"{what}: threads", "the goal", f"{threads}", "32", threads / 32, "<= 1")
    yield Row(
        f"{what}: end noticed, p95",
        "10 % of the duration + 1 s",
        f"{found['p95']:.1f} s",
        f"{goal:.1f} s",
        found["p95"] / goal,
        "<= 1",
        f"most {found['last']:.1f} s",
    )
    note = f"{found['reads']} reads, {found['reads'] / count:.1f} a job"
    yield Row(
        f"{what}: longest wait for a look",
        "the mean at its age",
        f"{found['unevenness']:.2f}",
        "1",
        found["unevenness"],
        "<= 2",
        note,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--play", type=int, default=0, help=argparse.SUPPRESS)
    chosen = arguments(parser)
    if chosen.play:
        print(json.dumps(play(chosen.play)))  # noqa: T201  # for the process above
        sys.exit(0)
    before = environment()
    sys.exit(finish(show(rows(chosen.small)), chosen, before))
