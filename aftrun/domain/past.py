"""How manifests and their jobs have fared over many runs: frozen data, and the one home of what is usual of a job.

A job is *slower than usual* where the median of its newest three successes lies above the median of the older half of
them by more than three times their spread (the median of the distances from that median, scaled as for a normal
distribution), by a third and a second at least, and well above what nine of ten of that half took; below eight
successes nothing is said. It is *flaky* where success and failure changed four times or more within its last twenty
verdicts.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from aftrun.domain.durations import human_duration
from aftrun.domain.frozen import dataclass
from aftrun.domain.instants import at_zone
from aftrun.domain.jobnames import job_key, split_key
from aftrun.domain.model import Outcome, RunOutcome

RECENT = 20
"""How many of a job's newest ends are its strip, and tell what is usual."""
ENOUGH = 8
"""Successes below which nothing is said about what is usual."""
_WINDOW = 60
"""How many of the newest successes are compared; what was a year ago does not matter."""
_NEWEST = 3
_SPREADS = 3 * 1.4826
_SHARE, _LEAST = 1 / 3, 1.0
"""What does not exceed the usual by this share and by so many seconds is not worth a word."""
_CHANGES = 4


class Verdict(StrEnum):
    """What an end says of a job or of a run."""

    GOOD = "good"
    BAD = "bad"
    UNSURE = "unsure"
    """Nobody knows."""
    NONE = "none"
    """It was not its turn, or is not over."""


_VERDICTS = {
    Outcome.SUCCEEDED: Verdict.GOOD,
    Outcome.SUBMITTED: Verdict.GOOD,
    Outcome.FAILED: Verdict.BAD,
    Outcome.REJECTED: Verdict.BAD,
    Outcome.UNDELIVERED: Verdict.BAD,
    Outcome.CANCELLED: Verdict.BAD,
    Outcome.TIMED_OUT: Verdict.BAD,
    Outcome.UNKNOWN: Verdict.UNSURE,
    Outcome.SKIPPED: Verdict.NONE,
    "upToDate": Verdict.NONE,
    RunOutcome.INTERRUPTED: Verdict.BAD,
    RunOutcome.STATE_ERROR: Verdict.BAD,
    RunOutcome.ERROR: Verdict.BAD,
    RunOutcome.STOPPED: Verdict.UNSURE,
    RunOutcome.RUNNING: Verdict.NONE,
}

MARKS = {
    Outcome.SUCCEEDED.value: "✓",
    Outcome.SUBMITTED.value: "✓",
    "upToDate": "=",
    Outcome.SKIPPED.value: "·",
    RunOutcome.RUNNING.value: "…",
    RunOutcome.INTERRUPTED.value: "!",
    RunOutcome.STOPPED.value: "!",
}
"""The sign of an outcome in a strip, where it is none of the two below."""


def verdict(outcome: str) -> Verdict:
    """What the outcome of a job or a run says. A word of a later version says nothing that is known."""
    return _VERDICTS.get(outcome, Verdict.UNSURE)


def mark(outcome: str) -> str:
    """The sign of an outcome, of ✓ ✗ ? = · ! … alone."""
    return MARKS.get(outcome) or ("✗" if verdict(outcome) is Verdict.BAD else "?")


_GOOD = frozenset(word for word, said in _VERDICTS.items() if said is Verdict.GOOD)
_BAD = frozenset(word for word, said in _VERDICTS.items() if said is Verdict.BAD)
_NEITHER = frozenset(word for word, said in _VERDICTS.items() if said is Verdict.NONE)
WELL = _GOOD | _NEITHER
"""Outcomes that need no cause. These are sets, since a year has a hundred thousand ends to be looked up here."""


class End(NamedTuple):
    """How a job ended in one run."""

    run: str
    outcome: str
    seconds: float | None = None
    """From the acceptance of the job to its end."""
    unknown_then: bool = False
    """The run itself ended without knowing; it is known from elsewhere by now."""


def without_echoes(ends: Sequence[End], sent: Mapping[str, str]) -> list[End]:
    """The ends of a job, each submission's told once, as soon as it is known.

    `sent` are the runs that said "unknown" of what an earlier run had sent, and which that was. Whichever of them was
    settled, or saw the end: it counts where the job was sent, and the others said nothing of their own.
    """
    if not sent:
        return list(ends)
    unknown, here = Outcome.UNKNOWN.value, {end.run for end in ends}
    known = {sent.get(end.run, end.run): end for end in ends if end.outcome != unknown}
    found = []
    for end in ends:
        told = known.get(sent.get(end.run, end.run))
        if told is None:
            found.append(end)
        elif end.run not in sent:
            found.append(told._replace(run=end.run, unknown_then=end.outcome == unknown))
        else:
            alone = told is end and sent[end.run] not in here
            found.append(end if alone else End(end.run, Outcome.SKIPPED.value, None, end.outcome == unknown))
    return found


@dataclass(frozen=True, slots=True)
class Usual:
    """How long a job usually takes, seconds."""

    median: float
    spread: float
    """The median of the distances from the median."""
    high: float
    """What nine of ten did not exceed: where a job has two usual times, the spread alone would tell of one."""

    def exceeded_by(self, seconds: float) -> bool:
        """Whether a time is longer than chance explains."""
        far = self.median + max(_SPREADS * self.spread, _SHARE * self.median, _LEAST)
        return seconds > max(far, self.high * (1 + _SHARE / 2))


def median(seconds: Iterable[float]) -> float:
    """The middle of one or more times. Python's `statistics` takes 10 ms to load, which every command would pay."""
    ordered = sorted(seconds)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def usual(seconds: Sequence[float]) -> Usual | None:
    """What is usual, of the times of successes in any order; None where they are none."""
    if not seconds:
        return None
    middle = median(seconds)
    return Usual(middle, median(abs(each - middle) for each in seconds), percentile(seconds, 0.9) or middle)


def percentile(seconds: Sequence[float], share: float) -> float | None:
    """The smallest of these times that so large a share of them does not exceed; None where they are none."""
    return sorted(seconds)[max(0, math.ceil(share * len(seconds)) - 1)] if seconds else None


class Concern(StrEnum):
    """Why a job wants attention, the most urgent first."""

    FAILING = "failing"
    """It did not succeed when it last ran."""
    UNKNOWN = "unknown"
    FAILED = "failed"
    """It failed of late, though not the last time."""
    SLOWER = "slower"
    FLAKY = "flaky"


class Note(NamedTuple):
    """One reason for attention, in words."""

    concern: Concern
    text: str


@dataclasses.dataclass(frozen=True)
class JobPast:
    """A job over many runs. What follows from its ends is worked out when it is asked for."""

    manifest: str
    name: str
    ends: tuple[End, ...]
    """The oldest first."""
    starts: Mapping[str, float]
    """When each run began, epoch seconds."""
    causes: Mapping[str, str]
    """Why it ended as it did, by run, where that was not well."""
    sandbox: bool = False

    @property
    def key(self) -> str:
        """As in events: `manifest/job`."""
        return job_key(self.manifest, self.name)

    @functools.cached_property
    def tried(self) -> tuple[End, ...]:
        """The ends that say something of the job: not those where it was not its turn."""
        return tuple(end for end in self.ends if end.outcome not in _NEITHER)

    @functools.cached_property
    def failures(self) -> tuple[End, ...]:
        """The ends that were failures, the oldest first."""
        return tuple(end for end in self.tried if end.outcome in _BAD)

    @functools.cached_property
    def unknown(self) -> tuple[End, ...]:
        """The ends that nobody knows, and nobody has settled."""
        return tuple(end for end in self.tried if end.outcome not in _GOOD and end.outcome not in _BAD)

    @property
    def failure_rate(self) -> float | None:
        """Which share of the ends were failures; None where it never ran."""
        return len(self.failures) / len(self.tried) if self.tried else None

    @functools.cached_property
    def seconds(self) -> tuple[float, ...]:
        """How long its successes took, the oldest first."""
        good = Outcome.SUCCEEDED.value
        return tuple(end.seconds for end in self.ends if end.outcome == good and end.seconds is not None)

    @property
    def p50(self) -> float | None:
        """The median of its successes' seconds."""
        return percentile(self.seconds, 0.5)

    @property
    def p95(self) -> float | None:
        """What 95 of 100 of its successes did not exceed."""
        return percentile(self.seconds, 0.95)

    @functools.cached_property
    def slower(self) -> tuple[float, float] | None:
        """How long it takes of late and took before, seconds, where it is slower than usual."""
        window = self.seconds[-_WINDOW:]
        if len(window) < ENOUGH:
            return None
        of_late = median(window[-_NEWEST:])
        before = usual(window[: len(window) // 2])
        return (of_late, before.median) if before is not None and before.exceeded_by(of_late) else None

    @functools.cached_property
    def changes(self) -> int:
        """How often success and failure changed within its last twenty verdicts."""
        known = [said for end in self.tried[-2 * RECENT :] if (said := verdict(end.outcome)) is not Verdict.UNSURE]
        known = known[-RECENT:]
        return sum(before is not after for before, after in itertools.pairwise(known))

    @property
    def flaky(self) -> bool:
        """Whether it succeeds and fails by turns."""
        return self.changes >= _CHANGES

    @property
    def last_failure(self) -> End | None:
        """The newest end that was a failure, or that nobody knows."""
        return next((end for end in reversed(self.tried) if end.outcome not in _GOOD), None)

    @property
    def strip(self) -> str:
        """The signs of its newest ends, the newest right."""
        return "".join(mark(end.outcome) for end in self.ends[-RECENT:])

    @functools.cached_property
    def notes(self) -> tuple[Note, ...]:
        """Why it wants attention, the most urgent reason first; empty: it does not."""
        found = []
        failed, tried = len(self.failures), len(self.tried)
        share = f"{failed} of {tried} runs"
        if failed:
            row = _last_in_a_row(self.tried)
            recent = set(self.tried[-RECENT:])
            day = self._always_on()
            if row:
                streak = f"failed in the last {row} runs" if row > 1 else "failed when it last ran"
                found.append(Note(Concern.FAILING, f"{streak}, in {share}{day}"))
            elif any(end in recent for end in self.failures):
                found.append(Note(Concern.FAILED, f"failed in {share}{day}"))
        if number := len(self.unknown):
            ends = "1 end is" if number == 1 else f"{number} ends are"
            found.append(Note(Concern.UNKNOWN, f"{ends} unknown, and not settled"))
        if self.slower is not None:
            of_late, before = map(human_duration, self.slower)
            found.append(Note(Concern.SLOWER, f"slower than usual: {of_late} of late, {before} before"))
        if self.flaky:
            found.append(Note(Concern.FLAKY, f"flaky: success and failure changed {self.changes} times of late"))
        return tuple(sorted(found, key=lambda note: _URGENCY[note.concern]))

    def _always_on(self) -> str:
        """`, each on a Sunday`, where three failures or more fell on one day of the week, and runs on others too."""

        def day(end: End) -> str:
            return at_zone(self.starts[end.run], None).strftime("%A")

        if len(self.failures) < 3:
            return ""
        first = day(self.failures[-1])
        if any(day(end) != first for end in self.failures[-2::-1]) or all(day(end) == first for end in self.tried):
            return ""
        return f", each on a {first}"


_URGENCY = {concern: number for number, concern in enumerate(Concern)}


def _last_in_a_row(ends: Sequence[End]) -> int:
    """How many of the newest ends were failures without a break."""
    number = 0
    for end in reversed(ends):
        if verdict(end.outcome) is not Verdict.BAD:
            break
        number += 1
    return number


@dataclass(frozen=True, slots=True)
class RunPast:
    """One run among many."""

    id: str
    started_at: float
    ended_at: float | None
    outcome: str
    manifests: tuple[str, ...]
    jobs: int
    counts: Mapping[str, int]
    """Its ends by outcome."""
    bad: tuple[str, ...] = ()
    """Names of jobs that did not succeed, skipped ones aside."""
    sandbox: bool = False
    exit_code: int | None = None
    retry_of: str | None = None

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it has not ended."""
        return None if self.ended_at is None else max(0.0, self.ended_at - self.started_at)


@dataclass(frozen=True, slots=True)
class ManifestPast:
    """A manifest over many runs."""

    name: str
    runs: tuple[RunPast, ...]
    """The oldest first."""
    jobs: tuple[JobPast, ...]
    """In the order of their names."""
    outcomes: tuple[str, ...]
    """How its own jobs fared in each of the runs: a run may have had other manifests too."""
    sandbox: bool = False

    @property
    def strip(self) -> str:
        """The signs of its newest runs, the newest right."""
        return "".join(map(mark, self.outcomes[-RECENT:]))

    @property
    def failed(self) -> int:
        """How many of its runs were failures."""
        return sum(verdict(each) is Verdict.BAD for each in self.outcomes)

    @property
    def unknown(self) -> int:
        """How many of its runs nobody knows the end of."""
        return sum(verdict(each) is Verdict.UNSURE for each in self.outcomes)


@dataclass(frozen=True, slots=True)
class Past:
    """Runs on record, and what they add up to."""

    runs: tuple[RunPast, ...]
    """The oldest first."""
    manifests: tuple[ManifestPast, ...]
    """By name; runs against a sandbox, whose times are made up, are apart and last."""

    def attention(self) -> tuple[JobPast, ...]:
        """The jobs that want attention, the most urgent first."""
        jobs = [job for manifest in self.manifests if not manifest.sandbox for job in manifest.jobs if job.notes]
        return tuple(sorted(jobs, key=urgency))


def urgency(job: JobPast) -> tuple[int, float, str]:
    """A key to sort jobs by: the most urgent first, then those that fail more often, then by name."""
    first = _URGENCY[job.notes[0].concern] if job.notes else len(Concern)
    return first, -(job.failure_rate or 0.0), job.key


def gather(
    runs: Sequence[RunPast],
    ends: Iterable[tuple[str, Iterable[End]]],
    causes: Mapping[tuple[str, str], str] | None = None,
) -> Past:
    """What runs add up to.

    Args:
        runs: the oldest first.
        ends: for each job, by its key, its ends in these runs, in the order of the runs' ids.
        causes: why jobs did not succeed, by key and run.
    """
    starts = {run.id: run.started_at for run in runs}
    made_up = {run.id for run in runs if run.sandbox}
    shared = {run.id for run in runs if len(run.manifests) > 1}
    in_order = all(before.id < after.id for before, after in itertools.pairwise(runs))
    of_job: dict[str, dict[str, str]] = {}
    for (key, run), why in (causes or {}).items():
        of_job.setdefault(key, {})[run] = why
    names = {name for run in runs for name in run.manifests}
    jobs: dict[tuple[bool, str], list[JobPast]] = {}
    own: dict[tuple[str, str], set[Verdict]] = {}
    for key, some in ends:
        found = tuple(some) if in_order else tuple(sorted(some, key=lambda end: (starts[end.run], end.run)))
        name, called = split_key(key, names)
        if shared:
            for end in found:
                if end.run in shared:
                    own.setdefault((name, end.run), set()).add(verdict(end.outcome))
        parts = {False: found}
        if made_up:
            parts = {each: tuple(end for end in found if (end.run in made_up) is each) for each in (False, True)}
        for sandbox, part in parts.items():
            if part:
                job = JobPast(name, called, part, starts, of_job.get(key, {}), sandbox)
                jobs.setdefault((sandbox, name), []).append(job)
    of: dict[tuple[bool, str], list[RunPast]] = {}
    for each in runs:
        for name in dict.fromkeys(each.manifests):
            of.setdefault((each.sandbox, name), []).append(each)
    return Past(
        tuple(runs),
        tuple(
            ManifestPast(
                name,
                tuple(mine),
                tuple(sorted(jobs.get((sandbox, name), ()), key=lambda job: job.name)),
                tuple(_share(each, own.get((name, each.id), set())) for each in mine),
                sandbox,
            )
            for (sandbox, name), mine in sorted(of.items())
        ),
    )


_AS_RUN = {
    Verdict.BAD: RunOutcome.FAILED.value,
    Verdict.UNSURE: RunOutcome.UNKNOWN.value,
    Verdict.GOOD: RunOutcome.SUCCEEDED.value,
}
"""How a manifest fared whose jobs ended so, the worst first."""


def _share(run: RunPast, own: set[Verdict]) -> str:
    """How one manifest fared in a run: as the run, unless that had others that may have decided."""
    if len(run.manifests) == 1 or run.outcome in (RunOutcome.SUCCEEDED, RunOutcome.RUNNING):
        return run.outcome
    return next((word for said, word in _AS_RUN.items() if said in own), run.outcome)
