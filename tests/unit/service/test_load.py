"""The scheduler with more to do than its pool carries, with servers that hang, and with past runs to go by."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import fmean

import pytest

from aftrun.domain.events import Accepted, JobEnded
from aftrun.domain.model import JobInfo, Poll, ServerSpec, State
from aftrun.run import policy
from tests.simulation.kernel import EPOCH, World
from tests.unit.world import (
    ONE,
    Acts,
    Life,
    Ran,
    Setting,
    SimServer,
    check,
    job,
    manifest,
    parallel,
)

LONG = Acts((Life(runs=120),))
USUAL = ServerSpec(url="https://one:44399", poll=Poll())


def crowd(
    count: int, *, runs: float = 120.0, at_once: int | None = None, pool_size: int = 4, latency: float = 0.05
) -> tuple[Ran, SimServer]:
    """`count` jobs with default polling, through a pool that carries `pool_size / latency` requests a second."""
    world = World()
    acts = {f"j{n}": Acts((Life(runs=runs),)) for n in range(count)}
    server = SimServer(world, acts, latency=latency)
    jobs = [job(f"j{n}") for n in range(count)]
    setting = Setting(
        (parallel(*jobs, max_parallel=at_once or count, servers=(USUAL,)),),
        world=world,
        servers=[server],
        pool_size=pool_size,
    )
    ran = setting.go()
    check(ran)
    assert ran.report.exit_code == 0
    return ran, server


def gaps(server: SimServer) -> list[tuple[float, float]]:
    """Age at which each wait for a look began, and how long it was; the first begins when the job is created."""
    looks: dict[str, list[float]] = {each.job_id: [each.at] for each in server.ledger}
    for at, job_id in server.gets:
        looks[job_id].append(at)
    return [(first - times[0], second - first) for times in looks.values() for first, second in pairwise(times)]


def unevenness(found: Sequence[tuple[float, float]]) -> float:
    """The longest wait, as a multiple of the mean of all waits that began at about the same age (within a quarter)."""
    ages: dict[int, list[float]] = defaultdict(list)
    for age, gap in found:
        ages[round(math.log(max(age, 0.1), 1.25))].append(gap)
    return max(max(each) / fmean(each) for each in ages.values() if len(each) >= 20)


# --- overload -------------------------------------------------------------------------------------------------------


def test_overload_stretches_all_waits_evenly() -> None:
    """1,000 jobs want up to 2,000 looks a second, and 80 are carried: no wait is twice the mean of its age."""
    _, server = crowd(1000)
    found = gaps(server)
    waits = sorted(gap for age, gap in found if 20 <= age < 40)
    assert waits[0] > 5, "the rule would wait 2 to 4.4 s here, so this is no overload"
    assert unevenness(found) <= 2


def test_overload_makes_young_and_old_equally_late() -> None:
    """300 places for 900 jobs, so ages differ: of looks at about the same time, none is late by twice the mean."""
    _, server = crowd(900, runs=60.0, at_once=300, pool_size=2)
    born = {each.job_id: each.at for each in server.ledger}
    last, late = dict(born), defaultdict[int, list[float]](list)
    for at, job_id in server.gets:
        rule = policy.base_interval(USUAL.poll, last[job_id] - born[job_id])
        late[int(at / 5)].append(at - last[job_id] - rule)
        last[job_id] = at
    crowded = [each for each in late.values() if fmean(each) > 2]
    assert len(crowded) > 20, "this is no overload"
    assert max(max(each) / fmean(each) for each in crowded) <= 2


def test_what_is_carried_is_looked_at_by_the_rule() -> None:
    """Without overload each wait is the clamped fraction, and nothing else."""
    _, server = crowd(20, pool_size=20)
    for age, gap in gaps(server):
        longest = 1.1 * max(0.5, 0.1 * age) + 0.1
        assert gap <= longest


def test_new_jobs_are_not_held_up_by_looks() -> None:
    """200 submissions through a pool that carries 40 a second take their 5 s, and an eighth for looks."""
    ran, _ = crowd(200, pool_size=2)
    assert max(each.at for each in ran.of(Accepted)) - EPOCH <= 200 / 40 * 8 / 7 + 0.2


def test_looks_go_on_while_new_jobs_start() -> None:
    """A job that ends at once is not noticed only after the last of 400 submissions: others may wait for it."""
    world = World()
    acts = {f"j{n}": LONG for n in range(400)} | {"quick": Acts((Life(runs=0.2),)), "after": Acts((Life(runs=1),))}
    server = SimServer(world, acts)
    jobs = [job("quick"), *(job(f"j{n}") for n in range(400)), job("after", needs=("quick",))]
    setting = Setting((parallel(*jobs, max_parallel=500),), world=world, servers=[server], pool_size=2)
    ran = setting.go()
    check(ran)
    ended = {each.job: each.at for each in ran.of(JobEnded)}
    assert ended["main/quick"] < max(each.at for each in ran.of(Accepted)) - 5


# --- several servers ------------------------------------------------------------------------------------------------


def test_servers_that_hang_do_not_hold_up_another() -> None:
    """Two servers take a minute for each answer and have jobs in plenty; the third one's run through as if alone."""

    def fast_ends(*, alone: bool) -> float:
        world = World()
        names = ("one", "two", "three")
        specs = tuple(replace(ONE, name=name, url=f"https://{name}:44399") for name in names)
        servers = [SimServer(world, latency=0.01 if name == "three" else 60.0, name=f"{name}-") for name in names]
        jobs = [job(f"{name}{n}", server=name) for n in range(30) for name in names if not alone or name == "three"]
        setting = Setting(
            (parallel(*jobs, max_parallel=90, servers=specs),),
            world=world,
            servers=servers[2:] if alone else servers,
            pool_size=12,
        )
        ran = setting.go()
        check(ran)
        ends: list[float] = [each.at for each in ran.of(JobEnded) if each.job.startswith("main/three")]
        return max(ends) - EPOCH

    assert fast_ends(alone=False) <= fast_ends(alone=True) + 1.0


# --- past runs ------------------------------------------------------------------------------------------------------


def lag(past: Sequence[float], runs: float, seed: int = 1) -> tuple[float, int]:
    """How long after its end a job is known to have ended, and after how many looks, where history says `past`."""
    world = World()
    server = SimServer(world, {"a": Acts((Life(runs=runs),))}, latency=0.01)
    setting = Setting(
        (manifest(job("a"), servers=(USUAL,)),), world=world, servers=[server], past={"main/a": past}, seed=seed
    )
    ran = setting.go()
    check(ran)
    (ended,) = ran.of(JobEnded)
    return ended.at - EPOCH - server.ledger[0].ends_at(), len(server.gets)


def test_a_usual_end_is_noticed_soon_with_no_more_looks() -> None:
    """Ten runs of 100 s are on record: the next one's end is seen within 1.5 s, for fewer looks than without."""
    for seed in range(10):
        knowing, plain = lag([100.0] * 10, 100.0, seed), lag([], 100.0, seed)
        assert knowing[0] <= 1.5
        assert knowing[1] <= plain[1]


@pytest.mark.parametrize("runs", [3.0, 40.0, 99.0, 130.0, 700.0])
def test_an_unusual_end_is_noticed_as_by_the_rule(runs: float) -> None:
    """A job that takes another time than ever before is noticed within the rule's longest wait."""
    for seed in range(10):
        found, _ = lag([100.0] * 10, runs, seed)
        assert found <= 1.1 * max(0.5, min(0.1 * runs, 30.0)) + 0.05


def seconds(ran: Ran) -> float | None:
    """What the record says of the duration of a run's only job."""
    (ended,) = ran.of(JobEnded)
    assert isinstance(ended, JobEnded)
    return ended.seconds


@pytest.mark.parametrize(("told", "expected"), [(EPOCH + 100.0, 100.0), (EPOCH + 4000.0, None), (None, None)])
def test_the_recorded_duration_ends_between_two_looks(
    told: float | None, expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own time is taken where it fits what the looks saw; else the middle between the last two."""
    truth = Life.info

    def info(life: Life, job_id: str, age: float) -> JobInfo | None:
        found = truth(life, job_id, age)
        return replace(found, ended_at=told) if found is not None and found.state is State.SUCCEEDED else found

    monkeypatch.setattr(Life, "info", info)
    world = World()
    server = SimServer(world, {"a": Acts((Life(runs=100.0),))}, latency=0.0)
    ran = Setting((manifest(job("a"), servers=(USUAL,)),), world=world, servers=[server]).go()
    before, noticed = (at for at, _ in server.gets[-2:])
    assert seconds(ran) == pytest.approx((before + noticed) / 2 if expected is None else expected, abs=0.01)


def test_what_nobody_watched_gets_no_duration_and_a_resumed_job_is_looked_at_by_history() -> None:
    """A job that ended while aftrun was down took nobody knows how long; one that goes on ends as it usually does."""
    for runs, known in ((100.0, True), (20.0, False)):
        world = World()
        server = SimServer(world, {"a": Acts((Life(runs=runs),))}, latency=0.01)
        setting = Setting(
            (manifest(job("a"), servers=(USUAL,)),),
            world=world,
            servers=[server],
            interrupt_at=10.0,
            past={"main/a": [100.0] * 5},
        )
        first = setting.go()
        world.advance(50.0)
        setting.interrupt_at = None
        second = setting.go([first.told[0], *first.journal.events])
        (ended,) = second.of(JobEnded)
        if known:
            assert ended.at - EPOCH - server.ledger[0].ends_at() <= 1.5
            assert ended.seconds == pytest.approx(100.0, abs=6)
        else:
            assert ended.seconds is None
