"""What a connection of its own costs a POST: with the TLS session resumed, and with a whole handshake each time.

One client, one thread, HTTPS over loopback to `benchmarks.lean` in a process of its own. The three kinds take turns,
and the medians of a request are compared. Over a real network a new connection adds two round trips (TCP and TLS 1.3),
which loopback does not show; what it shows is the work.
"""

from __future__ import annotations

import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aftrun.client import tls
from aftrun.client.client import AftClient
from aftrun.domain.model import Answer, Endpoint
from benchmarks.common import Row, run
from benchmarks.lean import LeanServer

BODY = {"scriptName": "My Backup Job"}


def context_of(door: AftClient) -> ssl.SSLContext:
    """The client's own."""
    adapter: Any = door._session.get_adapter("https://")  # noqa: SLF001  # the client itself offers no such choice
    context: ssl.SSLContext = adapter._context  # noqa: SLF001  # the same
    return context


def one(door: AftClient, kind: str) -> float:
    """Seconds of one POST. `kept` and `whole` undo by hand what the client does by itself (`resumed`)."""
    trace = door._trace  # noqa: SLF001  # the same
    begin = trace.begin
    if kind == "kept":
        trace.begin = lambda *, alone: begin(alone=False)  # type: ignore[method-assign]  # only here
    elif kind == "whole":
        tls.forget_session(context_of(door))
    began = time.perf_counter()
    reply = door.submit(BODY)
    took = time.perf_counter() - began
    trace.begin = begin  # type: ignore[method-assign]  # as it was
    if not isinstance(reply, Answer) or reply.status != 201:
        raise SystemExit(f"a request went wrong: {reply}")
    return took


def rows(small: bool) -> Iterator[Row]:
    """A new connection against a kept one, and a resumed session against a whole handshake."""
    count = 5 if small else 500
    times: dict[str, list[float]] = {"kept": [], "resumed": [], "whole": []}
    with tempfile.TemporaryDirectory(prefix="aftrun-connections-") as name, LeanServer(Path(name)) as server:
        door = AftClient(Endpoint(url=server.url, ca_file=server.ca_file, api_key="sandbox-key"))
        for kind in times:
            one(door, kind)
        for _ in range(count):
            for kind, seconds in times.items():
                seconds.append(one(door, kind))
        door.close()
    kept, resumed, whole = (statistics.median(times[kind]) for kind in ("kept", "resumed", "whole"))
    show: Callable[[float], str] = lambda seconds: f"{seconds * 1000:.2f} ms"  # noqa: E731  # one use, one line
    what = "a POST over a connection of its own, TLS session resumed"
    yield Row(what, "one over a kept connection", show(resumed), show(kept), resumed / kept, "")
    yield Row(what, "one with a whole handshake", show(resumed), show(whole), resumed / whole, "")


if __name__ == "__main__":
    sys.exit(run(rows))
