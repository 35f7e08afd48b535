"""`http://` at a port that speaks TLS: said, and exit 3 only where nothing can have been read."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

import pytest

from aftrun.client.client import AftClient
from aftrun.domain.model import Answer, Endpoint, Failure, FailureKind, Reply
from aftrun.sandbox.server import Sandbox
from tests.unit.servers import RawServer

BODY = {"scriptName": "x"}


def port(serve: Callable[[socket.socket], object]) -> RawServer:
    """A server without TLS that does `serve` with each connection."""
    return RawServer(lambda visit: serve(visit.sock))


def submitted(url: str) -> Reply:
    """What comes of a POST."""
    client = AftClient(Endpoint(url=url, api_key="k-0815-key"))
    try:
        return client.submit(BODY)
    finally:
        client.close()


def whole(sock: socket.socket) -> bytes:
    """A request with its body, or what there is of it."""
    data = b""
    while not data.endswith(b'{"scriptName":"x"}') and (piece := sock.recv(65536)):
        data += piece
    return data


def test_the_sandbox_asked_with_http() -> None:
    """OpenSSL closes such a connection without a word."""
    with Sandbox() as server:
        reply = submitted(server.url.replace("https://", "http://"))
        assert isinstance(reply, Failure)
        assert (reply.kind, reply.sent) == (FailureKind.TLS, False)
        assert "this port seems to speak HTTPS" in reply.message
        assert "https://" in reply.hint
        assert not server.jobs()


def test_a_tls_alert_instead_of_an_answer() -> None:
    """What other libraries say: version 3.3, fatal, unexpected message."""
    with port(lambda sock: sock.sendall(whole(sock)[:0] + b"\x15\x03\x03\x00\x02\x02\x0a")) as server:
        reply = submitted(server.url)
    assert isinstance(reply, Failure)
    assert (reply.kind, reply.sent) == (FailureKind.TLS, False)


@pytest.mark.parametrize(
    "words",
    [
        "Client sent an HTTP request to an HTTPS server.\n",
        "<html><body><center>The plain HTTP request was sent to HTTPS port</center></body></html>",
        "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
    ],
)
def test_servers_that_say_so(words: str) -> None:
    """Go, nginx and Apache answer in HTTP, with 400: no request was read by what is behind."""
    answer = f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(words)}\r\nConnection: close\r\n\r\n{words}"
    with port(lambda sock: sock.sendall(whole(sock)[:0] + answer.encode())) as server:
        reply = submitted(server.url)
    assert isinstance(reply, Failure)
    assert (reply.kind, reply.sent) == (FailureKind.TLS, False)


def test_such_words_with_another_status_prove_nothing() -> None:
    """A job's own error message could hold them."""
    words = '{"error": "client sent an HTTP request to an HTTPS server"}'
    answer = f"HTTP/1.1 500 Oops\r\nContent-Length: {len(words)}\r\nConnection: close\r\n\r\n{words}"
    with port(lambda sock: sock.sendall(whole(sock)[:0] + answer.encode())) as server:
        assert isinstance(submitted(server.url), Answer)


def reads(sock: socket.socket) -> None:
    """Take a request, and say nothing."""
    whole(sock)


@pytest.mark.usefixtures("impatient")
def test_a_plain_server_that_dies_over_the_request() -> None:
    """It read the request, and may have created the job: unknown."""
    with port(reads) as server:
        reply = submitted(server.url)
    assert isinstance(reply, Failure)
    assert (reply.kind, reply.sent) == (FailureKind.LOST, True)


@pytest.mark.usefixtures("impatient")
def test_a_port_that_speaks_both_and_dies_over_the_request() -> None:
    """It shakes hands in TLS, but waits for the rest of a plain request, so it reads those too: unknown."""
    with Sandbox() as server:

        def both(sock: socket.socket) -> None:
            first = sock.recv(1, socket.MSG_PEEK)
            if first != b"\x16":
                whole(sock)
                return
            with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as behind:
                there = threading.Thread(target=pump, args=(sock, behind), daemon=True)
                there.start()
                pump(behind, sock)

        with port(both) as both_ways:
            reply = submitted(both_ways.url)
    assert isinstance(reply, Failure)
    assert (reply.kind, reply.sent) == (FailureKind.LOST, True)


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Hand on what comes, until nothing does; that is handed on, too, however it ended."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
