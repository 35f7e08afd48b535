"""Bytes → a tree of nodes with positions. The only importer of `yaml`.

Built from PyYAML's event stream, because the stream can be stopped: PyYAML's composer has no limits (its C form
crashes the interpreter at some hundred thousand levels), keeps the last of two equal keys without a word, and
reads `on` as true and `12:30` as 750.
"""

from __future__ import annotations

import typing
from bisect import bisect_right
from typing import Any

from aftrun.domain.errors import Problem
from aftrun.domain.text import brief
from aftrun.manifest.parse import scalars
from aftrun.manifest.parse.nodes import ListNode, MapNode, Node, ScalarNode, Source, pack
from aftrun.manifest.parse.syntax import MAX_BYTES, Shifts, Stop, check_text, join_surrogates, syntax_problem
from aftrun.manifest.parse.tags import kind_of_scalar, wrong_collection_tag

MAX_NODES = 1_000_000
"""Values of a file, each alias counted with everything below it. A key counts together with its value."""
MAX_DEPTH = 64


_ELSEWHERE = pack(0, 0, 0, 0, False)
"""Stands for the place of a node that has one of its own."""


class _Frame:
    """A mapping or sequence that is still open."""

    __slots__ = ("anchor", "children", "deepest", "event", "is_mapping", "places", "total")

    def __init__(self, event: Any, is_mapping: bool, total: int, depth: int) -> None:
        self.event = event
        self.is_mapping = is_mapping
        self.anchor: str | None = event.anchor
        self.children: list[Node | str] = []
        """Of a mapping: keys and values in turns, scalars as text."""
        self.places: list[bytes] = []
        """Of a mapping: where those scalars stand."""
        self.total = total
        self.deepest = depth

    def take(self, node: Node) -> None:
        """The next node."""
        if not self.is_mapping:
            self.children.append(node)
        elif isinstance(node, ScalarNode):
            self.children.append(node.text)
            self.places.append(node.packed())
        else:
            self.children.append(node)
            self.places.append(_ELSEWHERE)


class _Reader:
    """Turns the events of one file into nodes, counting as it goes."""

    def __init__(self, source: Source, problems: list[Problem]) -> None:
        self.source = source
        self.problems = problems
        self.documents: list[Node] = []
        self.frames: list[_Frame] = []
        self.anchors: dict[str, tuple[Node, int, int]] = {}
        self.open_anchors: set[str] = set()
        self.total = 0
        self.memo: dict[str, str] = {}
        self.keys: set[Node | str] = set()
        self.shapes: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.last_line = 0
        self.event: Any = None
        self.shifts: Shifts = {}

    def read(self) -> None:
        """Go through all events.

        Raises:
            Stop: a limit was passed, or the text is not YAML.
        """
        import yaml  # noqa: PLC0415 - commands that read no manifest need not pay for it

        data = self.source.data
        if b"\\u" in data[:MAX_BYTES] and self._is_json():
            data, self.shifts = join_surrogates(data)
        try:
            self._events(data)
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            raise Stop(self._too_deep_before(error, data) or syntax_problem(self.source, error)) from None

    def _events(self, data: bytes) -> None:
        import yaml  # noqa: PLC0415 - as above

        loader_class: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        handlers: dict[type[Any], Any] = {
            yaml.ScalarEvent: self.scalar,
            yaml.AliasEvent: self.alias,
            yaml.MappingStartEvent: lambda event: self.start(event, True),
            yaml.SequenceStartEvent: lambda event: self.start(event, False),
            yaml.MappingEndEvent: self.end_mapping,
            yaml.SequenceEndEvent: self.end_sequence,
            yaml.DocumentEndEvent: self.end_document,
        }
        loader = loader_class(data)
        try:
            for event in iter(loader.get_event, None):
                self.event = event
                handler = handlers.get(type(event))
                if handler is not None:
                    handler(event)
        finally:
            loader.dispose()

    def _too_deep_before(self, error: Any, data: bytes) -> Problem | None:
        """The depth limit, where the text passes it before the place of a parser's error.

        A scanner reads up to 1,024 characters ahead of its events, in search of the colon that would make `[…]` a key.
        What stops it there, a mistake or a limit of its own, hides how deep the text already was. So the text up to
        that place is read again: without what stopped the scanner, all the events before it come.
        """
        import yaml  # noqa: PLC0415 - as above

        mark = getattr(error, "problem_mark", None)
        if mark is None:
            return None
        text = data.decode("utf-8")
        ahead = text[self.event.end_mark.index if self.event is not None else 0 : mark.index]
        if len(self.frames) + ahead.count("[") + ahead.count("{") <= MAX_DEPTH:
            return None  # only these open levels ahead of the events
        again = _Reader(self.source, [])
        again.shifts = self.shifts
        try:
            again._events(text[: mark.index].encode())
        except Stop as stop:
            return stop.problem if stop.problem.code == "AFT008" else None
        except (yaml.YAMLError, ValueError, OverflowError):
            pass  # it is cut off in the middle, and was not too deep until there
        return None

    def _is_json(self) -> bool:
        return self.source.path.lower().endswith(".json") or self.source.data.lstrip()[:1] in (b"{", b"[")

    def place(self, event: Any) -> tuple[int, int, int, int]:
        """The place of an event, as arguments of a node. Nodes of a line share one int for it."""
        start, end = event.start_mark, event.end_mark
        line = start.line + 1
        if line == self.last_line:
            line = self.last_line
        else:
            self.last_line = line
        end_line = end.line + 1
        column, end_column = start.column + 1, end.column + 1
        if self.shifts:
            column += 2 * bisect_right(self.shifts.get(line, ()), column)
            end_column += 2 * bisect_right(self.shifts.get(end_line, ()), end_column)
        return line, column, line if end_line == line else end_line, end_column

    def problem(self, event: Any, code: str, message: str, hint: str = "") -> Problem:
        """A finding at an event."""
        return Problem(code, message, self.source.path, *self.place(event), hint=hint)

    def count(self, event: Any, size: int, height: int) -> None:
        """Add nodes to the count.

        Raises:
            Stop: that makes too many, or too deep.
        """
        self.total += size
        depth = len(self.frames) + height
        if self.total > MAX_NODES:
            raise Stop(
                self.problem(
                    event,
                    "AFT008",
                    f"the file has more than {MAX_NODES:,} values (aliases count with all they stand for)",
                    hint="split it into several manifests and give them to one command",
                )
            )
        if depth > MAX_DEPTH:
            raise Stop(self.problem(event, "AFT008", f"the file is nested more than {MAX_DEPTH} levels deep"))
        if self.frames and depth > self.frames[-1].deepest:
            self.frames[-1].deepest = depth

    def add(self, node: Node, anchor: str | None, size: int, height: int) -> None:
        """A node is complete: hand it to what holds it."""
        if anchor is not None:
            self.anchors[anchor] = (node, size, height)
            self.open_anchors.discard(anchor)
        if self.frames:
            self.frames[-1].take(node)
        else:
            self.documents.append(node)

    def scalar(self, event: Any) -> None:
        """Text."""
        text: str = event.value
        mapping = self.frames[-1] if self.frames and self.frames[-1].is_mapping else None
        self.count(event, 0 if mapping is not None and len(mapping.children) % 2 == 0 else 1, 1)
        if len(text) < 40 and len(self.memo) < 50_000:  # keys and common values: one string each, however many jobs
            text = self.memo.setdefault(text, text)
        plain, wrong = kind_of_scalar(event.tag, event.implicit[0], text)
        if wrong:
            self.problems.append(self.problem(event, "AFT006", wrong, "remove the tag"))
        if mapping is not None and event.anchor is None:
            mapping.children.append(text)
            mapping.places.append(pack(*self.place(event), plain))
        else:
            self.add(ScalarNode(self.source, *self.place(event), text, plain), event.anchor, 1, 1)

    def alias(self, event: Any) -> None:
        """`*name`: the very node that the anchor stands for."""
        name: str = event.anchor
        if name in self.open_anchors:
            message = f"the alias *{name} stands inside what it stands for, which would never end"
            raise Stop(self.problem(event, "AFT009", message))
        if name not in self.anchors:
            hint = "write &name before the value it stands for"
            raise Stop(self.problem(event, "AFT009", f"the alias *{name} has no anchor before it", hint))
        node, size, height = self.anchors[name]
        self.count(event, size, height)
        self.add(node, None, size, height)

    def start(self, event: Any, is_mapping: bool) -> None:
        """A mapping or sequence opens."""
        self.count(event, 1, 1)
        wrong = wrong_collection_tag(event.tag)
        if wrong:
            self.problems.append(self.problem(event, "AFT006", wrong, "remove the tag"))
        if event.anchor is not None:
            self.anchors.pop(event.anchor, None)
            self.open_anchors.add(event.anchor)
        self.frames.append(_Frame(event, is_mapping, self.total, len(self.frames) + 1))

    def _node(self, frame: _Frame, position: int) -> Node:
        """One of the children, as a node."""
        child = frame.children[position]
        if isinstance(child, Node):
            return child
        return ScalarNode.unpacked(self.source, frame.places[position], 0, child)

    def _close(self, event: Any) -> tuple[_Frame, tuple[int, int, int, int], int, int]:
        """Take the innermost open frame off: itself, its place, size and height."""
        frame = self.frames.pop()
        line, column, _, _ = self.place(frame.event)
        if frame.children and not frame.event.flow_style:
            # The end mark of a block stands after the blank lines and comments that follow it.
            last = self._node(frame, -1)
            end_line, end_column = last.end_line, last.end_column
        else:
            _, _, end_line, end_column = self.place(event)
        depth = len(self.frames) + 1
        if self.frames and frame.deepest > self.frames[-1].deepest:
            self.frames[-1].deepest = frame.deepest
        size = self.total - frame.total + 1
        return frame, (line, column, end_line, end_column), size, frame.deepest - depth + 1

    def end_sequence(self, event: Any) -> None:
        """A sequence is complete."""
        frame, place, size, height = self._close(event)
        items = tuple(typing.cast("list[Node]", frame.children))
        self.add(ListNode(self.source, *place, items), frame.anchor, size, height)

    def end_mapping(self, event: Any) -> None:
        """A mapping is complete."""
        frame, place, size, height = self._close(event)
        if not self._is_simple(frame.children[::2]):
            self.merge(frame)
        names = tuple(typing.cast("list[str]", frame.children[::2]))
        if len(names) < 40 and len(self.shapes) < 10_000:
            names = self.shapes.setdefault(names, names)
        node = MapNode(self.source, *place, names, tuple(frame.children[1::2]), b"".join(frame.places))
        self.add(node, frame.anchor, size, height)

    def _is_simple(self, keys: list[Node | str]) -> bool:
        """Whether these are keys that others had before, all different: nearly always so."""
        return self.keys.issuperset(keys) and len(set(keys)) == len(keys)

    def merge(self, frame: _Frame) -> None:
        """Sort keys from values, refuse what cannot be a key, and follow `<<`."""
        children = [self._node(frame, position) for position in range(len(frame.children))]
        seen: dict[str, ScalarNode] = {}
        values: list[Node] = []
        merges: list[Node] = []
        first_merge: Node | None = None
        for key, value in zip(children[::2], children[1::2], strict=True):
            if not isinstance(key, ScalarNode):
                self.problems.append(key.problem("AFT007", "a key must be text, not a list or a mapping"))
            elif key.plain and key.text == "<<":
                if first_merge is not None:
                    message = f"the key '<<' is given twice: here and on line {first_merge.line}"
                    self.problems.append(key.problem("AFT005", message, "give it once, with a list: <<: [*a, *b]"))
                first_merge = first_merge or key
                merges += value.items if isinstance(value, ListNode) else (value,)
            elif key.text in seen:
                message = f"the key {brief(key.text)!r} is given twice: here and on line {seen[key.text].line}"
                self.problems.append(key.problem("AFT005", message, "remove one of the two"))
            elif key.plain and key.text not in self.keys and not self._may_be_key(key.text):
                hint = f'put it in quotes: "{brief(key.text)}"' if key.text else "write the key before the colon"
                message = f"a key must be text, and {brief(key.text) or 'nothing'} is not"
                self.problems.append(key.problem("AFT007", message, hint))
            else:
                seen[key.text] = key
                values.append(value)
        for mapping in merges:
            if not isinstance(mapping, MapNode):
                message = "'<<' merges mappings: its value must be an alias of one, or a list of such aliases"
                self.problems.append(mapping.problem("AFT009", message))
                continue
            for key, value in mapping.pairs():
                if key.text not in seen:
                    seen[key.text] = key
                    values.append(value)
        frame.children, frame.places = [], []
        for key, value in zip(seen.values(), values, strict=True):
            frame.take(key)
            frame.take(value)

    def _may_be_key(self, text: str) -> bool:
        """Whether plain text is text. What was found out is kept: jobs of one making have the same keys."""
        good = scalars.is_text(text)
        if good and len(self.keys) < 10_000:
            self.keys.add(text)
        return good

    def end_document(self, _event: Any) -> None:
        """Anchors are forgotten at the end of their document."""
        self.anchors.clear()
        self.open_anchors.clear()


def documents(source: Source, problems: list[Problem]) -> list[Node]:
    """The documents of a file, empty ones left out. What is wrong is appended to `problems`.

    Documents that were complete before the text broke off are returned all the same, so that what is wrong in
    them can be said in the same go.
    """
    reader = _Reader(source, problems)
    try:
        check_text(source)
        reader.read()
    except Stop as stop:
        problems.append(stop.problem)
    return [node for node in reader.documents if not (isinstance(node, ScalarNode) and node.is_null)]
