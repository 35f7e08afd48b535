"""`aftrun resume`, `retry`, `history` and `show`: runs that are on record."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from aftrun.cli import options
from aftrun.cli.boundary import colour, emit, report_failure, say
from aftrun.cli.flags import Argument
from aftrun.cli.running import Ending, carry_out, conclude, duration, sandbox_for
from aftrun.cli.watching import View
from aftrun.cli.words import DEFAULT_STATE_DIR, Output
from aftrun.errors import ExitCode, UsageError
from aftrun.events import instant
from aftrun.model import Outcome

if TYPE_CHECKING:
    from aftrun.model import Json
    from aftrun.options import RunOptions
    from aftrun.run.log import RunRow

Run = Annotated[
    str | None,
    Argument(help="The run's id, or enough of its beginning; the newest run without one.", metavar="RUN"),
]


class ListFormat(StrEnum):
    """How a list is shown."""

    TABLE = "table"
    JSON = "json"


Last = Annotated[
    str | None, options.option("--last", help="Only runs started within this time, such as 7d.", metavar="D")
]
OfManifest = Annotated[
    str | None, options.option("--manifest", help="Only runs of the manifest of this name.", metavar="NAME")
]


def _chosen(rows: Iterable[RunRow], last: str | None, manifest: str | None) -> list[RunRow]:
    """The runs that fit both filters."""
    since = "" if last is None else instant(time.time() - (duration(last, "--last") or 0.0))
    return [row for row in rows if row.started_at >= since and (manifest is None or manifest in row.manifests)]


def _with_tls(kept: RunOptions, cacert: Path | None, fingerprint: list[str] | None) -> RunOptions:
    """The run's options with another way to verify the certificate, which may have been renewed since."""
    if cacert is None and not fingerprint:
        return kept
    ca_file = str(cacert.absolute()) if cacert else None
    return replace(kept, ca_file=ca_file, fingerprints=tuple(fingerprint or ()), insecure=False)


def resume(
    run: Run = None,
    env_file: options.EnvFiles = None,
    state_dir: options.StateDir = DEFAULT_STATE_DIR,
    cacert: options.CaCert = None,
    fingerprint: options.Fingerprint = None,
    report_json: options.ReportJson = None,
    report_junit: options.ReportJunit = None,
    report_html: options.ReportHtml = None,
    report_markdown: options.ReportMarkdown = None,
    report_tap: options.ReportTap = None,
    events: options.Events = None,
    metrics_textfile: options.MetricsTextfile = None,
    ci: options.CiServer = None,
    output: options.OutputFormat = Output.TABLE,
    no_progress: options.NoProgress = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_exit_status: options.NoExitStatus = False,
) -> int:
    """Take up a run that was interrupted or killed.

    Jobs that have ended keep their outcome, accepted ones are watched, the rest run. A job whose request was under
    way when aftrun died is `unknown`, since it may have been created: nothing is ever submitted twice. The manifests
    are those of the run's beginning, kept with it; secrets come from the environment again.
    """
    from aftrun import past  # noqa: PLC0415  # with the rest of the machinery
    from aftrun.manifest.envfile import with_env_files  # noqa: PLC0415  # the same

    reports = options.report_paths(report_json, report_junit, report_html, report_markdown, report_tap)
    ending = Ending(options.output_beside(events, output), reports, no_exit_status, metrics_textfile)
    view = View(quiet, no_progress, verbose, events, ci)
    environ = with_env_files(os.environ, env_file or ())
    with past.open_log(state_dir, say, thorough=True) as log:
        rows = log.runs()
        open_rows = [row for row in rows if row.ended_at is None or row.outcome == "interrupted"]
        row = past.find(rows if run is not None or not open_rows else open_rows, run)
        found = past.read(log, row)
        ended = past.unreported(found, state_dir)
        if ended is not None:
            say(f"run {row.id} had ended, but was killed before its report said so; the report is up to date now")
            return conclude(ended, ending)
        found = replace(found, options=_with_tls(found.options, cacert, fingerprint))
        setup = past.resume_setup(log, found, environ)
    return carry_out(setup, state_dir, view, ending, resume=True)


def retry(
    run: Run = None,
    include_unknown: Annotated[
        bool,
        options.option("--include-unknown", help="Run again also jobs that may have run, or be running still, unseen."),
    ] = False,
    env_file: options.EnvFiles = None,
    state_dir: options.StateDir = DEFAULT_STATE_DIR,
    cacert: options.CaCert = None,
    fingerprint: options.Fingerprint = None,
    report_json: options.ReportJson = None,
    report_junit: options.ReportJunit = None,
    report_html: options.ReportHtml = None,
    report_markdown: options.ReportMarkdown = None,
    report_tap: options.ReportTap = None,
    events: options.Events = None,
    metrics_textfile: options.MetricsTextfile = None,
    ci: options.CiServer = None,
    output: options.OutputFormat = Output.TABLE,
    no_progress: options.NoProgress = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_exit_status: options.NoExitStatus = False,
) -> int:
    """Start a new run of just the jobs that did not succeed, and of those that need them.

    The manifests are those of the old run, kept with it; ids and outputs of jobs that succeeded are at hand for
    those that need them.
    """
    from aftrun import past  # noqa: PLC0415  # with the rest of the machinery
    from aftrun.manifest.envfile import with_env_files  # noqa: PLC0415  # the same

    reports = options.report_paths(report_json, report_junit, report_html, report_markdown, report_tap)
    ending = Ending(options.output_beside(events, output), reports, no_exit_status, metrics_textfile)
    view = View(quiet, no_progress, verbose, events, ci)
    environ = with_env_files(os.environ, env_file or ())
    with past.open_log(state_dir, say, thorough=True) as log:
        found = past.read(log, past.find(log.runs(), run))
        if found.row.ended_at is None:
            raise UsageError(
                f"run {found.row.id} has not ended", hint=f"take it up first: aftrun resume {found.row.id}"
            )
        chosen = _with_tls(past.retry_options(found, include_unknown=include_unknown), cacert, fingerprint)
        with sandbox_for(chosen.sandbox) as server:
            setup, stored = past.retry_setup(log, found, chosen, environ, server)
            if not quiet:
                say(f"retry of run {found.row.id}: {len(chosen.only)} of {len(found.report.jobs)} jobs")
            code = carry_out(setup, state_dir, view, ending, files=stored)
    return code


def _row_data(row: RunRow, counts: dict[str, int]) -> dict[str, Json]:
    retry_of = row.options.get("retry_of")
    return {
        "id": row.id,
        "startedAt": row.started_at,
        "endedAt": row.ended_at,
        "outcome": row.outcome,
        "exitCode": row.exit_code,
        "manifests": list(row.manifests),
        "jobs": row.jobs,
        "counts": dict(counts),
        "retryOf": retry_of if isinstance(retry_of, str) else None,
        "sandbox": bool(row.options.get("sandbox")),
    }


def history(
    status: Annotated[
        list[str] | None,
        options.option("--status", help="Only runs with this outcome (repeatable).", metavar="OUTCOME", many=str),
    ] = None,
    last: Last = None,
    manifest: OfManifest = None,
    limit: Annotated[int, options.option("--limit", "-n", help="At most so many, the newest first.", min=1)] = 20,
    form: Annotated[ListFormat, options.option("--format", help="How to show them.")] = ListFormat.TABLE,
    prune: Annotated[
        str | None,
        options.option("--prune", help="Forget runs that ended longer ago than this, such as 90d.", metavar="D"),
    ] = None,
    state_dir: options.StateDir = DEFAULT_STATE_DIR,
) -> int:
    """List past runs, the newest first. Nothing is ever forgotten but by --prune."""
    from aftrun import past  # noqa: PLC0415  # with the rest of the machinery
    from aftrun.run.verdict import NAMES  # noqa: PLC0415  # the same

    known = {*NAMES.values(), "running", "stopped"}
    if strange := [each for each in status or () if each not in known]:
        raise UsageError(f"--status {strange[0]}: no run ends so", hint=f"one of {', '.join(sorted(known))}")
    if not past.on_record(state_dir):
        # No history is a short history, not a mistake.
        if form is ListFormat.JSON and prune is None:
            emit("[]\n")
        say(f"no run is on record in {state_dir}")
        return 0
    with past.open_log(state_dir, say) as log:
        if prune is not None:
            before = instant(time.time() - (duration(prune, "--prune") or 0.0))
            gone = past.prune(log, state_dir, before)
            say(f"forgot {len(gone)} run{'' if len(gone) == 1 else 's'} that ended before {before}")
            return 0
        rows = [
            row
            for row in (past.as_it_is(each, state_dir) for each in _chosen(log.runs(), last, manifest))
            if not status or row.outcome in status
        ]
        counts = log.counts()
    shown = rows[:limit]
    if form is ListFormat.JSON:
        data = [_row_data(row, counts.get(row.id, {})) for row in shown]
        emit(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        return 0
    from aftrun.cli import table  # noqa: PLC0415  # only for this format

    emit(table.history(shown, counts, colour=colour(sys.stdout)))
    if len(rows) > limit:
        say(f"{len(rows) - limit} more: see --limit")
    if not rows:
        say("no run fits")
    return 0


def show(
    run: Run = None,
    status: Annotated[
        list[Outcome] | None,
        options.option("--status", help="Only jobs with this outcome (repeatable).", many=Outcome),
    ] = None,
    last: Last = None,
    manifest: OfManifest = None,
    form: Annotated[ListFormat, options.option("--format", help="How to show it.")] = ListFormat.TABLE,
    state_dir: options.StateDir = DEFAULT_STATE_DIR,
) -> int:
    """Show one run, job by job, with each job's time beside its usual one."""
    from aftrun import past  # noqa: PLC0415  # with the rest of the machinery
    from aftrun.report import json as json_report  # noqa: PLC0415  # the same

    with past.open_log(state_dir, say) as log:
        row = past.as_it_is(past.find(_chosen(log.runs(), last, manifest), run), state_dir)
        found = past.read(log, row)
        keys = [header.key for header in found.start.jobs]
        usual = past.medians(log, keys, but=found.row.id, sandbox=found.options.sandbox)
    report = found.report if row.ended_at is not None else replace(found.report, outcome=row.outcome)
    if status:
        report = replace(report, jobs=tuple(job for job in report.jobs if job.outcome in status))
    if form is ListFormat.JSON:
        data = json_report.to_data(report)
        emit(json.dumps({**data, "usualSeconds": dict(usual)}, indent=2, ensure_ascii=False) + "\n")
        return 0
    from aftrun.cli import table  # noqa: PLC0415  # only for this format

    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    emit(table.details(report) + "\n")
    emit(table.render(report, colour=colour(sys.stdout), columns=columns, usual=usual))
    if found.row.outcome in ("stopped", *past.GOES_ON) and not found.options.sandbox:
        say(f"it has not come to its end; take it up again with: aftrun resume {found.row.id}")
    return 0


def report(
    run: Run = None,
    report_json: options.ReportJson = None,
    report_junit: options.ReportJunit = None,
    report_html: options.ReportHtml = None,
    report_markdown: options.ReportMarkdown = None,
    report_tap: options.ReportTap = None,
    output: options.OutputFormat = Output.TABLE,
    state_dir: options.StateDir = DEFAULT_STATE_DIR,
) -> int:
    """Write the reports of a past run again, in any format.

    Exits with 0 if they could be written, whatever the run's own exit code was.
    """
    from aftrun import past  # noqa: PLC0415  # with the rest of the machinery
    from aftrun.cli import outputs  # noqa: PLC0415  # the same
    from aftrun.cli.running import show_report  # noqa: PLC0415  # the same

    paths = options.report_paths(report_json, report_junit, report_html, report_markdown, report_tap)
    with past.open_log(state_dir, say) as log:
        found = past.read(log, past.find(log.runs(), run))
    errors = outputs.write_reports(found.report, paths)
    codes = [report_failure(error) for error in errors]
    if codes:
        return int(ExitCode.BUG if ExitCode.BUG in codes else ExitCode.STATE)
    if paths:
        for each in paths.values():
            for path in each:
                say(f"wrote {path}")
    else:
        show_report(found.report, output)
    return 0
