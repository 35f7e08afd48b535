"""What stands before YAML: is it text at all, and what to say where it is not YAML."""

from __future__ import annotations

import re
from typing import Any

from aftrun.domain.errors import Problem
from aftrun.manifest.check.habits import binary
from aftrun.manifest.parse.nodes import Source

MAX_BYTES = 64 * 1024 * 1024
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""With what ends a line in YAML 1.1, and so for libyaml, and not in 1.2: a value would lose the blanks around it, and
what editors show as a comment's end would be a key."""
_SURROGATES = re.compile(rb"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


_BREAK = re.compile(rb"\r\n|\n|\r")


class Stop(Exception):
    """Reading cannot go on; carries the one problem that ends it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def _line_and_column(data: bytes, position: int) -> tuple[int, int]:
    before = data[:position].decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def check_text(source: Source) -> None:
    """Refuse what is not UTF-8 text of bearable size."""
    data = source.data
    if len(data) > MAX_BYTES:
        raise Stop(
            source.problem(
                "AFT008",
                f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB",
                hint="split it into several manifests and give them to one command",
            )
        )
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or (len(data) > 1 and 0 in data[:2]):
        raise Stop(source.problem("AFT002", "the file is UTF-16 or UTF-32, not UTF-8", hint="save it again as UTF-8"))
    what = binary(data)
    if what:
        raise Stop(source.problem("AFT002", f"this is {what}, not a manifest", hint="a manifest is text in UTF-8"))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _line_and_column(data, error.start)
        message = f"byte 0x{data[error.start]:02x} is not valid UTF-8"
        hint = "save the file as UTF-8; it may be in an older encoding such as Windows-1252"
        raise Stop(source.problem("AFT002", message, hint=hint, line=line, column=column)) from None
    control = _CONTROL.search(text)
    if control is not None:
        line, column = _line_and_column(data, len(text[: control.start()].encode()))
        raise Stop(
            source.problem(
                "AFT003",
                f"control character U+{ord(control.group()):04X} in the file",
                hint=f'remove it; inside double quotes it can be written as an escape: "\\u{ord(control.group()):04x}"',
                line=line,
                column=column,
            )
        )


Shifts = dict[int, list[int]]
"""Columns (from 1) of each line (from 1) from which on the text was two characters further right, in order."""


def join_surrogates(data: bytes) -> tuple[bytes, Shifts]:
    r"""JSON writes characters beyond U+FFFF as two `\u` escapes, which YAML does not know: make them one `\U`.

    That is two characters shorter, so what follows on the line moves: see `Shifts`.
    """
    shifts: Shifts = {}
    line, characters, seen = 1, 0, 0
    parts: list[bytes] = []
    for match in _SURROGATES.finditer(data):
        between = data[seen : match.start()]
        breaks = list(_BREAK.finditer(between))
        if breaks:
            line, characters = line + len(breaks), 0
        rest = between[breaks[-1].end() :] if breaks else between
        high, low = int(match.group(2), 16), int(match.group(3), 16)
        parts += [between, match.group(1), b"\\U%08X" % (0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))]
        seen = match.end()
        characters += len(rest.decode("utf-8", "replace")) + len(match.group(1)) + len(r"\U00000000")
        shifts.setdefault(line, []).append(characters + 1)
    return b"".join([*parts, data[seen:]]), shifts


_COMMENT = re.compile(rb"^\s*(//|/\*)", re.MULTILINE)


def _json_comment(source: Source) -> tuple[int, int] | None:
    """Where a text that looks like JSON has its first comment, as line and column; None: nowhere."""
    data = source.data
    if data.lstrip()[:1] not in (b"{", b"[", b"/"):
        return None
    match = _COMMENT.search(data) or re.search(rb"[{,\[]\s*(//|/\*)", data)
    return _line_and_column(data, match.start(1)) if match else None


def syntax_problem(source: Source, error: Any) -> Problem:
    """The parser's error, at the place that caused it, with a remedy where there is a usual one."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    context = str(getattr(error, "context", ""))
    if (
        mark is not None
        and getattr(error, "context_mark", None) is not None
        and not source.line(mark.line + 1)[mark.column :].strip()
    ):
        # The end of the file says nothing; what was opened and never closed does.
        opened = {"quoted scalar": "quote", "flow sequence": "[", "flow mapping": "{"}
        what = next((what for kind, what in opened.items() if kind in context), "")
        if what:
            opening = error.context_mark
            message = f"this is not valid YAML: the {what} is never closed"
            return source.problem("AFT001", message, line=opening.line + 1, column=opening.column + 1)
    comment = _json_comment(source)
    if comment is not None:
        message = "this is not valid YAML: a comment of JSONC or JavaScript"
        hint = "YAML's comments begin with #, and JSON has none: remove it, or write YAML"
        return source.problem("AFT001", message, hint=hint, line=comment[0], column=comment[1])
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    text = source.line(line)
    if "\u00a0" in text[: len(text) - len(text.lstrip())] or "\u00a0" in text[: column - 1]:
        message = "a no-break space is used as indentation, which YAML takes for text"
        column = text.index("\u00a0") + 1
        return source.problem("AFT004", message, hint="indent with ordinary spaces", line=line, column=column)
    if text[: column - 1].strip(" ") == "" and "\t" in text[: len(text) - len(text.lstrip())]:
        column = text.index("\t") + 1
        message = "a tab is used as indentation, which YAML does not allow"
        return source.problem("AFT004", message, hint="indent with spaces", line=line, column=column)
    what = getattr(error, "problem", None) or "the text cannot be read"
    if "undefined alias" in what:
        name = re.match(r"[^\s,\]}]*", text[column:])
        message = f"the alias *{name.group() if name else ''} has no anchor before it"
        return source.problem(
            "AFT009", message, hint="write &name before the value it stands for", line=line, column=column
        )
    if "%TAG" in text or "tag handle" in what or "parsing a tag" in context:
        return source.problem(
            "AFT006", f"this tag cannot be read: {what}", hint="remove the tag", line=line, column=column
        )
    return source.problem(
        "AFT001",
        f"this is not valid YAML: {what}",
        hint=_remedy(what, context, text[:column]),
        line=line,
        column=column,
    )


def _remedy(what: str, context: str, before: str) -> str:
    """What to do about the parser's error. `before` is the line up to its place."""
    if "found character" in what or "alias" in context:
        return "put the text in quotes if it begins with a special character (@ ` % & * ! { [ |)"
    if "expected ','" in what and before.endswith("${"):
        return "put the text with ${…} in quotes: between { } and between [ ] its braces would be YAML's"
    remedies = {
        "mapping values are not allowed": "put the text in quotes if it contains ': '; otherwise check the indentation",
        "expected <document start>": "begin each document with a line ---",
        "expected ':'": "check the indentation, and that every key is followed by ': '",
        "unknown escape": r"between double quotes a backslash begins an escape: write \\, or use single quotes",
    }
    return next((remedy for words, remedy in remedies.items() if words in what), "")
