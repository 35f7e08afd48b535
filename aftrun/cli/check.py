"""`aftrun validate`, `plan` and `schema`: everything that can be known without a server."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from aftrun.cli import options
from aftrun.cli.boundary import colour, emit, say
from aftrun.cli.flags import Argument
from aftrun.errors import ExitCode, ManifestError, Problem, Severity

if TYPE_CHECKING:
    from aftrun.model import Json, Manifest
    from aftrun.options import RunOptions


class CheckFormat(StrEnum):
    """How problems are shown."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


class PlanFormat(StrEnum):
    """How a plan is shown."""

    TEXT = "text"
    JSON = "json"
    CURL = "curl"
    POWERSHELL = "powershell"


class SchemaName(StrEnum):
    """The schemas that aftrun ships."""

    MANIFEST = "manifest"
    REPORT = "report"
    EVENT = "event"
    SCENARIO = "scenario"


def validate(
    files: options.Files,
    strict: Annotated[bool, options.option("--strict", help="Take warnings for errors.")] = False,
    form: Annotated[CheckFormat, options.option("--format", help="How to show what is wrong.")] = CheckFormat.TEXT,
    var: options.Variables = None,
    quiet: options.Quiet = False,
) -> int:
    """Check manifests. Needs no server, no key, and no value of any variable."""
    from aftrun.manifest import load_all  # noqa: PLC0415  # the parser is for commands that read manifests

    problems: tuple[Problem, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    files_read: tuple[tuple[str, bytes], ...] = ()
    notes: tuple[str, ...] = ()
    try:
        loaded = load_all(files, stdin=sys.stdin.buffer, variables=options.parse_variables(var))
        problems, manifests, files_read = loaded.warnings, loaded.manifests, loaded.files
        notes = loaded.notes
    except ManifestError as error:
        problems, files_read = error.problems, error.files
    if strict:
        problems = tuple(replace(problem, severity=Severity.ERROR) for problem in problems)
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    warnings = len(problems) - errors
    jobs = sum(len(manifest.jobs) for manifest in manifests)
    for note in notes:
        say(f"note: {note}")
    _show(problems, files_read, form, len(manifests), jobs)
    if errors:
        if form is CheckFormat.TEXT:
            say(f"{_count(errors, 'error')}, {_count(warnings, 'warning')}; `aftrun explain CODE` says more")
        return int(ExitCode.USAGE)
    if not quiet and form is CheckFormat.TEXT:
        found = f"{_count(len(manifests), 'manifest')}, {_count(jobs, 'job')}"
        say(f"ok: {found}" + (f", {_count(warnings, 'warning')}" if warnings else ""))
    return 0


def _show(
    problems: Sequence[Problem], files: Sequence[tuple[str, bytes]], form: CheckFormat, manifests: int, jobs: int
) -> None:
    """Problems for people go to standard error, as all messages do; for machines they are data."""
    if form is CheckFormat.TEXT:
        if problems:
            from aftrun.manifest.diagnostics import render  # noqa: PLC0415  # only problems pay for it

            say(render(problems, files, colour=colour(sys.stderr)).rstrip("\n"))
        return
    from aftrun.manifest import formats  # noqa: PLC0415  # only for machines

    if form is CheckFormat.GITHUB:
        emit(formats.to_github(problems))
    else:
        data = formats.to_sarif(problems) if form is CheckFormat.SARIF else formats.to_json(problems, manifests, jobs)
        emit(_encoded(data))


def _encoded(data: Mapping[str, Json]) -> str:
    import json  # noqa: PLC0415  # only for this output

    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def plan(
    files: options.Files,
    form: Annotated[PlanFormat, options.option("--format", help="How to show it.")] = PlanFormat.TEXT,
    jobs: Annotated[
        int | None, options.option("--jobs", "-j", help="As `apply` would, with so many at once.", metavar="N", min=1)
    ] = None,
    sequential: Annotated[bool, options.option("--sequential", help="As `apply` would, one after another.")] = False,
    select: options.Select = None,
    exclude: options.Exclude = None,
    var: options.Variables = None,
    env_file: options.EnvFiles = None,
    server: options.Server = None,
    cacert: options.CaCert = None,
    fingerprint: options.Fingerprint = None,
    insecure: options.Insecure = False,
) -> int:
    """Show the order and the exact requests, with secrets as they were written. Sends nothing.

    `--format curl` and `--format powershell` print commands that send the same requests when they are pasted; secrets
    stay variables of the shell.
    """
    from aftrun.cli.running import load  # noqa: PLC0415  # the parser is for commands that read manifests
    from aftrun.manifest.envfile import with_env_files  # noqa: PLC0415  # the same
    from aftrun.options import RunOptions  # noqa: PLC0415  # the same

    loaded = load(files, options.parse_variables(var), None)
    chosen = RunOptions(
        url=server,
        ca_file=str(cacert) if cacert else None,
        fingerprints=tuple(fingerprint or ()),
        insecure=insecure,
        max_parallel=jobs,
        sequential=sequential,
        select=tuple(select or ()),
        exclude=tuple(exclude or ()),
    )
    show_plan(loaded.manifests, chosen, with_env_files(os.environ, env_file or ()), form)
    return 0


def show_plan(
    manifests: Sequence[Manifest], chosen: RunOptions, environ: Mapping[str, str], form: PlanFormat = PlanFormat.TEXT
) -> None:
    """Print the plan of manifests as they were loaded to standard output.

    Raises:
        UsageError: flags contradict each other, stand for no job, or leave none.
    """
    from aftrun.app import prepare  # noqa: PLC0415  # only plans need it
    from aftrun.outlook import make_lookups, missing_values  # noqa: PLC0415  # the same
    from aftrun.run import preview  # noqa: PLC0415  # the same
    from aftrun.run.plan import make_plan  # noqa: PLC0415  # the same
    from aftrun.run.select import choose  # noqa: PLC0415  # the same

    left_out = choose(manifests, chosen.select, chosen.exclude).left_out
    prepared = prepare(manifests, chosen)
    laid_out = make_plan(prepared)
    lookups = make_lookups(prepared, environ)
    if form in (PlanFormat.CURL, PlanFormat.POWERSHELL):
        emit(preview.to_shell(laid_out, lookups, powershell=form is PlanFormat.POWERSHELL))
        return
    missing = missing_values(prepared, environ)
    if form is PlanFormat.JSON:
        emit(_encoded(preview.to_data(laid_out, prepared, lookups, missing, left_out)))
    else:
        emit(preview.to_text(laid_out, prepared, lookups, missing, left_out))


def schema(
    name: Annotated[SchemaName, Argument(help="Which schema.")] = SchemaName.MANIFEST,
) -> int:
    """Print the JSON Schema of manifests, reports, events or sandbox scenarios, for editors and other tools."""
    from aftrun.resources import schema_text  # noqa: PLC0415  # only for this command

    emit(schema_text(name.value))
    return 0
