"""How a person tells a task what became of a POST whose fate aftrun could not know: `aftrun-airflow settle`."""

from __future__ import annotations

import json
import time
from dataclasses import replace

from aftrun_airflow.record import KEY, Progress, Record


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
    if record.phase is Progress.ACCEPTED and not job_id:
        raise LookupError(f"{where} has submitted job {record.job_id}; clear the task, and it follows that job")
    if not job_id:
        backend.delete(scope, KEY)
        return f"{where}: forgotten. Clear the task, and it submits anew."
    found = replace(
        record,
        phase=Progress.ACCEPTED,
        job_id=job_id,
        accepted_at=record.intended_at or time.time(),
        outcome="",
        reason="",
    )
    backend.set(scope, KEY, json.dumps(found.to_json()))
    return f"{where}: its job is {job_id}. Clear the task, and it follows that job."
