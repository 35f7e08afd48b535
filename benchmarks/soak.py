"""Whether a process that runs jobs without pause, while the server misbehaves, grows, and whether it ever errs.

It does what a service or a worker of a workflow system does: it loads a manifest and calls `aftrun.apply` again and
again, in one process. (One run of as many jobs is nobody's habit; what a big run takes is measured in `many.py`.) Each
wave is a run of thousands of short jobs, of which one in ten fails and one in fifty is cancelled, at 200 jobs a second
on the average. The sandbox, in another process, resets connections, answers 429, 500 and 503, stalls, cuts answers
short and sends things that are no JSON, to POSTs and status reads alike.

Every wave's report is held against the sandbox's own ledger: an outcome is wrong where it is not how the script ends,
where `unknown` was said although the POST had been answered undisturbed, where a job was created although the report
says that there was none, and where one was created twice. Memory, descriptors and threads are this process' own.

Usage: python -m benchmarks.soak [--minutes N]
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aftrun
from aftrun.domain.model import RunReport
from aftrun.run.store.record import Log
from aftrun.service import history as past
from benchmarks.sandboxes import Server

RATE = 200.0
"""Jobs a second."""

WAVE = 6000
"""Jobs of one run: half a minute's."""

AT_ONCE = 300
"""Enough for the rate, since a job and the news of its end take about a second."""

FRESH_SERVER = 300.0
"""Seconds after which the sandbox is replaced by a new one: it remembers every request."""

KEPT_RUNS = 4
GOAL = 1.1

SCENARIO = """
seed: 7
latency: {min: 0s, max: 4ms}
defaults:
  queue: 20ms
  duration: {median: 500ms, sigma: 0.4}
  faults:
    - {on: submit, kind: status, code: 429, retryAfter: 1, chance: 0.004, times: always}
    - {on: submit, kind: status, code: 503, retryAfter: 1, chance: 0.004, times: always}
    - {on: submit, kind: status, code: 500, chance: 0.001, times: always}
    - {on: submit, kind: reset, strikes: before, chance: 0.001, times: always}
    - {on: submit, kind: reset, strikes: after, chance: 0.001, times: always}
    - {on: submit, kind: badJson, chance: 0.001, times: always}
    - {on: submit, kind: slow, delay: 300ms, chance: 0.002, times: always}
    - {kind: cut, chance: 0.02, times: always}
    - {on: status, kind: status, code: 500, chance: 0.004, times: always}
    - {on: status, kind: status, code: 429, chance: 0.004, times: always}
    - {on: status, kind: status, code: 503, retryAfter: 1, chance: 0.002, times: always}
    - {on: status, kind: reset, chance: 0.004, times: always}
    - {on: status, kind: truncate, chance: 0.002, times: always}
    - {on: status, kind: html, chance: 0.002, times: always}
    - {on: status, kind: slow, delay: 500ms, chance: 0.002, times: always}
behaviours:
  - {match: {scriptName: bad}, outcome: failed}
  - {match: {scriptName: halted}, outcome: cancelled}
"""

ENDS = {"good": "succeeded", "bad": "failed", "halted": "cancelled"}
"""How each script ends."""


def script(number: int) -> str:
    """Which script a job starts."""
    return "halted" if number % 50 == 3 else "bad" if number % 10 == 7 else "good"


def manifest(url: str, fingerprint: str, jobs: int) -> str:
    """A wave."""
    lines = [
        "version: 1",
        "name: soak",
        f"server: {{url: '{url}', tls: {{fingerprint: '{fingerprint}'}}}}",
        f"strategy: {{order: parallel, maxParallel: {AT_ONCE}}}",
        "defaults: {correlation: tag}",
        "jobs:",
    ]
    lines += [f"  - {{name: j{number}, scriptName: {script(number)}}}" for number in range(jobs)]
    return "\n".join(lines) + "\n"


@dataclass
class Tally:
    """What all waves came to."""

    jobs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    wrong: list[str] = field(default_factory=list)

    def judge(self, report: RunReport, posts: Iterator[dict[str, Any]]) -> None:
        """Hold a report against the server's ledger."""
        created: dict[str, list[str]] = {}
        answered: set[str] = set()
        for post in posts:
            tag = post["parsed"]["params"]["tag"]
            if post["effect"]:
                created.setdefault(tag, []).append(post["jobId"])
            if post["fault"]:
                self.faults += 1
            elif post["status"] == 201:
                answered.add(tag)
        for job in report.jobs:
            tag = f"{report.id}/{job.name}/1"
            ids = created.get(tag, [])
            said = "pending" if job.outcome is None else job.outcome.value
            self.jobs += 1
            self.outcomes[said] += 1
            if said == "unknown":
                right = tag not in answered and not job.job_id
            else:
                right = ids == [job.job_id] and said == ENDS[script(int(job.name[1:]))]
            if not right or len(ids) > 1:
                self.wrong.append(f"{tag}: {said} as {job.job_id} ({job.message}); on the server: {ids}")


@dataclass(frozen=True)
class Sample:
    """What the process takes at one moment."""

    minute: float
    rss: int
    """KiB."""
    descriptors: int
    threads: int


def sample(start: float) -> Sample:
    """Look at this process (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    descriptors = sum(1 for _ in Path("/proc/self/fd").iterdir())
    return Sample((time.monotonic() - start) / 60, rss, descriptors, threading.active_count())


class Sampler(threading.Thread):
    """Takes a sample a second, also in the middle of a wave."""

    def __init__(self, start: float) -> None:
        super().__init__(daemon=True)
        self.samples: list[Sample] = []
        self._start = start
        self._over = threading.Event()

    def run(self) -> None:
        """Sample until told to stop."""
        while not self._over.wait(1.0):
            self.samples.append(sample(self._start))

    def stop(self) -> None:
        """Take no more."""
        self._over.set()
        self.join()


def soak(minutes: float, folder: Path, *, jobs: int = WAVE) -> tuple[Tally, list[Sample], list[Sample], float]:
    """Run waves; the tally, samples of every second, samples between waves, and jobs a second."""
    state = folder / "state"
    environ = {"AFT_API_KEY": "sandbox-key"}
    tally, quiet = Tally(), list[Sample]()
    path = folder / "soak.yaml"
    start = time.monotonic()
    sampler = Sampler(start)
    sampler.start()
    wave = 0
    with contextlib.ExitStack() as stack:
        server: Server | None = None
        while time.monotonic() - start < minutes * 60:
            if server is None or time.monotonic() - server.since > FRESH_SERVER:
                stack.close()
                server = stack.enter_context(Server(folder, SCENARIO, ledger=True))
                path.write_text(manifest(server.url, server.fingerprint, jobs), encoding="utf-8")
            report = aftrun.apply(aftrun.load(path, environ=environ), environ=environ, state_dir=state)
            tally.judge(report, server.requests("POST"))
            prune(state)
            wave += 1
            time.sleep(max(0.0, start + wave * jobs / RATE - time.monotonic()))
            quiet.append(sample(start))
            print(line(quiet[-1], tally), flush=True)  # noqa: T201  # half an hour is long without news
    sampler.stop()
    return tally, sampler.samples, quiet, tally.jobs / (time.monotonic() - start)


def prune(state: Path) -> None:
    """Forget old runs, as a service must that does not want to fill the disk."""
    with Log(state) as log:
        ended = sorted(row.ended_at for row in log.runs() if row.ended_at is not None)
        if len(ended) > KEPT_RUNS:
            past.prune(log, state, ended[-KEPT_RUNS])


def line(each: Sample, tally: Tally) -> str:
    """A sample and the tally so far."""
    return (
        f"{datetime.now(UTC):%H:%M:%S} minute {each.minute:4.1f}: {tally.jobs} jobs, RSS {each.rss // 1024} MiB, "
        f"{each.descriptors} descriptors, {each.threads} threads, {len(tally.wrong)} wrong"
    )


def memory(samples: list[Sample], first: float, last: float) -> tuple[float, int]:
    """The mean and the most memory between two minutes, MiB. A wave's peaks come and go; the mean shows what stays."""
    found = [each.rss for each in samples if first <= each.minute < last]
    return statistics.fmean(found) / 1024, max(found) // 1024


def main() -> int:
    """Soak, print the figures; 1 where a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=30.0)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory(prefix="aftrun-soak-") as name:
        tally, samples, quiet, rate = soak(minutes, Path(name))
    base_minute, window = min(5.0, minutes / 3), min(2.0, minutes / 6)
    end = samples[-1].minute
    before, most = memory(samples, base_minute - window, base_minute)
    after, most_after = memory(samples, end - window, end + 1)
    base = next(each for each in quiet if each.minute >= base_minute)
    print(f"jobs: {tally.jobs} at {rate:.0f}/s; faults on POSTs: {tally.faults}; {dict(tally.outcomes)}")  # noqa: T201  # the result
    then = f"{before:.0f} MiB (at most {most}) at minute {base_minute:.0f}"
    print(f"RSS over {window:.0f} minutes: {then}, {after:.0f} MiB (at most {most_after}) at the end")  # noqa: T201  # the same
    print(f"RSS: ratio {after / before:.2f} (goal <= {GOAL})")  # noqa: T201  # the same
    print(f"descriptors between waves: {base.descriptors} -> {quiet[-1].descriptors} (goal: no more)")  # noqa: T201  # the same
    print(f"threads between waves: {base.threads} -> {quiet[-1].threads} (goal: no more)")  # noqa: T201  # the same
    print(f"wrong outcomes: {len(tally.wrong)} (goal 0)")  # noqa: T201  # the same
    for text in tally.wrong[:20]:
        print(f"  {text}")  # noqa: T201  # the same
    grew = quiet[-1].descriptors > base.descriptors or quiet[-1].threads > base.threads
    return int(bool(tally.wrong) or after > GOAL * before or grew)


if __name__ == "__main__":
    sys.exit(main())
