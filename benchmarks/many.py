"""10,000 jobs that run two minutes, all at once, submitted and followed by one `aftrun apply -j 10000`.

The yardstick is what no client can beat: 120 s, and 10,000 submissions at the rate of bare `requests` over kept-alive
TLS, measured in the same run against the same sandbox (another process). All figures come from outside of aftrun: the
sandbox's ledger (when was what asked, over which connection), the report, and the kernel (threads, memory).

How evenly waits stretch under this load: each wait of a job for its next look is held against the mean of all waits
that began at the same age (ages in steps of a quarter). 1.0 is perfectly even; the rule's own ±10 % makes 1.1.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pty
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import requests
import urllib3

from aftrun.domain.events import parse_instant as epoch
from benchmarks.common import Row, arguments, environment, finish, show
from benchmarks.sandboxes import Server

BARE_POSTS = 3000


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured. Times in seconds."""

    jobs: int
    length: float
    """How long each job runs."""
    bare_rate: float
    """POSTs a second by bare `requests`."""
    makespan: float
    """Of the whole process, from its start to its end."""
    run: float
    """From the first event of the run to its last."""
    submitting: float
    """From the first POST to the last."""
    threads: int
    rss: float
    """Most memory, MiB."""
    lags: tuple[float, ...]
    """For each job, from its end to when aftrun knew; in order."""
    reads: int
    connections: int
    unevenness: float
    """The most uneven wait, as a multiple of the mean of its age."""
    longest: float
    """That wait."""

    @property
    def ideal(self) -> float:
        """What no client can beat."""
        return self.length + self.jobs / self.bare_rate

    def rows(self) -> Iterator[Row]:
        """One for each goal."""
        what = f"{self.jobs} jobs of {self.length:.0f} s at once"
        yield Row(
            f"{what}: makespan, start-up included",
            f"{self.length:.0f} s + {self.jobs} / {self.bare_rate:.0f} POST/s of bare `requests`",
            f"{self.makespan:.1f} s",
            f"{self.ideal:.1f} s",
            self.makespan / self.ideal,
            "<= 1.15",
            f"submitting took {self.submitting:.1f} s",
        )
        yield Row(f"{what}: threads", "the goal", f"{self.threads}", "32", self.threads / 32, "<= 1")
        yield Row(f"{what}: memory", "the goal", f"{self.rss:.0f} MiB", "250 MiB", self.rss / 250, "<= 1")
        goal = 0.1 * self.length + 1.0
        p95, median = self.lags[int(len(self.lags) * 0.95)], self.lags[len(self.lags) // 2]
        note = f"median {median:.1f} s, most {self.lags[-1]:.1f} s"
        yield Row(
            f"{what}: end noticed, p95",
            "10 % of the duration + 1 s",
            f"{p95:.1f} s",
            f"{goal:.1f} s",
            p95 / goal,
            "<= 1",
            note,
        )
        note = f"{self.reads} reads, {self.reads / self.jobs:.1f} a job, {self.reads / self.run:.0f} a second"
        yield Row(
            f"{what}: longest wait for a look",
            "the mean wait at its age",
            f"{self.longest:.1f} s",
            f"{self.longest / self.unevenness:.1f} s",
            self.unevenness,
            "<= 2",
            note,
        )
        total = self.reads + self.jobs
        yield Row(
            f"{what}: connections",
            "requests",
            f"{self.connections}",
            f"{total}",
            self.connections / total,
            "",
            "each is kept and used again",
        )


def bare_rate(server: Server, posts: int) -> float:
    """POSTs a second of a `requests.Session`, shared by 16 threads, and nothing else."""
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    with requests.Session() as session:
        session.trust_env = False
        session.verify = False
        session.headers["X-API-Key"] = "sandbox-key"
        session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=16))

        def post(number: int) -> int:
            body = {"scriptName": "bare", "params": {"n": str(number)}}
            return session.post(f"{server.url}/v1/jobs", json=body, timeout=30).status_code

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(post, range(32)))
            began = time.perf_counter()
            done = list(pool.map(post, range(posts)))
            took = time.perf_counter() - began
    if set(done) != {201}:
        raise SystemExit(f"the sandbox answered {sorted(set(done))}")
    return posts / took


def watch(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Until the process ends: its most threads, and its most memory in MiB (Linux)."""
    threads, rss = 0, 0.0
    while process.poll() is None:
        try:
            text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        except (FileNotFoundError, ProcessLookupError):
            break
        said = dict(line.split(":", 1) for line in text.splitlines())
        threads = max(threads, int(said.get("Threads", "0")))
        rss = max(rss, int(said.get("VmHWM", "0 kB").split()[0]) / 1024)
        time.sleep(0.2)
    process.wait()
    return threads, rss


def apply(server: Server, folder: Path, jobs: int, *, live: bool) -> tuple[float, int, float, dict[str, Any]]:
    """Run them; makespan, threads, MiB, and the report."""
    path = folder / "many.yaml"
    lines = ["name: many", "jobs:"]
    lines += [f"  - {{name: j{number}, scriptName: long, params: {{n: '{number}'}}}}" for number in range(jobs)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "aftrun", "apply", str(path), "-j", str(jobs), *server.flags, "-o", "none"]
    command += ["--state-dir", str(folder / "state")]
    environ = {**os.environ, "AFT_API_KEY": "sandbox-key"}
    began = time.perf_counter()
    if live:
        environ = {name: value for name, value in environ.items() if name not in ("CI", "NO_COLOR")} | {"TERM": "xterm"}
        master, slave = pty.openpty()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=slave, env=environ)  # noqa: S603  # our own program
        os.close(slave)
        threading.Thread(target=drain, args=(master,), daemon=True).start()
    else:
        process = subprocess.Popen(  # noqa: S603  # our own program
            [*command, "--no-progress"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ
        )
    threads, rss = watch(process)
    makespan = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"aftrun ended with {process.returncode}")
    (found,) = (folder / "state" / "runs").glob("*/report.json")
    return makespan, threads, rss, json.loads(found.read_text(encoding="utf-8"))


def drain(terminal: int) -> None:
    """Read what is drawn, as a terminal does."""
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        pass  # the other side is closed: nothing more is drawn
    os.close(terminal)


def most_uneven(looks: dict[str, list[float]]) -> tuple[float, float]:
    """The most uneven wait, as a multiple of the mean of its age and in seconds.

    Each job's list begins with its creation. Ages that few jobs were looked at are left out: one wait is its own mean.
    """
    ages: dict[int, list[float]] = defaultdict(list)
    for times in looks.values():
        for first, second in pairwise(times):
            ages[round(math.log(max(first - times[0], 0.1), 1.25))].append(second - first)
    return max(
        (max(each) / fmean(each), max(each)) for each in ages.values() if len(each) >= max(20, len(looks) // 100)
    )


def measure(jobs: int, length: float, *, live: bool = False, posts: int = BARE_POSTS) -> Figures:
    """Everything, in a fresh sandbox."""
    with tempfile.TemporaryDirectory(prefix="aftrun-many-") as name:
        folder = Path(name)
        with Server(folder, f"defaults: {{queue: 0s, duration: {length}s}}\n", ledger=True) as server:
            rate = bare_rate(server, posts)
            makespan, threads, rss, report = apply(server, folder, jobs, live=live)
            looks: dict[str, list[float]] = {}
            connections: set[int] = set()
            reads = 0
            for entry in server.requests():
                if entry["method"] == "POST" and entry["parsed"]["scriptName"] == "long":
                    looks[entry["jobId"]] = [epoch(entry["time"])]
                elif entry["jobId"] in looks:
                    looks[entry["jobId"]].append(epoch(entry["time"]))
                    reads += 1
                else:
                    continue
                connections.add(entry["connection"])
    ends = {job["jobId"]: epoch(job["endedAt"]) for job in report["jobs"]}
    born = [times[0] for times in looks.values()]
    uneven, longest = most_uneven(looks)
    return Figures(
        jobs=jobs,
        length=length,
        bare_rate=rate,
        makespan=makespan,
        run=report["run"]["durationSeconds"],
        submitting=max(born) - min(born),
        threads=threads,
        rss=rss,
        lags=tuple(sorted(ends[job] - times[0] - length for job, times in looks.items())),
        reads=reads,
        connections=len(connections),
        unevenness=uneven,
        longest=longest,
    )


def rows(small: bool) -> Iterator[Row]:
    """The goals, without a live view."""
    yield from (measure(200, 2.0, posts=300) if small else measure(10_000, 120.0)).rows()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="10,000 jobs at once")
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--live", action="store_true", help="draw the live view on a terminal, as a user sees it")
    chosen = arguments(parser)
    before = environment()
    figures = rows(True) if chosen.small else measure(chosen.jobs, chosen.seconds, live=chosen.live).rows()
    return finish(show(figures), chosen, before)


if __name__ == "__main__":
    sys.exit(main())
