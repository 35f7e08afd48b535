"""One queue a server: what is due there, how much is in flight, and how fast requests may follow one another.

Within a queue, what has been due longest goes first. So when more reads are due than the client or the server carries,
all of them are late by the same time, the length of the queue: nobody overtakes, nobody is forgotten, and intervals
stretch evenly. A job is in the queue at most once, and joins it again only after its read has been answered.

Submissions that are repeated do not stand in that queue, but before it: they have `submitTimeout` to get through, and a
read that is late does no harm.
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
        self._in_flight = [0] * len(rates)
        self._total = 0
        self._borrowed = 0
        """Places in use that no server owns."""
        self._next = [-math.inf] * len(rates)

    def push(self, server: int, index: int, *, submits: bool = False) -> None:
        """A job's request to this server is due: a status read, or a submission."""
        (self._again if submits else self._due)[server].append(index)

    def pop(self, server: int) -> int | None:
        """The job that has been due longest at this server, submissions before reads."""
        queue = self._again[server] or self._due[server]
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
            server
            for server, flying in enumerate(self._in_flight)
            if self._next[server] <= now and (flying < self._own or self._borrowed < self._common)
        ]
        if len(found) > 1:
            found.sort(key=self._in_flight.__getitem__)
        return found

    def next_opening(self, now: float) -> float:
        """When the first server opens that only its rate keeps closed; infinity where there is none."""
        return min((when for when in self._next if when > now), default=math.inf)

    def sent(self, server: int, now: float) -> None:
        """A request starts."""
        self._borrowed += self._in_flight[server] >= self._own
        self._in_flight[server] += 1
        self._total += 1
        rate = self._rates[server]
        if rate:
            self._next[server] = max(now, self._next[server]) + 1.0 / rate

    def answered(self, server: int) -> None:
        """A request has been answered."""
        self._in_flight[server] -= 1
        self._borrowed -= self._in_flight[server] >= self._own
        self._total -= 1
