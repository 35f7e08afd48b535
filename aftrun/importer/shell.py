"""A POSIX shell's command lines → words. Reads what people paste: quotes, variables, here-documents, pipes.

What would have to be executed to be known is no part of this; it is a `Trouble` where its value is needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from aftrun.importer.pieces import Trouble, Word, reference, unknown
from aftrun.importer.shellwords import Scope, Words

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
_REDIRECT = re.compile(r"(\d*|&)(<<<|<<-?|<&|<|>>|>&|>\||>)")
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command. `operator` is what stands before it: `;` (or a line end), `&&`, `||`, `|`, `&`, `$(`."""

    words: tuple[Word, ...]
    operator: str
    offset: int
    stdin: Word | None = None
    """What a here-document or here-string gives it."""


@dataclass(frozen=True, slots=True)
class _Redirect:
    """What a redirection gives to a command: its input, or the number of the here-document that will be."""

    stdin: Word | None = None
    documents: int = 0


class Shell(Words):
    """Reads one stretch of text. `offsets` says where each character stands in what the user gave."""

    def __init__(self, text: str, offsets: Sequence[int], scope: Scope, depth: int = 0) -> None:
        super().__init__(text, offsets, scope)
        self._depth = depth
        self._pending: list[tuple[str, bool, bool]] = []
        self._documents: list[Word] = []
        self.nested: list[Command] = []
        """Commands inside `$(…)`, which run before the one that they are part of."""

    def commands(self) -> list[Command]:
        """All commands, in order; those inside `$(…)` before the ones around them. Assignments go to the scope.

        Raises:
            Trouble: something cannot be read.
        """
        found: list[Command] = []
        operator = ";"
        while True:
            command, end = self._command(operator)
            if command is not None:
                found += [*self.nested, command]
            else:
                found += self.nested
            self.nested = []
            if end == "":
                return found
            operator = end

    # --- commands -------------------------------------------------------------------------------------------------

    def _command(self, operator: str) -> tuple[Command | None, str]:
        """The next command and the operator after it; an empty operator at the end."""
        words: list[Word] = []
        stdin: Word | None = None
        began: int | None = None
        documents = 0
        while True:
            self._skip_blanks()
            char = self._peek()
            if not char or char in "\n;&|()":
                end = self._operator()
                if end == "\n" and self._pending:
                    self._read_documents()
                if self._pending:
                    raise Trouble(f"the here-document never ends: {self._pending[0][0]} is missing", self._offset())
                if documents:
                    stdin = self._documents[documents - 1]
                    self._documents = []
                break
            if char == "#":
                self._skip_comment()
                continue
            began = self._offset() if began is None else began
            redirected = self._redirect(after_word=bool(words))
            if redirected is not None:
                stdin = redirected.stdin or stdin
                documents = redirected.documents or documents
                continue
            assignment = _ASSIGNMENT.match(self._text, self._at)
            if assignment and not words:
                self._assign(assignment)
                continue
            words.append(self._word())
        if words and words[0].text in ("export", "declare", "local", "readonly", "typeset"):
            self._exported(words[1:])
            return None, end
        if not words:
            return None, end
        return Command(tuple(words), operator, began or 0, stdin), end

    def _redirect(self, *, after_word: bool) -> _Redirect | None:
        """Go past a redirection, if one is here."""
        match = _REDIRECT.match(self._text, self._at)
        if match is None or (match.group(1) and after_word and self._text[self._at - 1] not in " \t"):
            return None
        self._at = match.end()
        kind = match.group(2)
        if kind in ("<<", "<<-"):
            self._pending.append(self._delimiter(strip=kind == "<<-"))
            return _Redirect(documents=len(self._pending))
        target = self._word()
        if kind == "<<<":
            return _Redirect(Word(target.text + "\n", target.offset))
        return _Redirect(Word(reference("${file:" + target.text + "}"), target.offset) if kind == "<" else None)

    def _operator(self) -> str:
        for operator in ("&&", "||", ";;", "|&", "\n", ";", "|", "&"):
            if self._text.startswith(operator, self._at):
                self._at += len(operator)
                return "\n" if operator == "\n" else operator
        if self._at >= len(self._text):
            return ""
        raise Trouble(
            f"{self._peek()!r} groups commands, which cannot be read",
            self._offset(),
            "paste only the commands that start jobs",
        )

    def _assign(self, match: re.Match[str]) -> None:
        """`NAME=value`. What follows it on the same line does not see it, as in a shell; later lines do."""
        self._at = match.end()
        value = "" if not self._peek() or self._peek() in " \t\n;&|" else self._word().text
        self._skip_blanks()
        if not self._peek() or self._peek() in "\n;&|#" or _ASSIGNMENT.match(self._text, self._at):
            self._scope.values[match.group(1)] = value

    def _exported(self, words: Sequence[Word]) -> None:
        for word in words:
            match = _ASSIGNMENT.match(word.text)
            if match:
                self._scope.values[match.group(1)] = word.text[match.end() :]

    # --- here-documents -------------------------------------------------------------------------------------------

    def _delimiter(self, *, strip: bool) -> tuple[str, bool, bool]:
        self._skip_blanks()
        start = self._at
        while self._peek() and self._peek() not in " \t\n;&|<>()":
            self._at += 1
        raw = self._text[start : self._at]
        return re.sub(r"[\\'\"]", "", raw), strip, raw == re.sub(r"[\\'\"]", "", raw)

    def _read_documents(self) -> None:
        for delimiter, strip, expands in self._pending:
            start = self._at
            lines: list[str] = []
            while True:
                if self._at >= len(self._text):
                    raise Trouble(f"the here-document never ends: {delimiter} is missing", self._offset(start))
                end = self._text.find("\n", self._at)
                end = len(self._text) if end < 0 else end
                line = self._text[self._at : end]
                self._at = min(end + 1, len(self._text))
                if (line.lstrip("\t") if strip else line).rstrip("\r") == delimiter:
                    break
                lines.append((line.lstrip("\t") if strip else line) + "\n")
            text = "".join(lines)
            if expands:
                text = self._sub(text, self._offset(start)).quoted_document()
            self._documents.append(Word(text, self._offset(start)))
        self._pending = []

    def _sub(self, text: str, offset: int) -> Shell:
        if self._depth >= _MAX_DEPTH:
            raise Trouble("this is nested too deeply", offset)
        return Shell(text, [offset] * len(text), self._scope, self._depth + 1)

    def _executed(self, inner: str, start: int) -> str:
        stripped = inner.strip()
        if stripped.startswith("<") and not stripped.startswith("<<"):
            inner = "cat " + stripped[1:]
        commands = self._sub(inner, start).commands()
        if len(commands) == 1:
            words = [word.text for word in commands[0].words]
            found = printed(words, commands[0].stdin)
            if found is not None:
                return found
        self.nested += [replace(command, operator="$(") for command in commands]
        return unknown("it is what a command prints")


def printed(words: Sequence[str], stdin: Word | None) -> str | None:
    """What a command prints, where that is plain; None where it is not."""
    name = words[0]
    if name == "cat" and len(words) == 1 and stdin is not None:
        return stdin.text.rstrip("\n")
    if name == "cat" and len(words) == 2:
        return reference("${file:" + words[1] + "}")
    if name == "date" and len(words) == 2 and words[1].startswith("+"):
        form = words[1][1:]
        if "}" not in form and "\ufdd0" not in form:
            return reference("${{ run.date:" + form + " }}") if not form.endswith(" ") else None
    if name == "echo" and len(words) == 2 and not words[1].startswith("-"):
        return words[1]
    if name == "printf" and len(words) == 3 and words[1] in ("%s", "%s\\n"):
        return words[2]
    return None
