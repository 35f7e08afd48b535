"""What the scheduler needs from the world, as protocols: servers, a record, threads, time."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from aftrun.domain.events import Event
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Json, Reply
from aftrun.run.fold import ReportBuilder


class JobApi(Protocol):
    """One server. Each call is one request, never repeated by the client; failures are returned, not raised."""

    def submit(self, body: Mapping[str, Json]) -> Reply:
        """POST one job."""
        ...

    def status(self, job_id: str) -> Reply:
        """GET one job info."""
        ...


class Journal(Protocol):
    """The durable record of a run."""

    def append(self, events: Sequence[Event]) -> Sequence[Event]:
        """Record events, in order; they are durable when this returns. Returns those that are.

        All are, but for intents of jobs with `once` that another process has submitted meanwhile.

        Raises:
            StateError: they could not be recorded.
        """
        ...

    def keep(self, events: Sequence[Event]) -> None:
        """After `append` has failed: put what has happened since where it can still be put. Never fails itself."""
        ...


@dataclass(frozen=True, slots=True)
class Ticket:
    """Names a request in flight: which job (by its index in the plan), and what was asked."""

    index: int
    submits: bool
    """A POST, or else a status read."""


WAKE = Ticket(-1, submits=False)
"""No request: somebody called for attention."""


class Pool(Protocol):
    """Runs requests, and hands back their results to the one thread that asks."""

    size: int
    """How many requests can be in flight at once."""

    def start(self, ticket: Ticket, call: Callable[[], Reply]) -> None:
        """Begin a request."""
        ...

    def wait(self, timeout: float | None) -> list[tuple[Ticket, Reply | BaseException]]:
        """All results that are there, waiting up to `timeout` seconds (None: for ever) for the first."""
        ...

    def wake(self) -> None:
        """End a `wait` early. Safe in a signal handler."""
        ...


class Clock(Protocol):
    """The two kinds of time: one for people and files, one for waiting.

    Waiting (`timeout`, `queueTimeout`, backoff, polling) and durations go by `monotonic`; `finishBy`, a time of day,
    goes by `now`, which can be set.
    """

    def now(self) -> float:
        """Wall clock, epoch seconds, whole milliseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump; those that the machine sleeps count, where the system can tell them."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        """Wall clock, epoch seconds, whole milliseconds, as events carry them."""
        return round(time.time(), 3)

    def monotonic(self) -> float:
        """Seconds since the machine started, its sleep included: on Linux `CLOCK_BOOTTIME`."""
        return time.monotonic() if _AWAKE_OR_ASLEEP is None else time.clock_gettime(_AWAKE_OR_ASLEEP)


def _sleeping_clock() -> int | None:
    """The clock that goes on while the machine sleeps; None where `time.monotonic` is that, or there is none."""
    if sys.platform == "darwin":  # pragma: no cover  # measured on Linux
        return time.CLOCK_MONOTONIC  # unlike `time.monotonic`, which stands still in sleep there
    return getattr(time, "CLOCK_BOOTTIME", None)


_AWAKE_OR_ASLEEP = _sleeping_clock()


class SteadyClock:
    """A clock for the events of one process: `now` never jumps, whoever sets the machine's clock meanwhile.

    So durations are never negative and never a day too long. `wall` is the machine's own time, for a time of day.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = clock.now() - clock.monotonic()

    def now(self) -> float:
        """Epoch seconds, whole milliseconds: the machine's when this was made, plus what has passed since."""
        return round(self._offset + self._clock.monotonic(), 3)

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return self._clock.monotonic()

    def wall(self) -> float:
        """The machine's time of day, epoch seconds, as it is set now."""
        return self._clock.now()


class Deadlines:
    """Instants of the wall clock, on the clock that everything else goes by: they move when the clock is set."""

    def __init__(self, instants: Sequence[float | None], clock: SteadyClock) -> None:
        self._instants, self._clock = instants, clock
        self.any = any(instant is not None for instant in instants)
        """Whether there is one at all."""

    def __len__(self) -> int:
        return len(self._instants)

    def __getitem__(self, index: int) -> float:
        """When that is, in monotonic seconds, as the clock is set now; infinity where there is none."""
        instant = self._instants[index]
        return math.inf if instant is None else self._clock.monotonic() + (instant - self._clock.wall())


Listener = Callable[[Event, ReportBuilder], None]
"""Hears every event after it was recorded, on the thread that runs the scheduler, with the fold of all so far.

One that also has a method `tick(now, due)` hears the time a few times a second: `now` in epoch seconds, and a function
that tells, by a job's key, when something is done about the job next (epoch seconds, or None). With an attribute
`restless` besides, it hears the time only while that is true, or at the time that an attribute `wakes_at` tells (epoch
seconds).
"""
