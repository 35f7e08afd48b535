"""One lane a server: what is due there, how much is in flight, and how fast requests may follow one another."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence


class Lanes:
    """Shares the pool's places among servers. `rates` are requests a second, None for no limit."""

    def __init__(self, rates: Sequence[float | None], places: int) -> None:
        self._rates = rates
        self._places = places
        # With several servers, one of them can hold all places but one for each of the others, so that a server that
        # answers slowly does not hold up another.
        self._share = max(1, places - len(rates) + 1)
        self._due: list[deque[int]] = [deque() for _ in rates]
        self._flying = [0] * len(rates)
        self._total = 0
        self._next = [-math.inf] * len(rates)

    def push(self, lane: int, index: int) -> None:
        """A job's request to this server is due."""
        self._due[lane].append(index)

    def pop(self, lane: int) -> int | None:
        """The job that has been due longest at this server."""
        return self._due[lane].popleft() if self._due[lane] else None

    @property
    def full(self) -> bool:
        """No place is free, at whatever server."""
        return self._total >= self._places

    def open(self, now: float) -> list[int]:
        """The servers to which a request may start now."""
        if self.full:
            return []
        return [lane for lane, flying in enumerate(self._flying) if flying < self._share and self._next[lane] <= now]

    def next_opening(self, now: float) -> float:
        """When the first server opens that only its rate keeps closed; infinity where there is none."""
        return min((when for when in self._next if when > now), default=math.inf)

    def fly(self, lane: int, now: float) -> None:
        """A request starts."""
        self._flying[lane] += 1
        self._total += 1
        rate = self._rates[lane]
        if rate:
            self._next[lane] = max(now, self._next[lane]) + 1.0 / rate

    def land(self, lane: int) -> None:
        """A request has been answered."""
        self._flying[lane] -= 1
        self._total -= 1
