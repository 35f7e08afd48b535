"""`ManifestTaskGroup`: a manifest as a part of a DAG."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import TaskGroup

from aftrun_airflow.dag import build, calling_file, load_spec, refuse_native
from aftrun_airflow.ids import slug


class ManifestTaskGroup(TaskGroup):
    """The jobs of a manifest as a group of tasks, to stand before and after others in a DAG.

    What comes after the group waits for its last tasks; where `when: always` could hide a failure, the last of them
    is a task `outcome` that fails if any job failed.

    Args:
        path: the manifest; a relative one is relative to the file that calls this.
        group_id: by default the manifest's file's name without its suffix.
        connections, pools, pool, select, exclude, vars, ignore: as for `manifest_dag`.
        **group_arguments: everything else that `TaskGroup` takes.

    Raises:
        UsageError: as for `manifest_dag`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        group_id: str | None = None,
        connections: Mapping[str, str] | str | None = None,
        pools: Mapping[str, str] | bool | None = None,
        pool: str = "",
        select: Sequence[str] = (),
        exclude: Sequence[str] = (),
        vars: Mapping[str, str] | None = None,  # noqa: A002  # as in the manifest
        ignore: Sequence[str] = (),
        **group_arguments: Any,
    ) -> None:
        caller = calling_file()
        super().__init__(group_id or slug(Path(path).stem, dots=False), **group_arguments)
        refuse_native(self.dag.render_template_as_native_obj)
        spec = load_spec(
            path,
            caller,
            prefix=f"{self.group_id}." if self.prefix_group_id else "",
            connections=connections,
            pools=pools,
            pool=pool,
            select=select,
            exclude=exclude,
            vars=vars,
            ignore=ignore,
        )
        if not self.tooltip:
            self.tooltip = spec.description
        build(spec, self.dag, self)
