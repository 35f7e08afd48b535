"""The frozen data that flows through aftrun: manifests going in, replies of the server coming back.

Everything here is immutable all the way down (tuples, not lists). Times are seconds: durations as `float`,
instants as `float` seconds since the Unix epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from aftrun.domain.frozen import dataclass
from aftrun.domain.jobnames import job_key
from aftrun.domain.values import Origin, Value

DEFAULT_URL = "https://127.0.0.1:44399"
DEFAULT_KEY_VARIABLE = "AFT_API_KEY"
DAY = 86_400.0


class Outcome(StrEnum):
    """How a job ended, as far as aftrun saw."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    """The server definitely refused to create the job."""
    UNDELIVERED = "undelivered"
    """The request provably never reached the server."""
    CANCELLED = "cancelled"
    TIMED_OUT = "timedOut"
    """aftrun gave up waiting; the job may still be running."""
    UNKNOWN = "unknown"
    """Nobody can tell from here; a person must look."""
    SKIPPED = "skipped"
    SUBMITTED = "submitted"
    """Accepted, and with `wait: false` that was all that was asked for."""
    UP_TO_DATE = "upToDate"
    """An earlier run has done it, under the same `once`: nothing was sent."""

    @property
    def well(self) -> bool:
        """Whether it counts as a success, for the run and for the jobs that need it."""
        return self in (Outcome.SUCCEEDED, Outcome.SUBMITTED, Outcome.UP_TO_DATE)


class RunOutcome(StrEnum):
    """What became of a run."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNDELIVERED = "undelivered"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    TIMED_OUT = "timedOut"
    INTERRUPTED = "interrupted"
    STATE_ERROR = "stateError"
    ERROR = "error"
    RUNNING = "running"
    STOPPED = "stopped"
    """Its process ended without a word: it was killed."""


class State(StrEnum):
    """What a job info says of a job, in aftrun's own words."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNLISTED = "unlisted"
    """The server named a state that is in none of the lists."""
    MISSING = "missing"
    """The object names no state at all."""


class When(StrEnum):
    """Which ends of its needs let a job start."""

    SUCCESS = "success"
    FAILURE = "failure"
    ALWAYS = "always"


class Order(StrEnum):
    """Whether jobs of a manifest run one by one or side by side."""

    SEQUENTIAL = "sequential"
    PARALLEL = "parallel"


class Overlap(StrEnum):
    """What to do while another run of the same jobs is alive: its process works on it."""

    REFUSE = "refuse"
    WAIT = "wait"
    """Until it has ended; then go on."""
    ATTACH = "attach"
    """Follow that one to its end, instead."""
    ALLOW = "allow"
    """Start beside it."""


class Unfinished(StrEnum):
    """What to do about a run of the same jobs that was cut off, and may have jobs on the server."""

    REFUSE = "refuse"
    RESUME = "resume"
    """Go on with that one, instead."""
    IGNORE = "ignore"
    """Start a new one."""


class OnAmbiguous(StrEnum):
    """What to do when the fate of a POST is unknown."""

    FAIL = "fail"
    RESUBMIT = "resubmit"


class Selector(StrEnum):
    """The three ways to name a script; a job uses exactly one."""

    NAME = "scriptName"
    ID = "scriptId"
    FILE = "filePath"


class ParamKind(StrEnum):
    """What a param's plain YAML text means under YAML 1.2; it matters only for `paramValues: json`."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Tls:
    """How a server's certificate is verified, and which one we show. At most one of the first three is set."""

    ca_file: Value | None = None
    fingerprints: tuple[Value, ...] = ()
    insecure: bool = False
    cert_file: Value | None = None
    key_file: Value | None = None
    plain: bool = False
    """`http://` to another machine is meant."""


@dataclass(frozen=True, slots=True)
class Poll:
    """How often to read a status: `clamp(fraction × time since acceptance, minimum, maximum)`. Seconds."""

    minimum: float = 0.5
    maximum: float = 30.0
    fraction: float = 0.1


@dataclass(frozen=True, slots=True)
class JobInfoMap:
    """How to read a job info: JMESPath expressions, and the names of the states. None/empty: the default reading."""

    id: str | None = None
    status: str | None = None
    exit_code: str | None = None
    message: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    states: tuple[tuple[State, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """One server as the manifest describes it, values from outside not yet filled in."""

    name: str = ""
    """Its name in `servers`; empty for the manifest's single `server`."""
    url: Value = DEFAULT_URL
    api_key: Value = ""
    """An empty string means: the default, `${AFT_API_KEY}`; the loader always fills it in."""
    tls: Tls = Tls()
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    submit_timeout: float = 30.0
    max_requests_per_second: float | None = None
    poll: Poll = Poll()
    submit_path: str = "/v1/jobs"
    status_path: str = "/v1/adm/jobs/{id}"
    job_info: JobInfoMap = JobInfoMap()
    typed_params: bool = False
    """`paramValues: json`: numbers and booleans go out as JSON numbers and booleans."""
    headers: tuple[tuple[str, Value], ...] = ()
    origin: Origin | None = None
    url_origin: Origin | None = field(default=None, compare=False)
    """Where its URL stands, if it does."""


@dataclass(frozen=True, slots=True)
class Param:
    """One named parameter, its value as the text that was written."""

    name: str
    value: Value
    kind: ParamKind = ParamKind.TEXT


@dataclass(frozen=True, slots=True)
class Retry:
    """A *new* submission after a definite bad end. `backoff` times are seconds."""

    limit: int = 0
    on: tuple[Outcome, ...] = (Outcome.FAILED,)
    duration: float = 10.0
    factor: float = 2.0
    cap: float = 300.0


@dataclass(frozen=True, slots=True)
class Script:
    """Which script a job runs."""

    selector: Selector
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a job says of itself for people, by the manifest's keys. It reaches every report as it is."""

    description: str = ""
    tags: tuple[str, ...] = ()

    def about(self) -> dict[str, Any]:
        """The same as arguments for the next that carries it."""
        return {name: getattr(self, name) for name in About.__slots__}


@dataclass(frozen=True, slots=True)
class Job(About):
    """One run of a script, as the manifest describes it. A matrix has already become several of these."""

    name: str
    script: Script
    origin: Origin
    params: tuple[Param, ...] = ()
    server: str = ""
    needs: tuple[str, ...] = ()
    """Full names within the manifest: a matrix job's name has been replaced by those of its copies."""
    when: When = When.SUCCESS
    matrix: tuple[tuple[str, str], ...] = ()
    """The combination that this copy stands for; empty outside a matrix."""
    template: str = ""
    """The matrix job's own name, without the combination; empty outside a matrix."""
    wait: bool = True
    timeout: float = DAY
    queue_timeout: float | None = None
    retry: Retry = Retry()
    on_ambiguous: OnAmbiguous = OnAmbiguous.FAIL
    expect: tuple[str, ...] = ()
    """JMESPath conditions on the final job info."""
    outputs: tuple[tuple[str, str], ...] = ()
    """Name and JMESPath of each value taken from the final job info."""
    allow_failure: bool = False
    concurrency: str = ""
    correlation: str = ""
    """Name of the param that aftrun fills with `<run id>/<job>/<attempt>`; empty: none."""
    once: Value = ""
    """The key under which it succeeds at most once, over all runs on record; empty: it has none. Nothing of it comes
    from outside, but through `vars`."""

    def values(self) -> tuple[Value, ...]:
        """Everything in it that may hold references until the run."""
        return (self.script.value, *(param.value for param in self.params), self.once)


@dataclass(frozen=True, slots=True)
class Strategy:
    """In which order jobs start."""

    order: Order = Order.SEQUENTIAL
    max_parallel: int = 8
    fail_fast: bool = True
    says_fail_fast: bool = False
    """Whether the manifest says it itself; otherwise it follows from the order."""
    finish_by: str = ""
    """`HH:MM` local time or RFC 3339; empty: no limit."""
    overlap: Overlap = Overlap.REFUSE
    unfinished: Unfinished = Unfinished.REFUSE

    @property
    def slots(self) -> int:
        """How many jobs may be submitted and unfinished at once. Sequential is parallel with one slot."""
        return self.max_parallel if self.order is Order.PARALLEL else 1


@dataclass(frozen=True, slots=True)
class Notify:
    """Whom to tell after the run, and about which outcomes."""

    urls: tuple[Value, ...] = ()
    on: tuple[Outcome, ...] = (Outcome.FAILED, Outcome.UNKNOWN)
    origins: tuple[Origin, ...] = field(default=(), compare=False)
    """Where each URL stands."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One document: its jobs in order, and how to run them."""

    name: str
    path: str
    """As the user gave it; `-` for standard input."""
    jobs: tuple[Job, ...]
    servers: tuple[ServerSpec, ...] = (ServerSpec(),)
    """The first is the default one; jobs pick others by name."""
    strategy: Strategy = Strategy()
    vars: tuple[tuple[str, Value], ...] = ()
    notify: Notify = Notify()
    description: str = ""
    sha256: str = ""
    """Of the file's bytes, hex."""
    origin: Origin | None = None
    taken: Mapping[tuple[str, str], str | None] = field(default_factory=dict, repr=False, compare=False)
    """The values from outside that its fields took when it was loaded, by `(source, name)`; None where a default
    served."""

    def server(self, name: str) -> ServerSpec:
        """The server of that name; the default one for an empty name.

        Raises:
            KeyError: there is no such server (the loader has already refused such a manifest).
        """
        if not name:
            return self.servers[0]
        for server in self.servers:
            if server.name == name:
                return server
        raise KeyError(name)


Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server, everything filled in: what the client needs to talk to it."""

    url: str = DEFAULT_URL
    api_key: str = field(default="", repr=False)
    ca_file: str | None = None
    fingerprints: tuple[str, ...] = ()
    insecure: bool = False
    plain: bool = False
    """`http://` to another machine is meant."""
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
    ids: tuple[tuple[str, str], ...] = ()
    """Everything that the object names as its id, `id` among them, each with its field; also what cannot be one. For
    `jobids.mismatch`."""
    listed: bool = False
    """It was one of a list, or the answer is a list."""
    doubted: bool = False
    """Its word reads as success, and is `unlisted` all the same: the rest of the object does not bear it out."""


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
class SeenWord:
    """A word of the server's for a job's state, and when it was first seen in place of the one before."""

    word: str
    at: float
    """Epoch seconds."""
    phase: str = ""
    """What aftrun took it for (a `State`); empty for one that came with the acceptance alone."""


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
    id_field: str = ""
    """The field that the job's id was read from; see `jobids.field_of`."""
    words: tuple[SeenWord, ...] = ()
    """The server's words for its state, in the order in which they were seen."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """The attempt of another run that a job with `once` went by, instead of being submitted."""

    run: str
    attempt: int
    action: str
    """See `events.Action`."""
    since: float | None = None
    """When it was accepted, or, where it has ended, when it had."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a person found out of a job whose end nobody saw."""

    outcome: Outcome
    """`succeeded` or `failed`."""
    at: float
    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class JobResult(About):
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
    lasted: float | None = None
    """See `events.JobEnded.seconds`."""
    attempts: tuple[Attempt, ...] = ()
    needs: tuple[str, ...] = ()
    allow_failure: bool = False
    outputs: tuple[tuple[str, Json], ...] = ()
    once: str = ""
    """The expanded key of `once`; empty where the job has none, or its turn has not come."""
    earlier: Earlier | None = None
    settled: Settlement | None = None

    @property
    def newest_id(self) -> str | None:
        """The id of the newest attempt, where it has one. `job_id` may be that of the attempt before."""
        by_itself = self.earlier is None or self.earlier.action == "follow"
        return self.attempts[-1].job_id if self.attempts and by_itself else self.job_id

    @property
    def verdict(self) -> Outcome | None:
        """The outcome that counts: what a person has settled, else what was seen; None while there is neither."""
        return self.outcome if self.settled is None else self.settled.outcome

    @property
    def key(self) -> str:
        """How the job is called within its run."""
        return job_key(self.manifest, self.name)

    @property
    def timed_from(self) -> float | None:
        """Where its time is counted from: the acceptance of its newest attempt, else its first submission."""
        accepted = self.attempts[-1].accepted_at if self.attempts else None
        return self.started_at if accepted is None else accepted

    @property
    def took(self) -> float | None:
        """The one measure of a job's time, seconds: from the acceptance of its newest attempt to its end.

        The end is when the server says that it was, or, where it does not, half way between the last two looks; where
        nobody looked, when it was noticed. So it is no longer than the polls are apart, and nights can be compared.
        None where either was not seen.
        """
        if self.lasted is not None:
            return self.lasted
        begun = self.timed_from
        return None if begun is None or self.ended_at is None else max(0.0, self.ended_at - begun)

    @property
    def duration(self) -> float | None:
        """Seconds from the first submission until the end was known, retries and all; None where one was not seen."""
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
    settled: tuple[str, int] | None = None
    """Outcome and exit code with what people have settled of its jobs since it ended; None: they have not."""

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
