"""Instant jobs by what people use instead: Step CI (npm), the fastest of its kind, and a shell loop of curl processes.

Each starts every job, keeps its id, reads it until it has succeeded, and fails otherwise. Step CI runs as it does by
default: all jobs at once, and without verifying the certificate. The server is `benchmarks.lean`, in a process of its
own.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common import ENVIRON, KEY, ROOT, Command, Row, minimal, node_tool, run, side_by_side, skipped
from benchmarks.lean import LeanServer
from benchmarks.rate import apply, manifest

STEPCI = ("stepci", "2.8.2")
LOOP = 'seq "$1" | xargs -P16 -n1 "$2" "$3" "$4"'


def workflow(jobs: int, url: str) -> str:
    """The jobs for Step CI: a test each, of two steps. JSON is YAML."""
    key = {"X-API-Key": KEY}
    tests = {}
    for number in range(jobs):
        submit = {
            "url": "/v1/jobs",
            "method": "POST",
            "headers": key,
            "json": {"scriptName": "instant", "params": {"n": str(number)}},
            "check": {"status": 201},
            "captures": {"id": {"jsonpath": "$.id"}},
        }
        look = {
            "url": "/v1/adm/jobs/${{captures.id}}",
            "method": "GET",
            "headers": key,
            "check": {"status": 200, "jsonpath": {"$.status": "succeeded"}},
        }
        retries = {"count": 100, "interval": "100ms"}
        tests[f"j{number}"] = {"steps": [{"http": submit}, {"http": look, "retries": retries}]}
    return json.dumps({"version": "1.1", "name": "many", "config": {"http": {"baseURL": url}}, "tests": tests})


def against_stepci(folder: Path, server: LeanServer, jobs: int, rounds: int) -> Iterator[Row]:
    """Time and memory."""
    what, goals = f"`aftrun apply -j 16`, {jobs:,} instant jobs", (">= 3.5", "<= 0.5")
    stepci = node_tool(*STEPCI, "stepci", install=rounds > 1)
    if isinstance(stepci, str):
        yield from (skipped(what, "Step CI", goal, stepci) for goal in goals)
        return
    (folder / "workflow.yml").write_text(workflow(jobs, server.url), encoding="utf-8")
    manifest(jobs, folder / "jobs.yaml")
    environ = {**ENVIRON, "STEPCI_DISABLE_ANALYTICS": "1", "HOME": str(folder)}
    commands = {
        "ours": apply(folder / "jobs.yaml", server.url, server.ca_file),
        "stepci": Command([*stepci, "run", "workflow.yml"], environ, folder),
        "floor": minimal("start", folder / "jobs.yaml", server.url, server.ca_file),
    }
    taken = side_by_side(commands, rounds, warm=False)
    mine, theirs, floor = taken["ours"], taken["stepci"], taken["floor"].median
    if f"{jobs} passed" not in theirs.runs[0].out:
        raise SystemExit(f"Step CI did not run all jobs: {theirs.runs[0].out[-500:]}")
    note = f"CPU {mine.cpu:.1f} and {theirs.cpu:.1f} s; the floor is {theirs.median / floor:.2f} × faster than Step CI"
    times = f"{mine.median:.2f} s", f"{theirs.median:.2f} s"
    yield Row(what, "Step CI", *times, theirs.median / mine.median, goals[0], note)
    against = "the floor: a minimal program of the same packages, each POST over a connection of its own"
    yield Row(what, against, times[0], f"{floor:.2f} s", mine.median / floor, "")
    memory = f"{mine.rss:.0f} MiB", f"{theirs.rss:.0f} MiB"
    yield Row(f"{what}, memory", "Step CI", *memory, mine.rss / theirs.rss, goals[1])


def against_curl(folder: Path, server: LeanServer, jobs: int, rounds: int) -> Iterator[Row]:
    """Jobs a second."""
    what, against = f"`aftrun apply -j 16`, {jobs:,} instant jobs", "`xargs -P16` of `curl` processes"
    if shutil.which("curl") is None or shutil.which("xargs") is None:
        yield skipped(what, against, ">= 6", "curl and xargs are not installed")
        return
    manifest(jobs, folder / "jobs.yaml")
    script = str(ROOT / "benchmarks" / "baselines" / "one_curl.sh")
    commands = {
        "ours": apply(folder / "jobs.yaml", server.url, server.ca_file),
        "curl": Command(["sh", "-c", LOOP, "sh", str(jobs), script, server.url, server.ca_file]),
    }
    taken = side_by_side(commands, rounds, warm=False)
    mine, theirs = taken["ours"].median, taken["curl"].median
    note = f"CPU {taken['ours'].cpu:.1f} and {taken['curl'].cpu:.1f} s"
    rates = f"{jobs / mine:.0f} jobs/s", f"{jobs / theirs:.0f} jobs/s"
    yield Row(what, against, *rates, theirs / mine, ">= 6", note)


def rows(small: bool) -> Iterator[Row]:
    """Both."""
    with tempfile.TemporaryDirectory(prefix="aftrun-peers-") as name, LeanServer(Path(name)) as server:
        yield from against_stepci(Path(name), server, 20 if small else 200, 1 if small else 5)
        yield from against_curl(Path(name), server, 20 if small else 2000, 1)


if __name__ == "__main__":
    sys.exit(run(rows))
