"""Command lines as `cmd.exe` reads them (batch files, the Task Scheduler) → words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aftrun.importer.pieces import Trouble, Word, unknown, variable
from aftrun.importer.shell import Command
from aftrun.importer.shellwords import Scope

_VARIABLE = re.compile(r"%([A-Za-z_][A-Za-z0-9_]*)%")
_ARGUMENT = re.compile(r"%(~?[a-z]*[0-9*])")


class Batch:
    """Reads one stretch of text; `offsets` says where each character stands in what the user gave.

    Without `operators` it is one command, as the Task Scheduler starts it: no `cmd.exe`, so no pipes.
    """

    def __init__(self, text: str, offsets: Sequence[int], scope: Scope, *, operators: bool = True) -> None:
        self._text, self._offsets, self._scope = text, offsets, scope
        self._operators = operators
        self._ends = " \t\r&|<>" if operators else " \t\r"
        self._at = 0

    def commands(self) -> list[Command]:
        """All commands, in order. `set NAME=value` goes to the scope.

        Raises:
            Trouble: something cannot be read.
        """
        found: list[Command] = []
        operator = ";"
        while self._at < len(self._text):
            words, following = self._command()
            if words:
                found.append(Command(tuple(words), operator, words[0].offset))
            operator = following
        return found

    def _offset(self) -> int:
        if self._at < len(self._offsets):
            return self._offsets[self._at]
        return self._offsets[-1] + 1 if self._offsets else 0

    def _command(self) -> tuple[list[Word], str]:
        self._blanks()
        line_end = self._text.find("\n", self._at)
        line = self._text[self._at : len(self._text) if line_end < 0 else line_end].strip()
        if re.match(r"(?i)@?\s*(rem\b|::|:[a-z]|echo\b|setlocal|endlocal|@?echo\s+off|pause|goto\b|exit\b)", line):
            self._at = len(self._text) if line_end < 0 else line_end + 1
            return [], ";"
        assignment = re.match(r'(?i)@?\s*set\s+(?:"([A-Za-z_]\w*)=(.*)"|([A-Za-z_]\w*)=(.*))$', line)
        if assignment:
            name = assignment.group(1) or assignment.group(3)
            raw = assignment.group(2) if assignment.group(1) else assignment.group(4)
            self._scope.values[name.upper()] = self._expanded(raw)
            self._at = len(self._text) if line_end < 0 else line_end + 1
            return [], ";"
        words: list[Word] = []
        while True:
            self._blanks()
            char = self._text[self._at : self._at + 1]
            if not char:
                return words, ""
            if char == "\n" or (char in "&|" and self._operators):
                pair = self._text[self._at : self._at + 2]
                operator = pair if pair in ("&&", "||") else char
                self._at += len(operator)
                return words, ";" if operator == "\n" else operator
            if char in "()" and not words:
                hint = "paste only the commands that start jobs"
                raise Trouble("grouped commands cannot be read", self._offset(), hint)
            if char in "<>" and self._operators:
                self._at += 1
                self._word()
                continue
            if char in "12" and self._text[self._at + 1 : self._at + 2] == ">":
                self._at += 2
                self._at += 1 if self._text[self._at : self._at + 1] == "&" else 0
                self._word()
                continue
            word = self._word()
            if not words and word.text.startswith("@"):
                word = Word(word.text[1:], word.offset)
            words.append(word)

    def _blanks(self) -> None:
        pattern = re.compile(r"(?:[ \t\r]|\^\r?\n)*")
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _word(self) -> Word:
        r"""One argument, by the rules of the C runtime: `\"` is a quote, two quotes inside quotes are one."""
        self._blanks()
        start = self._offset()
        parts: list[str] = []
        quoted = False
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "\n" or (not quoted and char in self._ends):
                break
            if char == "\\" and self._text[self._at + 1 : self._at + 2] == '"':
                parts.append('"')
                self._at += 2
            elif char == '"':
                if quoted and self._text[self._at + 1 : self._at + 2] == '"':
                    parts.append('"')
                    self._at += 1
                else:
                    quoted = not quoted
                self._at += 1
            elif char == "^" and not quoted:
                if re.match(r"\^\r?\n", self._text[self._at : self._at + 3]):
                    break
                parts.append(self._text[self._at + 1 : self._at + 2])
                self._at += 2
            elif char == "%":
                parts.append(self._percent())
            else:
                parts.append(char)
                self._at += 1
        if quoted:
            raise Trouble("this quote is never closed", start)
        return Word("".join(parts), start)

    def _percent(self) -> str:
        if self._text.startswith("%%", self._at):
            self._at += 2
            return "%"
        match = _VARIABLE.match(self._text, self._at)
        if match:
            self._at = match.end()
            return self._named(match.group(1))
        if _ARGUMENT.match(self._text, self._at):
            self._at += 2
            return unknown("it is an argument of the batch file")
        self._at += 1
        return "%"

    def _named(self, name: str) -> str:
        return self._scope.get(name.upper()) if name.upper() in self._scope.values else variable(name)

    def _expanded(self, text: str) -> str:
        return _VARIABLE.sub(lambda match: self._named(match.group(1)), text)
