"""The part of PowerShell that people paste: `Invoke-RestMethod` and what its arguments are made of.

Variables, maps, arrays, strings of all kinds, here-strings, back-ticks, splatting, `ConvertTo-Json`. What would have to
be executed to be known is a `Trouble` where its value is needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from aftrun.importer.pieces import Trouble, basename
from aftrun.importer.psexpr import CAST, NAME, NUMBER, Expressions
from aftrun.importer.psvalues import Unknown, as_text

_KEYWORDS = {
    *("if", "else", "elseif", "foreach", "for", "while", "do", "switch", "try", "catch", "finally", "function"),
    *("return", "throw", "trap", "class", "begin", "process", "end", "filter", "until"),
}

Run = Callable[[str, int, Sequence[tuple[Any, int]], dict[str, tuple[Any, int]], Any], Any]
"""Told of each command: name, offset, plain arguments, named arguments, what the pipe gives it. Returns its value."""


class PowerShell(Expressions):
    """Reads one stretch of text, running nothing: every command is handed to `run`."""

    def __init__(self, text: str, offsets: Sequence[int], run: Run) -> None:
        super().__init__(text, offsets)
        self._run = run
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
            self._assign(target, start)
            return None
        return self._pipeline()

    def _target(self) -> tuple[str, str, list[Any], str, list[str]] | None:
        """What stands before an assignment's `=`: kind, name, keys, operator, types; None where it is none."""
        before = self._at
        casts: list[str] = []
        while cast := CAST.match(self._text, self._at):
            self._at = cast.end()
            self._blanks()
            casts.insert(0, cast.group(1).lower())
        match = re.compile(r"\$(?:(env:)([A-Za-z_]\w*)|\{([^}]+)\}|" + NAME.pattern + r")", re.IGNORECASE).match(
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
                return kind, name, keys, operator.group(), casts
        self._at = before
        return None

    def _assign(self, target: tuple[str, str, list[Any], str, list[str]], start: int) -> None:
        kind, name, keys, operator, casts = target
        value = self._guarded_pipeline()
        for cast in casts:
            value = self._converted(cast, value, start)
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
        if NUMBER.match(self._text, self._at):
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


def _is_native(name: str) -> bool:
    """Whether a command is a program rather than a cmdlet, so that its options are plain words."""
    return basename(name) in ("curl", "aft", "schtasks", "cmd", "powershell", "pwsh")
