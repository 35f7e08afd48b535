"""One truth out of the files of a record, any of which may be damaged. Pure.

What either file holds did happen: their union is the least that a resume believes. Where both have lost something,
nobody can say which jobs were submitted, so no job that might have been is submitted again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import field

from aftrun.domain.events import (
    Accepted,
    Converged,
    Event,
    JobEnded,
    Reason,
    RunStarted,
    StateSeen,
    SubmitIntended,
    parse_instant,
)
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Outcome
from aftrun.run.fold import ReportBuilder

_ID = re.compile(rb'"jobId"\s*:\s*("(?:[^"\\]|\\.)*")')
"""A job's id in a report, with its quotes."""


@dataclass(frozen=True, slots=True)
class Witness:
    """What one file says of a run."""

    name: str
    """For messages."""
    events: Mapping[int, Event] = field(default_factory=dict)
    """By their number in the run, from 0."""
    damage: str = ""
    """What is wrong with the file itself; empty: nothing that could be seen."""
    length: int = 0
    """How many events it seems to have held, whether they can be read or not, where that can be told."""

    def holes(self) -> int:
        """How many events are missing among those that it has."""
        return max(self.events, default=-1) + 1 - len(self.events)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a resume goes by."""

    events: tuple[Event, ...]
    notes: tuple[str, ...] = ()
    """What was wrong with the files, for people."""
    sealed: tuple[Event, ...] = ()
    """Ends of the jobs that may have been submitted without a trace: to be recorded behind the others."""
    database_whole: bool = True
    """The state file holds just these events."""
    journal_whole: bool = True
    """The journal does."""


def reconcile(database: Witness, journal: Witness | None, report: bytes = b"") -> Reconciled:
    """The union of both files. `journal` is None for a run that never had one.

    Where they contradict each other the journal is right, since its lines are checked. `report` is a third file,
    `report.json` as it is on disk, which may tell of acceptances.
    """
    found = dict(database.events)
    notes = [f"{database.name} is damaged: {database.damage}"] if database.damage else []
    doubt = [bool(database.damage) or database.holes() > 0]
    if journal is None:
        doubt.append(True)
    else:
        if journal.damage:
            notes.append(f"{journal.name} is damaged: {journal.damage}")
        differing = [number for number, event in journal.events.items() if found.get(number, event) != event]
        missing = journal.events.keys() - found.keys()
        behind = found.keys() - journal.events.keys()
        found |= journal.events
        if differing:
            notes.append(
                f"{database.name} is damaged: {_count(len(differing))} differ from {journal.name}, which is right"
            )
        if missing:
            notes.append(f"{database.name} lacks {_count(len(missing))} of {journal.name}; they were taken from there")
        if behind:
            notes.append(f"{journal.name} lacks {_count(len(behind))} of {database.name}; they were taken from there")
        # The state file is written first, so it has at least as many events as the journal, or has lost some.
        doubt[0] = doubt[0] or bool(differing or missing) or journal.length > len(database.events)
        doubt.append(bool(journal.damage or behind) or journal.holes() > 0)
    holes = max(found, default=-1) + 1 - len(found)
    events = [found[number] for number in sorted(found)]
    if holes:
        events = _following(events)
    extra = _unheard(events, report)
    if extra:
        ids = sum(isinstance(event, Accepted) for event in extra)
        notes.append(
            f"the report names {ids} job id{'' if ids == 1 else 's'} that neither file of the record holds; "
            "they were taken from there"
        )
    events += extra
    sealed: list[Event] = []
    if events and (holes or extra or all(doubt)):
        sealed = _seal(events)
        notes.append(
            "what is missing may have been submissions, so jobs whose end is not on record are not submitted again"
        )
    wanted = dict(enumerate(events))
    return Reconciled(
        tuple(events),
        tuple(notes),
        tuple(sealed),
        database_whole=not database.damage and dict(database.events) == wanted,
        journal_whole=journal is not None and not journal.damage and dict(journal.events) == wanted,
    )


def _following(events: list[Event]) -> list[Event]:
    """The events without those that nothing on record leads up to: the state of a job whose submission is lost."""
    sent: set[str] = set()
    result = []
    for event in events:
        if isinstance(event, SubmitIntended | Converged | Accepted):
            sent.add(event.job)
        if not isinstance(event, StateSeen) or event.job in sent:
            result.append(event)
    return result


def _count(number: int) -> str:
    return f"{number} event{'' if number == 1 else 's'}"


def _unheard(events: list[Event], report: bytes) -> list[Event]:
    """Acceptances that only the report tells of, each with the intent that went before it."""
    if not events or not isinstance(events[0], RunStarted):
        return []
    heard = [event for event in events if isinstance(event, Accepted | Converged)]
    if set(_ID.findall(report)) <= {f'"{event.job_id}"'.encode() for event in heard}:
        return []  # reading all of a large report takes longer than all else
    accepted = {(event.job, event.attempt) for event in heard}
    intended = {(event.job, event.attempt) for event in events if isinstance(event, SubmitIntended)}
    known = {header.key for header in events[0].jobs}
    result: list[Event] = []
    for event in _accepted(report).values():
        place = (event.job, event.attempt)
        if event.job not in known or place in accepted:
            continue
        if place not in intended:
            result.append(SubmitIntended(event.at, event.job, event.attempt))
        result.append(event)
    return result


def _seal(events: list[Event]) -> list[Event]:
    """An end for each job that has none on record: it may have been submitted, and nobody wrote it down."""
    if not isinstance(events[0], RunStarted):
        return []
    at = max(event.at for event in events)
    message = (
        "the record of the run is damaged in both its files, so the job may have been submitted: it is not submitted "
        "again\ncheck on the server"
    )
    return [
        JobEnded(at, key, Outcome.UNKNOWN, Reason.CRASHED, message)
        for key, job in ReportBuilder(events).jobs().items()
        if job.outcome is None
    ]


def _accepted(report: bytes) -> dict[str, Accepted]:
    """The acceptances that a `report.json` tells of, the last of each job; what cannot be read is passed over."""
    result: dict[str, Accepted] = {}
    try:
        for job in json.loads(report)["jobs"]:
            for attempt in job["attempts"]:
                if isinstance(attempt["jobId"], str) and attempt["jobId"]:
                    key = f"{job['manifest']}/{job['name']}"
                    at = parse_instant(attempt["acceptedAt"])
                    result[key] = Accepted(at, key, attempt["number"], attempt["jobId"])
    except (KeyError, TypeError, ValueError):
        return result  # it is a third witness: what it does not say is no loss
    return result
