"""One job → the arguments of `AftJobOperator` that depend on nothing but the job and its server. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aftrun.domain.model import DAY, Job, OnAmbiguous, Outcome, ServerSpec
from aftrun.domain.values import nothing_inside
from aftrun.run.render import make_request
from aftrun_airflow.serverspec import needs_folder
from aftrun_airflow.templates import TemplateWriter

SELECTORS = {"scriptName": "script_name", "scriptId": "script_id", "filePath": "file_path"}


def params(job: Job, server: ServerSpec, texts: TemplateWriter, matrix: Mapping[str, str]) -> dict[str, Any]:
    """The job's params; numbers and booleans only where the server gets them as such (`paramValues: json`)."""
    found: dict[str, Any] = {param.name: texts.template(param.value, matrix) for param in job.params}
    if server.typed_params:
        fixed = replace(job, params=tuple(each for each in job.params if isinstance(each.value, str)), correlation="")
        fixed = replace(fixed, script=replace(fixed.script, value="-"))
        typed = make_request(fixed, server, {}, nothing_inside, "").body.get("params", {})
        if isinstance(typed, dict):
            found |= {name: value for name, value in typed.items() if not isinstance(value, str)}
    return found


def plain_arguments(job: Job) -> dict[str, Any]:
    """What goes over as it is, defaults left out."""
    every: dict[str, tuple[Any, Any]] = {
        "wait": (job.wait, True),
        "timeout": (job.timeout, DAY),
        "queue_timeout": (job.queue_timeout, None),
        "expect": (list(job.expect), []),
        "outputs": (dict(job.outputs), {}),
        "on_ambiguous": (job.on_ambiguous.value, OnAmbiguous.FAIL.value),
        "correlation": (job.correlation or None, None),
        "allow_failure": (job.allow_failure, False),
    }
    return {key: value for key, (value, usual) in every.items() if value != usual}


def retry(job: Job) -> dict[str, Any]:
    """`retry` as Airflow has it. Delays are seconds."""
    how = job.retry
    found: dict[str, Any] = {
        "retries": how.limit,
        "retry_on": [outcome.value for outcome in how.on] or [Outcome.FAILED.value],
        "retry_delay": min(how.duration, how.cap),
    }
    if how.factor != 1:
        found["retry_exponential_backoff"] = how.factor
        found["max_retry_delay"] = how.cap
    return found


def doc(job: Job) -> str:
    """What people may want to know of a job, as Markdown."""
    parts = [job.description] if job.description else []
    if job.tags:
        parts.append("Tags: " + ", ".join(job.tags))
    return "\n\n".join(parts)


def uses_folder(arguments: Mapping[str, Any], servers: Sequence[dict[str, Any]]) -> bool:
    """Whether a task names a file by a relative path."""
    server = arguments.get("server")
    values = [str(value) for value in arguments.get("params", {}).values()]
    values += [arguments.get(name, "") for name in SELECTORS.values()]
    relative = any("${file:" in value.replace("${file:/", "") for value in values)
    return relative or (isinstance(server, int) and needs_folder(servers[server]))
