"""What a manifest of 500 jobs costs Airflow each time that it parses the DAG file.

    ../../.venv-airflow/bin/python benchmarks/parse.py [JOBS]

Prints the time of the file's body beyond loading Airflow and aftrun's operator, with and without what was kept from
an earlier parse, beside that of as many bare `EmptyOperator`s. Processor time, since a machine has other things to do;
the best of five processes, each of which parses once, as Airflow's do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_PROBE = """
import sys, time
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator
import aftrun_airflow.operator

path, count = sys.argv[1], int(sys.argv[2])
with DAG("warm", schedule=None):  # what Airflow does once in a process is not ours to pay for
    EmptyOperator(task_id="x") >> EmptyOperator(task_id="y")
    aftrun_airflow.operator.AftJobOperator(task_id="z", script_name="s")
start = time.process_time()
with DAG("empty", schedule=None):
    tasks = []
    for number in range(count):
        tasks.append(EmptyOperator(task_id=f"t{number}"))
        if number >= 10:
            tasks[number - 10] >> tasks[number]
empty = time.process_time() - start
start = time.process_time()
from aftrun_airflow import manifest_dag
dag = manifest_dag(path)
body = time.process_time() - start
assert len(dag.tasks) == count
print(empty, body)
"""


def manifest(count: int) -> str:
    """Jobs with params, a date, and one need each."""
    lines = ["name: big", "strategy: {order: parallel, maxParallel: 50}", "defaults: {timeout: 2h}", "jobs:"]
    for number in range(count):
        lines += [
            f"  - name: job{number:04d}",
            "    scriptName: My Backup Job",
            f'    params: {{destination: "/archive/${{{{ run.date:%Y%m%d }}}}/{number}", character: goofy}}',
            *([f"    needs: [job{number - 10:04d}]"] if number >= 10 else []),
        ]
    return "\n".join(lines) + "\n"


def emit(line: str) -> None:
    """A line of the table, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(count: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "big.yaml").write_text(manifest(count), encoding="utf-8")
        environ = {**os.environ, "AIRFLOW_HOME": name, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        command = [sys.executable, "-c", _PROBE, str(folder / "big.yaml"), str(count)]

        def best(cache: str) -> tuple[float, float]:
            runs = []
            for _ in range(5):
                done = subprocess.run(  # noqa: S603  # our own code
                    command, env={**environ, "AFTRUN_CACHE_DIR": cache}, check=True, capture_output=True, text=True
                )
                empty, body = map(float, done.stdout.split()[-2:])
                runs.append((empty * 1000, body * 1000))
            return min(empty for empty, _ in runs), min(body for _, body in runs)

        for what, cache in (("first parse (nothing kept)", ""), ("every later parse", str(folder / "cache"))):
            if cache:
                best(cache)
            empty, body = best(cache)
            emit(f"{what:26} {count} EmptyOperators {empty:.1f} ms, jobs {body:.1f} ms, beyond {body - empty:5.1f}")


if __name__ == "__main__":
    begun = time.monotonic()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
    emit(f"took {time.monotonic() - begun:.0f} s")
