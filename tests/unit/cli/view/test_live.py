"""The live view, as a real terminal (an emulator) shows it."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pyte
import pytest

from aftrun.cli.boundary import drawable
from aftrun.cli.view.live import LiveView
from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
    Event,
    Interrupted,
    JobEnded,
    JobHeader,
    Reason,
    RetryPlanned,
    RunEnded,
    RunResumed,
    RunStarted,
    StateSeen,
    SubmitDeferred,
    SubmitIntended,
    Warned,
)
from aftrun.domain.model import Outcome
from aftrun.run.fold import ReportBuilder
from tests.effort import effort
from tests.unit.report_samples import NASTY, START


class Terminal(io.StringIO):
    """A file that is a terminal of so many columns and lines, with everything that was ever written to it."""

    encoding = "utf-8"

    def __init__(self, columns: int, lines: int) -> None:
        super().__init__()
        self.screen = pyte.HistoryScreen(columns, lines, history=100_000, ratio=0.5)
        self.screen.set_mode(pyte.modes.LNM)
        self._stream = pyte.Stream(self.screen)

    def write(self, text: str) -> int:
        """Show a text."""
        self._stream.feed(text)
        return super().write(text)

    def isatty(self) -> bool:
        """It is one."""
        return True

    def lines(self) -> list[str]:
        """What is on the screen now, without blank lines."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def all_lines(self) -> list[str]:
        """What has scrolled away, and what is on the screen."""
        above = ["".join(line[x].data for x in range(self.screen.columns)) for line in self.screen.history.top]
        return [line.rstrip() for line in above if line.strip()] + self.lines()


class Stage:
    """A run that is told event by event, with a clock that is set by hand."""

    def __init__(self, names: list[str], columns: int = 120, lines: int = 30, **options: Any) -> None:
        self.now = START
        self.names = names
        self.terminal = Terminal(columns, lines)
        labels = {f"m/{name}": name for name in names}
        self.view = LiveView(self.terminal, labels, size=(columns, lines), now=lambda: self.now, **options)
        self.folder = ReportBuilder()
        headers = tuple(JobHeader(f"m/{n}", n, "m", "https://h", "m.yaml", 3, 5) for n in names)
        self.tell(RunStarted(START, "r1", headers))

    def tell(self, *events: Event) -> None:
        """Let events happen."""
        for event in events:
            self.folder.feed(event)
            self.view(event, self.folder)

    def to(self, seconds: float, due: Callable[[str], float | None] | None = None) -> list[str]:
        """Let it be so many seconds after the start; what the screen shows then."""
        self.now = START + seconds
        self.view.tick(self.now, due)
        return self.terminal.lines()

    def accept(self, name: str, at: float = 0.0, *, runs: bool = True) -> None:
        """Send a job, have it accepted, and perhaps see it run."""
        key = f"m/{name}"
        self.tell(SubmitIntended(START + at, key, 1, {}), Accepted(START + at + 0.2, key, 1, "42"))
        if runs:
            self.tell(StateSeen(START + at + 0.5, key, 1, "Running", "running"))

    def end(self, name: str, at: float, outcome: Outcome = Outcome.SUCCEEDED, message: str = "") -> None:
        """See a job's end."""
        self.tell(JobEnded(START + at, f"m/{name}", outcome, Reason.DONE, message))


def test_each_active_job_is_a_line_with_state_elapsed_end_and_next_look() -> None:
    """And the run is a bar below them."""
    stage = Stage(["extract", "load", "tell"], usual={"m/extract": 90.0, "m/load": 5.0})
    stage.accept("extract")
    stage.accept("load", 1.0, runs=False)
    shown = stage.to(30, lambda key: START + 34 if key == "m/extract" else None)
    assert re.fullmatch(r" ▶ extract +running +29.8s  ~1m left, ends \d\d:\d\d:\d\d +polls in 4s", shown[0])
    assert re.fullmatch(r" · load +queued +28.8s  23s overdue", shown[1])
    assert shown[2].startswith(" ░░░░")
    assert shown[2].endswith("0/3  30s  1 running  1 not running yet  1 to come")
    assert len(shown) == 3


def test_what_has_ended_stands_above_and_stays() -> None:
    """With its place in the manifest where it went wrong."""
    stage = Stage(["extract", "load", "tell"])
    stage.accept("extract")
    stage.accept("load")
    stage.end("extract", 5)
    stage.end("load", 7, Outcome.FAILED, "exit code 3\nlook at its log")
    shown = stage.to(8)
    assert shown[0].endswith("   ok extract: succeeded in 4.8s [1/3]")
    assert shown[1].endswith(" FAIL load (m.yaml:3:5): failed in 6.8s [2/3]: exit code 3")
    assert shown[2] == " " * 14 + "look at its log"
    assert shown[3].endswith("2/3  8s  1 not ok  1 to come")
    stage.tell(RunEnded(START + 9, "failed", 1))
    assert len(stage.terminal.lines()) == 3
    assert not stage.terminal.screen.cursor.hidden


def test_a_retry_and_a_post_that_did_not_arrive_say_when_they_are_sent_again() -> None:
    """From the events themselves."""
    stage = Stage(["a", "b"])
    stage.tell(SubmitIntended(START, "m/a", 1, {}), SubmitDeferred(START, "m/a", 1, "no route", 5.0))
    stage.accept("b")
    ended = AttemptEnded(START + 1, "m/b", 1, Outcome.FAILED, Reason.DONE, "exit code 1")
    stage.tell(ended, RetryPlanned(START + 1, "m/b", 2, 10.0, "again"))
    shown = stage.to(3)
    assert re.fullmatch(r" · a +not sent +3s +no route; sends in 2s", shown[0])
    assert re.fullmatch(r" · b +retry +2.8s +again; sends in 8s", shown[1])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (160, "nothing listens at aft:44399: connection refused; sends in 2s"),
        (120, "connection refused; sends in 2s"),
        (80, "connection refused"),
        (60, "connecti"),
    ],
)
def test_why_a_job_is_not_sent_stands_in_its_row(columns: int, said: str) -> None:
    """As much of it as there is room for, also while it is tried again; a dead server is not a silent one."""
    stage = Stage(["load"], columns=columns)
    why = "nothing listens at aft:44399: connection refused\ncheck the firewall"
    stage.tell(SubmitIntended(START, "m/load", 1, {}), SubmitDeferred(START, "m/load", 1, why, 5.0))
    (row, _) = stage.to(3)
    assert said in row
    assert len(row) <= columns
    stage.tell(SubmitIntended(START + 5, "m/load", 1, {}))
    (row, _) = stage.to(6)
    assert "sending" in row
    assert said[:8] in row or "connecti" in row
    stage.tell(Accepted(START + 6, "m/load", 1, "42"))
    (row, _) = stage.to(7)
    assert said[:8] not in row


def test_an_unlisted_state_is_shown_in_the_servers_words() -> None:
    """Until another one is seen."""
    stage = Stage(["a"])
    stage.accept("a", runs=False)
    stage.tell(StateSeen(START + 1, "m/a", 1, "HOLDING", "unlisted"))
    assert "HOLDING" in stage.to(2)[0]
    stage.tell(StateSeen(START + 3, "m/a", 1, "Running", "running"))
    assert " running " in stage.to(4)[0]


@pytest.mark.parametrize("columns", [50, 60, 75, 76, 80, 89, 90, 100, 120, 200])
def test_columns_stand_still(columns: int) -> None:
    """Whatever is said of each job, and whatever time it is: rows stand under each other, and in the next picture."""
    names = ["a", "b-much-longer-name-than-the-others", "c", "d", "e"]
    stage = Stage(names, columns=columns, usual={"m/a": 90.0, "m/c": 3_000.0})
    for name in names[:4]:
        stage.accept(name)
    stage.tell(SubmitIntended(START, "m/e", 1, {}), SubmitDeferred(START, "m/e", 1, "connection refused", 300.0))
    due = {"m/a": 9.0, "m/b-much-longer-name-than-the-others": 12.0, "m/c": 59.0}
    places = set()
    for at in (4, 5, 8, 30, 100):
        shown = stage.to(at, lambda key: START + due[key] if key in due else None)
        places |= {re.search(r"running|not sent", row).start() for row in shown[:5]}  # type: ignore[union-attr]  # else it fails
    assert len(places) == 1


@pytest.mark.parametrize(("columns", "lines"), [(120, 30), (60, 20), (40, 10), (20, 6)])
@pytest.mark.parametrize("count", [3, 30, effort(quick=300, usual=1_000, long=10_000)])
def test_it_never_outgrows_the_terminal(columns: int, lines: int, count: int) -> None:
    """No line wraps, nothing scrolls but what has ended, and those not shown are counted."""
    stage = Stage([f"copy[{number}]" for number in range(count)], columns, lines)
    for number in range(count):
        stage.accept(f"copy[{number}]", number / 1000, runs=number % 2 == 0)
    shown = stage.to(20)
    assert len(shown) <= lines - 1
    assert not stage.terminal.screen.history.top
    assert shown[-1].startswith(" ░")
    if count >= 30:
        assert re.search(r"… and \d+ more", shown[-2])
        assert len(shown) == 2 + max(1, lines - 4 - lines // 4)
    for at in range(21, 26):
        assert stage.to(at)[:1] != [], "drawn in place, time after time"
    assert len(stage.terminal.lines()) == len(shown)
    assert not stage.terminal.screen.history.top


def test_many_quick_jobs_are_drawn_seldom_and_none_is_lost() -> None:
    """A thousand ends in a tenth of a second are one picture and a thousand lines."""
    stage = Stage([f"j{number}" for number in range(1_000)])
    for number in range(1_000):
        stage.now = START + number / 10_000
        stage.accept(f"j{number}", number / 10_000)
        stage.end(f"j{number}", number / 10_000)
    assert stage.terminal.getvalue().count("█") < 200
    stage.to(1)
    stage.tell(RunEnded(START + 1, "succeeded", 0))
    ended = [line for line in stage.terminal.all_lines() if "succeeded" in line]
    assert [re.sub(r".* ok (\S+):.*", r"\1", line) for line in ended] == [f"j{number}" for number in range(1_000)]
    assert len(stage.terminal.getvalue()) < 200_000


@pytest.mark.parametrize(("cost", "pause"), [(0.0, 0.1), (0.05, 0.5), (3.0, 1.0)])
def test_a_picture_that_costs_much_is_drawn_less_often(
    cost: float, pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times as long as the last one took, at most a second: drawing never takes the run's time away."""
    stage = Stage(["a"])
    spent = iter(range(100))
    monkeypatch.setattr(time, "thread_time", lambda: next(spent) * cost)
    stage.to(5)
    before = len(stage.terminal.getvalue())
    stage.to(5 + pause - 0.01)
    assert len(stage.terminal.getvalue()) == before
    stage.to(5 + pause + 0.01)
    assert len(stage.terminal.getvalue()) > before


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_names_and_messages_cannot_drive_the_terminal(text: str) -> None:
    """No title is set, nothing is coloured or moved by them."""
    stage = Stage([text], 100, 30, colour=False)
    stage.accept(text)
    stage.to(1)
    stage.end(text, 2, Outcome.FAILED, text)
    stage.tell(Warned(START + 2, text))
    stage.to(3)
    stage.tell(RunEnded(START + 3, "failed", 1))
    written = stage.terminal.getvalue()
    assert stage.terminal.screen.title == ""
    assert "\x07" not in written
    assert "\u202e" not in written
    assert "\x1b[31m" not in written
    # What is left are rich's own: cursor up, erase line, show and hide the cursor, carriage return.
    assert re.sub(r"\x1b\[(\d*A|2K|\?25[hl])|[\r\n]", "", written).isprintable() or "عربى" in text


def test_without_colour_there_is_none() -> None:
    """`NO_COLOR` asks for that."""
    stage = Stage(["a"], colour=False)
    stage.accept("a")
    stage.to(1)
    stage.end("a", 2, Outcome.FAILED)
    stage.to(3)
    assert not re.search(r"\x1b\[[0-9;]*m", stage.terminal.getvalue())
    coloured = Stage(["a"])
    coloured.accept("a")
    coloured.to(1)
    assert re.search(r"\x1b\[[0-9;]*m", coloured.terminal.getvalue())


def test_a_console_without_unicode_gets_ascii() -> None:
    """Old Windows consoles, and `LANG=C`."""
    stage = Stage(["a" * 100, *"bcdefghij"], 80, 8, fancy=False)
    for name in stage.names:
        stage.accept(name)
    shown = stage.to(5)
    assert stage.terminal.getvalue().isascii()
    assert any("... and 8 more: 8 running" in line for line in shown)
    assert shown[-1].startswith(" ------")
    stage.tell(RunEnded(START + 6, "failed", 1))


def test_a_resumed_run_begins_with_what_was_known() -> None:
    """Jobs that ended before are counted, those under way are shown."""
    stage = Stage(["a", "b", "c"])
    stage.accept("a")
    stage.end("a", 2)
    stage.accept("b")
    later = LiveView(stage.terminal, {}, size=(120, 30), now=lambda: START + 100)
    stage.view.close()
    stage.folder.feed(RunResumed(START + 100))
    later(RunResumed(START + 100), stage.folder)
    later.tick(START + 130)
    shown = stage.terminal.lines()
    assert shown[-1].endswith("1/3  30s  1 running  1 to come")
    assert re.search(r"m/b +running +2m9s", shown[-2])
    later.close()
    later.close()


def test_an_interruption_and_a_warning_are_said() -> None:
    """Above, where they stay."""
    stage = Stage(["a"], interrupted="resume it with: aftrun resume r1")
    stage.tell(Warned(START, "the certificate is NOT verified"), Interrupted(START, 2))
    shown = stage.to(1)
    assert shown[0].endswith("warning: the certificate is NOT verified")
    assert shown[1].endswith("interrupted: resume it with: aftrun resume r1")
    stage.view.close()


@pytest.mark.parametrize(
    ("terminal", "environ", "expected"),
    [
        (True, {}, True),
        (True, {"CI": "false", "TERM": "xterm"}, True),
        (False, {}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {"CI": "true"}, False),
    ],
)
def test_it_is_for_terminals_with_a_person(terminal: bool, environ: dict[str, str], expected: bool) -> None:
    """Files, pipes and CI logs get plain lines."""
    file = Terminal(80, 24) if terminal else io.StringIO()
    assert drawable(file, environ) is expected


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("I/O operation on closed file")])
def test_a_terminal_that_goes_away_ends_no_run(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A window that is closed under a run that ignores the signal: nobody looks on any more, and nothing fails."""
    stage = Stage(["a", "b"])
    stage.accept("a")

    def gone(*_: object) -> None:
        raise error

    monkeypatch.setattr(stage.terminal, "write", gone)
    monkeypatch.setattr(stage.terminal, "flush", gone)
    stage.end("a", 5)
    stage.to(6)
    stage.accept("b")
    stage.view.close()


def test_it_has_no_thread_of_its_own() -> None:
    """One module of aftrun is concurrent, and this is not it."""
    before = threading.active_count()
    stage = Stage(["a"])
    stage.accept("a")
    stage.to(1)
    assert threading.active_count() == before
    stage.view.close()
