"""What stands in the tables of the record, as data: runs, their manifests, what a run is a retry of."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Json, RunOutcome
from aftrun.domain.runids import is_run_id

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)

RUNS = "SELECT id, started_at, ended_at, outcome, exit_code, manifests, jobs, options FROM runs"


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as the list of runs knows it; times are RFC 3339 texts."""

    id: str
    started_at: str
    ended_at: str | None
    outcome: str
    exit_code: int | None
    manifests: tuple[str, ...]
    jobs: int
    options: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Retry:
    """What a new run is a retry of."""

    of: str
    seen: Mapping[str, tuple[int, str | None]] = field(default_factory=dict)
    """That run and its retries, when it was decided what to run again: how many events each had, and its own retry."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A manifest file as it was when the run began, nothing expanded."""

    path: str
    content: bytes


def run_row(row: Sequence[Any]) -> RunRow:
    """A row of the list of runs, whose columns can hold anything whatever the table says.

    Raises:
        ValueError: it does not hold what aftrun writes there.
    """
    run, started_at, ended_at, outcome, exit_code, manifests, jobs, options = row
    names, chosen = json.loads(manifests), json.loads(options)
    fits = (
        is_run_id(run)
        and _is_instant(started_at)
        and (ended_at is None or _is_instant(ended_at))
        and outcome in set(RunOutcome)
        and (exit_code is None or isinstance(exit_code, int))
        and isinstance(names, list)
        and all(isinstance(name, str) for name in names)
        and isinstance(jobs, int)
        and isinstance(chosen, dict)
    )
    if not fits:
        raise ValueError(f"not a run as aftrun records it: {run!r}")
    return RunRow(run, started_at, ended_at, outcome, exit_code, tuple(names), jobs, chosen)


def _is_instant(value: object) -> bool:
    return isinstance(value, str) and _INSTANT.fullmatch(value) is not None


def path_in(path: str) -> str | bytes:
    """A path as it is stored: text, or the bytes of a name that is not UTF-8, which SQLite takes for no text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def path_out(stored: str | bytes) -> str:
    """The path that was stored so."""
    return stored if isinstance(stored, str) else os.fsdecode(stored)


def process_name() -> tuple[int, str]:
    """The pid and host of this process, for messages to people."""
    import platform  # noqa: PLC0415  # its import is slow, and only this needs it

    return os.getpid(), platform.node()
