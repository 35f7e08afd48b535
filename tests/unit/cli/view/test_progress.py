"""One plain line a change."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from aftrun.cli.view.progress import Lines
from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
    Event,
    Interrupted,
    JobEnded,
    JobHeader,
    LookFailed,
    Reason,
    RetryPlanned,
    RunStarted,
    StateSeen,
    SubmitDeferred,
    SubmitIntended,
    Warned,
)
from aftrun.domain.model import Outcome
from aftrun.run.fold import ReportBuilder

KEY = "m/a"
START = RunStarted(0.0, "r", (JobHeader(KEY, "a", "m", "https://x", "m.yaml", 3, 5),))
STORY: Sequence[Event] = (
    START,
    SubmitIntended(1.0, KEY, 1),
    SubmitDeferred(1.0, KEY, 1, "connection refused", 0.5),
    SubmitDeferred(2.0, KEY, 1, "connection refused", 1.0),
    Accepted(3.0, KEY, 1, "42"),
    StateSeen(3.5, KEY, 1, "Queued", "queued"),
    StateSeen(4.0, KEY, 1, "Running", "running"),
    LookFailed(4.5, KEY, 1, "HTTP 500"),
    AttemptEnded(5.0, KEY, 1, Outcome.FAILED, Reason.DONE, "disk is full"),
    RetryPlanned(5.0, KEY, 2, 10.0, "failed: disk is full"),
    Warned(5.0, "mind\nthe gap"),
    Interrupted(6.0, 2),
    JobEnded(7.0, KEY, Outcome.FAILED, Reason.DONE, "disk is full\nfree some space"),
)


def tell(level: int, *, colour: bool = False) -> list[str]:
    """What is said of the story, without the times."""
    said: list[str] = []
    lines = Lines(said.append, {KEY: "a"}, level=level, colour=colour)
    folder = ReportBuilder()
    for event in STORY:
        folder.feed(event)
        lines(event, folder)
    return [line.partition(" ")[2] for line in said]


def test_only_ends_and_warnings() -> None:
    """`--no-progress`: what a log file needs."""
    assert tell(0) == [
        "warning: mind\n              the gap",
        "interrupted: nothing new is started",
        "FAIL a (m.yaml:3:5): failed in 4s [1/1]: disk is full\n              free some space",
    ]


def test_every_change_once() -> None:
    """The same trouble is not told twice, and queueing is not news."""
    assert tell(1)[:5] == [
        "     a: not delivered, again in 0.5s: connection refused",
        "     a: accepted as job 42",
        "     a: Running",
        "     a: cannot read its status, trying again: HTTP 500",
        "     a: failed: disk is full; attempt 2 in 10s",
    ]


def test_every_detail() -> None:
    """`-v`: submissions, every try, and every state."""
    said = tell(2)
    assert "     a: submitting" in said
    assert "     a: Queued" in said
    assert sum("not delivered" in line for line in said) == 2


@pytest.mark.parametrize("level", [0, 1, 2])
def test_colours_only_where_wanted(level: int) -> None:
    """No escape codes in a file."""
    assert not any("\x1b" in line for line in tell(level))
    assert any("\x1b[31mFAIL" in line for line in tell(level, colour=True))


def test_a_remedy_is_told_once() -> None:
    """A hundred jobs that end for one reason need one remedy; what has no file has no place."""
    said: list[str] = []
    headers = tuple(
        JobHeader(f"m/{n}", n, "m", "https://x", path, 3, 5) for n, path in (("a", "m.yaml"), ("b", "start"))
    )
    lines = Lines(said.append, {"m/a": "a", "m/b": "b"}, level=1, colour=False)
    folder = ReportBuilder()
    story: list[Event] = [RunStarted(0.0, "r", headers)]
    story += [JobEnded(1.0, f"m/{n}", Outcome.REJECTED, Reason.KEY, "HTTP 401\ncheck the key") for n in "ab"]
    for event in story:
        folder.feed(event)
        lines(event, folder)
    assert [line.partition(" ")[2] for line in said] == [
        "FAIL a (m.yaml:3:5): rejected [1/2]: HTTP 401\n              check the key",
        "FAIL b: rejected [2/2]: HTTP 401",
    ]


def test_one_cause_of_six_jobs_is_said_once() -> None:
    """The others are like the first; a cause that is short is said again, which is shorter than whose it was."""
    why = "nothing listens at aft.example.com:44399: connection refused\ncheck that the service runs"
    said: list[str] = []
    labels = {f"m/{name}": name for name in "abcdef"}
    lines = Lines(said.append, labels, level=1, colour=False)
    folder = ReportBuilder()
    headers = tuple(JobHeader(key, name, "m", "https://x", "m.yaml", 3, 5) for key, name in labels.items())
    events: list[Event] = [RunStarted(0.0, "r", headers)]
    for key in labels:
        events += [SubmitIntended(1.0, key, 1), SubmitDeferred(1.0, key, 1, why, 0.5)]
    events += [JobEnded(9.0, key, Outcome.UNDELIVERED, Reason.UNREACHABLE, why) for key in labels]
    for event in events:
        folder.feed(event)
        lines(event, folder)
    text = "\n".join(said)
    assert text.count("connection refused") == 2  # of the first job: when it was put off, and at its end
    assert text.count("check that the service runs") == 1
    assert text.count(": as a") == 10
