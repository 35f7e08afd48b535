"""Which run a command is about: one rule for `resume`, `retry`, `settle`, `watch`, `show`, `report`, `history` and TAB.

What a run is counted as depends on its record and on its lock: one that has no end on record is *running* while a
process holds its lock, and *stopped* (it was killed) when none does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aftrun.domain.errors import UnderWay, UsageError
from aftrun.domain.frozen import replace
from aftrun.domain.model import RunOutcome
from aftrun.run.store.folder import run_folder
from aftrun.run.store.lock import holder
from aftrun.run.store.record import Log
from aftrun.run.store.rows import RunRow
from aftrun.system.lines import about_run

GOES_ON = frozenset({RunOutcome.INTERRUPTED, RunOutcome.ERROR, RunOutcome.STATE_ERROR, RunOutcome.STOPPED})
"""What a run is counted as that came to no end of its own, so that `resume` can go on with it."""


def worker(log: Log, row: RunRow) -> str | None:
    """Who works on the run, for people: `process 12 on box`. None: nobody does."""
    return holder(run_folder(log.path.parent, row.id))


def is_held(state_dir: Path, run: str) -> bool:
    """Whether a process works on the run of that id."""
    return holder(run_folder(state_dir, run)) is not None


def as_it_is(row: RunRow, state_dir: Path) -> RunRow:
    """The row, with `stopped` for a run that has not ended and that nobody works on any more."""
    if row.ended_at is not None or holder(run_folder(state_dir, row.id)) is not None:
        return row
    return replace(row, outcome=RunOutcome.STOPPED)


def runs(log: Log, *, since: str = "", manifest: str | None = None, limit: int | None = None) -> list[RunRow]:
    """The runs on record as they are, the newest first.

    Args:
        log: the record.
        since: only runs that started at this RFC 3339 instant (UTC) or later.
        manifest: only runs of the manifest of this name.
        limit: at most so many.
    """
    rows = [row for row in log.runs() if row.started_at >= since and (manifest is None or manifest in row.manifests)]
    return [as_it_is(row, log.path.parent) for row in rows[:limit]]


def can_go_on(log: Log, row: RunRow) -> bool:
    """Whether `resume` takes it: it came to no end of its own, and nothing has taken its place.

    A sandbox ended with its run. What is left of a run that was retried is the retry's to do.
    """
    if row.outcome not in GOES_ON or row.options.get("sandbox") or log.retried(row.id) is not None:
        return False
    try:
        log.must_have_its_place(row.id)
    except UsageError:
        return False
    return True


def can_be_retried(_: Log, row: RunRow) -> bool:
    """Whether `retry` takes it: it has ended, and not well."""
    return row.outcome not in (RunOutcome.SUCCEEDED, RunOutcome.RUNNING, RunOutcome.STOPPED)


def is_alive(_: Log, row: RunRow) -> bool:
    """Whether a process works on it, so that there is something to watch."""
    return row.outcome == RunOutcome.RUNNING


def find(rows: Sequence[RunRow], wanted: str | None) -> RunRow:
    """The run of that id, or of the only id that begins so; the newest without one.

    Raises:
        UsageError: there is no such run, or several.
    """
    if not rows:
        raise UsageError("no such run is on record here", hint="`aftrun history` lists them; --state-dir says where")
    if wanted is None:
        return rows[0]
    found = [row for row in rows if row.id == wanted] or [row for row in rows if row.id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"no run {wanted} is on record here", hint="`aftrun history` lists them")
    ids = ", ".join(row.id for row in found[:5])
    raise UsageError(f"{wanted} stands for several runs: {ids}", hint="give more of the id")


def to_resume(log: Log, wanted: str | None) -> RunRow:
    """The run to go on with: the one that is named, else the newest that came to no end and that nobody works on.

    Where there is none such, it is the newest of all, whose report may be behind, or whose jobs may be unknown.

    Raises:
        UnderWay: a process works on it.
        UsageError: there is no such run, or several.
    """
    rows = runs(log)
    if wanted is None:
        free = (row for row in rows if can_go_on(log, row) and worker(log, row) is None)
        found = next(free, None)
        if found is not None:
            return found
    return _idle(log, find(rows, wanted))


def to_retry(log: Log, wanted: str | None) -> RunRow:
    """The run whose jobs to run again: the one that is named, else the newest.

    Raises:
        UnderWay: a process works on it.
        UsageError: there is no such run, or several, or it was cut off and has to be resumed.
    """
    row = _idle(log, find(runs(log), wanted))
    if row.outcome == RunOutcome.STOPPED:
        raise UsageError(
            f"run {row.id} was cut off, so it has not ended",
            hint=f"resume it first: {about_run('resume', row.id, log.path.parent)}",
        )
    return row


def to_settle(log: Log, wanted: str) -> RunRow:
    """The run of which a person has found something out.

    Raises:
        UnderWay: a process works on it.
        UsageError: there is no such run, or several.
    """
    return _idle(log, find(runs(log), wanted))


def to_watch(log: Log, wanted: str | None) -> RunRow:
    """The run to follow: the one that is named, else the one that a process works on.

    Raises:
        UsageError: there is no such run, or several.
    """
    rows = runs(log)
    if wanted is not None:
        return find(rows, wanted)
    alive = [row for row in rows if is_alive(log, row)]
    if len(alive) == 1:
        return alive[0]
    if not alive:
        raise UsageError(
            f"no run is under way in {log.path.parent}",
            hint="`aftrun show` shows the newest; `aftrun watch RUN` tells how a certain one ended",
        )
    names = ", ".join(f"{row.id} ({', '.join(row.manifests)})" for row in alive[:5])
    raise UsageError(
        f"{len(alive)} runs are under way: {names}{', …' if len(alive) > 5 else ''}",
        hint=f"say which one, for example: {about_run('watch', alive[0].id, log.path.parent)}",
    )


def _idle(log: Log, row: RunRow) -> RunRow:
    """The row, if nobody works on its run."""
    who = worker(log, row)
    if who is not None:
        raise UnderWay(
            f"run {row.id} is under way: {who} works on it",
            hint=f"follow it: {about_run('watch', row.id, log.path.parent)}",
        )
    return row
