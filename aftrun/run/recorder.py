"""Collects the events of a turn, makes them durable in one write, and lets everybody hear them afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from aftrun.errors import StateError
from aftrun.events import Event
from aftrun.run.fold import Folder
from aftrun.run.ports import Clock, Journal, Listener

TICK = 0.25
"""Seconds between two `tick`s of a listener that has one."""

Loss = Callable[[StateError, list[Event]], list[Event]]
"""What to do when the record cannot be kept any more; returns the events that still hold."""


class Recorder:
    """The one way from a decision to the record, the fold and the listeners."""

    def __init__(self, journal: Journal, folder: Folder, listeners: Sequence[Listener], clock: Clock) -> None:
        self._journal, self._listeners, self._clock = journal, listeners, clock
        self.folder = folder
        self.error: StateError | None = None
        """Why the record could not be kept, if so."""
        self._events: list[Event] = []
        self._tickers = [each for each in listeners if hasattr(each, "tick")]
        self._ticked = -math.inf

    def add(self, *events: Event) -> None:
        """Collect events for the next `flush`."""
        self._events.extend(events)

    def flush(self, lost: Loss) -> None:
        """Make the collected events durable, then tell them. After the first failure they are only told."""
        if not self._events:
            return
        events, self._events = self._events, []
        if self.error is None:
            try:
                self._journal.append(events)
            except StateError as error:
                self.error = error
                events = lost(error, events)
        self.tell(events)

    def tell(self, events: Sequence[Event]) -> None:
        """Let the fold and the listeners hear events that are on record."""
        for event in events:
            self.folder.feed(event)
            for listener in self._listeners:
                listener(event, self.folder)

    def next_tick(self) -> float:
        """When the listeners want to hear the time again (monotonic); infinity where nobody does."""
        wanted = any(getattr(each, "restless", True) for each in self._tickers)
        return self._ticked + TICK if wanted else math.inf

    def tick(self, due_at: Callable[[str], float | None]) -> None:
        """Tell the time to the listeners that have a `tick`: a live view must move even while nothing happens."""
        now = self._clock.monotonic()
        if now >= self.next_tick():
            self._ticked = now
            for each in self._tickers:
                each.tick(self._clock.now(), due_at)
