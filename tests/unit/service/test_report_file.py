"""How often the report of a run under way is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aftrun.domain.errors import StateError
from aftrun.domain.events import Accepted, Event, JobEnded, JobHeader, Reason, RunEnded, RunStarted, SubmitIntended
from aftrun.domain.model import Outcome, RunReport
from aftrun.run.fold import ReportBuilder
from aftrun.service.report_file import ReportFile

KEYS = ("m/a", "m/b")
START = RunStarted(0.0, "r", tuple(JobHeader(key, key[-1], "m", "https://s", "m.yaml", 1, 1) for key in KEYS))


class Desk:
    """A report file that takes a second to write, on a clock of its own, fed with events."""

    def __init__(self, path: Path) -> None:
        self.time = 0.0
        self.written: list[float] = []
        self.folder = ReportBuilder()
        desk = self

        class Slow(ReportFile):
            def write(self, report: RunReport) -> None:
                desk.written.append(desk.time)
                desk.time += 1.0
                super().write(report)

        self.file = Slow(path, self)

    def now(self) -> float:
        """Wall clock."""
        return self.time

    def monotonic(self) -> float:
        """The same."""
        return self.time

    def hear(self, *events: Event) -> None:
        """Feed the events of a turn, as the recorder does, and tell the time."""
        for event in events:
            self.folder.feed(event)
            self.file(event, self.folder)
        self.file.tick()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A run that has just begun; its first report is written at once."""
    made = Desk(tmp_path / "report.json")
    made.hear(START)
    assert made.written == [0.0]
    return made


def ended(key: str) -> tuple[Event, ...]:
    """All that is recorded of a job."""
    return (
        SubmitIntended(0.0, key, 1),
        Accepted(0.0, key, 1, "17"),
        JobEnded(1.0, key, Outcome.SUCCEEDED, Reason.DONE),
    )


def test_a_rewrite_waits_for_a_hundred_times_its_cost(desk: Desk) -> None:
    """What happened meanwhile is written when that time is over, even if nothing happens then."""
    desk.hear(*ended("m/a"))
    desk.time = 100.9
    desk.file.tick()
    assert (desk.written, desk.file.restless) == ([0.0], True)
    desk.time = 101.0
    desk.file.tick(0.0, lambda _: None)
    assert desk.written == [0.0, 101.0]
    assert not desk.file.restless
    assert json.loads(desk.file.path.read_text())["summary"]["succeeded"] == 1


def test_the_end_of_the_run_is_written_at_once(desk: Desk) -> None:
    """Whatever the last rewrite cost."""
    desk.hear(RunEnded(2.0, "succeeded", 0))
    assert desk.written == [0.0, 1.0]
    assert not desk.file.restless


def test_a_write_that_fails_is_kept_until_one_succeeds(tmp_path: Path) -> None:
    """The error is told at the end of the run, if it has not gone away."""
    desk = Desk(tmp_path / "file" / "report.json")
    (tmp_path / "file").write_text("in the way")
    desk.hear(START)
    assert isinstance(desk.file.error, StateError)
    (tmp_path / "file").unlink()
    (tmp_path / "file").mkdir()
    desk.hear(RunEnded(2.0, "succeeded", 0))
    assert desk.file.error is None
