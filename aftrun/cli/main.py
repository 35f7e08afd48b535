"""The command line's entry: commands, `--version`, and the way out.

A command's module is imported when that command is asked for, and no other: nobody waits for what they do not use.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, MutableMapping, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer

import aftrun
from aftrun.cli.boundary import emit, guarded, open_missing_streams

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
    ("sandbox", "sandbox:sandbox", "Run an AFT!-like server on this machine, to try manifests against."),
)
"""Name, `module:function` below `aftrun.cli`, and the beginning of its help (a test holds it against the real one)."""


def _version(wanted: bool) -> None:
    if wanted:
        emit(f"aftrun {aftrun.__version__}\n")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def _not_loaded() -> None:
    raise AssertionError("a command that was not asked for was run")


def command(place: str) -> Callable[..., Any]:
    """The function behind a command: `apply:apply` is `aftrun.cli.apply.apply`."""
    module, _, function = place.partition(":")
    found: Callable[..., Any] = getattr(import_module(f"aftrun.cli.{module}"), function)
    return found


def build(wanted: str | None) -> typer.Typer:
    """The command line. Only the command `wanted` is whole, the others are there by name and help; None: all are."""
    app = typer.Typer(
        name="aftrun",
        help="Start file-transfer jobs on Syncplify AFT! servers from YAML, follow them to their end, tell the truth.",
        epilog="Exit codes: 0 all succeeded, 1 failed, 2 usage or manifest, 3 unreachable, 4 key refused, 5 cancelled, "
        "6 unknown, 74 cannot write, 124 gave up waiting, 130/143 interrupted.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,  # rich would double the time that --help takes
        pretty_exceptions_enable=False,  # the boundary speaks for us, and shows no values
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name, place, text in COMMANDS:
        if wanted in (None, name):
            app.command(name)(command(place))
        else:
            app.command(name, help=text)(_not_loaded)
    return app


def asked_for(arguments: Sequence[str]) -> str:
    """The command in the arguments: the first that is no flag, since no flag before a command takes a value."""
    return next((each for each in arguments if not each.startswith("-")), "")


OPPOSITES = {"AFTRUN_KEEP_GOING": "AFTRUN_FAIL_FAST", "AFTRUN_NO_WAIT": "AFTRUN_WAIT"}
"""Variables of flags that say no to another flag: `--keep-going` is the other side of `--fail-fast`."""


def settle_opposites(environ: MutableMapping[str, str]) -> None:
    """Let the variable of a flag's other side speak through the variable that is read."""
    for opposite, variable in OPPOSITES.items():
        value = environ.get(opposite, "").strip().lower()
        if value in ("1", "true", "yes", "on", "t", "y"):
            environ.setdefault(variable, "0")


def run() -> int:
    """Run the command line; returns the exit code."""
    open_missing_streams()
    settle_opposites(os.environ)
    for stream in (sys.stdout, sys.stderr):
        # A console or a pipe that cannot show a character shows a replacement; it never ends a run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def start() -> int:
        try:
            build(asked_for(sys.argv[1:]))()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(end.code is not None)
        return 0

    return guarded(start)
