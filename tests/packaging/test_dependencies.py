"""What the bounds in pyproject.toml promise: parts of the tests, with the oldest of a package that they allow."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.conftest import ROOT
from tests.packaging.tools import clean, need_index, run
from tools import environment

LOCK: dict[str, Any] = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def oldest(name: str) -> str:
    """The oldest version of a package that the project allows on this Python."""
    requirements = [Requirement(each) for each in PROJECT["dependencies"]]
    found = [
        Version(part.version)
        for each in requirements
        if each.name == name and (each.marker is None or each.marker.evaluate())
        for part in each.specifier
        if part.operator == ">="
    ]
    return str(max(found))


def test_the_loader_reads_the_same_with_the_oldest_pyyaml(tmp_path: Path) -> None:
    """Corpus, positions and limits. What the environment has is newer, and is what the tests of `tests/unit` run on."""
    need_index()
    version = oldest("pyyaml")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:")
    run([*pip, "--target", tmp_path / "old", f"pyyaml=={version}"])
    check = (
        "import sys, pytest, yaml; assert yaml.__version__ == sys.argv[1] and yaml.__with_libyaml__; "
        "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '-p', 'no:xdist', '-k', 'not million', *sys.argv[2:]]))"
    )
    tests = [f"tests/unit/manifest/{each}.py" for each in ("parse/test_source", "test_corpus", "test_load")]
    path = os.pathsep.join([str(tmp_path / "old"), str(ROOT)])
    run([sys.executable, "-c", check, version, *tests], cwd=ROOT, env=clean(PYTHONPATH=path))


def test_the_lock_is_made_of_what_pyproject_says() -> None:
    """Who changes a dependency runs `make lock`. uv itself compares, and needs no index where nothing differs."""
    need_index()
    python = Path(sys.executable)
    uv = environment.get_uv(python)
    backend = environment.borrowed(python, environment.export(uv, "--only-group", "build"))
    check = [uv, "lock", "--check", "--no-config", "--no-build-isolation", "--python", python]
    run(check, cwd=ROOT, env=clean(PYTHONPATH=str(backend), UV_OFFLINE="1"))


def test_every_package_of_the_lock_has_hashes_and_comes_from_the_public_index() -> None:
    """No index of whoever renewed the lock stands in it."""
    for package in LOCK["package"]:
        if "editable" in package["source"]:
            continue
        assert package["source"] == {"registry": environment.PUBLIC}
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]
        assert files
        for each in files:
            assert each["hash"].startswith("sha256:")
            assert each["url"].startswith("https://files.pythonhosted.org/packages/")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What environments are made from, and nothing else."""
    folder = tmp_path_factory.mktemp("tree")
    for each in ("pyproject.toml", "uv.lock", "README.md", "LICENSE", "tools", "aftrun", "schemas"):
        (shutil.copytree if (ROOT / each).is_dir() else shutil.copy)(ROOT / each, folder / each)
    (folder / "integrations" / "airflow").mkdir(parents=True)
    shutil.copy(ROOT / "integrations" / "airflow" / "pyproject.toml", folder / "integrations" / "airflow")
    return folder


def _make(tree: Path, folder: Path, *flags: str, **environ: str) -> str:
    return run([sys.executable, tree / "tools" / "environment.py", folder, *flags], env=clean(**environ), code=None)


OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "UV_OFFLINE": "1", "UV_NO_CACHE": "1"}


def test_an_environment_has_the_versions_of_the_lock_and_needs_nothing_when_made_again(
    tree: Path, tmp_path: Path
) -> None:
    """What is installed is what is listed; a second time, no index is asked."""
    need_index()
    folder = tmp_path / "venv"
    assert _make(tree, folder, "--extra", "sandbox") == ""
    python = environment.program(folder, "python")
    listed = set(re.findall(r"(?m)^([\w.-]+==[\w.]+)", (folder / "requirements-sandbox.txt").read_text("utf-8")))
    freeze = run([python, "-m", "pip", "freeze", "--exclude-editable"]).splitlines()
    installed = {
        f"{canonicalize_name(name)}=={version}" for name, _, version in (each.partition("==") for each in freeze)
    }
    assert installed - listed == set()
    assert "aiohttp" in {each.partition("==")[0] for each in installed}
    assert "aftrun" in run([python, "-m", "pip", "list", "--editable"])
    assert _make(tree, folder, "--extra", "sandbox", **OFFLINE) == ""


def test_pip_installs_what_uv_cannot_reach(tree: Path, tmp_path: Path) -> None:
    """An index that only pip's configuration knows is enough."""
    need_index()
    said = _make(tree, tmp_path / "venv", "--project", "none", UV_OFFLINE="1", UV_NO_CACHE="1")
    assert "trying pip" in said
    assert "jmespath" in run([environment.program(tmp_path / "venv", "python"), "-m", "pip", "list"])


def test_a_package_with_another_hash_is_not_installed(tree: Path, tmp_path: Path) -> None:
    """Neither by uv nor by pip, however the index came by it."""
    need_index()
    lock = tree / "uv.lock"
    text = lock.read_text(encoding="utf-8")
    (jmespath,) = (each for each in LOCK["package"] if each["name"] == "jmespath")
    for each in (*jmespath["wheels"], jmespath["sdist"]):
        text = text.replace(each["hash"], "sha256:" + "0" * 64)
    lock.write_text(text, encoding="utf-8")
    try:
        said = _make(tree, tmp_path / "venv", "--project", "none")
    finally:
        shutil.copy(ROOT / "uv.lock", lock)
    assert "ended with" in said
    assert not list((tmp_path / "venv").rglob("jmespath/__init__.py"))


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("changed", ["pyproject.toml", "uv.lock"])
def test_make_makes_environments_again_when_the_lock_has_changed(changed: str) -> None:
    """Each of them: the stamps depend on what they are made of."""
    done = subprocess.run(
        ["make", "--dry-run", "--what-if", changed, "demo", "test", "test-airflow"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=clean(),
    )
    assert done.stdout.count("tools/environment.py") == 3
