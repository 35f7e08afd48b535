"""PowerShell's texts: quotes, back-ticks, here-strings, and what lies between the words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from aftrun.importer.pieces import Trouble, unknown
from aftrun.importer.psvalues import ESCAPES, Unknown, as_text


class Texts:
    """Reads texts. What `$` begins is for the subclass to say."""

    def __init__(self, text: str, offsets: Sequence[int]) -> None:
        self._text, self._offsets = text, offsets
        self._at = 0

    def _dollar(self) -> Any:
        """A variable, or `$(…)`."""
        raise NotImplementedError

    def _needed_text(self, value: Any, offset: int) -> str:
        if isinstance(value, Unknown):
            return unknown(value.why)
        text = as_text(value)
        if text is None:
            raise Trouble("this is no text", offset)
        return text

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
