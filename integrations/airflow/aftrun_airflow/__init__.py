"""AFT! jobs as tasks of Apache Airflow.

Names are loaded when they are first used: `aftrun_airflow.provider`, which Airflow reads at every start of every
process, must not cost the import of Airflow's operators.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aftrun_airflow.dag import manifest_dag
    from aftrun_airflow.group import ManifestTaskGroup
    from aftrun_airflow.hook import AftHook
    from aftrun_airflow.operator import AftJobOperator
    from aftrun_airflow.sensor import AftJobSensor
    from aftrun_airflow.trigger import AftJobTrigger

_HOMES = {
    "AftHook": "hook",
    "AftJobOperator": "operator",
    "AftJobSensor": "sensor",
    "AftJobTrigger": "trigger",
    "ManifestTaskGroup": "group",
    "manifest_dag": "dag",
}

__all__ = ["AftHook", "AftJobOperator", "AftJobSensor", "AftJobTrigger", "ManifestTaskGroup", "manifest_dag"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
