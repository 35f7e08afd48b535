"""The jobs of a run that was cut off are read once each, and ends that this shows are put on its record."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from aftrun.domain.events import Event, JobEnded, RunEnded
from aftrun.domain.model import JobResult, Reply
from aftrun.run.active_job import ActiveJob
from aftrun.run.admission import open_jobs
from aftrun.run.fold import ReportBuilder
from aftrun.run.pins import Elsewhere
from aftrun.run.policy import Blind, Going
from aftrun.run.pool import ThreadPool
from aftrun.run.ports import Clock, JobApi, Ticket
from aftrun.run.store.folder import run_folder
from aftrun.run.store.journal import RunJournal
from aftrun.run.store.lock import RunLock
from aftrun.run.store.record import Log
from aftrun.run.store.restore import recover
from aftrun.run.store.rows import process_name
from aftrun.run.verdict import verdict
from aftrun.service.clients import close_all, open_clients, where_accepted
from aftrun.service.execution import make_steps, pool_size
from aftrun.service.history import PastRun, resume_setup
from aftrun.service.prepare import PreparedRun
from aftrun.service.recording import moved_jobs
from aftrun.service.report_file import write_last


def put_ends_on_record(
    log: Log,
    past: PastRun,
    wanted: Collection[str],
    environ: Mapping[str, str],
    *,
    clock: Clock,
    say: Callable[[str], None],
) -> dict[str, str]:
    """Read those of its open jobs that are wanted (keys) and have an id. Only an end that is seen is put on record.

    The servers and values are those that a resume of the run would go by. Returns what was seen of the others, in
    words, by key.

    Raises:
        AftrunError: the run cannot be resumed as things are, so that nothing was read.
        UnderWay: somebody else works on the run.
    """
    setup = resume_setup(log, past, environ)
    for text in setup.warnings():
        say(f"warning: {text}")
    run = past.row.id
    folder = run_folder(log.path.parent, run)
    with RunLock(folder, *process_name()) as lock:
        log.take_up(run)
        restored = recover(log, run, clock.now())
        with contextlib.closing(restored.file):
            for note in restored.notes:
                say(f"warning: run {run}: {note}")
            builder = ReportBuilder(restored.events)
            found = open_jobs(tuple(builder.jobs().values()), wanted)
            moved = moved_jobs(setup, restored.events, log.path.parent)
            events, others = _ends(setup, moved, builder.jobs(), [key for key in found if found[key].job_id], clock)
            for event in events:
                builder.feed(event)
            if not events:
                return others
            jobs = builder.jobs().values()
            if builder.report().ended_at is None and all(job.outcome is not None for job in jobs):
                end = verdict(jobs)
                over = RunEnded(clock.now(), end.outcome, int(end.exit_code))
                builder.feed(over)
                events.append(over)
            RunJournal(log, run, restored.file, checks=(lock.check,)).append(events)
            write_last(folder / "report.json", builder.report(), say)
            return others


def _ends(
    setup: PreparedRun, moved: Sequence[Elsewhere], jobs: Mapping[str, JobResult], wanted: Sequence[str], clock: Clock
) -> tuple[list[Event], dict[str, str]]:
    """What follows from reading these jobs, each where it was accepted; and what was seen of those that go on."""
    tasks = {task.key: task for task in setup.plan.tasks}
    nowhere = {each.job for each in moved if each.url is None}
    steps = make_steps(setup, clock)
    active = {key: ActiveJob(task) for key, task in tasks.items()}
    for key, seen in jobs.items():
        steps.recall(active[key], seen)
    # One whose id another job has, too, or that nobody waits for, is for a resume to judge.
    reads = [active[key] for key in wanted if key not in nowhere and steps.adopt(active[key], jobs[key]).end is None]
    events: list[Event] = []
    others: dict[str, str] = {}
    pool = ThreadPool(pool_size(setup.plan))
    clients = where_accepted(setup, open_clients(setup, pool.size), moved)
    try:
        for each, reply in _read(pool, clients, reads):
            found, key = steps.read_once(each, reply), each.task.key
            if isinstance(found, Going):
                others[key] = f"and is {found.info.status or found.info.state.value} now"
            elif isinstance(found, Blind):
                others[key] = f"and cannot be read: {setup.scrubber.scrub(found.message).partition(chr(10))[0]}"
            else:
                events += found.events
                if found.end is not None:
                    end, lasted = found.end, None if each.lasted is None else round(each.lasted, 3)
                    events.append(JobEnded(clock.now(), key, end.outcome, end.reason, end.message, lasted))
    finally:
        pool.close()
        close_all(clients)
    return events, others


def _read(pool: ThreadPool, clients: Sequence[JobApi], jobs: Sequence[ActiveJob]) -> list[tuple[ActiveJob, Reply]]:
    """The answer about each job, as many at once as there are threads; none where the request could not be made."""
    waiting = list(reversed(jobs))
    by_index = {each.task.index: each for each in jobs}
    found: list[tuple[ActiveJob, Reply]] = []
    under_way = 0
    while waiting or under_way:
        while waiting and under_way < pool.size:
            each = waiting.pop()
            pool.start(Ticket(each.task.index, submits=False), partial(clients[each.task.server].status, each.job_id))
            under_way += 1
        for ticket, reply in pool.wait(None):
            under_way -= 1
            if not isinstance(reply, BaseException):
                found.append((by_index[ticket.index], reply))
    return found
