"""Connections that know what they have sent and how much time is left.

urllib3 knows neither whether a byte of a request left (it decides whether a POST may be repeated), nor a limit for
a whole answer (its read timeout starts anew with every byte). These subclasses of its connections and pools do, check
pinned fingerprints in time, and give every POST a connection of its own: a request that crosses the server's closing of
a kept one cannot be told from one that was read.
"""

from __future__ import annotations

import functools
import http.client
import io
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import field
from enum import Enum, auto
from typing import Any, cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from aftrun.client import tls
from aftrun.domain.frozen import dataclass

MAX_WIRE = 2 * 8 * 1024 * 1024
"""Bytes of one answer as they come, headers and chunk marks included. A backstop behind the limit for bodies:
it catches what never becomes a body, such as an endless header or chunk size."""
_LATE = 16 * 1024
"""Bytes of an answer that are read after its deadline, where they have come already."""


class Oversize(OSError):
    """The server sent more than any answer of this API can be."""


class Phase(Enum):
    """How far a request got."""

    NAME = auto()
    CONNECT = auto()
    PROXY = auto()
    """Connected to a proxy, which has not let us through yet."""
    HANDSHAKE = auto()
    SEND = auto()
    ANSWER = auto()


class Trace(threading.local):
    """What this thread's current request has done so far. Each thread sees its own."""

    alone: bool = False
    """It goes over a connection that serves nothing else, before or after."""
    phase: Phase = Phase.NAME
    sent: bool = False
    """A byte of the request may have left. Not of the handshake, nor of what a proxy was told."""
    reused: bool = False
    """It went over a connection that had served before."""
    error: BaseException | None = None
    """The first cause, before libraries wrapped it."""

    def begin(self, *, alone: bool) -> None:
        """A new request starts."""
        self.alone = alone
        self.phase = Phase.NAME
        self.sent = False
        self.reused = False
        self.error = None


class Deadline:
    """A moment by which something must be over, moved on as a request goes through its phases."""

    __slots__ = ("_at", "_clock")

    def __init__(self) -> None:
        self._at = 0.0
        self._clock: Callable[[], float] = time.monotonic

    def start(self, seconds: float, clock: Callable[[], float]) -> None:
        """From now on, `seconds` are left, by a clock that nobody sets back."""
        self._clock = clock
        self._at = clock() + seconds

    def left(self) -> float:
        """Seconds left, more than zero.

        Raises:
            TimeoutError: none is.
        """
        left = self._at - self._clock()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


@dataclass(frozen=True, slots=True)
class Wire:
    """What every connection of one client shares. Times in seconds."""

    trace: Trace
    connect_timeout: float
    read_timeout: float
    pins: tuple[bytes, ...] = ()
    """SHA-256 of the certificates that may be shown; empty: OpenSSL has decided already."""
    monotonic: Callable[[], float] = time.monotonic
    """For deadlines."""
    shown: list[bytes] = field(default_factory=list)
    """The certificate (DER) that the server showed last; at most one."""


class _TimedReader(io.RawIOBase):
    """Bytes from a socket, until the deadline, and no more than `MAX_WIRE` of them."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._raw = cast("io.RawIOBase", sock.makefile("rb", buffering=0))
        self._deadline = deadline
        self._count = 0
        self._late = 0
        self.answered = False
        """The answer has ended: nothing more is read."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        if self.answered:
            return None
        try:
            left = self._deadline.left()
        except TimeoutError:
            count = self._there_already(buffer)
        else:
            self._sock.settimeout(left)
            count = self._raw.readinto(buffer)
        self._count += count or 0
        if self._count > MAX_WIRE:
            raise Oversize("the answer is larger than any answer can be")
        return count

    def _there_already(self, buffer: Any) -> int:
        """Read on past the deadline, as far as that takes no waiting.

        The process or the machine may have been stopped, and the answer come meanwhile: the id in it is worth more than
        the time that has passed.
        """
        if self._late >= _LATE:
            raise TimeoutError("timed out")
        self._sock.settimeout(0.0)
        try:
            count = self._raw.readinto(buffer)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            count = None
        if count is None:
            raise TimeoutError("timed out")
        self._late += count
        return count

    def pending(self) -> bool:
        """Whether TLS has decrypted more than was read."""
        return isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Lines(io.BufferedReader):
    """The head of an answer, where the end of the connection is not the end of the head.

    http.client takes it for one, and would read `HTTP/1.1 201 Cre` as a success with no headers.

    `surplus` is called where more has come than the answer: it belongs to no request of ours, and must not be taken for
    the answer to the next. What comes later shows when the connection is taken up again: then it is readable.
    """

    in_head = False
    _begun = False

    def __init__(self, raw: _TimedReader, surplus: Callable[[], None]) -> None:
        super().__init__(raw)
        self._reader, self._surplus = raw, surplus

    def close(self) -> None:
        if not self.closed:
            self._reader.answered = True
            if self.peek(1) or self._reader.pending():
                self._surplus()
        super().close()

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if self.in_head and not line.endswith(b"\n") and (line or self._begun) and len(line) != size:
            raise http.client.IncompleteRead(line)
        self._begun = True
        return line


class _Response(http.client.HTTPResponse):
    """An answer that has to be complete by the deadline, and that passes over interim answers."""

    def __init__(
        self, deadline: Deadline, surplus: Callable[[], None], sock: socket.socket, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = self._lines = _Lines(_TimedReader(sock, deadline), surplus)

    def begin(self) -> None:
        self._lines.in_head = True
        super().begin()
        self._lines.in_head = False

    def _read_status(self) -> tuple[str, int, str]:
        # http.client passes over 100 only and would take 103 (Early Hints) for the answer, and the answer for
        # that of the next request.
        while True:
            version, status, reason = cast("tuple[str, int, str]", super()._read_status())  # type: ignore[misc]  # typeshed leaves private methods out
            if status == http.client.SWITCHING_PROTOCOLS:
                raise http.client.HTTPException("the server switched to another protocol")
            if not 100 < status < 200:
                return version, status, reason
            http.client.parse_headers(self.fp)


class PlainConnection(HTTPConnection):
    """A connection that keeps its `Trace` true. `wire` is set by the pool that makes it."""

    auto_open = 0  # never connect in the middle of a request
    wire: Wire
    alone = False
    """It carries one request, and is closed after it."""
    _tunnelling = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline = Deadline()
        # Whoever closes a connection is not kept by it: each POST has one, and a cycle would keep them all for a while.
        this = weakref.WeakMethod(self.close)

        def surplus() -> None:
            close = this()
            if close is not None:
                close()

        self.response_class = cast("Any", functools.partial(_Response, self._deadline, surplus))

    def _new_conn(self) -> socket.socket:
        """Connect within `connect_timeout` in all, however many addresses the name has."""
        trace = self.wire.trace
        self._deadline.start(self.wire.connect_timeout, self.wire.monotonic)
        trace.phase = Phase.NAME
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            trace.error = error
            cause = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
            raise NameResolutionError(self.host, self, cause) from error
        trace.phase = Phase.CONNECT
        sock = self._connect_to_one(found)
        trace.phase = Phase.PROXY if self.proxy is not None else Phase.HANDSHAKE
        sock.settimeout(self._deadline.left())
        return sock

    def _connect_to_one(self, found: list[Any]) -> socket.socket:
        last: OSError = OSError("the name has no address")
        for index, (family, kind, protocol, _, address) in enumerate(found):
            sock: socket.socket | None = None
            try:
                sock = socket.socket(family, kind, protocol)
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                # A silent first address must leave time for the others (IPv6 that leads nowhere, say).
                sock.settimeout(self._deadline.left() / (len(found) - index))
                sock.connect(address)
            except OSError as error:
                last = error
                if sock is not None:
                    sock.close()
            else:
                return sock
        self.wire.trace.error = last
        if isinstance(last, TimeoutError):
            raise ConnectTimeoutError(self, str(last)) from last
        raise NewConnectionError(self, str(last)) from last

    def _tunnel(self) -> None:
        self._tunnelling = True
        try:
            super()._tunnel()
        finally:
            self._tunnelling = False
        self.wire.trace.phase = Phase.HANDSHAKE
        if self.sock is not None:
            self.sock.settimeout(self._deadline.left())

    def connect(self) -> None:
        """Connect, up to the point where a request may leave."""
        try:
            super().connect()
            self._check_peer()
        except BaseException as error:
            if self.wire.trace.error is None:
                self.wire.trace.error = error
            raise

    def _check_peer(self) -> None:
        """Whether this is the server we mean, for all that OpenSSL has not checked."""

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request; from here on, `read_timeout` runs for it and its whole answer."""
        self._deadline.start(self.wire.read_timeout, self.wire.monotonic)
        self.wire.trace.phase = Phase.SEND
        try:
            super().request(*args, **kwargs)
        except OSError as error:
            self.wire.trace.error = error
            raise

    def send(self, data: Any) -> None:
        """Hand bytes to the socket, and note it."""
        if self._tunnelling or self.sock is None:
            super().send(data)
            return
        trace = self.wire.trace
        view = memoryview(data)
        while view:
            self.sock.settimeout(self._deadline.left())
            try:
                count = self.sock.send(view)
            except ConnectionError:
                raise  # refused as a whole: of this piece, nothing left
            except BaseException:
                trace.sent = True  # a timeout or an interruption: nobody can tell
                raise
            trace.sent = True
            view = view[count:]

    def getresponse(self) -> Any:
        """Wait for the head of the answer."""
        self.wire.trace.phase = Phase.ANSWER
        try:
            return super().getresponse()
        except BaseException as error:
            self.wire.trace.error = error
            raise


class SecureConnection(PlainConnection, HTTPSConnection):
    """The same with TLS. A pinned certificate is checked right after the handshake, before any byte of HTTP."""

    _session_kept = False

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> ssl.SSLSocket:
        # urllib3 (some versions of it) would judge the proxy by what was said about the server.
        context = self.proxy_config.ssl_context if self.proxy_config is not None else None
        if context is None:
            context = tls.verifying_context()
        self.proxy_is_verified = True
        return context.wrap_socket(sock, server_hostname=hostname)

    def connect(self) -> None:
        """Connect, and let no session that may have been the reason stand in the way of the next attempt."""
        self._session_kept = False
        try:
            super().connect()
        except BaseException:
            tls.forget_session(self.ssl_context)
            raise

    def getresponse(self) -> Any:
        """Wait for the head of the answer, and keep the session that the server has offered by then."""
        sock = self.sock  # where the answer ends the connection, it is gone afterwards
        response = super().getresponse()
        if not self._session_kept:
            tls.keep_session(self.ssl_context, sock)
            self._session_kept = True
        return response

    def _check_peer(self) -> None:
        # A resumed session is held against the pins as well: it knows the certificate that it was begun with.
        der = cast("Any", self.sock).getpeercert(binary_form=True) or b""
        self.wire.shown[:] = [der]
        if self.wire.pins:
            try:
                tls.check_pins(der, self.wire.pins)
            except tls.WrongFingerprint:
                self.close()
                raise


class PlainPool(HTTPConnectionPool):
    """Connections to one server: kept ones for those who read, and one of its own for each request that asks for it."""

    ConnectionCls = PlainConnection

    def __init__(self, *args: Any, wire: Wire, **kwargs: Any) -> None:
        self.wire = wire
        super().__init__(*args, **kwargs)

    def _new_conn(self) -> Any:
        connection = cast("PlainConnection", super()._new_conn())
        connection.wire = self.wire
        return connection

    def _get_conn(self, timeout: float | None = None) -> Any:
        if self.wire.trace.alone:
            connection = cast("PlainConnection", self._new_conn())
            connection.alone = True
            return connection
        connection = cast("PlainConnection", super()._get_conn(timeout))
        self.wire.trace.reused = not connection.is_closed
        return connection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None and conn.alone:
            conn.close()
        elif conn is not None or not self.wire.trace.alone:  # None gives back a place, and who was alone took none
            super()._put_conn(conn)

    def _validate_conn(self, conn: Any) -> None:
        # Replaces urllib3's own, which warns of every connection that OpenSSL did not verify: also the pinned ones.
        if conn.is_closed:
            conn.connect()


class SecurePool(PlainPool, HTTPSConnectionPool):
    """The same with TLS."""

    ConnectionCls = SecureConnection


def pool_classes(wire: Wire) -> dict[str, Any]:
    """What a urllib3 `PoolManager` needs to make such pools: its `pool_classes_by_scheme`."""
    return {
        "http": functools.partial(PlainPool, wire=wire),
        "https": functools.partial(SecurePool, wire=wire),
    }
