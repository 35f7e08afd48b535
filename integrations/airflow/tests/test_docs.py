"""What the pages say of this package is so: its commands, its flags, its names."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from aftrun_airflow.cli import app
from tests.world import REPOSITORY, ROOT

PAGES = [REPOSITORY / "docs" / "airflow.md", ROOT / "README.md"]
COMMANDS = getattr(get_command(app), "commands")  # noqa: B009  # what kind of group it is, is typer's business


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_flags_are_there(page: Path) -> None:
    """Every `aftrun-airflow` in a line or a block."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"aftrun-airflow ((?:export|settle)\b[^`\n]*)", text)
    assert lines
    for line in lines:
        command, *words = shlex.split(line.partition(" > ")[0])
        known = {name for each in COMMANDS[command].params for name in each.opts}
        assert {word for word in words if word.startswith("-")} <= known, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_imports_of_python_blocks_work(page: Path) -> None:
    """Each name that a block imports is there, from this package or from Airflow."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        for node in ast.parse(block).body:
            if isinstance(node, ast.ImportFrom):
                assert all(hasattr(importlib.import_module(str(node.module)), alias.name) for alias in node.names)
