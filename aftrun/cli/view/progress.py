"""What a person sees while jobs run: one plain line a change, with the time, at once. A listener."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from aftrun.cli.view import heartbeat
from aftrun.cli.view.heartbeat import Silence
from aftrun.domain.durations import human_duration
from aftrun.domain.events import (
    Accepted,
    Event,
    Interrupted,
    JobEnded,
    LookFailed,
    RetryPlanned,
    RunResumed,
    RunStarted,
    StateSeen,
    SubmitDeferred,
    SubmitIntended,
    Warned,
)
from aftrun.domain.instants import at_zone
from aftrun.domain.model import Outcome, State
from aftrun.domain.text import clean
from aftrun.run.fold import ReportBuilder

MARKS = {
    Outcome.SUCCEEDED: "ok",
    Outcome.SUBMITTED: "ok",
    Outcome.UP_TO_DATE: "ok",
    Outcome.SKIPPED: "--",
    Outcome.FAILED: "FAIL",
    Outcome.REJECTED: "FAIL",
    Outcome.UNDELIVERED: "FAIL",
    Outcome.CANCELLED: "FAIL",
    Outcome.TIMED_OUT: "LATE",
    Outcome.UNKNOWN: "????",
}

WELL = (*(outcome for outcome in Outcome if outcome.well), Outcome.SKIPPED)
"""Ends that need nobody's attention; a job is skipped because of another one, which has it."""

COLOURS = {"ok": "32", "--": "2", "FAIL": "31", "LATE": "33", "????": "35"}


def paint(text: str, code: str, *, colour: bool) -> str:
    """The text in an ANSI colour, where colours are wanted."""
    return f"\x1b[{code}m{text}\x1b[0m" if colour and code else text


def _indented(text: str) -> str:
    """A message of several lines (cause, then remedy) with the further ones below its first."""
    return clean(text).replace("\n", "\n" + " " * 14)


LONG = 30
"""A cause of so many characters is said once; of jobs that share it is said only whose it was."""


class Lines:
    """Prints each change of each job. `level`: -1 bad ends only, 0 all ends and warnings, 1 every change, 2 details."""

    restless = False
    """It need not hear the time all the time: `wakes_at` says when."""

    def __init__(
        self,
        say: Callable[[str], None],
        labels: dict[str, str],
        *,
        level: int = 1,
        colour: bool,
        usual: Mapping[str, float] | None = None,
    ) -> None:
        """`usual` holds how long each job took on other days, seconds by its key."""
        self._say = say
        self._labels = labels
        self._level = level
        self._colour = colour
        self._done = -1
        self._deferred: dict[str, str] = {}
        self._told: set[str] = set()
        self._causes: dict[str, str] = {}
        """Who told each cause first."""
        self._usual = usual or {}
        self._silence = Silence()
        self._builder: ReportBuilder | None = None

    def __call__(self, event: Event, folder: ReportBuilder) -> None:
        """Hear one event."""
        self._builder = folder
        text = self._text(event, folder)
        if text or isinstance(event, RunStarted | RunResumed):
            self._silence.broken(event.at)
        if text:
            self._line(event.at, text)

    def _line(self, at: float, text: str) -> None:
        clock = at_zone(at, None).strftime("%H:%M:%S")
        self._say(f"{paint(clock, '2', colour=self._colour)} {text}")

    @property
    def wakes_at(self) -> float:
        """When it wants to hear the time next, epoch seconds; infinity: not at all."""
        return self._silence.due if self._level > 0 else math.inf

    def tick(self, now: float, *_: object) -> None:
        """Time has passed: say what is under way where nothing has been said for long."""
        if self._level <= 0 or self._builder is None:
            return
        silent = self._silence.take(now)
        if silent is not None:
            said = heartbeat.line(self._builder.jobs(), self._usual, silent, now, self._label)
            if said:
                self._line(now, f"     {said}")

    def _text(self, event: Event, folder: ReportBuilder) -> str:
        match event:
            case JobEnded():
                said = self._ended(event, folder)
                return said if self._level >= 0 or event.outcome not in WELL else ""
            case Warned() if self._level < 0:
                return ""
            case Warned():
                return paint(f"warning: {_indented(event.message)}", "33", colour=self._colour)
            case Interrupted():
                return "interrupted: nothing new is started"
        return self._change(event) if self._level > 0 else ""

    def _change(self, event: Event) -> str:
        match event:
            case SubmitIntended() if self._level > 1:
                text = "submitting"
            case SubmitDeferred() if self._level > 1 or self._deferred.get(event.job) != event.message:
                self._deferred[event.job] = event.message
                why = self._news(event.message, self._label(event.job))
                text = f"not delivered, again in {human_duration(event.retry_in)}: {why}"
            case Accepted():
                text = f"accepted as job {clean(event.job_id)}"
            case StateSeen() if self._level > 1 or event.phase == State.RUNNING:
                text = event.state or "no state"
            case LookFailed():
                text = f"cannot read its status, trying again: {self._news(event.message, self._label(event.job))}"
            case RetryPlanned():
                text = f"{event.message}; attempt {event.attempt} in {human_duration(event.retry_in)}"
            case _:
                return ""
        return f"     {self._label(event.job)}: {_indented(text)}"

    def _news(self, message: str, label: str) -> str:
        """A message without what has been told before: a hundred jobs may end for one reason, which is said once."""
        cause, _, remedy = message.partition("\n")
        first = self._causes.setdefault(cause, label)
        if first != label and len(cause) > max(LONG, len(first)):
            cause = f"as {first}"
        if remedy in self._told or not remedy:
            return cause
        self._told.add(remedy)
        return f"{cause}\n{remedy}"

    def _label(self, key: str) -> str:
        return clean(self._labels.get(key, key))

    def _ended(self, event: JobEnded, folder: ReportBuilder) -> str:
        done = sum(each.outcome is not None for each in folder.jobs().values()) if self._done < 0 else self._done + 1
        self._done = done
        job = folder.job(event.job)
        mark = MARKS[event.outcome]
        took = f" in {human_duration(job.took)}" if job.took is not None else ""
        why = f": {_indented(self._news(event.message, self._label(event.job)))}" if event.message else ""
        count = f"[{self._done}/{len(folder.jobs())}]"
        place = "" if event.outcome in WELL or not job.origin.in_file else f" ({job.origin})"
        return (
            f"{paint(f'{mark:>4}', COLOURS[mark], colour=self._colour)} {self._label(event.job)}{place}: "
            f"{event.outcome.value}{took} {count}{why}"
        )
