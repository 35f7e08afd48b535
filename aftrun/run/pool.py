"""Threads for requests in flight: the one place in aftrun that is concurrent.

Threads run `call()` and put the result in a queue, nothing else; they touch no state and no terminal. All decisions
are made by the one thread that takes from the queue.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable

from aftrun.model import Reply
from aftrun.run.ports import WAKE, Ticket

Result = tuple[Ticket, Reply | BaseException]
_Work = tuple[Ticket, Callable[[], Reply]] | None

MAX_THREADS = 31
"""With the one that decides, a run has 32 threads."""


_NAP = 0.25 if os.name == "nt" else 3600.0
"""The longest single wait, seconds. On Windows Ctrl-C is not heard during one, only after it."""


class ThreadPool:
    """Daemon threads, started as they are needed and never more than `size`.

    They are daemons, and not `concurrent.futures`' workers, because the second Ctrl-C must end the process at once,
    whatever a request is waiting for.
    """

    def __init__(self, size: int) -> None:
        self.size = max(1, min(size, MAX_THREADS))
        self._work: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._threads = 0
        self._busy = 0

    def start(self, ticket: Ticket, call: Callable[[], Reply]) -> None:
        """Begin a request. The caller keeps to `size` requests in flight."""
        self._busy += 1
        if self._busy > self._threads < self.size:
            self._threads += 1
            threading.Thread(target=self._run, name=f"aftrun-request-{self._threads}", daemon=True).start()
        self._work.put((ticket, call))

    def wait(self, timeout: float | None) -> list[Result]:
        """All results that are there, waiting up to `timeout` seconds (None: for ever) for the first."""
        # `get(timeout=…)` of a huge number overflows; nobody sleeps longer than an hour without a look around.
        left = 3600.0 if timeout is None else max(0.0, min(timeout, 3600.0))
        results: list[Result] = []
        while not results and left >= 0:
            with contextlib.suppress(queue.Empty):
                results.append(self._results.get(timeout=min(left, _NAP)))
                while True:
                    results.append(self._results.get_nowait())
            left -= _NAP
        self._busy -= sum(1 for ticket, _ in results if ticket is not WAKE)
        return results

    def wake(self) -> None:
        """End a `wait` early. `SimpleQueue.put` is reentrant, so a signal handler may call this."""
        self._results.put((WAKE, InterruptedError()))

    def close(self) -> None:
        """Let idle threads go. Those with a request in flight end after it."""
        for _ in range(self._threads):
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            ticket, call = work
            try:
                result: Reply | BaseException = call()
            except BaseException as error:  # noqa: BLE001  # it is handed over and raised again by the scheduler
                result = error
            self._results.put((ticket, result))
