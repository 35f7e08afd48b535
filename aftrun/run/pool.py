"""Threads for requests in flight.

Threads run `call()` and put the result in a queue, nothing else; they touch no state and no terminal. All decisions
are made by the one thread that takes from the queue.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar, cast

from aftrun.domain.errors import StateError
from aftrun.domain.model import Reply
from aftrun.run.ports import WAKE, Ticket

T = TypeVar("T")
Result = tuple[Ticket, Reply | BaseException]
_Work = tuple[Ticket, Callable[[], Reply]] | None

MAX_THREADS = 31
"""With the one that decides, a run has 32 threads."""

_MANY, _GATHER = 4, 0.002
"""With so many requests in flight, the next result is waited for so long, seconds: a turn for each would cost more."""

_NAP = 0.25 if os.name == "nt" else 3600.0
"""The longest single wait, seconds. On Windows Ctrl-C is not heard during one, only after it."""


class ThreadPool:
    """Daemon threads, all started at once: a run sends nothing before it has every thread that it will ever have.

    `size` is how many there are. Where the machine gives fewer than were asked for (`ulimit -u`, memory), the run does
    with those.

    They are daemons, and not `concurrent.futures`' workers, because the second Ctrl-C must end the process at once,
    whatever a request is waiting for.
    """

    def __init__(self, size: int) -> None:
        """Raises StateError where not even one thread can be started."""
        self._work: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._taken: list[Result] = []
        """Results on their way to the caller: an exception out of `wait`, such as Ctrl-C, loses none."""
        self._in_flight = 0
        """Requests whose results nobody has taken."""
        self.size = 0
        refused: BaseException | None = None
        while self.size < max(1, min(size, MAX_THREADS)) and refused is None:
            name = f"aftrun-request-{self.size + 1}"
            try:
                threading.Thread(target=self._run, name=name, daemon=True).start()
            except (RuntimeError, MemoryError, OSError) as error:  # Python has a RuntimeError for the system's EAGAIN
                refused = error
            else:
                self.size += 1
        if not self.size:
            raise StateError(
                "this machine lets aftrun start no thread, and requests are sent from threads",
                hint="see `ulimit -u`, and how much memory is free; nothing was sent",
            ) from refused

    def start(self, ticket: Ticket, call: Callable[[], Reply]) -> None:
        """Begin a request. The caller keeps to `size` requests in flight."""
        self._in_flight += 1
        self._work.put((ticket, call))

    def wait(self, timeout: float | None) -> list[Result]:
        """All results that are there, waiting up to `timeout` seconds (None: for ever) for the first."""
        # `get(timeout=…)` of a huge number overflows; nobody sleeps longer than an hour without a look around.
        left = 3600.0 if timeout is None else max(0.0, min(timeout, 3600.0))
        while not self._taken and left >= 0:
            with contextlib.suppress(queue.Empty):
                self._taken.append(self._results.get(timeout=min(left, _NAP)))
                while True:
                    self._taken.append(self._results.get_nowait())
            left -= _NAP
        self._gather()
        results, self._taken = self._taken, []
        self._in_flight -= sum(ticket is not WAKE for ticket, _ in results)
        return results

    def _gather(self) -> None:
        """Let more results come while many are on their way: what is decided together goes on record together."""
        end = time.monotonic() + _GATHER
        with contextlib.suppress(queue.Empty):
            while self._taken and self._in_flight - len(self._taken) >= _MANY:
                self._taken.append(self._results.get(timeout=max(0.0, end - time.monotonic())))

    def wake(self) -> None:
        """End a `wait` early. `SimpleQueue.put` is reentrant, so a signal handler may call this."""
        self._results.put((WAKE, InterruptedError()))

    def close(self) -> None:
        """Let idle threads go. Those with a request in flight end after it."""
        for _ in range(self.size):
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            ticket, call = work
            try:
                result: Reply | BaseException = call()
            except BaseException as error:  # noqa: BLE001  # it is handed over and raised again by the scheduler
                result = error
            self._results.put((ticket, result))


def within(seconds: float, call: Callable[[], T]) -> T:
    """What `call` gives if it takes no longer than that; one that does goes on by itself, and ends with the process.

    For packages that speak to servers: their own limits begin anew with every byte, so that one which answers a byte a
    second holds them up for ever.

    Raises:
        TimeoutError: it takes longer; what it does may be done or not.
        Exception: what `call` raised.
    """
    results: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put((call(), None))
        except BaseException as error:  # noqa: BLE001  # it is raised again where it is waited for
            results.put((None, error))

    try:
        threading.Thread(target=run, name="aftrun-aside", daemon=True).start()
    except (RuntimeError, MemoryError):
        return call()  # there is no thread to be had
    try:
        result, error = results.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no end within {seconds:g} s") from None
    if error is not None:
        raise error
    return cast("T", result)
