"""What we use of other packages that they do not promise to keep: one list, with the versions that were tried.

Python's own `http.client` is one of them. A name that is not listed, or that is listed and no longer used, fails here,
and so does a version that lacks one. The packages have upper bounds, since their next major version may lack any.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import aftrun
from tests import sources
from tests.conftest import ROOT

TRIED = {"urllib3": ("2.2.0", "2.8.0"), "python": ("3.11", "3.13")}
"""The oldest and the newest version that the tests passed with; what is between is taken to be like them."""

OVERRIDDEN = {
    "http.client.HTTPConnection._tunnel",
    "http.client.HTTPResponse._read_status",
    "urllib3.connection.HTTPConnection._new_conn",
    "urllib3.connection.HTTPSConnection._connect_tls_proxy",
    "urllib3.connectionpool.HTTPConnectionPool._get_conn",
    "urllib3.connectionpool.HTTPConnectionPool._new_conn",
    "urllib3.connectionpool.HTTPConnectionPool._put_conn",
    "urllib3.connectionpool.HTTPConnectionPool._validate_conn",
}
"""Methods of theirs that classes of ours replace, and that they call."""

READ = {"urllib3.connection.HTTPConnection._dns_host"}
"""Attributes of theirs that ours read."""

DOCUMENTED = {"_exit", "_run_exitfuncs", "_abc_impl"}
"""Names that begin with `_` and are nobody's secret: `os._exit`, `atexit`'s, which has a docstring for us and is in all
versions of Python 3, and what `abc` adds to every class of its own."""

FOREIGN = (
    "http.",
    "urllib3",
    "requests",
    "yaml",
    "jmespath",
    "jsonschema",
    "typer",
    "click",
    "rich",
    "aiohttp",
    "socketserver",
)


def is_private(name: str) -> bool:
    """Whether a name begins with one `_`."""
    return name.startswith("_") and not name.startswith("__") and name != "_"


def modules() -> Iterator[ModuleType]:
    """All of ours."""
    for found in pkgutil.walk_packages(aftrun.__path__, "aftrun."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def overridden() -> set[str]:
    """Private methods of foreign classes that classes of ours define too, by the class that had each first."""
    names = set()
    for module in modules():
        for ours in vars(module).values():
            if not isinstance(ours, type) or ours.__module__ != module.__name__:
                continue
            theirs = {
                name: f"{each.__module__}.{each.__qualname__}.{name}"
                for each in ours.__mro__
                if each.__module__.startswith(FOREIGN)
                for name in vars(each)
            }
            names |= {theirs[name] for name in vars(ours) if name in theirs and is_private(name)}
    return {each for each in names if each.rpartition(".")[2] not in DOCUMENTED}


def read() -> set[str]:
    """Private attributes that our code reads and nothing of ours defines, and private names that it imports."""
    used, own = set(), set(DOCUMENTED)
    for _, tree in sources.modules():
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(attr=name, ctx=ast.Load()):
                    used.add(name)
                case ast.Attribute(attr=name) | ast.Name(id=name, ctx=ast.Store()):
                    own.add(name)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    own.add(name)
                case ast.ImportFrom(module=module, level=0) if module and not module.startswith("aftrun"):
                    used |= {part for part in module.split(".") if part != "__future__"}
                    used |= {each.name for each in node.names}
                case ast.Import():
                    used |= {part for each in node.names for part in each.name.split(".")}
                case _:
                    pass
    return {name for name in used - own if is_private(name)}


def test_the_list_is_complete_and_holds_nothing_that_is_not_used() -> None:
    """Derived from classes and sources, so that it stays true."""
    assert overridden() == OVERRIDDEN
    assert read() == {name.rpartition(".")[2] for name in READ}


@pytest.mark.parametrize("name", sorted(OVERRIDDEN | READ))
def test_each_name_is_there(name: str) -> None:
    """In what is installed: the locked versions here, others in `make test-oldest` and `make test-newest`."""
    path, kind, attribute = name.rsplit(".", 2)
    theirs = getattr(importlib.import_module(path), kind)
    assert attribute in dir(theirs) or attribute in dir(theirs("localhost"))


def test_packages_with_such_names_have_the_bounds_that_were_tried() -> None:
    """From the oldest that was tried to the next major version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages = {name.partition(".")[0] for name in OVERRIDDEN | READ} - {"http"}
    assert packages | {"python"} == set(TRIED)
    for package in packages:
        (found,) = (each for each in map(Requirement, project["dependencies"]) if each.name == package)
        oldest, newest = map(Version, TRIED[package])
        bounds = {each.operator: Version(each.version) for each in found.specifier}
        assert bounds == {">=": Version(f"{oldest.major}.{oldest.minor}"), "<": Version(str(newest.major + 1))}
        assert oldest <= Version(version(package)) < bounds["<"]
    pythons = [
        each.rpartition(" ")[2]
        for each in project["classifiers"]
        if each.startswith("Programming Language :: Python :: 3.")
    ]
    assert pythons[0] == TRIED["python"][0]
    assert TRIED["python"][1] in pythons
