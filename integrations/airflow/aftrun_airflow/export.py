"""A `DagSpec` as a DAG file: Python that stands alone, for those who want to read or change it. Imports no Airflow."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import aftrun
from aftrun.domain.durations import format_duration
from aftrun_airflow.dagspec import JOB, SECONDS, DagSpec, GroupSpec, TaskSpec
from aftrun_airflow.ids import slug
from aftrun_airflow.pytext import Code, VariableNames, call, comment, expression, quoted
from aftrun_airflow.templates import portable

_IMPORTED = ("AftJobOperator", "DAG", "EmptyOperator", "TaskGroup", "before_start", "timedelta")
_AS_DURATION = ("timeout", "queue_timeout")


def pool_commands(spec: DagSpec) -> tuple[str, ...]:
    """What makes the pools that have to be there before the tasks of a spec can run."""
    return tuple(
        f"airflow pools set {_word(pool.name)} {pool.slots} {_word(pool.why)} --include-deferred" for pool in spec.pools
    )


def _word(text: str) -> str:
    return shlex.quote(comment(text))


def export(spec: DagSpec, *, schedule: str | None = None, dag_id: str | None = None, command: str = "") -> str:
    """The text of a DAG file. The same spec always gives the same text.

    Args:
        spec: from `convert.convert_file`.
        schedule: as for Airflow's `DAG`; None: it runs when somebody starts it.
        dag_id: by default the manifest's name.
        command: what made it, for its first line.
    """
    return _DagFile(spec).text(schedule, dag_id or slug(spec.name), command)


class _DagFile:
    def __init__(self, spec: DagSpec) -> None:
        self.spec = spec
        self.names = VariableNames(*_IMPORTED)
        self.servers = self._server_names()
        self.variables = {
            group.full(node): self.names.take(group.full(node)) for group in spec.groups for node in group.nodes
        }

    def _server_names(self) -> list[str]:
        named = [name for name in self.spec.server_names if name]
        return [
            self.names.take(f"server_{name}" if name and named else "server", upper=True)
            for name in self.spec.server_names
        ]

    def text(self, schedule: str | None, dag_id: str, command: str) -> str:
        spec = self.spec
        alone = len(spec.groups) == 1
        arguments: dict[str, Any] = {"dag_id": dag_id, "schedule": schedule}
        if dag_id == slug(spec.name) != spec.name:
            arguments["dag_display_name"] = spec.name
        if spec.description:
            arguments["description"] = spec.description
            arguments["doc_md"] = spec.description
        if spec.max_parallel is not None:
            arguments["max_active_tasks"] = spec.max_parallel
        if alone:
            arguments["default_args"] = self._given(spec.groups[0].defaults)
        notes = {"max_active_tasks": "tasks at work in a run; deferred ones do not count"}
        blocks = [call("with DAG", arguments, 0, notes) + ":"]
        blocks += [self._group(group, 4 if alone else 8) for group in spec.groups]
        edges = [self._edge(group, node) for group in spec.groups for node in group.nodes if node.upstream]
        parts = [self._head(command), self._imports(), *self._constants(), blocks[0] + "\n" + "\n\n".join(blocks[1:])]
        if edges:
            parts[-1] += "\n\n" + "\n".join(edges)
        return "\n\n".join(parts[:2]) + "".join(f"\n\n{part}" for part in parts[2:]) + "\n"

    def _head(self, command: str) -> str:
        spec = self.spec
        lines = [
            f"Made by `{command or 'aftrun-airflow export'}`, aftrun {aftrun.__version__}.",
            "Change the manifest and make this again, or change this and forget the manifest.",
            f"sha256 of {portable(spec.path)}: {spec.sha256}",
        ]
        lines += [f"warning: {warning}" for warning in spec.warnings]
        if spec.pools:
            lines += ["These pools have to be there, or the tasks that name them never start:"]
            lines += [f"  {command}" for command in pool_commands(spec)]
        return "\n".join(f"# {_kept(line)}" for line in lines)

    def _imports(self) -> str:
        nodes = [node for group in self.spec.groups for node in group.nodes]
        lines = []
        if any(SECONDS & node.arguments.keys() for node in nodes):
            lines += ["from datetime import timedelta", ""]
        lines.append("from aftrun_airflow import AftJobOperator")
        if any(node.skip_with or node.fail_fast for node in nodes):
            lines.append("from aftrun_airflow.checks import before_start")
        if any(node.kind != JOB for node in nodes):
            lines.append("from airflow.providers.standard.operators.empty import EmptyOperator")
        lines.append("from airflow.sdk import DAG" + (", TaskGroup" if len(self.spec.groups) > 1 else ""))
        return "\n".join(lines)

    def _constants(self) -> list[str]:
        return [
            f"{name} = {expression(server, 0, 0)}" for name, server in zip(self.servers, self.spec.servers, strict=True)
        ]

    def _group(self, group: GroupSpec, indent: int) -> str:
        tasks = "\n\n".join(self._node(group, node, indent) for node in group.nodes)
        if not group.id:
            return tasks
        arguments: dict[str, Any] = {"group_id": group.id}
        if group.name != group.id:
            arguments["group_display_name"] = group.name
        if group.description:
            arguments["tooltip"] = group.description
        arguments["default_args"] = self._given(group.defaults)
        return call("with TaskGroup", arguments, 4) + ":\n" + tasks

    def _node(self, group: GroupSpec, node: TaskSpec, indent: int) -> str:
        margin = " " * indent
        head = f"{self.variables[group.full(node)]} = "
        arguments: dict[str, Any] = {"task_id": node.id}
        if node.kind != JOB:
            arguments |= {"trigger_rule": node.rule, "doc_md": node.note}
            return call(f"{head}EmptyOperator", arguments, indent)
        arguments |= self._given(node.arguments)
        if node.rule != "all_success":
            arguments["trigger_rule"] = node.rule
        if node.skip_with or node.fail_fast:
            arguments["pre_execute"] = _check(node)
        notes = {
            name: format_duration(arguments[name])
            for name in _AS_DURATION
            if isinstance(arguments.get(name), int | float)
        }
        where = f"{comment(portable(node.path))}:{node.line}"
        return f"{margin}# {where}\n{call(f'{head}AftJobOperator', arguments, indent, notes)}"

    def _given(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments with their values as Python has them."""
        found = dict(arguments)
        if "server" in found:
            found["server"] = Code(self.servers[found["server"]])
        for name in SECONDS & found.keys():
            found[name] = Code(f"timedelta(seconds={expression(found[name], 0, 0)})")
        return found

    def _edge(self, group: GroupSpec, node: TaskSpec) -> str:
        """What a task waits for, `[a, b] >> c`."""
        sources = [self.variables[name] for name in node.upstream]
        target = self.variables[group.full(node)]
        if len(sources) == 1:
            return f"    {sources[0]} >> {target}"
        return f"    {expression([Code(name) for name in sources], 4, 4 + len(f' >> {target}'))} >> {target}"


def _check(node: TaskSpec) -> Code:
    arguments = []
    if node.skip_with:
        arguments.append("skip_with=[" + ", ".join(quoted(name) for name in node.skip_with) + "]")
    if node.fail_fast:
        arguments.append("fail_fast=True")
    return Code(f"before_start({', '.join(arguments)})")


def _kept(line: str) -> str:
    """A comment, its indentation kept."""
    return line[: len(line) - len(line.lstrip(" "))] + comment(line)
