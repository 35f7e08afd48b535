"""Servers for the tests of `aftrun.client`: real sockets, certificates of every kind, any misbehaviour on demand."""

from __future__ import annotations

import atexit
import contextlib
import datetime
import functools
import ipaddress
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.waiting import HANG


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its key, as files, and its hash as a pin."""

    cert: str
    key: str
    der: bytes

    @property
    def pin(self) -> str:
        """`sha256:…`, worked out by the library that made the certificate."""
        certificate = x509.load_der_x509_certificate(self.der)
        return "sha256:" + certificate.fingerprint(hashes.SHA256()).hex()

    def server_context(self) -> ssl.SSLContext:
        """A context that shows this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context


@functools.cache
def _folder() -> Path:
    holder = tempfile.TemporaryDirectory(prefix="aftrun-certs-")
    atexit.register(holder.cleanup)
    return Path(holder.name)


@functools.cache
def authority(name: str = "authority") -> trustme.CA:
    """A certificate authority, made once."""
    return trustme.CA(organization_name=name)


@functools.cache
def ca_file(name: str = "authority") -> str:
    """The authority's certificate as a file."""
    path = _folder() / f"{name}.pem"
    authority(name).cert_pem.write_to_path(path)
    return str(path)


@functools.cache
def issued(*names: str, days: int = 30, ca: str = "authority") -> Identity:
    """A certificate from an authority; negative `days` have it expired."""
    now = datetime.datetime.now(datetime.UTC)
    leaf = authority(ca).issue_cert(
        *(names or ("127.0.0.1", "localhost")),
        not_before=now - datetime.timedelta(days=60),
        not_after=now + datetime.timedelta(days=days),
    )
    stem = f"{ca}-{'-'.join(names) or 'default'}-{days}".replace("*", "_").replace(":", "_")
    cert, key = _folder() / f"{stem}.pem", _folder() / f"{stem}.key"
    leaf.cert_chain_pems[0].write_to_path(cert)
    leaf.private_key_pem.write_to_path(key)
    return Identity(str(cert), str(key), ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode()))


@functools.cache
def self_signed() -> Identity:
    """What a local AFT! installation has by default: a certificate that nobody vouches for."""
    name = "aft.example"
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests")]
    )
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2060, 1, 2, 3, 4, 5, tzinfo=datetime.UTC))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = _folder() / f"self-{name}.pem", _folder() / f"self-{name}.key"
    cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Identity(str(cert_path), str(key_path), certificate.public_bytes(serialization.Encoding.DER))


def response(body: bytes = b"{}", status: str = "200 OK", *headers: str, version: str = "HTTP/1.1") -> bytes:
    """An answer as bytes, with its `Content-Length`."""
    lines = [f"{version} {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


class Visit:
    """One connection of a client, after the handshake."""

    def __init__(self, server: RawServer, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock

    def request(self) -> bytes:
        """The next request, headers and body; empty once the client is gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.sock.recv(65536)
            if not piece:
                return data
            self.server.received += piece
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            piece = self.sock.recv(65536)
            self.server.received += piece
            body += piece
        self.server.requests.append(head + b"\r\n\r\n" + body)
        return self.server.requests[-1]

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.sock.sendall(data)

    def reset(self) -> None:
        """Close the connection so that the client sees a reset."""
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        raw = socket.socket(fileno=self.sock.detach()) if isinstance(self.sock, ssl.SSLSocket) else self.sock
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        raw.close()

    def stall(self, seconds: float = HANG) -> bool:
        """Wait until the test is over; True when it is."""
        return self.server.over.wait(seconds)


Handler = Callable[[Visit], object]


def always(*answers: bytes) -> Handler:
    """Answers requests in turn, the last one for ever."""
    left = list(answers)

    def handle(visit: Visit) -> None:
        while visit.request():
            visit.send(left.pop(0) if len(left) > 1 else left[0])

    return handle


class RawServer:
    """A server on loopback that does what `handler` says, each connection on a thread of its own.

    `received` is every byte that arrived after the handshake, `requests` the complete requests among them.
    """

    def __init__(self, handler: Handler, context: ssl.SSLContext | None = None) -> None:
        self.handler = handler
        self.context = context
        self.received = bytearray()
        self.requests: list[bytes] = []
        self.connections = 0
        self.over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'http' if self.context is None else 'https'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:  # clients that were not closed must not keep a handler waiting
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.settle()

    def settle(self) -> None:
        """Wait for the connections that were opened so far to be over."""
        for thread in list(self._threads):
            if thread is not threading.current_thread() and (self.over.is_set() or thread is not self._threads[0]):
                thread.join(HANG)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(sock)
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(HANG)
        try:
            if self.context is not None:
                sock.getpeername()  # raises where the client has gone: of what Python then wraps it loses the socket
                sock = self.context.wrap_socket(sock, server_side=True)
            self.handler(Visit(self, sock))
        except (OSError, ValueError):
            pass  # the client went away: many tests are about just that
        finally:
            sock.close()
