"""The packages, built once for all tests of a process."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.packaging.tools import copy_tree, make_venv, need_index, programs, run, tool


def build(tree: Path, target: Path, *what: str) -> list[Path]:
    """Builds from a tree, without fetching anything; returns what is in the target folder then."""
    run([tool("pyproject-build"), "--no-isolation", *what, "--outdir", target, tree])
    return sorted(target.iterdir())


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` has filled, once for all processes that run tests of this session."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"shared-{name}"
    with FileLock(f"{folder}.lock"):
        if not (folder / "made").exists():
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    return folder


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the sdist, as `python -m build` makes them: the wheel from the sdist."""

    def make(folder: Path) -> None:
        build(copy_tree(folder / "tree"), folder / "dist")

    wheel, sdist = sorted((shared(tmp_path_factory, "packages", make) / "dist").iterdir())
    return wheel, sdist


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the sdist of aftrun-airflow, made in the same way."""

    def make(folder: Path) -> None:
        build(copy_tree(folder / "tree") / "integrations" / "airflow", folder / "dist")

    wheel, sdist = sorted((shared(tmp_path_factory, "provider", make) / "dist").iterdir())
    return wheel, sdist


@pytest.fixture(scope="session")
def installed(packages: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel and its base dependencies, and nothing else."""
    need_index()

    def make(folder: Path) -> None:
        run([make_venv(folder / "venv") / "python", "-m", "pip", "install", "--quiet", packages[0]])

    return programs(shared(tmp_path_factory, "installed", make) / "venv")
