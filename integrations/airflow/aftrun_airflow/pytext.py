"""Values → Python source, laid out as `ruff format` and Black would."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Mapping
from typing import Any

_WIDTH = 88
"""The narrower of the usual line lengths."""
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Code(str):
    """An expression, to stand as it is."""

    __slots__ = ()


def quoted(text: str) -> str:
    """A text as a literal, in the quotes that formatters prefer."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + "".join(_char(char, quote) for char in text) + quote


def _char(char: str, quote: str) -> str:
    if char == quote:
        return "\\" + quote
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65_536 else f"\\U{code:08x}"


def scalar(value: Any) -> str:
    """A value that is no list and no map."""
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 10**15:
        return str(int(value))
    return repr(value)


def expression(value: Any, indent: int, used: int) -> str:
    """A value; lists and maps that do not fit, one item a line.

    Args:
        value: made of what JSON has, and `Code`.
        indent: of the line that it begins on.
        used: characters of that line that are taken already.
    """
    deeper = " " * (indent + 4)
    if isinstance(value, Mapping) and value:
        items = []
        for key, item in value.items():
            head = f"{deeper}{quoted(key)}: "
            items.append(f"{head}{expression(item, indent + 4, len(head))},\n")
        return "{\n" + "".join(items) + " " * indent + "}"
    if isinstance(value, list | tuple) and value:
        flat = "[" + ", ".join(scalar(item) for item in value) + "]"
        if used + len(flat) < _WIDTH and not any(isinstance(item, Mapping | list) for item in value):
            return flat
        items = [f"{deeper}{expression(item, indent + 4, indent + 4)},\n" for item in value]
        return "[\n" + "".join(items) + " " * indent + "]"
    if isinstance(value, Mapping):
        return "{}"
    return "[]" if isinstance(value, list | tuple) else scalar(value)


def call(head: str, arguments: Mapping[str, Any], indent: int, notes: Mapping[str, str] | None = None) -> str:
    """`head(` and the arguments by name, one a line. `notes` are comments after some of them."""
    lines = [f"{' ' * indent}{head}("]
    for name, value in arguments.items():
        begin = f"{' ' * (indent + 4)}{name}="
        note = (notes or {}).get(name)
        lines.append(f"{begin}{expression(value, indent + 4, len(begin))}," + (f"  # {comment(note)}" if note else ""))
    lines.append(" " * indent + ")")
    return "\n".join(lines)


def comment(text: str) -> str:
    """Text that cannot end the comment that it stands in."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


class VariableNames:
    """Gives each id a variable of its own."""

    def __init__(self, *reserved: str) -> None:
        self._taken = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *reserved}

    def take(self, text: str, *, upper: bool = False) -> str:
        """A name of at most 30 characters that says what `text` says."""
        base = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")[:26] or "job"
        base = base.upper() if upper else base
        if not base.isidentifier() or base[0].isdigit():
            base = f"job_{base}"[:26]
        found, number = base, 2
        while found in self._taken:
            found, number = f"{base}_{number}", number + 1
        self._taken.add(found)
        return found
