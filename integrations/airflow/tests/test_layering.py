"""What this may use of aftrun, and what of it may know Airflow: the tables of README.md, enforced."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import aftrun_airflow
from tests.world import ROOT

PACKAGE = Path(aftrun_airflow.__file__).resolve().parent
FILES = sorted(PACKAGE.glob("*.py"))

VOCABULARY = {
    "aftrun",
    "aftrun.domain.durations",
    "aftrun.domain.errors",
    "aftrun.domain.events",
    "aftrun.domain.model",
    "aftrun.domain.values",
}
"""Of aftrun: what things are called. Every module may import these."""

PARTS = {
    "aftrun.service.prepare": {"prepare"},
    "aftrun.service.doctor": {"hook"},
    "aftrun.cli.boundary": {"cli"},
    "aftrun.domain.text": {"convert", "sources"},
    "aftrun.domain.urls": {"sources"},
    "aftrun.system.files": {"cli"},
    "aftrun.domain.jobids": {"sensor"},
    "aftrun.manifest": {"convert", "prepare"},
    "aftrun.manifest.build": {"prepare", "templating"},
    "aftrun.manifest.outside": {"prepare"},
    "aftrun.run.active_job": {"work"},
    "aftrun.run.plan": {"prepare", "wiring"},
    "aftrun.run.policy": {"finish", "record", "running", "work"},
    "aftrun.run.ports": {"prepare", "work"},
    "aftrun.run.render": {"arguments"},
    "aftrun.run.select": {"convert"},
    "aftrun.run.steps": {"prepare", "work"},
    "aftrun.domain.jobnames": {"convert"},
    "aftrun.domain.secrets": {"prepare"},
    "aftrun.client.client": {"hook", "prepare", "session"},
}
"""Of aftrun: what does something, and the modules that may import it."""

WITHOUT_AIRFLOW = {
    "arguments", "cache", "cli", "convert", "dagspec", "export", "finish", "ids", "provider", "pytext", "serverspec",
    "templates", "wiring",
}  # fmt: skip
"""Modules that never import Airflow: they make DAG files and plain data, or are read by each of Airflow's processes."""

LATE = {"checks", "record", "settle", "sources"}
"""Modules that import Airflow only inside of functions."""


def imports(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Every module that a file imports, and whether that is at its top."""
    top = set(ast.iter_child_nodes(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import"
            names = [f".{alias.name}" for alias in node.names] if node.module == "aftrun" else [""]
            yield from ((f"{node.module}{name}", node in top) for name in names)


def violations(name: str, text: str) -> list[str]:
    """What is wrong with the imports of the module `name`."""
    found = []
    for module, at_top in imports(ast.parse(text)):
        package = module.partition(".")[0]
        if package == "aftrun" and module not in VOCABULARY and name not in PARTS.get(module, set()):
            found.append(f"{name} may not import {module}")
        if package == "airflow" and (name in WITHOUT_AIRFLOW or (at_top and name in LATE)):
            found.append(f"{name} may not import {module} here")
        if package == "typer" and name != "cli":
            found.append(f"{name} may not import typer")
        if package in ("threading", "concurrent", "multiprocessing") and name != "clients":
            found.append(f"{name} may not import {module}: only `clients` has threads")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_imports_follow_the_tables(path: Path) -> None:
    """No module imports what its place does not allow."""
    assert violations(path.stem, path.read_text(encoding="utf-8")) == []


def test_the_tables_allow_nothing_that_is_not_used() -> None:
    """What is no longer imported is no longer allowed."""
    used = {
        (module, path.stem)
        for path in FILES
        for module, _ in imports(ast.parse(path.read_text(encoding="utf-8")))
        if module in PARTS
    }
    assert used == {(module, name) for module, names in PARTS.items() for name in names}
    assert {*WITHOUT_AIRFLOW, *LATE} <= {path.stem for path in FILES}


def test_the_readme_lists_the_same() -> None:
    """The table there is this one."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(aftrun[\w.]*)` \| (.*?) \|", text, re.MULTILINE)
    assert {module: set(re.findall(r"`(\w+)`", names)) for module, names in rows} == PARTS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("operator", "from aftrun.run.scheduler import Scheduler"),
        ("running", "from aftrun.client.client import AftClient"),
        ("convert", "from airflow.sdk import DAG"),
        ("sources", "from airflow.sdk import Variable"),
        ("export", "def f():\n    import airflow"),
        ("operator", "from concurrent.futures import ThreadPoolExecutor"),
        ("dag", "import aftrun.run.plan"),
        ("dag", "from aftrun import secrets"),
    ],
)
def test_a_forbidden_import_is_found(name: str, text: str) -> None:
    """The test above would notice: here are imports that it must refuse."""
    assert violations(name, text)
