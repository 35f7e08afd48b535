"""An Airflow without servers: a metadata database in a folder, for DAGs that run in one process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def home(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An AIRFLOW_HOME with a database."""
    folder = tmp_path_factory.mktemp("airflow-dag")
    (folder / "dags").mkdir()
    shutil.copy(database, folder / "airflow.db")
    return folder
