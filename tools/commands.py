"""The command line as data: what completion and the man page are made of."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from aftrun.cli import quick
from aftrun.cli.flags import Flag
from aftrun.cli.main import COMMANDS
from aftrun.cli.main import command as function_of


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


def _default(value: Any) -> str:
    """A default that is worth telling."""
    if value is None or value is inspect.Parameter.empty or isinstance(value, bool) or value in (0, ""):
        return ""
    return str(value.value if isinstance(value, StrEnum) else value)


def _parameter(parameter: quick.Parameter) -> Parameter:
    what = parameter.what
    settings = what.settings
    flag = what if isinstance(what, Flag) else None
    pairs = [name.partition("/") for name in flag.names] if flag is not None else []
    kind = parameter.kind
    choices = tuple(str(each.value) for each in kind) if issubclass(kind, StrEnum) else ()
    counts = flag is not None and flag.is_count
    takes_value = flag is None or not (kind is bool or counts)
    word = "N" if kind in (int, float) else parameter.name.upper()
    return Parameter(
        parameter.name,
        tuple(yes for yes, _, _ in pairs),
        tuple(no for _, _, no in pairs if no),
        takes_value,
        str(settings.get("metavar") or "|".join(choices) or word),
        choices,
        issubclass(kind, Path),
        parameter.is_list or counts,
        parameter.default is inspect.Parameter.empty,
        _default(parameter.default) if takes_value and settings.get("show_default", True) else "",
        flag.variable if flag is not None and settings.get("show_envvar", True) else "",
        what.help,
    )


def commands() -> Iterator[Command]:
    """Every command, in the order of `aftrun --help`."""
    for name, place, _ in COMMANDS:
        function = function_of(place)
        text = inspect.getdoc(function) or ""
        yield Command(name, text, tuple(map(_parameter, quick.parameters(function))))
