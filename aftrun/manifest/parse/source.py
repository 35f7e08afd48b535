"""Bytes → a tree of nodes with positions. The only importer of `yaml`.

Built from PyYAML's event stream, because the stream can be stopped: PyYAML's composer has no limits (its C form
crashes the interpreter at some hundred thousand levels), keeps the last of two equal keys without a word, and
reads `on` as true and `12:30` as 750.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from aftrun.domain.errors import Problem
from aftrun.domain.text import brief
from aftrun.manifest.parse import scalars
from aftrun.manifest.parse.nodes import ListNode, MapNode, Node, ScalarNode, Source
from aftrun.manifest.parse.syntax import MAX_BYTES, Shifts, Stop, check_text, join_surrogates, syntax_problem
from aftrun.manifest.parse.tags import kind_of_scalar, wrong_collection_tag

MAX_NODES = 1_000_000
"""Values of a file, each alias counted with everything below it. A key counts together with its value."""
MAX_DEPTH = 64


class _Frame:
    """A mapping or sequence that is still open."""

    __slots__ = ("anchor", "children", "deepest", "event", "is_mapping", "total")

    def __init__(self, event: Any, is_mapping: bool, total: int, depth: int) -> None:
        self.event = event
        self.is_mapping = is_mapping
        self.anchor: str | None = event.anchor
        self.children: list[Node] = []
        self.total = total
        self.deepest = depth

    def awaits_key(self) -> bool:
        """Whether the next node is the key of a mapping."""
        return self.is_mapping and len(self.children) % 2 == 0


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
        self.keys: set[str] = set()
        self.shapes: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.last_line = 0
        self.end_index = 0
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
            while loader.check_event():
                event = loader.get_event()
                self.end_index = event.end_mark.index
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
        ahead = text[self.end_index : mark.index]
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

    def place(self, event: Any) -> tuple[Source, int, int, int, int]:
        """The place of an event, as the first arguments of a node. Nodes of a line share one int for it."""
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
        return self.source, line, column, line if end_line == line else end_line, end_column

    def problem(self, event: Any, code: str, message: str, hint: str = "") -> Problem:
        """A finding at an event."""
        _, line, column, end_line, end_column = self.place(event)
        return Problem(code, message, self.source.path, line, column, end_line, end_column, hint=hint)

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
            self.frames[-1].children.append(node)
        else:
            self.documents.append(node)

    def scalar(self, event: Any) -> None:
        """Text."""
        text: str = event.value
        self.count(event, 0 if self.frames and self.frames[-1].awaits_key() else 1, 1)
        if len(text) < 40 and len(self.memo) < 50_000:  # keys and common values: one string each, however many jobs
            text = self.memo.setdefault(text, text)
        plain, wrong = kind_of_scalar(event.tag, event.implicit[0], text)
        if wrong:
            self.problems.append(self.problem(event, "AFT006", wrong, "remove the tag"))
        self.add(ScalarNode(*self.place(event), text, plain), event.anchor, 1, 1)

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

    def _close(self, event: Any) -> tuple[_Frame, tuple[Source, int, int, int, int], int, int]:
        """Take the innermost open frame off: itself, its place, size and height."""
        frame = self.frames.pop()
        source, line, column, _, _ = self.place(frame.event)
        if frame.children and not frame.event.flow_style:
            # The end mark of a block stands after the blank lines and comments that follow it.
            last = frame.children[-1]
            end_line, end_column = last.end_line, last.end_column
        else:
            _, _, _, end_line, end_column = self.place(event)
        depth = len(self.frames) + 1
        if self.frames and frame.deepest > self.frames[-1].deepest:
            self.frames[-1].deepest = frame.deepest
        size = self.total - frame.total + 1
        return frame, (source, line, column, end_line, end_column), size, frame.deepest - depth + 1

    def end_sequence(self, event: Any) -> None:
        """A sequence is complete."""
        frame, place, size, height = self._close(event)
        self.add(ListNode(*place, tuple(frame.children)), frame.anchor, size, height)

    def end_mapping(self, event: Any) -> None:
        """A mapping is complete."""
        frame, place, size, height = self._close(event)
        keys, values = self.merge(frame.children)
        names = tuple(keys)
        if len(names) < 40 and len(self.shapes) < 10_000:
            names = self.shapes.setdefault(names, names)
        self.add(MapNode(*place, names, MapNode.packed(keys.values()), values), frame.anchor, size, height)

    def merge(self, children: list[Node]) -> tuple[dict[str, ScalarNode], tuple[Node, ...]]:
        """Sort keys from values, refuse what cannot be a key, and follow `<<`."""
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
        return seen, tuple(values)

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
