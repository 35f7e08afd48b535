"""How long a person waits for TAB: what bash is answered, against Python alone and the limit over it.

The measure of it is the time over starting Python, of which 200 ms are what people take for at once. The figure is the
best of many runs in turns, as in `startup`.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common import AFTRUN, ENVIRON, Command, Row, measure, run, side_by_side, skipped
from benchmarks.sandboxes import Server

LIMIT = 0.200
"""Seconds over starting Python."""
MANIFEST = "name: nightly\njobs:\n  - {name: extract, scriptName: instant}\n  - {name: load, scriptName: instant}\n"
JOB = "  - name: job-%d\n    scriptName: instant\n    params: {destination: /archive/%d, character: goofy}\n"

FIRST = "a job name among 10,000, the first time"
LINES = {
    "a command": "aftrun ap",
    "a flag": "aftrun apply --sel",
    "a manifest": "aftrun apply ni",
    "a job name": "aftrun apply nightly.yaml --select lo",
    "a job name among 1,000": "aftrun apply thousand.yaml --select job-99",
    "a job name among 10,000": "aftrun apply many.yaml --select job-99",
    FIRST: "aftrun apply many.yaml --select job-99",
    "a run id": "aftrun show 2",
    "a job id": "aftrun wait ",
}


def ask(line: str, folder: Path, cache: str = "cache") -> Command:
    """What bash runs when TAB is pressed at the end of a line. Where `cache` can be no folder, nothing is kept."""
    asked = {"_AFTRUN_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    return Command([AFTRUN], {**ENVIRON, **asked, "XDG_CACHE_HOME": str(folder / cache)}, folder)


def rows(small: bool) -> Iterator[Row]:
    """One row for each kind of thing that is completed, and one for a whole TAB in bash."""
    rounds = 1 if small else 20
    with tempfile.TemporaryDirectory(prefix="aftrun-tab-") as name, Server(Path(name), "{}\n") as server:
        folder = Path(name)
        (folder / "nightly.yaml").write_text(MANIFEST, encoding="utf-8")
        for file, count in (("thousand", 1000), ("many", 10_000)):
            text = "jobs:\n" + "".join(JOB % (number, number) for number in range(count))
            (folder / f"{file}.yaml").write_text(text, encoding="utf-8")
        measure(Command([AFTRUN, "apply", "nightly.yaml", "--server", server.url, "-k", "-q"], cwd=folder))
        bare = Command([sys.executable, "-c", "pass"])
        asked = {what: ask(line, folder, "many.yaml" if what == FIRST else "cache") for what, line in LINES.items()}
        taken = side_by_side({"bare": bare} | asked, rounds)
        for what in LINES:
            goal = "<= 1" if what != FIRST else ""
            cpu = taken[what].cpu - taken["bare"].cpu
            yield _row(what, taken[what].best, taken["bare"].best, goal, f"{cpu * 1000:.0f} ms of CPU over Python's")
        yield _in_bash(folder, rounds)


def _row(what: str, took: float, bare: float, goal: str, note: str = "") -> Row:
    over = took - bare
    theirs = f"{LIMIT * 1000:.0f} ms over {bare * 1000:.0f} ms of Python"
    return Row(
        f"completing {what}", "200 ms over bare Python", f"{over * 1000:.0f} ms", theirs, over / LIMIT, goal, note
    )


def _in_bash(folder: Path, rounds: int) -> Row:
    """The function that bash calls, in bash: with the process that it starts and the reading of its answer."""
    what = "a job name, in bash itself"
    bash = shutil.which("bash")
    if bash is None:
        return skipped(f"completing {what}", "200 ms over bare Python", "<= 1", "bash is not installed")
    line = LINES["a job name"]
    (folder / "aftrun.bash").write_text(measure(Command([AFTRUN, "completion", "bash"])).out, encoding="utf-8")
    setup = f"COMP_WORDS=({line}); COMP_CWORD={line.count(' ')}"
    code = f'source aftrun.bash; {setup}; _aftrun_completion aftrun 2>/dev/null; [ "${{COMPREPLY[*]}}" = load ]'
    environ = {**ENVIRON, "PATH": f"{Path(AFTRUN).parent}{os.pathsep}{ENVIRON['PATH']}"}
    commands = {
        "bash": Command([bash, "--norc", "-c", code], environ, folder),
        "empty": Command([bash, "--norc", "-c", "source aftrun.bash"], environ, folder),
        "python": Command([sys.executable, "-c", "pass"]),
    }
    taken = side_by_side(commands, rounds)
    return _row(what, taken["bash"].best - taken["empty"].best, taken["python"].best, "<= 1")


if __name__ == "__main__":
    sys.exit(run(rows))
