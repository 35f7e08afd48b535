"""The sandbox: an AFT!-like server in a thread of this process."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aftrun.domain.errors import UsageError
from aftrun.domain.urls import header_value_fault
from aftrun.sandbox.certificate import HOSTS, Certificate, missing, self_signed
from aftrun.sandbox.clock import Clock, SteadyClock
from aftrun.sandbox.jobs import JobRecord, Store
from aftrun.sandbox.ledger import Entry, Ledger
from aftrun.sandbox.scenario import Scenario


class Sandbox:
    """An AFT!-like server, for as long as the `with` block lasts.

    Args:
        scenario: what it does; by default every job succeeds after 0.3 to 1.7 seconds.
        host, port: where it listens; port 0 takes any free one.
        api_key: the one key it knows.
        allow: addresses and networks (`10.0.0.0/8`) from which the key may be used.
        scripts: names, ids and paths of the scripts it knows; None: those of the scenario, or, if it has none, any.
        tls: whether it speaks HTTPS (or else plain HTTP).
        ledger_path: a file to which each entry of the ledger is appended as a line of JSON, before the answer leaves.
        certificate: the server's; by default a fresh self-signed one, which ordinary verification refuses.
        client_ca: PEM of an authority; given, only clients with a certificate of it get through the handshake.
        speed: how much faster than the scenario says time passes, for jobs, delays and outages alike.
        clock: tells the time of jobs, delays and outages, and waits for it; by default the machine's.

    Raises:
        UsageError: on construction, an argument makes no sense; on `start`, the port is taken, a file cannot be
            written, or the extra `sandbox` is not installed.
    """

    def __init__(
        self,
        scenario: Scenario = Scenario(),  # noqa: B008 - frozen, so sharing one does no harm
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str = "sandbox-key",
        allow: Sequence[str] = ("127.0.0.1", "::1"),
        scripts: Sequence[str] | None = None,
        tls: bool = True,
        ledger_path: Path | None = None,
        certificate: Certificate | None = None,
        client_ca: bytes | None = None,
        speed: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        if not speed > 0:
            raise UsageError(f"the sandbox's speed must be more than 0, not {speed}", hint="1 is real time, 10 is fast")
        if fault := header_value_fault(api_key) if api_key else "it is empty":
            hint = "no request could name it; without any, the key is sandbox-key"
            raise UsageError(f"the sandbox's API key is not usable: {fault}", hint=hint)
        for address in allow:
            try:
                ipaddress.ip_network(address, strict=False)
            except ValueError as error:
                raise UsageError(
                    f'the sandbox\'s allow-list holds "{address}", which is no address and no network',
                    hint="write for example 127.0.0.1 or 10.0.0.0/8",
                ) from error
        self.scenario = scenario
        self.api_key = api_key
        self._host = host
        self._port = port
        self._allow = tuple(allow)
        self._scripts = scenario.scripts if scripts is None else tuple(scripts)
        self._tls = tls
        self._ledger_path = ledger_path
        self._client_ca = client_ca
        self._speed = speed
        self._certificate = certificate
        self._thread: _LoopThread | None = None
        self._listening: socket.socket | None = None
        self._ledger = Ledger()
        self._clock = SteadyClock() if clock is None else clock
        self._store = Store(scenario, self._clock.now, speed)

    @property
    def url(self) -> str:
        """Where it is, such as `https://127.0.0.1:40123`. It must have been started."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - not a bind
        return f"{'https' if self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def address(self) -> str:
        """The address it listens on. It must have been started."""
        if self._listening is None:
            raise UsageError("the sandbox has not been started", hint="start it first")
        return str(self._listening.getsockname()[0])

    @property
    def port(self) -> int:
        """The port it listens on, or listened on last."""
        return self._port

    @property
    def fingerprint(self) -> str:
        """`sha256:` and 64 hex digits, to pin its certificate. Empty without TLS or before it was started."""
        return self._certificate.fingerprint if self._certificate else ""

    @property
    def ca_pem(self) -> bytes:
        """PEM of what to trust (a `caFile`). Empty without TLS or before it was started."""
        return self._certificate.ca_pem if self._certificate else b""

    def ledger(self) -> tuple[Entry, ...]:
        """Every request so far, in order. Also after `stop`."""
        return self._ledger.entries()

    def jobs(self) -> tuple[JobRecord, ...]:
        """Every job that was created, in order, with its state now. Also after `stop`."""
        return self._store.records()

    def start(self) -> None:
        """Listen, and serve in a thread until `stop`. It may be started again, with a clean slate on the same port."""
        if self._thread is not None:
            raise UsageError("the sandbox is already running", hint="stop it first, or make another one")
        try:
            from aftrun.sandbox.listener import Listener, bind  # noqa: PLC0415 - aiohttp comes with an extra
            from aftrun.sandbox.service import Service  # noqa: PLC0415 - the same
        except ImportError as error:
            raise missing(error) from error

        context = self._context() if self._tls else None
        ledger = Ledger(self._ledger_path)
        try:
            listening = bind(self._host, self._port)
        except OSError as error:
            ledger.close()
            raise UsageError(
                f"the sandbox cannot listen on {self._host} port {self._port}: {error.strerror or error}",
                hint="check the name or address (--host)"
                if isinstance(error, socket.gaierror)
                else "choose another port (--port), or port 0 for any free one",
            ) from error
        self._listening = listening
        self._port = listening.getsockname()[1]
        self._ledger = ledger
        self._store = Store(self.scenario, self._clock.now, self._speed)

        async def serve() -> None:
            service = Service(
                self.scenario,
                api_key=self.api_key,
                allow=self._allow,
                scripts=self._scripts,
                ledger=ledger,
                store=self._store,
                clock=self._clock,
                speed=self._speed,
            )
            listener = Listener(listening, service, context, keep_alive=self.scenario.keep_alive)
            await listener.run(self.scenario.outages)

        self._thread = _LoopThread(serve)
        self._thread.start()

    def stop(self) -> None:
        """Reset every connection, stop listening, and wait for the thread to end. Does nothing if it is not running."""
        if self._thread is None:
            return
        thread, self._thread = self._thread, None
        try:
            thread.stop()
        finally:
            self._ledger.close()
            if self._listening is not None:
                self._listening.close()  # Stopped before it ever listened: nobody else has closed it.

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _context(self) -> ssl.SSLContext:
        if self._certificate is None:
            self._certificate = self_signed(tuple(dict.fromkeys((*HOSTS, self._host))))
        return self._certificate.context(self._client_ca)


class _LoopThread:
    """Runs one coroutine in an event loop of its own, in a daemon thread, until it is told to stop."""

    def __init__(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._main = main
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="aftrun-sandbox", daemon=True)

    def start(self) -> None:
        """Return once the loop turns.

        Raises:
            Exception: whatever kept it from turning.
        """
        self._thread.start()
        self._ready.wait()
        if self._task is None and self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Cancel the coroutine and wait for the thread. An error that ended it early is raised here."""
        if self._loop is not None and self._task is not None:
            with contextlib.suppress(RuntimeError):  # The loop is closed already if the coroutine died by itself.
                self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            asyncio.run(self._supervise())
        except asyncio.CancelledError:
            pass  # As told.
        except BaseException as error:  # noqa: BLE001 - kept for `stop`, which runs in the thread that can handle it
            self._error = error
        finally:
            self._ready.set()

    async def _supervise(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._main())
        self._ready.set()
        await self._task
