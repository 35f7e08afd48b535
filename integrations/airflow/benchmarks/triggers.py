"""How many jobs one triggerer carries: `../../.venv-airflow/bin/python benchmarks/triggers.py [JOBS] [SECONDS]`.

JOBS triggers in one event loop, as a triggerer runs them, follow jobs of SECONDS each on a sandbox in a process of its
own. Prints how long after its end each job's end was seen, and what that cost: processor time, memory, threads.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aftrun import Client
from aftrun.domain.errors import ServerError, Unreachable
from aftrun_airflow import AftJobTrigger

KEY = "sandbox-key"


def memory() -> float:
    """MiB that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(jobs: int = 5000, seconds: int = 30) -> int:
    """Run it; the exit code is 0 if every end was seen."""
    os.environ["AFT_API_KEY"] = KEY
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder) / "scenario.yaml"
        scenario.write_text(f"defaults: {{queue: 0s, duration: {seconds}s}}\n", encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "aftrun",
            "sandbox",
            "--no-tls",
            "--port",
            "44577",
            "--scenario",
            str(scenario),
        ]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603  # our own sandbox
        try:
            return measure("http://127.0.0.1:44577", jobs, seconds)
        finally:
            server.terminate()
            server.wait()


def measure(url: str, jobs: int, seconds: int) -> int:
    """Submit, follow, print."""
    logging.getLogger("aftrun").setLevel(logging.WARNING)  # a triggerer writes its jobs' lines to their own logs
    with Client(url, KEY) as client, ThreadPoolExecutor(8) as pool:
        while True:
            try:
                client.status("nobody")
            except Unreachable:
                time.sleep(0.2)
            except ServerError:
                break
        ids = list(pool.map(lambda _: str(client.submit({"scriptName": "x"}).id), range(jobs)))
    accepted = time.time()
    before, cpu = memory(), time.process_time()
    late: list[float] = []
    most = 0

    async def one(job: str) -> None:
        nonlocal most
        server = {"url": url, "apiKey": "${AFT_API_KEY}"}
        async for event in AftJobTrigger(job_id=job, aft_conn_id=None, server=server, accepted_at=accepted).run():
            if event.payload["outcome"] != "succeeded":
                raise RuntimeError(event.payload)
            late.append(time.time() - accepted - seconds)
            most = max(most, threading.active_count())

    async def everyone() -> None:
        await asyncio.gather(*(one(job) for job in ids))

    asyncio.run(everyone())
    used = time.process_time() - cpu
    took = time.time() - accepted
    print(f"{jobs} jobs of {seconds} s: {len(late)} ends seen, the last {took:.1f} s after the last submission")  # noqa: T201  # a benchmark prints
    print(f"  seen late by {statistics.median(late):.1f} s in the middle, {max(late):.1f} s at most")  # noqa: T201  # the same
    print(f"  processor {used:.1f} s ({100 * used / took:.0f} %), {most} threads, {memory() - before:.0f} MiB more")  # noqa: T201  # the same
    print(f"  peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")  # noqa: T201  # the same
    return 0 if len(late) == jobs else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
