"""The status reads of all triggers of a triggerer: a few threads and a few connections for thousands of jobs.

The client is not asynchronous, and need not be: a read takes milliseconds and a job minutes. Waiting costs a timer in
the event loop; only a read that is under way has a thread. All of this is used from the event loop's thread alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from aftrun.model import Reply
from aftrun.server.client import Door
from aftrun_airflow.spec import Prepared

THREADS = 32
"""Reads under way at once, in the whole process."""

PER_SERVER = 16
"""Of these, for one server: one that hangs must not keep all others waiting."""

T = TypeVar("T")


class Counter:
    """One server, as seen by the triggers that ask it with the same secrets."""

    def __init__(self, prepared: Prepared, threads: ThreadPoolExecutor) -> None:
        self.door = Door(prepared.endpoint, scrubber=prepared.setup.scrubber, connections=PER_SERVER)
        self.users = 0
        self._threads = threads
        self._places = asyncio.Semaphore(PER_SERVER)
        self._gap = 1 / prepared.rate if prepared.rate else 0.0
        self._next = 0.0

    async def status(self, job_id: str) -> Reply:
        """Read a job, when it is its turn."""
        loop = asyncio.get_running_loop()
        if self._gap:
            at = max(loop.time(), self._next)
            self._next = at + self._gap
            await asyncio.sleep(at - loop.time())
        async with self._places:
            return await loop.run_in_executor(self._threads, self.door.status, job_id)


class Desk:
    """All counters of the process."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._counters: dict[object, Counter] = {}

    async def run(self, call: Callable[[], T]) -> T:
        """Something short that blocks, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool(), call)

    async def counter(self, prepared: Prepared) -> Counter:
        """The counter of a server; give it back with `leave`.

        Raises:
            UsageError: its settings cannot be used.
        """
        key = (prepared.endpoint, prepared.secrets, asyncio.get_running_loop())
        if key not in self._counters:
            threads = self._pool()
            made = await self.run(lambda: Counter(prepared, threads))
            found = self._counters.setdefault(key, made)
            if found is not made:
                made.door.close()
        counter = self._counters[key]
        counter.users += 1
        return counter

    def leave(self, counter: Counter) -> None:
        """The trigger asks nothing more. The last one to leave closes the connections."""
        counter.users -= 1
        if counter.users:
            return
        self._counters = {key: each for key, each in self._counters.items() if each is not counter}
        counter.door.close()

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="aftrun")
        return self._threads


DESK = Desk()
"""The one of this process."""
