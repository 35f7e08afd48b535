"""Crontab files → commands with their schedules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from aftrun.importer.pieces import Trouble

_FIELD = r"(?:[*\d][\d*/,\-]*|[a-z]{3}(?:[,-][a-z]{3})*)"
_ENTRY = re.compile(
    rf"[ \t]*(@(?:reboot|yearly|annually|monthly|weekly|daily|midnight|hourly)|[*\d][\d*/,\-]*(?:[ \t]+{_FIELD}){{4}})"
    r"[ \t]+(?=\S)",
    re.IGNORECASE,
)
_SETTING = re.compile(r"[ \t]*([A-Za-z_]\w*)[ \t]*=[ \t]*(.*?)[ \t\r]*$")
_USER = re.compile(r"([a-z_][\w-]*)[ \t]+(?=(?:[/\"'(]|[A-Z_]+=|(?:curl|aft|sh|bash|cd|sudo|nice|env|flock)\b))")
_PROGRAMS = {"curl", "aft", "sh", "bash", "cd", "sudo", "nice", "env", "flock", "timeout", "nohup", "pwsh", "exec"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A setting (`name`, then its value in `text`), or a command with its schedule."""

    text: str
    offsets: list[int]
    when: str = ""
    name: str = ""


def looks_like(text: str) -> bool:
    """Whether some line has a schedule in front of its command."""
    return any(_ENTRY.match(line) for line in text.splitlines())


def entries(text: str) -> Iterator[Entry]:
    r"""The settings and commands of a crontab, in order. `\%` is the `%` that it stands for.

    Raises:
        Trouble: a line is neither, or has a `%` that cron takes for the end of the command.
    """
    start = 0
    for line in text.splitlines(keepends=True):
        offsets = list(range(start, start + len(line)))
        start += len(line)
        content = line.rstrip("\r\n")
        if not content.strip() or content.lstrip().startswith("#"):
            continue
        match = _ENTRY.match(content)
        if match is None:
            setting = _SETTING.match(content)
            if setting is None:
                raise Trouble("this line of the crontab is neither a setting nor a schedule", offsets[0])
            value = setting.group(2)
            if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            yield Entry(value, offsets, name=setting.group(1))
            continue
        at = match.end()
        user = _USER.match(content, at)
        if user and user.group(1) not in _PROGRAMS:
            at = user.end()
        command, places = "", []
        for number in range(at, len(content)):
            if content[number] == "\\" and content[number + 1 : number + 2] == "%":
                continue
            if content[number] == "%" and content[number - 1] != "\\":
                hint = "in a crontab write \\% for a percent sign"
                raise Trouble("cron ends the command at this %", offsets[number], hint)
            command += content[number]
            places.append(offsets[number])
        yield Entry(command, places, when=" ".join(match.group(1).split()))
