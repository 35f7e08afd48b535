"""Lines of `cmd.exe` (batch files) → the words of their commands. Only lines with a call in them are read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aftrun.importer.calls import Calls
from aftrun.importer.found import Notebook, Word
from aftrun.importer.marks import unknown, variable

_CALL = re.compile(r"(?i)(?<![\w-])(curl|aft|powershell|pwsh|schtasks|bash|wsl)(\.exe)?(?![\w-])")
_SET = re.compile(r'(?i)@?\s*set\s+(?:"([A-Za-z_]\w*)=(.*)"|([A-Za-z_]\w*)=(.*))\s*$')
_COMMENT = re.compile(r"(?i)@?\s*(rem\b|::|:[a-z]|echo\b|title\b|goto\b)")
_PERCENT = re.compile(r"%%|%([A-Za-z_]\w*)%|%([A-Za-z_]\w*):[^%\n]+%|%(~?[a-z]*[0-9*])|!([A-Za-z_]\w*)!")


class Batch:
    """Reads one text. With `line` all of it stands at that line of what was given, and it is no file but a command."""

    def __init__(self, notebook: Notebook, calls: Calls, text: str, line: int = 0) -> None:
        self._notebook, self._calls, self._text, self._line = notebook, calls, text, line
        self._values: dict[str, str | None] = {}
        self._loops = "".join(sorted(set(re.findall(r"(?i)\bfor\b[^\n]*?%%([A-Za-z])\s+in\b", text))))
        """Letters of the variables of `for`; with `tokens=` the ones after them are, too."""
        if re.search(r"(?i)\btokens=", text):
            self._loops = "A-Za-z" if self._loops else ""
        self._delayed = re.search(r"(?i)enabledelayedexpansion", text) is not None

    def read(self) -> None:
        """Note every job that the text starts."""
        for number, text in self._lines():
            self._notebook.step()
            given = _SET.match(text)
            if given:
                self._set((given.group(1) or given.group(3)).upper(), given.group(2) or given.group(4) or "", number)
            elif re.match(r"(?i)@?\s*set\s+/", text):
                name = re.search(r"(\w+)\s*=", text)
                self._values[name.group(1).upper() if name else ""] = None
            elif _CALL.search(text) and not _COMMENT.match(text):
                for command in commands(self._expanded(text, number)):
                    self._calls.run([Word(word, number) for word in argv(command.lstrip(" \t(@"))])

    def _lines(self) -> Iterator[tuple[int, str]]:
        """Lines, with those that end in a caret joined to the next, whose first character is then plain."""
        lines = self._text.split("\n")
        at = 0
        while at < len(lines):
            start, text = at, lines[at]
            while re.search(r"(?<!\^)(?:\^\^)*\^$", text) and at + 1 < len(lines):
                at += 1
                if lines[at] == "" and at + 1 < len(lines):
                    at += 1
                    text = text[:-1] + "\r" + lines[at]  # what `^` before an empty line means: a line end
                else:
                    text = text[:-1] + lines[at]
            at += 1
            yield self._line or start + 1, text

    def _set(self, name: str, value: str, line: int) -> None:
        """A variable that is set once is plain; one that is set again is not."""
        known = name in self._values and self._values[name] != value
        self._values[name] = None if known else self._expanded(value, line)

    def _expanded(self, text: str, line: int) -> str:
        """Variables filled in, which `cmd.exe` does before anything else."""

        def value(match: re.Match[str]) -> str:
            whole = match.group(1) or (match.group(4) if self._delayed else None)
            if match.group() == "%%":
                return "%"
            if match.group(2):
                return unknown(match.group(2), "it is a part of a variable", line)
            if match.group(3):
                return unknown(f"ARG_{match.group(3)}", "it is an argument of the batch file", line)
            if whole is None:
                return match.group()
            if whole.upper() in self._values:
                known = self._values[whole.upper()]
                return unknown(whole, "it is set in more than one way", line) if known is None else known
            if whole.upper() in ("DATE", "TIME", "RANDOM", "ERRORLEVEL", "CD"):
                said = "it is there only while the script runs; for the day of a run write ${{ run.date:%Y%m%d }}"
                return unknown(whole, said.replace("$", "").replace("{", "").replace("}", ""), line)
            return variable(whole, line)

        if self._loops:
            loop = re.compile(rf"%%(?:~[a-z]*)?([{self._loops}])(?![A-Za-z0-9%])")
            text = loop.sub(lambda match: unknown(match.group(1), "it is the variable of a loop", line), text)
        return _PERCENT.sub(value, text)


def commands(line: str) -> list[str]:
    """The commands of a line, as `cmd.exe` hands them on: carets gone, split at operators outside quotes."""
    found, parts = [], []
    quoted = False
    at = 0
    while at < len(line):
        char = line[at]
        if char == "^" and not quoted:
            parts.append("\n" if line[at + 1 : at + 2] == "\r" else line[at + 1 : at + 2])
            at += 2
            continue
        if char == '"':
            quoted = not quoted
        if char == "\r":
            char = "\n"
        elif char in "&|" and not quoted:
            found.append("".join(parts))
            parts, char = [], ""
        elif char in "<>" and not quoted:
            at = _past_redirection(line, at)
            parts = [re.sub(r"(?<=\s)[0-9]$", "", "".join(parts))]
            continue
        parts.append(char)
        at += 1
    return [*found, re.sub(r"\s*\)+\s*$", "", "".join(parts)) if _unbalanced(parts) else "".join(parts)]


def _unbalanced(parts: list[str]) -> bool:
    text = "".join(parts)
    return text.count(")") > text.count("(")


def _past_redirection(line: str, at: int) -> int:
    match = re.compile(r'[<>]+&?[0-9]?\s*(?:"[^"]*"|[^\s&|<>]*)').match(line, at)
    return match.end() if match and match.end() > at else at + 1


def argv(command: str) -> list[str]:
    r"""A command's words, by the rules of `CommandLineToArgv`.

    Backslashes are plain but before a quote, where two are one and an odd one makes the quote plain; two quotes inside
    quotes are one.
    """
    words: list[str] = []
    parts: list[str] | None = None
    quoted = False
    at = 0
    while at < len(command):
        char = command[at]
        if char in " \t\n" and not quoted:
            words += ["".join(parts)] if parts is not None else []
            parts = None
            at += 1
            continue
        parts = [] if parts is None else parts
        slashes = re.compile(r"\\*").match(command, at)
        count = slashes.end() - at if slashes else 0
        if count and command[at + count : at + count + 1] == '"':
            parts.append("\\" * (count // 2))
            at += count
            if count % 2:
                parts.append('"')
                at += 1
            continue
        if count:
            parts.append("\\" * count)
            at += count
        elif char == '"':
            if quoted and command[at + 1 : at + 2] == '"':
                parts.append('"')
                at += 1
            else:
                quoted = not quoted
            at += 1
        else:
            parts.append(char)
            at += 1
    return [*words, "".join(parts)] if parts is not None else words
