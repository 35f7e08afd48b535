"""What the scheduler needs from the world, as protocols: servers, a record, threads, time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aftrun.events import Event
from aftrun.model import Json, Reply
from aftrun.run.fold import Folder


class Door(Protocol):
    """One server. Each call is one request, never repeated by the door; failures are returned, not raised."""

    def submit(self, body: Mapping[str, Json]) -> Reply:
        """POST one job."""
        ...

    def status(self, job_id: str) -> Reply:
        """GET one job info."""
        ...


class Journal(Protocol):
    """The durable record of a run."""

    def append(self, events: Sequence[Event]) -> None:
        """Record events, in order; they are durable when this returns.

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
    """The two kinds of time: one for people and files, one for waiting."""

    def now(self) -> float:
        """Wall clock, epoch seconds, whole milliseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        """Wall clock, epoch seconds, whole milliseconds, as events carry them."""
        return round(time.time(), 3)

    def monotonic(self) -> float:
        """`time.monotonic`."""
        return time.monotonic()


Listener = Callable[[Event, Folder], None]
"""Hears every event after it was recorded, on the thread that runs the scheduler, with the fold of all so far.

One that also has a method `tick(now, due)` hears the time a few times a second: `now` in epoch seconds, and a function
that tells, by a job's key, when something is done about the job next (epoch seconds, or None). With an attribute
`restless` besides, it hears the time only while that is true.
"""
