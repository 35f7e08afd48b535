"""How a person tells a task what became of a POST whose fate aftrun could not know.

``python -m aftrun.airflow.settle DAG RUN TASK``, where Airflow is installed and reaches its database: no job was
created, so the task may submit again. With ``--job ID``: that is the job; the task follows it. Clear the task after
either.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from aftrun.airflow.record import KEY, Phase, Record


def settle(dag_id: str, run_id: str, task_id: str, map_index: int = -1, *, job_id: str = "") -> str:
    """Forget a task's submission, or, with `job_id`, say which job it made. Returns what was done, for people.

    Raises:
        LookupError: the task has no submission whose fate is open.
    """
    from airflow.state import TaskScope, get_state_backend  # noqa: PLC0415  # Airflow where it is needed

    scope = TaskScope(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index)
    backend = get_state_backend()
    text = backend.get(scope, KEY)
    record = None if text is None else Record.from_json(json.loads(text))
    where = f"task {task_id} of {dag_id}, run {run_id}"
    if record is None:
        raise LookupError(f"{where} has no submission on record")
    if record.phase is Phase.ACCEPTED and not job_id:
        raise LookupError(f"{where} has submitted job {record.job_id}; clear the task, and it follows that job")
    if not job_id:
        backend.delete(scope, KEY)
        return f"{where}: forgotten. Clear the task, and it submits anew."
    found = replace(
        record,
        phase=Phase.ACCEPTED,
        job_id=job_id,
        accepted_at=record.intended_at or time.time(),
        outcome="",
        reason="",
    )
    backend.set(scope, KEY, json.dumps(found.to_json()))
    return f"{where}: its job is {job_id}. Clear the task, and it follows that job."


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Its exit code is 0, or 1 where there was nothing to settle."""
    parser = argparse.ArgumentParser(prog="python -m aftrun.airflow.settle", description=__doc__.partition("\n")[0])
    parser.add_argument("dag_id")
    parser.add_argument("run_id")
    parser.add_argument("task_id")
    parser.add_argument("--map-index", type=int, default=-1, help="of a mapped task")
    parser.add_argument("--job", default="", metavar="ID", help="the job that the request made")
    given = parser.parse_args(arguments)
    try:
        done = settle(given.dag_id, given.run_id, given.task_id, given.map_index, job_id=given.job)
    except (LookupError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{done}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
