"""The command line as typer sees it, made of the commands' own flags. The only importer of `typer`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args

import typer

from aftrun.cli.boundary import emit
from aftrun.cli.flags import Argument, Flag
from aftrun.cli.main import COMMANDS, VERSION, command


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
        "6 unknown, 74 cannot write, 124 gave up waiting, 130/143 interrupted.\n\n"
        "Every flag can be set by a variable: --state-dir by AFTRUN_STATE_DIR, or for one command alone by "
        "AFTRUN_APPLY_STATE_DIR.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,  # rich would double the time that --help takes
        pretty_exceptions_enable=False,  # the boundary speaks for us, and shows no values
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name, place, text in COMMANDS:
        if wanted in (None, name):
            app.command(name)(typed(command(place)))
        else:
            app.command(name, help=text)(_not_loaded)
    return app


def typed(function: Callable[..., int]) -> Callable[..., None]:
    """A command with typer's parameters in place of ours. It ends with the exit code that the command returns."""

    @functools.wraps(function)
    def run(**given: Any) -> None:
        raise typer.Exit(function(**given))

    signature = inspect.signature(function, eval_str=True)
    parameters = [each.replace(annotation=_annotation(each.annotation)) for each in signature.parameters.values()]
    run.__signature__ = signature.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]  # where inspect looks
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _annotation(annotation: Any) -> Any:
    kind, what = get_args(annotation)[:2]
    return Annotated[kind, _typer_form(what)]


def _typer_form(what: Flag | Argument) -> Any:
    if isinstance(what, Argument):
        return typer.Argument(help=what.help, **what.settings)
    if what.many is not None:
        text = f"{what.help}  [env var: {what.variable}, one a line]"
        return typer.Option(*what.names, help=text, callback=what.fill, show_default=False, **what.settings)
    return typer.Option(*what.names, help=what.help, envvar=what.variable or None, **what.settings)
