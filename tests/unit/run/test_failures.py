"""Something of aftrun's own fails while POSTs are in flight: their answers are on record before the run ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aftrun.domain.errors import StateError
from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
    Event,
    JobEnded,
    Reason,
    RunEnded,
    SubmitDeferred,
    SubmitIntended,
)
from aftrun.domain.model import Answer, JobInfo, OnAmbiguous, Outcome, ServerSpec, State
from aftrun.run import policy
from aftrun.run.fold import ReportBuilder
from aftrun.run.pool import Result
from tests.simulation.kernel import SimPool, World
from tests.unit.world import (
    BAD_REQUEST,
    LOST_AFTER,
    ONE,
    Acts,
    Fault,
    Life,
    Ran,
    Setting,
    SimJournal,
    SimServer,
    job,
    parallel,
)

SLOW = ServerSpec(name="slow", url="https://slow:44399", poll=ONE.poll)
BUG = TypeError("a bug")


class Breaking:
    """A listener that fails at one kind of event, or when it is told the time."""

    def __init__(self, kind: type[Any] | None, error: BaseException) -> None:
        self.kind, self.error = kind, error
        self.heard_after = 0
        self.broken = False

    def __call__(self, event: Event, _folder: ReportBuilder) -> None:
        """Hear an event."""
        self.heard_after += self.broken
        if self.kind is not None and isinstance(event, self.kind):
            self.broken = True
            raise self.error

    def tick(self, *_: object) -> None:
        """Hear the time."""
        if self.kind is None and not self.broken:
            self.broken = True
            raise self.error


def night(*, world: World | None = None, **fields: Any) -> Setting:
    """Job `a` comes and goes within a second; the answers of `b`, `c` and `d` take a minute. `e` needs `a`."""
    world = world or World()
    acts = {"a": Acts((Life(runs=1),)), "c": Acts(faults=(LOST_AFTER,)), "d": Acts(faults=(BAD_REQUEST,))}
    servers = [SimServer(world, acts, name="q"), SimServer(world, acts, latency=60.0, name="s")]
    jobs = (job("a"), *(job(name, server="slow") for name in "bcd"), job("e", needs=("a",)))
    return Setting((parallel(*jobs, servers=(ONE, SLOW)),), world=world, servers=servers, **fields)


def judge(setting: Setting, ran: Ran, code: int) -> None:
    """All answers are on record, the stream has one end; a resume submits what is left, and nothing twice."""
    assert ran.error is not None
    events = ran.journal.events
    assert isinstance(events[-1], RunEnded)
    assert events[-1].exit_code == code
    assert sum(isinstance(each, RunEnded) for each in events) == 1
    answered = {each.job: each for each in events if isinstance(each, Accepted | AttemptEnded)}
    sent = {str(body["scriptName"]) for kind, body in setting.world.trace if kind == "post"}
    assert {f"main/{name}" for name in sent} == set(answered), "each POST that left has its answer on record"
    assert sent >= {"b", "c", "d"}
    for made in (made for server in setting.servers for made in server.ledger if made.script != "c"):
        ids = [each.job_id for each in events if isinstance(each, Accepted) and each.job == f"main/{made.script}"]
        assert ids == [made.job_id]
    setting.listeners, setting.journal = (), None
    again = setting.go([setting.start(setting.plan()), *events])
    assert again.error is None
    assert again.outcomes() == {"a": "succeeded", "b": "succeeded", "c": "unknown", "d": "rejected", "e": "succeeded"}
    for name in "abcde":
        assert sum(server.posts.count(name) for server in setting.servers) == 1, "nothing is submitted twice"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BUG, 70),
        (RecursionError(), 70),
        (MemoryError(), 74),
        (OSError(24, "Too many open files"), 74),
        (ModuleNotFoundError("No module named 'x'", name="x"), 74),
        (StateError("a listener's own"), 74),
        (KeyboardInterrupt(), 130),
        (SystemExit(3), 70),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("kind", [JobEnded, None], ids=["event", "time"])
def test_a_listener_that_fails(error: BaseException, code: int, kind: type[Any] | None) -> None:
    """A renderer, a stream: whatever it raises, answers are waited for, and the exit code is that of what it was."""
    listener = Breaking(kind, error)
    setting = night(listeners=(listener,))
    ran = setting.go()
    assert ran.error is error
    assert listener.heard_after == 0, "who has failed hears no more"
    judge(setting, ran, code)


def test_a_decision_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in what follows from a status read."""

    def broken(*_: object) -> policy.ReadDecision:
        raise BUG

    setting = night()
    with monkeypatch.context() as patch:
        patch.setattr(policy, "after_read", broken)
        ran = setting.go()
    assert ran.error is BUG
    judge(setting, ran, 70)


def test_a_decision_about_the_very_answers_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where nothing can be decided about a POST's answer any more, its id is put on record."""

    def broken(*_: object) -> policy.SubmitDecision:
        raise BUG

    setting = Setting((parallel(job("a"), job("b")),))
    with monkeypatch.context() as patch:
        patch.setattr(policy, "after_submit", broken)
        ran = setting.go()
    assert ran.error is BUG
    assert {each.job_id for each in ran.of(Accepted)} == {made.job_id for made in setting.servers[0].ledger}
    assert len(setting.servers[0].ledger) == 2
    again = setting.go([setting.start(setting.plan()), *ran.journal.events])
    assert again.outcomes() == {"a": "succeeded", "b": "succeeded"}
    assert len(setting.servers[0].posts) == 2


def test_a_request_that_fails_by_a_bug_is_unknown_on_record() -> None:
    """Nobody can say whether it left; the others' answers are kept."""
    setting = Setting((parallel(job("bug"), job("fine")),), acts={"bug": Acts(faults=(Fault(BUG, creates=True),))})
    ran = setting.go()
    assert ran.error is BUG
    assert ran.outcomes() == {"bug": "unknown", "fine": "pending"}
    assert ran.result("bug").reason == Reason.AMBIGUOUS
    assert "may or may not have been created" in ran.result("bug").message
    assert [each.job for each in ran.of(Accepted)] == ["main/fine"]


@pytest.mark.parametrize("error", [MemoryError(), OSError(24, "Too many open files"), ImportError("x", name="x")])
def test_a_request_for_which_the_machine_is_too_small_ends_no_run(error: Exception) -> None:
    """A POST's fate is unknown then, a read is repeated, and all other jobs run."""
    acts = {"a": Acts(faults=(Fault(error, creates=True),)), "b": Acts(looks=(error,))}
    ran = Setting((parallel(job("a"), job("b"), job("c", needs=("b",))),), acts=acts).go()
    assert ran.error is None
    assert ran.outcomes() == {"a": "unknown", "b": "succeeded", "c": "succeeded"}
    assert ran.report.exit_code == 6


def test_a_post_that_has_not_left_yet_does_not_leave() -> None:
    """Its intent is on record when a listener fails: the record says that it was not sent, and a resume sends it."""
    listener = Breaking(SubmitIntended, BUG)
    setting = Setting((parallel(job("a"), job("b")),), listeners=(listener,))
    ran = setting.go()
    assert ran.error is BUG
    assert setting.servers[0].posts == []
    assert [each.job for each in ran.of(SubmitDeferred)] == ["main/a", "main/b"]
    setting.listeners = ()
    again = setting.go([setting.start(setting.plan()), *ran.journal.events])
    assert again.outcomes() == {"a": "succeeded", "b": "succeeded"}
    assert setting.servers[0].posts == ["a", "b"]


def test_a_record_with_a_bug_loses_only_what_it_cannot_hold() -> None:
    """One event that cannot be written, for a reason that is not the disk's, takes no other down with it."""

    class Choosy(SimJournal):
        def append(self, events: Any) -> Any:
            if any(isinstance(event, JobEnded) for event in events):
                raise BUG
            return super().append(events)

    world = World()
    setting = night(world=world, journal=Choosy(world))
    ran = setting.go()
    judge(setting, ran, 70)


def test_a_pool_that_hands_a_request_over_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """`start` fails for the second of two POSTs: the first is awaited, the second is on record as not sent."""
    original: Callable[..., None] = SimPool.start
    calls: list[Result] = []

    def start(pool: SimPool, ticket: Any, call: Any) -> None:
        calls.append((ticket, Answer(200)))
        if len(calls) == 2:
            raise MemoryError
        original(pool, ticket, call)

    setting = Setting((parallel(job("a"), job("b")),))
    with monkeypatch.context() as patch:
        patch.setattr(SimPool, "start", start)
        ran = setting.go()
    assert isinstance(ran.error, MemoryError)
    assert [each.job for each in ran.of(Accepted)] == ["main/a"]
    assert [each.job for each in ran.of(SubmitDeferred)] == ["main/b"]
    again = setting.go([setting.start(setting.plan()), *ran.journal.events])
    assert again.outcomes() == {"a": "succeeded", "b": "succeeded"}
    assert setting.servers[0].posts == ["a", "b"]


def test_a_bug_in_an_ambiguous_post_that_may_be_resubmitted_waits_for_the_resume() -> None:
    """`onAmbiguous: resubmit` holds for it too, but nothing is sent by a run that is winding up."""
    acts = {"a": Acts(faults=(Fault(BUG),))}
    setting = Setting((parallel(job("a", on_ambiguous=OnAmbiguous.RESUBMIT)),), acts=acts)
    ran = setting.go()
    assert ran.error is BUG
    assert setting.servers[0].posts == ["a"]
    again = setting.go([setting.start(setting.plan()), *ran.journal.events])
    assert again.outcomes() == {"a": "succeeded"}
    assert [each.outcome for each in ran.of(AttemptEnded)] == [Outcome.UNKNOWN]


def test_an_answer_whose_info_has_no_id_is_left_to_the_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither the rules nor the answer say anything, the intent on record makes the job unknown."""

    def broken(*_: object) -> policy.SubmitDecision:
        raise BUG

    strange = Fault(Answer(201, JobInfo(None, State.QUEUED, "queued")), creates=True)
    setting = Setting((parallel(job("a")),), acts={"a": Acts(faults=(strange,))})
    with monkeypatch.context() as patch:
        patch.setattr(policy, "after_submit", broken)
        ran = setting.go()
    assert ran.of(Accepted) == []
    again = setting.go([setting.start(setting.plan()), *ran.journal.events])
    assert again.outcomes() == {"a": "unknown"}
    assert setting.servers[0].posts == ["a"]
