"""A simulated disk with the record of one run on it: what is durable, and what a write can meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from aftrun.errors import StateError
from aftrun.events import Event


class Watcher(Protocol):
    """Hears what becomes of writes."""

    def durable(self, events: Sequence[Event]) -> None:
        """Events are on disk now."""
        ...

    def record_lost(self) -> None:
        """A write failed."""
        ...


class SimDisk:
    """Keeps what was written through every crash. `step` is called at each point at which the process may be killed."""

    def __init__(self, step: Callable[[str], None], watcher: Watcher) -> None:
        self._step, self._watcher = step, watcher
        self.events: list[Event] = []
        self.writes = 0
        self.full_from = 0
        """From this write on (counted from 1, over all processes) the disk is full; 0: never."""

    def append(self, events: Sequence[Event]) -> None:
        """The scheduler's `Journal`: all of the events become durable, or none."""
        assert events, "an empty batch costs a write for nothing"
        self._step("before a write")
        self.writes += 1
        if self.full_from and self.writes >= self.full_from:
            self._watcher.record_lost()
            raise StateError("the disk is full", hint="free some space")
        self.events.extend(events)
        self._watcher.durable(events)
        self._step("after a write")

    def keep(self, events: Sequence[Event]) -> None:
        """There is one file here, and it is full."""
