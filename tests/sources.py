"""The source of aftrun, for tests that look at how it is written."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import aftrun

PACKAGE = Path(aftrun.__file__).resolve().parent


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """Every module of the package, by its path in there. Read once; nobody changes it."""
    return tuple(
        (path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(PACKAGE.rglob("*.py"))
    )
