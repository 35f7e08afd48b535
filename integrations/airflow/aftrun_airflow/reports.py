"""What a task hands to people and to other tasks: its XComs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aftrun.domain.events import instant
from aftrun.domain.model import Json
from aftrun_airflow.finish import Finish


def push(context: Mapping[str, Any], **values: Json) -> None:
    """Set XComs of the running task. What is None is left out."""
    for key, value in values.items():
        if value is not None:
            context["ti"].xcom_push(key=key, value=value)


def report(finish: Finish, name: str, server: str, request: Mapping[str, Json]) -> dict[str, Json]:
    """All that was seen of the job; names as in `report.json` of `aftrun apply`. Secrets are `${…}`."""
    return {
        "name": name,
        "server": server,
        "request": dict(request),
        "outcome": finish.outcome.value,
        "reason": finish.reason.value,
        "message": finish.message,
        "jobId": finish.job_id or None,
        "attempt": finish.attempt,
        "state": finish.state,
        "exitCode": finish.exit_code,
        "endedAt": instant(finish.at) if finish.at else None,
        "outputs": dict(finish.outputs),
    }
