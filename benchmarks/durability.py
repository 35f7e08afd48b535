"""What durability costs: the makespan of a run with its record on disk, against one with the record in memory.

2,000 instant jobs, 16 at once, `poll: {min: 0s}`, over HTTPS against a server in another process: the sandbox, and
`benchmarks.lean`, beside which the record weighs more. Both kinds run in turns in this process, and the medians are
compared.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from aftrun.manifest import bind, load_all
from aftrun.run.pool import ThreadPool
from aftrun.run.ports import Journal, SystemClock
from aftrun.run.scheduler import Scheduler
from aftrun.run.store.journal import MemoryJournal, RunJournal
from aftrun.run.store.journal_file import NAME, Head, JournalFile
from aftrun.run.store.record import Log
from aftrun.service.clients import close_all, open_clients
from aftrun.service.execution import make_steps
from aftrun.service.options import RunOptions
from aftrun.service.prepare import PreparedRun, prepare, prepare_run
from benchmarks.common import Row, ca_file, run
from benchmarks.lean import LeanServer
from benchmarks.rate import manifest
from benchmarks.sandboxes import Server


def setup_for(path: Path, url: str, certificate: str) -> PreparedRun:
    """A run of the manifest's jobs."""
    environ = {"AFT_API_KEY": "sandbox-key"}
    options = RunOptions(paths=(str(path),), url=url, ca_file=certificate, max_parallel=16)
    manifests = prepare(load_all([str(path)], environ=environ).manifests, options)
    return prepare_run(manifests, bind(manifests, environ), options)


def makespan(setup: PreparedRun, state: Path, *, durable: bool) -> float:
    """Seconds from the first intent to the end of the last job. `state` is a new folder for the record."""
    pool = ThreadPool(16)
    clients = open_clients(setup, pool.size)
    start = setup.opening()
    log = Log(state) if durable else None
    journal: Journal = MemoryJournal()
    if log is not None:
        log.begin(start, (), (), {})
        file = JournalFile.make(state / NAME, Head(setup.facts.id), enumerate([start]))
        journal = RunJournal(log, setup.facts.id, file)
    began = time.perf_counter()
    report = Scheduler(make_steps(setup, SystemClock()), clients, journal, pool).run([start])
    took = time.perf_counter() - began
    pool.close()
    close_all(clients)
    if log is not None:
        log.close()
    if report.exit_code != 0:
        raise SystemExit(f"a run went wrong: {report.counts()}")
    return took


def compare(folder: Path, jobs: int, rounds: int, place: tuple[str, str, str]) -> Row:
    """One row: the makespans against the server at this place: what it is, its URL and its certificate."""
    name, url, certificate = place
    path = folder / "jobs.yaml"
    manifest(jobs, path)
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds):
        for durable in (False, True) if number % 2 == 0 else (True, False):
            setup = setup_for(path, url, certificate)
            times[durable].append(makespan(setup, folder / f"{name} {number}", durable=durable))
    memory, disk = statistics.median(times[False]), statistics.median(times[True])
    what = f"a run of {jobs:,} instant jobs, 16 at once, with its record on disk ({name})"
    return Row(what, "the same with the record in memory", f"{disk:.2f} s", f"{memory:.2f} s", disk / memory, "<= 1.25")


def rows(small: bool) -> Iterator[Row]:
    """Against either server."""
    jobs, rounds = (50, 1) if small else (2000, 5)
    with tempfile.TemporaryDirectory(prefix="aftrun-durability-") as name:
        folder = Path(name)
        with Server(folder, "defaults: {queue: 0s, duration: 0s}\n") as sandbox:
            yield compare(folder, jobs, rounds, ("sandbox", sandbox.url, str(ca_file(sandbox.url, folder))))
        with LeanServer(folder) as lean:
            yield compare(folder, jobs, rounds, ("lean server", lean.url, lean.ca_file))


if __name__ == "__main__":
    sys.exit(run(rows))
