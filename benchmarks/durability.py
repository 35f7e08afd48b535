"""What durability costs: the makespan of a run with its record on disk, against one with the record in memory.

2,000 instant jobs, 16 at once, `poll: {min: 0s}`, over real HTTPS against a sandbox in another process. Runs of both
kinds alternate, and the ratio of the medians is printed. Usage: python -m benchmarks.durability [JOBS] [ROUNDS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from aftrun.app import Setup, make_scheduler, make_setup, open_doors, opening_events, prepare
from aftrun.events import RunStarted
from aftrun.manifest import bind, load_all
from aftrun.options import RunOptions
from aftrun.run.log import Log, MemoryJournal, RunJournal
from aftrun.run.pool import ThreadPool
from aftrun.run.ports import Journal, SystemClock

GOAL = 1.25


def setup_for(folder: Path, jobs: int, url: str, fingerprint: str) -> Setup:
    """A run of `jobs` instant jobs."""
    lines = ["server: {poll: {min: 0s}}", "strategy: {order: parallel, maxParallel: 16}", "jobs:"]
    lines += [f"  - {{name: j{number}, scriptName: instant}}" for number in range(jobs)]
    path = folder / "many.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    environ = {"AFT_API_KEY": "sandbox-key"}
    options = RunOptions(paths=(str(path),), url=url, fingerprints=(fingerprint,))
    manifests = prepare(load_all([str(path)], environ=environ).manifests, options)
    return make_setup(manifests, bind(manifests, environ), options)


def makespan(setup: Setup, folder: Path, *, durable: bool) -> float:
    """Seconds from the first intent to the end of the last job."""
    clock = SystemClock()
    pool = ThreadPool(16)
    doors = open_doors(setup, pool.size)
    opening = opening_events(setup, ())
    log = Log(folder / f"state-{Random().random()}") if durable else None  # noqa: S311  # a name
    journal: Journal = MemoryJournal()
    if log is not None:
        start = opening[0]
        assert isinstance(start, RunStarted)  # noqa: S101  # for the type checker
        log.begin(start, opening[1:], (), {})
        journal = RunJournal(log, setup.facts.id)
    began = time.perf_counter()
    report = make_scheduler(setup, doors, journal, pool, clock=clock).run(opening)
    took = time.perf_counter() - began
    pool.close()
    for door in doors:
        door.close()
    if log is not None:
        log.close()
    if report.exit_code != 0:
        raise SystemExit(f"a run went wrong: {report.counts()}")
    return took


def main() -> None:
    """Measure, and print the ratio."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        scenario = folder / "instant.yaml"
        scenario.write_text("defaults: {queue: 0s, duration: 0s}\n", encoding="utf-8")
        command = [sys.executable, "-m", "aftrun", "sandbox", "--port", "0", "--scenario", str(scenario)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603  # our own program
        try:
            assert server.stdout is not None  # noqa: S101  # for the type checker
            said = dict(server.stdout.readline().strip().split(": ", 1) for _ in range(3))
            times: dict[bool, list[float]] = {True: [], False: []}
            for _ in range(rounds):
                for durable in (False, True):
                    setup = setup_for(folder, jobs, said["url"], said["fingerprint"])
                    times[durable].append(makespan(setup, folder, durable=durable))
        finally:
            server.terminate()
            server.wait()
    memory, disk = statistics.median(times[False]), statistics.median(times[True])
    print(f"{jobs} jobs: in memory {memory:.2f} s, on disk {disk:.2f} s")  # noqa: T201  # the result
    print(f"durability: ratio {disk / memory:.2f} (goal <= {GOAL})")  # noqa: T201  # the result


if __name__ == "__main__":
    main()
