"""Killed anywhere and resumed, again and again: nothing is submitted twice, no id is lost, the ends are the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aftrun.domain.errors import StateError
from aftrun.domain.events import Accepted, Event, Reason, RunEnded, RunResumed
from aftrun.domain.model import Answer, Job, Manifest, OnAmbiguous, Order, Outcome, Retry, RunReport, State, When
from aftrun.run.fold import fold
from aftrun.run.policy import runs_on
from tests.effort import effort
from tests.simulation.kernel import Crash, World
from tests.unit.world import (
    BAD_REQUEST,
    LOST_AFTER,
    LOST_BEFORE,
    ONE,
    REFUSED,
    Acts,
    Fault,
    Life,
    Ran,
    Setting,
    SimJournal,
    SimServer,
    job,
    manifest,
    parallel,
    write_ahead,
)

# `submitTimeout` begins afresh in each process, so what is undelivered depends on when one died: here nothing ever is.
PATIENT = replace(ONE, submit_timeout=10_000.0)
TWO = replace(PATIENT, name="two", url="https://two:44399")


@dataclass(frozen=True, slots=True)
class Case:
    """Manifests, and how the servers act on their jobs."""

    manifests: tuple[Manifest, ...]
    acts: Mapping[str, Acts]
    latency: float = 0.05
    keep_going: bool = False

    def setting(self, world: World) -> Setting:
        """A run of this case in a world of its own."""
        servers = [
            SimServer(world, self.acts, latency=self.latency, name="one-"),
            SimServer(world, self.acts, latency=self.latency * 3, name="two-"),
        ]
        setting = Setting(self.manifests, world=world, keep_going=self.keep_going)
        setting.servers = servers[: len(setting.plan().servers)]
        return setting


@dataclass(frozen=True, slots=True)
class Cut:
    """The end of a process: killed at its n-th write (which it may still have made), out of disk, or interrupted."""

    write: int = 0
    written: bool = False
    full: bool = False
    """Not killed: from the n-th write on the disk is full, and the process ends in good order."""
    signal_at: float | None = None
    gap: float = 0.0
    """Seconds until the next process takes over."""


@dataclass(frozen=True, slots=True)
class Story:
    """A run by several processes."""

    setting: Setting
    events: tuple[Event, ...]
    """Everything on record at the end."""
    under_way: frozenset[str]
    """The jobs whose POST was under way when a process died."""
    finished: tuple[frozenset[str], ...]
    """The jobs that had ended, at each cut."""
    last: Ran


def tell(case: Case, cuts: Sequence[Cut]) -> Story:
    """Run a case; each cut ends a process, the next takes the run up from the record, the last one is left alone."""
    world = World()
    setting = case.setting(world)
    history: list[Event] = []
    under_way: set[str] = set()
    finished: list[frozenset[str]] = []
    for cut in [*cuts, None]:
        journal = SimJournal(world)
        if cut is not None and cut.signal_at is None:
            error = StateError("the disk is full") if cut.full else Crash()
            journal = SimJournal(world, fails_at=cut.write, error=error, keeps=cut.written and not cut.full)
        setting.journal = journal
        setting.interrupt_at = None if cut is None or cut.signal_at is None else world.time + cut.signal_at
        begun = history or None
        ran = setting.go(begun)
        opening: Event = setting.start(setting.plan()) if begun is None else ran.told[0]
        history = [*history, opening, *journal.events]
        if isinstance(opening, RunResumed):
            assert begun is not None
        assert ran.error is None or isinstance(ran.error, Crash), f"a bug: {ran.error!r}"
        seen = fold(history)
        lost = ran.scheduler is not None and ran.scheduler.state_error is not None
        if ran.error is not None or lost:
            under_way |= {each.name for each in seen.jobs if each.phase == "submitting"}
        finished.append(frozenset(each.name for each in seen.jobs if each.outcome is not None))
        if cut is not None:
            world.advance(world.time + cut.gap)
        if ran.error is None and not lost and ran.report.exit_code != 130:
            break
    return Story(setting, tuple(history), frozenset(under_way), tuple(finished), ran)


def kept_keys(case: Case, *reports: RunReport) -> set[str]:
    """The jobs of each key that a job may have kept to the run's end: who comes before it is a matter of time."""
    jobs = {one.name: one for each in case.manifests for one in each.jobs}
    keys = {
        jobs[each.name].concurrency
        for report in reports
        for each in report.jobs
        if any(runs_on(one.outcome) for one in each.attempts)
    }
    return {name for name, one in jobs.items() if one.concurrency in keys - {""}}


def affected(case: Case, story: Story, calm: RunReport) -> set[str]:
    """The jobs whose ends may differ from the undisturbed run's: those of unknown fate, and what hangs on them."""
    result = set(story.under_way) | kept_keys(case, calm, story.last.report)
    stage_hit = False
    for each in case.manifests:
        names = {one.name for one in each.jobs}
        if stage_hit and not case.keep_going:
            result |= names
        changed = True
        while changed:
            more = {one.name for one in each.jobs if set(one.needs) & result} - result
            changed = bool(more)
            result |= more
        if result & names:
            stage_hit = True
            if each.strategy.fail_fast:
                result |= names - story.finished[0]
    return result


def check(case: Case, story: Story) -> None:
    """What must hold however often a run was killed."""
    ledger = [made for server in story.setting.servers for made in server.ledger]
    twice = {name: count for name, count in Counter(made.correlation for made in ledger).items() if count > 1}
    assert not twice, f"created more than once: {twice}"
    write_ahead(story.setting.world.trace)

    report = fold(story.events)
    assert isinstance(story.events[-1], RunEnded)
    assert report == story.last.report, "the report told and the record differ"
    pending = [each.name for each in report.jobs if each.outcome is None]
    assert not pending, f"never ended: {pending}"

    attempts = {(f"{each.manifest}/{each.name}", one.number): one for each in report.jobs for one in each.attempts}
    for event in story.events:
        if isinstance(event, Accepted):
            attempt = attempts[event.job, event.attempt]
            assert attempt.job_id == event.job_id, "an id was lost"
            assert attempt.outcome is not None, "an accepted job was not followed to its end"

    jobs = {one.name: one for each in case.manifests for one in each.jobs}
    for name in story.under_way:
        found = next(each for each in report.jobs if each.name == name)
        if jobs[name].on_ambiguous is OnAmbiguous.FAIL:
            assert (found.outcome, found.reason) == (Outcome.UNKNOWN, Reason.CRASHED)
    if any(jobs[name].on_ambiguous is OnAmbiguous.FAIL for name in story.under_way):
        assert report.exit_code == 6

    calm = tell(case, ()).last.report
    disturbed = affected(case, story, calm)
    free = set(jobs) - disturbed
    ends = {each.name: each.outcome for each in report.jobs if each.name in free}
    assert ends == {each.name: each.outcome for each in calm.jobs if each.name in free}
    if not disturbed:
        assert report.exit_code == calm.exit_code
        assert [each.outputs for each in report.jobs] == [each.outputs for each in calm.jobs]


# --- a fixed case, every cut ----------------------------------------------------------------------------------------

RICH = Case(
    (
        parallel(
            job("extract", outputs=(("n", "n"),)),
            job("flaky", retry=Retry(1, duration=2)),
            job("refused"),
            job("tell", needs=("flaky", "refused"), when=When.ALWAYS, wait=False),
            job("load", needs=("extract",), server="two"),
            job("mend", needs=("extract",), when=When.FAILURE),
            job("lost", on_ambiguous=OnAmbiguous.RESUBMIT),
            max_parallel=3,
            servers=(PATIENT, TWO),
        ),
        manifest(job("x"), job("bad"), job("y"), name="second", servers=(PATIENT,)),
    ),
    {
        "extract": Acts((Life(raw={"n": 1}),), looks=(Answer(502),)),
        "flaky": Acts((Life(runs=1, end=State.FAILED), Life(runs=1))),
        "refused": Acts(faults=(REFUSED, REFUSED, BAD_REQUEST)),
        "lost": Acts(faults=(LOST_AFTER,)),
        "bad": Acts((Life(queued=2, runs=1, end=State.CANCELLED),)),
    },
    keep_going=True,
)
WRITES = len(tell(RICH, ()).last.journal.batches)


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("write", range(1, WRITES + 1))
def test_killed_at_every_write(write: int, *, written: bool) -> None:
    """A run with retries, refusals, two servers and two manifests, killed before and after each of its writes."""
    check(RICH, tell(RICH, [Cut(write, written)]))


@pytest.mark.parametrize("write", range(1, WRITES + 1))
def test_out_of_disk_at_every_write(write: int) -> None:
    """The disk fills up, the run ends with 74, and is taken up when there is space again."""
    check(RICH, tell(RICH, [Cut(write, full=True, gap=2.0)]))


@pytest.mark.parametrize("second", range(1, WRITES, 2))
@pytest.mark.parametrize("first", range(1, WRITES, 3))
def test_killed_twice(first: int, second: int) -> None:
    """The process that resumed is killed too, and a third one ends the run."""
    check(RICH, tell(RICH, [Cut(first, written=True), Cut(second, gap=3.0)]))


@pytest.mark.parametrize("tenths", range(0, 400, 7))
def test_interrupted_at_any_time_nothing_is_unknown(tenths: int) -> None:
    """A Ctrl-C awaits what is under way, so that the resumed run ends exactly as the undisturbed one."""
    story = tell(RICH, [Cut(signal_at=tenths / 10, gap=1.0)])
    assert not story.under_way
    check(RICH, story)


# --- any case, any cut ----------------------------------------------------------------------------------------------

FAULTS = st.sampled_from(
    [
        None,
        None,
        None,
        REFUSED,
        BAD_REQUEST,
        LOST_BEFORE,
        LOST_AFTER,
        Fault(Answer(503, retry_after=1.0)),
        Fault(Answer(500)),
    ]
)
LIVES = st.builds(
    Life,
    queued=st.sampled_from([0.0, 0.0, 1.0, 4.0]),
    runs=st.sampled_from([0.0, 0.5, 3.0, 20.0]),
    end=st.sampled_from([State.SUCCEEDED, State.SUCCEEDED, State.FAILED, State.CANCELLED]),
    hidden=st.sampled_from([0.0, 0.0, 5.0]),
)
ACTS = st.builds(
    Acts,
    lives=st.lists(LIVES, min_size=1, max_size=2).map(tuple),
    faults=st.lists(FAULTS, max_size=2).map(tuple),
    looks=st.lists(st.sampled_from([None, Answer(503), Answer(429, retry_after=2.0)]), max_size=3).map(tuple),
)
RETRIES = st.sampled_from(
    [
        Retry(),
        Retry(1, duration=1),
        Retry(2, (Outcome.FAILED, Outcome.CANCELLED, Outcome.REJECTED, Outcome.UNDELIVERED), duration=5),
    ]
)


@st.composite
def jobs_of(draw: st.DrawFn, prefix: str, *, two_servers: bool) -> tuple[Job, ...]:
    """The jobs of one manifest; needs point backwards."""
    result: list[Job] = []
    for number in range(draw(st.integers(1, 5))):
        names = [each.name for each in result]
        result.append(
            job(
                f"{prefix}{number}",
                needs=tuple(draw(st.lists(st.sampled_from(names), unique=True, max_size=2))) if names else (),
                when=draw(st.sampled_from([When.SUCCESS, When.SUCCESS, When.FAILURE, When.ALWAYS])),
                wait=draw(st.sampled_from([True, True, True, False])),
                retry=draw(RETRIES),
                allow_failure=draw(st.booleans()),
                concurrency=draw(st.sampled_from(["", "", "k"])),
                on_ambiguous=draw(st.sampled_from([OnAmbiguous.FAIL, OnAmbiguous.FAIL, OnAmbiguous.RESUBMIT])),
                server="two" if two_servers and draw(st.booleans()) else "",
            )
        )
    return tuple(result)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """One or two manifests. failFast only where one job runs at a time: else who is skipped is a matter of timing."""
    manifests: list[Manifest] = []
    for number in range(draw(st.integers(1, 2))):
        order = draw(st.sampled_from(Order))
        two_servers = draw(st.booleans())
        manifests.append(
            manifest(
                *draw(jobs_of("ab"[number], two_servers=two_servers)),
                name=f"m{number}",
                order=order,
                max_parallel=draw(st.integers(1, 4)),
                fail_fast=order is Order.SEQUENTIAL and draw(st.booleans()),
                servers=(PATIENT, TWO) if two_servers else (PATIENT,),
            )
        )
    names = [each.name for one in manifests for each in one.jobs]
    acts = {name: draw(ACTS) for name in names}
    return Case(tuple(manifests), acts, draw(st.sampled_from([0.01, 0.3, 4.0])), draw(st.booleans()))


KILLS = st.builds(Cut, write=st.integers(1, 25), written=st.booleans(), gap=st.sampled_from([0.0, 1.0, 100.0]))
FULL = st.builds(Cut, write=st.integers(1, 25), full=st.just(value=True), gap=st.sampled_from([0.0, 100.0]))
SIGNALS = st.builds(Cut, signal_at=st.floats(0, 60), gap=st.sampled_from([0.0, 1.0, 100.0]))


@settings(max_examples=effort(quick=25, usual=150, long=5000))
@given(cases(), st.lists(st.one_of(KILLS, SIGNALS, FULL), min_size=1, max_size=3))
@example(RICH, [Cut(3), Cut(1, written=True), Cut(2)])
def test_any_run_killed_anywhere_and_resumed(case: Case, cuts: list[Cut]) -> None:
    """Random plans, servers and cuts, up to three processes dying: at most one creation per attempt, the same ends."""
    check(case, tell(case, cuts))


# --- clocks across processes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("runs", "outcome"), [(500.0, "timedOut"), (50.0, "succeeded")])
def test_the_clock_of_a_job_goes_on_while_nobody_watches(runs: float, outcome: str) -> None:
    """Time counts from acceptance, whoever watches; after a long gap one look decides."""
    case = Case((manifest(job("a", timeout=100)),), {"a": Acts((Life(runs=runs),))})
    story = tell(case, [Cut(write=3, written=True, gap=200.0)])
    assert story.last.outcome("a") == outcome
    gets = story.setting.servers[0].gets
    assert len([at for at, _ in gets if at > 200]) == 1


def test_a_wait_between_attempts_is_not_begun_afresh() -> None:
    """The wait before a retry that has passed while nobody was there is not waited for again."""
    case = Case(
        (manifest(job("a", retry=Retry(1, duration=300))),), {"a": Acts((Life(runs=1, end=State.FAILED), Life(runs=1)))}
    )
    writes = next(
        number
        for number, batch in enumerate(tell(case, ()).last.journal.batches, 1)
        if any(event.type == "retryPlanned" for event in batch)
    )
    story = tell(case, [Cut(write=writes, written=True, gap=290.0)])
    assert story.last.outcome("a") == "succeeded"
    assert story.setting.world.time < 310


def test_a_finished_run_taken_up_again_does_nothing() -> None:
    """Every job has ended: no request, no second end, the same code."""
    story = tell(RICH, ())
    world = story.setting.world
    before = len(world.trace)
    story.setting.journal = SimJournal(world)
    again = story.setting.go(list(story.events))
    assert not [kind for kind, _ in world.trace[before:] if kind in ("post", "get")]
    assert [type(event) for event in again.told] == [RunResumed, RunEnded]
    assert again.report.exit_code == story.last.report.exit_code
    assert replace(again.report, ended_at=story.last.report.ended_at) == story.last.report
