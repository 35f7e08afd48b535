"""The words of a POSIX shell: quotes of all kinds, escapes, variables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from aftrun.importer.pieces import Trouble, Word, reference, unknown, variable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIMPLE_ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "e": "\x1b",
    "E": "\x1b",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "?": "?",
}
_NUMERIC = re.compile(r"x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([0-7]{1,3})")


@dataclass(slots=True)
class Scope:
    """The variables that the text itself sets."""

    values: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """The value: what the text set, or a reference to the environment."""
        value = self.values.get(name)
        return variable(name) if value is None else value


class Words:
    """Reads words, one after another. What is inside `$(…)` is for the subclass to say."""

    def __init__(self, text: str, offsets: Sequence[int], scope: Scope) -> None:
        self._text, self._offsets, self._scope = text, offsets, scope
        self._at = 0

    def _executed(self, inner: str, start: int) -> str:
        """What the commands inside `$(…)` print."""
        raise NotImplementedError

    def _offset(self, at: int | None = None) -> int:
        at = self._at if at is None else at
        if at < len(self._offsets):
            return self._offsets[at]
        return self._offsets[-1] + 1 if self._offsets else 0

    def _peek(self, length: int = 1) -> str:
        return self._text[self._at : self._at + length]

    def quoted_document(self) -> str:
        """The whole text as an unquoted here-document gives it: variables filled in, quotes left alone."""
        return self._double(end="")

    def _skip_blanks(self) -> None:
        while True:
            if self._peek() in (" ", "\t", "\r") and self._peek():
                self._at += 1
            elif self._peek(2) == "\\\n":
                self._at += 2
            elif self._peek(3) == "\\\r\n":
                self._at += 3
            else:
                return

    def _skip_comment(self) -> None:
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end

    def _word(self) -> Word:
        self._skip_blanks()
        start = self._offset()
        parts: list[str] = []
        while (char := self._peek()) and char not in " \t\n;&|<>()" and char != "\r":
            if char == "'":
                parts.append(self._single())
            elif char == '"':
                self._at += 1
                parts.append(self._double(end='"'))
            elif char == "\\":
                if self._peek(2) == "\\\n":
                    self._at += 2
                    continue
                parts.append(self._peek(2)[1:])
                self._at += 2
            elif char == "$":
                parts.append(self._dollar(quoted=False))
            elif char == "`":
                parts.append(self._backquoted())
            else:
                parts.append(char)
                self._at += 1
        return Word("".join(parts), start)

    def _single(self) -> str:
        start = self._offset()
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise Trouble("this quote is never closed", start)
        text = self._text[self._at + 1 : end]
        self._at = end + 1
        return text

    def _double(self, end: str) -> str:
        """Text up to a closing quote (or, with none, to the end), with variables filled in."""
        start = self._offset(self._at - 1 if end else self._at)
        parts: list[str] = []
        while True:
            char = self._peek()
            if not char:
                if not end:
                    return "".join(parts)
                raise Trouble("this quote is never closed", start)
            if char == end:
                self._at += 1
                return "".join(parts)
            if char == "\\":
                pair = self._peek(2)
                if pair[1:] == "\n":
                    pass
                elif pair[1:] in ("$", "`", "\\") or (end and pair[1:] == '"'):
                    parts.append(pair[1:])
                else:
                    parts.append(pair)
                self._at += 2
            elif char == "$":
                parts.append(self._dollar(quoted=True))
            elif char == "`":
                parts.append(self._backquoted())
            else:
                parts.append(char)
                self._at += 1

    def _ansi(self) -> str:
        """`$'…'`, the position being after the first quote."""
        start = self._offset()
        parts: list[str] = []
        while True:
            char = self._peek()
            if not char:
                raise Trouble("this quote is never closed", start)
            self._at += 1
            if char == "'":
                return "".join(parts)
            if char != "\\":
                parts.append(char)
                continue
            number = _NUMERIC.match(self._text, self._at)
            escape = self._peek()
            if escape in _SIMPLE_ESCAPES and escape:
                parts.append(_SIMPLE_ESCAPES[escape])
                self._at += 1
            elif number:
                digits = next(group for group in number.groups() if group is not None)
                parts.append(chr(int(digits, 8 if number.group(4) else 16)))
                self._at = number.end()
            else:
                parts.append("\\" + escape)
                self._at += 1

    def _dollar(self, *, quoted: bool) -> str:
        following = self._peek(2)[1:]
        if following == "'" and not quoted:
            self._at += 2
            return self._ansi()
        if following == '"' and not quoted:
            self._at += 2
            return self._double(end='"')
        if following == "(":
            return self._substitution()
        if following == "{":
            return self._braces()
        name = _NAME.match(self._text, self._at + 1)
        if name:
            self._at = name.end()
            return self._scope.get(name.group())
        if following and following in "0123456789@*#?$!-":
            self._at += 2
            return unknown(f"${following} is there only while the script runs")
        self._at += 1
        return "$"

    def _braces(self) -> str:
        start = self._offset()
        end = self._text.find("}", self._at)
        match = re.compile(r"\$\{([A-Za-z_]\w*)(?:(:?[-?])([^}$`\\\"']*))?\}").match(self._text, self._at)
        if match is None or end < 0:
            if end < 0:
                raise Trouble("this ${ is never closed", start)
            self._at = end + 1
            return unknown("this form of ${…} cannot be read; a plain ${NAME} or ${NAME:-default} can")
        self._at = match.end()
        name, operator, rest = match.group(1), match.group(2), match.group(3) or ""
        if operator is None or name in self._scope.values:
            return self._scope.get(name)
        return reference("${" + name + (":-" if operator.endswith("-") else ":?") + rest.replace("}", "\\}") + "}")

    def _backquoted(self) -> str:
        start = self._offset()
        end = self._text.find("`", self._at + 1)
        if end < 0:
            raise Trouble("this back-quote is never closed", start)
        inner = self._text[self._at + 1 : end]
        self._at = end + 1
        return self._executed(inner, start)

    def _substitution(self) -> str:
        """`$(…)`: a few commands say what they print; others run, and what they print is not known."""
        start = self._offset()
        end = self._closing(self._at + 2)
        inner = self._text[self._at + 2 : end]
        self._at = end + 1
        if inner.startswith("("):
            return unknown("it is worked out while the script runs")
        return self._executed(inner, start)

    def _closing(self, at: int) -> int:
        """Where the parenthesis closes that was opened before `at`; quotes and here-documents respected."""
        start, depth, quote = at, 1, ""
        while at < len(self._text):
            char = self._text[at]
            if char == "\\" and quote != "'":
                at += 1
            elif quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote = char
            elif char == "(":
                depth += 1
            elif char == ")":
                depth -= 1
                if not depth:
                    return at
            at += 1
        raise Trouble("this $( is never closed", self._offset(start - 2))
