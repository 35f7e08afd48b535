"""PowerShell's expressions: variables, maps, arrays, members, sums."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from aftrun.importer.pieces import Trouble, variable
from aftrun.importer.pstext import Texts
from aftrun.importer.psvalues import Now, Unknown, date_reference

NAME = re.compile(r"(?:(?:script|global|local|private):)?([A-Za-z_]\w*)", re.IGNORECASE)
_VARIABLE = re.compile(
    r"\$(?:\{env:([A-Za-z_]\w*)\}|env:([A-Za-z_]\w*)|\{([^}]+)\}|" + NAME.pattern + r")", re.IGNORECASE
)
NUMBER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?=[\s,;|)}\]]|$)")
CAST = re.compile(r"\[\s*([A-Za-z_][\w.]*(?:\[\])?)\s*\]")
_CONSTANTS = {"true": True, "false": False, "null": None}
_KEPT_CASTS = {
    "string",
    "ordered",
    "pscustomobject",
    "hashtable",
    "array",
    "object",
    "object[]",
    "string[]",
    "system.collections.hashtable",
    "uri",
    "psobject",
}


class Expressions(Texts):
    """Reads expressions. Statements and commands inside them are for the subclass to say."""

    def __init__(self, text: str, offsets: Sequence[int]) -> None:
        super().__init__(text, offsets)
        self._variables: dict[str, Any] = {}
        self._environment: dict[str, Any] = {}

    def _statements(self, end: str) -> Any:
        """The value of the last of several statements, up to `end`."""
        raise NotImplementedError

    def _pipeline(self) -> Any:
        """The value of a pipeline."""
        raise NotImplementedError

    def _expression(self) -> Any:
        start = self._offset()
        value = self._postfixed(self._primary())
        while True:
            self._blanks()
            if self._peek() == "+" and self._peek(2) not in ("+=", "++"):
                self._at += 1
                self._blanks(lines=True)
                value = self._sum(value, self._postfixed(self._primary()), start)
            elif self._peek(3).lower() == "-f " and isinstance(value, str):
                self._at += 3
                self._blanks(lines=True)
                given = self._listed(self._postfixed(self._primary()))
                value = self._formatted(value, given, start)
            elif self._peek() == ",":
                value = self._listed(value)
            else:
                return value

    def _listed(self, first: Any) -> list[Any]:
        items = [first]
        while True:
            self._blanks()
            if self._peek() != ",":
                return items
            self._at += 1
            self._blanks(lines=True)
            items.append(self._postfixed(self._primary()))

    def _sum(self, first: Any, second: Any, offset: int) -> Any:
        if isinstance(first, Unknown) or isinstance(second, Unknown):
            return first if isinstance(first, Unknown) else second
        if isinstance(first, dict) and isinstance(second, dict):
            return {**first, **second}
        if isinstance(first, list):
            return [*first, *(second if isinstance(second, list) else [second])]
        if isinstance(first, str):
            return first + self._needed_text(second, offset)
        raise Trouble("this sum cannot be read", offset, "write the value out")

    def _formatted(self, form: str, values: list[Any], offset: int) -> str:
        def fill(match: re.Match[str]) -> str:
            if match.group() in ("{{", "}}"):
                return match.group()[0]
            number = match.group(1)
            if number is None or int(number) >= len(values):
                raise Trouble("this format cannot be read", offset, "write the value out")
            return self._needed_text(values[int(number)], offset)

        return re.sub(r"\{\{|\}\}|\{(\d+)\}|\{", fill, form)

    def _primary(self) -> Any:
        start, char = self._offset(), self._peek()
        if self._peek(2) in ("@'", '@"'):
            return self._here_string()
        if char == "'":
            return self._single()
        if char == '"':
            self._at += 1
            return self._double('"', start)
        if char == "$":
            return self._dollar()
        if self._peek(2) == "@{":
            self._at += 2
            return self._map()
        if self._peek(2) == "@(":
            self._at += 2
            return self._items(")")
        if char == "(":
            self._at += 1
            value = self._statements(")")
            self._at += 1
            return value
        cast = CAST.match(self._text, self._at)
        if cast:
            self._at = cast.end()
            self._blanks()
            return self._converted(cast.group(1).lower(), self._postfixed(self._primary()), start)
        number = NUMBER.match(self._text, self._at)
        if number:
            self._at = number.end()
            text = number.group()
            if re.fullmatch(r"[+-]?[0-9]+", text):
                return int(text)
            return int(text, 16) if "x" in text.lower() else float(text)
        raise Trouble("this cannot be read", start, "paste only the commands that start jobs")

    def _converted(self, kind: str, value: Any, offset: int) -> Any:
        if isinstance(value, Unknown):
            return value
        if kind in ("string", "char"):
            return self._needed_text(value, offset)
        if kind in _KEPT_CASTS or kind == "void":
            return value
        if kind in ("int", "long", "int32", "int64") and isinstance(value, str | int):
            try:
                return int(value)
            except ValueError:
                raise Trouble("this is no whole number", offset) from None
        if kind in ("bool", "switch") and isinstance(value, bool):
            return value
        raise Trouble(f"the conversion [{kind}] cannot be read", offset, "write the value out")

    def _items(self, end: str) -> list[Any]:
        items: list[Any] = []
        while True:
            self._blanks(lines=True)
            if self._peek() == end:
                self._at += 1
                return items
            if self._peek() in (",", ";") and self._peek():
                self._at += 1
                continue
            if not self._peek():
                raise Trouble(f"{end} is missing", self._offset())
            value = self._pipeline()
            items += value if isinstance(value, list) else [value]

    def _map(self) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while True:
            self._blanks(lines=True)
            start, char = self._offset(), self._peek()
            if char == "}":
                self._at += 1
                return result
            if char == ";":
                self._at += 1
                continue
            if not char:
                raise Trouble("} is missing", start)
            key = self._key(start)
            self._blanks(lines=True)
            if self._peek() != "=":
                raise Trouble("a map's key needs a = after it", self._offset())
            self._at += 1
            self._blanks(lines=True)
            if key.lower() in {known.lower() for known in result}:
                raise Trouble(f"the map has the key {key!r} twice", start, "keep one of the two")
            result[key] = self._pipeline()

    def _key(self, start: int) -> str:
        if self._peek() in "'\"$(":
            return self._needed_text(self._primary(), start)
        match = re.compile(r"[A-Za-z_0-9][\w-]*").match(self._text, self._at)
        if match is None:
            raise Trouble("this is no key of a map", start)
        self._at = match.end()
        return match.group()

    # --- variables ------------------------------------------------------------------------------------------------

    def _dollar(self) -> Any:
        """A variable, or `$(…)`."""
        start = self._offset()
        if self._peek(2) == "$(":
            self._at += 2
            value = self._statements(")")
            self._at += 1
            return value
        match = _VARIABLE.match(self._text, self._at)
        if match is None:
            raise Trouble("this variable cannot be read", start, "write the value out")
        self._at = match.end()
        environment = match.group(1) or match.group(2)
        if environment:
            return self._environment.get(environment, variable(environment))
        name = match.group(3) or match.group(4)
        if name.lower() in _CONSTANTS:
            return _CONSTANTS[name.lower()]
        if name.lower() in self._variables:
            return self._variables[name.lower()]
        if not re.fullmatch(r"[A-Za-z_]\w*", name) or name.lower() in ("_", "args", "psitem", "lastexitcode", "error"):
            return Unknown(f"${name} is there only while the script runs")
        return variable(name)

    def _postfixed(self, value: Any) -> Any:
        """A value with `.name`, `['key']`, `[0]` or `.Method(…)` after it."""
        while True:
            start = self._offset()
            method = re.compile(r"\.([A-Za-z_]\w*)\(").match(self._text, self._at)
            if method:
                self._at = method.end()
                arguments = self._items(")")
                value = self._called(value, method.group(1).lower(), arguments, start)
                continue
            member = re.compile(r"\.([A-Za-z_]\w*)").match(self._text, self._at)
            if member:
                self._at = member.end()
                value = self._member(value, member.group(1), start)
                continue
            if self._peek() == "[" and isinstance(value, dict | list):
                self._at += 1
                inner = self._expression()
                self._blanks()
                if self._peek() != "]":
                    raise Trouble("] is missing", self._offset())
                self._at += 1
                value = self._member(value, inner, start)
                continue
            return value

    def _member(self, value: Any, key: Any, offset: int) -> Any:
        if isinstance(value, Unknown) or value is None:
            return value if value is not None else Unknown("it is what a command returned")
        if isinstance(value, dict):
            for name, item in value.items():
                if str(name).lower() == str(key).lower():
                    return item
            raise Trouble(f"the map has no {str(key)!r}", offset)
        if isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
            return value[key]
        raise Trouble("this member cannot be read", offset, "write the value out")

    def _called(self, value: Any, method: str, arguments: list[Any], offset: int) -> Any:
        if isinstance(value, Unknown):
            return value
        if isinstance(value, Now) and method == "tostring" and len(arguments) == 1 and isinstance(arguments[0], str):
            found = date_reference(arguments[0])
            if found is not None:
                return found
        if isinstance(value, str) and method in ("trim", "trimend", "tostring") and not arguments:
            return value.strip() if method == "trim" else value.rstrip() if method == "trimend" else value
        raise Trouble(f"what .{method}() returns is not known here", offset, "write the value out")
