"""`manifest_dag`: a manifest as a DAG, one task for each job."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, TaskGroup, conf

from aftrun.domain.errors import AftrunError, UsageError
from aftrun_airflow.cache import read_spec
from aftrun_airflow.checks import before_start
from aftrun_airflow.dagspec import JOB, SECONDS, DagSpec, TaskSpec
from aftrun_airflow.ids import slug
from aftrun_airflow.operator import AftJobOperator


def manifest_dag(
    path: str | os.PathLike[str],
    *,
    schedule: Any = None,
    dag_id: str | None = None,
    connections: Mapping[str, str] | str | None = None,
    pools: Mapping[str, str] | bool | None = None,
    pool: str = "",
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    vars: Mapping[str, str] | None = None,  # noqa: A002  # as in the manifest
    ignore: Sequence[str] = (),
    default_args: Mapping[str, Any] | None = None,
    **dag_arguments: Any,
) -> DAG:
    """A DAG that does what `aftrun apply` does with the file.

    Values of `${VAR}` are fetched by the tasks. Nothing secret is read here, and no server is asked.

    Args:
        path: the manifest; a relative one is relative to the file that calls this.
        schedule: as for `DAG`.
        dag_id: by default the manifest's name.
        connections: an Airflow connection of type `aft` for all servers, or one by the name of each in `servers`;
            servers without one are used as the manifest describes them.
        pools: an Airflow pool by concurrency key; True: each key's pool is called as the key. Jobs of keys without a
            pool are kept apart within a run by edges.
        pool: the pool of all other jobs.
        select: as `--select`.
        exclude: as `--exclude`.
        vars: as `--var`.
        ignore: keys of the manifest to leave out knowingly; `notify` is the one there is.
        default_args: of the tasks, as for `DAG`. What the manifest says about a job wins.
        **dag_arguments: everything else that `DAG` takes.

    Raises:
        UsageError: something in the manifest is wrong or cannot be done in Airflow (with its place), or the arguments
            do not fit it.
    """
    caller = calling_file()
    spec = load_spec(
        path,
        caller,
        connections=connections,
        pools=pools,
        pool=pool,
        select=select,
        exclude=exclude,
        vars=vars,
        ignore=ignore,
    )
    refuse_native(dag_arguments.get("render_template_as_native_obj", False))
    if spec.max_parallel is not None:
        dag_arguments.setdefault("max_active_tasks", spec.max_parallel)
    if spec.description:
        dag_arguments.setdefault("description", spec.description)
        dag_arguments.setdefault("doc_md", spec.description)
    found = slug(spec.name)
    if dag_id is None and found != spec.name:
        dag_arguments.setdefault("dag_display_name", spec.name)
    dag = DAG(dag_id=dag_id or found, schedule=schedule, default_args=dict(default_args or {}), **dag_arguments)
    if caller:
        dag.fileloc = caller  # Airflow takes the file that calls DAG for the DAG's own
    with dag:
        build(spec, dag)
    return dag


def calling_file() -> str:
    """The file that calls the function that calls this; empty where it is none."""
    name = sys._getframe(2).f_code.co_filename  # noqa: SLF001  # as Airflow's DAG does
    return name if os.path.isfile(name) else ""  # noqa: PTH113  # called at each parse


def load_spec(path: str | os.PathLike[str], caller: str, *, prefix: str = "", **options: Any) -> DagSpec:
    """Read a manifest. `options` are those of `manifest_dag`; `prefix` is that of all tasks' ids.

    Raises:
        UsageError: with every problem in its message, since that is what Airflow shows.
    """
    folder = os.path.dirname(caller) or os.getcwd()  # noqa: PTH109, PTH120  # called at each parse
    place = os.path.normpath(os.path.join(folder, os.fspath(path)))  # noqa: PTH118  # the same
    given = {
        "connections": _plain(options["connections"]),
        "pools": _plain(options["pools"]),
        "pool": options["pool"],
        "select": _texts("select", options["select"]),
        "exclude": _texts("exclude", options["exclude"]),
        "variables": {name: str(value) for name, value in (options["vars"] or {}).items()},
        "ignore": _texts("ignore", options["ignore"]),
        "prefix": prefix,
    }
    try:
        spec = read_spec(place, given)
    except AftrunError as error:
        raise UsageError("\n".join(error.diagnostics())) from None
    for warning in spec.warnings:
        warnings.warn(warning, stacklevel=3)
    return spec


def _plain(given: Mapping[str, str] | str | bool | None) -> dict[str, str] | str | bool | None:
    return dict(given) if isinstance(given, Mapping) else given


def _texts(name: str, given: Sequence[str]) -> tuple[str, ...]:
    """Several texts.

    Raises:
        UsageError: it is one text, which is a sequence of letters to Python.
    """
    if isinstance(given, str):
        raise UsageError(f"{name} is a list: write {name}=[{given!r}]")
    return tuple(given)


def refuse_native(native: bool) -> None:
    """Refuse what would change params under way.

    Raises:
        UsageError: templates would be rendered to Python objects.
    """
    if native:
        raise UsageError(
            "render_template_as_native_obj makes numbers of texts: a param 1.10 would arrive as 1.1\n"
            "leave it out for DAGs with jobs of a manifest"
        )


def build(spec: DagSpec, dag: DAG, parent: TaskGroup | None = None) -> None:
    """Put the tasks of a file into a DAG, or into a group of it."""
    prefix = f"{parent.group_id}." if parent is not None and parent.prefix_group_id and parent.group_id else ""
    tasks: dict[str, Any] = {}
    # Looked up once: the operator would ask the configuration for every task, which takes longer than all the rest.
    common = {"deferrable": conf.getboolean("operators", "default_deferrable", fallback=False)}
    for group in spec.groups:
        home = parent if parent is not None else dag.task_group
        if group.id:
            display = group.name if group.name != group.id else ""
            home = TaskGroup(
                group.id, group_display_name=display, tooltip=group.description, parent_group=home, dag=dag
            )
        defaults = _defaults({**common, **group.defaults}, dag, home)
        for node in group.nodes:
            tasks[group.full(node)] = _task(spec, node, dag, home, prefix=prefix, defaults=defaults)
    for group in spec.groups:
        for node in group.nodes:
            if node.upstream:
                tasks[group.full(node)].set_upstream([tasks[name] for name in node.upstream])


def _task(spec: DagSpec, node: TaskSpec, dag: DAG, home: TaskGroup, *, prefix: str, defaults: Mapping[str, Any]) -> Any:
    if node.kind != JOB:
        pool = {name: defaults[name] for name in ("pool",) if name in defaults}
        return EmptyOperator(
            task_id=node.id, trigger_rule=node.rule, doc_md=node.note, dag=dag, task_group=home, **pool
        )
    arguments = {**defaults, **node.arguments}
    if "server" in arguments:
        arguments["server"] = spec.servers[arguments["server"]]
    for name in SECONDS & arguments.keys():
        arguments[name] = timedelta(seconds=arguments[name])
    if node.rule != "all_success":
        arguments["trigger_rule"] = node.rule
    if node.skip_with or node.fail_fast:
        arguments["pre_execute"] = before_start(
            skip_with=[prefix + name for name in node.skip_with], fail_fast=node.fail_fast
        )
    return AftJobOperator(task_id=node.id, dag=dag, task_group=home, **arguments)


def _defaults(defaults: Mapping[str, Any], dag: DAG, home: TaskGroup) -> dict[str, Any]:
    """What a manifest says for all its jobs, where a person has not said otherwise in `default_args`."""
    return {
        name: value
        for name, value in defaults.items()
        if name not in dag.default_args and name not in home.default_args
    }
