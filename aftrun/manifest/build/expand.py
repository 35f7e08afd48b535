"""Text → `Value`: finds `${…}`, `${{ … }}` and `$$`. Once, after YAML: a value can never change the structure."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime

from aftrun.domain.values import Inside, Origin, Outside, Template, Value
from aftrun.manifest.check.habits import date_hint, inside_hint

FORMS = (
    "the forms are ${VAR}, ${env:VAR}, ${file:PATH} and ${keyring:SERVICE/USER}, each with :-default or :?message, "
    "and ${{ … }}; a literal $ is written $$"
)
INSIDE_FORMS = (
    "the forms are ${{ vars.x }}, ${{ matrix.x }}, ${{ run.id }}, ${{ run.date }}, ${{ run.started }}, "
    "${{ jobs.NAME.id }} and ${{ jobs.NAME.outputs.x }}"
)

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SOURCES = ("env", "file", "keyring")
_SOURCE = re.compile(r"([A-Za-z][A-Za-z0-9_-]*):(?![-?])")
_INTEREST = re.compile(r"\$(?:\$|\{\{?)")
_ESCAPED = re.compile(r"\\\}|\$\$")
_JOB = re.compile(r"jobs\.(?P<job>.+?)\.(?:(?P<id>id)|outputs\.(?P<output>[^.\s:]+))")
_NAMED = re.compile(r"(?P<scope>vars|matrix)\.(?P<name>\S(?:.*\S)?)")
_DIRECTIVE = re.compile(r"%(?P<flag>[-_0^#]?[EO]?)(?P<letter>.?)", re.DOTALL)
_DIRECTIVES = frozenset("aAbBcCdDeFfgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%")
"""What strftime knows in Python and in C libraries; others print the rest as it stands, or nothing."""
_RUN = re.compile(r"run\.(?P<name>\w+)(?::(?P<format>.*))?", re.DOTALL)

Report = Callable[[int, str, str], None]
"""Told of each mistake: offset of its `$` in the text, message, hint."""


class _Malformed(Exception):
    def __init__(self, message: str, hint: str = FORMS) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def _closing_brace(text: str, start: int) -> int:
    """Where the reference that begins before `start` ends: at the first `}` without a backslash before it."""
    at = text.find("}", start)
    while at > 0 and text[at - 1] == "\\":
        at = text.find("}", at + 1)
    return at


def _split_name(rest: str) -> tuple[str, str, str]:
    """`NAME:-default` → name, operator (`-`, `?` or nothing), and what follows it."""
    found = [at for at in (rest.find(":-"), rest.find(":?")) if at >= 0]
    if not found:
        return rest, "", ""
    at = min(found)
    return rest[:at], rest[at + 1], rest[at + 2 :]


def _unescape(text: str) -> str:
    if _has_reference(text):
        raise _Malformed(
            "a default or message is taken as it stands: a reference inside it is not expanded",
            "use a plain default, or set the variable before aftrun starts; $$ is a literal $",
        )
    return _ESCAPED.sub(lambda match: match.group()[1], text)


def _has_reference(text: str) -> bool:
    return any(match.group() != "$$" for match in _INTEREST.finditer(text))


def _outside(content: str, text: str, origin: Origin | None, folder: str) -> Outside:
    match = _SOURCE.match(content)
    source = match.group(1) if match else "env"
    if source not in _SOURCES:
        raise _Malformed(f"${{{source}:…}} names no place that values can come from")
    name, operator, rest = _split_name(content[match.end() :] if match else content)
    if match is None and not _VARIABLE.fullmatch(name):
        what = f"{name!r} is no name of a variable" if name else "${} names no variable"
        shell = re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*)([-?])(.*)", content, re.DOTALL)
        raise _Malformed(what, f"write ${{{shell[1]}:{shell[2]}{shell[3]}}}, with a colon; {FORMS}" if shell else FORMS)
    if not name.strip() or (source == "env" and ("=" in name or name != name.strip())):
        raise _Malformed(f"${{{source}:…}} needs {'a path' if source == 'file' else 'a name'} after the colon")
    if source == "keyring" and not all(name.rpartition("/")[::2]):
        raise _Malformed("${keyring:…} needs a service and a user, with a slash between them")
    if source == "file":
        name = os.path.join(folder, name)  # noqa: PTH118 - text in, text out: pathlib would rewrite ./x and x//
    return Outside(
        source,
        name,
        text,
        default=_unescape(rest) if operator == "-" else None,
        message=_unescape(rest) if operator == "?" else None,
        origin=origin,
    )


def _inside(content: str, text: str, origin: Origin | None) -> Inside:
    content = content.strip()
    job = _JOB.fullmatch(content)
    if job:
        last = ("id",) if job["id"] else ("outputs", job["output"])
        return Inside(("jobs", job["job"], *last), text, origin=origin)
    named = _NAMED.fullmatch(content)
    if named:
        return Inside((named["scope"], named["name"]), text, origin=origin)
    run = _RUN.fullmatch(content)
    if run:
        for directive in _DIRECTIVE.finditer(run["format"] or ""):
            if directive["letter"] not in _DIRECTIVES:
                fault = "is no directive of strftime" if directive["letter"] else "is an unfinished directive"
                hint = "for example %Y-%m-%d or %H%M%S; a literal % is written %%"
                raise _Malformed(f"{directive.group()!r} {fault}", hint)
        if run["format"]:
            if "%" not in run["format"]:
                written = date_hint(run["format"])
                hint = "%Y-%m-%d" if written == run["format"] else written
                message = f"{run['format']!r} is no form of strftime, and would be the same text on every day"
                raise _Malformed(message, f"write for example ${{{{ run.{run['name']}:{hint} }}}}")
            _try_format(run["format"])
        return Inside(("run", run["name"]), text, format=run["format"], origin=origin)
    hint = inside_hint(content) or INSIDE_FORMS
    raise _Malformed("${{ … }} holds nothing that aftrun knows" if content else "${{ }} is empty", hint)


def _try_format(form: str) -> None:
    """Refuse here what would fail in the middle of a run: C libraries differ, and Windows knows no `%-d`."""
    try:
        datetime(2026, 1, 2, tzinfo=UTC).strftime(form)
    except ValueError:
        hint = "use directives that every system knows, such as %Y-%m-%d or %H%M%S"
        raise _Malformed(f"this system cannot write a time as {form!r}", hint) from None


def parse(text: str, report: Report, place: Callable[[int], Origin] | None = None, folder: str = "") -> Value:
    """The value that text stands for; text with nothing to expand stays `str`.

    Mistakes go to `report`, each once, and stand in the result as literal text. `place` says where the `$` at an
    offset stands. `folder` is what relative paths of `${file:…}` are relative to: it becomes part of their name.
    """
    if "$" not in text:
        return text
    parts: list[str | Outside | Inside] = []
    literal: list[str] = []
    done = 0
    while (match := _INTEREST.search(text, done)) is not None:
        start = match.start()
        literal.append(text[done:start])
        if match.group() == "$$":
            literal.append("$")
            done = start + 2
            continue
        origin = place(start) if place is not None else None
        double = match.group() == "${{"
        end = text.find("}}", start + 3) if double else _closing_brace(text, start + 2)
        if end < 0:
            report(start, f"{match.group()} is never closed with {'}}' if double else '}'}", FORMS)
            literal.append(text[start:])
            done = len(text)
            break
        stop = end + (2 if double else 1)
        try:
            if double:
                part: Outside | Inside = _inside(text[start + 3 : end], text[start:stop], origin)
            else:
                part = _outside(text[start + 2 : end], text[start:stop], origin, folder)
        except _Malformed as mistake:
            report(start, mistake.message, mistake.hint)
            literal.append(text[start:stop])
        else:
            if joined := "".join(literal):
                parts.append(joined)
            literal = []
            parts.append(part)
        done = stop
    literal.append(text[done:])
    if joined := "".join(literal):
        parts.append(joined)
    if all(isinstance(part, str) for part in parts):
        return "".join(part for part in parts if isinstance(part, str))
    return Template(tuple(parts), text)


def first_reference(text: str) -> int:
    """The offset of the first `${` that `$$` does not hide, or -1."""
    return next((match.start() for match in _INTEREST.finditer(text) if match.group() != "$$"), -1)
