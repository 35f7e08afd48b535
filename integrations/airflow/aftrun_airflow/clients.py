"""The status reads of all triggers of a triggerer: a few threads and a few connections for thousands of jobs.

The client is not asynchronous, and need not be: a read takes milliseconds and a job minutes. Waiting costs a timer in
the event loop; only a read that is under way has a thread. All of this is used from the event loop's thread alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from aftrun.domain.model import Reply
from aftrun_airflow.prepare import Prepared

THREADS = 32
"""Reads under way at once, in the whole process."""

PER_SERVER = 16
"""Of these, for one server: one that hangs must not keep all others waiting."""

T = TypeVar("T")


class Pace:
    """How long each request waits so that there are at most so many a second; None: none does."""

    def __init__(self, per_second: float | None) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._next = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next request may leave; it is counted as sent then."""
        at = max(now, self._next)
        self._next = at + self._gap
        return at - now


class SharedClient:
    """One server, as seen by the triggers that read from it with the same secrets."""

    def __init__(self, prepared: Prepared, threads: ThreadPoolExecutor) -> None:
        self.client = prepared.connect(PER_SERVER)
        self.users = 0
        self._threads = threads
        self._places = asyncio.Semaphore(PER_SERVER)
        self._pace = Pace(prepared.server.max_requests_per_second)

    async def status(self, job_id: str) -> Reply:
        """Read a job, when it is its turn."""
        loop = asyncio.get_running_loop()
        if wait := self._pace.wait(loop.time()):
            await asyncio.sleep(wait)
        async with self._places:
            return await loop.run_in_executor(self._threads, self.client.status, job_id)


class ClientPool:
    """All clients of the process."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._clients: dict[object, SharedClient] = {}

    async def run(self, call: Callable[[], T]) -> T:
        """Something short that blocks, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool(), call)

    async def client(self, prepared: Prepared) -> SharedClient:
        """The client of a server; give it back with `leave`.

        Raises:
            UsageError: its settings cannot be used.
        """
        key = (prepared.identity, asyncio.get_running_loop())
        if key not in self._clients:
            threads = self._pool()
            made = await self.run(lambda: SharedClient(prepared, threads))
            found = self._clients.setdefault(key, made)
            if found is not made:
                made.client.close()
        client = self._clients[key]
        client.users += 1
        return client

    def leave(self, client: SharedClient) -> None:
        """The trigger reads nothing more. The last one to leave closes the connections."""
        client.users -= 1
        if client.users:
            return
        self._clients = {key: each for key, each in self._clients.items() if each is not client}
        client.client.close()

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="aftrun")
        return self._threads


CLIENTS = ClientPool()
"""The one of this process."""
