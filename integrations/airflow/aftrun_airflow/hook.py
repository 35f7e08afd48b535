"""`AftHook`: a connection of type `aft`, for those who talk to the server themselves."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from airflow.sdk import BaseHook

from aftrun.client.client import AftClient
from aftrun.domain.errors import AftrunError, ManifestError, UsageError
from aftrun.service.doctor import Doctor, Level
from aftrun_airflow.prepare import Prepared, Settings, explained, prepare
from aftrun_airflow.sources import Airflow, AirflowValues, mask


class AftHook(BaseHook):
    """One AFT! server, as a connection describes it.

    Host, port, and the API key as the password. The extra takes `fingerprint` (a pin, or several with commas
    between), `caFile`, `certFile`, `keyFile`, `insecure`, `plain` (`http://` to another machine is meant), and, as a
    manifest's `server` has them, `jobInfo`, `paths`, `poll`, `paramValues`, `headers`, `connectTimeout`, `readTimeout`,
    `submitTimeout` and `maxRequestsPerSecond`;
    `jobUrl` is a pattern with `{id}` for a link to a job.
    """

    conn_name_attr = "aft_conn_id"
    default_conn_name = "aft_default"
    conn_type = "aft"
    hook_name = "Syncplify AFT!"

    def __init__(self, aft_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.aft_conn_id = aft_conn_id

    def prepare(self) -> Prepared:
        """The server with everything filled in; its secrets are masked from here on.

        Raises:
            ManifestError, UsageError: something is missing or wrong.
        """
        airflow = Airflow()
        settings = Settings(self.aft_conn_id, None, label=self.aft_conn_id)
        found = prepare(settings, settings.described(airflow), AirflowValues(airflow))
        mask(found.secrets)
        return found

    def get_conn(self) -> AftClient:
        """The server: `submit(body)` and `status(job_id)`, one request each, never repeated. Close it after use.

        Raises:
            ManifestError, UsageError: something is missing or wrong.
        """
        return self.prepare().connect()

    def test_connection(self) -> tuple[bool, str]:
        """Check name, connection, certificate and key. Starts no job; whether the key may start one stays unknown."""
        try:
            prepared = self.prepare()
            spec = replace(prepared.server, name="")
            found = Doctor(spec, {**os.environ, **_bound(prepared)}, hidden=prepared.secrets).examine()
        except (ManifestError, UsageError) as error:
            return False, explained(error)
        except AftrunError as error:
            return False, error.message
        failed = [check for check in found.checks if check.level is Level.FAILED]
        if failed:
            return False, "; ".join(f"{check.name}: {check.message} ({check.remedy})" for check in failed)
        shown = (f"{each.name}: {each.message}" for each in found.checks if each.level is not Level.SKIPPED)
        return True, "; ".join(shown)


def _bound(prepared: Prepared) -> dict[str, str]:
    return {name: value for (source, name), value in prepared.setup.bindings.items() if source == "env"}
