"""One lane a server: what is due there, how much is in flight, and how fast requests may follow one another.

Within a lane, what has been due longest goes first. So when more looks are due than the client or the server carries,
all of them are late by the same time, the length of the queue: nobody overtakes, nobody is forgotten, and intervals
stretch evenly. A job is in the queue at most once, and joins it again only after its look has been answered.

Submissions that are repeated do not stand in that queue, but before it: they have `submitTimeout` to get through, and a
look that is late does no harm.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence


class Queues:
    """Shares the pool's places among servers. `rates` are requests a second, None for no limit.

    Every server has some places of its own, which no other can take; the rest, about half, goes to whoever comes. So
    servers that answer slowly, however many jobs they have, do not hold up another.
    """

    def __init__(self, rates: Sequence[float | None], places: int) -> None:
        self._rates = rates
        self._places = places
        # Alone, a server has all places. Where there are more servers than places, each may hold one.
        self._own = places if len(rates) == 1 else max(1, places // (2 * max(1, len(rates))))
        self._common = max(0, places - self._own * len(rates))
        self._again: list[deque[int]] = [deque() for _ in rates]
        self._due: list[deque[int]] = [deque() for _ in rates]
        self._flying = [0] * len(rates)
        self._total = 0
        self._borrowed = 0
        """Places in use that no server owns."""
        self._next = [-math.inf] * len(rates)

    def push(self, lane: int, index: int, *, submits: bool = False) -> None:
        """A job's request to this server is due: a look, or a submission."""
        (self._again if submits else self._due)[lane].append(index)

    def pop(self, lane: int) -> int | None:
        """The job that has been due longest at this server, submissions before looks."""
        queue = self._again[lane] or self._due[lane]
        return queue.popleft() if queue else None

    @property
    def full(self) -> bool:
        """No place is free, at whatever server."""
        return self._total >= self._places

    def open(self, now: float) -> list[int]:
        """The servers to which a request may start now, those with the fewest in flight first."""
        if self.full:
            return []
        found = [
            lane
            for lane, flying in enumerate(self._flying)
            if self._next[lane] <= now and (flying < self._own or self._borrowed < self._common)
        ]
        if len(found) > 1:
            found.sort(key=self._flying.__getitem__)
        return found

    def next_opening(self, now: float) -> float:
        """When the first server opens that only its rate keeps closed; infinity where there is none."""
        return min((when for when in self._next if when > now), default=math.inf)

    def fly(self, lane: int, now: float) -> None:
        """A request starts."""
        self._borrowed += self._flying[lane] >= self._own
        self._flying[lane] += 1
        self._total += 1
        rate = self._rates[lane]
        if rate:
            self._next[lane] = max(now, self._next[lane]) + 1.0 / rate

    def land(self, lane: int) -> None:
        """A request has been answered."""
        self._flying[lane] -= 1
        self._borrowed -= self._flying[lane] >= self._own
        self._total -= 1
