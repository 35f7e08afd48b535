"""`probe.py FILE…`: parse DAG files as Airflow does; print as JSON what is in each and what parsing touched."""

from __future__ import annotations

import json
import sys
from typing import Any

FIELDS = (
    *("aft_conn_id", "allow_failure", "base_dir", "correlation", "deferrable", "doc_md", "expect", "file_path"),
    *("finish_by", "job_label", "job_params", "max_retry_delay", "on_ambiguous", "outputs", "pool", "queue_timeout"),
    *("retries", "retry_delay", "retry_exponential_backoff", "retry_on", "script_id", "script_name", "server"),
    *("task_display_name", "task_type", "timeout", "trigger_rule", "wait"),
)


def main(*paths: str) -> None:
    """Print one line: a list, an entry for each file."""
    from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415  # before the watch begins

    import aftrun_airflow.operator  # noqa: F401, PLC0415  # the same

    sockets: list[str] = []
    opened: list[str] = []

    def watch(event: str, arguments: Any) -> None:
        if event.startswith("socket."):
            sockets.append(f"{event} {arguments}")
        elif event == "open":
            opened.append(str(arguments[0]))

    sys.addaudithook(watch)
    found = []
    for path in paths:
        before = set(sys.modules)
        sockets.clear()
        opened.clear()
        bag = DagBag(path, bundle_name="dags-folder")
        found.append(
            {
                "sockets": list(sockets),
                "opened": list(opened),
                "loaded": sorted(set(sys.modules) - before),
                "dags": {dag.dag_id: describe(dag) for dag in bag.dags.values()},
                "errors": list(bag.import_errors.values()),
            }
        )
    print(json.dumps(found, default=str))  # noqa: T201  # what it is for


def describe(dag: Any) -> dict[str, Any]:
    """Everything about a DAG that matters."""
    from airflow.serialization.serialized_objects import DagSerialization  # noqa: PLC0415  # after the watch

    DagSerialization.to_dict(dag)
    return {
        "fields": {name: str(getattr(dag, name)) for name in ("schedule", "description", "max_active_tasks", "doc_md")},
        "tasks": {
            task.task_id: {
                **{name: getattr(task, name, None) for name in FIELDS},
                "upstream": sorted(task.upstream_task_ids),
                "check": getattr(task._pre_execute_hook, "__qualname__", None),
            }
            for task in dag.tasks
        },
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
