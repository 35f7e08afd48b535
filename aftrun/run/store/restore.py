"""Puts a record in order whose files are damaged: what one has lost comes from the other, and is said."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from aftrun.domain.errors import StateError, UnderWay
from aftrun.domain.events import Accepted, Event, RunStarted, Warned
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import RunOutcome
from aftrun.domain.runids import is_run_id
from aftrun.run.store import folder as state_folder
from aftrun.run.store import journal_file, once_file, wal
from aftrun.run.store.folder import run_folder
from aftrun.run.store.journal_file import Head, JournalFile, Lines
from aftrun.run.store.lock import RunLock, held
from aftrun.run.store.reconcile import Reconciled, Witness, reconcile
from aftrun.run.store.record import Log
from aftrun.run.store.record_errors import Damaged
from aftrun.run.store.rows import RunRow, StoredFile, process_name
from aftrun.system.files import read_regular

Say = Callable[[str], None]

_NOT_FOR_GOOD = frozenset(
    {
        *(RunOutcome.INTERRUPTED, RunOutcome.ERROR, RunOutcome.STATE_ERROR),
        *(RunOutcome.UNKNOWN, RunOutcome.TIMED_OUT),
    }
)
"""Outcomes of runs that can be resumed, or settled."""


def read_run(log: Log, run: str) -> Reconciled:
    """What all files of the record say of a run. Changes nothing.

    Raises:
        StateError: they cannot be read, or were written by a newer aftrun.
    """
    return _read(log, run)[0]


def _read(log: Log, run: str) -> tuple[Reconciled, Lines | None]:
    folder = run_folder(log.path.parent, run)
    lines = journal_file.read(folder / journal_file.NAME)
    if lines is None:
        events = log.numbered(run)
        if not _promised(events.get(0)):
            return reconcile(Witness(log.path.name, events, log.doubt), None, _report(folder)), None
        database, lines = Witness(log.path.name, events, log.doubt), Lines(damage="it is missing")
    else:
        found, damage = log.salvage(run, lines.events, lines.bodies)
        database = Witness(log.path.name, found, damage or log.doubt)
    return reconcile(database, _witness(lines), _report(folder)), lines


def _witness(lines: Lines) -> Witness:
    return Witness(journal_file.NAME, lines.events, lines.damage, lines.length)


def _promised(start: Event | None) -> bool:
    """Whether a run began with a journal; those of version 0.1 have none."""
    return isinstance(start, RunStarted) and start.journal is True


def _report(folder: Path) -> bytes:
    try:
        return read_regular(folder / "report.json")
    except OSError:
        return b""  # there is none yet, or it is damaged too; it only ever adds to what the others say


@dataclass(frozen=True, slots=True)
class Restored:
    """A run whose files agree again."""

    events: tuple[Event, ...]
    file: JournalFile
    notes: tuple[str, ...] = ()
    """What was wrong with them, for people; on record as warnings."""


def recover(log: Log, run: str, now: float) -> Restored:
    """Make both files of a run agree, with what was wrong among its warnings. For the process that holds its lock.

    Raises:
        StateError: they cannot be read or written, or the run was pruned meanwhile.
        UsageError: another process has the journal.
    """
    if not log.has(run):
        raise StateError(f"run {run} is not on record any more", hint="it was pruned meanwhile; nothing was changed")
    found, lines = _read(log, run)
    warnings = [Warned(now, note) for note in found.notes]
    events = [*found.events, *found.sealed, *warnings]
    start = events[0] if events else None
    if not isinstance(start, RunStarted):
        raise StateError(f"the record of run {run} is damaged: it does not begin with its start")
    if log.damage():  # found out once more, under the lock
        raise Damaged(f"the state file {log.path} is damaged", hint="`aftrun resume` again puts it in order")
    head = _head(log, run, lines)
    path = run_folder(log.path.parent, run) / journal_file.NAME
    whole = found.database_whole and found.journal_whole and not warnings
    if not whole:
        with contextlib.suppress(OSError):  # kept for people to look at, if that can be done
            if lines is not None and lines.damage:
                # A copy: whoever is killed here still has all that the other file may have lost.
                shutil.copyfile(path, path.with_name(f"{path.name}.damaged"))
        log.restore(start, events[1:], _stored(head), head.options)
        return Restored(tuple(events), JournalFile.make(path, head, enumerate(events)), found.notes)
    return Restored(tuple(events), JournalFile(path))


def _head(log: Log, run: str, lines: Lines | None) -> Head:
    """What a run is made from: from its journal, or else from the state file."""
    if lines is not None and lines.head is not None:
        return lines.head
    return Head(run, log.run(run).options, tuple((file.path, file.content) for file in log.files(run)))


def _stored(head: Head) -> list[StoredFile]:
    return [StoredFile(path, content) for path, content in head.files]


def open_record(
    state_dir: Path,
    say: Say,
    *,
    thorough: bool = False,
    create: bool = False,
    hurried: Callable[[], bool] = lambda: False,
) -> Log:
    """Open the record, putting it in order first where it is damaged or lacks what journals of runs hold.

    `thorough` reads all of the state file, to find damage that does not show at once. `create` makes a record where
    there is none. `hurried` is as for `Log`.

    Raises:
        StateError: it cannot be opened, or is damaged while somebody works on a run.
        UsageError: the folder is not this user's own.
    """
    state_folder.check(state_dir)
    folders = run_folders(state_dir)
    damage = ""
    doubt = _doubt(state_dir) if thorough else ""
    try:
        witnesses = (state_dir / once_file.NAME, *(folder / journal_file.NAME for folder in folders.values()))
        there = (state_dir / "state.db").exists() or any(path.exists() for path in witnesses)
        log = Log(state_dir, create=create or there, waiting=say, hurried=hurried)
        try:
            rows = log.runs()
            damage = log.damage() if thorough else ""
        except BaseException:
            log.close()
            raise
        if damage:
            log.close()
    except Damaged as error:
        damage = error.message
    if damage:
        log = _rebuild(state_dir, damage, say, hurried)
        rows = log.runs()
    log.doubt = doubt
    try:
        _recall(log, say)
        for run in sorted(folders.keys() - {row.id for row in rows}):
            path = folders[run] / journal_file.NAME
            if path.exists() and not held(path.parent):
                _import(log, path, say)
        for run in sorted(row.id for row in rows if row.id in folders and _may_have_gone_on(row)):
            if _is_behind(log, run):
                _catch_up(log, run, say)
    except BaseException:
        log.close()
        raise
    return log


def run_folders(state_dir: Path) -> dict[str, Path]:
    """The folders of runs, by their ids. There may be tens of thousands, so none is looked into.

    Raises:
        StateError: they cannot be listed. That is no reason to take them for none: their jobs would be sent again.
    """
    place = state_dir / "runs"
    try:
        names = os.listdir(place)  # noqa: PTH208  # a path for each would cost more than all the rest
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StateError(f"cannot read {place}: {error.strerror or error}", hint="make it readable") from error
    return {name: place / name for name in names if is_run_id(name)}


def _doubt(state_dir: Path) -> str:
    """What is wrong with the write-ahead log that a process which is gone has left; empty: nothing."""
    try:
        data = read_regular(state_dir / "state.db-wal")
    except OSError:
        return ""  # there is none, mostly; what cannot be read is SQLite's to say
    if any(held(folder) for folder in (state_dir / "runs").glob("*")):
        return ""  # it is being written
    return wal.damage(data)


def _rebuild(state_dir: Path, damage: str, say: Say, hurried: Callable[[], bool]) -> Log:
    """A new state file in place of a damaged one, which is kept beside it."""
    path = state_dir / "state.db"
    for folder in sorted((state_dir / "runs").glob("*")):
        if held(folder):
            raise Damaged(
                f"the state file {path} is damaged ({damage}), and run {folder.name} is under way",
                hint="wait until it has ended, and try again",
            )
    number = 1
    while (aside := path.with_name(f"state.db.damaged-{number}")).exists():
        number += 1
    try:
        for ending in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):  # there is not always a log
                path.with_name(path.name + ending).replace(aside.with_name(aside.name + ending))
    except OSError as error:
        raise StateError(f"cannot move {path} aside: {error.strerror or error}", hint="make it writable") from error
    say(f"warning: {damage}" if str(path) in damage else f"warning: the state file {path} is damaged: {damage}")
    say(f"  it is kept as {aside.name} and made anew from what can be read and from the journals of the runs")
    log = Log(state_dir, waiting=say, hurried=hurried)
    journals = {each.parent.name for each in (state_dir / "runs").glob(f"*/{journal_file.NAME}")}
    for row, events, files in Log.readable_runs(aside):
        start = events[0] if events else None
        if row.id not in journals and isinstance(start, RunStarted):
            log.restore(start, events[1:], files, row.options)
    log.keep_attempts(Log.readable_attempts(aside))
    return log


def _recall(log: Log, say: Say) -> None:
    """What pruned runs did of jobs with `once`, where the state file has been made anew, or is an older copy."""
    kept, bad = once_file.read(log.path.parent)
    if bad:
        say(f"warning: {bad} line{'' if bad == 1 else 's'} of {log.path.parent / once_file.NAME} cannot be read")
    if kept:
        known = log.attempts_known()
        news = [each for each in kept if known.get(each.once.identity) != (each.run, False)]
        if news:
            log.keep_attempts(news)


def _import(log: Log, path: Path, say: Say) -> None:
    """A run that only its journal knows."""
    run = path.parent.name
    lines = journal_file.read(path)
    if lines is None:
        return
    missing = Witness(log.path.name, {}, f"it does not hold run {run}")
    found = reconcile(missing, _witness(lines), _report(path.parent))
    events: Sequence[Event] = (*found.events, *found.sealed)
    start = events[0] if events else None
    if not isinstance(start, RunStarted) or start.run != run:
        ids = ", ".join(event.job_id for event in events if isinstance(event, Accepted)) or "none"
        say(f"warning: run {run} is not in {log.path}, and its journal cannot be read; ids that it names: {ids}")
        return
    head = lines.head or Head(run)
    log.restore(start, [*events[1:], *(Warned(start.at, note) for note in found.notes)], _stored(head), head.options)
    for note in found.notes:
        say(f"warning: run {run}: {note}")


def _may_have_gone_on(row: RunRow) -> bool:
    """Whether a run may have had events since it was as the state file has it: it had no end of its own then."""
    return row.ended_at is None or row.outcome in _NOT_FOR_GOOD


def _is_behind(log: Log, run: str) -> bool:
    """Whether the journal of a run knows more of it than the state file: that one is an older copy, or lost its log.

    Only the end of the journal is read, since this is asked at every start.
    """
    last = journal_file.last_number(run_folder(log.path.parent, run) / journal_file.NAME)
    return last is not None and last > log.last_number(run)


def _catch_up(log: Log, run: str, say: Say) -> None:
    """Take from its journal what the state file lacks of a run, so that jobs with `once` are known by it."""
    folder = run_folder(log.path.parent, run)
    try:
        lock = RunLock(folder, *process_name())
    except UnderWay:
        return  # who works on it has put it in order
    with lock:
        if not log.has(run) or not _is_behind(log, run):
            return
        found, lines = _read(log, run)
        start = found.events[0] if found.events else None
        if lines is None or not isinstance(start, RunStarted):
            return  # whoever reads this run says what is wrong with it
        head = _head(log, run, lines)
        notes = [Warned(start.at, note) for note in found.notes]
        log.restore(start, [*found.events[1:], *found.sealed, *notes], _stored(head), head.options)
    for note in found.notes:
        say(f"warning: run {run}: {note}")
