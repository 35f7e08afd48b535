"""What a job asks right before it starts, where no trigger rule of Airflow says it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def before_start(*, skip_with: Sequence[str] = (), fail_fast: bool = False) -> Callable[[Any], None]:
    """A function for an operator's `pre_execute`, which Airflow calls in the worker before the task.

    Args:
        skip_with: ids of tasks; where one of them was skipped, this one is, too.
        fail_fast: fail, for good, once any task of the same group (or, outside of groups, of the DAG) has failed.
    """

    def check(context: Any) -> None:
        from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException  # noqa: PLC0415  # workers only

        ti = context["ti"]
        if fail_fast:
            group = context["task"].task_group
            inside = {} if group is None or group.group_id is None else {"task_group_id": group.group_id}
            states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id], **inside).get(ti.run_id, {})
            failed = sorted(name for name, state in states.items() if state == "failed" and name != ti.task_id)
            if failed:
                raise AirflowFailException(f"not started, since {failed[0]} failed (failFast); nothing was sent")
        if skip_with:
            states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id], task_ids=list(skip_with))
            skipped = sorted(name for name, state in states.get(ti.run_id, {}).items() if state == "skipped")
            if skipped:
                raise AirflowSkipException(f"it needs {skipped[0]}, which was not needed")

    return check
