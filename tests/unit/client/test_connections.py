"""Connections: one of its own for every POST, with the TLS session resumed; kept ones for reads."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from aftrun.client.client import AftClient
from aftrun.domain.model import Answer, Endpoint, Failure, FailureKind
from tests.unit.servers import Handler, Identity, RawServer, Visit, always, issued, response, self_signed

pytestmark = pytest.mark.usefixtures("impatient")

CREATED = response(b'{"id": "1"}', "201 Created")
OK = response(b'{"id": "1"}')
POSTS = 60


def door(server: RawServer, environ: dict[str, str] | None = None, **changes: Any) -> AftClient:
    """A client of a server that shows the usual certificate."""
    pins = () if server.context is None else (issued().pin,)
    return AftClient(
        replace(Endpoint(url=server.url, api_key="k", fingerprints=pins), **changes), environ=environ or {}
    )


def later(seconds: float, answer: bytes = CREATED) -> Callable[[Visit], None]:
    """Answers one request, and closes the connection so much later without saying so."""

    def handle(visit: Visit) -> None:
        if visit.request():
            visit.send(answer)
            visit.stall(seconds)

    return handle


def half_closed(visit: Visit) -> None:
    """Answers one request, says no more, and goes on listening."""
    if visit.request():
        visit.send(CREATED)
        visit.sock.shutdown(socket.SHUT_WR)
        visit.request()


CLOSERS: dict[str, Handler] = {
    "at once": later(0.0),
    "1 ms later": later(0.001),
    "20 ms later": later(0.02),
    "half": half_closed,
    "as announced": later(0.0, response(b'{"id": "1"}', "201 Created", "Connection: close")),
    "never": always(CREATED),
    "HTTP/1.0": later(0.0, b'HTTP/1.0 201 Created\r\n\r\n{"id": "1"}'),
}


def tls_of(version: ssl.TLSVersion | None) -> ssl.SSLContext | None:
    """A server's context for one version of TLS; None: plain HTTP."""
    if version is None:
        return None
    context = issued().server_context()
    context.minimum_version = context.maximum_version = version
    return context


VERSIONS = {"http": None, "TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
@pytest.mark.parametrize("closes", CLOSERS.values(), ids=CLOSERS)
def test_no_post_is_lost_to_a_connection_that_the_server_closes(
    closes: Callable[[Visit], None], version: ssl.TLSVersion | None
) -> None:
    """However soon and quietly a server closes: 60 POSTs, 60 answers, each over a connection of its own."""
    with RawServer(closes, tls_of(version)) as server:
        client = door(server)
        replies = [client.submit({"n": number}) for number in range(POSTS)]
        client.close()
    assert [reply for reply in replies if not isinstance(reply, Answer)] == []
    assert server.connections == POSTS


def test_posts_and_reads_beside_each_other_keep_apart() -> None:
    """Reads in between do not make a POST share their connection, nor do POSTs make them give it up."""
    with RawServer(always(OK), tls_of(ssl.TLSVersion.TLSv1_3)) as server:
        client = door(server)
        for _ in range(5):
            assert isinstance(client.status("1"), Answer)
            assert isinstance(client.submit({}), Answer)
        client.close()
    assert server.connections == 1 + 5


@contextlib.contextmanager
def connect_proxy(target: int) -> Iterator[str]:
    """A proxy on loopback that lets CONNECT through to a port of this machine, whatever was asked for."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def handle(visit: Visit) -> None:
        visit.request()
        with socket.create_connection(("127.0.0.1", target)) as onward:
            visit.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pump, args=(onward, visit.sock), daemon=True)
            back.start()
            pump(visit.sock, onward)
            back.join()

    with RawServer(handle) as proxy:
        yield proxy.url


@pytest.mark.parametrize("name", ["at once", "20 ms later"])
def test_no_post_is_lost_through_a_proxy(name: str) -> None:
    """Each POST has a tunnel of its own, too, and resumes the session inside it."""
    resumed: list[bool] = []

    def handle(visit: Visit) -> None:
        resumed.append(bool(visit.sock.session_reused))  # type: ignore[attr-defined]  # the server speaks TLS
        CLOSERS[name](visit)

    with RawServer(handle, tls_of(ssl.TLSVersion.TLSv1_3)) as server, connect_proxy(server.port) as proxy:
        client = door(server, {"https_proxy": proxy}, url=f"https://aft.example:{server.port}")
        replies = [client.submit({}) for _ in range(20)]
        client.close()
    assert [reply for reply in replies if not isinstance(reply, Answer)] == []
    assert resumed == [False] + [True] * 19


@pytest.mark.parametrize("version", list(VERSIONS.values())[1:], ids=list(VERSIONS)[1:])
@pytest.mark.parametrize("name", ["at once", "as announced", "never"])
def test_every_post_resumes_the_session_of_the_one_before(version: ssl.TLSVersion, name: str) -> None:
    """Only the first handshake is a whole one; a read's connection resumes it, too."""
    resumed: list[bool] = []

    def handle(visit: Visit) -> None:
        resumed.append(bool(visit.sock.session_reused))  # type: ignore[attr-defined]  # the server speaks TLS
        CLOSERS[name](visit)

    with RawServer(handle, tls_of(version)) as server:
        client = door(server)
        for _ in range(10):
            assert isinstance(client.submit({}), Answer)
        assert isinstance(client.status("1"), Answer)
        client.close()
    assert resumed == [False] + [True] * 10


@pytest.mark.parametrize("version", list(VERSIONS.values())[1:], ids=list(VERSIONS)[1:])
def test_a_session_is_looked_at_once(version: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look takes memory for good (6 KiB, with CPython 3.11 and OpenSSL 3): nobody looks at every answer."""
    looks: list[object] = []
    look = vars(ssl.SSLSocket)["session"]

    def counted(sock: ssl.SSLSocket) -> object:
        looks.append(sock)
        return look.fget(sock)

    monkeypatch.setattr(ssl.SSLSocket, "session", property(counted, look.fset))
    with RawServer(CLOSERS["never"], tls_of(version)) as server:
        client = door(server)
        for _ in range(10):
            assert isinstance(client.submit({}), Answer)
            assert isinstance(client.status("1"), Answer)
        client.close()
    assert len(looks) == 1


@pytest.mark.parametrize("before", [1, 2, 3])
def test_a_session_that_the_server_has_forgotten_is_followed_by_another(before: int) -> None:
    """Servers change the keys of their tickets, or take each session once; both cost one whole handshake."""
    resumed: list[bool] = []

    def handle(visit: Visit) -> None:
        resumed.append(bool(visit.sock.session_reused))  # type: ignore[attr-defined]  # the server speaks TLS
        CLOSERS["as announced"](visit)

    with RawServer(handle, tls_of(ssl.TLSVersion.TLSv1_3)) as server:
        client = door(server)
        for number in range(8):
            if number == before:
                server.context = tls_of(ssl.TLSVersion.TLSv1_3)
            assert isinstance(client.submit({}), Answer)
        client.close()
    assert resumed == [False] + [True] * (before - 1) + [False] + [True] * (7 - before)


def test_a_resumed_session_is_held_against_the_pins() -> None:
    """Before a byte of HTTP leaves, the certificate that the session was begun with is checked once more."""
    with RawServer(always(CREATED), tls_of(ssl.TLSVersion.TLSv1_3)) as server:
        client = door(server)
        assert isinstance(client.submit({}), Answer)
        seen = len(server.received)
        object.__setattr__(client._wire, "pins", (bytes(32),))
        reply = client.submit({})
        client.close()
    assert isinstance(reply, Failure)
    assert (reply.kind, reply.sent) == (FailureKind.TLS, False)
    assert server.connections >= 2
    assert len(server.received) == seen


@pytest.mark.parametrize("other", [self_signed, lambda: issued("127.0.0.1", ca="elsewhere")], ids=["self", "issued"])
def test_a_server_with_another_certificate_gets_nothing(other: Callable[[], Identity]) -> None:
    """A kept session is no way around the pin: another server at the same address does a whole handshake, and fails."""
    with RawServer(always(CREATED), tls_of(ssl.TLSVersion.TLSv1_3)) as server:
        client = door(server)
        assert isinstance(client.submit({}), Answer)
        server.context = other().server_context()
        seen = len(server.received)
        reply = client.submit({})
        server.context = tls_of(ssl.TLSVersion.TLSv1_3)
        again = client.submit({})
        client.close()
    assert isinstance(reply, Failure)
    assert (reply.kind, reply.sent) == (FailureKind.TLS, False)
    assert isinstance(again, Answer)
    assert len(server.received) < 2 * seen + 50


def test_a_session_that_the_server_chokes_on_is_not_tried_again() -> None:
    """A handshake that fails proves that nothing was sent; the next one begins anew, without the session."""
    resumed: list[bool] = []

    def handle(visit: Visit) -> None:
        resumed.append(bool(visit.sock.session_reused))  # type: ignore[attr-defined]  # the server speaks TLS
        always(CREATED)(visit)

    with RawServer(handle, tls_of(ssl.TLSVersion.TLSv1_3)) as server:
        client = door(server)
        assert isinstance(client.submit({}), Answer)
        context, server.context = server.context, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # it has no certificate
        broken = client.submit({})
        server.context = context
        assert isinstance(client.submit({}), Answer)
        client.close()
    assert isinstance(broken, Failure)
    assert not broken.sent
    assert resumed == [False, False]


def test_a_read_over_a_connection_that_was_closed_is_made_again() -> None:
    """The server takes the second request of each connection for one too many: no failure is told."""

    def handle(visit: Visit) -> None:
        if visit.request():
            visit.send(OK)
            visit.request()

    for context in (None, tls_of(ssl.TLSVersion.TLSv1_3)):
        with RawServer(handle, context) as server:
            client = door(server)
            replies = [client.status("1") for _ in range(6)]
            client.close()
        assert [reply for reply in replies if not isinstance(reply, Answer)] == []


def test_a_read_that_fails_over_a_fresh_connection_is_told() -> None:
    """Then it says something of the server, and repeating is for those who know the clock."""

    def handle(visit: Visit) -> None:
        visit.request()

    with RawServer(handle) as server:
        reply = door(server).status("1")
    assert isinstance(reply, Failure)
    assert len(server.requests) == 1


def test_a_post_is_never_made_again() -> None:
    """One that was read and not answered may have created a job."""

    def handle(visit: Visit) -> None:
        if visit.request().startswith(b"GET"):
            visit.send(OK)
            visit.request()

    with RawServer(handle) as server:
        client = door(server)
        assert isinstance(client.status("1"), Answer)
        reply = client.submit({})
        client.close()
    assert isinstance(reply, Failure)
    assert reply.sent
    assert [request.split(b" ")[0] for request in server.requests] == [b"GET", b"POST"]
