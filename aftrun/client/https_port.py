"""`http://` at a port that speaks TLS: how that shows, and what proves that no request was read there."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl

from aftrun.domain.model import Failure, FailureKind

_ALERT = ("\x15\x03", b"\x15\x03")
"""How a TLS alert begins: the answer of a library that took our request for a broken handshake."""
_WORDS = (
    b"client sent an http request to an https server",  # Go
    b"plain http request was sent to https port",  # nginx
    b"speaking plain http to an ssl-enabled server",  # Apache
    b"requires tls",  # Envoy and others
)
_BEGINNING = b"OPTIONS * HTTP/1.1\r\n"
"""The beginning of a request that asks for nothing. A server that reads HTTP waits for the rest."""
_MOMENT = 2.0
"""Seconds that a server gets to close a connection, or to show that it does not. Nothing hangs on it but the words."""


def says_alert(error: BaseException) -> bool:
    """Whether what came instead of an answer is a TLS alert."""
    line = getattr(error, "line", None)
    return isinstance(error, http.client.HTTPException) and isinstance(line, str | bytes) and line[:2] in _ALERT


def says_so(status: int, content: bytes) -> bool:
    """Whether an answer is that of a TLS server's first line of defence: it has read no request."""
    return status == 400 and any(word in content[:2000].lower() for word in _WORDS)


def refuses_plain(host: str, port: int, timeout: float) -> bool:
    """Whether a port that closed the connection without a word speaks TLS, and nothing else.

    It shows a certificate's handshake, and it closes the connection over the mere beginning of a request, where
    a server that reads HTTP would wait for more: so it has read none. `timeout` is that of a connection, seconds.
    """
    return _begins_handshake(host, port, timeout) and _closes_at_once(host, port, timeout)


def _begins_handshake(host: str, port: int, timeout: float) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent; any certificate proves TLS
    try:
        with socket.create_connection((host, port), timeout) as sock:
            sock.settimeout(_MOMENT)
            with context.wrap_socket(sock, server_hostname=host):
                return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")  # it asks for something else, in TLS
    except (OSError, ValueError):
        return False


def _closes_at_once(host: str, port: int, timeout: float) -> bool:
    try:
        with socket.create_connection((host, port), timeout) as sock:
            sock.settimeout(_MOMENT)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # closed already
                sock.sendall(_BEGINNING)
                return sock.recv(1) == b""
            return True
    except OSError:
        return False


def failure(place: str) -> Failure:
    """What is said: final, and provably nothing was processed."""
    return Failure(
        FailureKind.TLS,
        False,
        f"{place} does not take http://: this port seems to speak HTTPS, and has read no request",
        "write https:// in `server.url`; the API key was sent unencrypted",
    )
