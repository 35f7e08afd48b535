"""`aftrun show`: one run on record, job by job."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

from aftrun.cli import options, serverflags
from aftrun.cli.boundary import Form, colour, emit, say
from aftrun.cli.choices import ListFormat
from aftrun.cli.commands.history import since
from aftrun.cli.flags import flag
from aftrun.domain.digits import exact_json, has_digits
from aftrun.domain.errors import ExitCode
from aftrun.domain.frozen import replace
from aftrun.domain.model import Json, Outcome, RunReport, State
from aftrun.domain.text import dumps, escaped_json
from aftrun.system.lines import about_run, record_flag
from aftrun.system.shell import command

_BEFORE = 10
"""How many earlier ends of each job are shown."""


def show(
    state: options.StateFlags,
    run: options.Run = None,
    status: Annotated[
        list[Outcome] | None,
        flag("--status", help="Only jobs with this outcome (repeatable).", many=Outcome),
    ] = None,
    last: options.Last = None,
    manifest: options.OfManifest = None,
    job_info_from: serverflags.JobInfoFrom = None,
    form: Annotated[ListFormat, flag("--format", help="How to show it.")] = ListFormat.TABLE,
    exit_status: Annotated[
        bool, flag("--exit-status", help="Exit with the run's code, with what was settled since; 75 if it has no end.")
    ] = False,
) -> int:
    """Show one run, job by job, with each job's time beside its usual one."""
    from aftrun.report import json as json_report
    from aftrun.service import history as past
    from aftrun.service import past as nights
    from aftrun.service import which
    from aftrun.service.settle import code_of

    with past.open_log(state.folder, say) as log:
        row = which.find(which.runs(log, since=since(last), manifest=manifest), run)
        found = past.read(log, row)
        open_still = which.can_go_on(log, row)
        keys = [header.key for header in found.start.jobs]
        usual = past.medians(log, keys, but=found.row.id, sandbox=found.options.sandbox)
        before = nights.before(log, found.row.id, keys)
    ended = code_of(found.report)
    code = int(ExitCode.UNDER_WAY if ended is None else ended) if exit_status else 0
    report = found.report if row.ended_at is not None else replace(found.report, outcome=row.outcome)
    if status:
        report = replace(report, jobs=tuple(job for job in report.jobs if job.outcome in status))
    learned = readings(report, job_info_from)
    if form is ListFormat.JSON:
        data = json_report.to_data(report)
        ends: dict[str, Json] = {key: [end.outcome for end in job.ends[-_BEFORE:]] for key, job in before.items()}
        more: dict[str, Json] = {} if job_info_from is None else {"learned": {**learned}}
        data = {**data, "usualSeconds": dict(usual), "before": ends, **more}
        exact = any(has_digits(job.request) for job in report.jobs)
        text = escaped_json(exact_json(data, indent=2, ensure_ascii=False)) if exact else dumps(data)
        emit(f"{text}\n", Form.JSON)
        return code
    from aftrun.cli.view import table  # only for this format
    from aftrun.cli.view.history import plain

    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    emit(table.details(report) + "\n")
    strips = {key: job.strip[-_BEFORE:] for key, job in before.items()}
    text = table.render(report, colour=colour(sys.stdout), columns=columns, usual=usual, strips=strips)
    emit(plain(text, sys.stdout.encoding))
    if open_still:
        say(f"it has not come to its end; go on with it: {about_run('resume', found.row.id, state.state_dir)}")
    for name, reading in learned.items():
        say(f"{name}: by {job_info_from}, {reading}")
    if learned:
        line = command("aftrun", "resume", found.row.id, "--job-info-from", str(job_info_from))
        line += record_flag(state.state_dir)
        say(f"read what has no end yet again, with nothing submitted: {line}")
    return code


def readings(report: RunReport, path: Path | None) -> dict[str, str]:
    """How the last words of jobs without a known end read by a file of words, by job."""
    if path is None:
        return {}
    from aftrun.client.jobinfo.words import Words  # only for this flag

    mappings = serverflags.job_info_from(path)
    servers = {name: f" on {name or 'any other server'}" if len(mappings) > 1 else "" for name in mappings}
    found = {}
    for job in report.jobs:
        words = job.attempts[-1].words if job.attempts else ()
        if words and job.outcome in (None, Outcome.UNKNOWN):
            states = {name: Words(mapping).state(words[-1].word) for name, mapping in mappings.items()}
            read = [f"{state.value}{servers[name]}" for name, state in states.items() if state is not State.UNLISTED]
            if read:
                found[job.key] = f"{words[-1].word!r} reads as {', '.join(read)}"
    return found
