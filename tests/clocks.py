"""Clocks that stand still until a test sets them."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from tests.waiting import until


class HandClock:
    """A sandbox's clock, set by hand: what takes time there takes it when the test says so."""

    def __init__(self, now: float = 1_767_322_800.0) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._sleepers: list[tuple[float, asyncio.AbstractEventLoop, asyncio.Event]] = []

    def now(self) -> float:
        """Epoch seconds; at first 2026-01-02T03:00:00Z."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return once the clock has been set so many seconds further."""
        event = asyncio.Event()
        with self._lock:
            if seconds <= 0:
                return
            self._sleepers.append((self._now + seconds, asyncio.get_running_loop(), event))
        await event.wait()

    def advance(self, seconds: float) -> None:
        """Let time pass, and wake who waited for it."""
        with self._lock:
            self._now += seconds
            due = [each for each in self._sleepers if each[0] <= self._now + 1e-6]
            self._sleepers = [each for each in self._sleepers if each not in due]
        for _, loop, event in due:
            with contextlib.suppress(RuntimeError):  # that sandbox has stopped
                loop.call_soon_threadsafe(event.set)

    def until_asleep(self, count: int = 1) -> None:
        """Wait until so many are waiting for the clock."""
        until(lambda: len(self._sleepers) >= count)
