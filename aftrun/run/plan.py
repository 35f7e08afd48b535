"""From manifests to a plan: which jobs, in which order, on which servers."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from aftrun.domain import zones
from aftrun.domain.events import JobHeader
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.instants import at_zone, seconds
from aftrun.domain.jobnames import job_key, job_labels
from aftrun.domain.model import Job, Json, Manifest, Order, ServerSpec, Strategy
from aftrun.domain.values import Inside, Value, preview


@dataclass(frozen=True, slots=True)
class Task:
    """One job of the run."""

    index: int
    """Its place in `Plan.tasks`, which is manifest order."""
    key: str
    """`manifest/job`, unique in the run."""
    stage: int
    job: Job
    server: int
    """Index into `Plan.servers`."""
    needs: tuple[int, ...] = ()
    label: str = ""
    """The job's name, or `manifest/job` where the short name stands for several jobs of this run."""
    variables: Mapping[str, Value] | None = None
    """The manifest's `vars`; one mapping shared by all its tasks."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One manifest's share of the run. Stages run one after another."""

    name: str
    strategy: Strategy
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the scheduler needs to know before it starts."""

    tasks: tuple[Task, ...]
    stages: tuple[Stage, ...]
    servers: tuple[ServerSpec, ...]
    keep_going: bool = False
    """Start the next stage even after a bad end in this one."""


def make_plan(manifests: Sequence[Manifest], *, keep_going: bool = False) -> Plan:
    """Lay the jobs of all manifests out in one line; equal servers become one, with one set of connections.

    The loader has checked needs and server names already.
    """
    servers: list[ServerSpec] = []
    places: dict[ServerSpec, int] = {}
    tasks: list[Task] = []
    stages: list[Stage] = []
    labels = job_labels([(manifest.name, job.name) for manifest in manifests for job in manifest.jobs])
    for number, manifest in enumerate(manifests):
        first = len(tasks)
        where = {job.name: first + offset for offset, job in enumerate(manifest.jobs)}
        variables = dict(manifest.vars)
        for job in manifest.jobs:
            server = manifest.server(job.server)
            place = places.setdefault(replace(server, name="", origin=None), len(servers))
            if place == len(servers):
                servers.append(replace(server, name=""))  # with the first place that describes it, for messages
            tasks.append(
                Task(
                    index=len(tasks),
                    key=job_key(manifest.name, job.name),
                    stage=number,
                    job=job,
                    server=place,
                    needs=tuple(where[name] for name in job.needs),
                    label=labels[len(tasks)],
                    variables=variables,
                )
            )
        stages.append(Stage(manifest.name, manifest.strategy, first, len(tasks) - first))
    return Plan(tuple(tasks), tuple(stages), tuple(servers), keep_going)


def shown_request(task: Task, lookup: Callable[[Inside], str | None]) -> dict[str, Json]:
    """Selector and params as they may be shown before the run."""
    job = task.job
    body: dict[str, Json] = {job.script.selector.value: preview(job.script.value, lookup)}
    if job.params or job.correlation:
        params: dict[str, Json] = {param.name: preview(param.value, lookup) for param in job.params}
        if job.correlation:
            params[job.correlation] = f"<run id>/{task.label}/1"
        body["params"] = params
    return body


def headers(plan: Plan, lookups: Callable[[Task], Callable[[Inside], str | None]]) -> tuple[JobHeader, ...]:
    """What the first event of the run says of each job."""
    urls = [preview(server.url, lambda _: None) for server in plan.servers]
    return tuple(
        JobHeader(
            key=task.key,
            name=task.job.name,
            manifest=plan.stages[task.stage].name,
            server=urls[task.server],
            path=task.job.origin.path,
            line=task.job.origin.line,
            column=task.job.origin.column,
            request=shown_request(task, lookups(task)),
            needs=tuple(plan.tasks[need].key for need in task.needs),
            when=task.job.when.value,
            wait=task.job.wait,
            allow_failure=task.job.allow_failure,
            **task.job.about(),
        )
        for task in plan.tasks
    )


def waves(plan: Plan) -> list[list[list[Task]]]:
    """For each stage, the jobs that could run side by side if nothing else held them back.

    In a sequential stage each job is a wave of its own, in the order in which they will start.
    """
    result: list[list[list[Task]]] = []
    for stage in plan.stages:
        tasks = plan.tasks[stage.first : stage.first + stage.count]
        depth: dict[int, int] = {}
        for task in start_order(tasks):
            depth[task.index] = 1 + max((depth[need] for need in task.needs), default=-1)
        if stage.strategy.slots == 1:
            result.append([[task] for task in start_order(tasks)])
            continue
        layers: list[list[Task]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
        for task in tasks:
            layers[depth[task.index]].append(task)
        result.append(layers)
    return result


def start_order(tasks: Sequence[Task]) -> list[Task]:
    """Manifest order, but never before a need: the order in which one slot would start them."""
    by_index = {task.index: task for task in tasks}
    missing = {task.index: len(task.needs) for task in tasks}
    dependants: dict[int, list[int]] = {}
    for task in tasks:
        for need in task.needs:
            dependants.setdefault(need, []).append(task.index)
    ready = [index for index, count in missing.items() if not count]
    heapq.heapify(ready)
    order: list[Task] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(by_index[index])
        for dependant in dependants.get(index, ()):
            missing[dependant] -= 1
            if not missing[dependant]:
                heapq.heappush(ready, dependant)
    return order


def finish_time(text: str, started_at: float, zone: str = "") -> float | None:
    """`finishBy` as epoch seconds: the next `HH:MM` local time after the run's start, or an RFC 3339 instant.

    `zone` is the run's, see `domain.zones`. In the night in which the clock goes back, the first such time after the
    start counts; a time that the clock goes forward over is the first instant after the gap.

    Raises:
        ValueError: it is neither.
    """
    if not text:
        return None
    if "-" not in text:
        where = zones.zone(zone)
        start = at_zone(started_at, where).replace(tzinfo=None)
        hours, minutes = (int(part) for part in text.split(":"))
        then = start.replace(hour=hours, minute=minutes, second=0, microsecond=0, fold=0)
        times = (*zones.instants(then, where), *zones.instants(then + timedelta(days=1), where))
        return next(time for time in times if time > started_at)
    return seconds(datetime.fromisoformat(text.upper()))


def apply_overrides(
    manifests: Sequence[Manifest],
    *,
    max_parallel: int | None = None,
    sequential: bool = False,
    fail_fast: bool | None = None,
    wait: bool | None = None,
    timeout: float | None = None,
) -> tuple[Manifest, ...]:
    """What flags of the command line change in every manifest. None leaves things as the manifest says."""
    result = []
    for manifest in manifests:
        strategy = manifest.strategy
        if max_parallel is not None:
            strategy = replace(strategy, order=Order.PARALLEL, max_parallel=max_parallel)
        if sequential:
            strategy = replace(strategy, order=Order.SEQUENTIAL)
        if strategy.order is not manifest.strategy.order and not strategy.says_fail_fast:
            strategy = replace(strategy, fail_fast=strategy.order is Order.SEQUENTIAL)
        if fail_fast is not None:
            strategy = replace(strategy, fail_fast=fail_fast)
        jobs = manifest.jobs
        if wait is not None:
            jobs = tuple(replace(job, wait=wait) for job in jobs)
        if timeout is not None:
            jobs = tuple(replace(job, timeout=timeout) for job in jobs)
        result.append(replace(manifest, strategy=strategy, jobs=jobs))
    return tuple(result)
