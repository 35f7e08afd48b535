"""From the bytes of an answer to JSON, within limits."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from aftrun.domain.model import Json
from aftrun.domain.text import json_fault

LIMIT = 8 * 1024 * 1024
"""Most bytes of a body, after decoding."""

MAX_DEPTH = 100
"""Deepest nesting that is read. A job info has a handful of levels; thousands would overflow the stack of whoever
walks it later."""

MAX_NODES = 100_000
"""Most values in an answer. Each costs Python a hundred bytes, so that 8 MiB of `[],` would be most of a gigabyte; and
as many answers as there are jobs may be held at once."""

STEP = 64 * 1024
"""Bytes taken at a time, from the network and out of a compressed stream."""

_HALF_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


class Unreadable(ValueError):
    """The body is of no use. The argument says why, for people."""


class CutShort(ValueError):
    """A compressed body ends before its end."""


def too_large() -> Unreadable:
    """The error for a body over the limit."""
    return Unreadable(f"the answer is larger than {LIMIT // 1024 // 1024} MiB")


def _inflate(chunks: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """Decompress in small steps: a few KiB can unfold to gigabytes."""
    gzip = coding != "deflate"
    decoder = None
    for chunk in chunks:
        data = chunk
        if decoder is None and data:
            # `deflate` should mean zlib; some servers send the bare stream.
            bare = not gzip and data[0] & 0x0F != 8
            decoder = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32)
        while data and decoder is not None:
            yield decoder.decompress(data, STEP)
            data = decoder.unconsumed_tail
            if decoder.eof:
                data = decoder.unused_data.lstrip(b"\0")
                if not (gzip and data):
                    return
                decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
    if decoder is not None and not decoder.eof:
        while True:  # what the last call held back
            piece = decoder.decompress(b"", STEP)
            if not piece:
                break
            yield piece
        if not decoder.eof:
            raise CutShort("the compressed body ends too early")


def collect(chunks: Iterable[bytes], coding: str = "") -> bytes:
    """The decoded body. `coding` is the `Content-Encoding` header.

    Raises:
        Unreadable: larger than `LIMIT`, an unknown coding, or damaged.
        CutShort: it ends too early.
    """
    coding = coding.strip().lower()
    if coding in ("gzip", "x-gzip", "deflate"):
        chunks = _inflate(chunks, coding)
    elif coding not in ("", "identity"):
        raise Unreadable(f"the answer is encoded as {coding!r}, which aftrun did not ask for")
    parts: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            size += len(chunk)
            if size > LIMIT:
                raise too_large()
            parts.append(chunk)
    except zlib.error as error:
        raise Unreadable("the answer is damaged: it does not decompress") from error
    return b"".join(parts)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        # JSON leaves open which of the two counts. Where that matters, guessing could turn a failure into a success.
        for key, value in pairs:
            if result[key] != value:
                raise Unreadable(f"the answer is not clear: it holds {key!r} twice, with different values")
    return result


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Unreadable("the answer holds a number that is too large")
    return value


def _constant(text: str) -> Any:
    raise Unreadable(f"the answer is not JSON: {text} is no JSON value")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_constant=_constant)


def _depth_is_fine(value: Json) -> bool:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
            if isinstance(child, dict | list)
        ]
        if not level:
            return True
    return False


def _separators(content: bytes) -> int:
    """At least as many as there are values in JSON, before any of them is made."""
    return content.count(b",") + content.count(b"[") + content.count(b"{")


def parse(content: bytes) -> Json:
    """The JSON value that a body is.

    Raises:
        Unreadable: it is none, or none that can be used safely. The argument says why, for people.
    """
    if not content.strip():
        raise Unreadable("the answer is empty")
    if _separators(content) > MAX_NODES and _separators(_STRING.sub(b"", content)) > MAX_NODES:
        raise Unreadable(f"the answer holds more than {MAX_NODES:,} values")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("the answer is not JSON: it is not UTF-8") from error
    try:
        value: Json = _decoder.decode(text)
    except Unreadable:
        raise
    except RecursionError as error:
        raise Unreadable("the answer is nested too deeply") from error
    except ValueError as error:  # JSONDecodeError, or an integer of thousands of digits
        if isinstance(error, json.JSONDecodeError):
            raise Unreadable(f"the answer is not JSON: {json_fault(error)}") from error
        raise Unreadable("the answer holds a number that is too large") from error
    if not _depth_is_fine(value):
        raise Unreadable("the answer is nested too deeply")
    if _HALF_SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise Unreadable("the answer holds text that is not Unicode (half a surrogate pair)") from error
    return value
