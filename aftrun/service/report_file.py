"""`report.json`, kept true while a run goes on, and what a process has to show of its work when that is over."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import field
from pathlib import Path

from aftrun.domain.errors import ExitCode, StateError
from aftrun.domain.events import Event, RunEnded
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import RunReport
from aftrun.report import json as json_report
from aftrun.run.fold import ReportBuilder
from aftrun.run.ports import Clock
from aftrun.system.files import LASTING, InUse, write_atomic


@dataclass(frozen=True, slots=True)
class Finished:
    """How this process' work on the run ended."""

    report: RunReport
    exit_code: ExitCode
    report_path: Path | None = None
    """Where the report is kept; None for a run that is on no record."""
    errors: tuple[StateError, ...] = ()
    """What could not be written."""
    failure: BaseException | None = field(default=None, repr=False)
    """What ended the run before its time, where something of aftrun's own failed."""


class ReportFile:
    """Keeps `report.json` true while the run goes on: a listener.

    It is written by `tick`, when what was to be sent has left, and by the last event. Rewriting the whole file at every
    event would cost the square of the number of jobs, so a rewrite waits until a multiple of the cost of the last one
    has passed.
    """

    PAUSE = 100
    """How many times its own cost a rewrite waits."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.error: StateError | None = None
        self._clock = clock
        self._written, self._cost = -math.inf, 0.0
        self._builder: ReportBuilder | None = None
        self.restless = False
        """Whether the file is behind, so that `tick` wants to be called."""

    def __call__(self, event: Event, builder: ReportBuilder) -> None:
        """Hear one event."""
        self._builder, self.restless = builder, True
        if isinstance(event, RunEnded):
            self.write(builder.report())

    def tick(self, *_: object) -> None:
        """Write, if the file is behind and the last time is long enough ago."""
        if self.restless and self._builder is not None:
            now = self._clock.monotonic()
            if now - self._written >= self.PAUSE * self._cost:
                self.write(self._builder.report())
                self._written = self._clock.monotonic()
                self._cost = self._written - now

    def write(self, report: RunReport) -> None:
        """Write the report now. A failure is kept in `error`; a later success clears it.

        Nobody's jobs wait for whoever has the file open: it is written a little later.
        """
        self.restless = False
        try:
            write_atomic(self.path, json_report.Text(report), ours=True, pauses=())
            self.error = None
        except InUse as error:
            self.error, self.restless = error, True
        except StateError as error:
            self.error = error

    def finish(self, report: RunReport, say: Callable[[str], None]) -> None:
        """Write what could not be written before, when nothing else is left to do: `path` is where it is then."""
        if self.error is None:
            return
        try:
            self.path = write_last(self.path, report, say)
            self.error = None
        except StateError as error:
            self.error = error


def write_last(path: Path, report: RunReport, say: Callable[[str], None]) -> Path:
    """Write the report of a run that nobody works on any more, which is whole on record; returns where it is.

    While somebody has `path` open it is written beside it: a person who reads a report is no reason to call a run that
    succeeded anything else.

    Raises:
        StateError: it could not be written.
    """
    text = json_report.Text(report)
    beside = path.with_name(f"{path.stem}-{report.id}{path.suffix}")
    try:
        write_atomic(path, text, ours=True, pauses=())
    except InUse:
        say(f"waiting, since another program has {path} open")
        try:
            write_atomic(path, text, ours=True, pauses=LASTING)
        except InUse:
            write_atomic(beside, text, ours=True)
            say(f"warning: another program still has {path} open, so that file is behind; the report is {beside}")
            return beside
    with contextlib.suppress(OSError):  # what was written beside it earlier is behind now
        beside.unlink(missing_ok=True)
    return path
