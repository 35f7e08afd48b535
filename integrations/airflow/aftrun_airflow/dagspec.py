"""A manifest as Airflow will see it: tasks, their arguments, rules and edges, as plain data.

Everything here is made of what JSON has, so that it can be kept, compared, and written as Python. It imports nothing:
reading a kept `DagSpec` must cost next to nothing each time that Airflow parses a DAG file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

JOB, GATE = "job", "gate"

SECONDS = frozenset({"retry_delay", "max_retry_delay"})
"""Arguments that are seconds here and a `timedelta` in Airflow."""


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task: an `AftJobOperator`, or an `EmptyOperator` that only joins edges (which no worker ever runs)."""

    id: str
    """Its id within its group."""
    kind: str
    rule: str = "all_success"
    """Airflow's trigger rule."""
    upstream: tuple[str, ...] = ()
    """Ids with their group's before them, `nightly.extract`, but without that of a group around the whole."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of the operator, beyond id, rule and `pre_execute`; none that has its default value."""
    skip_with: tuple[str, ...] = ()
    """Before it starts, it checks whether one of these (as in `upstream`) was skipped; then it is, too."""
    fail_fast: bool = False
    """Before it starts, it checks whether any task of its group has failed; then it fails, too."""
    line: int = 0
    path: str = ""
    note: str = ""
    """Why it is there, or what cannot be seen from its arguments."""


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """One manifest. Where there is only one, its `id` is empty and its tasks stand in the DAG itself."""

    id: str
    name: str
    nodes: tuple[TaskSpec, ...]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """`default_args` of its tasks."""
    description: str = ""

    def full(self, node: TaskSpec) -> str:
        """A node's id with its group's before it."""
        return f"{self.id}.{node.id}" if self.id else node.id


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """A pool that has to be there before the tasks can run."""

    name: str
    slots: int
    why: str


@dataclass(frozen=True, slots=True)
class DagSpec:
    """A file of manifests."""

    name: str
    path: str
    sha256: str
    groups: tuple[GroupSpec, ...]
    servers: tuple[Mapping[str, Any], ...] = ()
    """As manifests describe them. The argument `server` of tasks is an index into these."""
    server_names: tuple[str, ...] = ()
    max_parallel: int | None = None
    """Tasks of a run that work at once; None: the manifest does not say."""
    pools: tuple[PoolSpec, ...] = ()
    description: str = ""
    warnings: tuple[str, ...] = ()
    """What the loader has to say, `FILE:LINE:COLUMN: …`."""

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DagSpec:
        """What `to_json` gave, read back.

        Raises:
            KeyError, TypeError: it is something else.
        """
        groups = tuple(
            GroupSpec(
                **{
                    **group,
                    "nodes": tuple(
                        TaskSpec(
                            **{
                                **node,
                                "upstream": tuple(node["upstream"]),
                                "skip_with": tuple(node["skip_with"]),
                            }
                        )
                        for node in group["nodes"]
                    ),
                }
            )
            for group in data["groups"]
        )
        return cls(
            **{
                **data,
                "groups": groups,
                "servers": tuple(data["servers"]),
                "server_names": tuple(data["server_names"]),
                "warnings": tuple(data["warnings"]),
                "pools": tuple(PoolSpec(**pool) for pool in data["pools"]),
            }
        )
