"""What a command's flags and arguments are, without typer: a command's module says it here, once.

`cli/main.py` makes typer's parameters of these; `cli/quick.py` reads plain command lines with them and spares typer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from aftrun.errors import UsageError


class Flag:
    """A flag of a command, to stand in `Annotated[TYPE, Flag(…)]`.

    Args:
        names: as typed: `--jobs`, `-j`, or `--wait/--no-wait` for a flag with another side.
        help: what `--help` says.
        many: for a repeatable flag, makes one value from text. Its variable holds one value a line, since values may
            hold blanks, at which typer would split them.
        mirrored: whether a variable of the environment can stand for it, `AFTRUN_` and its longest name.
        settings: what else typer is to know (`metavar`, `min`, `count`, `show_default`…).
    """

    __slots__ = ("help", "many", "mirrored", "names", "settings")

    def __init__(
        self,
        *names: str,
        help: str,  # noqa: A002  # typer's own name for it
        many: Callable[[str], Any] | None = None,
        mirrored: bool = True,
        **settings: Any,
    ) -> None:
        self.names = names
        self.help = help
        self.many = many
        self.mirrored = mirrored
        self.settings: Mapping[str, Any] = settings

    @property
    def variable(self) -> str:
        """The variable that mirrors it; empty where none does."""
        if not self.mirrored:
            return ""
        flag = max((name.split("/", maxsplit=1)[0] for name in self.names), key=len)
        return "AFTRUN_" + flag.lstrip("-").replace("-", "_").upper()

    @property
    def is_count(self) -> bool:
        """Whether it takes no value and counts how often it is given."""
        return bool(self.settings.get("count"))

    def fill(self, value: Any) -> Any:
        """The values of a repeatable flag: those given, else those of its variable, else None.

        Raises:
            UsageError: a line of the variable is no value of the flag.
        """
        assert self.many is not None  # noqa: S101  # only repeatable flags are filled
        if value:
            return value
        found = []
        for line in os.environ.get(self.variable, "").splitlines():
            if line.strip():
                try:
                    found.append(self.many(line))
                except ValueError:
                    flag = max(self.names, key=len)
                    raise UsageError(
                        f"the variable {self.variable} holds {line!r}, which {flag} does not know"
                    ) from None
        return found or None


class Argument:
    """What a command takes without a flag, in the order of its parameters; the last may be repeatable."""

    __slots__ = ("help", "settings")

    def __init__(self, *, help: str, **settings: Any) -> None:  # noqa: A002  # typer's own name for it
        self.help = help
        self.settings: Mapping[str, Any] = settings
