"""`aftrun validate`: the same findings for people, editors, GitHub and code scanning."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator, Draft7Validator

from tests.acceptance.test_apply import write
from tests.conftest import ROOT, Run, clean_environ, program
from tests.waiting import HANG

BAD = "jobs:\n  - name: a\n    scriptNmae: 50% x\n  - scriptId: kMz8fQ\n    needs: [b]\n"
INVALID = ROOT / "tests" / "manifests" / "invalid"


def test_text(aftrun: Run, tmp_path: Path) -> None:
    """Place, code, line, caret and guess on standard error; nothing on standard output; exit 2."""
    done = aftrun("validate", write(tmp_path, BAD))
    assert (done.code, done.out) == (2, "")
    assert "jobs.yaml:3:5: error[AFT021]: unknown key 'scriptNmae' in job 'a'\n" in done.err
    assert "  3 |     scriptNmae: 50% x\n    |     ^^^^^^^^^^\n  hint: did you mean 'scriptName'?\n" in done.err
    assert "2 errors, 1 warning; `aftrun explain CODE` says more" in done.err
    assert "\x1b" not in done.err


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_on_a_terminal(tmp_path: Path, environ: dict[str, str], coloured: bool) -> None:
    """A terminal gets colour, unless NO_COLOR is set or it cannot show any."""
    write(tmp_path, BAD)
    pty = pytest.importorskip("pty", reason="only POSIX has terminals of this kind")
    ours, theirs = pty.openpty()
    command = [*program(), "validate", "jobs.yaml"]
    env = clean_environ(**{"TERM": "xterm", **environ})
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert process.wait(HANG) == 2
    assert (b"\x1b[1;31merror[AFT021]\x1b[0m" in shown) is coloured
    plain = re.sub(rb"\x1b\[[0-9;]*m", b"", shown)
    assert b"  3 |     scriptNmae: 50% x\r\n    |     ^^^^^^^^^^\r\n" in plain


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody is at the other end any more
        return b""


def test_json(aftrun: Run, tmp_path: Path) -> None:
    """Everything a program needs, and an empty list where all is well."""
    data = json.loads(aftrun("validate", write(tmp_path, BAD), "--format", "json").out)
    assert (data["version"], data["valid"]) == (1, False)
    assert [(each["line"], each["column"], each["code"], each["severity"]) for each in data["problems"]] == [
        (3, 5, "AFT021", "error"),
        (4, 5, "AFT101", "warning"),
        (5, 13, "AFT051", "error"),
    ]
    first = data["problems"][0]
    assert (first["endLine"], first["endColumn"], first["title"]) == (3, 15, "unknown key")
    assert first["hint"] == "did you mean 'scriptName'?"
    good = aftrun("validate", write(tmp_path, "scriptName: x\n"), "--format", "json")
    assert json.loads(good.out) == {"version": 1, "valid": True, "manifests": 1, "jobs": 1, "problems": []}
    assert (good.code, good.err) == (0, "")


GITHUB = re.compile(
    r"::(error|warning) file=[^,:\n]*(,(line|col|endLine|endColumn)=\d+)*,title=[^,:\n]*::(?:[^%\n\r]|%25|%0A|%0D)*"
)
"""A workflow command, as "Workflow commands for GitHub Actions" documents it."""


def test_github(aftrun: Run, tmp_path: Path) -> None:
    """One command a line, special characters escaped, columns only within a line."""
    done = aftrun("validate", write(tmp_path, BAD, "a,b: 50%.yaml"), "--format", "github")
    lines = done.out.splitlines()
    assert all(GITHUB.fullmatch(line) for line in lines)
    place = "file=a%2Cb%3A 50%25.yaml,line=3,col=5,endLine=3,endColumn=15,title=AFT021 unknown key"
    assert f"::error {place}::unknown key 'scriptNmae' in job 'a'%0Ahint: did you mean 'scriptName'?" in lines
    assert done.code == 2
    long = aftrun("validate", write(tmp_path, "jobs:\n  a: {scriptName: x}\n  b: {scriptName: y}\n"), "--format=github")
    assert "line=2,endLine=3,title=" in long.out
    for path in sorted(INVALID.glob("*.yaml")):
        out = aftrun("validate", str(path), "--format", "github").out if path.stem < "bad-k" else ""
        assert all(GITHUB.fullmatch(line) for line in out.splitlines())


def test_strict(aftrun: Run, tmp_path: Path) -> None:
    """Warnings become errors, in every form of output."""
    manifest = write(tmp_path, "scriptId: kMz8fQ\n")
    assert aftrun("validate", manifest).code == 0
    for form in ("text", "json", "github", "sarif"):
        done = aftrun("validate", "--strict", manifest, "--format", form)
        assert done.code == 2
        assert "error" in done.out + done.err
        if form == "sarif":  # what a rule is by nature stays
            assert json.loads(done.out)["runs"][0]["results"][0]["level"] == "error"
        else:
            assert "::warning" not in done.out
            assert '"warning"' not in done.out


@functools.cache
def _sarif_package() -> Path | None:
    """Microsoft's SARIF tool from npm, which carries the schema of SARIF 2.1.0; None where there is no npm."""
    if shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("npm is missing, and CI must check SARIF against its schema")
        return None
    folder = Path(tempfile.gettempdir()) / "aftrun-test-npm" / "sarif"
    package = folder / "node_modules" / "@microsoft" / "sarif-multitool-linux"
    if not (package / "sarif-2.1.0.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            "--prefix",
            str(folder),
            "@microsoft/sarif-multitool-linux@5.7.0",
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=HANG)
    return package


def _sarif(aftrun: Run, *paths: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(aftrun("validate", *paths, "--format", "sarif").out)
    return data


def test_sarif(aftrun: Run, tmp_path: Path) -> None:
    """Rules, results and places are where code scanning looks for them."""
    write(tmp_path, BAD, "a b.yaml")
    write(tmp_path, BAD, "c d.yaml")
    data = _sarif(aftrun, "a b.yaml", str(tmp_path / "c d.yaml"))
    (run,) = data["runs"]
    assert data["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["AFT021", "AFT051", "AFT101"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert places[0]["region"] == {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 15}
    assert {place["artifactLocation"]["uri"] for place in places} == {
        "a%20b.yaml",
        (tmp_path / "c d.yaml").as_uri(),
    }


def test_sarif_fits_its_schema(aftrun: Run, tmp_path: Path) -> None:
    """The whole corpus of invalid manifests, and a clean run, pass the schema of SARIF 2.1.0."""
    package = _sarif_package()
    if package is None:
        pytest.skip("npm is not installed, so the schema of SARIF cannot be fetched")
    schema = json.loads((package / "sarif-2.1.0.json").read_text(encoding="utf-8-sig"))
    kind = Draft7Validator if "draft-07" in schema["$schema"] else Draft4Validator
    for data in (
        _sarif(aftrun, str(INVALID)),
        _sarif(aftrun, write(tmp_path, "scriptName: x\n")),
        _sarif(aftrun, write(tmp_path, BAD)),
    ):
        assert [error.message for error in kind(schema).iter_errors(data)] == []
    data["runs"][0]["results"][0]["level"] = "nonsense"
    assert list(kind(schema).iter_errors(data)) != []
