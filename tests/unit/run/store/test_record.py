"""The state file: durable, versioned, and clear about everything that can be wrong with a file."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aftrun.domain.errors import StateError
from aftrun.domain.events import (
    Accepted,
    JobEnded,
    JobHeader,
    Reason,
    RunEnded,
    RunResumed,
    RunStarted,
    Source,
    SubmitIntended,
    Warned,
)
from aftrun.domain.model import Outcome
from aftrun.domain.past import End
from aftrun.run.store import database as log_module
from aftrun.run.store import folder as state_folder
from aftrun.run.store import space
from aftrun.run.store.database import SCHEMA_VERSION
from aftrun.run.store.journal import MemoryJournal, RunJournal
from aftrun.run.store.lock import RunLock
from aftrun.run.store.record import Log
from aftrun.run.store.restore import recover
from aftrun.run.store.rows import StoredFile, process_name
from tests.records import database

START = RunStarted(
    1_767_225_600.0, "r1", (JobHeader("m/a", "a", "m", "https://s", "m.yaml", 1, 1),), (Source("m.yaml", "ab", "m"),)
)
INTENT = SubmitIntended(1_767_225_601.5, "m/a", 1, {"scriptName": "Überweisung ✓"})
ACCEPTED = Accepted(1_767_225_602.0, "m/a", 1, "17")
ENDED = RunEnded(1_767_225_603.0, "succeeded", 0)
FAILED = JobEnded(1_767_225_602.5, "m/a", Outcome.FAILED, Reason.DONE, "exit code 3")


def begin(folder: Path, run: str = "r1", at: float = 1_767_225_600.0) -> Log:
    """An open log with one run in it."""
    log = Log(folder)
    log.begin(
        RunStarted(at, run, START.jobs, START.sources),
        [],
        [StoredFile("m.yaml", b"scriptName: \xff")],
        {"keepGoing": True},
    )
    return log


def test_what_was_recorded_is_read_back(tmp_path: Path) -> None:
    """Events in order and equal, the files byte for byte, the options."""
    with begin(tmp_path / "a" / "b") as log:
        log.append("r1", [INTENT, ACCEPTED])
        log.append("r1", [])
        log.append("r1", [ENDED])
    with Log(tmp_path / "a" / "b", create=False) as log:
        assert log.events("r1") == [START, INTENT, ACCEPTED, ENDED]
        assert log.files("r1") == [StoredFile("m.yaml", b"scriptName: \xff")]
        (row,) = log.runs()
    assert (row.id, row.outcome, row.exit_code, row.jobs, row.manifests) == ("r1", "succeeded", 0, 1, ("m",))
    assert (row.started_at, row.ended_at, row.options) == (
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:03.000Z",
        {"keepGoing": True},
    )


def test_the_file_is_in_wal_mode_and_synchronous(tmp_path: Path) -> None:
    """Write-ahead log, FULL synchronous (an fsync for each commit), foreign keys, the version of the schema."""
    with Log(tmp_path) as log:
        found = {
            name: log._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "user_version")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "user_version": SCHEMA_VERSION}


def test_an_append_is_durable_when_it_returns(tmp_path: Path) -> None:
    """A process that is killed right after `append` leaves the events behind: nothing hangs on a close."""
    code = (
        "import os, sys; from pathlib import Path; from tests.unit.run.store.test_record import *\n"
        "log = begin(Path(sys.argv[1])); log.append('r1', [INTENT, ACCEPTED]); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=False, capture_output=True, cwd=Path(__file__).parents[4]
    )
    assert done.returncode in (-9, 9), done.stderr.decode()
    with Log(tmp_path, create=False) as log:
        assert log.events("r1") == [START, INTENT, ACCEPTED]
        assert log.runs()[0].outcome == "running"


def test_a_batch_is_recorded_whole_or_not_at_all(tmp_path: Path) -> None:
    """A batch that fails in its middle leaves nothing, and the next one takes its place."""
    with begin(tmp_path) as log:
        log.append("r1", [INTENT])
        log._db.execute(
            "CREATE TRIGGER no BEFORE INSERT ON events WHEN NEW.body LIKE '%poison%' "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        with pytest.raises(StateError, match="cannot use the state file"):
            log.append("r1", [ACCEPTED, Warned(1.0, "poison")])
        assert log.events("r1") == [START, INTENT]
        log.append("r1", [ACCEPTED])
        assert log.events("r1") == [START, INTENT, ACCEPTED]


def test_text_of_any_kind_is_recorded(tmp_path: Path) -> None:
    """Control characters, emoji, half of a surrogate pair (JSON of a server may hold one): all come back equal."""
    ended = JobEnded(1.0, "m/a", Outcome.FAILED, Reason.DONE, "a\x00b\n\u2028 😀 \ud800 end")
    with begin(tmp_path) as log:
        log.append("r1", [ended])
        assert log.events("r1") == [START, ended]


def test_a_resumed_run_is_running_again(tmp_path: Path) -> None:
    """The list of runs follows the events."""
    with begin(tmp_path) as log:
        log.append("r1", [ENDED])
        log.append("r1", [RunResumed(1_767_225_700.0, 1, "here")])
        (row,) = log.runs()
        assert (row.outcome, row.ended_at, row.exit_code) == ("running", None, None)


def test_the_newest_run_comes_first(tmp_path: Path) -> None:
    """By start, then by id."""
    with begin(tmp_path, "r1") as log:
        begin(tmp_path, "r2", 1_767_225_700.0).close()
        begin(tmp_path, "r3", 1_767_225_700.0).close()
        assert [row.id for row in log.runs()] == ["r3", "r2", "r1"]


def test_two_runs_write_to_one_file(tmp_path: Path) -> None:
    """Each has its own numbering."""
    with begin(tmp_path, "r1") as one, begin(tmp_path, "r2") as two:
        for _ in range(3):
            one.append("r1", [INTENT])
            two.append("r2", [ACCEPTED])
        assert len(one.events("r1")) == len(one.events("r2")) == 4


def test_a_run_is_begun_once(tmp_path: Path) -> None:
    """A second run of the same id is refused, and nothing of it is kept."""
    with begin(tmp_path) as log, pytest.raises(StateError):
        log.begin(START, [ENDED], [], {})
    with Log(tmp_path) as log:
        assert log.events("r1") == [START]
        assert log.events("unknown") == []
        with pytest.raises(StateError):
            log.append("unknown", [ENDED])


def test_forgotten_runs_go_with_all_they_had(tmp_path: Path) -> None:
    """Only runs that ended before the instant; their events and files go with them, running ones stay."""
    before = "2026-06-01T00:00:00.000Z"
    with begin(tmp_path, "old") as log:
        log.append("old", [FAILED, ENDED])
        begin(tmp_path, "running").close()
        begin(tmp_path, "new").close()
        log.append("new", [RunEnded(1_800_000_000.0, "failed", 1)])
        assert log.ended_before(before) == ["old"]
        assert [log.forget(run, before) for run in ("old", "running", "new", "old")] == [True, False, False, False]
        assert [row.id for row in log.runs()] == ["running", "new"]
        log.sweep(lambda: None)
        assert (log.events("old"), log.files("old"), log.counts(), log.causes()) == ([], [], {}, {})
        assert len(log.events("new")) == 2


def test_a_run_that_was_forgotten_meanwhile_is_a_plain_error(tmp_path: Path) -> None:
    """Whoever asks for one had seen it a moment ago."""
    with begin(tmp_path) as log:
        assert log.run("r1").id == "r1"
        with pytest.raises(StateError, match="run r2 is not on record any more"):
            log.run("r2")


def test_a_run_that_somebody_is_at_is_not_forgotten(tmp_path: Path) -> None:
    """Who settles or resumes it holds its lock, and asks under it whether it is still there."""
    run = "20260102-030405-abcd"
    with begin(tmp_path, run) as log:
        log.append(run, [ENDED])
        with RunLock(tmp_path / "runs" / run, 1, "here"):
            assert not log.forget(run, "2026-06-01T00:00:00.000Z")
            assert log.has(run)
        assert log.forget(run, "2026-06-01T00:00:00.000Z")
        assert not log.has(run)
        with pytest.raises(StateError, match="is not on record any more"):
            recover(log, run, 0.0)


def test_a_sweep_goes_on_where_an_earlier_one_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes small steps, and what one leaves the next finds; a run that came back from its journal is whole."""
    monkeypatch.setattr(space, "ROWS", 2)
    with begin(tmp_path, "old") as log:
        log.append("old", [INTENT, ACCEPTED, FAILED, INTENT, ACCEPTED, FAILED, ENDED])
        log.forget("old", "2026-06-01T00:00:00.000Z")
        steps: list[int] = []

        def killed() -> None:
            steps.append(log.count("old"))
            if len(steps) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            log.sweep(killed)
        assert steps == [6, 4]
        log.restore(RunStarted(1.0, "old", START.jobs, START.sources), [INTENT, ENDED], [], {})
        assert log.events("old")[1:] == [INTENT, ENDED]
        log.sweep(lambda: None)
        assert log.count("old") == 3
        log.forget("old", "2026-06-01T00:00:00.000Z")
        log.sweep(lambda: None)
        assert log.count("old") == 0


def big(log: Log, run: str, events: int = 4_000) -> None:
    """A run of some megabytes, which has ended."""
    log.append(run, [Warned(1_767_225_601.0, f"{number} {'x' * 500}") for number in range(events)])
    log.append(run, [ENDED])


def test_the_space_of_forgotten_runs_goes_back_to_the_disk_beside_a_run(tmp_path: Path) -> None:
    """In many steps, while another process writes: it takes the shorter file for no damage, and for damage what is."""
    with begin(tmp_path, "old") as log, begin(tmp_path, "live") as other:
        big(log, "old")
        other.check()
        log.forget("old", "2026-06-01T00:00:00.000Z")
        steps = []

        def beside() -> None:
            other.check()
            other.append("live", [INTENT])
            steps.append(log.path.stat().st_size)

        log.sweep(beside)
        other.check()
        assert 5 < len(steps) < 40, "many steps, but of many pages each"
        assert log.path.stat().st_size < max(steps) / 4
        assert log.count("live") == len(steps) + 1
        os.truncate(log.path, log.path.stat().st_size // 2)
        with pytest.raises(StateError, match="cut short"):
            other.check()


def test_a_look_at_the_header_costs_sqlite_no_lock(tmp_path: Path) -> None:
    """Else another process that closes the file would take itself for the last, and delete the log of this one."""
    with begin(tmp_path) as log:
        assert space.length(log.path) >= 4096
        other = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT * FROM runs').fetchall()"
        subprocess.run([sys.executable, "-c", other + "; db.close()", str(log.path)], check=True)
        assert log.path.with_name("state.db-wal").exists()
        log.check()
        log.append("r1", [INTENT])


def test_a_file_of_an_earlier_version_is_made_anew_to_give_space_back(tmp_path: Path) -> None:
    """Once, and nothing is lost."""
    with begin(tmp_path, "old") as log:
        big(log, "old")
        log._db.execute("PRAGMA auto_vacuum = 0")
        log._db.execute("VACUUM")
    with Log(tmp_path) as log:
        begin(tmp_path, "new").close()
        full = log.path.stat().st_size
        log.forget("old", "2026-06-01T00:00:00.000Z")
        log.sweep(lambda: None)
        assert log.compact()
        assert not log.compact()
        assert [row.id for row in log.runs()] == ["new"]
        assert log.damage() == ""
    assert (tmp_path / "state.db").stat().st_size < full / 4


def test_causes_follow_the_events_and_are_made_anew_of_them(tmp_path: Path) -> None:
    """A cause is a line; a job that is open again has neither end nor cause; `refold` gives the same."""
    bad = JobEnded(1.0, "m/a", Outcome.FAILED, Reason.DONE, "exit code 3: \udcff gone\nlook there", 2.5)
    good = JobEnded(2.0, "m/b", Outcome.SUCCEEDED, Reason.DONE, "fine", 1.5)
    skipped = JobEnded(2.0, "m/c", Outcome.SKIPPED, Reason.NEEDS, "needs a")
    with begin(tmp_path) as log:
        assert log.causes() == {}
        log.append("r1", [bad, good, skipped, ENDED])
        before = (log.causes(), dict(log.ends()))
        assert before[0] == {("m/a", "r1"): "exit code 3: \\udcff gone"}
        assert before[1]["m/a"] == [End("r1", "failed", 2.5)]
        assert {job: ends[0].outcome for job, ends in before[1].items()} == {
            "m/a": "failed",
            "m/b": "succeeded",
            "m/c": "skipped",
        }
        log._db.execute("DELETE FROM causes")
        log._db.execute("UPDATE ends SET outcome = 'succeeded'")
        log.refold("r1")
        assert (log.causes(), dict(log.ends())) == before
        log.append("r1", [RunResumed(3.0, again=("m/a", "m/c"))])
        assert (log.causes(), sorted(dict(log.ends()))) == ({}, ["m/b"])
        log.refold("r1")
        assert (log.causes(), sorted(dict(log.ends()))) == ({}, ["m/b"])


def test_version_0_1_goes_on_beside_the_table_of_causes(tmp_path: Path) -> None:
    """It deletes runs and knows nothing of causes, which go with them."""
    with begin(tmp_path) as log:
        log.append("r1", [FAILED, ENDED])
        assert log.causes()
        log._db.execute("DELETE FROM runs WHERE id = 'r1'")
        assert log.causes() == {}


def test_the_journal_of_a_run(tmp_path: Path) -> None:
    """`RunJournal` writes to its run; `MemoryJournal` keeps."""
    with begin(tmp_path) as log:
        RunJournal(log, "r1").append([INTENT])
        assert log.events("r1") == [START, INTENT]
    memory = MemoryJournal()
    memory.append([INTENT])
    memory.append([ACCEPTED])
    assert memory.events == [INTENT, ACCEPTED]


def copied_over(folder: Path, copy: Path) -> None:
    """A person puts an older copy in place with `cp`: the files stay the same ones."""
    for path in copy.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())


def restored(folder: Path, copy: Path) -> None:
    """A person puts it in place with SQLite's own `.restore`."""
    with (
        contextlib.closing(sqlite3.connect(copy / "state.db")) as old,
        contextlib.closing(sqlite3.connect(folder / "state.db")) as now,
    ):
        old.backup(now)


@pytest.mark.parametrize("put_back", [copied_over, restored])
@pytest.mark.parametrize("begun", [True, False])
def test_an_older_copy_is_noticed_before_the_next_intent(
    tmp_path: Path, put_back: Callable[[Path, Path], None], begun: bool
) -> None:
    """The copy knows less of the run, or nothing: no intent is recorded in it."""
    state, copy = tmp_path / "state", tmp_path / "copy"
    copy.mkdir()
    begin(state, "r0").close()
    with begin(state) if begun else Log(state) as log:
        for path in state.glob("state.db*"):
            shutil.copy(path, copy)
        with log if begun else begin(state) as writing:
            journal = RunJournal(writing, "r1")
            journal.append([INTENT, ACCEPTED])
            put_back(state, copy)
            with pytest.raises(StateError, match="an older copy is in its place"):
                journal.append([SubmitIntended(1_767_225_603.0, "m/a", 2, {})])


def test_two_that_write_one_run_are_noticed(tmp_path: Path) -> None:
    """Where locks lock nobody out, the events of another process are seen before an intent is recorded."""
    with begin(tmp_path) as one, Log(tmp_path) as other:
        first, second = RunJournal(one, "r1"), RunJournal(other, "r1")
        first.append([INTENT])
        with pytest.raises(StateError, match="another process works on it"):
            second.append([INTENT])
        first.append([ACCEPTED])
        assert one.events("r1") == [START, INTENT, ACCEPTED]


def test_the_name_of_the_process() -> None:
    """Pid and host, for messages."""
    pid, host = process_name()
    assert pid == os.getpid()
    assert isinstance(host, str)


# --- what can be wrong with the file ----------------------------------------------------------------------------------


def test_a_missing_file_is_not_made_by_readers(tmp_path: Path) -> None:
    """`history` in the wrong folder says so, and leaves nothing behind."""
    with pytest.raises(StateError, match="there is no state file"):
        Log(tmp_path / "none", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """It says to upgrade, and changes nothing."""
    Log(tmp_path).close()
    with database(tmp_path / "state.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StateError, match=r"newer aftrun \(version 99") as caught:
        Log(tmp_path)
    assert "upgrade aftrun" in caught.value.hint
    db = sqlite3.connect(tmp_path / "state.db")
    assert db.execute("PRAGMA user_version").fetchone()[0] == 99
    db.close()


def test_an_older_file_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One step after another, and what was recorded stays."""
    begin(tmp_path).close()
    steps = {
        SCHEMA_VERSION: "ALTER TABLE runs ADD COLUMN first TEXT NOT NULL DEFAULT 'x'",
        SCHEMA_VERSION + 1: "ALTER TABLE runs ADD COLUMN second TEXT NOT NULL DEFAULT 'y'",
    }
    monkeypatch.setattr(log_module, "_MIGRATIONS", steps)
    monkeypatch.setattr(log_module, "SCHEMA_VERSION", SCHEMA_VERSION + 2)
    with Log(tmp_path) as log:
        assert log._db.execute("SELECT first, second FROM runs").fetchall() == [("x", "y")]
        assert log._version() == SCHEMA_VERSION + 2
        assert log.events("r1") == [START]


@pytest.mark.parametrize(
    "content", [b"this is no database, and long enough to be sure" * 50, b"SQLite format 3\x00" + b"\xff" * 4096]
)
def test_a_damaged_file_is_an_error_that_says_so(tmp_path: Path, content: bytes) -> None:
    """Never overwritten, never half read."""
    (tmp_path / "state.db").write_bytes(content)
    state_folder.accept(tmp_path)
    with pytest.raises(StateError, match=r"is damaged|cannot use") as caught:
        Log(tmp_path)
    assert str(tmp_path / "state.db") in caught.value.message
    assert caught.value.hint
    assert (tmp_path / "state.db").read_bytes() == content


@pytest.mark.parametrize(
    "body", ["no json", "[]", "null", '{"type": "future"}', '{"type": "runEnded"}', '{"type": ["x"]}']
)
def test_a_record_that_cannot_be_read_is_not_skipped(tmp_path: Path, body: str) -> None:
    """An event that this version does not understand stops the reader, since resuming without it could submit twice."""
    with begin(tmp_path) as log:
        log._db.execute("INSERT INTO events VALUES ('r1', 1, ?)", (body,))
        with pytest.raises(StateError):
            log.events("r1")


def test_a_busy_file_is_waited_for_and_then_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program holds the write lock: an error that names the file, not a traceback."""
    monkeypatch.setattr(log_module, "BUSY_SECONDS", 0.05)
    with begin(tmp_path) as log:
        other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="is in use by another program") as caught:
            log.append("r1", [INTENT])
        assert "--state-dir" in caught.value.hint
        other.execute("ROLLBACK")
        other.close()
        log.append("r1", [INTENT])
        assert log.events("r1") == [START, INTENT]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file is in the way."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StateError, match="cannot make the state folder"):
        Log(tmp_path / "file" / "state")


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """A folder stands where the file should be."""
    (tmp_path / "state.db").mkdir()
    state_folder.accept(tmp_path)
    with pytest.raises(StateError, match="cannot be written"):
        Log(tmp_path)


def _mount(folder: Path, *options: str) -> None:
    mount = shutil.which("mount")
    if mount is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root and the mount program")
    done = subprocess.run([mount, *options, str(folder)], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine does not let us mount: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    _mount(folder, "-t", "tmpfs", "-o", "size=256k", "tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_an_error_and_the_record_stays_whole(small_disk: Path) -> None:
    """The batch that did not fit is not there; what was there before still is."""
    with begin(small_disk) as log:
        kept, error = 0, None
        while error is None and kept < 100:
            try:
                log.append("r1", [Warned(1.0, "x" * 20_000)])
                kept += 1
            except StateError as caught:
                error = caught
        assert error is not None
        assert "disk" in error.message
        assert error.exit_code == 74
        assert kept > 0
        assert len(log.events("r1")) == kept + 1


def test_a_read_only_file_system(small_disk: Path) -> None:
    """An error that names the file and the way out."""
    begin(small_disk).close()
    done = subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=False, capture_output=True)  # as above
    if done.returncode:
        pytest.skip("this machine does not let us remount")
    with pytest.raises(StateError) as caught, Log(small_disk) as log:
        log.append("r1", [INTENT])
    assert "state.db" in caught.value.message
    assert "--state-dir" in caught.value.hint


def test_no_event_holds_more_than_its_json(tmp_path: Path) -> None:
    """What is stored is the event's JSON, readable with any SQLite tool."""
    with begin(tmp_path) as log:
        log.append("r1", [ACCEPTED])
        (body,) = log._db.execute("SELECT body FROM events WHERE seq = 1").fetchone()
    assert json.loads(body) == {
        "type": "accepted",
        "at": "2026-01-01T00:00:02.000Z",
        "job": "m/a",
        "attempt": 1,
        "jobId": "17",
        "state": "",
    }


def ended(log: Log, run: str, seconds: float, *, outcome: Outcome = Outcome.SUCCEEDED, sandbox: bool = False) -> None:
    """One more run of the job, begun and over."""
    start = RunStarted(1_767_225_600.0, run, START.jobs, START.sources)
    log.begin(start, [], [], {"sandbox": True} if sandbox else {"variables": [["x", '"sandbox": true']]})
    log.append(run, [JobEnded(1_767_225_601.0, "m/a", outcome, Reason.DONE, seconds=seconds)])


def test_durations_are_those_of_good_ends_in_runs_of_the_same_kind(tmp_path: Path) -> None:
    """The newest first, as many as asked for; a sandbox's made-up times stay apart from the real ones."""
    with Log(tmp_path) as log:
        for number in range(1, 5):
            ended(log, f"r{number}", number * 10.0)
        ended(log, "r5", 99.0, outcome=Outcome.FAILED)
        ended(log, "r6", 1.0, sandbox=True)
        assert log.durations(["m/a", "m/b"]) == [("m/a", 1.0), *(("m/a", each) for each in (40.0, 30.0, 20.0, 10.0))]
        assert log.durations(["m/a"], sandbox=False, limit=2) == [("m/a", 40.0), ("m/a", 30.0)]
        assert log.durations(["m/a"], sandbox=True) == [("m/a", 1.0)]
        assert RunJournal(log, "r4").past("m/a") == (30.0, 20.0, 10.0)
        assert RunJournal(log, "r7", sandbox=True).past("m/a") == (1.0,)


def test_a_past_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """History only helps to look in good time, so a run goes on without it."""
    log = Log(tmp_path)
    ended(log, "r1", 10.0)
    journal = RunJournal(log, "r2")
    assert journal.past("m/a") == (10.0,)
    log.close()
    assert journal.past("m/a") == ()
