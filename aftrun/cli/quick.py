"""Plain command lines, read without typer: loading typer takes longer than checking a manifest.

What is not plain is left to typer, which knows all of it and has the words for what is wrong: a flag's variable is
set, flags run together (`-kq`), an abbreviation, a value that does not fit, `--help`. A test holds both readings
against each other.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from aftrun.cli.flags import Argument, Flag


class Parameter:
    """One parameter of a command's function: its flag or argument, and the type of one value."""

    __slots__ = ("default", "is_list", "kind", "name", "what")

    def __init__(self, parameter: inspect.Parameter) -> None:
        annotation = parameter.annotation
        kind, self.what = get_args(annotation)[:2] if get_origin(annotation) is Annotated else (annotation, None)
        members = [each for each in get_args(kind) if each is not NoneType]
        if members and get_origin(kind) is not list:
            (kind,) = members  # X | None
        self.is_list = get_origin(kind) is list
        self.kind: type = get_args(kind)[0] if self.is_list else kind
        self.name = parameter.name
        self.default = parameter.default


def parameters(function: Callable[..., Any]) -> list[Parameter]:
    """The parameters of a command."""
    return [Parameter(each) for each in inspect.signature(function, eval_str=True).parameters.values()]


def arguments_of(
    function: Callable[..., Any], given: Sequence[str], environ: Mapping[str, str]
) -> dict[str, Any] | None:
    """What to call a command's function with, or None where typer has to look.

    Args:
        function: a command, whose parameters are annotated with `Flag` and `Argument`.
        given: the command line after the command's name.
        environ: where variables of flags may be set.
    """
    known: dict[str, tuple[Parameter, bool]] = {}
    places: list[Parameter] = []
    values: dict[str, Any] = {}
    for each in parameters(function):
        if isinstance(each.what, Flag):
            for names in each.what.names:
                yes, _, no = names.partition("/")
                known[yes] = (each, True)
                if no:
                    known[no] = (each, False)
            if each.what.variable and each.what.variable in environ:
                return None
        elif isinstance(each.what, Argument):
            places.append(each)
        else:
            return None
        values[each.name] = each.default
    return values if _fill(values, known, places, given) and inspect.Parameter.empty not in values.values() else None


def _fill(
    values: dict[str, Any], known: Mapping[str, tuple[Parameter, bool]], places: list[Parameter], given: Sequence[str]
) -> bool:
    """Put what was given into `values`. False where that takes more than this."""
    rest = iter(given)
    for text in rest:
        flag, equals, value = text.partition("=")
        if len(text) > 2 and text[0] == "-" != text[1] and text[2] != "=" and _takes_value(known.get(text[:2])):
            flag, equals, value = text[:2], "joined", text[2:]  # -j8
        if flag in known:
            parameter, yes = known[flag]
            if parameter.kind is bool or _is_count(parameter):
                if equals:
                    return False
                values[parameter.name] = yes if parameter.kind is bool else values[parameter.name] + 1
                continue
            if equals == "=" and not flag.startswith("--"):
                return False
            found = value if equals else next(rest, None)
        elif (text.startswith("-") and text != "-") or not places:
            return False
        else:
            parameter, found = places[0] if places[0].is_list else places.pop(0), text
        if found is None or (found.startswith("-") and found != "-"):
            return False
        try:
            item = _value(parameter, found)
        except ValueError:
            return False
        if parameter.is_list:
            before = values[parameter.name]
            values[parameter.name] = [*before, item] if isinstance(before, list) else [item]
        else:
            values[parameter.name] = item
    return True


def _takes_value(found: tuple[Parameter, bool] | None) -> bool:
    return found is not None and found[0].kind is not bool and not _is_count(found[0])


def _is_count(parameter: Parameter) -> bool:
    return isinstance(parameter.what, Flag) and parameter.what.is_count


def _value(parameter: Parameter, text: str) -> Any:
    """One value. Raises ValueError where it does not fit."""
    if parameter.kind is str:
        return text
    if parameter.kind is Path or issubclass(parameter.kind, StrEnum):
        return parameter.kind(text)
    lowest = parameter.what.settings.get("min") if parameter.what is not None else None
    if parameter.kind is int and text.isascii() and text.isdigit():
        number = int(text)
        if lowest is None or number >= lowest:
            return number
    raise ValueError(text)
