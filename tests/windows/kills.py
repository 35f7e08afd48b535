"""Ctrl-C, and the program killed at every boundary of its record: nothing twice, nothing lost, nothing wrong.

On Windows a kill is TerminateProcess; Wine's programs are processes of Linux, and are killed as such.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from aftrun.domain.model import Json
from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from tests.faults.harness import Tally, judge, manifest, read_report, scenario
from tests.waiting import HANG, until
from tests.windows.smoke import Place

QUICK: dict[str, Json] = {"latency": "0s", "defaults": {"queue": "0s", "duration": "20ms"}}
KILLED = (-9, 9)
"""What a process that was killed leaves: on Linux, and on Windows, where 9 is what the killer says."""


def begin(place: Place, command: Sequence[str], folder: Path, server: Sandbox) -> subprocess.Popen[bytes]:
    """Start a process whose errors somebody reads."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**place.environ, "AFT_API_KEY": server.api_key},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def reach(server: Sandbox) -> list[str]:
    """The flags that lead to a server."""
    return ["--server", server.url, "--fingerprint", server.fingerprint]


def boundaries(place: Place, killer: Sequence[str], python: Sequence[str], tell: Callable[[str], None]) -> Tally:
    """Killed before and after each write of its record, and resumed, until a run gets through.

    `killer` runs `tests/faults/killer.py` there, `python` the interpreter with aftrun.
    """
    tally, count, boundary, through = Tally(), 5, 0, False
    while not through:
        boundary += 1
        for side in ("before", "after"):
            folder = place.folder / f"Abbruch {side} {boundary}"
            folder.mkdir()
            (folder / "m.yaml").write_text(manifest(count, extra="server: {poll: {min: 20ms}}"), encoding="utf-8")
            with Sandbox(parse(scenario(boundary, QUICK))) as server:
                arguments = ["apply", "m.yaml", "-j", "8", "--no-progress", "-o", "none", *reach(server)]
                process = begin(place, [*killer, side, str(boundary), *arguments], folder, server)
                _, error = process.communicate(timeout=HANG)
                killed = process.returncode in KILLED
                if not killed and process.returncode not in (1, 6):
                    tally.wrong.append(f"{side} {boundary}: exit {process.returncode}: {error.decode()[-500:]}")
                tally.kills += killed
                through = not killed
                if killed and (side, boundary) == ("before", 1):
                    tally.duplicates += len(server.ledger())  # nothing may be sent before the run is on record
                    continue
                if killed:
                    resume = [*python, "-m", "aftrun", "resume", "--no-progress", "-o", "none"]
                    again = begin(place, resume, folder, server)
                    _, error = again.communicate(timeout=HANG)
                    if again.returncode not in (1, 6):
                        tally.wrong.append(f"{side} {boundary}: resume: {again.returncode}: {error.decode()[-500:]}")
                        continue
                judge(read_report(folder), server, count, tally, f"{side} {boundary}")
        tally.rounds += 1
    tell(f"kills at {boundary - 1} writes: {tally.line()}")
    for each in tally.wrong:
        tell(f"  {each}")
    return tally


def interrupted(place: Place, python: Sequence[str], tell: Callable[[str], None]) -> bool:
    """Ctrl-C (on Windows Ctrl-Break, which alone can be sent to one process) stops a run that can be resumed."""
    folder = place.folder / "Strg-C"
    folder.mkdir()
    (folder / "m.yaml").write_text("scriptName: slow\n", encoding="utf-8")
    number = getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT)
    with Sandbox(parse({"defaults": {"queue": "0s", "duration": "1h"}})) as server:
        run = begin(place, [*python, "-m", "aftrun", "apply", "m.yaml", *reach(server)], folder, server)
        until(server.jobs, alive=lambda: run.poll() is None)
        assert run.stderr is not None
        while b"accepted" not in run.stderr.readline():
            pass
        run.send_signal(number)
        _, error = run.communicate(timeout=HANG)
        code = 143 if os.name == "nt" else 130
        fine = run.returncode == code and b"aftrun resume" in error
    tell(f"{'ok  ' if fine else 'FAIL'} Ctrl-C: exit code {run.returncode}, expected {code}")
    if not fine:
        tell(error.decode("utf-8", "replace"))
    return fine


HOLD = """
import sys, time
path = sys.argv[1]
while True:
    try:
        file = open(path, encoding="utf-8")
        break
    except OSError:
        time.sleep(0.02)
print("open", flush=True)
sys.stdin.read()
"""
"""A program that has a file open until its standard input ends."""


def held(place: Place, python: Sequence[str], tell: Callable[[str], None]) -> bool:
    """A program that has `report.json` open from the first moment costs the run nothing, and its report is whole."""
    folder = place.folder / "offen"
    folder.mkdir()
    (folder / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    with Sandbox(parse({"defaults": {"queue": "0s", "duration": "2s"}})) as server:
        run = begin(place, [*python, "-m", "aftrun", "apply", "m.yaml", *reach(server)], folder, server)
        runs = folder / ".aftrun" / "runs"
        until(lambda: list(runs.glob("*/report.json")), alive=lambda: run.poll() is None)
        (path,) = runs.glob("*/report.json")
        reader = subprocess.Popen(
            [*python, "-c", HOLD, path.relative_to(folder).as_posix()],
            cwd=folder,
            env=dict(place.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert reader.stdout is not None
        holding = reader.stdout.readline()
        _, error = run.communicate(timeout=HANG)
        reader.communicate()
    reports = [each.read_text(encoding="utf-8") for each in path.parent.glob("report*.json")]
    whole = any('"outcome": "succeeded"' in text for text in reports)
    fine = run.returncode == 0 and whole and holding.startswith(b"open")
    tell(f"{'ok  ' if fine else 'FAIL'} report.json held open: exit code {run.returncode}, {len(reports)} files")
    if not fine:
        tell((holding + error).decode("utf-8", "replace"))
    return fine
