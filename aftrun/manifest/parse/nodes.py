"""A YAML document as a light tree in which every node knows its place.

Slotted classes with a handful of integers, not dataclasses: a manifest of 100,000 jobs makes a million of these.

Scalars and mappings have a slot or two that nothing uses. Python keeps objects of about one size together, and gives
memory back for others once all of those are gone. Without the slots, nodes would lie among texts of 32 to 47 characters
that stay, and the memory of a whole tree would be lost to the jobs that are made of it.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
from array import array
from bisect import bisect_left
from collections.abc import Callable, Container, Iterator

from aftrun.domain.errors import Problem, Severity
from aftrun.domain.model import Json
from aftrun.domain.values import Origin
from aftrun.manifest.parse import scalars

_BREAK = re.compile(rb"\r\n|\n|\r")
_PLACE = struct.Struct("<4I?")
_SIZE = _PLACE.size
_unpack_from = _PLACE.unpack_from
pack = _PLACE.pack
"""Line, column, the same of the end, and whether it is plain: a scalar as `ScalarNode.packed` gives it."""
_DOLLAR = re.compile(r"\$")
_BOM = b"\xef\xbb\xbf"


class Source:
    """One file: its path as people know it (`-` for standard input) and its bytes."""

    __slots__ = ("_digest", "_last", "_starts", "data", "has_comments", "path")

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.data = data.removeprefix(_BOM)
        self.has_comments = b" #" in self.data
        """Whether there may be a comment behind a value."""
        self._starts: array[int] | None = None
        self._last = (0, "")
        self._digest = ""

    @property
    def sha256(self) -> str:
        """The digest of its bytes, worked out once, however many documents ask."""
        if not self._digest:
            self._digest = hashlib.sha256(self.data).hexdigest()
        return self._digest

    @property
    def folder(self) -> str:
        """What relative paths in this file are relative to; empty for the working directory."""
        return "" if self.path == "-" else os.path.dirname(self.path)  # noqa: PTH120 - text in, text out

    def _index(self) -> array[int]:
        """Where each line begins."""
        if self._starts is None:
            self._starts = array("L", [0])
            self._starts.extend(match.end() for match in _BREAK.finditer(self.data))
        return self._starts

    def offset(self, line: int, column: int) -> int:
        """Where a place is in `data`, in bytes. Columns count characters."""
        starts = self._index()
        if line > len(starts):
            return len(self.data)
        return starts[line - 1] + len(self.line(line)[: column - 1].encode("utf-8"))

    def line(self, number: int) -> str:
        """The text of a line, counted from 1, without its line break; empty past the end."""
        starts = self._index()
        if not 1 <= number <= len(starts):
            return ""
        if number != self._last[0]:  # a minified JSON file is one long line that many references ask for
            start = starts[number - 1]
            end = starts[number] if number < len(starts) else len(self.data)
            text = self.data[start:end].decode("utf-8", "replace").rstrip("\r\n")
            self._last = (number, text)
        return self._last[1]

    def problem(self, code: str, message: str, *, hint: str = "", line: int = 1, column: int = 1) -> Problem:
        """An error about the file as a whole, or about a bare place in it."""
        return Problem(code, message, self.path, line, column, hint=hint)


class Node:
    """What all nodes have: a place. Lines and columns count from 1, the end is exclusive."""

    __slots__ = ("column", "end_column", "end_line", "line", "source")

    def __init__(self, source: Source, line: int, column: int, end_line: int, end_column: int) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.end_line = end_line
        self.end_column = end_column

    def place_only(self) -> Node:
        """Its place, without what stands there.

        Who keeps a node of a job beyond the job's building keeps the memory around it from being used again: nodes of
        one job lie side by side. The place is a smaller object and lies elsewhere.
        """
        return Node(self.source, self.line, self.column, self.end_line, self.end_column)

    @property
    def origin(self) -> Origin:
        """Where the node begins."""
        return Origin(self.source.path, self.line, self.column)

    def problem(self, code: str, message: str, hint: str = "", severity: Severity = Severity.ERROR) -> Problem:
        """A finding about this node."""
        return Problem(
            code,
            message,
            self.source.path,
            self.line,
            self.column,
            self.end_line,
            self.end_column,
            severity,
            hint,
        )


class ScalarNode(Node):
    """Text. `plain` is true where it stood without quotes and so may mean a number, a boolean or null."""

    __slots__ = ("_unused", "_unused_too", "plain", "text")

    def __init__(  # noqa: PLR0917 - a million calls: positions are faster than names
        self, source: Source, line: int, column: int, end_line: int, end_column: int, text: str, plain: bool
    ) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.end_line = end_line
        self.end_column = end_column
        self.text = text
        self.plain = plain

    def packed(self) -> bytes:
        """Its place, and whether it is plain: all but its text and its file."""
        return pack(self.line, self.column, self.end_line, self.end_column, self.plain)

    @classmethod
    def unpacked(cls, source: Source, packed: bytes, position: int, text: str) -> ScalarNode:
        """One again, from the packed ones of a file."""
        line, column, end_line, end_column, plain = _unpack_from(packed, position * _SIZE)
        return cls(source, line, column, line if end_line == line else end_line, end_column, text, plain)

    @property
    def is_null(self) -> bool:
        """Whether this is `null`, `~` or nothing at all."""
        return self.plain and scalars.is_null(self.text)

    def places(self) -> Callable[[int], Origin]:
        r"""A function that says where the `$` at an offset of the text stands in the file.

        Escapes, folding and indentation make text and file differ. A `$` is never the fruit of those (except for
        the perverse `\x24`), so the n-th in the text is the n-th in the file.
        """
        path, line, column = self.source.path, self.line, self.column
        width = self.end_column - column
        if line == self.end_line and width in (len(self.text), len(self.text) + 2):
            start = column + (width - len(self.text)) // 2
            return lambda offset: Origin(path, line, start + offset)
        offsets = [match.start() for match in _DOLLAR.finditer(self.text)]
        found: list[tuple[int, int]] = []
        for number in range(line, self.end_line + 1):
            start = column - 1 if number == line else 0
            found += [(number, match.start() + 1) for match in _DOLLAR.finditer(self.source.line(number), start)]

        def place(offset: int) -> Origin:
            nth = bisect_left(offsets, offset)
            return Origin(path, *found[nth]) if nth < len(found) else self.origin

        return place


class ListNode(Node):
    """A sequence."""

    __slots__ = ("items",)

    def __init__(  # noqa: PLR0917 - as above
        self, source: Source, line: int, column: int, end_line: int, end_column: int, items: tuple[Node, ...]
    ) -> None:
        super().__init__(source, line, column, end_line, end_column)
        self.items = items


class MapNode(Node):
    """A mapping: unique keys, in order, each beside its value.

    Keys, and values that are scalars, are kept as text beside their places, which are packed into bytes: as nodes they
    would take more memory than everything else. Nodes are made of them when somebody asks, anew each time.
    """

    __slots__ = ("_kept", "_places", "_unused", "names")

    def __init__(  # noqa: PLR0917 - as above
        self,
        source: Source,
        line: int,
        column: int,
        end_line: int,
        end_column: int,
        names: tuple[str, ...],
        kept: tuple[Node | str, ...],
        places: bytes | tuple[ScalarNode, ...],
    ) -> None:
        """`kept` are the values: scalars of this file as text, where `places` are packed, a key's before its value's.

        Or `places` are the keys as nodes, and all values are nodes, of whatever file.
        """
        super().__init__(source, line, column, end_line, end_column)
        self.names = names
        self._kept = kept
        self._places = places

    def _key(self, position: int) -> ScalarNode:
        if isinstance(self._places, tuple):
            return self._places[position]
        return ScalarNode.unpacked(self.source, self._places, 2 * position, self.names[position])

    def _value(self, position: int) -> Node:
        kept = self._kept[position]
        if not isinstance(kept, str):
            return kept
        line, column, end_line, end_column, plain = _unpack_from(self._places, (2 * position + 1) * _SIZE)  # type: ignore[arg-type]  # text is kept beside bytes alone
        line = self.line if line == self.line else line  # places are kept, and those of a line are to share one int
        return ScalarNode(self.source, line, column, line if end_line == line else end_line, end_column, kept, plain)

    @property
    def keys(self) -> tuple[ScalarNode, ...]:
        """The keys as nodes."""
        return tuple(map(self._key, range(len(self.names))))

    @property
    def values(self) -> tuple[Node, ...]:
        """The values as nodes."""
        return tuple(map(self._value, range(len(self.names))))

    def items(self) -> Iterator[tuple[str, Node]]:
        """Names and values, in order."""
        return zip(self.names, self.values, strict=True)

    def picked(self, names: Container[str]) -> Iterator[tuple[str, Node]]:
        """Names and values of the keys that are among these, in order."""
        for position, name in enumerate(self.names):
            if name in names:
                yield name, self._value(position)

    def said(self) -> Iterator[tuple[str, str, bool, Node | None]]:
        """Of each key its name, and of its value the text, and whether it is plain; or the node, where it is none."""
        for position, (name, kept) in enumerate(zip(self.names, self._kept, strict=True)):
            if isinstance(kept, str):
                yield name, kept, bool(self._places[(2 * position + 2) * _SIZE - 1]), None
            elif isinstance(kept, ScalarNode):
                yield name, kept.text, kept.plain, None
            else:
                yield name, "", False, kept

    def pairs(self) -> Iterator[tuple[ScalarNode, Node]]:
        """Keys as nodes, and values, in order."""
        return zip(self.keys, self.values, strict=True)

    def get(self, name: str) -> Node | None:
        """The value of a key, or None."""
        return self._value(self.names.index(name)) if name in self.names else None

    def key(self, name: str) -> ScalarNode | None:
        """The key itself, or None."""
        return self._key(self.names.index(name)) if name in self.names else None

    def copy(self, keys: tuple[ScalarNode, ...], values: tuple[Node, ...]) -> MapNode:
        """A mapping in the same place with other contents, which may come from several files."""
        place = (self.line, self.column, self.end_line, self.end_column)
        return MapNode(self.source, *place, tuple(key.text for key in keys), values, keys)


def _data(text: str, is_plain: bool) -> Json:
    return scalars.resolve(text) if is_plain else text


def plain(node: Node) -> Json:
    """The node as plain data, by the rules of YAML 1.2's core schema."""
    if isinstance(node, ScalarNode):
        return _data(node.text, node.plain)
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    if isinstance(node, MapNode):
        return {
            name: _data(text, is_plain) if value is None else plain(value)
            for name, text, is_plain, value in node.said()
        }
    raise TypeError(node)
