"""Who looks on while jobs run: a person at a terminal or a log, a stream of events, a CI server, a trace."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

import aftrun
from aftrun.cli.boundary import Form, colour, drawable, say
from aftrun.cli.choices import Ci, detect
from aftrun.cli.options import ViewFlags
from aftrun.domain.frozen import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from aftrun.cli.view.ci import Speaker
    from aftrun.cli.view.live import LiveView
    from aftrun.domain.errors import StateError
    from aftrun.domain.model import RunReport
    from aftrun.report.ndjson import EventStream
    from aftrun.run.ports import JobApi, Listener
    from aftrun.service.prepare import PreparedRun
    from aftrun.service.report_file import Finished
    from aftrun.telemetry import Read, Reads

STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Subject:
    """The run that is looked at."""

    run: str
    labels: Mapping[str, str]
    """How each job is called, by its key."""
    sandbox: bool
    ours: bool = True
    """This process carries it out. Else what is made of it once, a trace, is for the one that does."""

    @classmethod
    def of(cls, setup: PreparedRun) -> Subject:
        """A run that this process is about to carry out."""
        return cls(setup.facts.id, {task.key: task.label for task in setup.plan.tasks}, setup.sandbox)


class RunObservers:
    """Everybody who looks on at one run, for as long as the `with` block lasts."""

    def __init__(self, subject: Subject, view: ViewFlags, state_dir: Path, farewell: str) -> None:
        """Raises StateError where the stream of events cannot be opened; nothing has been sent then."""
        ci = detect(os.environ) if view.ci is None else view.ci
        self._speaker: Speaker | None = None
        if ci is not Ci.NONE:
            from aftrun.cli.view.ci import Speaker  # only a CI server pays for it

            self._speaker = Speaker(ci, os.environ, Path())
        self.views: list[Listener] = []
        """People's."""
        self.streams: list[Listener] = []
        """Programs'."""
        self._subject, self._view, self._state_dir = subject, view, state_dir
        self._stack = contextlib.ExitStack()
        self._stream: EventStream | None = None
        self._reads: Reads | None = None
        self._drawing: LiveView | None = None
        self._look_on(farewell)
        if view.events is not None:
            self._stream_to(view.events)
        from aftrun.cli.view.outputs import traced

        self.traced = subject.ours and traced(os.environ)
        """Whether a trace of it is to be sent."""
        if self.traced:
            from aftrun.telemetry import Reads  # few ask for it

            self._reads = Reads()

    @property
    def listeners(self) -> list[Listener]:
        """All of them."""
        return [*self.views, *self.streams]

    @property
    def drawn(self) -> bool:
        """Whether a live picture is shown, which says what a signal did."""
        return self._drawing is not None

    @property
    def reads(self) -> tuple[Read, ...]:
        """Every status read, where a trace is wanted."""
        return () if self._reads is None else tuple(self._reads.seen)

    @property
    def client(self) -> Callable[[JobApi, str], JobApi] | None:
        """What watches the clients, where a trace is wanted."""
        return None if self._reads is None else self._reads.client

    def result(self, report: RunReport, run_folder: Path) -> tuple[tuple[str, ...], tuple[StateError, ...]]:
        """Writes the CI server's files; returns the lines to print for it, and what could not be written."""
        return self._speaker.result(report, run_folder) if self._speaker else ((), ())

    def _look_on(self, farewell: str) -> None:
        view, names = self._view, dict(self._subject.labels)
        if not view.quiet and not view.no_progress and not view.verbose and drawable(sys.stderr, os.environ):
            from aftrun.cli.view.live import LiveView  # only a picture needs it

            self._drawing = LiveView(
                sys.stderr, names, colour=colour(sys.stderr), interrupted=farewell, usual=self._usual(list(names))
            )
            self.views.append(self._drawing)
            return
        from aftrun.cli.view.progress import Lines

        level = -1 if view.quiet else 0 if view.no_progress else 1 + view.verbose
        usual = self._usual(list(names)) if level > 0 else None
        self.views.append(Lines(say, names, level=level, colour=colour(sys.stderr), usual=usual))

    def _usual(self, keys: list[str]) -> dict[str, float]:
        """How long each job took on other days."""
        from aftrun.run.store.folder import has_state_file  # only a picture asks

        if not has_state_file(self._state_dir):
            return {}
        from aftrun.service import history as past  # only a picture shows it

        with past.open_log(self._state_dir) as log:
            return past.medians(log, keys, but=self._subject.run, sandbox=self._subject.sandbox)

    def _stream_to(self, path: str) -> None:
        from aftrun.report.ndjson import EventStream, open_events  # only for this flag

        file = sys.stdout if path == STDOUT else self._stack.enter_context(open_events(path))
        name = "standard output" if path == STDOUT else path
        self._stream = EventStream(file, aftrun.__version__, name=name)
        self.streams.append(self._stream)

    def __enter__(self) -> Self:
        if self._speaker and not self._view.quiet and (text := self._speaker.opening(time.time())):
            say(text, Form.COMMANDS)
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawing is not None:
            self._drawing.close()
        if self._speaker and not self._view.quiet and (text := self._speaker.closing(time.time())):
            say(text, Form.COMMANDS)
        with contextlib.suppress(OSError):  # what could not be written has been noted already
            self._stack.close()

    def amend(self, finished: Finished) -> Finished:
        """The end of the run, with what could not be written while it ran."""
        if self._stream is None or self._stream.error is None:
            return finished
        return replace(finished, errors=(*finished.errors, self._stream.error))
