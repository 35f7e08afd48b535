"""The jobs of a sandbox. Everything about a job is settled when it is created; its state follows from the clock."""

from __future__ import annotations

import heapq
import json
import random
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum

from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Json
from aftrun.sandbox.shapes import Behaviour, Ending, Scenario


class Phase(StrEnum):
    """Where a job is right now."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    GONE = "gone"
    """Ended, and no longer known to those who ask: 404."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A well-formed request for a job."""

    selector: str
    """`scriptName`, `scriptId` or `filePath`."""
    value: str
    params: Mapping[str, Json]
    body: Mapping[str, Json]
    """As it was sent."""

    @property
    def script(self) -> tuple[str, str]:
        """What makes two submissions ones of the same script."""
        return (self.selector, self.value.casefold() if self.selector == "scriptName" else self.value)

    @property
    def text(self) -> str:
        """The body in one spelling, whatever the order of its keys."""
        return json.dumps(self.body, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Job:
    """A job with its whole future. Times are epoch seconds."""

    id: str
    number: int
    """Counts from 1, in order of creation."""
    submission: Submission
    behaviour: Behaviour
    outcome: Ending
    created_at: float
    started_at: float | None
    """None: no worker will ever be free."""
    ended_at: float | None
    """None: never."""

    def phase(self, now: float) -> Phase:
        """Its state at the time `now`."""
        if self.started_at is None or now < self.started_at:
            return Phase.QUEUED
        if self.ended_at is None or now < self.ended_at:
            return Phase.RUNNING
        if self.outcome is Ending.VANISHED:
            return Phase.GONE
        if self.behaviour.keep is not None and now >= self.ended_at + self.behaviour.keep:
            return Phase.GONE
        return Phase(self.outcome.value)

    @property
    def _recovered(self) -> bool:
        """A flaky script that ends well: code and text of its behaviour are those of its failures."""
        return self.behaviour.fail_first > 0 and self.outcome is Ending.SUCCEEDED

    @property
    def exit_code(self) -> int | None:
        """What the script's process will return; None where it is cancelled."""
        if self.behaviour.exit_code is not None and not self._recovered:
            return self.behaviour.exit_code
        return {Ending.FAILED: 1, Ending.CANCELLED: None}.get(self.outcome, 0)

    @property
    def message(self) -> str | None:
        """The text that goes with its end."""
        if self.behaviour.message is not None and not self._recovered:
            return self.behaviour.message
        return {
            Ending.FAILED: f"the script ended with exit code {self.exit_code}",
            Ending.CANCELLED: "the job was halted by an administrator",
        }.get(self.outcome)


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as the sandbox's owner sees it: all that was, is and will be. Times are epoch seconds."""

    id: str
    body: Mapping[str, Json]
    state: Phase
    """Now."""
    outcome: Ending
    """What it will end as."""
    exit_code: int | None
    created_at: float
    started_at: float | None
    """When it will start or did; None: never."""
    ended_at: float | None
    """When it will end or did; None: never."""

    def to_json(self) -> dict[str, Json]:
        """The record as a JSON object, keys in camelCase."""
        return {
            "id": self.id,
            "body": dict(self.body),
            "state": self.state.value,
            "outcome": self.outcome.value,
            "exitCode": self.exit_code,
            "createdAt": self.created_at,
            "startedAt": self.started_at,
            "endedAt": self.ended_at,
        }


class Store:
    """Creates jobs and finds them again. One per sandbox; `now` gives epoch seconds.

    Only the server's thread may create jobs; any thread may read.
    """

    def __init__(self, scenario: Scenario, now: Callable[[], float], speed: float = 1.0) -> None:
        self._scenario = scenario
        self._now = now
        self._speed = speed
        self._jobs: dict[str, Job] = {}
        self._bodies: Counter[str] = Counter()
        self._scripts: Counter[tuple[str, str]] = Counter()
        self._workers = [0.0] * (scenario.workers or 0)
        """A heap of the times when each worker is free."""

    def create(self, submission: Submission, behaviour: Behaviour) -> Job:
        """A new job, with its end already settled.

        What is drawn by lot depends on the seed, the body, and how often that body came before, and on nothing else:
        jobs that run side by side take as long in every run, in whatever order they arrive.
        """
        rng = random.Random(f"{self._scenario.seed}|{self._bodies[submission.text]}|{submission.text}")  # noqa: S311 - a lot, not a key
        self._bodies[submission.text] += 1
        self._scripts[submission.script] += 1
        queue = behaviour.queue.draw(rng) / self._speed
        duration = behaviour.duration.draw(rng) / self._speed
        outcome = Ending.FAILED if self._scripts[submission.script] <= behaviour.fail_first else behaviour.outcome
        created = self._now()
        started: float | None = created + queue
        if self._scenario.workers is not None:
            free = heapq.heappop(self._workers)
            started = None if free == float("inf") else max(created + queue, free)
        ended = None if outcome is Ending.STUCK or started is None else started + duration
        if self._scenario.workers is not None:
            heapq.heappush(self._workers, float("inf") if ended is None else ended)
        number = len(self._jobs) + 1
        numeric = behaviour.dialect == "numeric"
        job = Job(
            id=str(1000 + number) if numeric else str(uuid.uuid4()),
            number=number,
            submission=submission,
            behaviour=behaviour,
            outcome=outcome,
            created_at=created,
            started_at=started,
            ended_at=ended,
        )
        self._jobs[job.id] = job
        return job

    def find(self, job_id: str) -> Job | None:
        """The job of that id, even one that is gone."""
        return self._jobs.get(job_id)

    def records(self) -> tuple[JobRecord, ...]:
        """Every job so far, in order of creation."""
        # A tuple of a dict's values is made in one step under the interpreter's lock, so no lock of ours is needed.
        jobs = tuple(self._jobs.values())
        now = self._now()
        return tuple(
            JobRecord(
                id=job.id,
                body=job.submission.body,
                state=job.phase(now),
                outcome=job.outcome,
                exit_code=job.exit_code,
                created_at=job.created_at,
                started_at=job.started_at,
                ended_at=job.ended_at,
            )
            for job in jobs
        )
