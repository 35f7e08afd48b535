"""In which order jobs and manifests start, and how servers share the places."""

from __future__ import annotations

from itertools import pairwise

import pytest

from aftrun.domain.events import (
    JobEnded,
    SubmitIntended,
)
from aftrun.domain.model import (
    ServerSpec,
    When,
)
from tests.simulation.kernel import EPOCH, World
from tests.unit.run.scheduler.seen import FAILS, TWO, posts
from tests.unit.world import (
    ONE,
    Acts,
    Life,
    Setting,
    SimServer,
    check,
    job,
    manifest,
    parallel,
    run,
)


def test_sequential_starts_the_next_when_the_last_has_ended() -> None:
    """One slot: each job is over on the server before the next is sent, in manifest order."""
    setting = Setting((manifest(job("a"), job("b"), job("c")),))
    ran = setting.go()
    check(ran)
    assert posts(ran) == ["a", "b", "c"]
    assert setting.servers[0].overlap() == 1
    assert ran.report.exit_code == 0
    ends = [each.at for each in ran.of(JobEnded)]
    starts = [each.at for each in ran.of(SubmitIntended)]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))


def test_sequential_honours_needs_that_point_forward() -> None:
    """A job that stands before its need in the file still runs after it."""
    ran = run(manifest(job("late", needs=("early",)), job("early")))
    assert posts(ran) == ["early", "late"]


@pytest.mark.parametrize("limit", [1, 2, 3, 8])
def test_parallel_never_exceeds_max_parallel(limit: int) -> None:
    """At no instant are more than maxParallel jobs unfinished on the server, and the limit is used."""
    setting = Setting((parallel(*(job(f"j{n}") for n in range(12)), max_parallel=limit),))
    ran = setting.go()
    check(ran)
    assert setting.servers[0].overlap() == limit
    assert set(ran.outcomes().values()) == {"succeeded"}
    assert posts(ran) == [f"j{n}" for n in range(12)]


def test_more_jobs_than_places_in_the_pool_are_all_watched() -> None:
    """Jobs that wait hold no place: twenty run side by side through a pool of two."""
    setting = Setting((parallel(*(job(f"j{n}") for n in range(20)), max_parallel=20),), pool_size=2)
    ran = setting.go()
    check(ran)
    assert ran.pool.most == 2
    assert setting.servers[0].overlap() == 20
    assert ran.report.exit_code == 0


def test_a_job_starts_as_soon_as_its_own_needs_have_ended() -> None:
    """Side by side, a short chain does not wait for a long job that it does not need."""
    ran = run(
        parallel(job("long"), job("short"), job("after", needs=("short",))),
        acts={"long": Acts((Life(runs=500),)), "short": Acts((Life(runs=1),))},
    )
    ended = {each.job: each.at for each in ran.of(JobEnded)}
    assert ended["main/after"] < ended["main/long"]


def test_an_empty_run_succeeds() -> None:
    """A manifest without jobs is a run with nothing to do."""
    world = World()
    ran = Setting((manifest(),), world=world, servers=[SimServer(world)], pool_size=1).go()
    check(ran)
    assert (ran.report.outcome, ran.report.exit_code) == ("succeeded", 0)


def test_a_rate_limit_spaces_requests() -> None:
    """Two requests a second: any two requests to that server start at least half a second apart."""
    slow = ServerSpec(max_requests_per_second=2.0, poll=ONE.poll)
    setting = Setting((parallel(*(job(f"j{n}") for n in range(5)), servers=(slow,)),))
    ran = setting.go()
    check(ran)
    created = [each.at for each in setting.servers[0].ledger]
    moments = sorted(created + [at for at, _ in setting.servers[0].gets])
    assert all(second - first >= 0.5 - 1e-9 for first, second in pairwise(moments))
    assert ran.report.exit_code == 0


def test_a_slow_server_does_not_hold_up_another() -> None:
    """One server takes a minute for each answer; the jobs of the other run through as if it were alone."""
    world = World()
    servers = [SimServer(world, latency=60.0, name="slow-"), SimServer(world, latency=0.01, name="fast-")]
    jobs = [job(f"slow{n}") for n in range(6)] + [job(f"fast{n}", server="two") for n in range(6)]
    setting = Setting(
        (parallel(*jobs, max_parallel=12, servers=(ONE, TWO)),), world=world, servers=servers, pool_size=3
    )
    ran = setting.go()
    check(ran)
    ended = {each.job.partition("/")[2]: each.at - EPOCH for each in ran.of(JobEnded)}
    assert max(at for name, at in ended.items() if name.startswith("fast")) < 20
    assert ran.report.exit_code == 0


def test_jobs_go_to_their_own_servers() -> None:
    """Each job's POST and looks reach the server that the job names, and no other."""
    world = World()
    servers = [SimServer(world, name="one-"), SimServer(world, name="two-")]
    ran = Setting((manifest(job("a"), job("b", server="two"), servers=(ONE, TWO)),), world=world, servers=servers).go()
    check(ran)
    assert [server.posts for server in servers] == [["a"], ["b"]]
    assert ran.result("b").server == "https://two:44399"


def test_manifests_run_one_after_another() -> None:
    """The second begins when every job of the first is over."""
    setting = Setting((parallel(job("a"), job("b"), name="m1"), parallel(job("c"), job("d"), name="m2")))
    ran = setting.go()
    check(ran)
    ledger = {each.script: each for each in setting.servers[0].ledger}
    assert min(ledger["c"].at, ledger["d"].at) >= max(ledger["a"].ends_at(), ledger["b"].ends_at())
    assert ran.report.exit_code == 0


@pytest.mark.parametrize("keep_going", [False, True])
def test_a_bad_manifest_stops_the_next_unless_told_to_keep_going(*, keep_going: bool) -> None:
    """After a bad end the next manifest is skipped whole, `when: always` included; --keep-going starts it."""
    ran = run(
        manifest(job("a"), name="m1"),
        manifest(job("b"), job("c", when=When.ALWAYS), name="m2"),
        acts={"a": FAILS},
        keep_going=keep_going,
    )
    end = "succeeded" if keep_going else "skipped"
    assert ran.outcomes() == {"a": "failed", "b": end, "c": end}
    assert ran.report.exit_code == 1


def test_each_manifest_keeps_its_own_strategy() -> None:
    """A sequential manifest after a parallel one has one slot again."""
    names = [job(f"p{n}") for n in range(3)], [job(f"s{n}") for n in range(3)]
    setting = Setting((parallel(*names[0], name="m1"), manifest(*names[1], name="m2")))
    ran = setting.go()
    check(ran)
    later = [each for each in setting.servers[0].ledger if each.script.startswith("s")]
    assert all(first.ends_at() <= second.at for first, second in pairwise(later))
