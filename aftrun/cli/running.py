"""Running with a person, or a log file, looking on: what `apply`, `resume`, `retry` and `start` share."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aftrun.cli.boundary import Form, colour, emit, report_failure, say
from aftrun.cli.choices import Output
from aftrun.cli.options import ReportFlags, ViewFlags
from aftrun.domain.durations import parse_duration
from aftrun.domain.errors import ExitCode, ManifestError, UsageError
from aftrun.domain.frozen import replace
from aftrun.domain.model import Outcome
from aftrun.system.lines import about_run, record_flag
from aftrun.system.shell import quoted
from aftrun.system.signals import exit_code, listen, restore

if TYPE_CHECKING:
    from aftrun.cli.view.observers import RunObservers
    from aftrun.domain.model import Manifest, RunReport
    from aftrun.manifest import Loaded
    from aftrun.manifest.policy import Policy
    from aftrun.run.sightings import Commands
    from aftrun.run.store.record import Log
    from aftrun.service.prepare import PreparedRun
    from aftrun.service.report_file import Finished


def duration(text: str | None, flag: str = "--timeout", *, zero: bool = False) -> float | None:
    """A duration flag. Zero is refused unless it makes sense, as in a manifest.

    Raises:
        UsageError: it is none.
    """
    if text is None:
        return None
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from error
    if not (seconds or zero):
        raise UsageError(f"{flag}: it must be longer than zero", hint="--no-wait is content once a job is accepted")
    return seconds


def load(
    files: list[str],
    variables: dict[str, str],
    environ: Mapping[str, str] | None,
    *,
    insecure_http: bool = False,
    policy: Policy | None = None,
) -> Loaded:
    """Read manifests, and say their warnings. The parameters are those of `load_all`."""
    from aftrun.manifest import load_all  # the parser is for commands that read manifests

    loaded = load_all(
        files,
        environ=environ,
        stdin=sys.stdin.buffer,
        variables=variables,
        insecure_http=insecure_http,
        policy=policy,
    )
    for note in loaded.notes:
        say(f"note: {note}")
    if loaded.warnings:
        from aftrun.manifest.check.diagnostics import render  # only warnings pay for it

        say(render(loaded.warnings, loaded.files).rstrip("\n"))
    return loaded


def warn(setup: PreparedRun) -> None:
    """Say aloud what has to be said before anything is sent, where no event of a run says it."""
    for text in setup.warnings():
        say(f"warning: {text}")


def bind_all(manifests: Sequence[Manifest], environ: Mapping[str, str], loaded: Loaded) -> dict[tuple[str, str], str]:
    """Every value from outside, checked before anything is sent; what is missing is shown with its line.

    Raises:
        ManifestError: a value is missing.
    """
    from aftrun.manifest import bind  # the parser is for commands that read manifests
    from aftrun.service.started import in_place  # for whom something is missing

    try:
        return bind(manifests, environ)
    except ManifestError as error:
        raise in_place(error, loaded.files) from error


def stopping(farewell: str, *, sandbox: bool = False) -> str:
    """What is said when a run is told to stop."""
    return f"stopping: nothing new is started{'' if sandbox else '; jobs go on, on the server'}.\n  {farewell}"


@contextlib.contextmanager
def signals(interrupt: Callable[[int], None], said: str, *, drawn: bool = False) -> Iterator[None]:
    """The first signal asks for a stop, the second stops at once. A live picture (`drawn`) says so itself."""
    seen: list[int] = []

    def handle(number: int, _: object) -> None:
        if seen:
            os._exit(exit_code(number))  # at once, as asked: threads may be waiting for a server
        seen.append(number)
        interrupt(number)
        if drawn:
            return
        # os.write, since a signal may arrive in the middle of a print.
        with contextlib.suppress(OSError):  # nobody may be there to read it any more
            os.write(2, f"\n{said}\n".encode())

    before = listen(handle)
    try:
        yield
    finally:
        restore(before)


def check_outputs(
    setup: PreparedRun,
    state_dir: Path,
    view: ViewFlags,
    ending: ReportFlags,
    files: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Find out, before anything is sent, whether what is to be written can be made and has a place.

    Raises:
        UsageError: it cannot, or has none.
    """
    from aftrun.cli.view import outputs

    more = (ending.metrics_textfile, None if view.events in (None, "-") else Path(view.events or ""))
    places = [place for each in ending.paths.by_format().values() for place in each]
    outputs.check_places([*places, *filter(None, more)], state_dir, [path for path, _ in files])
    outputs.rehearse(setup, os.environ, ending.paths.by_format(), ending.metrics_textfile)
    if ending.output is Output.TABLE:
        from aftrun.cli.view import table  # only for this output
        from aftrun.report import rehearsal

        table.render(rehearsal.REPORT, colour=True)


def carry_out(
    setup: PreparedRun,
    state_dir: Path,
    view: ViewFlags,
    ending: ReportFlags,
    *,
    files: Sequence[tuple[str, bytes]] = (),
    resume: bool = False,
    admit: Callable[[Log], None] = lambda _: None,
) -> int:
    """Run a setup, or take its run up again, show how it goes, and conclude. Returns the exit code.

    `files` are the manifests that a new run keeps a copy of. `admit` is as for `Log.begin`.

    Raises:
        StateError: the record could not be begun; nothing was sent.
        UsageError: a file that TLS settings name cannot be used, or somebody else works on the run.
    """
    from aftrun.cli.view.observers import RunObservers, Subject
    from aftrun.manifest.redact import without_keys
    from aftrun.run.store.rows import StoredFile
    from aftrun.service.execution import RunExecution
    from aftrun.service.recording import OnDisk

    check_outputs(setup, state_dir, view, ending, files)
    stored = tuple(StoredFile(path, without_keys(path, data)) for path, data in files)
    setup = replace(setup, commands=_about_jobs(setup, state_dir))
    record = OnDisk(state_dir, stored, resume, admit)
    farewell = resume_line(setup, state_dir)

    def ready(run: str) -> None:
        number = len(setup.plan.tasks)
        if not view.quiet:
            say(f"run {run}: {number} job{'' if number == 1 else 's'}" + (", resumed" if resume else ""))

    with RunObservers(Subject.of(setup), view, state_dir, farewell) as watch:
        execution = RunExecution(setup, record, listeners=watch.listeners, watched=watch.client, say=say)
        with signals(execution.interrupt, stopping(farewell, sandbox=setup.sandbox), drawn=watch.drawn):
            finished = execution.run(ready)
    return conclude(watch.amend(finished), ending, setup, watch)


def resume_line(setup: PreparedRun, state_dir: Path) -> str:
    """How to take an interrupted run up again."""
    if setup.sandbox:
        return "it ran against a sandbox, which ends with it, so it cannot be resumed"
    return f"resume it with: {about_run('resume', setup.facts.id, state_dir)}"


def _about_jobs(setup: PreparedRun, state_dir: Path) -> Commands:
    """What is said to type about a job of the run, whose server the record tells. A sandbox ends with its run."""
    from aftrun.run.sightings import Commands

    where = record_flag(state_dir)
    raw = "" if setup.sandbox else f"aftrun status {{id}} --raw{where}"
    return Commands(raw, f"aftrun learn {{id}}{where}", where)


class _Outputs:
    """What is done when jobs have ended, each thing on its own: one that fails keeps no other from being done."""

    def __init__(self, errors: Sequence[Exception]) -> None:
        self.errors = list(errors)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, Exception):
            self.errors.append(error)
        return isinstance(error, Exception)

    def codes(self) -> list[ExitCode]:
        """Say what went wrong; returns the exit codes for it. Jobs have been sent, so none is about usage."""
        return [ExitCode.BUG if report_failure(error) is ExitCode.BUG else ExitCode.STATE for error in self.errors]


_KEPT = (ExitCode.BUG, ExitCode.STATE, ExitCode.UNDER_WAY, ExitCode.SIGINT, ExitCode.SIGTERM)
"""Exit codes that say nothing of how jobs ended, so that `--no-exit-status` does not change them."""


def conclude(
    finished: Finished,
    ending: ReportFlags,
    setup: PreparedRun | None = None,
    watch: RunObservers | None = None,
    *,
    word: str = "",
) -> int:
    """Print and write what was asked for, tell whom to tell, and work out the exit code.

    `word` is the run's outcome for people, where its record does not have it.
    """
    from aftrun.cli.view import outputs
    from aftrun.run.verdict import worst

    report = finished.report
    each = _Outputs(finished.errors)
    state_dir = None if finished.report_path is None else finished.report_path.parents[2]
    past = functools.cache(lambda: outputs.nights(state_dir, report))
    with each:
        each.errors += outputs.write_reports(report, ending.paths.by_format(), past)
    with each:
        if ending.metrics_textfile is not None:
            each.errors += outputs.write_metrics(report, ending.metrics_textfile, past)
    with each:
        show_report(replace(report, outcome=word) if word and ending.output is Output.TABLE else report, ending.output)
    path = finished.report_path
    if ending.output is Output.TABLE and path is not None:
        say(f"report: {path}")
        for step in _next_steps(finished.exit_code, report, record_flag(path.parents[2])):
            say(step)
    if watch is not None and path is not None:
        with each:
            lines, unwritten = watch.result(report, path.parent)
            each.errors += unwritten
            for line in lines:
                # Where standard output carries data, the CI server's lines go beside it.
                if ending.output is Output.TABLE:
                    emit(f"{line}\n", Form.COMMANDS)
                else:
                    say(line, Form.COMMANDS)
        with each:
            for problem in outputs.trace(report, os.environ, watch.reads, past) if watch.traced else ():
                say(f"warning: {problem}")
    if setup is not None:
        with each:
            for problem in outputs.notify(report, setup.manifests, setup.bindings, setup.scrubber):
                say(f"warning: {problem}")
    codes = each.codes()
    if isinstance(finished.failure, Exception):
        report_failure(finished.failure)  # its code is the report's already
    code = worst((finished.exit_code, *codes))
    if ending.no_exit_status and code not in _KEPT:
        return 0
    return int(code)


def _next_steps(code: int, report: RunReport, record: str) -> tuple[str, ...]:
    """What to do after a run that ended so; empty where there is nothing to do. `record` as of `record_flag`."""
    run = f"{report.id}{record}"
    match code:
        case ExitCode.FAILED | ExitCode.CANCELLED:
            return (f"run again what did not succeed, and what needs it: aftrun retry {run}",)
        case ExitCode.SIGINT | ExitCode.SIGTERM if not report.sandbox:
            return (f"resume it with: aftrun resume {run}",)
        case ExitCode.GAVE_UP if not any(job.attempts for job in report.jobs):
            return ("nothing was sent, since finishBy had passed: say a later time, or run it again in time",)
        case ExitCode.REFUSED | ExitCode.UNREACHABLE:
            return ("no job was created: fix the cause, and run the same command again",)
        case ExitCode.UNKNOWN | ExitCode.GAVE_UP:
            steps = (*_to_see(report, run, record),) if not report.sandbox else ()
            again = f"aftrun retry {run} --include-unknown"
            return (
                *steps,
                f"to run again what did not succeed, once you know that none of it runs still: {again}",
            )
    return ()


_SHOWN_IDS = 5


def _to_see(report: RunReport, run: str, record: str) -> Iterator[str]:
    """How to see what became of jobs whose end nobody saw, with nothing submitted: the first thing to try."""
    from aftrun.domain.events import Reason  # only after such a run

    unlisted = [job for job in report.jobs if job.reason == Reason.UNLISTED and job.job_id]
    if unlisted:
        yield f"say what the server's words mean: aftrun learn {quoted(unlisted[0].job_id or '')}{record}"
        yield f"then read the jobs again, with nothing submitted: aftrun resume {run} --job-info-from FILE"
    by_server: dict[str, list[str]] = {}
    for job in report.jobs:
        if job.outcome in (Outcome.UNKNOWN, Outcome.TIMED_OUT) and job.job_id and job not in unlisted:
            by_server.setdefault(job.server, []).append(job.job_id)
    for ids in by_server.values():
        shown = " ".join(map(quoted, ids[:_SHOWN_IDS]))
        more = f" (and {len(ids) - _SHOWN_IDS} more)" if len(ids) > _SHOWN_IDS else ""
        which = "it" if len(ids) == 1 else "them"
        yield f"follow {which} to the end, with nothing submitted: aftrun wait {shown}{record}{more}"


def show_report(report: RunReport, output: Output) -> None:
    """The report on standard output, as asked for."""
    if output is Output.JSON:
        from aftrun.report import json as json_report  # only for this output

        emit(json_report.render(report), Form.JSON)
    elif output is Output.TABLE:
        from aftrun.cli.view import table  # only for this output

        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        text = table.render(report, colour=colour(sys.stdout), columns=columns)
        emit("\n" + text)
