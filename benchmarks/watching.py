"""What it costs a run to be watched: 1,000 jobs of a second, with and without `aftrun watch` beside, in turns.

Compared are the lengths of the runs by their own reports; and how long after a run's end the one who watches had it in
its stream of events. With the sandbox three processes are at work, so on two cores the watcher takes from the others.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aftrun.domain.events import parse_instant
from benchmarks.common import AFTRUN, ENVIRON, Row, ca_file, processor_time, run
from benchmarks.sandboxes import Server

AT_ONCE = 100
LIMIT = 1.0
"""Seconds after which the end has to be seen."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One run. Seconds."""

    length: float
    """From its first event to its last."""
    lag: float = 0.0
    """From its end until the one who watches knew."""
    cpu: float = 0.0
    """That the watcher had used shortly before."""


def manifest(jobs: int, path: Path) -> None:
    """Jobs that are polled as often as aftrun does by itself."""
    lines = ["version: 1", "jobs:", *(f"  - {{name: j{number}, scriptName: second}}" for number in range(jobs))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def once(folder: Path, server: Server, certificate: Path, *, watched: bool) -> Watched:
    """One run in a folder of its own."""
    folder.mkdir()
    state = folder / "state"
    flags = ["--server", server.url, "--cacert", str(certificate), "--state-dir", str(state), "-q", "-o", "none"]
    command = [AFTRUN, "apply", str(folder.parent / "jobs.yaml"), "-j", str(AT_ONCE), *flags]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=ENVIRON, stdout=quiet, stderr=quiet)  # noqa: S603  # the benchmark's own
    lag = cpu = 0.0
    if watched:
        while not (begun := list(state.glob("runs/*/journal.ndjson"))):
            if process.poll() is not None:
                raise SystemExit("the run ended before it could be watched")
        # By its name, since a short run can be over by the time that the one who watches has started.
        which = begun[0].parent.name
        events = folder / "events.ndjson"
        command = [AFTRUN, "watch", which, "--state-dir", str(state), "--events", str(events), "-o", "none"]
        watcher = subprocess.Popen(command, env=ENVIRON, stdout=quiet, stderr=quiet)  # noqa: S603  # the same
        while process.poll() is None:
            cpu = processor_time(watcher.pid) or cpu
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
        if watcher.wait(60) != 0:
            raise SystemExit(f"watch ended with {watcher.returncode}")
        last = json.loads(events.read_text(encoding="ascii").splitlines()[-1])
        lag = events.stat().st_mtime - parse_instant(last["at"])
    if process.wait() != 0:
        raise SystemExit(f"the run ended with {process.returncode}")
    (path,) = state.glob("runs/*/report.json")
    found = json.loads(path.read_text(encoding="utf-8"))["run"]
    return Watched(parse_instant(found["endedAt"]) - parse_instant(found["startedAt"]), lag, cpu)


def rows(small: bool) -> Iterator[Row]:
    """Both goals."""
    jobs, rounds = (100, 1) if small else (1000, 7)
    with tempfile.TemporaryDirectory(prefix="aftrun-watching-") as name:
        folder = Path(name)
        manifest(jobs, folder / "jobs.yaml")
        with Server(folder, "defaults: {queue: 100ms, duration: 1s}\n") as server:
            certificate = ca_file(server.url, folder)
            found: dict[bool, list[Watched]] = {True: [], False: []}
            for number in range(rounds):
                for watched in (False, True) if number % 2 == 0 else (True, False):
                    place = folder / f"{number} {watched}"
                    found[watched].append(once(place, server, certificate, watched=watched))
    alone, beside = (statistics.median(each.length for each in found[watched]) for watched in (False, True))
    lag, cpu = max(each.lag for each in found[True]), statistics.median(each.cpu for each in found[True])
    what = f"a run of {jobs:,} jobs of 1 s, {AT_ONCE} at once"
    yield Row(
        f"{what}, watched",
        "the same run alone",
        f"{beside:.2f} s",
        f"{alone:.2f} s",
        beside / alone,
        "<= 1.03",
        f"the watcher used {cpu:.2f} s of processor time, its start included",
    )
    yield Row(
        f"{what}: its end seen by who watches, at the latest", "the goal", f"{lag:.2f} s", "1 s", lag / LIMIT, "<= 1"
    )


if __name__ == "__main__":
    sys.exit(run(rows))
