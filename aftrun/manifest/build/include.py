"""`include`: other manifests, merged at the level of nodes, so that every message still names the right file.

Included files come first, in order, and this file wins. `server`, `strategy`, `notify`, `vars` and `defaults` are
merged by key, `defaults.params` and `servers` by name and then by key; jobs are strung together, included ones first.
What tells how to trust a server (`tls`) is never mixed from two files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from aftrun.domain.errors import Problem
from aftrun.domain.text import brief
from aftrun.manifest.build.fields import Fields
from aftrun.manifest.check import layout, schema
from aftrun.manifest.check.diagnostics import Findings
from aftrun.manifest.parse.nodes import ListNode, MapNode, Node, ScalarNode, Source
from aftrun.manifest.parse.source import documents

MAX_FILES = 100

_DEEPER = {"defaults": ("params",)}
"""Below the manifest's own keys: what is merged by key again. All else that a file says replaces what it includes."""


class Reader(Protocol):
    """Where files come from."""

    on_disk: bool

    def root(self, folder: str) -> str:
        """The folder that files of a manifest in `folder` may be in, or below it; absolute."""

    def open(self, path: str) -> Source:
        """A file's contents. Raises OSError where they cannot be had."""

    def identity(self, path: str) -> object:
        """Equal for two paths of one file; None where there is none."""

    def same(self, path: str, first: str) -> None:
        """Two paths turned out to be one file."""


def _merged(under: MapNode, over: MapNode, where: str) -> MapNode:
    """Two mappings as one; where both have a key, `over` has its way."""
    keys = {key.text: key for key in under.keys}
    values = {key.text: value for key, value in under.pairs()}
    for key, value in over.pairs():
        old = values.get(key.text)
        merged = _DEEPER.get(where, ()) if where else layout.mappings("manifest")
        deeper = where == "servers" or key.text in merged
        if deeper and isinstance(old, MapNode) and isinstance(value, MapNode):
            value = _merged(old, value, key.text if where != "servers" else "server")  # noqa: PLW2901 - it is the value
        keys[key.text] = key
        values[key.text] = value
    return over.copy(tuple(keys.values()), tuple(values.values()))


def as_many(document: MapNode) -> MapNode:
    """The one-job form as a list of one job; the other form as it is."""
    if not schema.is_single(document):
        return document
    # What has no meaning in a single job the schema has refused; nothing more need be said about what it holds.
    beside, refused = layout.beside_the_job(), layout.of_many_jobs()
    job = [(key, value) for key, value in document.pairs() if key.text not in beside | refused]
    rest = [(key, value) for key, value in document.pairs() if key.text in beside]
    node = document.copy(tuple(key for key, _ in job), tuple(value for _, value in job))
    place = (document.source, document.line, document.column, document.end_line, document.end_column)
    key = ScalarNode(*place, "jobs", True)
    keys = (*(key for key, _ in rest), key)
    return document.copy(keys, (*(value for _, value in rest), ListNode(*place, (node,))))


class Includer:
    """Merges what one top manifest includes."""

    def __init__(self, top: Source, reader: Reader, findings: Findings) -> None:
        """`top` is the manifest that the includes begin with, `reader` where files come from."""
        self.reader = reader
        self.findings = findings
        self.root = reader.root(top.folder)
        self.fields = Fields(findings, None)
        self.done: dict[object, str] = {}
        """Every file, by what it is, with the path under which it was met first."""
        self.incomplete = False
        """Whether something that was to be included is not there."""

    def merge(self, document: MapNode) -> tuple[MapNode, list[Node]]:
        """The document with everything that it includes, and all jobs in order."""
        source = document.source
        self.done[self.reader.identity(source.path) or source.path] = source.path
        return self._merge(document, (source.path,))

    def _merge(self, document: MapNode, trail: tuple[str, ...]) -> tuple[MapNode, list[Node]]:
        document = as_many(document)
        jobs: list[Node] = []
        base: MapNode | None = None
        for name, node in self.fields.fixed_list(document.get("include"), "'include'"):
            included = self._load(name, node, trail)
            if included is None:
                continue
            inner, inner_jobs = self._merge(included, (*trail, included.source.path))
            inner = _without(inner, layout.of_the_file())
            base = inner if base is None else _merged(base, inner, "")
            jobs += inner_jobs
        own = document.get("jobs")
        if isinstance(own, ListNode):
            jobs += own.items
            own.items = ()  # so that each job's nodes can go when the job is built
        document = _without(document, {"jobs"})
        return (document if base is None else _merged(_without(base, {"jobs"}), document, "")), jobs

    def _load(self, name: str, node: Node, trail: tuple[str, ...]) -> MapNode | None:
        if "\0" in name:
            self._error(node, f"{brief(name)} cannot be included: no file can have this name")
            return None
        path = os.path.normpath(os.path.join(node.source.folder, name))  # noqa: PTH118 - text in, text out
        whole = os.path.abspath(path)  # noqa: PTH100 - as above
        if not self._inside(whole):
            hint = "move it beside the manifest or below, or into the same git work tree"
            self._error(node, f"{brief(name)} lies outside the folder of the manifest, and of its git work tree", hint)
            return None
        this = self.reader.identity(path) or whole
        first = self.done.get(this)
        if first is None:
            self.done[this] = path
        elif first in trail:
            names = " → ".join([*trail, path])
            self._error(node, f"the files include each other in a circle: {names}", "remove one of the includes")
            return None
        else:  # two ways to one file: once is enough
            self.reader.same(path, first)
            return None
        if len(self.done) > MAX_FILES:
            self._error(node, f"more than {MAX_FILES} files are included")
            return None
        try:
            source = self.reader.open(path)
        except OSError as error:
            reason = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror or "unreadable"
            hint = "the path is relative to the file that includes it"
            self._error(node, f"{brief(name)} cannot be included: {reason}", hint)
            return None
        return self._document(source, name, node)

    def _document(self, source: Source, name: str, node: Node) -> MapNode | None:
        found: list[Problem] = []
        roots = documents(source, found)
        for problem in found:
            self.findings.add(problem)
        if len(roots) != 1:
            self.incomplete = True
            if not found:
                count = (
                    "holds no manifest" if not roots else "holds several documents; only files with one can be included"
                )
                self._error(node, f"{brief(name)} {count}")
            return None
        checked = schema.check(roots[0], self.findings)
        self.incomplete |= checked is None
        return checked

    def _inside(self, whole: str) -> bool:
        """Whether a file is where includes stay. What is not on disk has been kept with a run, and was."""
        # A link that leads to itself is resolved by no `Path.resolve` of Python 3.11 and 3.12.
        return not self.reader.on_disk or Path(os.path.realpath(whole)).is_relative_to(self.root)

    def _error(self, node: Node, message: str, hint: str = "") -> None:
        self.incomplete = True
        self.findings.error(node, "AFT055", message, hint)


def _without(node: MapNode, names: Iterable[str]) -> MapNode:
    unwanted = set(names)
    pairs = [(key, value) for key, value in node.pairs() if key.text not in unwanted]
    return node.copy(tuple(key for key, _ in pairs), tuple(value for _, value in pairs))
