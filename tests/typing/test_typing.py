"""The library's types, as its users' type checkers see them: right use passes, wrong use does not."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import aftrun
from tests.waiting import HANG

PACKAGE = Path(aftrun.__file__).resolve().parent
SAMPLE = Path(__file__).parent / "use_library.py"

PYRIGHT = "1.1.414"

WRONG = {
    "a misspelt argument": 'aftrun.load("a.yaml", variabels={})',
    "no path at all": "aftrun.load()",
    "values that are no text": 'aftrun.load("a.yaml", variables={"year": 2027})',
    "several paths for one": 'aftrun.load(["a.yaml", "b.yaml"])',
    "a path to apply": 'aftrun.apply("a.yaml")',
    "a flag that is no argument": 'aftrun.apply(aftrun.load("a"), jobs=8)',
    "text for seconds": 'aftrun.apply(aftrun.load("a"), timeout="2h")',
    "a listener of something else": 'def f(event: int) -> None: ...\naftrun.apply(aftrun.load("a"), on_event=f)',
    "a key by name that is not one": 'aftrun.Client("https://x", apikey="k")',
    "a pin by position": 'aftrun.Client("https://x", "k", "sha256:00")',
    "no job": 'aftrun.Client("https://x").submit("My Backup Job")',
    "a number for an id": 'aftrun.Client("https://x").status(7)',
    "an id that may be absent": 'c = aftrun.Client()\nc.status(c.submit({"scriptName": "x"}).id)',
    "an outcome that is none": "aftrun.Outcome.LOST",
    "a change of a report": 'aftrun.apply(aftrun.load("a")).exit_code = 0',
    "a change of a manifest": 'aftrun.load("a").jobs[0].name = "b"',
    "a name that is not public": "aftrun.Runner",
}
"""What must not pass, each in a file of its own."""

PUBLIC = (
    "aftrun.service.library.",
    "aftrun.domain.model.",
    "aftrun.domain.errors.",
    "aftrun.domain.events.",
    "aftrun.service.options.",
    "aftrun.domain.values.",
)
"""Where the public names live, and the types of their arguments and attributes."""


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file for each wrong use."""
    folder = tmp_path_factory.mktemp("wrong")
    for number, code in enumerate(WRONG.values()):
        (folder / f"wrong_{number}.py").write_text(f"import aftrun\n\n{code}\n", encoding="utf-8")
    return folder


def pyright(*arguments: str | Path, python: str | Path = sys.executable) -> dict[str, Any]:
    """What pyright says, as data. It comes from npm, and is kept in a folder for temporary files."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        assert not os.environ.get("CI"), "npm is missing, and CI must check types with pyright"
        pytest.skip("npm is not installed, so pyright cannot be fetched")
    home = Path(tempfile.gettempdir()) / "aftrun-test-npm"
    folder = home / f"pyright-{PYRIGHT}"
    if not folder.exists():
        fresh = home / f"pyright.{uuid4().hex}"  # under another name until it is whole
        fresh.mkdir(parents=True)
        install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(fresh), f"pyright@{PYRIGHT}"]
        subprocess.run(install, check=True, capture_output=True, timeout=HANG)
        with contextlib.suppress(OSError):  # somebody else was faster
            fresh.rename(folder)
    script = folder / "node_modules" / "pyright" / "index.js"
    command = ["node", str(script), "--pythonpath", str(python), "--outputjson", *map(str, arguments)]
    # --verifytypes passes over --pythonpath, and asks whatever python comes first.
    environ = {**os.environ, "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, env=environ, cwd=home, capture_output=True, text=True, check=False, timeout=HANG)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_mypy_refuses_wrong_use_and_takes_right_use(wrong: Path) -> None:
    """Each of it, in strict mode; of the sample it infers the types that are asserted there."""
    flags = ("--strict", "--config-file=", "--no-error-summary")
    command = [sys.executable, "-m", "mypy", *flags, str(wrong), str(SAMPLE)]
    done = subprocess.run(command, cwd=wrong, capture_output=True, text=True, check=False, timeout=HANG)
    said = done.stdout + done.stderr
    for number, what in enumerate(WRONG):
        assert f"wrong_{number}.py:" in said, what
    assert SAMPLE.name not in said
    assert "import-untyped" not in said


@pytest.mark.full
def test_pyright_refuses_wrong_use_and_takes_right_use(wrong: Path) -> None:
    """The same."""
    found = pyright(wrong, SAMPLE)["generalDiagnostics"]
    files = {Path(each["file"]).name for each in found if each["severity"] == "error"}
    assert SAMPLE.name not in {Path(each["file"]).name for each in found}
    for number, what in enumerate(WRONG):
        assert f"wrong_{number}.py" in files, what


@pytest.mark.full
def test_every_public_type_is_known(tmp_path: Path) -> None:
    """Pyright finds no public name, nor what belongs to it, without a type of its own."""
    venv.create(tmp_path / "venv", with_pip=False)
    (home,) = (tmp_path / "venv").rglob("site-packages")  # pyright looks only at what is installed
    shutil.copytree(PACKAGE, home / "aftrun", ignore=shutil.ignore_patterns("cli", "importer", "__pycache__"))
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    found = pyright("--verifytypes", "aftrun", "--ignoreexternal", python=python)["typeCompleteness"]
    names = {f"aftrun.{name}" for name in aftrun.__all__}
    public = [each for each in found["symbols"] if each["name"] in names or each["name"].startswith(PUBLIC)]
    assert len(public) > 100
    assert [each["name"] for each in public if not each["isTypeKnown"]] == []
