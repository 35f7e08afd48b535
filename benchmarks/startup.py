"""How long the short commands take, against importing the packages that a program of this kind uses.

The console script `aftrun` is measured, as users call it. Every command runs once before it counts. The figure is the
best of many runs in turns: start-up is the same work each time, and what a run takes longer is the rest of the machine.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common import AFTRUN, ROOT, Command, Row, ca_file, run, side_by_side
from benchmarks.sandboxes import Server

INSTANT = "defaults: {queue: 0s, duration: 0s}\n"
ONE = "scriptName: instant\nparams: {destination: /archive/2026, character: goofy}\n"
BASELINES = ROOT / "benchmarks" / "baselines"
LOOK_AT_ONCE = "version: 1\nserver: {poll: {min: 0s}}\njobs:\n  - {scriptName: instant}\n"


def compare(what: str, against: str, goal: str, commands: dict[str, Command], rounds: int) -> Row:
    """One row: the best wall times of `ours` and `theirs`."""
    taken = side_by_side(commands, rounds)
    mine, other = taken["ours"], taken["theirs"]
    note = f"medians {mine.median * 1000:.0f} and {other.median * 1000:.0f} ms, CPU ratio {mine.cpu / other.cpu:.2f}"
    return Row(
        what, against, f"{mine.best * 1000:.0f} ms", f"{other.best * 1000:.0f} ms", mine.best / other.best, goal, note
    )


def importing(names: str) -> Command:
    """Python, importing packages."""
    return Command([sys.executable, "-c", f"import {names}"])


def rows(small: bool) -> Iterator[Row]:
    """The start-up of `--version`, `--help`, `validate` and `apply`."""
    rounds = 1 if small else 20
    for flag in ("--version", "--help"):
        commands = {"ours": Command([AFTRUN, flag]), "theirs": importing("typer")}
        yield compare(f"`aftrun {flag}`", "`import typer`", "<= 1.15", commands, rounds)
    with tempfile.TemporaryDirectory(prefix="aftrun-startup-") as name, Server(Path(name), INSTANT) as server:
        folder = Path(name)
        (folder / "one.yaml").write_text(ONE, encoding="utf-8")
        (folder / "run.yaml").write_text(LOOK_AT_ONCE, encoding="utf-8")
        packages = "typer, yaml, jsonschema"
        ours = Command([AFTRUN, "validate", "one.yaml"], cwd=folder)
        what = "`aftrun validate`, one job"
        yield compare(what, f"`import {packages}`", "<= 1.3", {"ours": ours, "theirs": importing(packages)}, rounds)
        floor = Command([sys.executable, str(BASELINES / "one_argument.py"), "one.yaml"], cwd=folder)
        against = "the floor: the same imports, and typer parsing one argument"
        yield compare(what, against, "<= 1.15", {"ours": ours, "theirs": floor}, rounds)
        ca = str(ca_file(server.url, folder))
        ours = Command([AFTRUN, "apply", "run.yaml", "--server", server.url, "--cacert", ca], cwd=folder)
        what = "`aftrun apply`, one instant job, with record and report"
        script = [sys.executable, str(BASELINES / "one_job.py")]
        against = "a script that imports typer, yaml, jsonschema and requests; one POST, one GET"
        yield compare(what, against, "<= 1.25", {"ours": ours, "theirs": Command([*script, server.url, ca])}, rounds)
        against = "the floor: the same script, and typer parsing its arguments"
        floor = Command([*script, "--typer", server.url, ca])
        yield compare(what, against, "<= 1.25", {"ours": ours, "theirs": floor}, rounds)


if __name__ == "__main__":
    sys.exit(run(rows))
