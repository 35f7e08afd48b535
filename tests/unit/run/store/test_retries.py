"""A run and its retries are one piece of work: whoever may go on with it, however two processes meet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aftrun.domain.errors import UnderWay, UsageError
from aftrun.domain.events import AttemptEnded, JobEnded, JobHeader, Reason, RunEnded, RunStarted, SubmitIntended
from aftrun.domain.model import Outcome
from aftrun.run.store.folder import run_folder
from aftrun.run.store.lock import RunLock
from aftrun.run.store.record import Log
from aftrun.run.store.rows import Retry
from aftrun.service.history import read, to_retry_now
from aftrun.service.which import find

AT = 1_767_225_600.0
HEADER = JobHeader("m/a", "a", "m", "https://s", "m.yaml", 1, 1)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """A record with one run, `x`, that failed."""
    with Log(tmp_path) as opened:
        begin(opened, "x")
        fails(opened, "x")
        yield opened


def begin(log: Log, run: str, retry: Retry | None = None) -> None:
    """A run, or a retry of one."""
    options = {} if retry is None else {"retry_of": retry.of}
    log.begin(RunStarted(AT, run, (HEADER,)), [], [], dict(options), retry=retry)


def fails(log: Log, run: str) -> None:
    """Its job was submitted and failed."""
    end = (Outcome.FAILED, Reason.DONE, "")
    job = (SubmitIntended(AT, "m/a", 1), AttemptEnded(AT, "m/a", 1, *end), JobEnded(AT, "m/a", *end))
    log.append(run, [*job, RunEnded(AT, "failed", 1)])


def interrupted(log: Log, run: str) -> None:
    """It was stopped before it had submitted anything."""
    log.append(run, [RunEnded(AT, "interrupted", 130)])


def decide(log: Log, run: str, *, again: bool = False) -> Retry:
    """What `aftrun retry` decides, some time before it begins the new run."""
    return to_retry_now(log, read(log, find(log.runs(), run)), again=again)[1]


def test_a_run_that_was_retried_does_not_go_on(log: Log) -> None:
    """Its retry runs what was left of it."""
    log.take_up("x")
    begin(log, "y", decide(log, "x"))
    with pytest.raises(UsageError, match="was retried as run y"):
        log.take_up("x")
    log.take_up("y")


def test_a_retry_decided_before_the_run_is_taken_up_is_not_begun(log: Log, tmp_path: Path) -> None:
    """Neither while the other process is at work, nor after it has done something."""
    retry = decide(log, "x")
    with RunLock(run_folder(tmp_path, "x"), 1, "here"):
        log.take_up("x")
        with pytest.raises(UnderWay, match="resumed by another process"):
            begin(log, "y", retry)
    fails(log, "x")
    with pytest.raises(UnderWay, match="resumed by another process"):
        begin(log, "y", retry)
    assert [row.id for row in log.runs()] == ["x"]
    begin(log, "y", decide(log, "x"))


def test_a_retry_that_submitted_nothing_gives_way_or_goes_on_but_not_both(log: Log, tmp_path: Path) -> None:
    """`retry x` decides that `y` gives way; meanwhile `y` is resumed. Or the other way round."""
    begin(log, "y", decide(log, "x"))
    interrupted(log, "y")
    retry = decide(log, "x")
    assert retry.of == "x"
    with RunLock(run_folder(tmp_path, "y"), 1, "here"):
        log.take_up("y")
        with pytest.raises(UnderWay, match="run y has been resumed"):
            begin(log, "z", retry)
    begin(log, "z", retry)
    with pytest.raises(UsageError, match="run z has taken its place"):
        log.take_up("y")
    with pytest.raises(UsageError, match="run z has taken its place"):
        decide(log, "y")


def test_a_retry_of_a_retry_that_submitted_nothing_counts(log: Log) -> None:
    """`x` ← `y` (nothing sent) ← `z`: a retry of `x` is a retry of `z`, and one decided before `z` is not begun."""
    begin(log, "y", decide(log, "x"))
    interrupted(log, "y")
    of_x, of_y = decide(log, "x"), decide(log, "y")
    begin(log, "z", of_y)
    with pytest.raises(UnderWay, match="run y is being retried by another process, as run z"):
        begin(log, "other", of_x)
    fails(log, "z")
    assert decide(log, "x").of == "z"


def test_two_who_retry_again_at_once(log: Log) -> None:
    """`--again` overrules what has ended, not what another process has begun meanwhile."""
    begin(log, "y", decide(log, "x"))
    fails(log, "y")
    first, second = decide(log, "x", again=True), decide(log, "x", again=True)
    begin(log, "z", first)
    with pytest.raises(UnderWay, match="as run z"):
        begin(log, "other", second)


def test_again_waits_for_a_retry_under_way(log: Log, tmp_path: Path) -> None:
    """However far down the line it is."""
    begin(log, "y", decide(log, "x"))
    fails(log, "y")
    begin(log, "z", decide(log, "y"))
    with RunLock(run_folder(tmp_path, "z"), 1, "here"), pytest.raises(UnderWay, match="run z, which is under way"):
        decide(log, "x", again=True)


def test_a_line_that_was_replaced_further_up(log: Log) -> None:
    """`x` ← `y` ← `z`, then `x` is retried again: neither `y` nor `z` goes on, nor is retried."""
    begin(log, "y", decide(log, "x"))
    fails(log, "y")
    begin(log, "z", decide(log, "y"))
    interrupted(log, "z")
    begin(log, "new", decide(log, "x", again=True))
    for run in ("y", "z"):
        with pytest.raises(UsageError, match="run new has taken its place"):
            log.take_up(run)
        with pytest.raises(UsageError, match="run new has taken its place"):
            decide(log, run)
    log.take_up("new")
