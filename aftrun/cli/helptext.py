"""How a command takes its flags, and its `--help`: flags in groups, whole lines, two examples, a note on variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from typer.core import TyperCommand, TyperGroup

from aftrun.cli.boundary import emit
from aftrun.cli.flags import variable_of
from aftrun.cli.variables import contradicted
from aftrun.domain.errors import UsageError

EXAMPLES: Mapping[str, tuple[str, str]] = {
    "apply": ("aftrun apply night.yaml", "aftrun apply night.yaml --select load+ --report-html report.html"),
    "validate": ("aftrun validate night.yaml", "aftrun validate jobs/ --strict --format github"),
    "plan": ("aftrun plan night.yaml", "aftrun plan night.yaml --format curl"),
    "start": (
        'aftrun start -n "My Backup Job" --param character=goofy',
        'aftrun start -n "My Backup Job" --host 192.168.1.10:44399 --no-wait',
    ),
    "status": ("aftrun status 42", "aftrun status 42 --raw --manifest night.yaml"),
    "wait": ("aftrun wait 42 43", "aftrun wait 42 --timeout 2h --job-info-from words.yaml"),
    "learn": ("aftrun learn 42", "aftrun learn 42 --to words.yaml --word Decanted=succeeded"),
    "resume": ("aftrun resume", "aftrun resume 20260102-0200 --job-info-from words.yaml"),
    "retry": ("aftrun retry", "aftrun retry 20260102-0200 --report-html report.html"),
    "watch": ("aftrun watch", "aftrun watch 20260102-0200 --no-progress"),
    "settle": (
        'aftrun settle 20260102-0200 load succeeded --note "all files are there"',
        "aftrun settle 20260102-0200 nightly/load failed",
    ),
    "history": ("aftrun history --last 7d", "aftrun history --manifest nightly --status failed"),
    "show": ("aftrun show", "aftrun show 20260102-0200 --status failed"),
    "report": ("aftrun report --report-html report.html", "aftrun report 20260102-0200 --report-junit junit.xml"),
    "init": ("aftrun init", "aftrun init night.yaml"),
    "import": ("aftrun import backup.sh > night.yaml", "aftrun import --from powershell < backup.ps1"),
    "trust": ("aftrun trust https://aft.example.com:44399", "aftrun trust https://aft.example.com:44399 --format json"),
    "doctor": ("aftrun doctor night.yaml", "aftrun doctor night.yaml --job 42"),
    "policy": ("aftrun policy init", "aftrun policy show"),
    "explain": ("aftrun explain AFT021", "aftrun explain server.jobInfo"),
    "schema": ("aftrun schema > manifest.schema.json", "aftrun schema report"),
    "completion": (
        "aftrun completion bash > ~/.local/share/bash-completion/completions/aftrun",
        "aftrun completion fish",
    ),
    "sandbox": ("aftrun sandbox", "aftrun sandbox --scenario night.scenario.yaml --port 0"),
    "ui": ("aftrun ui", "aftrun ui --port 8000"),
}
"""Two command lines for each command: the usual one, and one with flags that people look for.

They stand as they are for every shell: cmd knows double quotes only.
"""


def epilog(command: str) -> str:
    """What stands below the flags of a command; the mark keeps lines from being filled up."""
    lines = [f"  {line}" for line in EXAMPLES.get(command, ())]
    examples = "\b\nExamples:\n" + "\n".join(lines) + "\n\n" if lines else ""
    prefix = f"AFTRUN_{command.upper()}"
    note = f"Every flag has a variable: --max-x is AFTRUN_MAX_X, or {prefix}_MAX_X for this command alone."
    return examples + note


_VARIABLE = re.compile(r"\s*\[env var: [^;\]]*\]|(?<=\[)env var: [^;\]]*; ")
"""What the library says of each flag's variable; one note says it of all."""


def _spellings(flag: Any, args: list[str]) -> list[str]:
    """The names of a flag that stand on the line, those that turn it off too."""
    return [name for name in (*flag.opts, *flag.secondary_opts) if name in args]


def _show_help(ctx: Any, _: Any, wanted: bool) -> None:
    """What `--help` does: the library's own would fail in its own way where nobody reads, or the disk is full."""
    if wanted and not ctx.resilient_parsing:
        emit(f"{ctx.get_help()}\n")
        ctx.exit()


class _Helpful:
    """What has a `--help`, which is written as all data is."""

    def get_help_option(self, ctx: Any) -> Any:
        """The library's, with our way of writing."""
        option = super().get_help_option(ctx)  # type: ignore[misc]  # of what this is mixed into
        if option is not None:
            option.callback = _show_help
        return option


class Command(_Helpful, TyperCommand):
    """A command whose flags are shown under the titles of their groups, and of which no flag is given both ways."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse `--fail-fast --keep-going`: the library would take the last one, and say nothing of the other."""
        both = [each for each in self.get_params(ctx) if each.secondary_opts and len(_spellings(each, args)) > 1]
        # Hardly ever: only then is the line parsed a second time, since one of them may be the value of another flag.
        given = self.make_parser(ctx).parse_args(args=list(args))[2] if both and not ctx.resilient_parsing else []
        for each in both:
            if given.count(each) > 1:
                raise UsageError(f"{' and '.join(_spellings(each, args))} exclude each other", hint="keep one of them")
        rest = super().parse_args(ctx, args)
        for each in self.get_params(ctx):
            if each.secondary_opts and ctx.get_parameter_source(each.name).name == "ENVIRONMENT":
                opposite = variable_of(each.secondary_opts)
                other = contradicted(opposite, os.environ)
                if other:
                    raise UsageError(f"{other} and {opposite} exclude each other", hint="unset one of them")
        return rest

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then flags of the command's own, then each group."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Flags": []}
        for each in self.get_params(ctx):
            record = each.get_help_record(ctx)
            if record is not None:
                record = (record[0], _VARIABLE.sub("", record[1]).replace("[]", "").rstrip())
                own = "Arguments" if each.param_type_name == "argument" else "Flags"
                title = getattr(each, "rich_help_panel", None) or own
                sections.setdefault(title, []).append(record)
        for title, rows in sections.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class Group(_Helpful, TyperGroup):
    """The list of commands, no line of it cut short."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Each command with the whole of its first sentence."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, (each.help or "").partition("\n\n")[0].replace("\n", " ")) for name, each in commands if each]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
