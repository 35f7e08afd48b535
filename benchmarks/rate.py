"""2,000 instant jobs, 16 at once: aftrun with its record on disk, against a pool of threads with a `requests.Session`.

Both do one POST and one GET a job and verify the certificate; the pool does nothing else. One pool has a connection for
each POST, as aftrun has, the other keeps all: what lies between them is the price of never being ambiguous. Whole
processes are measured, start to end: aftrun also reads the manifest, records every step, and writes its report. The
server is `benchmarks.lean`, in a process of its own, which takes a fraction of what the clients take; and the sandbox,
which takes as much as they do and so holds both back alike.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.common import AFTRUN, ROOT, Command, Row, ca_file, run, side_by_side
from benchmarks.lean import LeanServer
from benchmarks.sandboxes import Server

POOLS = {
    "own": ("a `requests` pool of 16 threads, each POST over a connection of its own, GETs over kept ones", ">= 0.9"),
    "kept": ("the same over kept connections alone, which cannot tell what was not sent", ""),
}
"""What is compared with what aftrun does, and what POSTs that are never ambiguous cost beside it."""


def manifest(jobs: int, path: Path) -> None:
    """Instant jobs that are looked at as soon as they are accepted."""
    lines = ["version: 1", "server: {poll: {min: 0s}}", "jobs:"]
    lines += [f"  - {{name: j{number}, scriptName: instant, params: {{n: '{number}'}}}}" for number in range(jobs)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def apply(path: Path, url: str, ca_file: str) -> Command:
    """`aftrun apply -j 16`, with its record and report beside the manifest."""
    return Command([AFTRUN, "apply", path.name, "-j", "16", "--server", url, "--cacert", ca_file], cwd=path.parent)


def run_seconds(state: Path) -> float:
    """What runs took from their first event to their last, by their reports; the median."""
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in state.glob("runs/*/report.json")]
    return float(median(each["run"]["durationSeconds"] for each in reports))


def compare(path: Path, jobs: int, rounds: int, place: tuple[str, str, str]) -> Iterator[Row]:
    """A row a pool, against the server at this place: what it is, its URL and its certificate."""
    name, url, certificate = place
    script = str(ROOT / "benchmarks" / "baselines" / "pool.py")
    bare = [sys.executable, script, url, certificate, str(jobs), "16"]
    commands = {
        "ours": apply(path, url, certificate),
        "own": Command([*bare, "own"]),
        "kept": Command(bare),
    }
    taken = side_by_side(commands, rounds, warm=False)
    mine, inner = taken["ours"], run_seconds(path.parent / ".aftrun")
    for kind, (what, goal) in POOLS.items():
        theirs = taken[kind]
        pool = median(float(each.out) for each in theirs.runs)
        yield Row(
            f"`aftrun apply -j 16`, {jobs:,} instant jobs, with record and report ({name})",
            what,
            f"{jobs / mine.median:.0f} jobs/s",
            f"{jobs / theirs.median:.0f} jobs/s",
            theirs.median / mine.median,
            goal,
            f"without start and end {jobs / inner:.0f} and {jobs / pool:.0f} jobs/s; "
            f"CPU {mine.cpu:.1f} and {theirs.cpu:.1f} s, ratio {theirs.cpu / mine.cpu:.2f}",
        )


def rows(small: bool) -> Iterator[Row]:
    """Jobs a second, against either server."""
    jobs, rounds = (50, 1) if small else (2000, 3)
    with tempfile.TemporaryDirectory(prefix="aftrun-rate-") as name:
        lean, sandbox = Path(name) / "lean", Path(name) / "sandbox"
        for folder in (lean, sandbox):
            folder.mkdir()
            manifest(jobs, folder / "jobs.yaml")
        with LeanServer(lean) as server:
            for row in compare(lean / "jobs.yaml", jobs, rounds, ("lean server", server.url, server.ca_file)):
                each = server.cpu() / (3 * rounds)
                yield replace(row, note=f"{row.note}; the server {each:.1f} s a run")
        with Server(sandbox, "defaults: {queue: 0s, duration: 0s}\n") as other:
            place = ("sandbox", other.url, str(ca_file(other.url, sandbox)))
            yield from compare(sandbox / "jobs.yaml", jobs, rounds, place)


if __name__ == "__main__":
    sys.exit(run(rows))
