"""The scheduler's record of one run: durable, or in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aftrun.errors import StateError
from aftrun.events import Event

if TYPE_CHECKING:
    from aftrun.run.log import Log

_PAST = 20
"""How many of a job's newest ends tell how long it usually takes."""


class RunJournal:
    """The scheduler's `Journal`: one run's share of the log. `sandbox` says whether the run is against one."""

    def __init__(self, log: Log, run: str, *, sandbox: bool = False) -> None:
        self._log = log
        self._run = run
        self._sandbox = sandbox
        self._first: bool | None = None
        """Whether there are no other runs to learn from."""

    def append(self, events: Sequence[Event]) -> None:
        """Record events, in order; they are on disk when this returns.

        Raises:
            StateError: they could not be recorded.
        """
        self._log.append(self._run, events)

    def past(self, job: str) -> tuple[float, ...]:
        """How long a job, by its key, took when it last succeeded in other runs of the same kind, seconds."""
        try:
            if self._first is None:
                self._first = self._log.alone(self._run)
            if self._first:
                return ()
            found = self._log.durations((job,), but=self._run, sandbox=self._sandbox, limit=_PAST)
        except StateError:
            return ()  # it only helps to look in good time; a record that is broken shows at the next write
        return tuple(seconds for _, seconds in found)


class MemoryJournal:
    """A record that is not durable: for tests, and as the yardstick for what durability costs."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, events: Sequence[Event]) -> None:
        """Keep the events."""
        self.events.extend(events)
