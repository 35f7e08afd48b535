"""The command line as data: what the reference pages are made of, and what tests ask."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import get_args, get_origin

from typer.models import OptionInfo

from aftrun.cli.flags import expanded
from aftrun.cli.main import COMMANDS, command


@dataclass(frozen=True)
class Parameter:
    """A flag, or an argument (then `flags` is empty)."""

    name: str
    flags: tuple[str, ...]
    opposites: tuple[str, ...]
    """The names that say no."""
    takes_value: bool
    metavar: str
    choices: tuple[str, ...]
    is_path: bool
    many: bool
    """Whether it can be given several times."""
    required: bool
    default: str
    variable: str
    """The variable of the environment that mirrors it, or nothing."""
    help: str


@dataclass(frozen=True)
class Command:
    """One command."""

    name: str
    help: str
    """Paragraphs, separated by empty lines."""
    parameters: tuple[Parameter, ...]

    @property
    def options(self) -> tuple[Parameter, ...]:
        """Its flags."""
        return tuple(each for each in self.parameters if each.flags)

    @property
    def arguments(self) -> tuple[Parameter, ...]:
        """What it takes without a flag."""
        return tuple(each for each in self.parameters if not each.flags)


def _parameter(given: inspect.Parameter) -> Parameter:
    """One parameter of a command as typer gets it: `Annotated[TYPE, typer.Option(…)]`."""
    kind, what = get_args(given.annotation)
    members = [each for each in get_args(kind) if each is not NoneType]
    if members and get_origin(kind) is not list:
        (kind,) = members  # X | None
    is_list = get_origin(kind) is list
    kind = get_args(kind)[0] if is_list else kind
    # In `Annotated` the first name is where typer's own default would be.
    names = [str(what.default), *(what.param_decls or ())] if isinstance(what, OptionInfo) else []
    pairs = [name.partition("/") for name in names]
    choices = tuple(str(each.value) for each in kind) if issubclass(kind, StrEnum) else ()
    counts = bool(getattr(what, "count", False))
    takes_value = not pairs or not (kind is bool or counts)
    told = takes_value and what.show_default and given.default not in (None, "", 0, inspect.Parameter.empty)
    marked = re.search(r"\[env var: (\w+), one a line\]", what.help)
    return Parameter(
        given.name,
        tuple(yes for yes, _, _ in pairs),
        tuple(no for _, _, no in pairs if no),
        takes_value,
        str(what.metavar or "|".join(choices) or ("N" if kind in (int, float) else given.name.upper())),
        choices,
        issubclass(kind, Path),
        is_list or counts,
        given.default is inspect.Parameter.empty,
        str(getattr(given.default, "value", given.default)) if told else "",
        (marked.group(1) if marked else what.envvar or "") if what.show_envvar else "",
        re.sub(r"\s*\[env var: [^]]*\]", "", what.help),
    )


def commands() -> Iterator[Command]:
    """Every command, in the order of `aftrun --help`."""
    for name in COMMANDS:
        function = expanded(command(name))
        parameters = inspect.signature(function).parameters.values()
        yield Command(name, inspect.getdoc(function) or "", tuple(map(_parameter, parameters)))
