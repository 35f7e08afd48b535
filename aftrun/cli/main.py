"""The command line's entry: the commands, `--version`, and the way out.

A command's module is imported when that command is asked for, and no other: nobody waits for what they do not use.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer

import aftrun
from aftrun.cli.boundary import emit, encoding, guarded, keeps_lines, open_missing_streams, say
from aftrun.cli.flags import BOUNDS, expanded
from aftrun.cli.helptext import Command, Group, epilog
from aftrun.cli.variables import settle
from aftrun.domain.errors import UsageError

COMMANDS = {
    "apply": "Validate manifests, run their jobs, wait for them, and report.",
    "validate": "Check manifests.",
    "plan": "Show the order and the exact requests, with secrets as they were written.",
    "start": "Start one job without a manifest, and wait for its end.",
    "status": "Read one job on the server.",
    "wait": "Follow jobs on the server to their ends.",
    "learn": "Show a server's words for a job's state, ask what the unknown ones mean, and write that down.",
    "resume": "Resume a run that was interrupted or killed.",
    "retry": "Start a new run of just the jobs that did not succeed, and of those that need them.",
    "watch": "Follow a run that another process carries out, live, to its end.",
    "settle": "Put on record what a person found out of a job whose end nobody saw.",
    "history": "List past runs, the newest first, and how their jobs have fared.",
    "ui": "Show runs, live and past, as web pages to this machine alone, until Ctrl-C.",
    "show": "Show one run, job by job, with each job's time beside its usual one.",
    "report": "Write the reports of a past run again, in any format.",
    "init": "Write a commented manifest to begin with.",
    "import": "Make a manifest from a script or a pasted command that starts jobs.",
    "trust": "Show the certificate of a server, and the lines that pin it.",
    "doctor": "Check name, connection, certificate, clock, key and job info of a server.",
    "policy": "Say what manifests may do that come from somebody else.",
    "explain": "Explain a code that `validate` printed, or a key of a manifest: what it means, with examples.",
    "schema": "Print the JSON Schema of manifests, reports, events, scenarios or policies, for editors and tools.",
    "completion": "Print the script that makes a shell complete commands, flags, manifests, jobs and runs.",
    "sandbox": "Run an AFT!-like server on this machine, to try manifests against.",
}
"""Every command, and the beginning of its help (a test holds it against the real one).

A command is the function of its name in the module of its name below `aftrun.cli.commands`; `import`, which is no name
in Python, has an underscore behind it.
"""

MOVED = {"export": "`aftrun export airflow` is `aftrun-airflow export` now; get it by: pip install aftrun-airflow"}
"""What became of commands of earlier versions."""

VERSION = f"aftrun {aftrun.__version__}\n"


def command(name: str) -> Callable[..., int]:
    """The function behind a command."""
    name = "import_" if name == "import" else name
    found: Callable[..., int] = getattr(import_module(f"aftrun.cli.commands.{name}"), name)
    return found


_REFUSALS: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""What typer raises for a command line that it does not take."""


def asked_for(arguments: Sequence[str]) -> str:
    """The command in the arguments: the first that is no flag, since no flag before a command takes a value."""
    return next((each for each in arguments if not each.startswith("-")), "")


def _version(wanted: bool) -> None:
    if wanted:
        emit(VERSION)
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def _not_loaded() -> None:
    raise AssertionError("a command that was not asked for was run")


def build(wanted: str | None) -> typer.Typer:
    """The command line. Only the command `wanted` is whole, the others are there by name and help; None: all are."""
    app = typer.Typer(
        name="aftrun",
        help="Start file-transfer jobs on Syncplify AFT! servers from YAML, follow them to their end, tell the truth.",
        epilog="Exit codes: 0 all succeeded, 1 failed, 2 usage or manifest, 3 unreachable, 4 key refused, 5 cancelled, "
        "6 unknown, 70 a bug, 74 cannot write, 75 another run of the jobs is open, 124 gave up waiting, 130/143 "
        "interrupted.\n\n"
        "Every flag can be set by a variable: --state-dir by AFTRUN_STATE_DIR, or for one command alone by "
        "AFTRUN_APPLY_STATE_DIR.",
        cls=Group,
        no_args_is_help=True,
        rich_markup_mode=None,  # rich would double the time that --help takes
        pretty_exceptions_enable=False,  # the boundary speaks for us, and shows no values
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name, text in COMMANDS.items():
        if wanted in (None, name):
            app.command(name, cls=Command, epilog=epilog(name))(expanded(command(name)))
        else:
            app.command(name, help=text)(_not_loaded)
    return app


def run() -> int:
    """Run the command line; returns the exit code."""
    return guarded(_run)


def _run() -> int:
    open_missing_streams()
    typed = _completed_words() or sys.argv[1:]
    called = settle(asked_for(typed), os.environ)
    for stream in (sys.stdout, sys.stderr):
        # A console or a pipe that cannot show a character shows a replacement; it never ends a run.
        if hasattr(stream, "reconfigure"):
            ending = {"newline": "\n"} if stream is sys.stdout and keeps_lines(stream) else {}
            stream.reconfigure(encoding=encoding(stream, os.environ), errors="backslashreplace", **ending)
    return _start(asked_for(typed), called)


_WORDS = {
    "Value error, ": "",
    "Input should be a valid integer, unable to parse string as an integer": "it is not a whole number",
    "Input should be a valid number, unable to parse string as a number": "it is not a number",
    "Input should be a valid boolean, unable to interpret input": "it is neither yes nor no",
    "Input should be ": "it is to be ",
}
"""How the library behind typer speaks, and what it means."""


_NO_BOOLEAN = re.compile("'.*' is not a valid boolean.*")
"""How older versions of typer say that."""

_REFUSED = re.compile(r"for '(?P<flag>--[\w-]+)'(?: / '(?P<short>-\w)')? \(env var: '(?P<variable>\w+)'\): (?P<why>.*)")
"""What typer says of the value of a flag; it names the variable whether that was used or not."""


def in_our_words(text: str, typed: Sequence[str], called: Mapping[str, str]) -> str:
    """What typer says of a value that a flag does not take: where it came from, and all that it may be.

    `typed` are the arguments, which count more than variables; `called` is what `variables.settle` returned.
    """
    for theirs, ours in _WORDS.items():
        text = text.replace(f": {theirs}", f": {ours}")
    found = _REFUSED.search(text)
    if found is None:
        return text
    flag, short, variable, why = found.group("flag", "short", "variable", "why")
    by_hand = any(each.partition("=")[0] == flag or (short and each.startswith(short)) for each in typed)
    source = (
        f"for '{flag}'" if by_hand else f"of the variable {called.get(variable, variable)}, which stands for {flag}"
    )
    why = BOUNDS.get(flag) or _NO_BOOLEAN.sub("it is neither yes nor no", why)
    return f"{text[: found.start()]}{source}: {why}{text[found.end() :]}"


_HINTS = (
    ("start", "unexpected extra argument", "a script's name goes behind -n: aftrun start -n 'My Backup Job'"),
    ("", "'--sandbox' does not take a value", "a file that says how it behaves goes behind --scenario"),
)
"""What else to say, for a command or for all, where typer says this."""


def _completed_words() -> list[str]:
    """The command line so far, where a shell asks what TAB could add to it (typer's variables)."""
    if "_AFTRUN_COMPLETE" not in os.environ:
        return []
    if not os.environ.get("COMP_CWORD", "0").isdecimal():
        raise UsageError(
            "COMP_CWORD is not a number", hint="unset _AFTRUN_COMPLETE, which a shell sets for completion only"
        )
    given = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    return given.split()[1:]


def _start(name: str, called: Mapping[str, str]) -> int:
    """Run the command that was asked for."""
    if name in MOVED:
        raise UsageError(MOVED[name])
    try:
        # On Windows typer would expand `*`, `~` and `%NAME%` in every argument, values of params among them.
        return int(build(name)(windows_expand_args=False, prog_name="aftrun", standalone_mode=False) or 0)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    except _REFUSALS as refusal:
        said = io.StringIO()
        refusal.show(said)  # what was typed is part of it
        say(in_our_words(said.getvalue().rstrip("\n"), sys.argv[1:], called))
        for command_name, fragment, hint in _HINTS:
            if command_name in ("", name) and fragment in said.getvalue():
                say(f"  hint: {hint}")
        return int(refusal.exit_code)
