"""The benchmarks run and print their ratios. What the ratios are is for a quiet machine to say, and for no test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import ALL
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="they measure with what only POSIX has")


@pytest.mark.parametrize("name", ALL)
def test_it_runs_and_prints_its_ratios(name: str, tmp_path: Path) -> None:
    """Every row has a ratio, but those against programs that are not there, which say so."""
    command = [sys.executable, "-m", "benchmarks", "--small", "--json", str(tmp_path / "rows.json"), name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))["rows"]
    for row in rows:
        assert row["ratio"] is not None or "not installed" in row["note"], row
    lines = [line for line in done.stdout.splitlines() if ", ratio " in line or "not measured" in line]
    assert len(lines) == len(rows) > 0
