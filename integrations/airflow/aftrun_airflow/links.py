"""Links on a task's page."""

from __future__ import annotations

import urllib.parse
from typing import Any

from airflow.sdk import BaseOperatorLink, conf

from aftrun.domain.errors import UsageError
from aftrun_airflow.sources import Airflow


class AftReportLink(BaseOperatorLink):
    """To the task's XComs, where `report` says all that was seen of the job."""

    name = "AFT! report"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The page of this Airflow."""
        base = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
        parts = [urllib.parse.quote(str(each), safe="") for each in (ti_key.dag_id, ti_key.run_id, ti_key.task_id)]
        copy = "" if ti_key.map_index is None or ti_key.map_index < 0 else f"/mapped/{ti_key.map_index}"
        return f"{base}/dags/{parts[0]}/runs/{parts[1]}/tasks/{parts[2]}{copy}/xcom"


class AftServerLink(BaseOperatorLink):
    """To the job itself, where the connection's extra says with `jobUrl` how such a link is made.

    AFT! documents no address at which people see a job, so none is made up.
    """

    name = "AFT! job"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The address; empty where there is no pattern or no job."""
        conn_id = getattr(operator, "aft_conn_id", None)
        job_id = getattr(operator, "job_id_seen", "")
        if not conn_id or not job_id:
            return ""
        try:
            pattern = str(Airflow().connection(conn_id).extra_dejson.get("jobUrl") or "")
        except UsageError:
            return ""
        return pattern.replace("{id}", urllib.parse.quote(job_id, safe="")) if "{id}" in pattern else ""
