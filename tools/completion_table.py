"""Write `aftrun/complete/table.py`: the commands and flags that shells complete.

`python -m tools.completion_table` writes it; a test fails when it is not what this would write.
"""

from __future__ import annotations

from pathlib import Path

from aftrun.manifest.diagnostics import CODES
from aftrun.model import Outcome
from tools.commands import Command, Parameter, commands

TABLE = Path(__file__).parent.parent / "aftrun" / "complete" / "table.py"

KINDS: dict[tuple[str, str], str] = {
    ("*", "--select"): "jobs",
    ("*", "--exclude"): "jobs",
    ("*", "--var"): "variables",
    ("*", "--state-dir"): "dirs",
    ("*", "--events"): "files",
    ("*", "--server-name"): "servers",
    ("*", "--manifest"): "manifests",
    ("*", "run"): "runs",
    ("*", "files"): "manifests",
    ("resume", "run"): "open runs",
    ("retry", "run"): "runs to retry",
    ("history", "--manifest"): "",
    ("show", "--manifest"): "",
    ("history", "--status"): "|".join((*(each.value for each in Outcome), "interrupted", "running")),
    ("status", "job_id"): "job ids",
    ("wait", "job_ids"): "job ids",
    ("doctor", "--job"): "job ids",
    ("init", "path"): "manifests",
    ("import", "file"): "files",
    ("explain", "code"): "codes",
    ("sandbox", "--scenario"): "manifests",
    ("start", "--file"): "",  # a path on the server
}
"""What completes a parameter where its type does not tell: by command (`*` any) and flag or argument."""


def kind(command: Command, parameter: Parameter) -> str:
    """How a parameter's value is completed: one of the kinds of `aftrun.complete.main`, or choices joined by `|`."""
    for name in (*parameter.flags, parameter.name):
        for where in (command.name, "*"):
            if (where, name) in KINDS:
                return KINDS[where, name] or "text"
    if parameter.choices:
        return "|".join(parameter.choices) + ("|" if len(parameter.choices) == 1 else "")
    return "files" if parameter.is_path else "text"


def first_sentence(text: str) -> str:
    """What fits behind a candidate."""
    plain = " ".join(text.split("\n\n", maxsplit=1)[0].split()).replace(" (repeatable)", "")
    return plain.partition(". ")[0].rstrip(".").partition("; ")[0]


def table() -> str:
    """The text of the module."""
    lines = [
        '"""What commands and flags there are, for completion. Written by `python -m tools.completion_table`."""',
        "",
        "from __future__ import annotations",
        "",
        "Option = tuple[tuple[str, ...], str, str, bool]",
        '"""Names; what completes its value, empty for a switch; help; whether it can be given again."""',
        "",
        "Argument = tuple[str, bool]",
        '"""What completes it; whether more can follow."""',
        "",
        "# fmt: off",
        "# ruff: noqa: E501  # one flag a line, however long its help",
        "COMMANDS: dict[str, tuple[str, tuple[Option, ...], tuple[Argument, ...]]] = {",
    ]
    for command in commands():
        lines.append(f"    {_quoted(command.name)}: (")
        lines.append(f"        {_quoted(first_sentence(command.help))},")
        lines.append("        (")
        for each in command.options:
            names = sorted(each.flags, key=lambda name: (-len(name), name))
            value = kind(command, each) if each.takes_value else ""
            lines += [_option(names, value, each)]
            if each.opposites:
                lines += [_option(list(each.opposites), "", each, f"The other side of {each.flags[0]}")]
        lines.append('            (("--help", "-h"), "", "Show help and exit", False),')
        lines.append("        ),")
        arguments = "".join(f"({_quoted(kind(command, each))}, {each.many})," for each in command.arguments)
        lines.append(f"        ({arguments}),")
        lines.append("    ),")
    lines += ["}", '"""Help, flags and arguments of each command."""', "", "CODES: tuple[tuple[str, str], ...] = ("]
    lines += [f"    ({_quoted(code)}, {_quoted(title)})," for code, title in CODES.items()]
    lines += [")", '"""What `aftrun explain` explains."""', "# fmt: on", ""]
    return "\n".join(lines)


def _option(names: list[str], value: str, each: Parameter, about: str = "") -> str:
    inner = ", ".join(map(_quoted, names)) + ("," if len(names) == 1 else "")
    return f"            (({inner}), {_quoted(value)}, {_quoted(about or first_sentence(each.help))}, {each.many}),"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
