"""The record fails, or aftrun itself does."""

from __future__ import annotations

import pytest

from aftrun.domain.errors import StateError
from aftrun.domain.events import (
    Accepted,
    Reason,
    RunEnded,
    SubmitIntended,
    Warned,
)
from aftrun.domain.model import (
    Retry,
    State,
)
from tests.simulation.kernel import World
from tests.unit.run.scheduler.seen import message, reason
from tests.unit.world import (
    REFUSED,
    RUN,
    Acts,
    Fault,
    Life,
    Ran,
    Setting,
    SimJournal,
    job,
    manifest,
    parallel,
    run,
)


@pytest.mark.parametrize("n", range(1, 16))
def test_a_record_that_cannot_be_written_stops_submissions(n: int) -> None:
    """Whenever the record fails: nothing is sent without an intent on record, running jobs are watched, exit 74."""
    world = World()
    journal = SimJournal(world, fails_at=n, error=StateError("the disk is full"))
    setting = Setting(
        (parallel(*(job(f"j{i}", retry=Retry(1, duration=1)) for i in range(5)), max_parallel=2),),
        world=world,
        acts={"j0": Acts((Life(runs=1, end=State.FAILED), Life(runs=1))), "j1": Acts(faults=(REFUSED,))},
        journal=journal,
    )
    ran = setting.go()
    write_ahead_but_for_ids(ran)
    assert isinstance(ran.told[-1], RunEnded)
    if journal._calls < n:
        pytest.skip("the run makes fewer writes than that")
    assert journal.calls_after_failure == 0
    assert ran.scheduler is not None
    assert ran.scheduler.state_error is not None
    assert ran.told[-1].exit_code == 74
    assert ran.report.exit_code == 74
    for made in setting.servers[0].ledger:
        assert ran.outcome(made.script) in ("succeeded", "failed", "skipped"), "a job on the server was abandoned"
        assert made.ends_at() <= world.time
    assert "pending" not in ran.outcomes().values()


def write_ahead_but_for_ids(ran: Ran) -> None:
    """Intents are on record before POSTs leave. Ids may be used once the record has failed."""
    intended = {(each.job, each.attempt) for each in ran.journal.events if isinstance(each, SubmitIntended)}
    for kind, body in ran.world.trace:
        if kind == "post":
            run_id, name, attempt = body["params"]["cid"].split("/")
            assert run_id == RUN
            assert (f"main/{name}", int(attempt)) in intended


def test_the_reason_of_jobs_not_started_is_the_record() -> None:
    """The words name the cause, and a warning tells it at once."""
    world = World()
    ran = Setting(
        (manifest(job("a"), job("b")),),
        world=world,
        journal=SimJournal(world, fails_at=2, error=StateError("disk full")),
    ).go()
    assert ran.outcomes() == {"a": "succeeded", "b": "skipped"}
    assert reason(ran, "b") == Reason.STATE
    assert "disk full" in message(ran, "b")
    assert len([each for each in ran.of(Warned) if "nothing more is submitted" in each.message]) == 1


def test_a_record_that_fails_at_the_very_end_still_ends_the_stream() -> None:
    """The write of `RunEnded` itself fails: it is still the last event told, and says 74, as the process does."""
    writes = len(run(manifest(job("a"))).journal.batches)
    world = World()
    ran = Setting(
        (manifest(job("a")),), world=world, journal=SimJournal(world, fails_at=writes, error=StateError("disk full"))
    ).go()
    assert ran.outcomes() == {"a": "succeeded"}
    assert isinstance(ran.told[-1], RunEnded)
    assert [each.exit_code for each in ran.of(RunEnded)] == [74]
    assert ran.report.exit_code == 74


@pytest.mark.parametrize("where", ["submit", "look"])
def test_an_exception_in_a_door_ends_the_stream_with_70(where: str) -> None:
    """A bug is raised, not swallowed, after the stream has been ended and recorded."""
    bug = ZeroDivisionError("a bug")
    acts = Acts(faults=(Fault(bug),)) if where == "submit" else Acts(looks=(bug,))
    ran = Setting((manifest(job("a")),), acts={"a": acts}).go()
    assert ran.error is bug
    last = ran.told[-1]
    assert isinstance(last, RunEnded)
    assert last.exit_code == 70
    assert ran.journal.events[-1] == last


def test_a_bug_does_not_lose_the_ids_that_came_in_with_it() -> None:
    """Two answers arrive in one turn, the first is a bug: the other's id is still put on record."""
    ran = Setting(
        (parallel(job("bug"), job("fine")),), acts={"bug": Acts(faults=(Fault(ZeroDivisionError("a bug")),))}
    ).go()
    assert isinstance(ran.error, ZeroDivisionError)
    assert [each.job for each in ran.journal.events if isinstance(each, Accepted)] == ["main/fine"]


def test_an_exception_in_a_listener_ends_the_stream() -> None:
    """Whoever listens and breaks ends the run with 70; the record is complete up to its end."""

    def listener(event: object, _: object) -> None:
        if isinstance(event, Accepted):
            raise ZeroDivisionError

    ran = Setting((manifest(job("a")),), listeners=(listener,)).go()
    assert isinstance(ran.error, ZeroDivisionError)
    last = ran.journal.events[-1]
    assert isinstance(last, RunEnded)
    assert last.exit_code == 70
