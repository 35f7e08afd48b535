"""`aftrun-airflow export`: a DAG file that stands alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from aftrun_airflow.convert import Options, convert_file
from aftrun_airflow.export import export
from tests.conftest import Run
from tests.world import REPOSITORY

MANIFESTS = sorted((REPOSITORY / "manifests").glob("*.yaml")) + [
    REPOSITORY / "tests" / "manifests" / "valid" / f"{name}.yaml"
    for name in ("documents", "escapes", "expect", "matrix", "one-job", "retry", "scalars", "unicode", "when")
]

KEYS = """
name: keys
jobs:
  - {name: a, scriptName: s, concurrency: sftp}
  - {name: b, scriptName: s, concurrency: sftp}
"""


def ruff(folder: Path, arguments: list[str], text: str) -> subprocess.CompletedProcess[str]:
    """The formatter and linter, with its own settings, in a folder that is no checkout of aftrun."""
    command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "-"]
    return subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
def test_what_is_written_is_formatted_python(tmp_path: Path, manifest: Path) -> None:
    """`ruff format` changes nothing, at two line lengths; the linter finds nothing; each time it is the same text."""
    text = export(convert_file(str(manifest), Options()).spec)
    ast.parse(text)
    for length in ("88", "120"):
        formatted = ruff(tmp_path, ["format", "--line-length", length], text)
        assert formatted.stdout == text, formatted.stderr
    assert ruff(tmp_path, ["check", "--select", "E4,E7,E9,F,I"], text).stdout.strip() == "All checks passed!"
    assert export(convert_file(str(manifest), Options()).spec) == text


def test_its_head_says_where_it_came_from(program: Run, tmp_path: Path) -> None:
    """The command, the manifest's checksum, the manifest's lines, and the pools that have to be there."""
    (tmp_path / "keys.yaml").write_text(KEYS, encoding="utf-8")
    done = program("export", "keys.yaml", "--pools", "--pool", "my night", "--schedule", "0 2 * * *")
    assert done.out.startswith("# Made by `aftrun-airflow export keys.yaml`, aftrun ")
    assert "\n# sha256 of keys.yaml: " in done.out
    assert "    # keys.yaml:4\n    a = AftJobOperator(\n" in done.out
    assert "#   airflow pools set sftp 1 'concurrency: sftp' --include-deferred\n" in done.out
    assert "#   airflow pools set 'my night' 1 maxParallel --include-deferred\n" in done.out
    assert 'schedule="0 2 * * *",' in done.out


def test_a_file_is_not_replaced_without_a_word(program: Run, tmp_path: Path) -> None:
    """`--output` writes what standard output would get, and only `--force` replaces."""
    (tmp_path / "m.yaml").write_text("scriptName: s\n", encoding="utf-8")
    assert program("export", "m.yaml", "-o", "dags/m.py").out == ""
    assert (tmp_path / "dags" / "m.py").read_text(encoding="utf-8") == program("export", "m.yaml").out
    again = program("export", "m.yaml", "-o", "dags/m.py")
    assert (again.code, "exists already" in again.err, "--force" in again.err) == (2, True, True)
    assert program("export", "m.yaml", "-o", "dags/m.py", "--force").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["m.yaml"], ["m.yaml:2:3: error[airflow]: job 'x' runs on failure only", "hint: give it needs"]),
        (["m.yaml", "--connection", "a", "--connection", "b=c"], ["one connection for all servers"]),
        (["m.yaml", "--connection", "eu=c"], ["no server 'eu'"]),
        (["nothing.yaml"], ["there is no file nothing.yaml"]),
        (["-"], ["name the manifest's file"]),
        ([], ["FILE"]),
        (["m.yaml", "--ignore", "jobs"], ["no key to ignore 'jobs'"]),
    ],
)
def test_what_cannot_be_written_is_said(program: Run, tmp_path: Path, arguments: list[str], said: list[str]) -> None:
    """With its place and a remedy; exit code 2, and nothing on standard output."""
    text = "jobs:\n- {name: x, scriptName: s, when: failure}\n"
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    done = program("export", *arguments)
    assert (done.code, done.out) == (2, "")
    for part in said:
        assert part in done.err


def test_it_reads_no_secret(program: Run, tmp_path: Path) -> None:
    """References stay as they were written, whether they have a value or not."""
    text = 'jobs: [{name: x, scriptName: s, params: {t: "${TOKEN}", u: "${file:u.txt}"}}]'

    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "u.txt").write_text("sesame-file", encoding="utf-8")
    done = program("export", "m.yaml", env={"TOKEN": "sesame-env", "AFT_API_KEY": "sesame-key"})
    assert '"t": "${TOKEN}"' in done.out
    assert "sesame" not in done.out + done.err


def test_help_says_what_it_is_for(program: Run) -> None:
    """Among the commands, and by itself."""
    assert "export" in program("--help").out
    told = program("export", "--help").out
    assert "Airflow DAG file" in told
    assert "--connection" in told
