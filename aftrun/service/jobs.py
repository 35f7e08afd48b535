"""A job on a server that a run on record started: where it is, how it is read, what was seen of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from aftrun.domain.errors import UsageError
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Attempt, JobResult, Manifest, SeenWord, ServerSpec
from aftrun.run import sightings
from aftrun.run.store.restore import open_record
from aftrun.service import history, which
from aftrun.service.history import PastRun
from aftrun.service.prepare import prepare
from aftrun.system.lines import about_run


@dataclass(frozen=True, slots=True)
class KnownJob:
    """One job of a run on record, by the id that the server gave it."""

    past: PastRun
    job: JobResult
    attempt: Attempt
    state_dir: Path
    """Where that is on record."""

    @property
    def run(self) -> str:
        """The run's id."""
        return self.past.row.id


def find(state_dir: Path, job_id: str) -> KnownJob | None:
    """The job of that id in the newest run that was given it; None where there is none.

    Raises:
        StateError: the record cannot be read.
    """
    if not history.on_record(state_dir):
        return None
    with open_record(state_dir, lambda _: None) as log:
        rows = {row.id: row for row in log.runs()}
        for run in filter(rows.__contains__, log.accepted(job_id)):
            past = history.read(log, which.as_it_is(rows[run], state_dir))
            for job in past.report.jobs:
                for attempt in reversed(job.attempts):
                    if attempt.job_id == job_id:
                        return KnownJob(past, job, attempt, state_dir)
    return None


def manifests_of(state_dir: Path, run: str, environ: Mapping[str, str]) -> tuple[Manifest, ...]:
    """The manifests of a run as it saw them, from its own copy, values from outside not yet filled in.

    Raises:
        ManifestError: they cannot be loaded any more.
        StateError: the record cannot be read.
    """
    with open_record(state_dir, lambda _: None) as log:
        past = history.read(log, log.run(run))
        stored = history.kept_files(log, past)
    return prepare(history.load_kept(stored, past.options, environ).manifests, past.options)


def server_of(known: KnownJob, manifests: Sequence[Manifest]) -> ServerSpec:
    """The server that the job is on.

    Raises:
        UsageError: it was a sandbox, which ended with its run.
    """
    if known.past.options.sandbox:
        raise UsageError(
            f"job {known.attempt.job_id} of run {known.run} was on a sandbox, which ended with its run",
            hint=f"`{about_run('show', known.run, known.state_dir)}` shows what was seen of it",
        )
    return spec_of(known, manifests)


def spec_of(known: KnownJob, manifests: Sequence[Manifest]) -> ServerSpec:
    """The server that the job is on as its manifest describes it, also where it ran in a sandbox in its place."""
    manifest = next(each for each in manifests if each.name == known.job.manifest)
    job = next(each for each in manifest.jobs if each.name == known.job.name)
    return manifest.server(job.server)


def passed_words(known: KnownJob | None, words: Sequence[SeenWord] = ()) -> frozenset[str]:
    """Words (as `normal` makes them) that others followed, in any job of the run on the same server, or in `words`.

    None of them is an end.
    """
    found = set(sightings.followed(words))
    for job in known.past.report.jobs if known is not None else ():
        for attempt in job.attempts if known is not None and job.server == known.job.server else ():
            found |= sightings.followed(attempt.words)
    return frozenset(found)


__all__ = ["KnownJob", "find", "manifests_of", "passed_words", "server_of", "spec_of"]
