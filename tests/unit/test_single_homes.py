"""Rules that have one home: no other module decides the same thing on its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import aftrun

PACKAGE = Path(aftrun.__file__).resolve().parent


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package, by its path in there."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def test_one_module_says_what_this_machine_is() -> None:
    """Three did, and one of them took `127.evil.example` for it."""
    others = [
        f"{name}:{node.lineno}"
        for name, tree in modules()
        if name != "domain/urls.py"
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr == "is_loopback" and ast.unparse(node.value) != "urls")
        or (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in ("127.", "localhost."))
        or (isinstance(node, ast.FunctionDef) and node.name == "is_loopback")
    ]
    assert others == []


def writes(node: ast.AST) -> bool:
    """Whether a call puts something out on its own."""
    if not isinstance(node, ast.Call):
        return False
    called = ast.unparse(node.func)
    streams = {"sys.stdout.write", "sys.stderr.write", "sys.stdout.writelines", "sys.stderr.writelines"}
    return called in ({"print", "typer.echo", "typer.secho", "typer.confirm"} | streams) or called.startswith(
        ("sys.stdout.buffer", "sys.stderr.buffer", "sys.__std")
    )


def test_output_leaves_through_one_module() -> None:
    """It makes what leaves safe; whoever writes on their own forgets to."""
    others = [
        f"{name}:{node.lineno}"
        for name, tree in modules()
        if name != "cli/boundary.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and writes(node)
    ]
    assert others == []
    planted = ast.parse("print(1)\nsys.stdout.write('x')\ntyper.echo('x')")
    assert sum(map(writes, ast.walk(planted))) == 3


def names_a_job(node: ast.AST) -> bool:
    """Whether text is put together as `manifest/job`."""
    if not isinstance(node, ast.JoinedStr):
        return False
    text = "".join(
        str(part.value) if isinstance(part, ast.Constant) else f"<{ast.unparse(part.value)}>"  # type: ignore[attr-defined]  # the other kind
        for part in node.values
    )
    return "manifest>/<" in text or "manifest.name>/<" in text


def test_one_module_says_what_a_job_is_called() -> None:
    """`manifest/job` stood in nine places, and the table told jobs apart in another way than the reports."""
    others = [
        f"{name}:{node.lineno}"  # type: ignore[attr-defined]  # expressions have a line
        for name, tree in modules()
        if name != "domain/jobnames.py"
        for node in ast.walk(tree)
        if names_a_job(node)
    ]
    assert others == []
    assert sum(map(names_a_job, ast.walk(ast.parse("f'{job.manifest}/{job.name}'\nf'{manifest.name}/{name}'")))) == 2
