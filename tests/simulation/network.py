"""What comes back over a simulated connection, read by the real client.

A server answers with bytes (`Said`) or the connection breaks in some phase (`Broke`). Both go through the real
`aftrun.client.client.AftClient`: an adapter takes the place of the one that opens sockets, and everything above it
(limits, decoding, the reading of job infos, what a broken connection proves) is the real thing.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import requests
import requests.adapters
import urllib3

from aftrun.client.client import AftClient
from aftrun.client.transport import Phase
from aftrun.domain.model import Endpoint, Json, Reply


@dataclass(frozen=True, slots=True)
class Said:
    """An HTTP answer, as it came over the wire."""

    status: int
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    """The connection was lost in the middle of the body."""


@dataclass(frozen=True, slots=True)
class Broke:
    """No answer: the connection broke."""

    how: str
    """A key of `BREAKS`."""


Exchange = Said | Broke


def _refused() -> BaseException:
    return ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate")


BREAKS: Mapping[str, tuple[Phase, bool, Callable[[], BaseException]]] = {
    "name": (Phase.NAME, False, lambda: socket.gaierror(-2, "Name or service not known")),
    "refused": (Phase.CONNECT, False, lambda: ConnectionRefusedError(111, "Connection refused")),
    "unreachable": (Phase.CONNECT, False, lambda: TimeoutError("timed out")),
    "handshake": (Phase.HANDSHAKE, False, lambda: ConnectionResetError(104, "Connection reset by peer")),
    "certificate": (Phase.HANDSHAKE, False, _refused),
    "unsent": (Phase.SEND, False, lambda: BrokenPipeError(32, "Broken pipe")),
    "halfway": (Phase.SEND, True, lambda: ConnectionResetError(104, "Connection reset by peer")),
    "lost": (Phase.ANSWER, True, lambda: http.client.RemoteDisconnected("Remote end closed connection")),
    "silent": (Phase.ANSWER, True, lambda: TimeoutError("timed out")),
}
"""How connections break: the phase, whether a byte of the request may have left, and the error of the library."""


class _Adapter(requests.adapters.HTTPAdapter):
    """Stands where sockets are opened: hands out one exchange, in the form in which it comes from urllib3."""

    def __init__(self, door: AftClient) -> None:
        super().__init__()
        self._trace = door._trace
        self.exchange: Exchange = Said(500)

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        said = self.exchange
        if isinstance(said, Broke):
            self._trace.phase, self._trace.sent, error = BREAKS[said.how]
            self._trace.error = error()
            raise requests.ConnectionError(said.how)
        self._trace.phase, self._trace.sent = Phase.ANSWER, True
        headers = [*said.headers]
        if said.cut:
            headers.append(("Content-Length", str(len(said.body) + 100)))
        raw = urllib3.HTTPResponse(
            body=io.BytesIO(said.body),
            headers=urllib3.HTTPHeaderDict(headers),
            status=said.status,
            preload_content=False,
            enforce_content_length=True,
            request_method=request.method,
        )
        return self.build_response(request, raw)


class Reader:
    """The real client's reading of exchanges.

    Equal bytes are read once: the reading depends on nothing else (but for a date in `Retry-After`), and a simulated
    server says the same few things millions of times.
    """

    def __init__(self) -> None:
        self._now: Callable[[], float] = lambda: 0.0
        self._door = AftClient(Endpoint(url="http://127.0.0.1:44399"), environ={}, clock=self._time)
        self._door._looked = True  # a refused certificate is not fetched again, to be described: there is none
        self._adapter = _Adapter(self._door)
        self._door._session.mount("http://", self._adapter)
        self._known: dict[tuple[str | None, Exchange], Reply] = {}

    def _time(self) -> float:
        return self._now()

    def read(self, job_id: str | None, exchange: Exchange, now: Callable[[], float]) -> Reply:
        """What the client makes of an exchange: of a status read of `job_id`, or of a POST (None)."""
        known = self._known.get((job_id, exchange))
        if known is not None:
            return known
        self._now = now
        self._adapter.exchange = exchange
        found = self._door.submit({}) if job_id is None else self._door.status(job_id)
        dated = isinstance(exchange, Said) and any(
            name == "Retry-After" and not value.isdigit() for name, value in exchange.headers
        )
        if not dated:
            if len(self._known) > 50_000:
                self._known.clear()
            self._known[job_id, exchange] = found
        return found


class Behind(Protocol):
    """The server at the other end."""

    def post(self, body: Mapping[str, Json]) -> Exchange:
        """A submission arrives."""
        ...

    def get(self, job_id: str) -> Exchange:
        """A status read arrives."""
        ...


class SimDoor:
    """A scheduler's `JobApi` to a simulated server."""

    def __init__(self, server: Behind, reader: Reader, now: Callable[[], float]) -> None:
        self.server, self._reader, self._now = server, reader, now

    def submit(self, body: Mapping[str, Json]) -> Reply:
        """POST one job."""
        return self._reader.read(None, self.server.post(body), self._now)

    def status(self, job_id: str) -> Reply:
        """GET one job info."""
        return self._reader.read(job_id, self.server.get(job_id), self._now)
