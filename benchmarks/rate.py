"""2,000 instant jobs, 16 at once: aftrun with its record on disk, against a pool of threads with a `requests.Session`.

Both do one POST and one GET a job over kept connections and verify the certificate; the pool does nothing else. Whole
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

POOL = "a `requests.Session` in 16 threads, one POST and one GET each"


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


def compare(path: Path, jobs: int, rounds: int, place: tuple[str, str, str]) -> Row:
    """One row, against the server at this place: what it is, its URL and its certificate."""
    name, url, certificate = place
    script = str(ROOT / "benchmarks" / "baselines" / "pool.py")
    commands = {
        "ours": apply(path, url, certificate),
        "pool": Command([sys.executable, script, url, certificate, str(jobs)]),
    }
    taken = side_by_side(commands, rounds, warm=False)
    mine, theirs = taken["ours"], taken["pool"]
    inner, pool = run_seconds(path.parent / ".aftrun"), median(float(each.out) for each in theirs.runs)
    return Row(
        f"`aftrun apply -j 16`, {jobs:,} instant jobs, with record and report ({name})",
        POOL,
        f"{jobs / mine.median:.0f} jobs/s",
        f"{jobs / theirs.median:.0f} jobs/s",
        theirs.median / mine.median,
        ">= 0.8",
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
            row = compare(lean / "jobs.yaml", jobs, rounds, ("lean server", server.url, server.ca_file))
            each = server.cpu() / (2 * rounds)
            yield replace(row, note=f"{row.note}; the server {each:.1f} s a run")
        with Server(sandbox, "defaults: {queue: 0s, duration: 0s}\n") as other:
            place = ("sandbox", other.url, str(ca_file(other.url, sandbox)))
            yield compare(sandbox / "jobs.yaml", jobs, rounds, place)


if __name__ == "__main__":
    sys.exit(run(rows))
