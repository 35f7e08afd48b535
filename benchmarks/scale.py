"""Many jobs: 20,000 that are only submitted, and 2,000 of which each needs the one before.

Growth is held against a tenth of the jobs in the same run: what takes longer for each job the more there are would take
ever longer. A chain has nothing to do side by side: it is held against one POST and one GET a job by `requests`, each
POST over a connection of its own, as aftrun's are. The server is `benchmarks.lean`, in a process of its own.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common import AFTRUN, ROOT, Command, Row, measure, run, side_by_side
from benchmarks.lean import LeanServer

KIB = 1024


def submitted(folder: Path, jobs: int) -> Path:
    """Jobs that nobody waits for."""
    lines = ["version: 1", "defaults: {wait: false}", "jobs:"]
    lines += [f"  - {{name: j{number}, scriptName: instant, params: {{n: '{number}'}}}}" for number in range(jobs)]
    path = folder / f"{jobs}.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def chain(folder: Path, jobs: int) -> Path:
    """Instant jobs in a row."""
    lines = ["version: 1", "server: {poll: {min: 0s}}", "jobs:", "  - {name: j0, scriptName: instant}"]
    lines += [f"  - {{name: j{each}, scriptName: instant, needs: [j{each - 1}]}}" for each in range(1, jobs)]
    path = folder / "chain.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def apply(path: Path, server: LeanServer, *flags: str) -> Command:
    """`aftrun apply`, with a state folder of its own beside the manifest."""
    to = ("--server", server.url, "--cacert", server.ca_file, "-o", "none", "-q")
    return Command([AFTRUN, "apply", path.name, *to, "--state-dir", f"{path.stem}.state", *flags], cwd=path.parent)


def only_submitted(folder: Path, server: LeanServer, jobs: int) -> Iterator[Row]:
    """Growth in time and memory, and what the reports of so many take."""
    few, many = (submitted(folder, number) for number in (jobs // 10, jobs))
    small, large = (measure(apply(path, server, "-j", "64")) for path in (few, many))
    what = f"{jobs:,} jobs with `wait: false`, `-j 64`"
    yield Row(
        f"{what}: CPU time",
        f"ten times that of {jobs // 10:,}",
        f"{large.cpu:.1f} s",
        f"{10 * small.cpu:.1f} s",
        large.cpu / (10 * small.cpu),
        "<= 1.1",
        f"wall {large.wall:.1f} s",
    )
    each = (large.rss - small.rss) * KIB / (jobs - jobs // 10)
    yield Row(f"{what}: memory", "6 KiB a job", f"{each:.1f} KiB", "6.0 KiB", each / 6, "<= 1", f"{large.rss:.0f} MiB")
    state = ("--state-dir", f"{many.stem}.state")
    nothing = measure(Command([AFTRUN, "report", *state, "--report-tap", "out.tap"], cwd=folder))
    for name in ("json", "html"):
        took = measure(Command([AFTRUN, "report", *state, f"--report-{name}", f"out.{name}"], cwd=folder))
        size = (folder / f"out.{name}").stat().st_size / KIB**2
        yield Row(
            f"`aftrun report --report-{name}` of {jobs:,} jobs",
            "2 s",
            f"{took.cpu:.1f} s",
            "2.0 s",
            took.cpu / 2,
            "<= 1",
            f"{size:.1f} MiB; reading the record and writing TAP {nothing.cpu:.1f} s",
        )


def in_a_row(folder: Path, server: LeanServer, jobs: int, rounds: int) -> Iterator[Row]:
    """What waits for nothing but the server, and the disk."""
    script = str(ROOT / "benchmarks" / "baselines" / "pool.py")
    bare = [sys.executable, script, server.url, server.ca_file, str(jobs), "1"]
    commands = {"ours": apply(chain(folder, jobs), server)}
    commands |= {kind: Command([*bare, kind], cwd=folder) for kind in ("own", "durable")}
    taken = side_by_side(commands, rounds, warm=False)
    ours = taken["ours"]
    for kind, what, goal in (
        ("own", "one POST over a connection of its own and one GET a job by `requests`", "<= 1.3"),
        ("durable", "the same with a line on disk in two files before and after each POST", ""),
    ):
        theirs = taken[kind]
        yield Row(
            f"`aftrun apply`, {jobs:,} instant jobs of which each needs the one before",
            what,
            f"{ours.median:.1f} s",
            f"{theirs.median:.1f} s",
            ours.median / theirs.median,
            goal,
            f"CPU {ours.cpu:.1f} and {theirs.cpu:.1f} s",
        )


def rows(small: bool) -> Iterator[Row]:
    """Growth, reports, a chain."""
    with tempfile.TemporaryDirectory(prefix="aftrun-scale-") as name, LeanServer(Path(name)) as server:
        yield from only_submitted(Path(name), server, 200 if small else 20_000)
        yield from in_a_row(Path(name), server, 30 if small else 2_000, 1 if small else 3)


if __name__ == "__main__":
    sys.exit(run(rows))
