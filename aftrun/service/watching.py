"""Following a run that another process carries out: from its record, not from the server. It changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from enum import Enum

from aftrun.domain.errors import ExitCode
from aftrun.domain.events import Event, RunEnded, RunResumed, RunStarted
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import RunReport
from aftrun.run.fold import ReportBuilder
from aftrun.run.ports import Clock, Listener, SystemClock
from aftrun.run.store import journal_file
from aftrun.run.store.folder import run_folder
from aftrun.run.store.journal_file import Tail
from aftrun.run.store.lock import held
from aftrun.run.store.record import Log
from aftrun.run.store.restore import read_run
from aftrun.system.signals import exit_code

PAUSE = 0.25
"""Seconds between two reads of the record, each of which costs next to nothing while nothing is new."""
_SHARE = 20
"""Where all of a record has to be read again, how many times as long to do without it afterwards."""


class WatchEnd(Enum):
    """Why watching a run came to its end."""

    ENDED = "ended"
    """The run ended."""
    CUT_OFF = "cut off"
    """Its process is gone, and put no end on record."""
    LEFT = "left"
    """The one who watched was told to stop; the run goes on."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen of a run."""

    report: RunReport
    exit_code: ExitCode
    """The run's own; 75 where it was cut off; 130 or 143 where watching it was interrupted."""
    end: WatchEnd


class RunWatcher:
    """Follows one run to its end.

    What the process of the run writes to its journal is read as it grows. Where that does not have all events in order
    (a damaged record, or one that a resume has put right), all of the record is read instead, as a resume reads it.
    """

    def __init__(
        self,
        log: Log,
        run: str,
        *,
        views: Sequence[Listener] = (),
        streams: Sequence[Listener] = (),
        clock: Clock | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`views` are shown how the run stands, and then what happens; `streams` hear every event from the first on.

        `pause` waits so many seconds.
        """
        self._log, self._run = log, run
        self._views, self._streams = list(views), list(streams)
        self._clock: Clock = clock or SystemClock()
        self._pause = pause
        self._folder = run_folder(log.path.parent, run)
        self._tail: Tail | None = Tail(self._folder / journal_file.NAME)
        """None once the record has to be read as a whole."""
        self._events: list[Event] = []
        self._fold = ReportBuilder()
        self._exit_code: int | None = None
        self._shown = False
        self._version: int | None = None
        self._read_again = 0.0
        self._signal = 0

    def interrupt(self, signal: int) -> None:
        """Stop watching; safe in a signal handler."""
        self._signal = signal

    def run(self) -> Watched:
        """Watch until the run has ended, its process is gone, or watching was interrupted.

        Raises:
            StateError: the record cannot be read.
            Exception: a listener failed.
        """
        while True:
            alive = held(self._folder)  # before the record is read, which is then all that there will be
            self._look()
            if self._exit_code is None and not alive:
                self._look_at_all()
            if self._exit_code is not None:
                return self._watched(_known(self._exit_code), WatchEnd.ENDED)
            if not alive:
                return self._watched(ExitCode.UNDER_WAY, WatchEnd.CUT_OFF)
            if self._signal:
                code = ExitCode(exit_code(self._signal))
                return self._watched(code, WatchEnd.LEFT)
            self._show()
            self._pause(PAUSE)

    def _watched(self, code: ExitCode, end: WatchEnd) -> Watched:
        return Watched(self._fold.report(), code, end)

    # --- reading --------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Take what is new."""
        if self._tail is not None:
            lines = self._tail.read()
            first = len(self._events)
            new = {number: event for number, event in lines.events.items() if number >= first} if lines else {}
            following = [new[number] for number in range(first, first + len(new)) if number in new]
            if lines is not None and len(following) == len(new):
                self._hear(following)
                if self._events:
                    return
            else:
                self._tail = None
        # Nothing is on record yet, or the journal is no use.
        version = self._log.version()
        if version != self._version and self._clock.monotonic() >= self._read_again:
            self._version = version
            self._look_at_all()
            start = self._events[0] if self._events else None
            if isinstance(start, RunStarted) and not start.journal:
                self._tail = None  # version 0.1 wrote none

    def _look_at_all(self) -> None:
        """Read the record as a whole, and take what is new in it."""
        began = self._clock.monotonic()
        events = list(read_run(self._log, self._run).events)
        known = len(self._events)
        if events[:known] == self._events:
            self._hear(events[known:])
        elif events:
            # It was put right meanwhile. What was told cannot be taken back; what is shown can.
            pairs = enumerate(zip(events, self._events, strict=False))
            same = next((number for number, (new, old) in pairs if new != old), len(events))
            self._events, self._fold, self._shown, self._exit_code = [], ReportBuilder(), False, None
            self._hear(events, told=same)
        now = self._clock.monotonic()
        self._read_again = now + _SHARE * (now - began)

    def _hear(self, events: Sequence[Event], told: int = 0) -> None:
        """Take events. The streams have been told as many of them already."""
        for number, event in enumerate(events):
            self._events.append(event)
            self._fold.feed(event)
            if isinstance(event, RunEnded):
                self._exit_code = event.exit_code
            elif isinstance(event, RunResumed):
                self._exit_code = None
            for stream in self._streams if number >= told else ():
                stream(event, self._fold)
            for view in self._views if self._shown else ():
                view(event, self._fold)

    # --- showing --------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        """Begin with how the run stands: nobody wants to see its first hours go by again. Later, tell the time."""
        if not self._events:
            return  # its process has only just begun
        if not self._shown:
            self._shown = True
            for view in self._views:
                view(self._events[0], self._fold)
        for view in self._views:
            tick = getattr(view, "tick", None)
            if tick is not None:
                tick(self._clock.now(), lambda _: None)


def _known(code: int) -> ExitCode:
    """A run's exit code; one that only a newer aftrun knows is a bug to this one, and no success."""
    try:
        return ExitCode(code)
    except ValueError:
        return ExitCode.BUG
