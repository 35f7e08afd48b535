"""The command line's entry: commands, `--version`, and the way out.

A command's module is imported when that command is asked for, and no other: nobody waits for what they do not use.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import aftrun
from aftrun.cli.boundary import emit, encoding, guarded, open_missing_streams
from aftrun.cli.variables import settle
from aftrun.errors import UsageError

COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("apply", "apply:apply", "Validate manifests, run their jobs, wait for them, and report."),
    ("validate", "check:validate", "Check manifests."),
    ("plan", "check:plan", "Show the order and the exact requests, with secrets as they were written."),
    ("start", "start:start", "Start one job without a manifest, and wait for its end."),
    ("status", "status:status", "Read one job on the server."),
    ("wait", "status:wait", "Follow jobs on the server to their ends."),
    ("resume", "runs:resume", "Take up a run that was interrupted or killed."),
    ("retry", "runs:retry", "Start a new run of just the jobs that did not succeed, and of those that need them."),
    ("history", "runs:history", "List past runs, the newest first."),
    ("show", "runs:show", "Show one run, job by job, with each job's time beside its usual one."),
    ("report", "runs:report", "Write the reports of a past run again, in any format."),
    ("init", "init:init", "Write a commented manifest to begin with."),
    ("import", "importing:import_", "Make a manifest from pasted commands that start jobs."),
    ("trust", "trust:trust", "Show the certificate of a server, and the lines that pin it."),
    ("doctor", "doctor:doctor", "Check name, connection, certificate, clock, key and job info of a server."),
    (
        "explain",
        "explain:explain",
        "Explain a code that `validate` printed: what it means, an example, how to mend it.",
    ),
    (
        "schema",
        "check:schema",
        "Print the JSON Schema of manifests, reports, events or sandbox scenarios, for editors and other tools.",
    ),
    (
        "completion",
        "completion:completion",
        "Print the script that makes a shell complete commands, flags, manifests, job names and run ids.",
    ),
    ("sandbox", "sandbox:sandbox", "Run an AFT!-like server on this machine, to try manifests against."),
)
"""Name, `module:function` below `aftrun.cli`, and the beginning of its help (a test holds it against the real one)."""


MOVED = {"export": "`aftrun export airflow` is `aftrun-airflow export` now; get it by: pip install aftrun-airflow"}
"""What became of commands of earlier versions."""

VERSION = f"aftrun {aftrun.__version__}\n"


def command(place: str) -> Callable[..., Any]:
    """The function behind a command: `apply:apply` is `aftrun.cli.apply.apply`."""
    module, _, function = place.partition(":")
    found: Callable[..., Any] = getattr(import_module(f"aftrun.cli.{module}"), function)
    return found


def asked_for(arguments: Sequence[str]) -> str:
    """The command in the arguments: the first that is no flag, since no flag before a command takes a value."""
    return next((each for each in arguments if not each.startswith("-")), "")


def run() -> int:
    """Run the command line; returns the exit code."""
    return guarded(_run)


def _run() -> int:
    open_missing_streams()
    settle(asked_for(sys.argv[1:]), os.environ)
    for stream in (sys.stdout, sys.stderr):
        # A console or a pipe that cannot show a character shows a replacement; it never ends a run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding=encoding(stream, os.environ), errors="backslashreplace")
    return _start(sys.argv[1:])


def _start(arguments: Sequence[str]) -> int:
    """Run the command that was asked for: at once where its line is plain, through typer otherwise."""
    if list(arguments) == ["--version"]:
        emit(VERSION)
        return 0
    if arguments and arguments[0] in MOVED:
        raise UsageError(MOVED[arguments[0]])
    place = next((place for name, place, _ in COMMANDS if arguments and name == arguments[0]), None)
    if place is not None and not {"--help", "-h"} & set(arguments):
        from aftrun.cli import quick  # noqa: PLC0415  # only commands have flags

        function = command(place)
        given = quick.arguments_of(function, arguments[1:], os.environ)
        if given is not None:
            return int(function(**given))
    from aftrun.cli.typed import build  # noqa: PLC0415  # typer takes longer to load than most commands take

    try:
        # On Windows typer would expand `*`, `~` and `%NAME%` in every argument, values of params among them.
        build(asked_for(arguments))(windows_expand_args=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
