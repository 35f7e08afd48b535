"""What happened, as frozen facts in order. The only truth: state, progress, exit code and reports are folds of these.

Each event has `at`, the wall-clock time in epoch seconds, whole milliseconds. `job` is the job's key within the
run, `manifest/job`. Nothing in an event is secret: requests are in their shown form, and texts of the server have
been scrubbed. Events become JSON objects (`to_json`) and come back equal (`from_json`).
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

from aftrun.domain import runids
from aftrun.domain.errors import StateError
from aftrun.domain.frozen import dataclass
from aftrun.domain.instants import at_utc, seconds
from aftrun.domain.model import About, Json, Outcome
from aftrun.domain.text import camel

_T = TypeVar("_T")
FORMAT = 1
"""Version of the JSON form. It rises when an old reader could misread a new event."""


class Reason(StrEnum):
    """Why a job ended as it did, as stable words for programs."""

    DONE = "done"
    """The server said so (or, with `wait: false`, accepted it)."""
    EXPECT = "expect"
    """The job succeeded by its state, but a condition of `expect` did not hold."""
    KEY = "key"
    """401 or 403."""
    REFUSED = "refused"
    """Any other definite refusal of the submission."""
    UNREACHABLE = "unreachable"
    """The server could not be reached, or would not take requests, until `submitTimeout`."""
    TLS = "tls"
    """The certificate was not accepted."""
    AMBIGUOUS = "ambiguous"
    """A POST's fate is unknown."""
    CRASHED = "crashed"
    """aftrun died between POST and answer."""
    TIMEOUT = "timeout"
    QUEUE_TIMEOUT = "queueTimeout"
    FINISH_BY = "finishBy"
    UNREADABLE = "unreadable"
    """The job's state could not be read until the clock ran out, or not by this key."""
    VANISHED = "vanished"
    """The server no longer knows the job."""
    UNLISTED = "unlisted"
    """The clock ran out while the server named a state that is in no list."""
    NEEDS = "needs"
    """Skipped: a need did not succeed."""
    NOT_NEEDED = "notNeeded"
    """Skipped, and rightly so: `when: failure` and nothing failed."""
    FAIL_FAST = "failFast"
    """Skipped: an earlier job ended badly."""
    INTERRUPTED = "interrupted"
    """Skipped: aftrun was told to stop."""
    STATE = "state"
    """Skipped: aftrun could no longer write its state."""
    VALUE = "value"
    """Rejected by aftrun itself: a value from another job was not there."""
    ONCE = "once"
    """Not sent: an earlier attempt under the job's `once` decides."""


@dataclass(frozen=True, slots=True)
class JobHeader(About):
    """What is known of a job before anything runs."""

    key: str
    """`manifest/job`, unique in the run."""
    name: str
    manifest: str
    server: str
    """The URL."""
    path: str
    line: int
    column: int
    request: Mapping[str, Json] = field(default_factory=dict)
    """The shown form, with references that only the run can fill still in place."""
    needs: tuple[str, ...] = ()
    """Keys."""
    when: str = "success"
    wait: bool = True
    allow_failure: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A manifest that the run was made from."""

    path: str
    sha256: str
    name: str


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The first event of a run: everything that was planned."""

    at: float
    run: str
    jobs: tuple[JobHeader, ...]
    sources: tuple[Source, ...] = ()
    aftrun: str = ""
    git: Mapping[str, Json] = field(default_factory=dict)
    sandbox: bool = False
    journal: bool | None = None
    """There is a second file of the record, `journal.ndjson`; version 0.1 had none."""
    servers: tuple[str, ...] | None = None
    """The URLs of the servers, in clear, in the order in which the jobs first use them."""
    zone: str | None = None
    """The time zone of the run: an IANA name, or an offset such as `+02:00`."""
    pins: Mapping[str, Json] | None = None
    """A keyed digest of each value from outside, by its reference; null where the default served. See `pins`."""
    type: ClassVar[str] = "runStarted"


@dataclass(frozen=True, slots=True)
class RunResumed:
    """Another process took the run up."""

    at: float
    pid: int = 0
    host: str = ""
    again: tuple[str, ...] | None = None
    """Keys of jobs that had ended and are open again: those of unknown end that have an id, and those skipped."""
    changes: tuple[str, ...] | None = None
    """What is not as it was at the run's start, and was accepted by a person, in words."""
    servers: tuple[str, ...] | None = None
    """Where something is not as it was: the URLs of the servers from here on, in clear. See `RunStarted`."""
    pins: Mapping[str, Json] | None = None
    """With `servers`: the keyed digests of their URLs."""
    type: ClassVar[str] = "runResumed"


@dataclass(frozen=True, slots=True)
class Once:
    """What a job with `once` is known by on record, over all runs. Nothing in it is a value from outside."""

    identity: str
    """A keyed digest of server, manifest, job and key."""
    key: str
    """The expanded key, as it may be shown."""
    server: str
    """The server's URL, as it may be shown."""
    mark: str
    """Which state folder's key made the digests."""
    number: int = 1
    """Which submission under this identity it is, counted from 1."""
    made_of: Mapping[str, Json] = field(default_factory=dict)
    """A keyed digest of the script and of each param, as written: what changes with every run is left out."""
    again: bool | None = None
    """A person asked for it whatever is on record."""


@dataclass(frozen=True, slots=True)
class SubmitIntended:
    """A POST is about to leave. Durable before it does; if nothing follows, its fate is unknown."""

    at: float
    job: str
    attempt: int
    request: Mapping[str, Json] = field(default_factory=dict)
    once: Once | None = None
    """Of a job with `once`. Only one process gets such an intent on record: see `record`."""
    type: ClassVar[str] = "submitIntended"


class Action(StrEnum):
    """What becomes of a job with `once` that is not submitted, since the record holds an earlier attempt."""

    UP_TO_DATE = "upToDate"
    """That one succeeded."""
    FOLLOW = "follow"
    """That one was accepted, and its status is read to its end."""
    DOUBT = "doubt"
    """Nobody knows what became of that one: a person must look."""


@dataclass(frozen=True, slots=True)
class Converged:
    """The record holds an earlier attempt under the job's `once`, and nothing is sent."""

    at: float
    job: str
    attempt: int
    """The number that the attempt has in this run."""
    action: Action
    run: str
    """The run that made the earlier attempt."""
    of_attempt: int
    """The number that it has there."""
    once: Once
    job_id: str | None = None
    id_field: str | None = None
    accepted_at: float | None = None
    outcome: Outcome | None = None
    """How the earlier attempt ended, where that is on record."""
    since: float | None = None
    """When that was."""
    outputs: Mapping[str, Json] = field(default_factory=dict)
    differs: tuple[str, ...] | None = None
    """Names of the script and params that were others then."""
    type: ClassVar[str] = "converged"


@dataclass(frozen=True, slots=True)
class SubmitDeferred:
    """A POST was provably not processed, and will be tried again."""

    at: float
    job: str
    attempt: int
    message: str
    retry_in: float = 0.0
    type: ClassVar[str] = "submitDeferred"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server created the job. Durable before anybody acts on the id."""

    at: float
    job: str
    attempt: int
    job_id: str
    state: str = ""
    id_field: str | None = None
    """The field that the id was read from, in lower case and without `_` and `-`."""
    type: ClassVar[str] = "accepted"


@dataclass(frozen=True, slots=True)
class StateSeen:
    """The server named another state than before. `phase` is aftrun's reading of it (a `State`)."""

    at: float
    job: str
    attempt: int
    state: str
    phase: str
    type: ClassVar[str] = "stateSeen"


@dataclass(frozen=True, slots=True)
class LookFailed:
    """A status read gave nothing to go by; it will be repeated. Recorded when the reason changes, not each time."""

    at: float
    job: str
    attempt: int
    message: str
    type: ClassVar[str] = "lookFailed"


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """One submission is over. Whether the job is over too is for `JobEnded` to say."""

    at: float
    job: str
    attempt: int
    outcome: Outcome
    reason: Reason
    message: str = ""
    exit_code: int | None = None
    state: str = ""
    server_started_at: float | None = None
    server_ended_at: float | None = None
    outputs: Mapping[str, Json] = field(default_factory=dict)
    type: ClassVar[str] = "attemptEnded"


@dataclass(frozen=True, slots=True)
class RetryPlanned:
    """A definite failure will be followed by a new submission."""

    at: float
    job: str
    attempt: int
    """The number of the attempt to come."""
    retry_in: float
    message: str = ""
    type: ClassVar[str] = "retryPlanned"


@dataclass(frozen=True, slots=True)
class JobEnded:
    """The job is over, for good."""

    at: float
    job: str
    outcome: Outcome
    reason: Reason
    message: str = ""
    seconds: float | None = None
    """From the acceptance of its last attempt to its end, as well as the reads tell; None where either was not seen."""
    type: ClassVar[str] = "jobEnded"


@dataclass(frozen=True, slots=True)
class Settled:
    """A person found out what became of a job whose end nobody saw. What was seen stays as it is."""

    at: float
    job: str
    outcome: Outcome
    """`succeeded` or `failed`."""
    by: str
    """Who says so: `user@host`."""
    note: str = ""
    job_id: str | None = None
    """The server's id, where the record did not know it and the person does."""
    run_outcome: str | None = None
    """What the run comes to with it, where it has ended."""
    exit_code: int | None = None
    """The same as an exit code."""
    type: ClassVar[str] = "settled"


@dataclass(frozen=True, slots=True)
class Warned:
    """Something a person should know that changes no outcome. `job` is empty where it is about the run."""

    at: float
    message: str
    job: str = ""
    type: ClassVar[str] = "warned"


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A signal, or a failure of aftrun's own, told the run to stop. `signal` is 2, 15, …, or 0."""

    at: float
    signal: int
    message: str = ""
    type: ClassVar[str] = "interrupted"


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last event of a process' work on a run."""

    at: float
    outcome: str
    exit_code: int
    type: ClassVar[str] = "runEnded"


Event = (
    RunStarted
    | RunResumed
    | SubmitIntended
    | SubmitDeferred
    | Converged
    | Accepted
    | StateSeen
    | LookFailed
    | AttemptEnded
    | RetryPlanned
    | JobEnded
    | Settled
    | Warned
    | Interrupted
    | RunEnded
)

_CLASSES: dict[str, type[Any]] = {cls.type: cls for cls in typing.get_args(Event)}


@functools.lru_cache(maxsize=8192)  # the events of a turn share their time, and reports are written again and again
def instant(at: float) -> str:
    """Epoch seconds as RFC 3339 in UTC with milliseconds: `2026-01-02T03:04:05.678Z`."""
    return at_utc(at).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


@functools.lru_cache(maxsize=8192)
def parse_instant(text: str) -> float:
    """The epoch seconds of an RFC 3339 instant, rounded to whole milliseconds."""
    return round(seconds(datetime.fromisoformat(text)), 3)


_layouts: dict[Any, tuple[tuple[str, str, Any], ...]] = {}
_encoders: dict[Any, tuple[tuple[str, str, Callable[[Any], Any] | None], ...]] = {}
_decoders: dict[Any, tuple[tuple[str, str, type | None, Callable[[Any], Any]], ...]] = {}


def _fields(cls: Any) -> tuple[tuple[str, str, Any], ...]:
    """Attribute, JSON key and type of each field of an event class, worked out once a class."""
    if cls not in _layouts:
        hints = typing.get_type_hints(cls)
        _layouts[cls] = tuple((f.name, camel(f.name), hints[f.name]) for f in dataclasses.fields(cls))
    return _layouts[cls]


_INSTANTS = {"at", "server_started_at", "server_ended_at", "accepted_at", "since"}
_PLAIN = (str, int, float, bool)


def _encoder(name: str, hint: Any) -> Callable[[Any], Any] | None:
    """How a field becomes JSON; None where it is JSON already."""
    if name in _INSTANTS:
        return instant
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    if hint in _PLAIN:
        return None
    if typing.get_origin(hint) is Mapping:
        return dict
    return as_json if dataclasses.is_dataclass(hint) else _encode


def _plan_of(cls: Any) -> tuple[tuple[str, str, Callable[[Any], Any] | None], ...]:
    """Attribute, JSON key and encoder of each field, worked out once a class: runs encode thousands of events."""
    if cls not in _encoders:
        _encoders[cls] = tuple((attr, key, _encoder(attr, hint)) for attr, key, hint in _fields(cls))
    return _encoders[cls]


def _encode(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    if dataclasses.is_dataclass(value):
        return _object(value, {})
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    return value


def _object(value: Any, result: dict[str, Json]) -> dict[str, Json]:
    for attr, key, encoder in _plan_of(type(value)):
        found = getattr(value, attr)
        if found is not None:
            result[key] = found if encoder is None else encoder(found)
    return result


def to_json(event: Event) -> dict[str, Json]:
    """The event as a JSON object, `type` first. Absent optional values are left out."""
    return _object(event, {"type": event.type})


def as_json(value: Any) -> dict[str, Json]:
    """A frozen dataclass that is made as events are, as a JSON object; absent optional values are left out."""
    return _object(value, {})


def _decoder(name: str, hint: Any) -> Callable[[Any], Any]:
    """How a field comes from JSON.

    What is made raises a `TypeError` where it is of another type (somebody else wrote it, and whoever reads the event
    relies on its types), and a `ValueError` where it is no instant, or no word that stands there.
    """
    if name in _INSTANTS:
        return parse_instant
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    if typing.get_origin(hint) is tuple:
        item = _decoder("", typing.get_args(hint)[0])
        return lambda value: tuple(map(item, _of_type(list, value)))
    if dataclasses.is_dataclass(hint):
        return lambda value: _build(typing.cast("type[Any]", hint), _of_type(dict, value))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint
    if hint is float:
        return lambda value: float(_of_type((int, float), value))
    return functools.partial(_of_type, dict if typing.get_origin(hint) is not None else hint)


def _decoders_of(cls: Any) -> tuple[tuple[str, str, type | None, Callable[[Any], Any]], ...]:
    """Attribute, JSON key, type of what is taken as it is, and decoder of each field, worked out once a class."""
    if cls not in _decoders:
        _decoders[cls] = tuple(
            (attr, key, hint if hint in _PLAIN and attr not in _INSTANTS else None, _decoder(attr, hint))
            for attr, key, hint in _fields(cls)
        )
    return _decoders[cls]


def _of_type(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{type(value).__name__} where {getattr(kind, '__name__', 'a number')} belongs")
    return value


def _build(cls: type[Any], data: Mapping[str, Any]) -> Any:
    return cls(
        **{
            attr: value if type(value := data[key]) is plain else decode(value)
            for attr, key, plain, decode in _decoders_of(cls)
            if key in data
        }
    )


def made_from(cls: type[_T], data: Mapping[str, Any]) -> _T:
    """What `as_json` made `data` from.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    return typing.cast("_T", _build(cls, data))


def from_json(data: Any) -> Event:
    """The event that `to_json` made `data` from.

    Raises:
        StateError: it is no event that this version can read.
    """
    try:
        cls = _CLASSES[data["type"]]
        event = typing.cast("Event", _build(cls, data))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        kind = data.get("type") if isinstance(data, Mapping) else None
        raise StateError(
            f"the record of the run holds an event that this version cannot read: {kind!r} ({error})",
            hint="it was written by another version of aftrun, or the file is damaged",
        ) from error
    if isinstance(event, RunStarted | Converged):
        runids.checked(event.run)
    return event
