"""When the network misbehaves: which failure it is, and whether anything can have been sent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from aftrun.client.client import AftClient
from aftrun.domain.model import Answer, Endpoint, Failure, FailureKind
from tests.unit.servers import RawServer, Visit, always, issued, response
from tests.waiting import HANG

pytestmark = pytest.mark.usefixtures("impatient")

KEY = "aft-key-0123456789"
SHORT = 0.2
"""Seconds after which what never comes is given up. What does come has all the time there is."""
OK = response(b'{"id": "1"}')
CREATED = response(b'{"id": "1"}', "201 Created")


def endpoint(url: str, **changes: Any) -> Endpoint:
    """An endpoint that takes any certificate and is not impatient."""
    base = Endpoint(url=url, api_key=KEY, connect_timeout=HANG, read_timeout=HANG)
    return replace(base, insecure=url.startswith("https"), **changes)


def failed(reply: object) -> Failure:
    """The reply as a failure."""
    assert isinstance(reply, Failure), reply
    assert KEY not in reply.message + reply.hint
    return reply


def closed_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_refused() -> None:
    """Nobody listens: provably not sent."""
    port = closed_port()
    reply = failed(AftClient(endpoint(f"https://127.0.0.1:{port}"), environ={}).submit({}))
    assert (reply.kind, reply.sent) == (FailureKind.CONNECT, False)
    assert f"127.0.0.1:{port}" in reply.message
    assert "refused" in reply.message
    assert reply.hint


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".invalid"])
def test_name(host: str) -> None:
    """The name does not resolve: provably not sent."""
    reply = failed(AftClient(endpoint(f"https://{host}:44399"), environ={}).submit({}))
    assert (reply.kind, reply.sent) == (FailureKind.NAME, False)
    assert host in reply.message


def test_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name's first address that leads nowhere does not keep us from the second."""
    real = socket.getaddrinfo
    dead = closed_port()

    def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        return [*real("127.0.0.1", dead, *args, **kwargs), *real("127.0.0.1", port, *args, **kwargs)]

    with RawServer(always(OK)) as server:
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        assert isinstance(
            AftClient(endpoint(server.url.replace("127.0.0.1", "localhost")), environ={}).submit({}), Answer
        )


def test_no_connection_in_time() -> None:
    """A listener whose queue is full never answers: provably not sent."""
    with socket.socket() as listener, contextlib.ExitStack() as fillers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(3):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        place = endpoint(f"http://127.0.0.1:{port}", connect_timeout=SHORT)
        reply = failed(AftClient(place, environ={}, monotonic=stopped).submit({}))
    assert (reply.kind, reply.sent) == (FailureKind.CONNECT, False)
    assert "0.2 s" in reply.message


def stall(visit: Visit) -> None:
    """Say nothing."""
    visit.stall()


def after_request(*steps: Callable[[Visit], None]) -> Callable[[Visit], None]:
    """Read a request, then do these."""

    def handle(visit: Visit) -> None:
        visit.request()
        for step in steps:
            step(visit)

    return handle


def sends(data: bytes) -> Callable[[Visit], None]:
    """Send this."""
    return lambda visit: visit.send(data)


def reset(visit: Visit) -> None:
    """Reset the connection."""
    visit.reset()


def drip(visit: Visit) -> None:
    """Byte after byte until the client goes, so that no single read ever takes long."""
    visit.send(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        visit.send(b"x")


Steps = tuple[Callable[[Visit], None], ...]
HALF = b'HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"id": "1", '
CHUNKED = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ((), FailureKind.LOST),
        ((reset,), FailureKind.LOST),
        ((stall,), FailureKind.TIMEOUT),
        ((sends(b"HTTP/1.1 201 Cre"),), FailureKind.LOST),
        ((sends(HALF),), FailureKind.LOST),
        ((sends(HALF), reset), FailureKind.LOST),
        ((sends(HALF), stall), FailureKind.TIMEOUT),
        ((sends(CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"),), FailureKind.LOST),
        ((sends(CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n"),), FailureKind.LOST),
        ((sends(CHUNKED + b"5\r\n{}"),), FailureKind.LOST),
        ((sends(CHUNKED + b"2\r\n{}\r\n"),), FailureKind.LOST),
        ((sends(b"SSH-2.0-OpenSSH_9.6\r\n"),), FailureKind.LOST),
        ((sends(b"HTTP/1.1 abc OK\r\n\r\n"),), FailureKind.LOST),
        ((sends(b"HTTP/1.1 99 OK\r\n\r\n"),), FailureKind.LOST),
        ((sends(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),), FailureKind.LOST),
        (
            (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"),),
            FailureKind.LOST,
        ),
        ((sends(b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n"),), FailureKind.LOST),
        ((drip,), FailureKind.TIMEOUT),
        ((sends(b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n"), drip), FailureKind.TIMEOUT),
    ],
)
def test_after_the_request_left(steps: Steps, kind: FailureKind, secure: bool) -> None:
    """Once a byte has left, a failure says so. The timeout is for the whole answer: who drips bytes meets it too."""
    context = issued().server_context() if secure else None
    with RawServer(after_request(*steps), context) as server:
        timeout = SHORT if stall in steps else HANG
        clock = Ticking() if drip in steps else stopped
        client = AftClient(endpoint(server.url, read_timeout=timeout), environ={}, monotonic=clock)
        reply = failed(client.submit({"scriptName": "x"}))
        client.close()
    assert (reply.kind, reply.sent) == (kind, True)
    assert f"127.0.0.1:{server.port}" in reply.message


def test_the_status_line_of_a_refusal_counts_even_if_its_body_is_lost() -> None:
    """A 4xx whose explanation never comes is a refusal all the same."""
    with RawServer(after_request(sends(b"HTTP/1.1 404 Not Found\r\nContent-Length: 8000000\r\n\r\n{"), drip)) as server:
        reply = AftClient(endpoint(server.url), environ={}, monotonic=Ticking()).submit({})
    assert isinstance(reply, Answer)
    assert reply.status == 404
    assert "no complete answer" in reply.problem


def test_reset_before_the_request_is_read() -> None:
    """A server that resets at once: the operating system decides how far we get, and the failure says just that."""
    with RawServer(reset) as server:
        reply = failed(AftClient(endpoint(server.url), environ={}).submit({}))
    seen = (reply.kind, reply.sent)
    assert seen in ((FailureKind.LOST, True), (FailureKind.LOST, False), (FailureKind.CONNECT, False))


def test_broken_pipe_before_the_first_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the operating system takes not one byte of the request, it provably did not leave."""
    with RawServer(stall) as server:
        client = AftClient(
            endpoint(server.url, read_timeout=SHORT), environ={}, monotonic=stopped
        )  # it looks for an answer
        real = socket.socket.connect

        def connect_and_shut(sock: socket.socket, address: Any) -> None:
            real(sock, address)
            sock.shutdown(socket.SHUT_WR)  # from here on every send is a broken pipe

        monkeypatch.setattr(socket.socket, "connect", connect_and_shut)
        reply = failed(client.submit({}))
    assert reply.sent is False
    assert bytes(server.received) == b""


def test_handshake_that_never_comes() -> None:
    """A silent server behind an https URL: provably not sent, at the connect timeout."""
    with RawServer(stall) as server:
        place = endpoint(f"https://127.0.0.1:{server.port}", connect_timeout=SHORT)
        reply = failed(AftClient(place, environ={}, monotonic=stopped).submit({}))
    assert (reply.kind, reply.sent) == (FailureKind.CONNECT, False)


@pytest.mark.parametrize("handler", [lambda _: None, reset], ids=["closed", "reset"])
def test_handshake_broken_off(handler: Callable[[Visit], None]) -> None:
    """A connection lost during the handshake may be tried again, since nothing was sent."""
    with RawServer(handler) as server:
        reply = failed(AftClient(endpoint(f"https://127.0.0.1:{server.port}"), environ={}).submit({}))
    assert reply.kind in (FailureKind.LOST, FailureKind.CONNECT)  # a reset may already hit the connecting
    assert reply.sent is False
    assert "_ssl" not in reply.message  # nobody is helped by a line of Python's own
    assert "[" not in reply.message


def test_plain_http_behind_an_https_url() -> None:
    """A server without TLS is named as such."""
    with RawServer(sends(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        reply = failed(AftClient(endpoint(f"https://127.0.0.1:{server.port}"), environ={}).submit({}))
    assert (reply.kind, reply.sent) == (FailureKind.CONNECT, False)
    assert "does not speak TLS" in reply.message
    assert "http://" in reply.hint
    assert "restarting" in reply.hint


class Ticking:
    """A clock on which an eighth of a patient timeout passes each time that somebody looks at it, and nothing else."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time it shows."""
        self.now += HANG / 8
        return self.now


def stopped() -> float:
    """A clock that stands still: each wait can take the whole timeout, and no more."""
    return 0.0


def test_connection_closed_by_the_server_is_not_reused() -> None:
    """A kept-alive connection that the server has closed meanwhile does not make a POST ambiguous."""

    def handle(visit: Visit) -> None:
        visit.request()
        visit.send(OK)

    with RawServer(handle) as server:
        client = AftClient(endpoint(server.url), environ={})
        for _ in range(3):
            assert isinstance(client.submit({}), Answer)
            server.settle()
        client.close()
    assert len(server.requests) == 3


def test_what_follows_an_answer_is_not_the_next_answer() -> None:
    """Bytes that a server sends unasked are never taken for the answer to a later request."""
    with RawServer(always(OK + response(b'{"id": "stray"}'), response(b'{"id": "2"}'))) as server:
        client = AftClient(endpoint(server.url), environ={})
        client.status("1")
        reply = client.status("2")
        client.close()
    assert isinstance(reply, Answer)
    assert reply.info is not None
    assert reply.info.id == "2"


STRAY = response(b'{"status": "succeeded", "exitCode": 0}')
"""It names no id, so that nothing but its place tells whose answer it is."""


def padded(length: int) -> bytes:
    """An answer of so many bytes in all: as many as a reader takes at once leave the stray untouched behind it."""
    body = b'{"id": "1", "status": "running", "pad": "%s"}'
    empty = len(response(body % b"")) + len(str(length)) - len(str(len(body % b"")))
    found = response(body % (b"x" * (length - empty)))
    assert len(found) == length
    return found


def cut_in_chunks(answer: bytes) -> bytes:
    """The same answer, its body in one chunk."""
    body = answer.partition(b"\r\n\r\n")[2]
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    "first",
    [
        *(padded(length) for length in (500, 4096, 8192, 12_288, 8192 + 100)),
        cut_in_chunks(padded(8192 - 3)),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + padded(500),
    ],
    ids=["500", "4096", "8192", "12288", "8292", "chunked", "204", "304", "103"],
)
def test_what_follows_an_answer_in_one_piece_is_no_answer(first: bytes, secure: bool) -> None:
    """Wherever the bytes of the stray are by then: in our buffer, in that of TLS, or with the system."""

    def handle(visit: Visit) -> None:
        while visit.request():
            visit.send(first + STRAY if len(visit.server.requests) == 1 else padded(500))

    with RawServer(handle, issued().server_context() if secure else None) as server:
        client = AftClient(endpoint(server.url), environ={})
        client.status("1")
        reply = client.status("1")
        client.close()
    assert isinstance(reply, Answer), reply
    assert reply.info is not None
    assert reply.info.status == "running"
    assert server.connections == 2


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("pieces", [(CREATED,), (CREATED[:9], CREATED[9:-4], CREATED[-4:])], ids=["one", "three"])
def test_an_answer_that_came_while_nobody_looked_counts(pieces: Sequence[bytes], secure: bool) -> None:
    """The process or the machine was stopped past the deadline: what has come by then is read, without any waiting."""
    sending, sent = threading.Event(), threading.Event()

    def handle(visit: Visit) -> None:
        visit.request()
        visit.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # sent is there: nothing waits on our side
        sending.set()
        for piece in pieces:
            visit.send(piece)
        sent.set()
        visit.stall()

    def clock() -> float:
        if not sending.is_set():
            return 0.0
        assert sent.wait(HANG)
        return 2 * HANG

    with RawServer(handle, issued().server_context() if secure else None) as server:
        client = AftClient(endpoint(server.url), environ={}, monotonic=clock)
        reply = client.submit({})
        client.close()
    assert isinstance(reply, Answer), reply
    assert reply.info is not None
    assert reply.info.id == "1"


def test_a_late_answer_is_not_the_next_answer() -> None:
    """After a timeout the connection is given up, with the answer that may still come over it."""
    given_up = threading.Event()

    def handle(visit: Visit) -> None:
        while visit.request():
            if not given_up.is_set():
                visit.send(b"HTTP/1.1 200 OK\r\nX: ")
                while not given_up.is_set():
                    visit.send(b"x")
                visit.send(b"\r\nContent-Length: 14\r\n\r\n" + b'{"id": "late"}')
            else:
                visit.send(response(b'{"id": "2"}'))

    with RawServer(handle) as server:
        client = AftClient(endpoint(server.url), environ={}, monotonic=Ticking())
        assert failed(client.status("1")).kind is FailureKind.TIMEOUT
        given_up.set()
        reply = client.status("2")
        client.close()
    assert isinstance(reply, Answer)
    assert reply.info is not None
    assert reply.info.id == "2"


def test_server_that_does_not_read() -> None:
    """A body that the server does not take ends at the read timeout, as sent."""
    with RawServer(stall) as server:
        client = AftClient(endpoint(server.url, read_timeout=SHORT), environ={}, monotonic=stopped)
        reply = failed(client.submit({"params": {"x": "y" * 30_000_000}}))
    assert (reply.kind, reply.sent) == (FailureKind.TIMEOUT, True)
