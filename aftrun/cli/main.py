"""The command line's entry: commands, `--version`, and the way out."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

import aftrun
from aftrun.cli import apply, check, doctor, explain, importing, init, runs, sandbox, start, status, trust
from aftrun.cli.boundary import emit, guarded

app = typer.Typer(
    name="aftrun",
    help="Start file-transfer jobs on Syncplify AFT! servers from YAML, follow them to their end, report the truth.",
    epilog="Exit codes: 0 all succeeded, 1 failed, 2 usage or manifest, 3 unreachable, 4 key refused, 5 cancelled, "
    "6 unknown, 74 cannot write, 124 gave up waiting, 130/143 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # rich would double the time that --help takes
    pretty_exceptions_enable=False,  # the boundary speaks for us, and shows no values
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        emit(f"aftrun {aftrun.__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


app.command("apply")(apply.apply)
app.command("resume")(runs.resume)
app.command("retry")(runs.retry)
app.command("history")(runs.history)
app.command("show")(runs.show)
app.command("report")(runs.report)
app.command("start")(start.start)
app.command("status")(status.status)
app.command("wait")(status.wait)
app.command("import")(importing.import_)
app.command("trust")(trust.trust)
app.command("doctor")(doctor.doctor)
app.command("validate")(check.validate)
app.command("plan")(check.plan)
app.command("explain")(explain.explain)
app.command("init")(init.init)
app.command("schema")(check.schema)
app.command("sandbox")(sandbox.sandbox)


def run() -> int:
    """Run the command line; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A console or a pipe that cannot show a character shows a replacement; it never ends a run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    # Commands that have something to finish put their own handler here.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def start() -> int:
        try:
            app()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(end.code is not None)
        return 0

    return guarded(start)
