"""What `apply` takes where every job is up to date, over `validate`; and with a long history on record as well."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from aftrun.domain.events import Event, JobEnded, Reason, RunEnded, RunStarted
from aftrun.domain.model import Outcome
from aftrun.run.store import folder as state_folder
from aftrun.run.store.record import Log
from benchmarks.common import AFTRUN, Command, Row, ca_file, minimal, run, side_by_side
from benchmarks.sandboxes import Server

INSTANT = "latency: 0s\ndefaults: {queue: 0s, duration: 0s}\n"


def manifest(jobs: int) -> str:
    """So many jobs with a date for a key."""
    lines = ["name: big", "strategy: {order: parallel, maxParallel: 64}", 'defaults: {once: "2026-01-02"}', "jobs:"]
    lines += [
        f"  - {{name: j{n}, scriptName: s{n % 7}, params: {{n: '{n}', destination: /archive}}}}" for n in range(jobs)
    ]
    return "\n".join(lines) + "\n"


def remember(folder: Path, runs: int, jobs: int) -> None:
    """Put so many past runs on record, each with so many ends of jobs."""
    state_folder.accept(folder)  # the program has made it, with a data folder of its own
    with Log(folder) as log:
        for number in range(runs):
            at = 1_700_000_000.0 + number * 3_600
            name = f"20231114-221320-{number:04x}"
            log.begin(RunStarted(at, name, ()), [], [], {})
            ends: list[Event] = [
                JobEnded(at + 1, f"big/j{n}", Outcome.SUCCEEDED, Reason.DONE, seconds=1.0) for n in range(jobs)
            ]
            log.append(name, [*ends, RunEnded(at + 2, "succeeded", 0)])


def rows(small: bool) -> Iterator[Row]:
    """Without and with the history."""
    jobs, rounds, past = (20, 1, 2) if small else (1_000, 15, 100)
    with tempfile.TemporaryDirectory(prefix="aftrun-converging-") as place, Server(Path(place), INSTANT) as server:
        folder = Path(place)
        (folder / "big.yaml").write_text(manifest(jobs), encoding="utf-8")
        flags = ["--server", server.url, "--cacert", str(ca_file(server.url, folder)), "-q", "-o", "none"]
        commands = {
            "apply": Command([AFTRUN, "apply", "big.yaml", *flags], cwd=folder),
            "validate": Command([AFTRUN, "validate", "big.yaml"], cwd=folder),
            "floor": minimal("converge", folder / "big.yaml"),
        }
        for history in (0, past * jobs):
            if history:
                remember(folder / ".aftrun", past, jobs)
            taken = side_by_side(commands, rounds)
            mine, validate = taken["apply"], taken["validate"]
            against = {
                "`aftrun validate` of the same manifest": (validate, "<= 1.3"),
                "the floor: a minimal program of the same packages": (taken["floor"], ""),
            }
            for name, (other, goal) in against.items():
                yield Row(
                    f"`aftrun apply`, {jobs:,} jobs up to date, {history:,} past ends of jobs on record",
                    name,
                    f"{mine.best * 1000:.0f} ms",
                    f"{other.best * 1000:.0f} ms",
                    mine.best / other.best,
                    goal,
                    f"CPU ratio {mine.cpu / other.cpu:.2f}; {other.best / validate.best:.2f} × `aftrun validate`",
                )


if __name__ == "__main__":
    sys.exit(run(rows))
