"""`aftrun apply`: validate, run, wait, report."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aftrun.app import DEFAULT_STATE_DIR, ServerOverride, override_servers, to_sandbox
from aftrun.cli import options
from aftrun.cli.boundary import colour, emit, report_error, say
from aftrun.durations import parse_duration
from aftrun.errors import ExitCode, UsageError
from aftrun.run.plan import apply_overrides

if TYPE_CHECKING:
    from aftrun.app import Setup
    from aftrun.manifest import Loaded
    from aftrun.runner import Finished, Runner
    from aftrun.sandbox.server import Sandbox


class Output(StrEnum):
    """What goes to standard output after a run."""

    TABLE = "table"
    JSON = "json"
    NONE = "none"


def duration(text: str | None) -> float | None:
    """A duration flag.

    Raises:
        UsageError: it is none.
    """
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--timeout: {error}") from error


def load(files: list[str], variables: dict[str, str], environ: Any) -> Loaded:
    """Read manifests, and say their warnings."""
    from aftrun.manifest import load_all  # noqa: PLC0415  # the parser is for commands that read manifests

    loaded = load_all(files, environ=environ, stdin=sys.stdin.buffer, variables=variables)
    if loaded.warnings:
        from aftrun.manifest.diagnostics import render  # noqa: PLC0415  # only warnings pay for it

        say(render(loaded.warnings, loaded.files).rstrip("\n"))
    return loaded


@contextlib.contextmanager
def sandbox_for(wanted: bool) -> Iterator[Sandbox | None]:
    """A sandbox for the time of the run, where one is wanted."""
    if not wanted:
        yield None
        return
    from aftrun.sandbox.server import Sandbox  # noqa: PLC0415  # an extra

    with Sandbox() as server:
        say(
            f"sandbox: running against {server.url}, which is our assumption of AFT!, not AFT! itself; "
            "no real job is started"
        )
        yield server


@contextlib.contextmanager
def signals(runner: Runner, resume_line: str) -> Iterator[None]:
    """The first signal asks the run to stop, the second stops it at once."""
    seen: list[int] = []

    def handle(number: int, _: object) -> None:
        if seen:
            os._exit(128 + number)  # at once, as asked: threads may be waiting for a server
        seen.append(number)
        runner.interrupt(number)
        # os.write, since a signal may arrive in the middle of a print.
        with contextlib.suppress(OSError):  # nobody may be there to read it any more
            os.write(2, f"\nstopping: nothing new is started; jobs go on, on the server.\n  {resume_line}\n".encode())

    wanted = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP"):
        wanted.append(signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def apply(
    files: options.Files,
    jobs: Annotated[
        int | None, options.option("--jobs", "-j", help="Run jobs in parallel, so many at once.", metavar="N", min=1)
    ] = None,
    sequential: Annotated[bool, options.option("--sequential", help="Run jobs one after another.")] = False,
    fail_fast: Annotated[
        bool | None,
        options.option(
            "--fail-fast/--keep-going",
            help="After a bad end start nothing new, or go on with the rest.",
            show_default=False,
        ),
    ] = None,
    var: options.Variables = None,
    no_wait: Annotated[bool, options.option("--no-wait", help="Accepted is enough; do not wait for the end.")] = False,
    timeout: Annotated[
        str | None,
        options.option(
            "--timeout", help="How long each job may take from its acceptance, such as 90s or 2h.", metavar="D"
        ),
    ] = None,
    server: options.Server = None,
    cacert: options.CaCert = None,
    fingerprint: options.Fingerprint = None,
    insecure: options.Insecure = False,
    state_dir: options.StateDir = DEFAULT_STATE_DIR,
    report_json: Annotated[
        list[Path] | None,
        options.option(
            "--report-json", help="Write the report as JSON here too (repeatable).", metavar="PATH", show_default=False
        ),
    ] = None,
    output: Annotated[Output, options.option("--output", "-o", help="What to print at the end.")] = Output.TABLE,
    no_progress: Annotated[
        bool, options.option("--no-progress", help="Say only how jobs end, not what they do.")
    ] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_exit_status: Annotated[
        bool, options.option("--no-exit-status", help="Exit with 0 even if jobs did not succeed.")
    ] = False,
    dry_run: Annotated[bool, options.option("--dry-run", help="Show the plan and send nothing.")] = False,
    sandbox: Annotated[
        bool, options.option("--sandbox", help="Run against a sandbox on this machine; starts no real job.")
    ] = False,
) -> None:
    """Validate manifests, run their jobs, wait for them, and report.

    The table or JSON at the end goes to standard output, everything else to standard error. The report of every run
    is kept in DIR/runs/RUN/report.json.
    """
    from aftrun.app import make_setup  # noqa: PLC0415  # with the rest of the machinery
    from aftrun.manifest import bind  # noqa: PLC0415  # the same

    loaded = load(files, options.parse_variables(var), os.environ)
    override = ServerOverride(server, None, str(cacert) if cacert else None, tuple(fingerprint or ()), insecure)
    manifests = apply_overrides(
        override_servers(loaded.manifests, override),
        max_parallel=jobs,
        sequential=sequential,
        fail_fast=fail_fast,
        wait=False if no_wait else None,
        timeout=duration(timeout),
    )
    if dry_run:
        from aftrun.cli.check import show_plan  # noqa: PLC0415  # only for this flag

        show_plan(manifests, json=output is Output.JSON)
        return
    with sandbox_for(sandbox) as server_here:
        if server_here is not None:
            manifests = to_sandbox(manifests, server_here.url, server_here.api_key, server_here.fingerprint)
        bindings = bind(manifests, os.environ)
        setup = make_setup(manifests, bindings, keep_going=fail_fast is False, sandbox=sandbox)
        finished = execute(setup, state_dir, loaded=loaded, quiet=quiet, no_progress=no_progress, verbose=verbose)
    raise typer.Exit(conclude(finished, list(report_json or ()), output, no_exit_status=no_exit_status))


def execute(setup: Any, state_dir: Path, *, loaded: Loaded, quiet: bool, no_progress: bool, verbose: int) -> Finished:
    """Run a setup with a person, or a log file, looking on."""
    from aftrun.cli.progress import Lines  # noqa: PLC0415  # with the rest of the machinery
    from aftrun.run.log import StoredFile  # noqa: PLC0415  # the same
    from aftrun.runner import Runner  # noqa: PLC0415  # the same

    level = 0 if no_progress else 1 + verbose
    names = {task.key: setup.plan.label(task) for task in setup.plan.tasks}
    listeners = [] if quiet else [Lines(say, names, level=level, colour=colour(sys.stderr))]
    runner = Runner(
        setup, state_dir, files=[StoredFile(path, data) for path, data in loaded.files], listeners=listeners
    )
    resume_line = f"take it up again with: aftrun resume {setup.facts.id}"
    with signals(runner, resume_line):
        return runner.run(None if quiet else lambda run: say(f"run {run}: {_count(setup)}"))


def _count(setup: Setup) -> str:
    number = len(setup.plan.tasks)
    return f"{number} job{'' if number == 1 else 's'}"


def conclude(finished: Finished, paths: list[Path], output: Output, *, no_exit_status: bool) -> int:
    """Print and write what was asked for, and work out the exit code."""
    from aftrun.errors import StateError  # noqa: PLC0415  # with the rest
    from aftrun.files import write_atomic  # noqa: PLC0415  # the same
    from aftrun.report import json as json_report  # noqa: PLC0415  # the same

    errors = list(finished.errors)
    for path in paths:
        try:
            write_atomic(path, json_report.render(finished.report))
        except StateError as error:
            errors.append(error)
    if output is Output.JSON:
        emit(json_report.render(finished.report))
    elif output is Output.TABLE:
        from aftrun.cli import table  # noqa: PLC0415  # only for this output

        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        emit("\n" + table.render(finished.report, colour=colour(sys.stdout), columns=columns))
        say(f"report: {finished.report_path}")
    for problem in errors:
        report_error(problem)
    from aftrun.runner import worst  # noqa: PLC0415  # with the rest

    code = worst((finished.exit_code, ExitCode.STATE)) if errors else finished.exit_code
    if no_exit_status and code not in (ExitCode.BUG, ExitCode.STATE, ExitCode.SIGINT, ExitCode.SIGTERM):
        return 0
    return int(code)
