"""The part of PowerShell that people paste: `Invoke-RestMethod` and what its arguments are made of.

Variables, maps, arrays, strings of all kinds, here-strings, back-ticks, splatting, `ConvertTo-Json`. What would have to
be executed to be known is a `Trouble` where its value is needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from aftrun.importer.pieces import Trouble, basename, unknown, variable
from aftrun.importer.psvalues import ESCAPES, Now, Unknown, as_text, date_reference

_NAME = re.compile(r"(?:(?:script|global|local|private):)?([A-Za-z_]\w*)", re.IGNORECASE)
_VARIABLE = re.compile(
    r"\$(?:\{env:([A-Za-z_]\w*)\}|env:([A-Za-z_]\w*)|\{([^}]+)\}|" + _NAME.pattern + r")", re.IGNORECASE
)
_NUMBER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?=[\s,;|)}\]]|$)")
_CAST = re.compile(r"\[\s*([A-Za-z_][\w.]*(?:\[\])?)\s*\]")
_KEYWORDS = {
    *("if", "else", "elseif", "foreach", "for", "while", "do", "switch", "try", "catch", "finally", "function"),
    *("return", "throw", "trap", "class", "begin", "process", "end", "filter", "until"),
}
_CONSTANTS = {"true": True, "false": False, "null": None}
_KEPT_CASTS = {"string", "ordered", "pscustomobject", "hashtable", "system.collections.hashtable", "uri", "psobject"}

Run = Callable[[str, int, Sequence[tuple[Any, int]], dict[str, tuple[Any, int]], Any], Any]
"""Told of each command: name, offset, plain arguments, named arguments, what the pipe gives it. Returns its value."""


class PowerShell:
    """Reads one stretch of text, running nothing: every command is handed to `run`."""

    def __init__(self, text: str, offsets: Sequence[int], run: Run) -> None:
        self._text, self._offsets, self._run = text, offsets, run
        self._at = 0
        self._variables: dict[str, Any] = {}
        self._environment: dict[str, Any] = {}
        self.skips_certificates = False

    def read(self) -> None:
        """Read all statements.

        Raises:
            Trouble: something cannot be read.
        """
        self._statements("")

    # --- statements -----------------------------------------------------------------------------------------------

    def _statements(self, end: str) -> Any:
        value: Any = None
        while True:
            self._blanks(lines=True)
            if not self._peek():
                if end:
                    raise Trouble(f"{end} is missing", self._offset())
                return value
            if end and self._peek() == end:
                return value
            if self._peek() == ";":
                self._at += 1
                continue
            value = self._statement()
            self._blanks()
            if self._peek() and self._peek() not in ";\n" + end:
                raise Trouble("this cannot be read here", self._offset(), "paste only the commands that start jobs")

    def _statement(self) -> Any:
        start = self._offset()
        static = re.compile(r"\[[\w.]+\]::(\w+)").match(self._text, self._at)
        if static:
            if static.group(1) in ("ServerCertificateValidationCallback", "CertificatePolicy"):
                self.skips_certificates = True
            elif static.group(1) != "SecurityProtocol":
                raise Trouble("this use of .NET cannot be read", start, "leave it out if it can be")
            self._skip_statement()
            return None
        word = re.compile(r"[A-Za-z]+").match(self._text, self._at)
        if word and word.group().lower() == "param" and self._text[word.end() :].lstrip().startswith("("):
            self._at = self._text.index("(", self._at)
            self._skip_balanced()
            return None
        if word and word.group().lower() in _KEYWORDS:
            hint = "paste only the commands that start jobs, and the variables that they use"
            raise Trouble(f"`{word.group()}` would have to be executed", start, hint)
        target = self._target()
        if target is not None:
            self._assign(*target, start)
            return None
        return self._pipeline()

    def _target(self) -> tuple[str, str, list[Any], str] | None:
        """What stands before an assignment's `=`: kind, name, keys, operator; None where this is no assignment."""
        before = self._at
        while cast := _CAST.match(self._text, self._at):
            self._at = cast.end()
            self._blanks()
        match = re.compile(r"\$(?:(env:)([A-Za-z_]\w*)|\{([^}]+)\}|" + _NAME.pattern + r")", re.IGNORECASE).match(
            self._text, self._at
        )
        if match:
            self._at = match.end()
            kind = "env" if match.group(1) else "variable"
            name = match.group(2) or match.group(3) or match.group(4)
            keys: list[Any] = []
            while step := re.compile(r"\.([A-Za-z_]\w*)(?!\()|\[\s*(['\"])(.*?)\2\s*\]").match(self._text, self._at):
                keys.append(step.group(1) or step.group(3))
                self._at = step.end()
            self._blanks()
            operator = re.compile(r"\+?=(?!=)").match(self._text, self._at)
            if operator:
                self._at = operator.end()
                return kind, name, keys, operator.group()
        self._at = before
        return None

    def _assign(self, kind: str, name: str, keys: list[Any], operator: str, start: int) -> None:
        value = self._guarded_pipeline()
        store = self._environment if kind == "env" else self._variables
        key = name if kind == "env" else name.lower()
        if not keys:
            store[key] = self._sum(store.get(key, ""), value, start) if operator == "+=" else value
            return
        holder = store.get(key)
        for step in keys[:-1]:
            holder = self._member(holder, step, start)
        if not isinstance(holder, dict):
            raise Trouble(f"${name} is no map that is known here", start)
        holder[keys[-1]] = self._sum(holder.get(keys[-1], ""), value, start) if operator == "+=" else value

    def _guarded_pipeline(self) -> Any:
        """The value of an assignment. What cannot be known is a trouble only where it is used."""
        before = self._at
        try:
            return self._pipeline()
        except Trouble as trouble:
            if "irm" in self._text[before : before + 4000].lower() or "invoke-" in self._text[before:].lower()[:200]:
                raise
            self._at = before
            self._skip_statement()
            return Unknown(trouble.message)

    def _pipeline(self) -> Any:
        self._blanks()
        value = self._command_or_expression(None, first=True)
        while True:
            self._blanks()
            if self._peek() != "|" or self._peek(2) == "||":
                return value
            self._at += 1
            self._blanks(lines=True)
            value = self._command_or_expression(value, first=False)

    def _command_or_expression(self, piped: Any, *, first: bool) -> Any:
        called = self._peek() in ("&", ".") and self._text[self._at + 1 : self._at + 2] in (" ", "'", '"', "$")
        if called:
            self._at += 1
            self._blanks()
            return self._command(piped, called=True)
        if re.compile(r"[A-Za-z_./\\][\w./\\:-]*|%|\?").match(self._text, self._at):
            return self._command(piped, called=False)
        if not first:
            raise Trouble("this part of a pipeline cannot be read", self._offset())
        return self._expression()

    # --- commands -------------------------------------------------------------------------------------------------

    def _command(self, piped: Any, *, called: bool) -> Any:
        start = self._offset()
        if called:
            name = as_text(self._primary()) or ""
        else:
            match = re.compile(r"[^\s;|(){},'\"$]+").match(self._text, self._at)
            name = match.group() if match else ""
            self._at += len(name)
        plain: list[tuple[Any, int]] = []
        named: dict[str, tuple[Any, int]] = {}
        while True:
            self._blanks()
            char = self._peek()
            if not char or char in "\n;|)}":
                return self._run(name, start, plain, named, piped)
            if char == "{":
                self._skip_balanced()
                continue
            at = self._offset()
            redirect = re.compile(r"(?:\d|\*)?>>?(?:&1)?").match(self._text, self._at)
            if redirect:
                self._at = redirect.end()
                self._blanks()
                if not redirect.group().endswith("&1"):
                    self._argument()
                continue
            if char == "@" and re.match(r"@[A-Za-z_]", self._peek(2)):
                self._splat(named, at)
                continue
            option = re.compile(r"-([A-Za-z][\w-]*)(:)?").match(self._text, self._at)
            if option and not _is_native(name):
                self._at = option.end()
                self._blanks()
                if option.group(2) or not self._at_end_of_value():
                    named[option.group(1).lower()] = (self._argument(), at)
                else:
                    named[option.group(1).lower()] = (True, at)
                continue
            plain.append((self._argument(), at))

    def _at_end_of_value(self) -> bool:
        """Whether a switch ends here: the next thing is no value."""
        char = self._peek()
        return (
            not char
            or char in "\n;|)}"
            or re.match(r"-[A-Za-z]", self._peek(2)) is not None
            or (char == "@" and re.match(r"@[A-Za-z_]", self._peek(2)) is not None)
        )

    def _splat(self, named: dict[str, tuple[Any, int]], at: int) -> None:
        match = re.compile(r"@([A-Za-z_]\w*)").match(self._text, self._at)
        assert match is not None, "the caller has looked"  # noqa: S101  # for the type checker
        self._at = match.end()
        value = self._variables.get(match.group(1).lower())
        if not isinstance(value, dict):
            raise Trouble(f"@{match.group(1)} is no map that is known here", at)
        named.update({str(key).lower(): (item, at) for key, item in value.items()})

    def _argument(self) -> Any:
        """One argument: an expression, or a bare word in which variables may stand."""
        char = self._peek()
        if char in "'\"(@" or (char == "$" and not re.compile(r"\$[\w:{}.]+[/\\:-]").match(self._text, self._at)):
            value = self._postfixed(self._primary())
            if self._peek() == ",":
                return self._listed(value)
            return value
        if _NUMBER.match(self._text, self._at):
            return self._primary()
        parts: list[str] = []
        start = self._offset()
        while (char := self._peek()) and char not in " \t\r\n;|(){},'\"":
            if char == "$":
                parts.append(self._needed_text(self._dollar(), start))
            elif char == "`":
                if self._text[self._at + 1 : self._at + 2] in ("\n", "\r"):
                    break
                parts.append(self._peek(2)[1:])
                self._at += 2
            else:
                parts.append(char)
                self._at += 1
        if not parts:
            raise Trouble("this cannot be read", start)
        return "".join(parts)

    def _needed_text(self, value: Any, offset: int) -> str:
        if isinstance(value, Unknown):
            return unknown(value.why)
        text = as_text(value)
        if text is None:
            raise Trouble("this is no text", offset)
        return text

    # --- expressions ----------------------------------------------------------------------------------------------

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
        cast = _CAST.match(self._text, self._at)
        if cast:
            self._at = cast.end()
            self._blanks()
            return self._converted(cast.group(1).lower(), self._postfixed(self._primary()), start)
        number = _NUMBER.match(self._text, self._at)
        if number:
            self._at = number.end()
            text = number.group()
            if re.fullmatch(r"[+-]?[0-9]+", text):
                return int(text)
            return int(text, 16) if "x" in text.lower() else float(text)
        raise Trouble("this cannot be read", start, "paste only the commands that start jobs")

    def _converted(self, kind: str, value: Any, offset: int) -> Any:
        if kind in ("string", "char"):
            return value if isinstance(value, Unknown) else self._needed_text(value, offset)
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

    # --- texts ----------------------------------------------------------------------------------------------------

    def _single(self) -> str:
        start = self._offset()
        match = re.compile(r"'((?:[^']|'')*)'").match(self._text, self._at)
        if match is None:
            raise Trouble("this quote is never closed", start)
        self._at = match.end()
        return match.group(1).replace("''", "'")

    def _double(self, end: str, start: int) -> str:
        """Expandable text up to `end`, which is taken."""
        parts: list[str] = []
        while True:
            char = self._peek()
            if not char:
                raise Trouble("this quote is never closed", start)
            if self._text.startswith(end, self._at):
                if end == '"' and self._peek(2) == '""':
                    parts.append('"')
                    self._at += 2
                    continue
                self._at += len(end)
                return "".join(parts)
            if char == "`":
                following = self._peek(2)[1:]
                parts.append(ESCAPES.get(following, following))
                self._at += 2
            elif char == "$" and re.match(r"\$[\w({]", self._peek(2)):
                parts.append(self._needed_text(self._dollar(), self._offset()))
            else:
                parts.append(char)
                self._at += 1

    def _here_string(self) -> str:
        start, quote = self._offset(), self._peek(2)[1:]
        line = re.compile(r"@['\"][ \t]*\r?\n").match(self._text, self._at)
        if line is None:
            raise Trouble(f"after @{quote} the line must end", start)
        self._at = line.end()
        if quote == '"':
            if self._text.startswith('"@', self._at):
                self._at += 2
                return ""
            return self._double('\n"@', start).removesuffix("\r")
        end = self._text.find("\n'@", self._at - 1)
        if end < 0:
            raise Trouble("this here-string never ends: '@ at the start of a line is missing", start)
        text = self._text[self._at : end] if end >= self._at else ""
        self._at = end + 3
        return text.removesuffix("\r")

    # --- the small things -----------------------------------------------------------------------------------------

    def _peek(self, length: int = 1) -> str:
        return self._text[self._at : self._at + length]

    def _offset(self) -> int:
        if self._at < len(self._offsets):
            return self._offsets[self._at]
        return self._offsets[-1] + 1 if self._offsets else 0

    def _blanks(self, *, lines: bool = False) -> None:
        """Go past blanks, comments and continued lines; past line ends too where `lines` says so."""
        blanks = re.compile(r"(?:[ \t\r]|`\r?\n|<#.*?#>|#[^\n]*" + (r"|\n" if lines else "") + ")+", re.DOTALL)
        match = blanks.match(self._text, self._at)
        if match:
            self._at = match.end()

    def _skip_statement(self) -> None:
        """To the end of a statement, whatever is in it."""
        while (char := self._peek()) and char not in "\n;":
            if char in "({[":
                self._skip_balanced()
            elif self._peek(2) in ("@'", '@"'):
                self._skip_here_string()
            elif char in "'\"":
                self._skip_quoted()
            elif self._peek(2) == "`\n":
                self._at += 2
            else:
                self._at += 1

    def _skip_here_string(self) -> None:
        end = self._text.find("\n" + self._peek(2)[1:] + "@", self._at)
        if end < 0:
            raise Trouble("this here-string never ends", self._offset())
        self._at = end + 3

    def _skip_quoted(self) -> None:
        start, quote = self._offset(), self._peek()
        self._at += 1
        while self._peek() and self._peek() != quote:
            self._at += 2 if quote == '"' and self._peek() == "`" else 1
        if not self._peek():
            raise Trouble("this quote is never closed", start)
        self._at += 1

    def _skip_balanced(self) -> None:
        start, depth = self._offset(), 0
        while char := self._peek():
            if self._peek(2) in ("@'", '@"'):
                self._skip_here_string()
                continue
            if char in "'\"":
                self._skip_quoted()
                continue
            depth += (char in "({[") - (char in ")}]")
            self._at += 1
            if not depth:
                return
        raise Trouble("this bracket is never closed", start)


def _is_native(name: str) -> bool:
    """Whether a command is a program rather than a cmdlet, so that its options are plain words."""
    return basename(name) in ("curl", "aft", "schtasks", "cmd", "powershell", "pwsh")
