"""A manifest's text without the keys that somebody wrote into it, fit to be kept with a run."""

from __future__ import annotations

from collections.abc import Iterator

from aftrun.manifest.nodes import MapNode, Node, ScalarNode, Source
from aftrun.manifest.source import documents
from aftrun.model import DEFAULT_KEY_VARIABLE


def _keys(root: Node) -> Iterator[ScalarNode]:
    """Every literal `apiKey` of `server` and `servers`."""
    if not isinstance(root, MapNode):
        return
    holders = [root.get("server")]
    servers = root.get("servers")
    if isinstance(servers, MapNode):
        holders += servers.values
    for holder in holders:
        key = holder.get("apiKey") if isinstance(holder, MapNode) else None
        if isinstance(key, ScalarNode) and "${" not in key.text and not key.is_null:
            yield key


def _offset(source: Source, line: int, column: int, starts: list[int]) -> int:
    """Where a place is in the file's bytes; columns count characters."""
    return starts[line - 1] + len(source.line(line)[: column - 1].encode("utf-8"))


def without_keys(path: str, data: bytes) -> bytes:
    """The file's bytes with every literal API key replaced by `${AFT_API_KEY}`, everything else untouched.

    `data` has been loaded without errors before.
    """
    if b"apiKey" not in data:
        return data
    source = Source(path, data)
    found = {
        (key.line, key.column, key.end_line, key.end_column): key
        for root in documents(source, [])
        for key in _keys(root)
        if key.source.path == path
    }
    if not found:
        return data
    text = source.data
    starts = [0]
    position = 0
    while (position := text.find(b"\n", position) + 1) > 0:
        starts.append(position)
    for line, column, end_line, end_column in sorted(found, reverse=True):
        start, end = _offset(source, line, column, starts), _offset(source, end_line, end_column, starts)
        text = text[:start] + f'"${{{DEFAULT_KEY_VARIABLE}}}"'.encode() + text[end:]
    return text
