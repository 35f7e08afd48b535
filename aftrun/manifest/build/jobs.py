"""Job nodes → `Job`s: names first, since needs point both ways, then everything else.

Nodes are let go as soon as their job is built: with 100,000 jobs, tree and jobs need never be whole at once.
"""

from __future__ import annotations

import functools
import re
from array import array
from collections.abc import Iterator
from typing import Any, TypeVar

from aftrun.domain.model import Job, OnAmbiguous, Outcome, Param, ParamKind, Retry, Script, Selector, When
from aftrun.domain.text import brief, snake
from aftrun.domain.values import Template, Value
from aftrun.manifest.build.fields import Axes, Fields, mapping
from aftrun.manifest.build.graph import Draft
from aftrun.manifest.build.matrix import NO_MATRIX, Combination, combinations, copy_name
from aftrun.manifest.check import layout, lint
from aftrun.manifest.check.diagnostics import Findings
from aftrun.manifest.parse import scalars
from aftrun.manifest.parse.nodes import ListNode, MapNode, Node, ScalarNode

MAX_JOBS = 200_000
"""Jobs of one manifest, copies of matrix jobs counted."""
LONGEST_NAME = 200
_MOST_SHARED = 10_000

_T = TypeVar("_T")
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029/]")
_READ_APART = frozenset(
    {"name", "needs", *(selector.value for selector in Selector), "params", "matrix", "tags", "when", "once"}
)
"""Keys of a job that take no references, or keep them until the run. All others are settled, for each copy."""


@functools.cache
def settled_keys() -> frozenset[str]:
    """The keys of a job that are expanded now, for each copy of the job."""
    return frozenset(layout.keys("job")) - _READ_APART


def _selected(node: MapNode) -> tuple[Selector, Node] | None:
    for selector in Selector:
        found = node.get(selector.value)
        if found is not None:
            return selector, found
    return None


def stem(path: str) -> str:
    """The last part of a path on either kind of system, without its extension."""
    last = re.split(r"[/\\]", path)[-1]
    head, dot, _ = last.rpartition(".")
    return head if dot and head else last


def _default_name(selector: Selector, node: Node) -> str:
    text = node.text if isinstance(node, ScalarNode) else ""
    if selector is Selector.FILE:
        text = stem(text)
    return _UNFIT.sub("-", text)[:LONGEST_NAME]


class Jobs:
    """Builds the jobs of one manifest."""

    def __init__(self, fields: Fields, defaults: MapNode | None, server_names: tuple[str, ...]) -> None:
        self.fields = fields
        self.findings: Findings = fields.findings
        self.defaults = defaults
        self.server_names = server_names
        self.default_params = self._params(mapping(defaults.get("params")) if defaults else None)
        self.default_once: Value = ""
        self.default_once = self._once(defaults)
        self._common: dict[str, Any] | None = None
        self._alike: dict[Any, Any] = {}

    # Names

    def take(self, items: list[Node]) -> tuple[list[Draft], list[Job], array[int]]:
        """Name and build every job and its copies, but for their needs. Takes the nodes out of `items`.

        Returns:
            The drafts, the jobs, and the number of each draft's first job; behind them, the number of all jobs.
        """
        found: list[Draft] = []
        built: list[Job] = []
        starts = array("L", [0])
        items.reverse()
        while items:
            node = items.pop()
            if not isinstance(node, MapNode):
                continue
            name, explicit = self._name(node)
            combos = combinations(self._matrix_node(node), self.fields)
            if len(built) + len(combos) > MAX_JOBS:
                message = f"the manifest has more than {MAX_JOBS:,} jobs, copies of matrix jobs counted"
                self.findings.error(node, "AFT059", message, "split it into several manifests")
                break
            where = (node.get("name") if explicit else None) or node
            copies = () if combos is NO_MATRIX else tuple(copy_name(name, combo) for combo in combos)
            needs = self.fields.fixed_list(node.get("needs"), "'needs'")
            found.append(Draft(where, name, explicit, copies, needs))
            built += self._build(node, found[-1], combos)
            lint.finished(built[starts[-1]], node, bool(needs), self.findings)
            starts.append(len(built))
        return found, built, starts

    def _matrix_node(self, node: MapNode) -> Node | None:
        own = node.get("matrix")
        return own if own is not None or self.defaults is None else self.defaults.get("matrix")

    def _name(self, node: MapNode) -> tuple[str, bool]:
        """A job's name, and whether it was given."""
        given = node.get("name")
        name = self.fields.fixed(given, "a job's name")
        if name and given is not None:
            fault = ""
            if len(name) > LONGEST_NAME:
                fault = f"is longer than {LONGEST_NAME} characters"
            elif _UNFIT.search(name):
                fault = "holds a slash" if "/" in name else "holds a control character or line break"
            elif name != name.strip():
                fault = "begins or ends with a blank"
            if fault:
                hint = "a job is called manifest/job where its name alone is ambiguous" if "slash" in fault else ""
                self.findings.late_error(given, "AFT053", f"the job's name {fault}", hint)
            return name, True
        selected = _selected(node)
        return (_default_name(*selected) if selected else "") or "job", False

    # Contents

    def _shared(self, made: _T) -> _T:
        """The object that another job has already, if it is equal: jobs of one making have much in common."""
        known: _T = self._alike.setdefault(made, made) if len(self._alike) < _MOST_SHARED else made
        return known

    def _build(self, node: MapNode, draft: Draft, combos: tuple[Combination, ...]) -> Iterator[Job]:
        """The job, or its copies."""
        selected = _selected(node)
        value = self.fields.value(selected[1]) if selected else None
        # Without a script the schema has reported it, and the manifest will not be used.
        script = Script(selected[0], value) if selected and value else Script(Selector.NAME, "")
        if not isinstance(value, Template):  # equal ones stand in different places
            script = self._shared(script)
        own = mapping(node.get("params"))
        own_params = self._params(own)
        params = (
            tuple({**self.default_params, **own_params}.values()) if own_params else tuple(self.default_params.values())
        )
        lint.job(node, self.findings)
        constant = self._constant(node)
        once = self._once(node) or self.default_once
        origin = node.origin
        for combo, name in zip(combos, draft.copies or (draft.name,), strict=True):
            settled = self._settled(node, dict(combo))
            yield Job(
                name=name,
                script=script,
                origin=origin,
                params=params,
                once=once,
                matrix=combo,
                template=draft.name if draft.copies else "",
                **constant,
                **settled,
            )

    def _once(self, node: MapNode | None) -> Value:
        found = node.get("once") if node is not None else None
        value = self.fields.kept_shown(found, "'once'") or ""
        if found is not None and not self.default_once:  # a key of its own for each run is the way out of `defaults`
            lint.once(found, value, self.findings)
        return value

    def _params(self, node: MapNode | None) -> dict[str, Param]:
        found: dict[str, Param] = {}
        for name, item in node.items() if node is not None else ():
            value = self.fields.value(item)
            if value is None or not isinstance(item, ScalarNode):
                continue
            kind = scalars.kind(item.text) if item.plain and isinstance(value, str) else ParamKind.TEXT
            found[name] = Param(name, value, kind)
            if "$" in name and (key := node.key(name) if node is not None else None) is not None:
                self.fields.unexpanded(key, "the name of a param")
            lint.param(name, item, value, self.findings)
        return found

    def _constant(self, node: MapNode) -> dict[str, Any]:
        """Fields that take no references: the same for all copies."""
        found: dict[str, Any] = {}
        for source in (self.defaults, node):
            if source is None:
                continue
            for name, value in source.picked(("tags", "when")):
                if name == "tags":
                    words = dict.fromkeys(text for text, _ in self.fields.fixed_list(value, "a tag"))
                    found["tags"] = self._shared(tuple(words))
                else:
                    word = self.fields.fixed(value, "'when'")
                    if word in layout.words("job", "when"):
                        found["when"] = When(word)
        return found

    def _settled(self, node: MapNode, axes: Axes) -> dict[str, Any]:
        """Fields that are expanded now, defaults below."""
        own = self._read(node, axes)
        if self.defaults is None:
            return own
        if axes or self._common is None:
            common = self._read(self.defaults, axes, skip=frozenset(node.names) if axes else frozenset())
            if not axes:
                self._common = common
        else:
            common = self._common
        return {**common, **own} if common else own

    def _read(self, node: MapNode, axes: Axes, skip: frozenset[str] = frozenset()) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in node.picked(settled_keys() - skip if skip else settled_keys()):
            result = self._field(name, value, axes)
            if result is not None:
                found[snake(name)] = result
        return found

    def _field(self, name: str, node: Node, axes: Axes) -> Any:
        """The value of a settled field; one that is not named here is text that people see."""
        fields, what = self.fields, f"{name!r}"
        match name:
            case "timeout" | "queueTimeout":
                return fields.duration(node, what, axes)
            case "wait" | "allowFailure":
                return fields.flag(node, what, axes)
            case "retry":
                return self._retry(mapping(node), axes)
            case "onAmbiguous":
                word = fields.choice(node, "job", name, axes)
                return OnAmbiguous(word) if word else None
            case "expect":
                items = node.items if isinstance(node, ListNode) else (node,)
                found = (fields.jmespath(item, what, axes) for item in items)
                return tuple(text for text in found if text)
            case "outputs":
                return self._outputs(mapping(node), axes)
            case "server":
                return self._server(node, axes)
            case _:
                return fields.shown(node, what, axes)

    def _server(self, node: Node, axes: Axes) -> str | None:
        name = self.fields.shown(node, "'server'", axes)
        if name and name not in self.server_names:
            lint.unknown_server(node, name, self.server_names, self.findings)
        return name

    def _outputs(self, node: MapNode | None, axes: Axes) -> tuple[tuple[str, str], ...]:
        found = []
        for key, item in node.pairs() if node is not None else ():
            if not re.fullmatch(r"[^.\s:{}$]+", key.text):
                message = f"the output's name {brief(key.text)!r} cannot be used in ${{{{ jobs.NAME.outputs.x }}}}"
                self.findings.error(key, "AFT026", message, "use letters, digits, - and _")
            expression = self.fields.jmespath(item, f"output {brief(key.text)!r}", axes)
            if expression:
                found.append((key.text, expression))
        return tuple(found)

    def _retry(self, node: MapNode | None, axes: Axes) -> Retry | None:
        if node is None:
            return None
        fields = self.fields
        backoff = mapping(node.get("backoff"))
        words = [text for text, _ in fields.fixed_list(node.get("on"), "'on'")]
        values: dict[str, Any] = {"limit": fields.integer(node.get("limit"), "retry", "limit", axes)}
        if words:
            values["on"] = tuple(Outcome(word) for word in dict.fromkeys(words) if word in layout.words("retry", "on"))
        if backoff is not None:
            values["duration"] = fields.duration(backoff.get("duration"), "'duration'", axes, zero=True)
            values["factor"] = fields.number(backoff.get("factor"), "backoff", "factor", axes)
            values["cap"] = fields.duration(backoff.get("cap"), "'cap'", axes, zero=True)
        return self._shared(Retry(**{key: value for key, value in values.items() if value is not None}))
