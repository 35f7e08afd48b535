"""The first signal: nothing new starts, nothing is lost."""

from __future__ import annotations

import pytest

from aftrun.domain.events import (
    Accepted,
    Interrupted,
)
from aftrun.domain.model import (
    Retry,
    State,
)
from tests.simulation.kernel import World
from tests.unit.run.scheduler.seen import posts
from tests.unit.world import (
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


@pytest.mark.parametrize(("signal", "code"), [(2, 130), (15, 143)])
def test_an_interruption_starts_nothing_new_and_leaves_jobs_pending(signal: int, code: int) -> None:
    """Running jobs stay pending in the report, the rest is not begun, and the exit code names the signal."""
    setting = Setting(
        (parallel(job("a"), job("b"), job("c"), max_parallel=2),),
        acts={name: Acts((Life(runs=1000),)) for name in "abc"},
        interrupt_at=10.0,
        signal=signal,
    )
    ran = setting.go()
    check(ran)
    assert ran.outcomes() == {"a": "pending", "b": "pending", "c": "pending"}
    assert posts(ran) == ["a", "b"]
    assert (ran.report.outcome, ran.report.exit_code) == ("interrupted", code)
    assert [each.signal for each in ran.of(Interrupted)] == [signal]
    assert ran.world.time < 11


def test_an_interruption_waits_for_posts_under_way() -> None:
    """A POST in flight is awaited, so that its id is not lost, even where the server is slow."""
    world = World()
    setting = Setting(
        (parallel(job("a"), job("b"), max_parallel=1),),
        world=world,
        servers=[SimServer(world, latency=20.0)],
        interrupt_at=5.0,
    )
    ran = setting.go()
    check(ran)
    assert [each.job_id for each in ran.of(Accepted)] == ["s1"]
    assert ran.result("a").job_id == "s1"
    assert ran.outcome("a") == "pending"
    assert posts(ran) == ["a"]
    assert world.time == pytest.approx(20, abs=0.1)


def test_an_interruption_before_the_first_request_sends_nothing() -> None:
    """A signal that comes while the run is being set up is not forgotten."""
    ran = run(manifest(job("a")), interrupt_at=0.0)
    assert posts(ran) == []
    assert ran.outcome("a") == "pending"
    assert ran.report.exit_code == 130


def test_an_interruption_does_not_wait_for_looks_or_retries() -> None:
    """Between two attempts, or with a status read under way, the run ends at once."""
    ran = run(
        manifest(job("a", retry=Retry(1, duration=600, cap=600))),
        acts={"a": Acts((Life(runs=1, end=State.FAILED),))},
        interrupt_at=100.0,
    )
    assert ran.world.time == pytest.approx(100, abs=0.1)
    assert ran.outcome("a") == "pending"
