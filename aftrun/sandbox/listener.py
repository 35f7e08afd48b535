"""The listening socket: accepts connections, cuts them where the scenario says so, goes away for outages."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Iterable

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from aftrun.sandbox.fault_injection import abort
from aftrun.sandbox.service import Service
from aftrun.sandbox.shapes import Outage

_MAX_BODY = 64 << 20
_BACKLOG = 1024


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        OSError: the port is taken, or the host is not an address of this machine.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            # A port whose old connections linger may be taken again at once. Elsewhere it would let others share it.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


class HttpServer(web.Server):
    """aiohttp's server; it tells the service about connections, and ends those that are doomed when they open."""

    def __init__(self, service: Service, keep_alive: float) -> None:
        super().__init__(service.handle, request_factory=self._request, keepalive_timeout=keep_alive, access_log=None)
        self._service = service
        self._doomed: set[RequestHandler] = set()

    def protocol(self, number: int, *, doomed: bool) -> RequestHandler:
        """The HTTP side of the connection `number`."""
        protocol = self()
        self._service.opened(protocol, number)
        if doomed:
            self._doomed.add(protocol)
        return protocol

    def forget(self, protocol: RequestHandler) -> None:
        """A connection is over, or never came about."""
        self._service.closed(protocol)
        self._doomed.discard(protocol)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Called once the TLS handshake is done."""
        super().connection_made(handler, transport)
        if handler in self._doomed:
            abort(transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Called once the connection is closed, by whomever."""
        self.forget(handler)
        super().connection_lost(handler, exc)

    def abort_all(self) -> None:
        """Reset every connection."""
        for handler in self.connections:
            abort(handler.transport)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MAX_BODY)


class Listener:
    """Accepts connections on `listener` until `close`. Runs inside the sandbox's loop."""

    def __init__(
        self, listener: socket.socket, service: Service, tls: ssl.SSLContext | None, *, keep_alive: float
    ) -> None:
        self._listener = listener
        self._address: tuple[str, int] = listener.getsockname()[:2]
        self._service = service
        self._tls = tls
        self._http = HttpServer(service, keep_alive)
        self._count = 0
        self._handshakes: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None

    async def run(self, outages: Iterable[Outage]) -> None:
        """Accept connections, with the outages of the scenario, until cancelled."""
        passed = 0.0
        self._accepting = asyncio.create_task(self._accept())
        try:
            for outage in sorted(outages, key=lambda each: each.after):
                await self._service.sleep(outage.after - passed)
                await self._go_away()
                await self._service.sleep(outage.lasts)
                await self._come_back()
                passed = max(passed, outage.after) + outage.lasts
            await self._accepting
        finally:
            await self._go_away()
            await self._http.shutdown(0.01)  # aiohttp takes 0 for no limit, and a slow answer would hold up the end

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self._listener)
            self._count += 1
            task = asyncio.create_task(self._open(connection, self._count))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _open(self, connection: socket.socket, number: int) -> None:
        """Bring a new connection up to the point where requests can come."""
        fault = self._service.cut(number)
        if fault is not None and not fault.spares_effect:
            connection.close()
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        protocol = self._http.protocol(number, doomed=fault is not None)
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._tls)
        except (OSError, asyncio.CancelledError):
            # A client that does not accept the certificate hangs up here (ssl.SSLError is an OSError). Its own loss.
            self._http.forget(protocol)
            connection.close()

    async def _go_away(self) -> None:
        """Close the listening socket and every connection, as a server that is shut down does."""
        if self._accepting is not None:
            self._accepting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._accepting
        self._listener.close()
        handshakes = tuple(self._handshakes)
        for task in handshakes:
            task.cancel()
        await asyncio.gather(*handshakes, return_exceptions=True)
        self._http.abort_all()
        await asyncio.sleep(0)  # Aborted transports close their sockets in the loop's next round.
        await asyncio.sleep(0)

    async def _come_back(self) -> None:
        """Listen again at the same address, as soon as it can be had."""
        while True:
            try:
                self._listener = bind(*self._address)
                break
            except OSError:
                await asyncio.sleep(0.01)
        self._accepting = asyncio.create_task(self._accept())
