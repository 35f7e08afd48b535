"""The kernel of every simulated world: true time, the clocks of a machine, and a pool without threads.

Nothing here sleeps. Time passes only inside `SimPool.wait`, which jumps to the next thing that happens. All that is
random is drawn by whoever uses this, so that a world is one function of its seed.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import Any

from aftrun.domain.model import Reply
from aftrun.run.ports import WAKE, Ticket

EPOCH = 1_767_225_600.0
"""When worlds begin unless they say otherwise: 2026-01-01T00:00:00Z."""

BOOTED = 7_654_321.0
"""What the monotonic clock says when a world begins. Far from 0, as on a machine that has been up for months: a rule
that takes "never" or "not yet" for 0 must not look right by chance."""

NEVER = math.inf

_PATIENCE = 100_000
"""How often a scheduler may wait before it is taken to be stuck."""


class Crash(BaseException):
    """The process is killed at this point. Not an `Exception`: nobody may think of handling it."""


class World:
    """True time, the machine's two clocks, and what is going to happen when. It is the scheduler's `Clock`.

    `time` is true seconds since the world began; servers live by it. The wall clock can be set (`set_clock`), and the
    monotonic clock may stand still while the machine sleeps (`sleep`) and starts anew when it boots (`boot`). Time
    passes while it is read, as it does everywhere: who reads it twice gets two answers.
    """

    def __init__(self, *, epoch: float = EPOCH, booted: float = BOOTED, reading: float = 1e-6) -> None:
        """`reading` is how many seconds it takes to read the monotonic clock."""
        self.time = 0.0
        self._reading = reading
        self.trace: list[tuple[str, Any]] = []
        """What happened, in order: `("recorded", event)`, `("told", event)`, `("post", body)`, `("get", job_id)`."""
        self.latency = 0.0
        """Set by a server while it handles a request: how long its answer takes."""
        self._epoch, self._booted = epoch, booted
        self._plans: list[tuple[float, int, Callable[[], None]]] = []
        self._planned = 0

    def now(self) -> float:
        """Wall clock."""
        return round(self._epoch + self.time, 3)

    def monotonic(self) -> float:
        """Seconds since some moment long ago; they never jump."""
        self.time += self._reading
        return self._booted + self.time

    def when(self, at: float) -> float:
        """The true time at which the wall clock said `at`, as long as nobody has set it since."""
        return min(self.time, at - self._epoch)

    def set_clock(self, seconds: float) -> None:
        """Somebody sets the wall clock by so many seconds."""
        self._epoch += seconds

    def sleep(self, seconds: float, *, still: bool = False) -> None:
        """The machine sleeps; servers do not. On some machines the monotonic clock stands `still` meanwhile."""
        self.time += seconds
        if still:
            self._booted -= seconds

    def boot(self, since: float) -> None:
        """The machine was started anew, `since` seconds ago. No process lives through this."""
        self._booted = since - self.time

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Let something happen at a time."""
        self._planned += 1
        heapq.heappush(self._plans, (time, self._planned, action))

    @property
    def next_plan(self) -> float:
        """When the next thing happens that `at` planned."""
        return self._plans[0][0] if self._plans else NEVER

    def advance(self, time: float) -> None:
        """Let time pass; what was planned for it happens."""
        while self._plans and self._plans[0][0] <= time:
            when, _, action = heapq.heappop(self._plans)
            self.time = max(self.time, when)
            action()
        self.time = max(self.time, time)


class SimPool:
    """A `Pool` on one thread: a request reaches the server `uplink()` after it starts, its answer one latency later."""

    def __init__(
        self, world: World, size: int, uplink: Callable[[], float] | None = None, patience: int = _PATIENCE
    ) -> None:
        self._patience = patience
        self.size = size
        self.world = world
        self.most = 0
        """How many requests were in flight at most."""
        self._uplink = uplink
        self._under_way = 0
        self._landing: list[tuple[float, int, Ticket, Reply | BaseException]] = []
        self._count = 0
        self.waits = 0
        """How often the scheduler has waited: its turns."""
        self._woken = False

    def start(self, ticket: Ticket, call: Callable[[], Reply]) -> None:
        """Begin a request."""
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        assert self._under_way <= self.size, "more requests in flight than the pool has places"
        delay = self._uplink() if self._uplink is not None else 0.0
        if delay:
            self.world.at(self.world.time + delay, lambda: self._arrive(ticket, call))
        else:
            self._arrive(ticket, call)

    def _arrive(self, ticket: Ticket, call: Callable[[], Reply]) -> None:
        """The request reaches the server, which answers."""
        self.world.latency = 0.0
        try:
            reply: Reply | BaseException = call()
        except BaseException as error:  # noqa: BLE001  # a pool hands over whatever its call raises
            reply = error
        self._count += 1
        heapq.heappush(self._landing, (self.world.time + self.world.latency, self._count, ticket, reply))

    def wait(self, timeout: float | None) -> list[tuple[Ticket, Reply | BaseException]]:
        """Jump to the next answer, wake-up or timeout."""
        self.waits += 1
        assert self.waits < self._patience, "the scheduler goes round and round"
        world = self.world
        end = NEVER if timeout is None else world.monotonic() + timeout
        while not self._woken and not self._due():
            left = end - world.monotonic()
            if left <= 0:
                break
            # A clock that is far from 0 cannot tell less than a microsecond: nobody waits shorter than that.
            timeout_at = world.time + max(left, 1e-6)
            following = min(self._landing[0][0] if self._landing else NEVER, world.next_plan, timeout_at)
            assert following < NEVER, "the scheduler waits for ever for nothing"
            world.advance(following)
        results: list[tuple[Ticket, Reply | BaseException]] = []
        if self._woken:
            self._woken = False
            results.append((WAKE, InterruptedError()))
        while self._due():
            _, _, ticket, reply = heapq.heappop(self._landing)
            self._under_way -= 1
            results.append((ticket, reply))
        return results

    def wake(self) -> None:
        """End a `wait` early."""
        self._woken = True

    def _due(self) -> bool:
        return bool(self._landing) and self._landing[0][0] <= self.world.time
