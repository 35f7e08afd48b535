"""The scheduler's record of one run: durable in two files, or in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from aftrun.domain.errors import StateError
from aftrun.domain.events import Accepted, Event, JobEnded, RunEnded, SubmitDeferred, SubmitIntended
from aftrun.domain.model import Outcome
from aftrun.run.store.journal_file import encode, event_line

if TYPE_CHECKING:
    from aftrun.run.store.record import Log

_PAST = 20
"""How many of a job's newest ends tell how long it usually takes."""
_TRIES = 50
"""How many events are tried one by one where there is no room for all of them."""
_PATIENCE = 2.0
"""How long to wait for a locked state file before the journal takes what has happened, seconds."""


class Lines(Protocol):
    """The journal's file, or a stand-in for it."""

    def check(self) -> None:
        """Make sure that it is still the file that was opened."""
        ...

    def check_open(self) -> None:
        """Make sure that nobody else has written to it, whatever has become of its name."""
        ...

    def append(self, lines: Sequence[str]) -> None:
        """Write lines; they are on disk when this returns."""
        ...


class RunJournal:
    """The scheduler's `Journal`: one run's share of the state file, and its journal file beside it.

    Everything is written to both. While another program has the state file locked (a backup, say), what has happened
    goes to the journal at once and to the state file when it is free; only intents wait, since a POST leaves when both
    files know of it.
    """

    def __init__(
        self,
        log: Log,
        run: str,
        file: Lines | None = None,
        *,
        sandbox: bool = False,
        checks: Sequence[Callable[[], None]] = (),
    ) -> None:
        """`sandbox` says whether the run is against one. `checks` raise a `StateError` where the record is not ours.

        Raises:
            StateError: the state file cannot be read.
        """
        self._log = log
        self._run = run
        self._file = file
        self._sandbox = sandbox
        self._checks = (*checks, log.check, *(() if file is None else (file.check,)))
        self._first: bool | None = None
        """Whether there are no other runs to learn from."""
        self._behind: list[Event] = []
        """What the journal has and the state file has not, since that was locked: the last events before `_next`."""
        self._lost: list[Event] = []
        """What has happened, and is in neither file yet."""
        self._next = log.next_number(run)
        self._texts: dict[int, str] = {}
        """The events that are being written, by their `id`, as they stand in both files."""

    def append(self, events: Sequence[Event]) -> Sequence[Event]:
        """Record events, in order; they are on disk when this returns. Returns those that are.

        All are, but for intents of jobs with `once` that another process has submitted meanwhile.

        Raises:
            StateError: they could not be recorded in both files. What has happened is in those that can still be
                written; intents are in none, or are taken back there.
        """
        from aftrun.run.store.database import Busy  # noqa: PLC0415  # tests and simulations do without SQLite

        left = list(events)
        early: list[Event] = []
        self._texts = {id(event): encode(event) for event in left}
        try:
            for check in self._checks:
                check()
            try:
                left = self._into_log(left, _PATIENCE if self._file is not None else None)
            except Busy:
                # What has happened goes to the journal now; a POST waits until both files know of its intent.
                early = [event for event in left if not isinstance(event, SubmitIntended | RunEnded)]
                self._into_file(early)
                self._behind += early
                self._next += len(early)
                left = [event for event in left if isinstance(event, SubmitIntended | RunEnded)]
                if not left:
                    return early
                left = self._into_log(left, None)
        except StateError:
            self._keep(_happened(left))
            raise
        try:
            self._into_file(left)
        except StateError as error:
            self._next += len(left)
            why = f"not sent: {error.message}"
            intents = [event for event in left if isinstance(event, SubmitIntended)]
            self._keep([SubmitDeferred(event.at, event.job, event.attempt, why) for event in intents])
            raise
        self._next += len(left)
        self._texts = {}
        return [*early, *left]

    def keep(self, events: Sequence[Event]) -> None:
        """Put what has happened where it can still be put, after `append` has failed. Never fails itself."""
        self._keep([*_happened(events), *(event for event in events if isinstance(event, RunEnded))])

    def _into_log(self, events: Sequence[Event], patience: float | None) -> list[Event]:
        """Write what is behind and these; returns those of them that may be on record."""
        behind = len(self._behind)
        batch = [*self._behind, *events]
        first = self._next - behind
        written = self._log.append(self._run, batch, first=first, patience=patience, texts=self._texts)
        self._behind = []
        return written[behind:]  # what is behind has happened, so none of it is refused

    def _into_file(self, events: Sequence[Event]) -> None:
        if self._file is not None and events:
            texts = [self._texts.get(id(event)) or encode(event) for event in events]
            self._file.append([event_line(number, text) for number, text in enumerate(texts, self._next)])

    def _keep(self, events: Sequence[Event]) -> None:
        """Put what has happened into one file at least. It has been said already that the record cannot be kept."""
        left = [*self._lost, *events]
        if not left and not self._behind:
            return
        self._lost = []
        in_file = self._file is None or self._kept_in_file(left)
        try:
            self._log.check()
            self._into_log(left, _PATIENCE)
        except StateError:
            if in_file:
                self._behind += left
            else:
                self._keep_what_fits(left)
                return
        self._next += len(left)

    def _kept_in_file(self, events: Sequence[Event]) -> bool:
        try:
            if self._file is not None:
                self._file.check_open()  # where the folder was moved, what has happened goes with it
                self._into_file(events)
        except StateError:
            return False
        return True

    def _keep_what_fits(self, events: Sequence[Event]) -> None:
        """On a full disk there may be room for an id where there is none for all that came with it; so ids come first.

        What fits nowhere takes no number, since one that is missing would look like a submission that was lost; nor
        does what follows it in its job. It waits until there is room.
        """
        stuck: set[str] = set()
        for event in sorted(events, key=lambda each: not isinstance(each, Accepted)):
            job = getattr(event, "job", "")
            if job in stuck or len(stuck) >= _TRIES or not self._kept_in_file([event]):
                self._lost.append(event)
                stuck.add(job)
            else:
                self._behind.append(event)
                self._next += 1

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


def _happened(events: Sequence[Event]) -> list[Event]:
    """Events that stay true when the record cannot be kept: no intents, and no jobs skipped for that very reason."""
    return [
        event
        for event in events
        if not isinstance(event, SubmitIntended | RunEnded)
        and not (isinstance(event, JobEnded) and event.outcome is Outcome.SKIPPED)
    ]


class MemoryJournal:
    """A record that is not durable: for runs that are on none, and as the yardstick for what durability costs."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, events: Sequence[Event]) -> Sequence[Event]:
        """Keep the events."""
        self.events.extend(events)
        return events

    def keep(self, events: Sequence[Event]) -> None:
        """Nothing fails here."""
        self.events.extend(events)
