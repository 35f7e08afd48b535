"""`aftrun validate`: everything that can be known of manifests without a server or a value."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, assert_never

from aftrun.cli import options
from aftrun.cli.boundary import Form, colour, emit, say
from aftrun.cli.choices import CheckFormat
from aftrun.cli.flags import flag
from aftrun.domain import text
from aftrun.domain.errors import ExitCode, ManifestError, Problem, Severity
from aftrun.domain.frozen import replace

if TYPE_CHECKING:
    from aftrun.domain.model import Manifest


def validate(
    files: options.Files,
    policy: options.PolicyFlags,
    strict: Annotated[bool, flag("--strict", help="Take warnings for errors.")] = False,
    form: Annotated[CheckFormat, flag("--format", help="How to show what is wrong.")] = CheckFormat.TEXT,
    var: options.Variables = None,
    quiet: options.Quiet = False,
) -> int:
    """Check manifests. Needs no server, no key, and no value of any variable."""
    from aftrun.manifest import load_all  # the parser is for commands that read manifests

    problems: tuple[Problem, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    files_read: tuple[tuple[str, bytes], ...] = ()
    notes: tuple[str, ...] = ()
    try:
        loaded = load_all(
            files, stdin=sys.stdin.buffer, variables=options.parse_variables(var), policy=policy.in_force()
        )
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
            from aftrun.manifest.check.diagnostics import render  # only problems pay for it

            say(render(problems, files, colour=colour(sys.stderr)).rstrip("\n"))
        return
    from aftrun.manifest.check import formats  # only for machines

    match form:
        case CheckFormat.GITHUB:
            emit(formats.to_github(problems), Form.COMMANDS)
        case CheckFormat.SARIF:
            emit(text.dumps(formats.to_sarif(problems)) + "\n", Form.JSON)
        case CheckFormat.JSON:
            emit(text.dumps(formats.to_json(problems, manifests, jobs)) + "\n", Form.JSON)
        case _:
            assert_never(form)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
