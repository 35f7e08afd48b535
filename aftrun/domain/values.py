"""Values that are partly known: text with `${…}` (from outside, secret) and `${{ … }}` (from inside, shown).

A manifest never holds the value of a `${…}`, only the reference, so nothing that is made from a manifest
can leak one. Values join their references at the last moment, in `render`, and even then stay beside the
form that may be shown. Which form a value came in decides what is shown, everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

from aftrun.domain.environment import name_key
from aftrun.domain.frozen import dataclass

_NO_FILES = ("start", "the command line", "")
"""Paths of what stands in no file: flags or a program made it. `start` makes a manifest of its flags."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A place in a file. Line and column count from 1."""

    path: str
    line: int
    column: int

    @property
    def in_file(self) -> bool:
        """Whether anybody can look at it."""
        return self.path not in _NO_FILES

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}" if self.in_file else self.path


@dataclass(frozen=True, slots=True)
class Outside:
    """`${VAR}`, `${env:VAR}`, `${file:PATH}`, `${keyring:SERVICE/USER}`, each with `:-default` or `:?message`.

    `text` is the reference as it was written, which is all that is ever shown of it.
    """

    source: str
    """``env``, ``file`` or ``keyring``."""
    name: str
    text: str
    default: str | None = None
    message: str | None = None
    origin: Origin | None = field(default=None, compare=False)
    """Where the reference itself stands (not the scalar that holds it)."""
    implied: bool = field(default=False, compare=False, repr=False)
    """Nobody wrote it: it is a default, and `origin` is the place that it is a default of."""

    @property
    def key(self) -> tuple[str, str]:
        """What a binding is looked up by: equal for all spellings of one variable."""
        return (self.source, name_key(self.name) if self.source == "env" else self.name)


@dataclass(frozen=True, slots=True)
class Inside:
    """`${{ run.date:%Y }}`: a value that aftrun itself knows. `path` is ``("run", "date")``."""

    path: tuple[str, ...]
    text: str
    format: str | None = None
    origin: Origin | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Template:
    """Text with at least one reference in it. `raw` is the text as written, `$$` and all."""

    parts: tuple[str | Outside | Inside, ...]
    raw: str

    def outsides(self) -> tuple[Outside, ...]:
        """The references to the outside, in order."""
        return tuple(part for part in self.parts if isinstance(part, Outside))

    def insides(self) -> tuple[Inside, ...]:
        """The references to the inside, in order."""
        return tuple(part for part in self.parts if isinstance(part, Inside))


Value = str | Template
"""Text in a manifest. Plain `str` where nothing is to be expanded (`$$` already undone)."""


@dataclass(frozen=True, slots=True)
class Text:
    """An expanded value beside the form of it that may be shown."""

    value: str = field(repr=False)
    shown: str


Bindings = Mapping[tuple[str, str], str]
"""The values from outside, by ``(source, name)``. A missing key means: use the default."""

Lookup = Callable[[Inside], str | None]
"""Finds a value from inside; None when it is not known yet (before the run, say)."""


class Unbound(LookupError):
    """A reference had neither a value nor a default. The argument is the reference's text."""


def bound(reference: Outside, bindings: Bindings) -> str | None:
    """The value of a reference, or None where it has neither a value nor a default.

    As in a POSIX shell, `:-` and `:?` treat an empty value as unset.
    """
    value = bindings.get(reference.key)
    if value is None or (value == "" and (reference.default is not None or reference.message is not None)):
        return reference.default
    return value


def render(value: Value, bindings: Bindings, lookup: Lookup) -> Text:
    """Expand a value, once.

    Raises:
        Unbound: a reference had neither a value nor a default.
    """
    if isinstance(value, str):
        return Text(value, value)
    real: list[str] = []
    visible: list[str] = []
    for part in value.parts:
        if isinstance(part, str):
            real.append(part)
            visible.append(part)
            continue
        found = bound(part, bindings) if isinstance(part, Outside) else lookup(part)
        if found is None:
            raise Unbound(part.text)
        real.append(found)
        visible.append(part.text if isinstance(part, Outside) else found)
    return Text("".join(real), "".join(visible))


def preview(value: Value, lookup: Lookup) -> str:
    """What may be shown of a value before anything from outside is known.

    References to the inside that `lookup` does not know yet stay as they were written.
    """
    if isinstance(value, str):
        return value
    visible: list[str] = []
    for part in value.parts:
        if isinstance(part, str):
            visible.append(part)
        elif isinstance(part, Outside):
            visible.append(part.text)
        else:
            found = lookup(part)
            visible.append(part.text if found is None else found)
    return "".join(visible)


def nothing_inside(reference: Inside) -> str | None:
    """The `Lookup` that knows nothing."""
    return None
