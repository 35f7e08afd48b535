"""Broken manifests without number, in a process of their own, so that its memory can be measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, clean_environ

COUNT = os.environ.get("AFTRUN_FUZZ", "3000")
"""How many inputs; `AFTRUN_FUZZ=100000` for the full number, which takes minutes."""


def test_fuzz(tmp_path: Path) -> None:
    """Only aftrun's own errors, no input slower than 2 s, less than 300 MiB."""
    command = [sys.executable, str(ROOT / "benchmarks" / "fuzz_loader.py"), "--count", COUNT]
    done = subprocess.run(
        command, cwd=tmp_path, env=clean_environ(PYTHONPATH=str(ROOT)), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    figures = json.loads(done.stdout)
    print(f"fuzz: {figures}")  # noqa: T201 - so that a log says what was run
    assert figures["inputs"] == int(COUNT)
    assert figures["slowestSeconds"] <= 2
    assert figures["peakMemoryMiB"] < 300
    assert len(figures["outcomes"]) > 15  # it reaches far into the loader
