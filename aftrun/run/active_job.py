"""What the scheduler remembers of a job under way. All times here are monotonic seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

from aftrun.domain.durations import format_duration
from aftrun.domain.events import Once, Reason
from aftrun.domain.model import Outcome, Request, SeenWord, State
from aftrun.run.claims import Claim
from aftrun.run.plan import Task
from aftrun.run.policy import Ended
from aftrun.run.render import JobOutputs


class Phase(Enum):
    """Where a job stands."""

    IDLE = "idle"
    """Not started; the gate has it."""
    WAIT = "wait"
    """Another process has its POST under way; the record is asked again when it is due."""
    SUBMIT = "submit"
    """Its POST is due or in flight."""
    WATCH = "watch"
    """Accepted; the next status read is due or in flight."""
    BACKOFF = "backoff"
    """Between two attempts."""
    ENDED = "ended"

    @property
    def may_submit(self) -> bool:
        """A POST of the job is due, now or later."""
        return self in (Phase.WAIT, Phase.SUBMIT, Phase.BACKOFF)


@dataclass(slots=True)
class ActiveJob:
    """One job under way."""

    task: Task
    phase: Phase = Phase.IDLE
    attempt: int = 0
    tries: int = 0
    """POSTs of this attempt that did not arrive."""
    submit_until: float = math.inf
    resubmit_until: float = math.inf
    request: Request | None = None
    once: Once | None = None
    """What goes on record with the intent of a job with `once`."""
    gone_by: tuple[str, int] | None = None
    """Run and number of the attempt of another run whose id this job has."""
    job_id: str = ""
    id_field: str = ""
    """Where the id was read from."""
    accepted: float = 0.0
    status: str = ""
    state: State | None = None
    noted: bool = False
    """The user has been told that the job info names no state."""
    words: tuple[SeenWord, ...] = ()
    """The words for its state, in the order in which they were seen."""
    still_since: float = 0.0
    """When the last of these was first seen."""
    blind: int = 0
    """Status reads in a row that gave nothing to go by."""
    blind_message: str = ""
    earlier: tuple[Claim, ...] = ()
    """Attempts that had the same id before and were seen to end, until it is sure that the id is this job's now."""
    missing_since: float | None = None
    refused_since: float | None = None
    stale_since: float | None = None
    serial: int = 0
    """Number of the newest entry in the scheduler's heap; older entries are stale."""
    due: float | None = None
    """When its next request is due."""
    in_flight: bool = False
    sent_at: float = 0.0
    """When its newest request left."""
    going: float | None = None
    """When it was last seen, by this process, not to have ended."""
    stops: tuple[float, ...] = ()
    """The ages at which to read the status, by what past runs tell (see `polling`)."""
    lasted: float | None = None
    """Seconds from acceptance to the end, as well as can be told."""
    last: Ended | None = None
    """How the attempt before ended, while the job waits for the next."""
    outcome: Outcome | None = None
    may_run_on: bool = False
    """Nobody saw the end of one of its submissions, so that one may still be running on the server."""
    outputs: JobOutputs = field(default_factory=JobOutputs)

    def begin_attempt(self, submit_until: float) -> None:
        """Forget the attempt before, and count a new one, which may be submitted until `submit_until`."""
        self.phase = Phase.SUBMIT
        self.attempt += 1
        self.tries = 0
        self.submit_until = submit_until
        self.request = None
        self.job_id = self.id_field = ""
        self.status, self.state = "", None
        self.words = ()
        self.blind, self.blind_message = 0, ""
        self.missing_since = self.refused_since = self.stale_since = None
        self.earlier = ()
        self.going, self.stops, self.lasted = None, (), None

    def duration(self, now: float, wall: float, told: float | None) -> float | None:
        """Seconds from acceptance to an end that was seen `now` (monotonic; `wall` is the same in epoch seconds).

        `told` is when the server says that it ended, epoch seconds of its own clock. It is believed where it lies
        between the last read that saw the job going and the one that saw it ended; else the middle of these is the
        best guess. The read's own time would be none: it is late by as much as reads are apart, so reads planned by
        it would be late for ever. None where nobody was reading and the server does not tell.
        """
        noticed = now - self.accepted
        before = None if self.going is None else self.going - self.accepted
        if told is not None and (before or 0.0) <= told - (wall - noticed) <= noticed:
            return told - (wall - noticed)
        return None if before is None else (before + noticed) / 2

    def deadline(self, finish: float) -> tuple[float, Reason, str]:
        """When to give up on an accepted job, the reason to give then, and the clock's name for people.

        `finish` is the manifest's `finishBy`. A job is taken to be queued until the server names another state.
        """
        job = self.task.job
        clocks = [(self.accepted + job.timeout, Reason.TIMEOUT, f"the timeout of {format_duration(job.timeout)}")]
        if job.queue_timeout is not None and self.state in (None, State.QUEUED):
            name = f"the queueTimeout of {format_duration(job.queue_timeout)}"
            clocks.append((self.accepted + job.queue_timeout, Reason.QUEUE_TIMEOUT, name))
        if finish < math.inf:
            clocks.append((finish, Reason.FINISH_BY, "finishBy"))
        return min(clocks, key=lambda clock: clock[0])
