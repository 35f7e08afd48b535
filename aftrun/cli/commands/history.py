"""`aftrun history`: the runs on record, and how jobs have fared over them."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from aftrun.cli import complete, options
from aftrun.cli.boundary import Form, colour, emit, say
from aftrun.cli.choices import TableFormat
from aftrun.cli.flags import argument, flag
from aftrun.cli.running import duration
from aftrun.domain.errors import UsageError
from aftrun.domain.events import instant
from aftrun.domain.model import RunOutcome
from aftrun.domain.text import dumps
from aftrun.system.lines import record_flag
from aftrun.system.shell import command

if TYPE_CHECKING:
    from aftrun.domain.past import JobPast, Past
    from aftrun.run.store.record import Log


def since(last: str | None) -> str:
    """The instant that `--last` means; empty, which is before all others, without it."""
    return "" if last is None else instant(time.time() - (duration(last, "--last", zero=True) or 0.0))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def history(
    state: options.StateFlags,
    job: Annotated[
        str | None,
        argument(
            help="A job, manifest/job or glob: how it fared over the runs, instead of the runs.",
            metavar="JOB",
            complete=complete.past_jobs,
        ),
    ] = None,
    status: Annotated[
        list[RunOutcome] | None,
        flag("--status", help="Only runs with this outcome (repeatable).", many=RunOutcome),
    ] = None,
    last: options.Last = None,
    manifest: options.OfManifest = None,
    limit: Annotated[int, flag("--limit", "-n", help="Show at most so many, the newest first.", min=1)] = 20,
    form: Annotated[TableFormat, flag("--format", help="How to show them.")] = TableFormat.TABLE,
    report_html: Annotated[
        list[Path] | None,
        flag("--report-html", help="Write all this as one HTML page (repeatable).", metavar="PATH", many=Path),
    ] = None,
    prune: Annotated[
        str | None,
        flag("--prune", help="Forget runs that ended longer ago than this, such as 90d.", metavar="D"),
    ] = None,
    forget_once: Annotated[
        bool,
        flag("--forget-once", help="With --prune: forget also what jobs with `once` did, so that it is done again."),
    ] = False,
    rebuild: Annotated[
        bool, flag("--rebuild", help="Work out anew, from every event on record, what this command reads.")
    ] = False,
) -> int:
    """List past runs, the newest first, and how their jobs have fared. Nothing is ever forgotten but by --prune."""
    from aftrun.service import history as record
    from aftrun.service import past, which

    if not record.on_record(state.folder):
        # No history is a short history, not a mistake.
        if form is TableFormat.JSON and prune is None:
            emit("[]\n", Form.JSON)
        say(f"no run is on record in {state.folder}")
        return 0
    if forget_once and prune is None:
        raise UsageError("--forget-once goes with --prune", hint="say how old it must be: --prune 90d --forget-once")
    with record.open_log(state.folder, say) as log:
        if rebuild:
            number = past.rebuild(log, say)
            say(f"worked out anew from the events of {number} run{'' if number == 1 else 's'}")
        if prune is not None:
            return _prune(log, state.folder, prune, forget_once=forget_once)
        found = which.runs(log, since=since(last), manifest=manifest)
        rows = [row for row in found if not status or row.outcome in status]
        told = past.gather(log, rows, manifest)
    if report_html:
        return _write_pages(told, state.folder, report_html)
    jobs = past.find_jobs(told, job) if job is not None else None
    _show(told, jobs, limit, form)
    if jobs is not None and len(jobs) == 1 and jobs[0].unknown:
        line = command("aftrun", "settle", jobs[0].unknown[-1].run, jobs[0].key)
        say(f"when you know how it ended: {line} succeeded{record_flag(state.state_dir)} (or failed)")
    return 0


def _prune(log: Log, state_dir: Path, age: str, *, forget_once: bool) -> int:
    from aftrun.service import history as record

    before = instant(time.time() - (duration(age, "--prune", zero=True) or 0.0))
    done = record.prune(log, state_dir, before, forget_once=forget_once)
    say(f"forgot {_count(len(done.runs), 'run')} that ended before {before}")
    if done.forgotten:
        say(f"forgot {_count(done.forgotten, 'key')} of `once` too: what was done under them can be done again")
    if done.kept:
        keys = _count(done.kept, "key")
        say(f"kept {keys} of `once` of forgotten runs, so that what they did is not done again")
    return 0


def _write_pages(told: Past, state_dir: Path, places: list[Path]) -> int:
    """The page at each place, with links from there to the runs' reports."""
    from aftrun.cli.view.outputs import STDOUT, check_places  # only for this flag
    from aftrun.report import history as page
    from aftrun.service import past
    from aftrun.system.files import write_atomic

    check_places(places, state_dir)
    for place in places:
        folder = Path.cwd() if place == STDOUT else place.parent
        text = page.render(told, past.links(state_dir, told.runs, folder))
        if place == STDOUT:
            emit(text, Form.MARKUP)
        else:
            write_atomic(place, text)
            say(f"wrote {place}")
    return 0


def _show(told: Past, jobs: list[JobPast] | None, limit: int, form: TableFormat) -> None:
    """Runs, or these jobs, on standard output."""
    newest = told.runs[: -limit - 1 : -1]
    if form is not TableFormat.TABLE:
        from aftrun.report import past as data  # only for these formats

        if form is TableFormat.CSV:
            emit(data.runs_csv(newest) if jobs is None else data.ends_csv(jobs))
            return
        rows = list(map(data.run_data, newest)) if jobs is None else list(map(data.job_data, jobs))
        emit(dumps(rows) + "\n", Form.JSON)
        return
    from aftrun.cli.view import history as view  # only for this format

    painted, columns = colour(sys.stdout), max(80, shutil.get_terminal_size().columns)
    if jobs is None:
        text = view.runs(newest, colour=painted, columns=columns)
        if told.runs:
            text += "\n" + view.overview(told, limit, colour=painted, columns=columns)
    elif len(jobs) == 1:
        text = view.one_job(jobs[0], limit, colour=painted, columns=columns)
    else:
        text = view.several(jobs, colour=painted, columns=columns)
    emit(view.plain(text, sys.stdout.encoding))
    if jobs is None and len(told.runs) > limit:
        say(f"{len(told.runs) - limit} more runs: see --limit")
    if not told.runs:
        say("no run fits")
