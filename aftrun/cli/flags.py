"""How flags are declared: once, where they are used or in a group that commands share; all else follows from that.

A flag has a mirror in the environment (`--max-x` is `AFTRUN_MAX_X`). A group is a frozen dataclass whose fields are
annotated as parameters are; `expanded` makes typer's parameters of a command's own and of its groups' fields, and puts
the groups together again when the command is called. The only place, with `main` and `completion`, that knows typer.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from aftrun.domain.errors import UsageError

BOUNDS: dict[str, str] = {}
"""What the value of a number's flag may be, in words, by its longest name: of the command that was asked for."""

Completer = Callable[[Any, str], Iterable[Any]]
"""What TAB offers: from typer's context and the word so far to words, or to (word, help)."""


def variable_of(names: Iterable[str]) -> str:
    """The variable that mirrors a flag: `AFTRUN_` and its longest name."""
    flag = max((name.split("/", maxsplit=1)[0] for name in names), key=len)
    return "AFTRUN_" + flag.lstrip("-").replace("-", "_").upper()


def flag(
    *names: str,
    help: str,  # noqa: A002  # typer's own name for it
    many: Callable[[str], Any] | None = None,
    mirrored: bool = True,
    complete: Completer | None = None,
    **settings: Any,
) -> Any:
    """Typer's option for a flag, to stand in `Annotated`.

    Args:
        names: as typed: `--jobs`, `-j`, or `--wait/--no-wait` for a flag with another side.
        help: what `--help` says.
        many: for a repeatable flag, makes one value from text. Its variable holds one value a line, since values may
            hold blanks, at which typer would split them.
        mirrored: whether a variable of the environment can stand for it.
        complete: what TAB offers; words of enums are offered anyway.
        settings: what else typer is to know (`metavar`, `min`, `count`, `show_default`…).
    """
    variable = variable_of(names) if mirrored else None
    settings.setdefault("readable", False)  # whoever opens a file has better words for why it cannot be read
    _with_completion(settings, complete)
    if "min" in settings:
        up_to = (
            f" from {settings['min']} to {settings['max']}" if "max" in settings else f", {settings['min']} at least"
        )
        BOUNDS[max(names, key=len)] = f"it is to be a whole number{up_to}"
    if many is None or variable is None:
        return typer.Option(*names, help=help, envvar=variable, **settings)
    text = f"{help}  [env var: {variable}, one a line]"

    def fill(value: Any) -> Any:
        return _filled(value, variable, max(names, key=len), many)

    return typer.Option(*names, help=text, callback=fill, show_default=False, **settings)


def argument(*, help: str, complete: Completer | None = None, **settings: Any) -> Any:  # noqa: A002  # typer's own name
    """Typer's argument, which a command takes without a flag, to stand in `Annotated`."""
    _with_completion(settings, complete)
    return typer.Argument(help=help, **settings)


def _with_completion(settings: dict[str, Any], complete: Completer | None) -> None:
    if complete is not None:

        def offered(ctx: typer.Context, incomplete: str) -> list[Any]:
            return list(complete(ctx, incomplete))

        settings["autocompletion"] = offered


def _filled(value: Any, variable: str, name: str, many: Callable[[str], Any]) -> Any:
    """The values of a repeatable flag: those given, else those of its variable, else None.

    Raises:
        UsageError: a line of the variable is no value of the flag.
    """
    if value:
        return value
    found = []
    for line in os.environ.get(variable, "").splitlines():
        if line.strip():
            try:
                found.append(many(line))
            except ValueError:
                raise UsageError(f"the variable {variable} holds {line!r}, which {name} does not know") from None
    return found or None


def expanded(function: Callable[..., int]) -> Callable[..., None]:
    """A command as typer wants it: every flag of its groups a parameter. It ends with the command's exit code."""
    own = inspect.signature(function, eval_str=True)
    groups = {name: each.annotation for name, each in own.parameters.items() if _is_group(each.annotation)}
    parameters = [each for name, each in own.parameters.items() if name not in groups]
    for group in groups.values():
        parameters += _parameters(group)

    @functools.wraps(function)
    def run(**given: Any) -> None:
        built = {name: _built(group, given) for name, group in groups.items()}
        raise typer.Exit(function(**{name: given[name] for name in own.parameters if name not in groups}, **built))

    # Nobody calls it by position, and a default may stand before what has none.
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    run.__signature__ = own.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]  # where inspect looks
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and dataclasses.is_dataclass(annotation)


def _parameters(group: type, title: str = "") -> Iterator[inspect.Parameter]:
    """The parameters of a group, which help shows under what the outermost group says of itself."""
    said = (inspect.getdoc(group) or "").partition("\n")[0].rstrip(".")
    title = title or ("What is made of the report" if said.startswith(f"{group.__name__}(") else said)
    hints = get_type_hints(group, include_extras=True)
    for each in dataclasses.fields(group):
        hint = hints[each.name]
        if _is_group(hint):
            yield from _parameters(hint, title)
        else:
            kind, *extras = get_args(hint)
            extras = [_titled(each, title) for each in extras]
            hint = Annotated[kind, *extras]
            default = inspect.Parameter.empty if each.default is dataclasses.MISSING else each.default
            if _is_tuple(kind):  # typer fills repeatable flags with lists; groups hold tuples, as frozen things should
                hint, default = Annotated[list[get_args(kind)[0]] | None, *extras], None  # type: ignore[misc]  # a type made while running
            yield inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)


def _titled(extra: Any, title: str) -> Any:
    """What typer knows of a flag, with the title of its group."""
    made = copy.copy(extra)
    made.rich_help_panel = title
    return made


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _built(group: type, given: dict[str, Any]) -> Any:
    hints = get_type_hints(group)
    values: dict[str, Any] = {}
    for each in dataclasses.fields(group):
        hint = hints[each.name]
        if _is_group(hint):
            values[each.name] = _built(hint, given)
        elif _is_tuple(hint):
            values[each.name] = tuple(given[each.name] or ())
        else:
            values[each.name] = given[each.name]
    return group(**values)
