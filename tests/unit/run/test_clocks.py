"""Which clock each rule goes by: events by one that nobody sets, a time of day by the machine's as it is set now."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from aftrun.domain.errors import StateError
from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
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
from aftrun.run.ports import Deadlines, SteadyClock, SystemClock
from aftrun.run.store.journal import RunJournal
from aftrun.run.store.journal_file import Head, JournalFile, read
from aftrun.run.store.record import Log


@dataclass
class Hands:
    """A machine's two clocks, moved by hand."""

    wall: float = 1_767_225_600.0
    steady: float = 5_000.0

    def now(self) -> float:
        """The time of day."""
        return self.wall

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return self.steady

    def passes(self, seconds: float) -> None:
        """Time, for both."""
        self.wall += seconds
        self.steady += seconds


@pytest.mark.parametrize("step", [-86_400.0, -3.0, 0.0, 3_600.0, 86_400.0])
def test_durations_do_not_follow_a_clock_that_is_set(step: float) -> None:
    """Five seconds are five, whatever somebody does to the clock meanwhile."""
    hands = Hands()
    clock = SteadyClock(hands)
    began = clock.now()
    hands.passes(2.0)
    hands.wall += step
    hands.passes(3.0)
    assert clock.now() - began == pytest.approx(5.0)
    assert clock.wall() == hands.wall


def test_finish_by_goes_by_the_time_of_day() -> None:
    """Also where the machine slept on a clock that stood still meanwhile, or the clock was set."""
    hands = Hands()
    deadlines = Deadlines([hands.wall + 3_600, None], SteadyClock(hands))
    assert (len(deadlines), deadlines.any, deadlines[1]) == (2, True, math.inf)
    assert deadlines[0] == hands.steady + 3_600
    hands.wall += 7_200  # it slept
    assert deadlines[0] == hands.steady - 3_600
    hands.wall -= 7_200
    assert deadlines[0] == hands.steady + 3_600


def test_the_machines_clock_counts_its_sleep() -> None:
    """Where the system has such a clock, it is the one."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        before = time.clock_gettime(time.CLOCK_BOOTTIME)
        found = SystemClock().monotonic()
        assert before <= found <= time.clock_gettime(time.CLOCK_BOOTTIME)


START = RunStarted(1.0, "r1", (JobHeader("m/a", "a", "m", "https://s", "m.yaml", 1, 1),))
BATCH: list[Event] = [Accepted(2.0, "m/a", 1, "17"), SubmitIntended(2.0, "m/a", 2)]


class Broken:
    """A journal's file on a disk that fails, or one in memory."""

    def __init__(self, *, fails: bool = False, longest: int = 10_000) -> None:
        self.fails = fails
        self.longest = longest
        """How many characters there is room for at once."""
        self.lines: list[str] = []

    def check(self) -> None:
        """It is the one."""

    check_open = check

    def append(self, lines: Sequence[str]) -> None:
        """Keep them, or fail."""
        if self.fails or len("".join(lines)) > self.longest:
            raise StateError("the disk is full")
        self.lines += lines


@pytest.mark.parametrize("other", [False, True])
def test_what_has_happened_goes_with_a_folder_that_is_moved(tmp_path: Path, other: bool) -> None:
    """The id of a job that was just accepted is in its journal, wherever that is; not where somebody else writes it."""
    folder = tmp_path / "state"
    with Log(folder) as log:
        log.begin(START, [], [], {})
        with contextlib.closing(JournalFile.make(folder / "journal", Head("r1"), [(0, START)])) as file:
            folder.rename(tmp_path / "moved")
            if other:
                with (tmp_path / "moved" / "journal").open("ab") as written:
                    written.write(b"{}\n")
            with pytest.raises(StateError, match="journal"):
                RunJournal(log, "r1", file).append(BATCH)
    lines = read(tmp_path / "moved" / "journal")
    assert lines is not None
    assert list(lines.events.values()) == ([START] if other else [START, BATCH[0]])


def test_what_one_file_cannot_take_is_in_the_other(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An id is kept where it can be; an intent that is not in both files is taken back, as its POST does not leave."""
    with Log(tmp_path_factory.mktemp("a")) as log:
        log.begin(START, [], [], {})
        journal = RunJournal(log, "r1", Broken(fails=True))
        with pytest.raises(StateError, match="full"):
            journal.append(BATCH)
        back = SubmitDeferred(2.0, "m/a", 2, "not sent: the disk is full")
        assert log.events("r1") == [START, *BATCH, back]
    folder = tmp_path_factory.mktemp("b")
    with Log(folder) as log:
        log.begin(START, [], [], {})
        log.check()
        file = Broken()
        journal = RunJournal(log, "r1", file)
        for path in folder.glob("state.db*"):
            path.unlink()
        with pytest.raises(StateError, match="deleted"):
            journal.append(BATCH)
        journal.keep([Accepted(3.0, "m/a", 2, "18")])
        assert [('"17"' in line, '"18"' in line) for line in file.lines] == [(True, False), (False, True)]
        assert not any("submitIntended" in line for line in file.lines)


def test_what_fits_nowhere_leaves_no_gap_on_a_full_disk(tmp_path: Path) -> None:
    """A gap looks like a lost submission. Ids come first, no event overtakes its own job's, and room is used again."""
    ended = AttemptEnded(2.0, "m/a", 1, Outcome.FAILED, Reason.DONE, "x" * 2_000)
    over = JobEnded(2.0, "m/a", Outcome.FAILED, Reason.DONE, "")
    accepted = Accepted(2.0, "m/b", 1, "18")
    with Log(tmp_path) as log:
        log.begin(START, [], [], {})
        log.check()
        file = Broken(longest=250)
        journal = RunJournal(log, "r1", file)
        for path in tmp_path.glob("state.db*"):
            path.unlink()
        kept = []
        rounds: list[tuple[list[Event], int]] = [
            ([ended, over, accepted], 250),
            ([StateSeen(3.0, "m/b", 1, "Running", "running")], 250),
            ([RunEnded(4.0, "stateError", 74)], 10_000),
        ]
        for events, longest in rounds:
            file.longest = longest
            journal.keep(events)
            kept.append([json.loads(line)["event"]["type"] for line in file.lines])
        assert kept[:2] == [["accepted"], ["accepted", "stateSeen"]]
        assert kept[2][2:] == ["attemptEnded", "jobEnded", "runEnded"]
        assert [json.loads(line)["seq"] for line in file.lines] == [1, 2, 3, 4, 5]
