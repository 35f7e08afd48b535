"""Broken manifests without number, in a process of their own, so that its memory can be measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, clean_environ
from tests.effort import effort

COUNT = str(effort(quick=300, usual=1500, long=100_000))


def test_fuzz(tmp_path: Path) -> None:
    """Only aftrun's own errors, a bounded number of steps for each input, less than 300 MiB."""
    command = [sys.executable, "-m", "benchmarks.fuzz_loader", "--count", COUNT]
    done = subprocess.run(
        command, cwd=tmp_path, env=clean_environ(PYTHONPATH=str(ROOT)), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    figures = json.loads(done.stdout)
    assert figures["inputs"] == int(COUNT)
    assert figures["mostSteps"] <= 1_000_000
    assert figures["peakMemoryMiB"] < 300
    assert len(figures["outcomes"]) > 15  # it reaches far into the loader
