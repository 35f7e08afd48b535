"""Wheel and sdist: what is in them, that they are the same each time, and that a stranger can use them."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from email import message_from_bytes
from pathlib import Path

import pytest

import aftrun
from aftrun.manifest.check.diagnostics import CODES
from aftrun.sandbox.server import Sandbox
from tests.conftest import ROOT, reach
from tests.packaging.conftest import build
from tests.packaging.tools import clean, run, tool

Packages = tuple[Path, Path]

DATA = {
    "aftrun/py.typed",
    *(f"aftrun/report/templates/{name}" for name in ("report.css", "report.html.j2", "report.js")),
    *(f"aftrun/schemas/{name}.schema.json" for name in ("event", "manifest", "report", "scenario")),
    *(f"aftrun/manifest/check/pages/{code}.md" for code in CODES),
}


def test_the_wheel_holds_the_package_its_data_and_nothing_else(packages: Packages) -> None:
    """Every module of the tree, schemas, templates and pages; no tests, no benchmarks, no documentation."""
    names = set(zipfile.ZipFile(packages[0]).namelist())
    assert names >= DATA
    others = {name for name in names if not name.startswith(("aftrun/", f"aftrun-{aftrun.__version__}.dist-info/"))}
    share = f"aftrun-{aftrun.__version__}.data/data/share/"
    assert {name for name in others if not name.startswith(share)} == set(), "besides, only what man and shells read"
    tree = {path.relative_to(ROOT).as_posix() for path in (ROOT / "aftrun").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == tree


def test_the_metadata_name_version_python_and_extras(packages: Packages) -> None:
    """The version has one source, and every extra that the documents name is there."""
    with zipfile.ZipFile(packages[0]) as wheel:
        metadata = message_from_bytes(wheel.read(f"aftrun-{aftrun.__version__}.dist-info/METADATA"))
    assert metadata["Version"] == aftrun.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    extras = set(metadata.get_all("Provides-Extra") or ())
    assert extras >= {"import", "sandbox", "keyring", "notify", "otel", "all"}
    needs: dict[str, set[str]] = {extra: set() for extra in extras}
    for each in metadata.get_all("Requires-Dist") or ():
        requirement, _, marker = each.partition("; extra == ")
        if marker:
            needs[marker.strip("'")].add(requirement)
    parts = (needs[each] for each in ("import", "sandbox", "keyring", "notify", "otel"))
    assert needs["all"] == set().union(*parts), "`all` leaves out only what developers need"


def test_the_sdist_holds_what_a_packager_needs_to_run_the_tests(packages: Packages) -> None:
    """Tests, the files that they look at, and no leftovers of this machine."""
    with tarfile.open(packages[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for each in ("pyproject.toml", "tests/conftest.py", "schemas/report.schema.json", "docs/ci.md", "action.yml"):
        assert each in names
    for each in (".pre-commit-hooks.yaml", "Dockerfile", ".ci/run", ".github/workflows/ci.yml", "LICENSE"):
        assert each in names
    assert not [name for name in names if "__pycache__" in name or ".venv" in name or name.startswith("build/")]


def test_two_builds_are_the_same_bytes(packages: Packages, tmp_path: Path) -> None:
    """Another folder, other times, another umask, another order of files: the same wheel and sdist."""
    tree = shutil.copytree(packages[0].parents[1] / "tree", tmp_path / "elsewhere" / "deeper")
    for path in tree.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        if path.is_file() and not path.stat().st_mode & 0o100:
            path.chmod(0o600)
    before = os.umask(0o077)
    try:
        again = build(tree, tmp_path / "dist")
    finally:
        os.umask(before)
    assert [path.name for path in again] == [path.name for path in packages]
    for one, other in zip(packages, again, strict=True):
        assert one.read_bytes() == other.read_bytes(), f"{one.name} depends on more than its sources"


def test_the_wheel_of_the_tree_is_the_wheel_of_the_sdist(packages: Packages, tmp_path: Path) -> None:
    """Nothing that the wheel needs is missing from the sdist, and nothing is added on the way."""
    (straight,) = build(packages[0].parents[1] / "tree", tmp_path / "dist", "--wheel")
    assert straight.read_bytes() == packages[0].read_bytes()


def test_the_linters_of_packages_find_nothing(packages: Packages) -> None:
    """`twine check --strict` and `check-wheel-contents`."""
    checked = run([tool("twine"), "check", "--strict", *packages], env=clean(NO_COLOR="1"))
    assert checked.count("PASSED") == 2
    assert run([tool("check-wheel-contents"), "--config", ROOT / "pyproject.toml", packages[0]]).strip().endswith("OK")


def test_a_stranger_with_the_wheel_alone(installed: Path, sandbox: Callable[..., Sandbox], tmp_path: Path) -> None:
    """Base dependencies only: everything fits together, and a manifest is checked, planned, run and reported."""
    program = installed / "aftrun"
    assert "No broken requirements" in run([installed / "python", "-m", "pip", "check"])
    assert run([program, "--version"]).strip() == f"aftrun {aftrun.__version__}"
    where = run([installed / "python", "-c", "import aftrun; print(aftrun.__file__)"], cwd=tmp_path)
    assert "site-packages" in where
    for name in ("manifest", "report", "event", "scenario"):
        assert json.loads(run([program, "schema", name]))["$schema"]
    manifest = tmp_path / "backup.yaml"
    manifest.write_text("scriptName: My Backup Job\nparams: {destination: /archive}\n", encoding="utf-8")
    assert "error" not in run([program, "validate", manifest], cwd=tmp_path)
    server = sandbox()
    env = clean(AFT_API_KEY=server.api_key, NO_PROXY="*")
    said = run(
        [program, "apply", manifest, *reach(server), "--report-html", "report.html", "-v"], cwd=tmp_path, env=env
    )
    assert "succeeded" in said
    assert "<title>" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert [job.body["scriptName"] for job in server.jobs()] == ["My Backup Job"]


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("apply", "m.yaml", "--sandbox"), "sandbox"),
        (("sandbox",), "sandbox"),
        (("apply", "keyring.yaml", "--server", "https://127.0.0.1:1"), "keyring"),
    ],
)
def test_without_its_extra_a_command_says_how_to_get_it(
    installed: Path, tmp_path: Path, arguments: tuple[str, ...], extra: str
) -> None:
    """One line says what to install, nothing was sent, and there is no traceback."""
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    text = 'scriptName: x\nserver: {apiKey: "${keyring:aft/robot}"}\n'
    (tmp_path / "keyring.yaml").write_text(text, encoding="utf-8")
    said = run([installed / "aftrun", *arguments], cwd=tmp_path, env=clean(AFT_API_KEY="k"), code=2)
    assert [line for line in said.splitlines() if "pip install" in line and f"aftrun[{extra}]" in line]
    assert "Traceback" not in said
    assert importlib.util.find_spec("aiohttp"), "the tests themselves have the extra: the environment above has not"
