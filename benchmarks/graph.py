"""1,000 jobs in 50 levels: each needs up to three of the level above it, and takes as long as a log-normal says.

Nobody can be faster than the critical path: the chain of needs whose jobs take longest, by the sandbox's own account of
how long each took. On top comes what polling costs: each level begins when aftrun has seen the end of the one before,
so one look a level, as long after the end as the polling rule allows at that age. The durations are short, so that the
benchmark ends; with default settings a look may then be half a second late (`poll.min`), and with `poll: {min: 0s}` a
tenth of the job's age. Both are run, and the default once more, with the durations of the first run to go by.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import requests
import urllib3

from aftrun.domain.model import Poll
from aftrun.run.policy import base_interval
from benchmarks.common import Row, run
from benchmarks.sandboxes import Server

SCENARIO = "seed: 11\ndefaults: {queue: 0s, duration: {median: 400ms, sigma: 0.5}}\n"
MODES = {"poll: {min: 0s}": ("server: {poll: {min: 0s}}", Poll(minimum=0.0)), "defaults": ("", Poll())}


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured. Times in seconds."""

    mode: str
    jobs: int
    levels: int
    path: float
    """The critical path."""
    looks: float
    """One look a level: the rule's longest waits at the ends of the jobs on the critical path."""
    makespan: float
    """Of the whole process, from its start to its end."""

    def row(self) -> Row:
        """Against the critical path and one look a level."""
        goal = 1.05 * self.path + self.looks
        return Row(
            f"{self.jobs} jobs in {self.levels} levels of `needs`, {self.mode}: makespan, start-up included",
            "1.05 × critical path + one look a level",
            f"{self.makespan:.1f} s",
            f"{goal:.1f} s",
            self.makespan / goal,
            "<= 1",
            f"path {self.path:.1f} s, looks {self.looks:.1f} s; {self.makespan / self.path:.2f} of the path alone",
        )


def needs(levels: int, width: int) -> list[list[int]]:
    """For each job, the jobs that it needs; job N is in level N // width."""
    dice = Random(5)  # noqa: S311  # a lot
    return [
        sorted({(number // width - 1) * width + dice.randrange(width) for _ in range(dice.randint(1, 3))})
        if number >= width
        else []
        for number in range(levels * width)
    ]


def manifest(graph: Sequence[Sequence[int]], server: str) -> str:
    """The graph as a manifest."""
    lines = ["version: 1", "name: graph", server, "jobs:"]
    for number, wanted in enumerate(graph):
        names = ", ".join(f"j{need}" for need in wanted)
        lines.append(f"  - {{name: j{number}, scriptName: step, params: {{n: '{number}'}}, needs: [{names}]}}")
    return "\n".join(line for line in lines if line) + "\n"


def durations(server: Server) -> dict[int, float]:
    """How long each job took, by the sandbox's account."""
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    records = requests.get(f"{server.url}/_sandbox/jobs", verify=False, timeout=60).json()  # noqa: S501  # our own server on loopback
    return {int(each["body"]["params"]["n"]): each["endedAt"] - each["createdAt"] for each in records}


def critical(graph: Sequence[Sequence[int]], took: dict[int, float]) -> list[float]:
    """The durations along the longest chain."""
    best: list[list[float]] = []
    for number, wanted in enumerate(graph):
        best.append([*max((best[need] for need in wanted), key=sum, default=[]), took[number]])
    return max(best, key=sum)


def measure(levels: int, width: int) -> Iterator[Figures]:
    """One run for each mode, and one with the past to go by."""
    graph = needs(levels, width)
    with tempfile.TemporaryDirectory(prefix="aftrun-graph-") as name:
        folder = Path(name)
        for mode, again in (("poll: {min: 0s}", False), ("defaults", False), ("defaults", True)):
            server_line, poll = MODES[mode]
            with Server(folder, SCENARIO) as server:
                path = folder / "graph.yaml"
                path.write_text(manifest(graph, server_line), encoding="utf-8")
                command = [sys.executable, "-m", "aftrun", "apply", str(path), "-j", str(len(graph)), *server.flags]
                state = folder / ("state" if mode == "defaults" else "other")
                command += ["--state-dir", str(state), "--no-progress", "-q", "-o", "none"]
                began = time.perf_counter()
                subprocess.run(command, check=True, env={**os.environ, "AFT_API_KEY": "sandbox-key"})  # noqa: S603  # our own program
                makespan = time.perf_counter() - began
                chain = critical(graph, durations(server))
            yield Figures(
                mode=mode + (", with the past to go by" if again else ""),
                jobs=len(graph),
                levels=levels,
                path=sum(chain),
                looks=sum(1.1 * base_interval(poll, each) for each in chain),
                makespan=makespan,
            )


def rows(small: bool) -> Iterator[Row]:
    """One for each way of running it."""
    for figures in measure(4, 5) if small else measure(50, 20):
        yield figures.row()


if __name__ == "__main__":
    sys.exit(run(rows))
