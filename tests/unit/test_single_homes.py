"""Rules that have one home: no other module decides the same thing on its own."""

from __future__ import annotations

import ast
import re

from tests.sources import modules


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


def flattens(node: ast.AST) -> bool:
    """Whether a plain dict is made of the environment, which on Windows then knows cases apart."""
    match node:
        case ast.Dict(keys=keys, values=values):
            return any(key is None and is_environ(value) for key, value in zip(keys, values, strict=True))
        case ast.Call(func=ast.Name(id="dict"), args=args):
            return any(map(is_environ, args))
        case ast.Call(func=ast.Attribute(value=value, attr="copy" | "update"), args=args):
            return is_environ(value) or any(map(is_environ, args))
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return is_environ(left) or is_environ(right)
        case ast.DictComp(generators=loops):
            return any("environ" in ast.unparse(loop.iter) for loop in loops)
    return False


def is_environ(node: ast.AST) -> bool:
    """Whether this is an environment, by its name."""
    return ast.unparse(node).rpartition(".")[2].lstrip("_") == "environ"


def test_nobody_makes_a_plain_dict_of_the_environment() -> None:
    """`domain/environment` lays things over it, and under it."""
    others = [
        f"{name}:{node.lineno}"
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.expr) and flattens(node)
    ]
    assert others == []
    planted = "dict(os.environ)\n{**os.environ, 'a': b}\nos.environ | {}\nenviron.copy()\nx.update(self._environ)"
    assert sum(map(flattens, ast.walk(ast.parse(planted)))) == 5


def asks_c(node: ast.AST) -> bool:
    """Whether the C library is asked for an instant, of which that of Windows knows only some."""
    match node:
        case ast.Attribute(attr="fromtimestamp" | "utcfromtimestamp" | "timestamp" | "mktime" | "ctime"):
            return True
        case ast.Call(func=ast.Attribute(attr="localtime" | "gmtime"), args=[_, *_]):
            return True
        case ast.Call(func=ast.Attribute(attr="astimezone"), args=[]):
            return True
    return False


def test_one_module_makes_instants() -> None:
    """The others raised at certificates that are valid until 9999, on Windows."""
    others = [
        f"{name}:{node.lineno}"
        for name, tree in modules()
        if name != "domain/instants.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.expr) and asks_c(node)
    ]
    assert others == []
    planted = "datetime.fromtimestamp(1)\ndate.timestamp()\ntime.localtime(1)\ndate.astimezone()\ntime.localtime()"
    assert sum(map(asks_c, ast.walk(ast.parse(planted)))) == 4


def test_one_module_makes_the_lines_about_a_run() -> None:
    """A line to paste that names a run says where its record is, unless that goes without saying."""
    others = [
        f"{name}:{node.lineno}"
        for name, tree in modules()
        if name not in ("system/lines.py", *WITHOUT_THE_FLAG)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        and re.search(r"aftrun (?:resume|retry|show|watch|report|settle|learn|wait|status) ", ast.unparse(node))
    ]
    assert others == []


WITHOUT_THE_FLAG = {
    "report/html.py": "a page that anybody may read elsewhere",
    "cli/running.py": "adds the flag to all of its own",
    "run/converge.py": "the same",
}
"""Modules whose lines are whole without the home of such lines, and why."""
