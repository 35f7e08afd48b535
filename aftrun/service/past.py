"""How runs on record, and their jobs over them, have fared: the record as the frozen data of `domain/past.py`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from aftrun.domain.errors import StateError, UsageError
from aftrun.domain.events import parse_instant
from aftrun.domain.frozen import replace
from aftrun.domain.jobnames import job_key, split_key
from aftrun.domain.past import WELL, End, JobPast, Past, RunPast
from aftrun.domain.past import gather as fold_past
from aftrun.domain.text import brief, did_you_mean
from aftrun.run.select import glob
from aftrun.run.store.database import Busy
from aftrun.run.store.folder import run_folder
from aftrun.run.store.record import Log
from aftrun.run.store.rows import RunRow

_BESIDE = 40
"""How many of its newest ends are looked at for what is usual of a job: some may be of later runs, or of a sandbox."""


def gather(log: Log, rows: Sequence[RunRow], manifest: str | None = None) -> Past:
    """How these runs, and their jobs over them, have fared; `manifest` leaves out the jobs of others that they had.

    Raises:
        StateError: the record cannot be read.
    """
    counts = log.counts()
    wanted = {row.id for row in rows}
    every = len(wanted) == len(counts) and wanted.issuperset(counts)
    bad: dict[str, list[str]] = {}
    ends: list[tuple[str, list[End]]] = []
    names = {row.id: row.manifests for row in rows}
    for job, found in log.ends():
        mine = found if every else [end for end in found if end.run in wanted]
        if manifest is None or job.startswith(job_key(manifest, "")):
            ends.append((job, mine))
        for end in mine:
            if end.outcome not in WELL or end.unknown_then:
                bad.setdefault(end.run, []).append(split_key(job, names[end.run])[1])
    runs = tuple(
        RunPast(
            id=row.id,
            started_at=parse_instant(row.started_at),
            ended_at=None if row.ended_at is None else parse_instant(row.ended_at),
            outcome=row.outcome,
            manifests=row.manifests,
            jobs=row.jobs,
            counts=counts.get(row.id, {}),
            bad=tuple(bad.get(row.id, ())),
            sandbox=bool(row.options.get("sandbox")),
            exit_code=row.exit_code,
            retry_of=retry_of if isinstance(retry_of := row.options.get("retry_of"), str) else None,
        )
        for row in reversed(rows)
    )
    past = fold_past(runs, ends, log.causes())
    if manifest is None:
        return past
    return replace(past, manifests=tuple(each for each in past.manifests if each.name == manifest))


def before(log: Log, run: str, keys: Iterable[str]) -> dict[str, JobPast]:
    """How these jobs fared in the runs before this one, of the same kind (against a sandbox, or not), by key.

    Raises:
        StateError: the record cannot be read.
    """
    rows = {row.id: row for row in log.runs()}
    this = rows.get(run)
    if this is None:
        return {}
    kind = bool(this.options.get("sandbox"))
    starts = {
        row.id: parse_instant(row.started_at)
        for row in rows.values()
        if row.started_at < this.started_at and bool(row.options.get("sandbox")) is kind
    }
    found = {}
    for key, ends in log.newest_ends(keys, _BESIDE).items():
        earlier = tuple(sorted((end for end in ends if end.run in starts), key=lambda end: (starts[end.run], end.run)))
        if earlier:
            manifest, name = split_key(key, this.manifests)
            found[key] = JobPast(manifest, name, earlier, starts, {}, kind)
    return found


def find_jobs(past: Past, wanted: str) -> list[JobPast]:
    """The jobs of that name, `manifest/job` or glob; a matrix job's name stands for all its copies.

    Raises:
        UsageError: none is so called.
    """
    jobs = [job for manifest in past.manifests for job in manifest.jobs]
    found = [job for job in jobs if wanted in (job.name, job.key)]
    found = found or [job for job in jobs if wanted in (job.name.partition("[")[0], job.key.partition("[")[0])]
    if not found:
        fits = glob(wanted)
        found = [job for job in jobs if fits(job.name) or fits(job.key)]
    if not found:
        guess = did_you_mean(wanted, {job.name for job in jobs})
        raise UsageError(
            f"no job {brief(wanted)!r} is on record in these runs", hint=guess or "`aftrun history '*'` lists them all"
        )
    return found


def links(state_dir: Path, runs: Sequence[RunPast], folder: Path) -> dict[str, str]:
    """Where the report of each run is, as an address relative to a folder: a page in its folder, else `report.json`."""
    found = {}
    for run in runs:
        mine = run_folder(state_dir, run.id)
        report = next((path for name in ("report.html", "report.json") if (path := mine / name).is_file()), None)
        if report is not None:
            found[run.id] = _address(report, folder)
    return found


def _address(path: Path, folder: Path) -> str:
    try:
        relative = Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive of Windows
        return path.absolute().as_uri()
    return quote(relative if relative.startswith("../") else f"./{relative}", errors="surrogateescape")


def rebuild(log: Log, say: Callable[[str], None]) -> int:
    """Make what `history` reads anew from the events of all runs; returns of how many. What cannot be read is said.

    Raises:
        StateError: the file cannot be written.
    """
    done = 0
    for row in log.runs():
        try:
            log.refold(row.id)
            done += 1
        except Busy:
            raise
        except StateError as error:
            say(f"warning: {error.message}")
    return done
