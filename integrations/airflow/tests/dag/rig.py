"""DAG files run by a real Airflow in a process of its own, and the same manifests by `aftrun apply`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aftrun.sandbox.server import Sandbox
from tests.world import ROOT

WITH_PIN = (
    'server: {url: "${AFT_URL}", apiKey: "${AFT_API_KEY}", tls: {fingerprint: "${AFT_PIN}"}, '
    "poll: {min: 20ms, max: 1s}}\n"
)
"""The server of test manifests."""


def environ(home: Path, server: Sandbox | None = None, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A clean environment with an Airflow of its own, and with the way to a server."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    reach = {}
    if server is not None:
        reach = {"AFT_URL": server.url, "AFT_API_KEY": server.api_key, "AFT_PIN": server.fingerprint}
    return {
        **keep,
        "NO_PROXY": "*",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AFTRUN_CACHE_DIR": str(home / "cache"),
        **reach,
        **(extra or {}),
    }


@dataclass(frozen=True)
class Ended:
    """How a run of a DAG ended."""

    state: str
    tasks: Mapping[str, str]


def run_dags(home: Path, files: Sequence[Path], server: Sandbox, extra: Mapping[str, str]) -> list[Ended]:
    """Run the DAG of each file, one after another, in one process."""
    result = home / "result.json"
    command = [sys.executable, "-m", "tests.dag.run", str(result), *map(str, files)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environ(home, server, extra),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return [Ended(**each) for each in json.loads(result.read_text(encoding="utf-8"))]


def apply(folder: Path, manifest: Path, server: Sandbox, extra: Mapping[str, str]) -> dict[str, Any]:
    """The report of `aftrun apply`."""
    command = [
        sys.executable,
        "-m",
        "aftrun",
        "apply",
        str(manifest),
        "--state-dir",
        str(folder / "state"),
        "-o",
        "json",
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environ(folder, server, extra),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def bodies(server: Sandbox) -> list[str]:
    """What was submitted, in a steady order; ids of jobs as the name of the script that they ran."""
    names = {record.id: str(record.body["scriptName"]) for record in server.jobs()}
    found = []
    for entry in server.ledger():
        if entry.method == "POST":
            text = json.dumps(entry.parsed, sort_keys=True)
            for job_id, name in names.items():
                text = text.replace(job_id, f"<id of {name}>")
            found.append(text)
    return sorted(found)
