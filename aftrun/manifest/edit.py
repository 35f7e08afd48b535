"""Words written into a YAML or JSON file where they belong, everything else left as it is: comments, order, quotes.

The text is changed at the places that the parser tells, and then read again: it has to say exactly what it said
before and the new words besides. Where it would not (anchors that several servers share, an unusual layout), it is not
changed at all.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence

from aftrun.domain.errors import Problem, UsageError
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Json, State
from aftrun.domain.values import Origin
from aftrun.domain.words import in_yaml
from aftrun.manifest.parse import nodes
from aftrun.manifest.parse.nodes import ListNode, MapNode, Node, ScalarNode, Source
from aftrun.manifest.parse.source import documents

_BOM = b"\xef\xbb\xbf"
_HEAD = ("version", "name", "description", "include")
"""Keys that stand at the top of a manifest; a `server` goes behind them."""


class CannotEdit(UsageError):
    """The file has a shape in which the words have no safe place: a person has to put them there."""


@dataclass(frozen=True, slots=True)
class _Change:
    """Put `text` in the place of the bytes from `start` to `end`."""

    start: int
    end: int
    text: str


Lists = Mapping[State, Sequence[str]]
"""Words by the state that they stand for."""


def add_words(path: str, data: bytes, server: Origin, lists: Lists) -> bytes:
    """The file with these words under `jobInfo.states` of the server that begins at a place.

    `server` is the origin of a `ServerSpec`: where its mapping begins, or its document, where that has none.

    Raises:
        CannotEdit: there is no place for them that is safe.
    """
    for state, words in lists.items():
        for word in words:
            data = _add(path, data, server, ("jobInfo", "states", state.value), word)
    return data


def place_of_server(path: str, data: bytes) -> Origin:
    """Where `server` begins in a file that describes one, or where it would: the origin for `add_words`.

    Raises:
        CannotEdit: the file holds no mapping.
    """
    for root in _roots(path, data):
        if isinstance(root, MapNode):
            node = root.get("server") or root
            return Origin(path, node.line, node.column)
    raise CannotEdit(f"{path} holds no mapping that words could be put into")


def _roots(path: str, data: bytes) -> list[Node]:
    problems: list[Problem] = []
    found = documents(Source(path, data), problems)
    if problems:
        raise CannotEdit(f"{path} cannot be read as YAML any more")
    return found


def _at(path: str, data: bytes, place: Origin) -> MapNode | None:
    """The mapping that begins at a place: a server's, or a whole document."""
    for root in _roots(path, data):
        if not isinstance(root, MapNode):
            continue
        servers = root.get("servers")
        for node in (root.get("server"), *(servers.values if isinstance(servers, MapNode) else ())):
            if isinstance(node, MapNode) and (node.line, node.column) == (place.line, place.column):
                return node
        if (root.line, root.column) == (place.line, place.column):
            return root
    return None


def _add(path: str, data: bytes, place: Origin, keys: tuple[str, ...], word: str) -> bytes:
    roots = _roots(path, data)
    node = _at(path, data, place)
    if node is None:
        raise CannotEdit(f"{path} has no server at the place where it was read from")
    number = next((index for index, root in enumerate(roots) if root.line <= node.line <= root.end_line), 0)
    steps = list(keys)
    if node.line == roots[number].line and node.column == roots[number].column:
        steps.insert(0, "server")
    wanted = _with(nodes.plain(roots[number]), _way(roots[number], node), steps, word)
    change = _change(node, steps, word, newline="\r\n" if b"\r\n" in data else "\n")
    bom = len(_BOM) if data.startswith(_BOM) else 0
    text = change.text.encode()
    new = data[: bom + change.start] + text + data[bom + change.end :]
    after = [nodes.plain(each) for each in _roots(path, new)]
    before = [nodes.plain(each) for each in roots]
    before[number] = wanted
    if after != before:
        raise CannotEdit(f"{path} has a layout in which the words cannot be put without changing something else")
    return new


def _way(root: Node, wanted: MapNode) -> list[str]:
    """The keys from a document to its server."""
    if not isinstance(root, MapNode) or root.get("server") is wanted:
        return ["server"]
    servers = root.get("servers")
    for name, node in servers.items() if isinstance(servers, MapNode) else ():
        if (node.line, node.column) == (wanted.line, wanted.column):
            return ["servers", name]
    server = root.get("server")
    return ["server"] if server is not None and (server.line, server.column) == (wanted.line, wanted.column) else []


def _with(root: Json, way: Sequence[str], steps: Sequence[str], word: str) -> Json:
    """What the document has to say afterwards."""
    result = copy.deepcopy(root)
    place = result
    for key in (*way, *steps[:-1]):
        if not isinstance(place, dict):
            raise CannotEdit(f"{key!r} stands in something that is no mapping")
        place = place.setdefault(key, {})
    if not isinstance(place, dict):
        raise CannotEdit(f"{steps[-2]!r} is no mapping")
    old = place.get(steps[-1], [])
    place[steps[-1]] = [*(old if isinstance(old, list) else [old]), word]
    return result


def _change(node: MapNode, steps: Sequence[str], word: str, newline: str) -> _Change:
    """What to write, and where, so that `word` stands at the end of the list at these keys below `node`."""
    key, *rest = steps
    inner = node.get(key)
    if inner is None:
        value: Json = [word]
        for each in reversed(rest):
            value = {each: value}
        return _new_key(node, key, value, newline)
    if isinstance(inner, MapNode) and rest:
        return _change(inner, rest, word, newline)
    if isinstance(inner, ListNode) and not rest:
        return _new_item(inner, word, newline)
    if isinstance(inner, ScalarNode) and not rest and not inner.is_null:
        start, end = _span(inner)
        text = inner.source.data[start:end].decode()
        return _Change(start, end, f"[{text}, {_flow(word, inner.source)}]")
    raise CannotEdit(f"{key!r} in line {inner.line} is nothing that words can be added to")


def _span(node: Node) -> tuple[int, int]:
    return node.source.offset(node.line, node.column), node.source.offset(node.end_line, node.end_column)


def _is_flow(node: Node) -> bool:
    start, end = _span(node)
    text = node.source.data[start:end]
    return text[:1] in (b"{", b"[") and text[-1:] in (b"}", b"]")


def _is_json(source: Source) -> bool:
    return source.data.lstrip()[:1] in (b"{", b"[")


def _flow(value: Json, source: Source) -> str:
    """A value on one line, as JSON where the file is JSON."""
    if _is_json(source):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item, source)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item, source) for item in value) + "]"
    return in_yaml(str(value))


def _before_the_bracket(node: Node, text: str, *, empty: bool) -> _Change:
    """Into a flow collection, behind what it holds."""
    _, end = _span(node)
    inside = node.source.data[: end - 1].rstrip()
    comma = "" if empty or inside.endswith(b",") else ", "
    at = end - 1 if empty else len(inside)
    gap = " " if inside.endswith(b",") else ""
    return _Change(at, at, comma + gap + text)


def _new_key(node: MapNode, key: str, value: Json, newline: str) -> _Change:
    if _is_flow(node):
        name = json.dumps(key) if _is_json(node.source) else key
        return _before_the_bracket(node, f"{name}: {_flow(value, node.source)}", empty=not node.names)
    indent = " " * (node.keys[0].column - 1)
    lines = [f"{indent}{line}" for line in _block(key, value, node.source)]
    if key == "server":  # near the top, where people look for it
        head = [name for name in node.names if name in _HEAD]
        after = node.get(head[-1]) if head and node.names[: len(head)] == tuple(head) else None
        if after is None:
            start = node.source.offset(node.line, 1)
            return _Change(start, start, newline.join(lines) + newline)
        return _below(after, lines, newline)
    return _below(node.values[-1], lines, newline)


def _block(key: str, value: Json, source: Source) -> list[str]:
    """A key and its value, one line each, indented by two."""
    if not isinstance(value, dict):
        return [f"{key}: {_flow(value, source)}"]
    inner = [f"  {line}" for name, item in value.items() for line in _block(name, item, source)]
    return [f"{key}:", *inner]


def _below(node: Node, lines: Sequence[str], newline: str) -> _Change:
    """New lines below the last one of a node, and below a comment that stands behind it."""
    source = node.source
    last = node.end_line if node.end_column > 1 else node.end_line - 1
    end = source.offset(last, 1) + len(source.line(last).encode())
    return _Change(end, end, newline + newline.join(lines))


def _new_item(node: ListNode, word: str, newline: str) -> _Change:
    if _is_flow(node):
        return _before_the_bracket(node, _flow(word, node.source), empty=not node.items)
    return _below(node.items[-1], [" " * (node.column - 1) + f"- {in_yaml(word)}"], newline)
