"""A log is never silent for long while jobs are under way."""

from __future__ import annotations

import itertools
import math

import pytest

from aftrun.cli.view.heartbeat import Silence, beat
from aftrun.cli.view.progress import Lines
from aftrun.domain.events import (
    Accepted,
    Event,
    JobEnded,
    JobHeader,
    Reason,
    RunEnded,
    RunStarted,
    StateSeen,
    SubmitDeferred,
    SubmitIntended,
)
from aftrun.domain.model import Outcome
from aftrun.run.fold import ReportBuilder
from aftrun.run.recorder import Recorder
from aftrun.run.store.journal import MemoryJournal
from tests.simulation.kernel import EPOCH, World
from tests.unit.world import Acts, Life, job, manifest, run

MINUTE = 60.0


class Log:
    """A log in which a run is told, with a clock that is set by hand."""

    def __init__(self, *names: str, level: int = 1, usual: dict[str, float] | None = None) -> None:
        self.said: list[str] = []
        labels = {f"m/{name}": name for name in names}
        self.lines = Lines(self.said.append, labels, level=level, colour=False, usual=usual)
        self.builder = ReportBuilder()
        headers = tuple(JobHeader(f"m/{name}", name, "m", "https://x", "m.yaml", 1, 1) for name in names)
        self.hears(RunStarted(0.0, "r", headers))

    def hears(self, *events: Event) -> Log:
        """Events happen."""
        for event in events:
            self.builder.feed(event)
            self.lines(event, self.builder)
        return self

    def starts(self, *names: str, at: float = 0.0) -> Log:
        """Jobs are accepted."""
        for number, name in enumerate(names):
            key = f"m/{name}"
            self.hears(SubmitIntended(at, key, 1), Accepted(at, key, 1, f"id{number}"))
        return self

    def until(self, end: float) -> list[str]:
        """What is said up to a time by the clock alone, as the scheduler tells the time."""
        before = len(self.said)
        while self.lines.wakes_at <= end:
            self.lines.tick(self.lines.wakes_at)
        return [line.split("  ", 1)[1].strip() for line in self.said[before:]]


def test_the_silence_is_broken_after_1_2_5_10_minutes_and_every_ten() -> None:
    """Each time with how long nothing was new."""
    said = Log("load").starts("load").until(45 * MINUTE)
    assert [line.partition(": ")[0] for line in said] == [
        f"still waiting, nothing new for {minutes}m" for minutes in (1, 2, 5, 10, 20, 30, 40)
    ]
    assert list(itertools.islice(map(beat, itertools.count()), 6)) == [60, 120, 300, 600, 1200, 1800]


def test_it_says_what_is_under_way_since_when_and_the_usual_time() -> None:
    """And what holds up a job that could not be sent."""
    log = Log("load", "copy", "late", "last", usual={"m/load": 45.0}).starts("load")
    log.hears(StateSeen(5.0, "m/load", 1, "Running", "running"))
    log.hears(SubmitIntended(5.0, "m/copy", 1), SubmitDeferred(5.0, "m/copy", 1, "connection refused\nhint", 5.0))
    log.hears(SubmitIntended(5.0, "m/late", 1), Accepted(5.0, "m/late", 1, "9"))
    log.hears(StateSeen(5.0, "m/late", 1, "Decanted", "unlisted"))
    (said,) = log.until(70.0)
    assert "load running, on the server since " in said
    assert "(1m5s; usually 45s)" in said
    assert "copy not sent" in said
    assert ": connection refused" in said
    assert "hint" not in said
    assert "late in state 'Decanted', which aftrun does not know" in said
    assert said.endswith("; 1 to come")


def test_many_jobs_make_one_line() -> None:
    """Five by name, the others counted."""
    names = [f"j{number}" for number in range(200)]
    (said,) = Log(*names).starts(*names).until(MINUTE)
    assert "j4 queued" in said
    assert "j5" not in said
    assert "and 195 more (195 queued)" in said


def test_news_begins_the_silence_anew() -> None:
    """A line every half a minute needs no other."""
    log = Log("a", "b").starts("a", "b")
    log.hears(StateSeen(50.0, "m/a", 1, "Running", "running"))
    assert log.until(100.0) == []
    assert len(log.until(111.0)) == 1


@pytest.mark.parametrize("level", [-1, 0])
def test_who_asked_for_ends_only_hears_no_heartbeat(level: int) -> None:
    """`-q` and `--no-progress`."""
    assert Log("a", level=level).starts("a").until(90 * MINUTE) == []


def test_where_nothing_is_under_way_nothing_is_said() -> None:
    """The run is over, or a script waits for its turn."""
    log = Log("a").starts("a")
    log.hears(JobEnded(9.0, "m/a", Outcome.SUCCEEDED, Reason.DONE), RunEnded(9.0, "succeeded", 0))
    assert log.until(90 * MINUTE) == []


def test_a_machine_that_slept_says_it_once() -> None:
    """However many beats it has missed."""
    silence = Silence()
    assert silence.due == math.inf
    silence.broken(0.0)
    assert silence.take(59.0) is None
    assert silence.take(700.0) == 700.0
    assert silence.due == 1200.0


def test_a_run_of_hours_says_so_and_sleeps_between() -> None:
    """On a clock that moves on while it is read, too: the turns are the status reads, the beats, and few more."""
    said: list[str] = []
    lines = Lines(said.append, {"m/load": "load"}, level=1, colour=False)
    hours = Life(queued=0.0, runs=3 * 3600.0)
    ran = run(manifest(job("load")), acts={"load": Acts(lives=(hours,))}, listeners=(lines,))
    beats = [line.rpartition("nothing new for ")[2].partition(":")[0] for line in said if "nothing new" in line]
    assert beats[:6] == ["1m", "2m", "5m", "10m", "20m", "30m"]
    assert len(beats) == 20
    reads = sum(kind == "get" for kind, _ in ran.world.trace)
    assert ran.pool.waits <= 2 * (len(beats) + reads) + 10


def test_the_scheduler_tells_the_time_when_a_listener_wants_to_hear_it() -> None:
    """Neither four times a second nor only when the next status read is due."""

    class Sleeper:
        restless = False
        wakes_at = EPOCH + 60.0
        heard: list[float] = []  # noqa: RUF012  # one test's own

        def __call__(self, *_: object) -> None: ...

        def tick(self, now: float, *_: object) -> None:
            self.heard.append(now)
            self.wakes_at = EPOCH + 120.0

    world, sleeper = World(), Sleeper()
    recorder = Recorder(MemoryJournal(), ReportBuilder(), [sleeper], world)
    assert recorder.next_tick(1000.0) == pytest.approx(1060.0)
    recorder.tick(lambda _: None)
    assert sleeper.heard == []
    world.advance(60.5)
    recorder.tick(lambda _: None)
    assert sleeper.heard == [EPOCH + 60.5]
    assert recorder.next_tick(1000.0) == pytest.approx(1059.5)
