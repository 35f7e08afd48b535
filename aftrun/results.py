"""The frozen data that comes back: a server's replies, and what became of jobs and runs.

To be imported from `aftrun.model`, which hands it on when it is asked for; the two are one model. Times are seconds:
durations as `float`, instants as `float` seconds since the Unix epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aftrun.model import DEFAULT_URL, JobInfoMap, Json, Outcome, State
from aftrun.values import Origin


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server, everything filled in: what the client needs to talk to it."""

    url: str = DEFAULT_URL
    api_key: str = field(default="", repr=False)
    ca_file: str | None = None
    fingerprints: tuple[str, ...] = ()
    insecure: bool = False
    cert_file: str | None = None
    key_file: str | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    submit_path: str = "/v1/jobs"
    status_path: str = "/v1/adm/jobs/{id}"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    job_info: JobInfoMap = field(default_factory=JobInfoMap)


@dataclass(frozen=True, slots=True)
class Request:
    """A submission with everything filled in. `body` holds secrets; `shown` is the same with references in place."""

    body: Mapping[str, Json] = field(repr=False)
    shown: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A job info object as it was read. `raw` is the decoded JSON, kept for `expect` and `outputs`."""

    id: str | None
    state: State
    status: str = ""
    """The server's own word for the state."""
    exit_code: int | None = None
    message: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    raw: Json = field(default=None, repr=False)
    ids: tuple[str, ...] = ()
    """Everything that the object names as its id, `id` among them; also what cannot be one. For `jobids.mismatch`."""
    listed: bool = False
    """It was one of a list, or the answer is a list."""


class FailureKind(StrEnum):
    """Why there is no HTTP answer to go by."""

    NAME = "name"
    """The host name did not resolve."""
    CONNECT = "connect"
    """No connection (refused, unreachable, timed out, handshake broken), or the proxy gave none."""
    TLS = "tls"
    """A certificate, or the version of the protocol, was refused. Final: trying again will not help."""
    LOST = "lost"
    """The connection broke: reset, closed early, not HTTP."""
    TIMEOUT = "timeout"
    """The answer did not come in time."""


@dataclass(frozen=True, slots=True)
class Failure:
    """No complete HTTP answer.

    `sent` is False only when provably no byte of the request left, so that the server cannot have processed it.
    """

    kind: FailureKind
    sent: bool
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer, already scrubbed of secrets and read as a job info where it is one."""

    status: int
    info: JobInfo | None = None
    """None where the body is no JSON object."""
    message: str = ""
    """What the server says about an error, for people; empty where it says nothing."""
    problem: str = ""
    """Why the body could not be read (too large, not JSON, …); empty where it could."""
    retry_after: float | None = None
    """Seconds, from the `Retry-After` header, a date already turned into a distance from now."""
    location: str = ""
    server_time: float | None = None
    """The server's clock when it answered, from the `Date` header: epoch seconds, whole seconds."""


Reply = Answer | Failure


@dataclass(frozen=True, slots=True)
class FileRef:
    """A manifest file that a run was made from."""

    path: str
    sha256: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One submission of one job, and what became of it. Times are epoch seconds, None where not seen."""

    number: int
    request: Mapping[str, Json] = field(default_factory=dict)
    submitted_at: float | None = None
    accepted_at: float | None = None
    running_at: float | None = None
    ended_at: float | None = None
    job_id: str | None = None
    state: str = ""
    """The last state seen, in the server's words."""
    outcome: Outcome | None = None
    reason: str = ""
    """A stable word for why it ended so; see `events.Reason`."""
    message: str = ""
    exit_code: int | None = None
    server_started_at: float | None = None
    server_ended_at: float | None = None
    tries: int = 1
    """How many times the POST was tried because earlier ones provably did not arrive."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """Everything that was seen of one job. `outcome` is None while it has not ended."""

    name: str
    manifest: str
    server: str
    """The server's URL."""
    origin: Origin
    request: Mapping[str, Json]
    """Selector and params as they may be shown."""
    outcome: Outcome | None = None
    phase: str = "pending"
    """``pending``, ``submitting``, ``deferred`` (the POST did not arrive and will be tried again), ``accepted``,
    ``running``, ``waiting`` (between two attempts) or ``ended``."""
    reason: str = ""
    """A stable word for why it ended so; see `events.Reason`."""
    message: str = ""
    job_id: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    attempts: tuple[Attempt, ...] = ()
    needs: tuple[str, ...] = ()
    allow_failure: bool = False
    tags: tuple[str, ...] = ()
    outputs: tuple[tuple[str, Json], ...] = ()
    description: str = ""

    @property
    def duration(self) -> float | None:
        """Seconds from the first submission to the end; None where either was not seen."""
        if self.started_at is None or self.ended_at is None:
            return None
        return max(0.0, self.ended_at - self.started_at)


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run, as seen. The one input of every report format."""

    id: str
    started_at: float
    jobs: tuple[JobResult, ...]
    manifests: tuple[FileRef, ...] = ()
    ended_at: float | None = None
    outcome: str = "running"
    """``running``, ``succeeded``, or the name of what decided the exit code: see `run.fold`."""
    exit_code: int | None = None
    aftrun: str = ""
    git: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    sandbox: bool = False

    @property
    def duration(self) -> float | None:
        """Seconds from start to end; None while it has not ended."""
        return None if self.ended_at is None else max(0.0, self.ended_at - self.started_at)

    def counts(self) -> dict[str, int]:
        """Jobs by outcome, every outcome named, plus `pending` for those that have not ended."""
        result = {outcome.value: 0 for outcome in Outcome}
        result["pending"] = 0
        for job in self.jobs:
            result["pending" if job.outcome is None else job.outcome.value] += 1
        return result
