"""Collects the events of a turn, makes them durable in one write, and lets everybody hear them afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from aftrun.domain.errors import StateError
from aftrun.domain.events import Event
from aftrun.run.fold import ReportBuilder
from aftrun.run.ports import Clock, Journal, Listener

TICK = 0.25
"""Seconds between two `tick`s of a listener that has one."""

Loss = Callable[[StateError, list[Event]], list[Event]]
"""What to do when the record cannot be kept any more; returns the events that still hold."""


class Recorder:
    """The one way from a decision to the record, the fold and the listeners."""

    def __init__(self, journal: Journal, builder: ReportBuilder, listeners: Sequence[Listener], clock: Clock) -> None:
        self._journal, self._clock = journal, clock
        self._listeners = list(listeners)
        self._builder = builder
        self.error: StateError | None = None
        """Why the record could not be kept, if so."""
        self._events: list[Event] = []
        self._tickers = [each for each in listeners if hasattr(each, "tick")]
        self._ticked = clock.monotonic()

    def add(self, *events: Event) -> None:
        """Collect events for the next `flush`."""
        self._events.extend(events)

    def flush(self, lost: Loss) -> Sequence[Event]:
        """Make the collected events durable, then tell them; after the first failure, as durable as can be.

        Returns what is not on record, and was not told: intents of jobs that another process has submitted meanwhile.

        Raises:
            Exception: a bug, in the record or in a listener. Events that are not on record are still collected.
        """
        if not self._events:
            return ()
        before = self._events
        events: Sequence[Event] = before
        if self.error is None:
            try:
                events = self._journal.append(events)
            except StateError as error:
                self.error = error
                self._events = []
                events = lost(error, before)
                self._journal.keep([event for event in events if event not in before])
        else:
            self._journal.keep(events)
        refused = [] if len(events) == len(before) else [event for event in before if event not in events]
        self._events = []
        self.tell(events)
        return refused if self.error is None else ()

    def flush_apart(self) -> None:
        """As `flush`, when something has failed already: one event at a time, so that none goes down with another."""
        events, self._events = self._events, []
        for event in events:
            try:
                if self.error is None:
                    self.tell(self._journal.append([event]))
                    continue
                self._journal.keep([event])
                self.tell([event])
            except StateError as error:
                self.error = error
                self.tell([event])
            except Exception:  # noqa: BLE001, S112  # the first failure is the one that is raised
                continue

    def tell(self, events: Sequence[Event]) -> None:
        """Let the fold and the listeners hear events that are on record.

        Raises:
            Exception: a listener failed. All others have heard all events; that one hears no more.
        """
        failures: list[BaseException] = []
        for event in events:
            self._builder.feed(event)
            for listener in tuple(self._listeners):
                try:
                    listener(event, self._builder)
                except BaseException as error:  # noqa: BLE001  # raised below, when nobody is left without the news
                    failures.append(error)
                    self._drop(listener)
        if failures:
            raise failures[0]

    def next_tick(self, now: float) -> float:
        """When the listeners want to hear the time again; infinity where nobody does. Both are monotonic.

        `now` is read once, by who compares: of a clock that is read again meanwhile, a time that has come lies ahead.
        """
        wanted = any(getattr(each, "restless", True) for each in self._tickers)
        if wanted:
            return self._ticked + TICK
        wakes = min((getattr(each, "wakes_at", math.inf) for each in self._tickers), default=math.inf)
        return wakes if wakes == math.inf else now + max(0.0, wakes - self._clock.now())

    def tick(self, due_at: Callable[[str], float | None]) -> None:
        """Tell the time to the listeners that have a `tick`: a live view must move even while nothing happens."""
        now = self._clock.monotonic()
        if now >= self.next_tick(now):
            self._ticked = now
            for each in tuple(self._tickers):
                try:
                    each.tick(self._clock.now(), due_at)
                except BaseException:
                    self._drop(each)
                    raise

    def _drop(self, listener: Listener) -> None:
        """It has failed, and hears no more."""
        self._listeners.remove(listener)
        self._tickers = [each for each in self._tickers if each is not listener]
