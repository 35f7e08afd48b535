"""Many long jobs on one triggerer: `PYTHONPATH=. ../../.venv-airflow/bin/python benchmarks/scale.py [JOBS] [SECONDS]`.

Starts a real Airflow on SQLite (API server, scheduler with LocalExecutor, DAG processor, one triggerer) and a sandbox,
submits JOBS jobs of SECONDS each as deferred tasks, kills the triggerer with SIGKILL when half of the jobs have been
sent, starts it again, and prints the makespan, the memory of each part, and what the sandbox's ledger says.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from tests.world import World, a_world, posts, until

DAG = """
from airflow.sdk import DAG
from aftrun_airflow import AftJobOperator

with DAG("scale", schedule=None, max_active_tasks=10_000):
    AftJobOperator.partial(task_id="job", script_name="night", deferrable=True, max_active_tis_per_dag=None).expand(
        job_params=[{{"n": str(number)}} for number in range({jobs})]
    )
"""
PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")


class Watch(threading.Thread):
    """Looks at memory and states while the jobs run."""

    def __init__(self, world: World, run: str) -> None:
        super().__init__(daemon=True)
        self.world = world
        self.run_id = run
        self.most: dict[str, float] = {}
        self.deferred = 0
        self.over = threading.Event()

    def run(self) -> None:
        """Until `over`."""
        while not self.over.wait(3):
            for part in PARTS:
                try:
                    self.most[part] = max(self.most.get(part, 0.0), self.world.memory(part))
                except (KeyError, OSError):
                    continue  # it has been killed, as it should be
            path = f"/dags/scale/dagRuns/{self.run_id}/taskInstances"
            found = self.world.get(path, state="deferred", limit=1)["total_entries"]
            self.deferred = max(self.deferred, found)


def main(jobs: int = 500, seconds: int = 30) -> int:
    """Run it; the exit code is 0 if nothing was sent twice and every outcome is right."""
    scenario = parse({"defaults": {"queue": "0s", "duration": f"{seconds}s"}})
    with tempfile.TemporaryDirectory() as folder, Sandbox(scenario) as server:
        home = Path(folder)
        (home / "dags").mkdir()
        (home / "dags" / "scale.py").write_text(DAG.format(jobs=jobs), encoding="utf-8")
        more = {"AIRFLOW__CORE__MAX_MAP_LENGTH": str(jobs), "AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY": "32"}
        with a_world(home, *PARTS, parallelism=8, extra=more) as world:
            world.connect("aft_default", server)
            run = world.trigger("scale")
            began = time.monotonic()
            watch = Watch(world, run)
            watch.start()
            until("half of the jobs are sent", lambda: posts(server) >= jobs // 2, 3600, 1)
            print(f"{time.monotonic() - began:6.0f} s  half of the jobs are sent; the triggerer is killed")  # noqa: T201  # a benchmark prints
            world.kill("triggerer")
            world.start("triggerer")
            until("all jobs are sent", lambda: posts(server) >= jobs, 3600, 1)
            print(f"{time.monotonic() - began:6.0f} s  all jobs are sent")  # noqa: T201  # the same
            states = Counter(world.ended("scale", run, 3600).values())
            makespan = time.monotonic() - began
            watch.over.set()
            watch.join()
            sent = Counter(str(entry.body) for entry in server.ledger() if entry.method == "POST")
            looks = sum(entry.method == "GET" for entry in server.ledger())
            tasks = world.tasks("scale", run)
    twice = sum(count > 1 for count in sent.values())
    print(f"{makespan:6.0f} s  makespan of {jobs} jobs of {seconds} s: states {dict(states)}")  # noqa: T201  # the same
    print(f"        at most {watch.deferred} deferred at once, {looks} status reads, {len(tasks)} task instances")  # noqa: T201  # the same
    print(f"        ledger: {sum(sent.values())} POSTs, {twice} jobs sent twice")  # noqa: T201  # the same
    for part, most in watch.most.items():
        print(f"        {part}: at most {most:.0f} MiB")  # noqa: T201  # the same
    return 0 if not twice and states == {"success": jobs} else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
