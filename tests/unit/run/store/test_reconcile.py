"""Two files that fail apart: no damage loses an id that either holds, and none makes a job be submitted again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftrun.domain.errors import StateError
from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
    Event,
    JobEnded,
    JobHeader,
    Reason,
    RunStarted,
    StateSeen,
    SubmitDeferred,
    SubmitIntended,
    Warned,
)
from aftrun.domain.model import Outcome
from aftrun.run.fold import ReportBuilder
from aftrun.run.store import journal_file, wal
from aftrun.run.store.folder import run_folder
from aftrun.run.store.journal_file import Head, decode, encode, event_line, head_line
from aftrun.run.store.reconcile import Witness, reconcile
from aftrun.run.store.record import Log
from aftrun.run.store.restore import open_record, recover
from aftrun.run.store.rows import StoredFile
from aftrun.service import history
from tests.records import copied

AT = 1_767_225_600.0
NAMES = ("done", "failed", "watched", "sent", "deferred", "waiting", "idle")
START = RunStarted(
    AT, "r1", tuple(JobHeader(f"m/{name}", name, "m", "https://s", "m.yaml", 1, 1) for name in NAMES), journal=True
)
EVENTS: tuple[Event, ...] = (
    START,
    SubmitIntended(AT, "m/done", 1),
    SubmitIntended(AT, "m/failed", 1),
    Accepted(AT + 1, "m/done", 1, "17"),
    SubmitIntended(AT + 1, "m/watched", 1),
    AttemptEnded(AT + 2, "m/done", 1, Outcome.SUCCEEDED, Reason.DONE),
    JobEnded(AT + 2, "m/done", Outcome.SUCCEEDED, Reason.DONE, seconds=1.0),
    Accepted(AT + 2, "m/failed", 1, "18"),
    Accepted(AT + 2, "m/watched", 1, "19"),
    StateSeen(AT + 2, "m/watched", 1, "Running", "running"),
    AttemptEnded(AT + 3, "m/failed", 1, Outcome.FAILED, Reason.DONE),
    JobEnded(AT + 3, "m/failed", Outcome.FAILED, Reason.DONE, seconds=1.0),
    SubmitIntended(AT + 3, "m/deferred", 1),
    SubmitDeferred(AT + 3, "m/deferred", 1, "connection refused", 0.5),
    SubmitIntended(AT + 4, "m/sent", 1),
)
NEVER_INTENDED = {"m/waiting", "m/idle"}
MAY_BE_SENT = NEVER_INTENDED | {"m/deferred"}
IDS = {"m/done": "17", "m/failed": "18", "m/watched": "19"}
FILES = (("m.yaml", b"jobs: []\n"),)


def may_be_submitted(events: tuple[Event, ...]) -> set[str]:
    """The jobs that a resume would submit."""
    jobs = ReportBuilder(events).jobs()
    return {key for key, job in jobs.items() if job.outcome is None and job.phase in ("pending", "deferred", "waiting")}


def ids(events: tuple[Event, ...]) -> dict[str, str]:
    """The id of each job that has one."""
    return {key: job.job_id for key, job in ReportBuilder(events).jobs().items() if job.job_id is not None}


def numbered(kept: set[int]) -> dict[int, Event]:
    """Some of the events, under their numbers."""
    return {number: EVENTS[number] for number in sorted(kept)}


parts = st.sets(st.integers(1, len(EVENTS) - 1)).map(lambda kept: kept | {0})


def test_the_undamaged_record_is_what_it_is() -> None:
    """Nothing to say, nothing sealed."""
    found = reconcile(Witness("state.db", dict(enumerate(EVENTS))), Witness("journal", dict(enumerate(EVENTS))))
    assert found.events == EVENTS
    assert (found.notes, found.sealed, found.database_whole, found.journal_whole) == ((), (), True, True)
    assert may_be_submitted(EVENTS) == MAY_BE_SENT


@given(lost=parts, from_journal=st.booleans())
def test_damage_to_one_file_loses_nothing_and_is_said(lost: set[int], from_journal: bool) -> None:
    """Whatever one file has lost, the other has it: nothing is sealed, and nobody is left in the dark."""
    whole, rest = dict(enumerate(EVENTS)), numbered(lost)
    files = (whole, rest) if from_journal else (rest, whole)
    found = reconcile(Witness("state.db", files[0]), Witness("journal", files[1]))
    assert found.events == EVENTS
    assert found.sealed == ()
    assert bool(found.notes) == (rest != whole)


@given(database=parts, journal=parts)
def test_damage_to_both_files_submits_nothing_that_may_have_been(database: set[int], journal: set[int]) -> None:
    """What resume may submit was never intended; each id that either file holds is kept."""
    found = reconcile(Witness("state.db", numbered(database)), Witness("journal", numbered(journal)))
    after = (*found.events, *found.sealed)
    union = database | journal
    # One file without a gap that has all that the other has is the whole record of an earlier instant, for all anyone
    # can see: that both were cut there, at whole lines, leaves no trace (but in the report, see below).
    seems_earlier = union == set(range(max(union) + 1)) and union in (database, journal)
    if not seems_earlier:
        assert may_be_submitted(after) <= MAY_BE_SENT
    for number in union:
        event = EVENTS[number]
        if isinstance(event, Accepted):
            assert ids(after)[event.job] == event.job_id
    if union != set(range(len(EVENTS))) and not seems_earlier:
        assert found.notes


def test_the_journal_is_right_where_they_differ() -> None:
    """Its lines are checked, and a byte of SQLite's that flips is not."""
    wrong = {**dict(enumerate(EVENTS)), 3: Accepted(AT + 1, "m/done", 1, "77")}
    found = reconcile(Witness("state.db", wrong), Witness("journal", dict(enumerate(EVENTS))))
    assert found.events == EVENTS
    assert "differ" in found.notes[0]


@pytest.mark.parametrize("job_id", ["19", 'a "quoted" one', "ü", "back\\slash", ""])
@pytest.mark.parametrize("layout", [{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])
def test_the_report_is_a_third_witness(job_id: str, layout: dict[str, Any]) -> None:
    """An id that both files have lost is taken from it, and then nothing else is believed to be unsent."""
    early = dict(enumerate(EVENTS[:2]))
    report = {
        "jobs": [
            {
                "manifest": "m",
                "name": "watched",
                "attempts": [{"number": 1, "jobId": job_id, "acceptedAt": "2026-01-01T00:00:02.000Z"}],
            }
        ]
    }
    text = json.dumps(report, **layout).encode()
    found = reconcile(Witness("state.db", early), Witness("journal", early), text)
    if not job_id:
        assert found == reconcile(Witness("state.db", early), Witness("journal", early))
        return
    after = (*found.events, *found.sealed)
    assert ids(after) == {"m/watched": job_id}
    assert may_be_submitted(after) == set()
    assert "the report names 1 job id" in found.notes[0]
    known = Witness("either", dict(enumerate(after)))
    assert reconcile(known, known, text) == reconcile(known, known)  # which it has nothing to add to


@pytest.mark.parametrize("report", [b'{"jobs": [{"name": "x", "jobId": "1"}]}', b'"jobId": "1"', b'[{"jobId": "1"}]'])
def test_a_report_that_cannot_be_read_says_nothing(report: bytes) -> None:
    """It only ever adds to what the others say."""
    known = Witness("either", dict(enumerate(EVENTS[:2])))
    assert reconcile(known, known, report) == reconcile(known, known)


# --- the write-ahead log --------------------------------------------------------------------------------------------


def test_a_damaged_write_ahead_log_is_found_out(killed: Path) -> None:
    """SQLite believes it up to the damage and is silent; any flipped byte of its frames, and any cut, is seen."""
    data = (killed / "state.db-wal").read_bytes()
    assert wal.damage(data) == wal.damage(b"") == ""
    for number in range(200):
        place = number * len(data) // 200
        changed = bytearray(data)
        changed[place] ^= 0x40
        in_last_salt = len(data) - place <= 4096 + 24
        assert wal.damage(bytes(changed)) or in_last_salt, place
        whole_frames = (place + 1 - 32) % (4096 + 24) == 0
        assert wal.damage(data[: place + 1]) or whole_frames, place


# --- the journal's lines ----------------------------------------------------------------------------------------------

TEXT = head_line(Head("r1", {"paths": ["m.yaml"]}, FILES)) + "".join(
    event_line(number, encode(event)) for number, event in enumerate(EVENTS)
)
DATA = TEXT.encode("ascii")


def test_a_journal_comes_back_equal() -> None:
    """Head and events; each line is JSON for whoever reads it with other tools."""
    lines = decode(DATA)
    assert lines.head == Head("r1", {"paths": ["m.yaml"]}, FILES)
    assert tuple(lines.events.values()) == EVENTS
    assert lines.damage == ""
    assert [json.loads(line)["seq"] for line in TEXT.splitlines()[1:]] == list(range(len(EVENTS)))


@given(place=st.integers(0, len(DATA) - 1), value=st.integers(0, 255))
def test_no_changed_byte_is_believed(place: int, value: int) -> None:
    """Every event that is read is one that was written, and what is missing is known to be."""
    changed = bytearray(DATA)
    changed[place] = value
    lines = decode(bytes(changed))
    assert all(EVENTS[number] == event for number, event in lines.events.items())
    assert (lines.damage != "") == (bytes(changed) != DATA)


@given(length=st.integers(0, len(DATA)))
def test_a_journal_that_is_cut_short(length: int) -> None:
    """What is there is read; half a line is known to be one."""
    lines = decode(DATA[:length])
    assert tuple(lines.events.values()) == EVENTS[: len(lines.events)]
    if length and DATA[length - 1 : length] != b"\n":
        assert lines.damage


# --- real files -------------------------------------------------------------------------------------------------------

RECORD = """
import os, sys
from pathlib import Path
from aftrun.run.store.journal import RunJournal
from tests.unit.run.store.test_reconcile import *
folder = Path(sys.argv[1])
log = Log(folder)
log.begin(START, [], [StoredFile(*file) for file in FILES], {"paths": ["m.yaml"]})
run_folder(folder, "r1").mkdir(parents=True)
head = Head("r1", {"paths": ["m.yaml"]}, FILES)
file = journal_file.JournalFile.make(run_folder(folder, "r1") / journal_file.NAME, head, [(0, START)])
journal = RunJournal(log, "r1", file)
for event in EVENTS[1:]:
    journal.append([event])
os._exit(0)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a process that was killed: the write-ahead log was never brought into the database."""
    folder = tmp_path_factory.mktemp("killed") / "state"
    root = Path(__file__).parents[4]
    subprocess.run([sys.executable, "-c", RECORD, str(folder)], check=True, cwd=root)
    (folder / "state.db-shm").unlink()
    return folder


@pytest.fixture(scope="module")
def closed(killed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, its log brought into the database."""
    folder = tmp_path_factory.mktemp("closed") / "state"
    copied(killed, folder)
    Log(folder).close()
    return folder


def resumed(folder: Path) -> tuple[tuple[Event, ...], list[str]]:
    """What a resume goes by, and what it says; both files agree afterwards."""
    said: list[str] = []
    with open_record(folder, said.append, thorough=True) as log:
        restored = recover(log, "r1", AT + 100)
        restored.file.close()
        assert tuple(log.events("r1")) == restored.events
        assert log.files("r1") == [StoredFile(*FILES[0])]
        lines = journal_file.read(run_folder(folder, "r1") / journal_file.NAME)
        assert lines is not None
        assert tuple(lines.events.values()) == restored.events
        assert lines.damage == ""
    said += [event.message for event in restored.events if isinstance(event, Warned)]
    return restored.events, said


def flip(path: Path, place: float) -> None:
    """Change one byte."""
    data = bytearray(path.read_bytes())
    where = min(int(len(data) * place), len(data) - 1)
    data[where] ^= 0x15
    path.write_bytes(bytes(data))


def empty(path: Path, _: float) -> None:
    """Leave a file of no length."""
    path.write_bytes(b"")


def cut(path: Path, place: float) -> None:
    """Keep only the beginning."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * place)])


JOURNAL = f"runs/r1/{journal_file.NAME}"
DAMAGE: Mapping[str, Callable[[Path, float], None]] = {
    "flip": flip,
    "cut": cut,
    "delete": lambda path, _: path.unlink(),
    "empty": empty,
}


@pytest.mark.parametrize("way", DAMAGE)
@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("killed", "state.db"),
        ("killed", "state.db-wal"),
        ("killed", JOURNAL),
        ("closed", "state.db"),
        ("closed", JOURNAL),
    ],
)
def test_one_damaged_file_of_a_real_record(
    base: str, name: str, way: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A byte flipped, a file cut, emptied or deleted: ids are kept, nothing is sent twice, and it is said."""
    source: Path = request.getfixturevalue(base)
    if not (source / name).exists():
        return  # a record that was closed has no write-ahead log
    for number in range(24 if way in ("flip", "cut") else 1):
        folder = tmp_path / str(number)
        copied(source, folder)
        DAMAGE[way](folder / name, number / 24)
        events, said = resumed(folder)
        assert ids(events) == IDS, number
        assert may_be_submitted(events) <= MAY_BE_SENT, number
        if way in ("delete", "empty"):
            assert said


@pytest.mark.parametrize("there", [True, False], ids=["state.db", "no state.db"])
def test_runs_that_cannot_be_listed_are_not_taken_for_none(closed: Path, tmp_path: Path, there: bool) -> None:
    """The state file may be gone, or an older copy: what journals know beyond it decides what is sent."""
    folder = tmp_path / "state"
    copied(closed, folder)
    (folder / "runs").rename(tmp_path / "runs")
    (folder / "runs").write_text("", encoding="utf-8")
    if not there:
        (folder / "state.db").unlink()
        with pytest.raises(StateError, match=r"cannot read .*runs"):
            history.on_record(folder)
    with pytest.raises(StateError, match=r"cannot read .*runs"):
        open_record(folder, lambda _: None, create=True)


def test_a_journal_that_cannot_be_read_is_not_taken_for_none(closed: Path, tmp_path: Path) -> None:
    """It may know more than an older copy of the state file."""
    folder = tmp_path / "state"
    copied(closed, folder)
    (folder / JOURNAL).unlink()
    assert journal_file.last_number(folder / JOURNAL) is None
    (folder / JOURNAL).mkdir()
    with pytest.raises(StateError, match=r"cannot read .*journal"):
        journal_file.last_number(folder / JOURNAL)
    with pytest.raises(StateError, match=r"cannot read .*journal"):
        open_record(folder, lambda _: None)


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("place", [(Log, "restore"), (journal_file.JournalFile, "make")], ids=lambda each: each[1])
def test_killed_while_the_record_is_put_in_order(
    place: tuple[type, str], killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state file has lost its newest part, and the journal half a line: what each has is there until both are."""
    folder = tmp_path / "state"
    copied(killed, folder)
    cut(folder / "state.db-wal", 0.5)
    with (folder / JOURNAL).open("ab") as file:
        file.write(b'{"seq":99,"ev')

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(*place, die)
        with pytest.raises(Killed):
            resumed(folder)
    events, _ = resumed(folder)
    assert ids(events) == IDS
    assert may_be_submitted(events) <= MAY_BE_SENT


@pytest.mark.parametrize("database", DAMAGE)
@pytest.mark.parametrize("journal", ["flip", "cut"])
def test_both_files_of_a_real_record_damaged(database: str, journal: str, killed: Path, tmp_path: Path) -> None:
    """Half of each: every id that is left is kept, no job that was sent is sent again, and it is said."""
    for number in range(6, 23, 4):
        folder = tmp_path / str(number)
        copied(killed, folder)
        DAMAGE[database](folder / "state.db-wal", number / 24)
        DAMAGE[journal](folder / JOURNAL, 1 - number / 48 + 0.001)
        before = decode((folder / JOURNAL).read_bytes())
        if before.head is None:
            continue  # then there are no manifests to resume with
        events, said = resumed(folder)
        assert said
        left = {event.job: event.job_id for event in before.events.values() if isinstance(event, Accepted)}
        assert left.items() <= ids(events).items()
        assert may_be_submitted(events) <= MAY_BE_SENT
