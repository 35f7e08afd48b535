"""`settle`: puts on record what a person found out of a job whose end nobody saw."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Callable, Mapping
from pathlib import Path

from aftrun.domain import jobids
from aftrun.domain.errors import ExitCode, UnderWay, UsageError
from aftrun.domain.events import Settled
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.model import JobResult, Outcome, RunReport
from aftrun.domain.text import clean, did_you_mean, one_line
from aftrun.run.fold import ReportBuilder
from aftrun.run.policy import runs_on
from aftrun.run.ports import Clock
from aftrun.run.store.folder import run_folder
from aftrun.run.store.journal import RunJournal
from aftrun.run.store.lock import RunLock
from aftrun.run.store.record import Log
from aftrun.run.store.restore import recover
from aftrun.run.store.rows import RunRow, process_name
from aftrun.run.verdict import verdict
from aftrun.service import which
from aftrun.service.report_file import write_last
from aftrun.system.lines import about_run

LONGEST_NOTE = 2_000
"""Characters."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What has been put on record."""

    job: JobResult
    report: RunReport
    notes: tuple[str, ...] = ()
    """What was wrong with the record, and has been put right."""


def settle(
    log: Log,
    row: RunRow,
    name: str,
    outcome: Outcome,
    *,
    note: str,
    clock: Clock,
    say: Callable[[str], None],
    job_id: str | None = None,
) -> Settlement:
    """Put on record that a job succeeded or failed. Holds the run's lock meanwhile.

    Args:
        log: the record.
        row: the run.
        name: the job's name, or `manifest/job`.
        outcome: `succeeded` or `failed`.
        note: how that was found out, for people; may be empty.
        clock: tells when.
        say: hears what has to be said at once: that the report is open elsewhere.
        job_id: the id that the server gave it, for jobs that use it, where it is not on record.

    Raises:
        UnderWay: a process works on the run, or on another that follows the job.
        UsageError: the run has no such job, or the job's end was seen, or it was never sent.
        StateError: the record cannot be read or written.
    """
    pid, host = process_name()
    note = clean(note)
    if job_id is not None:
        jobids.checked(job_id)
    if len(note) > LONGEST_NOTE:
        raise UsageError(f"the note is longer than {LONGEST_NOTE} characters", hint="say where it stands")
    folder = run_folder(log.path.parent, row.id)
    with RunLock(folder, pid, host) as lock:
        restored = recover(log, row.id, clock.now())
        with contextlib.closing(restored.file):
            builder = ReportBuilder(restored.events)
            job = find(builder.jobs(), name, row.id, log.path.parent)
            check(job, row.id, log.path.parent)
            _must_not_be_followed(log, row, job)
            known = job.newest_id
            if job_id is not None and known is not None and _other(job_id, known):
                raise UsageError(f"job {one_line(job.name)} of run {row.id} has the id {known} on record")
            # What is said last counts, also where the clock was set back meanwhile.
            at = max(clock.now(), 0.0 if job.settled is None else job.settled.at + 0.001)
            event = Settled(round(at, 3), job.key, outcome, one_line(f"{_user()}@{host}", 200), note, job_id)
            if row.ended_at is not None and row.outcome not in which.GOES_ON:
                end = verdict(ReportBuilder([*restored.events, event]).jobs().values())
                event = replace(event, run_outcome=end.outcome, exit_code=int(end.exit_code))
            RunJournal(log, row.id, restored.file, checks=(lock.check,)).append([event])
            builder.feed(event)
            write_last(folder / "report.json", builder.report(), say)
    return Settlement(builder.job(job.key), builder.report(), restored.notes)


def find(jobs: Mapping[str, JobResult], name: str, run: str, state_dir: Path) -> JobResult:
    """The job of that name or key, in a run that is on record in `state_dir`.

    Raises:
        UsageError: there is none, or several.
    """
    found = [job for key, job in jobs.items() if name in (key, job.name)]
    if len(found) == 1:
        return found[0]
    if found:
        keys = ", ".join(one_line(job.key) for job in found)
        raise UsageError(f"run {run} has several jobs of that name: {keys}", hint="give manifest/job")
    hint = (
        did_you_mean(name, [job.name for job in jobs.values()]) or f"`{about_run('show', run, state_dir)}` lists them"
    )
    raise UsageError(f"run {run} has no job {one_line(name)!r}", hint=hint)


def check(job: JobResult, run: str, state_dir: Path) -> None:
    """Make sure that there is something to settle: nobody saw how the job ended.

    Raises:
        UsageError: somebody did, or it was never sent.
    """
    if job.settled is not None or runs_on(job.outcome):
        return
    if job.outcome is None and job.phase in ("submitting", "accepted", "running"):
        return
    name = one_line(job.name)
    if job.outcome is None:
        raise UsageError(
            f"job {name} of run {run} is not on the server, so there is nothing to find out",
            hint=f"go on with the run: {about_run('resume', run, state_dir)}",
        )
    if job.outcome is Outcome.SKIPPED:
        raise UsageError(f"job {name} of run {run} was skipped: it was never sent, so there is nothing to settle")
    raise UsageError(
        f"job {name} of run {run} ended, and that was seen: {job.outcome.value}",
        hint="only what nobody saw can be settled; what failed is run again by `apply` or `aftrun retry`",
    )


def _must_not_be_followed(log: Log, row: RunRow, job: JobResult) -> None:
    """Refuse to settle a job that another run is about to tell the end of: who says "failed" would have it sent twice.

    Raises:
        UnderWay: there is such a run.
    """
    submission = (row.id, job.attempts[-1].number) if job.attempts else (row.id, 1)
    if job.earlier is not None:
        submission = (job.earlier.run, job.earlier.attempt)
    for other in log.runs(open_or=()):
        who = which.worker(log, other) if other.id != row.id else None
        if who is None:
            continue
        for each in ReportBuilder(log.events(other.id)).jobs().values():
            goes_by = each.earlier is not None and (each.earlier.run, each.earlier.attempt) == submission
            if goes_by and each.outcome is None:
                raise UnderWay(
                    f"job {one_line(job.name)} is being followed to its end by run {other.id}, on which {who} works",
                    hint=f"wait for what it sees: {about_run('watch', other.id, log.path.parent)}",
                )


def _other(one: str, two: str) -> bool:
    return jobids.canonical(one) != jobids.canonical(two)


def code_of(report: RunReport) -> ExitCode | None:
    """The exit code of a run, with what people have settled since; None while it has not ended."""
    code = report.exit_code if report.settled is None else report.settled[1]
    return None if code is None else ExitCode(code)


def _user() -> str:
    """Who is at the keyboard, as far as the system tells."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return "somebody"  # a container's user may have no name
