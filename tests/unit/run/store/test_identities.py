"""The rows of jobs with `once`: one process gets an identity, and no damage makes a finished night run again."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
    Event,
    JobHeader,
    Once,
    Reason,
    RunEnded,
    RunStarted,
    Settled,
    SubmitIntended,
    instant,
)
from aftrun.domain.model import Outcome
from aftrun.run.converge import Move, decide
from aftrun.run.store import folder as state_folder
from aftrun.run.store import journal_file, once_file
from aftrun.run.store.attempts import Attempts
from aftrun.run.store.journal import RunJournal
from aftrun.run.store.journal_file import Head, JournalFile
from aftrun.run.store.lock import RunLock
from aftrun.run.store.record import Log
from aftrun.run.store.restore import open_record
from aftrun.service.history import prune
from tests.records import database

ONCE = Once("0" * 32, "2026-01-02", "https://h:44399", "m" * 16)
JOB = "night/a"
HEADERS = tuple(JobHeader(f"night/{name}", name, "night", "https://h:44399", "n.yaml", 1, 1) for name in "abc")


def intent(number: int = 1, job: str = JOB, at: float = 1.0) -> SubmitIntended:
    """A POST that is about to leave; each job has an identity of its own."""
    return SubmitIntended(at, job, 1, {}, replace(ONCE, identity=f"{job:0>32}", number=number))


def done(outcome: Outcome, at: float = 3.0) -> list[Event]:
    """The rest of a submission."""
    return [Accepted(2.0, JOB, 1, "4711"), AttemptEnded(at, JOB, 1, outcome, Reason.DONE)]


_OPEN: list[Log] = []


@pytest.fixture(autouse=True)
def all_closed() -> Iterator[None]:
    """Processes that a test leaves behind are over with it."""
    yield
    while _OPEN:
        _OPEN.pop().close()


def begin(folder: Path, run: str, at: float = 0.0) -> tuple[Log, RunJournal]:
    """A run in a process of its own, with both its files."""
    log = Log(folder)
    _OPEN.append(log)
    start = RunStarted(at, run, HEADERS, journal=True)
    log.begin(start, [], [], {})
    place = folder / "runs" / run
    place.mkdir(parents=True)
    file = JournalFile.make(place / journal_file.NAME, Head(run), enumerate([start]))
    return log, RunJournal(log, run, file)


def end(log: Log, journal: RunJournal) -> None:
    """The process is over, and has no file open any more."""
    log.close()
    assert isinstance(journal._file, JournalFile)
    journal._file.close()


def known(folder: Path, job: str = JOB) -> Move:
    """What a new run would do."""
    with open_record(folder, lambda _: None) as log:
        last = log.last_attempt(f"{job:0>32}")
    return decide(last, wait=True, under_way=lambda: False)


def test_one_of_two_gets_it(tmp_path: Path) -> None:
    """Both have asked, and nothing was on record; the second's intent is refused, the rest of its turn is not."""
    one, first = begin(tmp_path, "r1")
    two, second = begin(tmp_path, "r2")
    assert Attempts(one).last_attempt(intent().once.identity) is None  # type: ignore[union-attr]  # it has one
    assert Attempts(two).last_attempt(intent().once.identity) is None  # type: ignore[union-attr]  # the same
    other = intent(job="night/b")
    assert list(first.append([intent()])) == [intent()]
    assert list(second.append([intent(), other])) == [other]
    last = Attempts(two).last_attempt(intent().once.identity)  # type: ignore[union-attr]  # the same
    assert last is not None
    assert (last.run, last.job_id) == ("r1", None)
    with Log(tmp_path) as log:
        assert log.events("r2")[1:] == [other]
        assert len(journal_file.decode((tmp_path / "runs" / "r2" / journal_file.NAME).read_bytes()).events) == 2
    first.append([Accepted(2.0, JOB, 1, "4711")])
    last = Attempts(two).last_attempt(intent().once.identity)  # type: ignore[union-attr]  # the same
    assert last is not None
    assert last.job_id == "4711"
    assert list(second.append([Accepted(2.0, "night/b", 1, "4712")])) == [Accepted(2.0, "night/b", 1, "4712")]


def test_what_is_rolled_back_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails half-way takes the row with it, and the table that it made."""
    log, journal = begin(tmp_path, "r1")

    def fail(*_: object, **__: object) -> int:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(log, "_insert", fail)
        with pytest.raises(Exception, match="disk"):
            log.append("r1", [intent()])
    assert log.last_attempt(intent().once.identity) is None  # type: ignore[union-attr]  # the same
    assert list(journal.append([intent()])) == [intent()]
    assert log.last_attempt(intent().once.identity) is not None  # type: ignore[union-attr]  # the same


def test_a_process_that_goes_on_with_a_run_knows_its_submissions(tmp_path: Path) -> None:
    """The row follows the events of whichever process the run has."""
    log, journal = begin(tmp_path, "r1")
    journal.append([intent()])
    end(log, journal)
    with Log(tmp_path) as again:
        again.append("r1", done(Outcome.SUCCEEDED))
    assert known(tmp_path) is Move.UP_TO_DATE


def test_a_lost_state_file_is_made_of_the_journals(tmp_path: Path) -> None:
    """What succeeded is not run again, and what was in doubt still is."""
    log, journal = begin(tmp_path, "r1")
    journal.append([intent(), intent(job="night/b")])
    journal.append(done(Outcome.SUCCEEDED))
    end(log, journal)
    for path in tmp_path.glob("state.db*"):
        path.unlink()
    assert known(tmp_path) is Move.UP_TO_DATE
    assert known(tmp_path, "night/b") is Move.DOUBT


def test_a_damaged_state_file_is_made_anew(tmp_path: Path) -> None:
    """The same, where it is there and cannot be read."""
    log, journal = begin(tmp_path, "r1")
    journal.append([intent(), *done(Outcome.SUCCEEDED)])
    end(log, journal)
    (tmp_path / "state.db").write_bytes(b"not a database" * 1000)
    for path in tmp_path.glob("state.db-*"):
        path.unlink()
    assert known(tmp_path) is Move.UP_TO_DATE


def pruned(folder: Path, *, forget_once: bool = False) -> tuple[str, ...]:
    """Forget all runs that have ended."""
    with Log(folder) as log:
        return prune(log, folder, instant(1_000.0), forget_once=forget_once).runs


def test_pruned_runs_leave_behind_what_they_did(tmp_path: Path) -> None:
    """In the state file and beside it, so that the loss of either makes no finished night run again."""
    log, journal = begin(tmp_path, "r1")
    journal.append([intent(), *done(Outcome.SUCCEEDED), RunEnded(4.0, "succeeded", 0)])
    end(log, journal)
    assert pruned(tmp_path) == ("r1",)
    assert not (tmp_path / "runs" / "r1").exists()
    assert known(tmp_path) is Move.UP_TO_DATE
    for path in tmp_path.glob("state.db*"):
        path.unlink()
    assert known(tmp_path) is Move.UP_TO_DATE
    (tmp_path / once_file.NAME).unlink()
    assert known(tmp_path) is Move.UP_TO_DATE


def test_a_damaged_line_is_said_and_takes_no_other_with_it(tmp_path: Path) -> None:
    """Its checksum tells."""
    log, journal = begin(tmp_path, "r1")
    journal.append([intent(job="night/b"), intent(), *done(Outcome.SUCCEEDED), RunEnded(4.0, "succeeded", 0)])
    with Log(tmp_path) as other:
        once_file.write(tmp_path, other.attempts())
    end(log, journal)
    shutil.rmtree(tmp_path / "runs")
    path = tmp_path / once_file.NAME
    lines = path.read_bytes().splitlines()
    assert len(lines) == 2
    path.write_bytes(b"\n".join([lines[0].replace(b"night", b"nacht"), *lines[1:]]) + b"\n")
    for each in tmp_path.glob("state.db*"):
        each.unlink()
    said: list[str] = []
    open_record(tmp_path, said.append, create=True).close()
    assert [text for text in said if "1 line of" in text]
    assert (known(tmp_path), known(tmp_path, "night/b")) == (Move.SUBMIT, Move.DOUBT)


def test_forgetting_is_asked_for(tmp_path: Path) -> None:
    """`--forget-once` runs the night again; but not what is in doubt."""
    log, journal = begin(tmp_path, "r1")
    journal.append([intent(), *done(Outcome.SUCCEEDED), RunEnded(4.0, "succeeded", 0)])
    end(log, journal)
    log, journal = begin(tmp_path, "r2")
    journal.append([intent(job="night/b"), RunEnded(4.0, "unknown", 6)])
    end(log, journal)
    assert pruned(tmp_path, forget_once=True) == ("r1",)
    assert known(tmp_path) is Move.SUBMIT
    assert known(tmp_path, "night/b") is Move.DOUBT
    with Log(tmp_path) as again:
        again.append("r2", [Settled(5.0, "night/b", Outcome.FAILED, "jo@box")])
    assert pruned(tmp_path) == ("r2",)
    assert known(tmp_path, "night/b") is Move.SUBMIT


@pytest.mark.parametrize("body", ["", "[]", "{", '{"once": 7}', None])
def test_a_row_that_is_damaged_or_made_up_is_in_doubt(tmp_path: Path, body: str | None) -> None:
    """It is no path, and no reason to run the job again; nor does it block the way out."""
    log, journal = begin(tmp_path, "r1")
    journal.append([intent()])
    with database(tmp_path / "state.db") as db:
        if body is None:
            (found,) = db.execute("SELECT body FROM once").fetchone()
            body = json.dumps({**json.loads(found), "run": "../../etc"})
        db.execute("UPDATE once SET body = ?, run = '../../etc'", (body,))
    db.close()
    assert known(tmp_path) is Move.DOUBT
    _, second = begin(tmp_path, "r2")
    assert list(second.append([intent(2)])) == []
    once = intent(2).once
    assert once is not None
    asked = replace(intent(2), once=replace(once, again=True))
    assert list(second.append([asked])) == [asked]
    end(log, journal)


def test_a_row_without_its_run_blocks_nobody(tmp_path: Path) -> None:
    """Its run is not on record any more: what it says counts, and a failure is tried again."""
    log, journal = begin(tmp_path, "r1")
    journal.append([intent(), *done(Outcome.FAILED)])
    with database(tmp_path / "state.db") as db:
        db.execute("DELETE FROM runs")
    db.close()
    end(log, journal)
    shutil.rmtree(tmp_path / "runs")
    assert known(tmp_path) is Move.SUBMIT
    _, second = begin(tmp_path, "r2")
    assert list(second.append([intent(2)])) == [intent(2)]


def test_a_state_file_of_version_0_1(tmp_path: Path) -> None:
    """It gets the table when it is needed, and stays one that 0.1 reads."""
    source = next(Path("tests/data/state/0.1").glob("*/state.db"))
    shutil.copytree(source.parent, tmp_path / "old")
    folder = tmp_path / "old"
    state_folder.accept(folder)
    before = Log(folder)
    runs = before.runs()
    assert before.last_attempt(intent().once.identity) is None  # type: ignore[union-attr]  # the same
    before.close()
    log, journal = begin(folder, "r1")
    journal.append([intent(), *done(Outcome.SUCCEEDED)])
    assert {row.id for row in log.runs()} == {"r1", *(row.id for row in runs)}
    end(log, journal)
    assert known(folder) is Move.UP_TO_DATE
    with database(folder / "state.db") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


C = "night/c"
STORY: tuple[Sequence[Event], ...] = (
    [intent(), intent(job="night/b")],
    done(Outcome.SUCCEEDED),
    [intent(job=C)],
    [Accepted(2.0, C, 1, "4712")],
    [RunEnded(4.0, "unknown", 6)],
    [AttemptEnded(5.0, C, 1, Outcome.SUCCEEDED, Reason.DONE)],
    [Settled(6.0, "night/b", Outcome.FAILED, "jo@box"), RunEnded(6.0, "failed", 1)],
)
"""A run with three jobs, turn by turn: b is in doubt until it is settled."""


def backup(folder: Path, to: Path) -> None:
    """A copy of the state file as it is now."""
    with database(folder / "state.db") as source, database(to) as target:
        source.backup(target)
    source.close()
    target.close()


def put_back(copy: Path, folder: Path) -> None:
    """Replace the state file by an older copy of it, as a restored backup does; a lost log has the same effect."""
    for path in folder.glob("state.db*"):
        path.unlink()
    shutil.copy(copy, folder / "state.db")


@pytest.mark.parametrize("after", ["as it was", "pruned", "pruned, and another run since"])
@pytest.mark.parametrize("turns", range(len(STORY) + 1))
def test_an_older_copy_of_the_state_file_forgets_nothing(tmp_path: Path, turns: int, after: str) -> None:
    """What a run did after the copy was made is known from its journal, or, where it was pruned, from `once.ndjson`."""
    folder, copy = tmp_path / "state", tmp_path / "copy"
    log, journal = begin(folder, "r1")
    for number, events in enumerate(STORY):
        if number == turns:
            backup(folder, copy)
        journal.append(events)
    if turns == len(STORY):
        backup(folder, copy)
    end(log, journal)
    if after != "as it was":
        assert pruned(folder) == ("r1",)
    wanted = (Move.UP_TO_DATE, Move.SUBMIT, Move.UP_TO_DATE)
    if after.endswith("since"):
        log, journal = begin(folder, "r2")
        journal.append(
            [intent(2, "night/b", 7.0), Accepted(8.0, "night/b", 1, "4713"), RunEnded(9.0, "interrupted", 130)]
        )
        end(log, journal)
        wanted = (Move.UP_TO_DATE, Move.FOLLOW, Move.UP_TO_DATE)
    put_back(copy, folder)
    assert (known(folder), known(folder, "night/b"), known(folder, C)) == wanted


@pytest.mark.parametrize(
    "foreign",
    [b"", b'{"seq":99,"event":{}}\n', b'{"seq":99', b"\n\n", b"x" * 40_000 + b"\n", b"[1]\n", b"\xff\xfe\n"],
    ids=["nothing", "a line", "half a line", "no lines", "a long line", "another value", "no text"],
)
def test_a_state_file_that_is_behind_is_said_once(tmp_path: Path, foreign: bytes) -> None:
    """Afterwards it holds what the journal does, whatever else somebody has put behind that.

    While a process works on the run nothing is touched.
    """
    folder, copy = tmp_path / "state", tmp_path / "copy"
    log, journal = begin(folder, "r1")
    backup(folder, copy)
    journal.append([intent(), *done(Outcome.SUCCEEDED)])
    end(log, journal)
    with (folder / "runs" / "r1" / journal_file.NAME).open("ab") as file:
        file.write(foreign)
    put_back(copy, folder)
    said: list[str] = []
    with RunLock(folder / "runs" / "r1", 1, "box"):
        open_record(folder, said.append).close()
        assert said == []
    open_record(folder, said.append).close()
    assert "warning: run r1: state.db lacks 3 events of journal.ndjson; they were taken from there" in said
    known_by_then = (len(said), last_number(folder))
    for _ in range(2):
        open_record(folder, said.append).close()
        assert (len(said), last_number(folder)) == known_by_then


def last_number(folder: Path) -> int:
    """Of the run's events in the state file."""
    with Log(folder) as log:
        return log.last_number("r1")
