"""An Airflow without servers: a metadata database in a folder, for DAGs that run in one process."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.dag.rig import environ
from tests.world import BIN


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An AIRFLOW_HOME with a database."""
    folder = tmp_path_factory.mktemp("airflow-dag")
    (folder / "dags").mkdir()
    subprocess.run([BIN / "airflow", "db", "migrate"], env=environ(folder), check=True, capture_output=True)
    return folder
