"""Which way imports go: the table of ARCHITECTURE.md, enforced."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import aftrun

PACKAGE = Path(aftrun.__file__).resolve().parent

BASE = {"domain", "system"}
FLOOR = {"importer", "manifest", "client", "run", "report", "sandbox"}

MAY_IMPORT = {
    "domain": {"domain"},
    **{name: {"domain"} for name in ("errors", "events", "model")},  # public names
    "system": BASE,
    **{floor: BASE | {floor} for floor in FLOOR},
    "notify": BASE | {"report", "notify"},
    "telemetry": BASE | {"report", "telemetry"},
    "web": BASE | {"report", "service", "web"},
    "service": BASE | FLOOR | {"", "service"},
    "__init__": BASE | {"service"},
    "cli": BASE | FLOOR | {"", "service", "web", "notify", "telemetry", "cli"},
    "__main__": BASE | {"cli"},
}
"""What each part may import of aftrun; `""` is the package itself, for its version."""

ONLY_IMPORTER = {
    "yaml": {"manifest/parse/source.py"},
    "jsonschema": {"system/schemas.py"},
    "requests": {"client/client.py"},
    "sqlite3": {"run/store/database.py"},
    "typer": {"cli/flags.py", "cli/helptext.py", "cli/main.py"},
    "rich": {"cli/"},
    "tree_sitter": {"importer/trees.py"},
    "tree_sitter_bash": {"importer/trees.py"},
    "tree_sitter_powershell": {"importer/trees.py"},
    "click": set(),
    "aiohttp": {"sandbox/", "web/"},
    "jinja2": {"report/page.py"},
    "apprise": {"notify.py"},
    "opentelemetry": {"telemetry.py"},
    "threading": {
        "__main__.py",
        "run/pool.py",
        "sandbox/",
        "cli/commands/sandbox.py",
        "client/client.py",
        "client/transport.py",
    },
    "airflow": set(),
    "concurrent": set(),
    "multiprocessing": set(),
    "asyncio": {"sandbox/", "web/"},
}
"""Modules that only these files (or all files of these folders) may import."""


def imports(tree: ast.AST, module: str) -> Iterator[str]:
    """Every module that a file imports, at whatever depth, under its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} uses a relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def violations(path: str, text: str) -> list[str]:
    """What is wrong with the imports of one file; `path` is relative to the package."""
    part = path.split("/", maxsplit=1)[0].removesuffix(".py")
    found = []
    for name in imports(ast.parse(text), path):
        top, _, rest = name.partition(".")
        if top == "aftrun" and rest not in ("", "__version__"):
            target = rest.split(".", maxsplit=1)[0]
            known = target in MAY_IMPORT
            if (target if known else "") not in MAY_IMPORT[part]:
                found.append(f"{path} may not import {name}")
        owners = ONLY_IMPORTER.get(top)
        if owners is not None and not any(
            path == owner or (owner[-1] == "/" and path.startswith(owner)) for owner in owners
        ):
            found.append(f"{path} may not import {top}: only {sorted(owners)} may")
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_table(path: Path) -> None:
    """No file of the package imports what its place does not allow."""
    assert violations(path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("domain/model.py", "from aftrun.manifest import load_all"),
        ("run/policy.py", "from aftrun.client.client import AftClient"),
        ("run/policy.py", "def f():\n    from aftrun.client import client"),
        ("report/json.py", "import aftrun.run.fold"),
        ("report/tap.py", "import jinja2"),
        ("notify.py", "from aftrun.run.fold import ReportBuilder"),
        ("manifest/build/manifest.py", "import yaml"),
        ("client/tls.py", "import requests.adapters"),
        ("run/scheduler.py", "import threading"),
        ("run/fold.py", "import sqlite3"),
        ("sandbox/server.py", "from aftrun import manifest"),
        ("service/prepare.py", "from aftrun.cli import apply"),
        ("cli/main.py", "import click"),
        ("cli/main.py", "from airflow.sdk import DAG"),
        ("run/pool.py", "from concurrent.futures import ThreadPoolExecutor"),
    ],
)
def test_a_forbidden_import_is_found(path: str, text: str) -> None:
    """The test above would notice: here are imports that it must refuse."""
    assert violations(path, text)
