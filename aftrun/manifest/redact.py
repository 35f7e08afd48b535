"""A manifest's text without the keys that somebody wrote into it, fit to be kept with a run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aftrun.domain.model import DEFAULT_KEY_VARIABLE
from aftrun.domain.values import Outside, Template
from aftrun.manifest.build import expand
from aftrun.manifest.parse.nodes import MapNode, Node, ScalarNode, Source
from aftrun.manifest.parse.source import documents

_PROPERTIES = re.compile(r"(?:(?:&[^\s,\[\]{}]+|![^\s,\[\]{}]*)\s+)*")
_ANCHOR = re.compile(r"&[^\s,\[\]{}]+")
_DEFAULT = re.compile(r":-.*", re.DOTALL)


def _instead(text: str) -> str | None:
    """The reference that stands in for a key's text; None where the text holds nothing of a key itself."""
    value = expand.parse(text, lambda *_: None)
    references = value.outsides() if isinstance(value, Template) else ()
    if isinstance(value, Template) and all(
        not isinstance(part, str) and not (isinstance(part, Outside) and part.default) for part in value.parts
    ):
        return None
    if not references:
        return "${" + DEFAULT_KEY_VARIABLE + "}"
    return _DEFAULT.sub("}", references[0].text)


def _keys(root: Node) -> Iterator[tuple[ScalarNode, str]]:
    """Every `apiKey` of `server` and `servers` that holds one, and what to put in its place."""
    if not isinstance(root, MapNode):
        return
    holders = [root.get("server")]
    servers = root.get("servers")
    if isinstance(servers, MapNode):
        holders += servers.values
    for holder in holders:
        key = holder.get("apiKey") if isinstance(holder, MapNode) else None
        if isinstance(key, ScalarNode) and not key.is_null and (instead := _instead(key.text)) is not None:
            yield key, instead


def _replaced(old: str, instead: str) -> str:
    """A scalar as it was written, anchor and all, with another value.

    The text of a block scalar reaches to the beginning of what follows it; the line breaks at its end stay.
    """
    properties = _PROPERTIES.match(old)
    anchor = _ANCHOR.search(properties.group()) if properties is not None else None
    end = old[len(old.rstrip()) :]
    return (f"{anchor.group()} " if anchor is not None else "") + f'"{instead}"' + end


def without_keys(path: str, data: bytes) -> bytes:
    """The file's bytes with every literal API key replaced by a reference, everything else untouched.

    The reference is `${AFT_API_KEY}`, or the one whose default the key was. `data` has been loaded without errors
    before.
    """
    if b"apiKey" not in data and b"\\" not in data:  # a key between double quotes may be written with escapes
        return data
    source = Source(path, data)
    found = {
        (source.offset(key.line, key.column), source.offset(key.end_line, key.end_column)): instead
        for root in documents(source, [])
        for key, instead in _keys(root)
        if key.source is source
    }
    text = source.data
    for start, end in sorted(found, reverse=True):
        new = _replaced(text[start:end].decode("utf-8"), found[start, end])
        text = text[:start] + new.encode() + text[end:]
    return data if not found else data[: len(data) - len(source.data)] + text
