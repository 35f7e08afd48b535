"""A POSIX shell's command lines → words. Reads what people paste: quotes, variables, here-documents, pipes.

What would have to be executed to be known is no part of this; it is a `Trouble` where its value is needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from aftrun.importer.pieces import Trouble, Word, reference, unknown, variable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
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


@dataclass(slots=True)
class Scope:
    """The variables that the text itself sets."""

    values: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """The value: what the text set, or a reference to the environment."""
        value = self.values.get(name)
        return variable(name) if value is None else value


@dataclass(frozen=True, slots=True)
class _Redirect:
    """What a redirection gives to a command: its input, or the number of the here-document that will be."""

    stdin: Word | None = None
    documents: int = 0


class Shell:
    """Reads one stretch of text. `offsets` says where each character stands in what the user gave."""

    def __init__(self, text: str, offsets: Sequence[int], scope: Scope, depth: int = 0) -> None:
        self._text, self._offsets = text, offsets
        self._scope, self._depth = scope, depth
        self._at = 0
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

    def _offset(self, at: int | None = None) -> int:
        at = self._at if at is None else at
        if at < len(self._offsets):
            return self._offsets[at]
        return self._offsets[-1] + 1 if self._offsets else 0

    def _peek(self, length: int = 1) -> str:
        return self._text[self._at : self._at + length]

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

    def quoted_document(self) -> str:
        """The whole text as an unquoted here-document gives it: variables filled in, quotes left alone."""
        return self._double(end="")

    def _sub(self, text: str, offset: int) -> Shell:
        if self._depth >= _MAX_DEPTH:
            raise Trouble("this is nested too deeply", offset)
        return Shell(text, [offset] * len(text), self._scope, self._depth + 1)

    # --- words ----------------------------------------------------------------------------------------------------

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

    def _executed(self, inner: str, start: int) -> str:
        stripped = inner.strip()
        if stripped.startswith("<") and not stripped.startswith("<<"):
            inner = "cat " + stripped[1:]
        commands = self._sub(inner, start).commands()
        if len(commands) == 1:
            words = [word.text for word in commands[0].words]
            found = _printed(words, commands[0].stdin)
            if found is not None:
                return found
        self.nested += [replace(command, operator="$(") for command in commands]
        return unknown("it is what a command prints")


def _printed(words: Sequence[str], stdin: Word | None) -> str | None:
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
