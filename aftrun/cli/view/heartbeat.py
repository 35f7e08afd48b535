"""What a log says when nothing happens for long: what is under way, since when, and how long it usually takes.

Many a CI server ends a step that prints nothing for ten minutes, and a person who reads a silent log cannot tell a long
transfer from a hanging program. So the silence is broken after 1, 2, 5 and 10 minutes, and every ten from then on.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping

from aftrun.domain.durations import human_duration
from aftrun.domain.instants import at_zone
from aftrun.domain.model import JobResult, State
from aftrun.domain.text import one_line

BEATS = (60.0, 120.0, 300.0, 600.0)
"""Seconds of silence after which something is said; then again after each `EVERY` more."""
EVERY = 600.0
_SHOWN = 5
"""Jobs that are named."""
_WORDS = {"submitting": "sending", "deferred": "not sent", "accepted": "queued", "waiting": "between two attempts"}


def beat(number: int) -> float:
    """Seconds of silence after which to speak for the n-th time, from 0."""
    return BEATS[number] if number < len(BEATS) else BEATS[-1] + EVERY * (number - len(BEATS) + 1)


class Silence:
    """How long nothing has been said, and when that is worth a line. Times are epoch seconds."""

    def __init__(self) -> None:
        self._since = math.inf
        self._beats = 0

    def broken(self, at: float) -> None:
        """Something was said."""
        self._since, self._beats = at, 0

    @property
    def due(self) -> float:
        """When to speak next; infinity before anything was said at all."""
        return self._since + beat(self._beats)

    def take(self, now: float) -> float | None:
        """Seconds of silence where it is time to speak, which is taken for done; else None."""
        if now < self.due:
            return None
        while self.due <= now:  # the machine may have slept
            self._beats += 1
        return now - self._since


def line(
    jobs: Mapping[str, JobResult], usual: Mapping[str, float], silent: float, now: float, label: Callable[[str], str]
) -> str:
    """What is said, in one line; `usual` holds the usual seconds by job key. Empty where no job is under way."""
    active = {key: job for key, job in jobs.items() if job.outcome is None and job.phase != "pending"}
    if not active:
        return ""
    told = [_told(label(key), job, usual.get(key), now) for key, job in list(active.items())[:_SHOWN]]
    if len(active) > _SHOWN:
        rest = Counter(_word(job) for job in list(active.values())[_SHOWN:])
        told.append(f"and {len(active) - _SHOWN} more ({', '.join(f'{n} {word}' for word, n in rest.most_common())})")
    waiting = sum(job.outcome is None and job.phase == "pending" for job in jobs.values())
    to_come = f"; {waiting} to come" if waiting else ""
    return f"still waiting, nothing new for {_whole(silent)}: {', '.join(told)}{to_come}"


def _word(job: JobResult) -> str:
    words = job.attempts[-1].words if job.attempts else ()
    if job.phase in ("accepted", "running") and words and words[-1].phase == State.UNLISTED:
        return f"in state {one_line(words[-1].word, 40)!r}, which aftrun does not know"
    return _WORDS.get(job.phase, job.phase)


def _told(label: str, job: JobResult, usual: float | None, now: float) -> str:
    """One job: ``load running, on the server since 02:10:03 (5m; usually 4m)``."""
    begun = job.timed_from
    where = ", on the server" if job.phase in ("accepted", "running") else ""
    since = "" if begun is None else f"{where} since {at_zone(begun, None):%H:%M:%S} ({_whole(now - begun)}"
    known = "" if usual is None or not since else f"; usually {human_duration(usual)}"
    why = job.attempts[-1].message.partition("\n")[0] if job.attempts and job.attempts[-1].message else ""
    reason = f": {one_line(why, 100)}" if why else ""
    return f"{label} {_word(job)}{since}{known}{')' if since else ''}{reason}"


def _whole(seconds: float) -> str:
    return human_duration(float(round(max(0.0, seconds))))
