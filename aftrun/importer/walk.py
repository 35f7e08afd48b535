"""What walking over a script is in every language: variables, and loops, which are written out where that is plain."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from aftrun.importer.found import Notebook
from aftrun.importer.marks import unknown
from aftrun.importer.trees import merged, parse, text_of

if TYPE_CHECKING:
    from aftrun.importer.trees import Node

_MOST = 1000
"""Rounds of a loop that are written out."""


class Walker(ABC):
    """Walks over one text. With `line` all of it stands at that line of what was given."""

    def __init__(self, notebook: Notebook, language: str, text: str, line: int) -> None:
        self._notebook, self._line = notebook, line
        self._root = parse(language, text)
        self._variables: dict[str, Any] = {}
        self._set_in: dict[int, frozenset[str]] = {}

    @abstractmethod
    def _children(self, node: Node) -> Any:
        """Walk over what stands below a node; the value of the last statement."""

    @abstractmethod
    def _sets(self, node: Node) -> Iterable[str]:
        """The variables that are set below a node."""

    def _at(self, node: Node) -> int:
        return self._line or node.start_point.row + 1

    def _unknown(self, name: str, why: str, node: Node) -> str:
        return unknown(name, why, self._at(node))

    def _forget(self, names: Iterable[str], node: Node, why: str) -> None:
        for name in names:
            self._variables[name] = self._unknown(name, why, node)

    def _set_in_loop(self, body: Node, node: Node) -> None:
        """What a loop sets is not known in it."""
        if body.id not in self._set_in:
            self._set_in[body.id] = frozenset(self._sets(body))
        self._forget(self._set_in[body.id], node, "it is set in a loop")

    def _merge(self, ways: list[dict[str, Any]], node: Node, how: str) -> None:
        """The variables after several ways through the script."""
        self._variables = merged(ways, lambda name: self._unknown(name, f"it is set {how}", node))

    def _loop(self, node: Node) -> None:
        """A loop of which nobody knows how often it runs."""
        before = dict(self._variables)
        self._set_in_loop(node, node)
        with self._notebook.inside(f"in the loop at line {self._at(node)}; now it runs once"):
            self._children(node)
        self._merge([before, self._variables], node, "in a loop")

    def _each(self, name: str, items: Sequence[Any], body: Node, node: Node) -> None:
        """A loop over a list that is known is written out; jobs that are the same each time count once."""
        before = dict(self._variables)
        leaves = re.search(r"\b(break|continue)\b", text_of(body), re.IGNORECASE)
        short = f", though its `{leaves[0]}` may have left some out" if leaves else ""
        for item in items[:_MOST]:
            self._set_in_loop(body, node)
            self._variables[name] = item
            with self._notebook.inside(
                f"in the loop at line {self._at(node)}, which is written out: each job that differs stands here "
                f"once{short}"
            ):
                self._children(body)
        self._merge([before, self._variables], node, "in a loop")
