"""What the bounds in pyproject.toml promise: parts of the tests, with the oldest of a package that they allow."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from tests.conftest import ROOT
from tests.packaging.tools import clean, need_index, run

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
    tests = [f"tests/unit/test_manifest_{each}.py" for each in ("source", "corpus", "load")]
    path = os.pathsep.join([str(tmp_path / "old"), str(ROOT)])
    run([sys.executable, "-c", check, version, *tests], cwd=ROOT, env=clean(PYTHONPATH=path))
