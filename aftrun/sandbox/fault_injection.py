"""Faults as they appear on the wire."""

from __future__ import annotations

import asyncio
import base64
import email.utils
import functools
import json
import os
import socket
import struct
import urllib.parse
import zlib
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Json
from aftrun.sandbox.dialects import without_id
from aftrun.sandbox.faults import answered
from aftrun.sandbox.rules import Answer, refusal
from aftrun.sandbox.shapes import Fault, Kind, RetryAfter

_MIB = 1 << 20
_CHUNK = 1 << 16
_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
"""`struct linger`: on, for 0 seconds."""
_HTML = "<!doctype html><html><head><title>Sign in</title></head><body><h1>Please sign in</h1></body></html>"
_GARBAGE = b"\x16\x03\x01\x00\x02SSH-2.0-not-http\r\n\x00\xff\xfe\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Wire:
    """What a fault has to work with."""

    request: web.BaseRequest
    fault: Fault
    answer: Answer
    """What would be answered if nothing went wrong."""
    job_id: str | None
    key: str
    body: Json
    sleep: Callable[[float], Awaitable[None]]
    """Sleeps in the scenario's time."""
    now: float
    """Epoch seconds."""


class Gone(web.StreamResponse):
    """Stands for an answer when the connection was already dealt with: it writes nothing."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing to prepare."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing to write."""


def plain(answer: Answer) -> web.StreamResponse:
    """An answer as it should be."""
    return web.Response(
        body=json.dumps(answer.body).encode(),
        status=answer.status,
        headers=answer.headers,
        content_type="application/json",
    )


def abort(transport: asyncio.BaseTransport | None) -> None:
    """Reset a TCP connection: with a linger of 0 seconds, closing sends RST and throws away what was not yet sent."""
    if not isinstance(transport, asyncio.WriteTransport) or transport.is_closing():
        return
    raw: socket.socket | None = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    transport.abort()


Act = Callable[[Wire], Awaitable[web.StreamResponse]]
ACTS: dict[Kind, Act] = {}
"""What each kind of fault does, by `_act` beside its function."""


def _act(*kinds: Kind) -> Callable[[Act], Act]:
    def register(function: Act) -> Act:
        ACTS.update(dict.fromkeys(kinds, function))
        return function

    return register


async def perform(wire: Wire) -> web.StreamResponse:
    """Answer a request in the way of its fault."""
    return await ACTS[wire.fault.kind](wire)


@_act(Kind.RESET, Kind.CUT)
async def _reset(wire: Wire) -> web.StreamResponse:
    abort(wire.request.transport)
    return Gone()


@_act(Kind.CLOSE)
async def _close(wire: Wire) -> web.StreamResponse:
    if wire.request.transport is not None:
        wire.request.transport.close()
    return Gone()


@_act(Kind.STATUS, Kind.NOT_FOUND)
async def _status(wire: Wire) -> web.StreamResponse:
    status = answered(wire.fault, wire.answer) or 500
    headers = {} if wire.fault.retry_after is None else {"Retry-After": _retry_after(wire.fault.retry_after, wire.now)}
    if isinstance(wire.fault.body, str):
        return web.Response(text=wire.fault.body, status=status, headers=headers)
    if wire.fault.body is not None:
        return plain(Answer(status, wire.fault.body, headers))
    message = "the job was not found" if wire.fault.kind is Kind.NOT_FOUND else f"the sandbox was told to say {status}"
    return plain(Answer(status, refusal(status, "SANDBOX_FAULT", message).body, headers))


def _retry_after(value: RetryAfter, now: float) -> str:
    if value.text is not None:
        return value.text
    if value.date_in is not None:
        return email.utils.formatdate(now + value.date_in, usegmt=True)
    return str(value.seconds or 0)


@_act(Kind.SLOW)
async def _slow(wire: Wire) -> web.StreamResponse:
    await wire.sleep(wire.fault.delay)
    return plain(wire.answer)


@_act(Kind.HANG)
async def _hang(wire: Wire) -> web.StreamResponse:
    while (transport := wire.request.transport) is not None and not transport.is_closing():
        await asyncio.sleep(0.05)
    return Gone()


@_act(Kind.TRICKLE)
async def _trickle(wire: Wire) -> web.StreamResponse:
    response = web.StreamResponse(status=wire.answer.status, headers={"Content-Type": "application/json"})
    try:
        await response.prepare(wire.request)
        await response.write(b"{")
        while True:
            await wire.sleep(wire.fault.delay)
            await response.write(b" ")
    except ConnectionError:
        return Gone()  # The client had enough, which is the only end there is.


@_act(Kind.TRUNCATE)
async def _truncate(wire: Wire) -> web.StreamResponse:
    body = json.dumps(wire.answer.body).encode()
    head = f"HTTP/1.1 {wire.answer.status} Truncated\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return _raw(wire, head.encode() + b"\r\n\r\n" + body[: len(body) // 2])


@_act(Kind.GARBAGE)
async def _garbage(wire: Wire) -> web.StreamResponse:
    return _raw(wire, _GARBAGE)


def _raw(wire: Wire, data: bytes) -> web.StreamResponse:
    """Send bytes past the HTTP library, then close."""
    transport = wire.request.transport
    if transport is not None and not transport.is_closing():
        transport.write(data)
        transport.close()
    return Gone()


@_act(Kind.HTML)
async def _html(wire: Wire) -> web.StreamResponse:
    return web.Response(text=_HTML, status=wire.fault.code or wire.answer.status, content_type="text/html")


@_act(Kind.BAD_JSON)
async def _bad_json(wire: Wire) -> web.StreamResponse:
    whole = json.dumps(wire.answer.body).encode()
    half = whole[: len(whole) // 2]
    return web.Response(body=half, status=wire.answer.status, content_type="application/json")


@_act(Kind.NO_ID)
async def _no_id(wire: Wire) -> web.StreamResponse:
    body = wire.answer.body
    pruned = without_id(body, wire.job_id or "") if isinstance(body, dict) else body
    return plain(Answer(wire.answer.status, pruned))


@_act(Kind.HUGE)
async def _huge(wire: Wire) -> web.StreamResponse:
    response = web.StreamResponse(status=wire.answer.status, headers={"Content-Type": "application/json"})
    try:
        await response.prepare(wire.request)
        await response.write(b'{"padding":"')
        for _ in range(wire.fault.size * (_MIB // _CHUNK)):
            await response.write(b"0" * _CHUNK)
            # Writing alone does not let the loop turn, and so would not notice a client that is gone.
            await asyncio.sleep(0)
        await response.write(b'",' + json.dumps(wire.answer.body).encode()[1:])
        await response.write_eof()
    except ConnectionError:
        return Gone()  # The client would not take it all, as it should.
    return response


@functools.cache
def _bomb_head(size: int) -> tuple[bytes, int, int]:
    """The gzip stream of `{"padding":"000…`, with `size` MiB of zeros; its checksum; its length once unpacked.

    A block that ends in a full flush stands on its own, so one packed MiB can be repeated: packing takes no time.
    """
    start = b'{"padding":"'
    zeros = b"0" * _MIB
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = zlib.crc32(start)
    for _ in range(size):
        checksum = zlib.crc32(zeros, checksum)
    return first + block * size, checksum, len(start) + size * _MIB


@_act(Kind.GZIP_BOMB)
async def _gzip_bomb(wire: Wire) -> web.StreamResponse:
    head, checksum, length = await asyncio.to_thread(_bomb_head, wire.fault.size)
    end = b'",' + json.dumps(wire.answer.body).encode()[1:]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    tail = packer.compress(end) + packer.flush()
    trailer = struct.pack("<II", zlib.crc32(end, checksum), (length + len(end)) & 0xFFFFFFFF)
    return web.Response(
        body=b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + head + tail + trailer,
        status=wire.answer.status,
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )


@_act(Kind.REDIRECT)
async def _redirect(wire: Wire) -> web.StreamResponse:
    return web.Response(status=wire.fault.code or 307, headers={"Location": wire.fault.to})


@_act(Kind.ECHO_KEY)
async def _echo_key(wire: Wire) -> web.StreamResponse:
    status = answered(wire.fault, wire.answer) or 400
    params: Mapping[str, Json] = {}
    if isinstance(wire.body, dict) and isinstance(given := wire.body.get("params"), dict):
        params = given
    query = urllib.parse.urlencode({"key": wire.key, **params})
    message = f"cannot serve the request with the key {wire.key} and the params {json.dumps(params)}"
    detail: dict[str, Json] = {
        "errorType": "SANDBOX_FAULT",
        "data": {"X-API-Key": wire.key, "params": dict(params)},
        "reason": f"/v1/jobs?{query}",
        "causedBy": base64.b64encode(f"key={wire.key}&{query}".encode()).decode("ascii"),
        "humanReadable": message,
    }
    return plain(Answer(status, {"message": message, "errors": [detail]}))
