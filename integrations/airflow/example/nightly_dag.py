"""The night of `manifests/nightly.yaml` on Apache Airflow, one task for each job: docs/airflow.md.

Put this file and the manifest side by side where Airflow looks for DAGs, create the connection `aft_default`, and try
it: airflow dags test nightly
"""

from __future__ import annotations

from aftrun_airflow import manifest_dag

dag = manifest_dag(
    "nightly.yaml",  # relative to this file
    schedule="0 2 * * *",
    connections="aft_default",  # address, key and pin come from here, and not from the manifest
    max_active_runs=1,  # a night that takes longer than a day is not overtaken by the next
    default_args={"retries": 2},  # after a lost worker, look again; a job is only started again if it says `retry`
    tags=["aft"],
)
