"""The DAG file that comes with aftrun, run by `airflow dags test`, beside `aftrun apply` of its manifest."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from tests.dag.rig import environ
from tests.world import BIN, REPOSITORY, ROOT


def test_the_example_runs(home: Path, tmp_path: Path) -> None:
    """`airflow dags test nightly` succeeds against the sandbox, with address, key and pin from the connection."""
    shutil.copytree(ROOT / "example", tmp_path / "dags")
    shutil.copy(REPOSITORY / "manifests" / "nightly.yaml", tmp_path / "dags")
    with Sandbox(parse({"defaults": {"queue": "0s", "duration": "10ms"}})) as server:
        parts = urlsplit(server.url)
        connection = {
            "conn_type": "aft",
            "host": parts.hostname,
            "port": parts.port,
            "password": server.api_key,
            "extra": {"fingerprint": server.fingerprint, "poll": {"min": "20ms"}},
        }
        extra = {
            "AIRFLOW_CONN_AFT_DEFAULT": json.dumps(connection),
            "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        }
        done = subprocess.run(
            [BIN / "airflow", "dags", "test", "nightly"],
            env=environ(home, extra=extra),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "state=success" in done.stdout + done.stderr
    assert len([entry for entry in server.ledger() if entry.method == "POST"]) == 10
    assert server.api_key not in done.stdout + done.stderr
