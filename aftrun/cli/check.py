"""`aftrun validate`, `plan` and `schema`: everything that can be known without a server."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from aftrun.app import ServerOverride, make_lookups, missing_values, override_servers
from aftrun.cli import options
from aftrun.cli.boundary import emit, say
from aftrun.errors import ExitCode, ManifestError, Problem, Severity
from aftrun.resources import schema_text
from aftrun.run.plan import apply_overrides, make_plan

if TYPE_CHECKING:
    from aftrun.model import Manifest


class PlanFormat(StrEnum):
    """How a plan is shown."""

    TEXT = "text"
    JSON = "json"


class SchemaName(StrEnum):
    """The schemas that aftrun ships."""

    MANIFEST = "manifest"
    REPORT = "report"
    SCENARIO = "scenario"


def validate(
    files: options.Files,
    strict: Annotated[bool, options.option("--strict", help="Take warnings for errors.")] = False,
    var: options.Variables = None,
    quiet: options.Quiet = False,
) -> None:
    """Check manifests. Needs no server, no key, and no value of any variable."""
    from aftrun.manifest import load_all  # noqa: PLC0415  # the parser is for commands that read manifests

    problems: tuple[Problem, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    files_read: tuple[tuple[str, bytes], ...] = ()
    try:
        loaded = load_all(files, stdin=sys.stdin.buffer, variables=options.parse_variables(var))
        problems, manifests, files_read = loaded.warnings, loaded.manifests, loaded.files
    except ManifestError as error:
        problems, files_read = error.problems, error.files
    if problems:
        from aftrun.manifest.diagnostics import render  # noqa: PLC0415  # only problems pay for it

        say(render(problems, files_read).rstrip("\n"))
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    warnings = len(problems) - errors
    if errors or (strict and warnings):
        say(f"{_count(errors, 'error')}, {_count(warnings, 'warning')}")
        raise typer.Exit(int(ExitCode.USAGE))
    if not quiet:
        jobs = sum(len(manifest.jobs) for manifest in manifests)
        found = f"{_count(len(manifests), 'manifest')}, {_count(jobs, 'job')}"
        say(f"ok: {found}" + (f", {_count(warnings, 'warning')}" if warnings else ""))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def plan(
    files: options.Files,
    form: Annotated[PlanFormat, options.option("--format", help="How to show it.")] = PlanFormat.TEXT,
    jobs: Annotated[
        int | None, options.option("--jobs", "-j", help="As `apply` would, with so many at once.", metavar="N", min=1)
    ] = None,
    sequential: Annotated[bool, options.option("--sequential", help="As `apply` would, one after another.")] = False,
    var: options.Variables = None,
    server: options.Server = None,
) -> None:
    """Show the order and the exact requests, with secrets as they were written. Sends nothing."""
    from aftrun.cli.running import load  # noqa: PLC0415  # the parser is for commands that read manifests

    loaded = load(files, options.parse_variables(var), None)
    manifests = apply_overrides(
        override_servers(loaded.manifests, ServerOverride(url=server)), max_parallel=jobs, sequential=sequential
    )
    show_plan(manifests, json=form is PlanFormat.JSON)


def show_plan(manifests: Sequence[Manifest], *, json: bool) -> None:
    """Print a plan to standard output."""
    from aftrun.run import preview  # noqa: PLC0415  # only plans need it

    laid_out = make_plan(manifests)
    lookups = make_lookups(manifests, os.environ)
    missing = missing_values(manifests, os.environ)
    if json:
        import json as encoder  # noqa: PLC0415  # the flag has its name

        data = preview.to_data(laid_out, manifests, lookups, missing)
        emit(encoder.dumps(data, indent=2, ensure_ascii=False) + "\n")
    else:
        emit(preview.to_text(laid_out, manifests, lookups, missing))


def schema(
    name: Annotated[SchemaName, typer.Argument(help="Which schema.")] = SchemaName.MANIFEST,
) -> None:
    """Print the JSON Schema of manifests, reports or sandbox scenarios, for editors and other tools."""
    emit(schema_text(name.value))
