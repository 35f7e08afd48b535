"""A server's clock that a test moves on: jobs end when the test says so, not after some time."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """The machine's clock, and what a test has added; for `Sandbox(clock=…)`."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Epoch seconds."""
        return self._offset + time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return once so much time has passed, or been added."""
        end = self.now() + seconds
        while (left := end - self.now()) > 0:
            await asyncio.sleep(min(left, 0.1))

    def add(self, seconds: float) -> None:
        """Let that much time pass, at once."""
        self._offset += seconds
