"""What a run would do, without doing it: the order, and the exact requests with secrets as they were written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from aftrun.domain.digits import exact_json
from aftrun.domain.durations import format_duration
from aftrun.domain.jobnames import job_key
from aftrun.domain.model import Json, Manifest, ServerSpec, When
from aftrun.domain.text import unseen_names
from aftrun.domain.values import Inside, Outside, nothing_inside, preview
from aftrun.run.curl import to_curl
from aftrun.run.forecast import Does, Forecast
from aftrun.run.pieces import calls, known_params
from aftrun.run.plan import Plan, Task, shown_request, start_order, waves
from aftrun.run.powershell import to_powershell
from aftrun.run.select import LeftOut

VERSION = 1

Lookups = Callable[[Task], Callable[[Inside], str | None]]


def shown_headers(server: ServerSpec) -> dict[str, str]:
    """The headers of a POST as they may be shown. A literal key is not shown."""
    key = "***" if isinstance(server.api_key, str) else preview(server.api_key, nothing_inside)
    return {
        "X-API-Key": key,
        "Content-Type": "application/json",
        **{name: preview(value, nothing_inside) for name, value in server.headers},
    }


def url_of(server: ServerSpec) -> str:
    """Where a POST goes."""
    return preview(server.url, nothing_inside).rstrip("/") + server.submit_path


def to_data(
    plan: Plan,
    manifests: Sequence[Manifest],
    lookups: Lookups,
    missing: Sequence[Outside],
    left_out: Sequence[LeftOut] = (),
    *,
    now: Mapping[int, Forecast] | None = None,
) -> dict[str, Json]:
    """The plan as plain data, for `plan --format json`. `now` is what would be done about each job, by index."""
    layers = waves(plan)
    wave = {task.index: number for stage in layers for number, layer in enumerate(stage, 1) for task in layer}
    return {
        "version": VERSION,
        "manifests": [
            {
                "name": stage.name,
                "path": manifest.path,
                "sha256": manifest.sha256,
                "order": stage.strategy.order.value,
                "maxParallel": stage.strategy.slots,
                "failFast": stage.strategy.fail_fast,
                "finishBy": stage.strategy.finish_by or None,
                "waves": [[task.job.name for task in layer] for layer in layers[number]],
            }
            for number, (stage, manifest) in enumerate(zip(plan.stages, manifests, strict=True))
        ],
        "jobs": [
            {**_job(plan, task, wave[task.index], lookups(task)), "now": _now((now or {}).get(task.index))}
            for task in plan.tasks
        ],
        "skipped": [{"manifest": each.manifest, "name": each.name, "why": each.why} for each in left_out],
        "missingVariables": [
            {"name": each.name, "source": each.source, "text": each.text, "where": str(each.origin or "")}
            for each in missing
        ],
    }


def _now(forecast: Forecast | None) -> dict[str, Json]:
    """What would be done about a job."""
    found = forecast or Forecast(Does.SUBMIT)
    last = found.last
    return {
        "does": found.does.value,
        "why": found.why or None,
        "run": None if last is None else last.run,
        "jobId": None if last is None else last.job_id,
    }


def _job(plan: Plan, task: Task, wave: int, lookup: Callable[[Inside], str | None]) -> dict[str, Json]:
    job, server = task.job, plan.servers[task.server]
    return {
        "name": job.name,
        "manifest": plan.stages[task.stage].name,
        "file": job.origin.path,
        "line": job.origin.line,
        "wave": wave,
        "needs": list(job.needs),
        "when": job.when.value,
        "wait": job.wait,
        "timeoutSeconds": job.timeout,
        "allowFailure": job.allow_failure,
        "request": {
            "method": "POST",
            "url": url_of(server),
            "headers": dict(shown_headers(server)),
            "body": _body(task, server, lookup),
        },
    }


def _body(task: Task, server: ServerSpec, lookup: Callable[[Inside], str | None]) -> dict[str, Json]:
    """The body of a POST as it may be shown."""
    shown = shown_request(task, lookup)
    params = shown.get("params")
    if server.typed_params and isinstance(params, dict):
        known = {name: value for name, value in known_params(task.job, server).items() if name != task.job.correlation}
        shown["params"] = {**params, **known}
    return shown


def _order(plan: Plan, number: int) -> str:
    strategy = plan.stages[number].strategy
    how = "one after another" if strategy.slots == 1 else f"up to {strategy.slots} at once"
    stop = "stopping at the first failure" if strategy.fail_fast else "going on after a failure"
    by = f", until {strategy.finish_by}" if strategy.finish_by else ""
    return f"{how}, {stop}{by}"


def _details(task: Task) -> str:
    job = task.job
    parts = []
    if job.needs:
        parts.append(f"needs {', '.join(job.needs)}")
    if job.when is not When.SUCCESS:
        parts.append("runs whatever happened before" if job.when is When.ALWAYS else "runs only if a need failed")
    if not job.wait:
        parts.append("is not waited for")
    elif job.timeout != 86_400.0:
        parts.append(f"timeout {format_duration(job.timeout)}")
    if job.retry.limit:
        parts.append(f"up to {job.retry.limit} more attempts")
    if job.allow_failure:
        parts.append("may fail")
    return "; ".join(parts)


def to_shell(plan: Plan, lookups: Lookups, *, powershell: bool) -> str:
    """The plan as commands to paste, in the order in which jobs would start."""
    order: list[Task] = []
    for stage in plan.stages:
        order += start_order(plan.tasks[stage.first : stage.first + stage.count])
    found = calls(plan, order, lookups)
    return to_powershell(found) if powershell else to_curl(found)


def to_text(
    plan: Plan,
    manifests: Sequence[Manifest],
    lookups: Lookups,
    missing: Sequence[Outside],
    left_out: Sequence[LeftOut] = (),
    *,
    now: Mapping[int, Forecast] | None = None,
) -> str:
    """The plan for people: one block a job, in the order in which jobs would start.

    `now` is what would be done about each job, by index.
    """
    lines: list[str] = []
    count = len(plan.tasks) if now is None else sum(each.sends for each in now.values())
    layers = waves(plan)
    for number, (stage, manifest) in enumerate(zip(plan.stages, manifests, strict=True)):
        noun = "job" if stage.count == 1 else "jobs"
        lines.append(f"{stage.name} ({manifest.path}): {stage.count} {noun}, {_order(plan, number)}")
        for place, layer in enumerate(layers[number], 1):
            for task in layer:
                lines += _block(plan, task, place, lookups(task), (now or {}).get(task.index))
        lines.append("")
    if left_out:
        lines.append("Skipped:")
        lines += [f"  {job_key(each.manifest, each.name)}  ({each.why})" for each in left_out]
        lines.append("")
    if missing:
        lines.append("Not set in this environment, and needed for a real run:")
        for each in missing:
            where = f"  ({each.origin})" if each.origin is not None and each.origin.in_file else ""
            lines.append(f"  {each.text}{where}")
        lines.append("")
    lines.append(f"{count} request{'' if count == 1 else 's'} would be sent; nothing has been.")
    return "\n".join(lines) + "\n"


def _block(
    plan: Plan, task: Task, place: int, lookup: Callable[[Inside], str | None], now: Forecast | None
) -> list[str]:
    details = _details(task)
    lines = [f"  {place}. {task.job.name}" + (f"  ({details})" if details else "")]
    if now is not None and now.why:
        lines.append(f"     {now.why}")
    lines.append(f"     POST {url_of(plan.servers[task.server])}")
    for name, value in _body(task, plan.servers[task.server], lookup).items():
        if isinstance(value, dict):
            lines.append("     params:")
            lines += [f"       {key}: {_one_line(text)}" for key, text in value.items()]
        else:
            lines.append(f"     {name}: {_one_line(value)}")
    return lines


def _one_line(value: Json) -> str:
    """A value on one line: as it is, or as JSON where it holds what a line cannot show."""
    text = value if isinstance(value, str) else exact_json(value)
    if text.isprintable() and text == text.strip() and text:
        return text
    names = unseen_names(text)
    # As JSON a tab looks like what somebody wrote who meant `C:\temp`: so it is named.
    return json.dumps(text, ensure_ascii=False) + (f"  (holds {' and '.join(names)})" if names else "")
