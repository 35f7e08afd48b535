"""What a sandbox does: how long jobs take, how they end, how job infos look, and what goes wrong on the way.

Frozen data, made by hand or, from a scenario file's plain data, by `scenario.parse`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from fnmatch import fnmatchcase

from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Json


class Ending(StrEnum):
    """How a job of the sandbox ends."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    STUCK = "stuck"
    """It runs for ever."""
    VANISHED = "vanished"
    """Once finished it is no longer known: 404."""


class Dialect(StrEnum):
    """The shape of job infos; `dialects` shows each."""

    DEFAULT = "default"
    SNAKE = "snake"
    UPPER = "upper"
    NESTED = "nested"
    ENVELOPE = "envelope"
    NUMERIC = "numeric"
    LOCATION = "location"
    MINIMAL = "minimal"
    FINISHED = "finished"
    UNLISTED = "unlisted"


class On(StrEnum):
    """Which requests a fault strikes: POST, GET, or a new connection before any request."""

    SUBMIT = "submit"
    STATUS = "status"
    CONNECT = "connect"


class Kind(StrEnum):
    """What goes wrong."""

    RESET = "reset"
    CLOSE = "close"
    STATUS = "status"
    SLOW = "slow"
    HANG = "hang"
    TRICKLE = "trickle"
    TRUNCATE = "truncate"
    GARBAGE = "garbage"
    HTML = "html"
    BAD_JSON = "badJson"
    NO_ID = "noId"
    HUGE = "huge"
    GZIP_BOMB = "gzipBomb"
    REDIRECT = "redirect"
    ECHO_KEY = "echoKey"
    CUT = "cut"
    NOT_FOUND = "notFound"


class Strikes(StrEnum):
    """Whether a fault comes before the effect of the request (no job is created) or after it."""

    BEFORE = "before"
    AFTER = "after"


class Per(StrEnum):
    """What `times` and `after` count: all requests the rule applies to, or those of each job on its own."""

    RULE = "rule"
    JOB = "job"


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same length of time."""

    seconds: float

    def draw(self, rng: random.Random) -> float:
        """Seconds."""
        return self.seconds


@dataclass(frozen=True, slots=True)
class Uniform:
    """Any length of time between two, all equally likely. Seconds."""

    minimum: float
    maximum: float

    def draw(self, rng: random.Random) -> float:
        """Seconds."""
        return rng.uniform(self.minimum, self.maximum)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Mostly near the median, now and then very long, as transfers are. `median` in seconds, `sigma` of the log."""

    median: float
    sigma: float

    def draw(self, rng: random.Random) -> float:
        """Seconds."""
        return self.median * math.exp(rng.gauss(0.0, self.sigma))


Span = Fixed | Uniform | LogNormal


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """A `Retry-After` header: seconds, an HTTP date so far ahead, or any text."""

    seconds: int | None = None
    date_in: float | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Trait:
    """What is so of all faults of a kind."""

    of_answer: bool = False
    """The work was done, only word of it goes wrong. `cut` strikes after the handshake."""
    silent: bool = False
    """The client gets no status to see."""
    code: int | None = None
    """The status that it gets unless the fault names another; None: that of the answer."""


TRAITS = {
    Kind.RESET: Trait(silent=True),
    Kind.CLOSE: Trait(silent=True),
    Kind.STATUS: Trait(code=500),
    Kind.SLOW: Trait(),
    Kind.HANG: Trait(silent=True),
    Kind.TRICKLE: Trait(of_answer=True),
    Kind.TRUNCATE: Trait(of_answer=True),
    Kind.GARBAGE: Trait(silent=True),
    Kind.HTML: Trait(of_answer=True),
    Kind.BAD_JSON: Trait(of_answer=True),
    Kind.NO_ID: Trait(of_answer=True),
    Kind.HUGE: Trait(of_answer=True),
    Kind.GZIP_BOMB: Trait(of_answer=True),
    Kind.REDIRECT: Trait(code=307),
    Kind.ECHO_KEY: Trait(code=400),
    Kind.CUT: Trait(of_answer=True, silent=True),
    Kind.NOT_FOUND: Trait(code=404),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. Options that are None take the default of the kind; unused ones are ignored."""

    kind: Kind
    on: On = On.SUBMIT
    times: int | None = 1
    """How many requests it strikes; None: all."""
    after: int = 0
    """How many requests it lets pass first."""
    strikes: Strikes | None = None
    per: Per | None = None
    chance: float = 1.0
    """How likely it strikes a request that it could strike."""
    code: int | None = None
    body: Json = None
    retry_after: RetryAfter | None = None
    delay: float = 1.0
    """`slow`: seconds until the answer; `trickle`: seconds between two bytes."""
    size: int = 16
    """`huge` and `gzipBomb`: MiB of body once unpacked."""
    to: str = ""
    """`redirect`: the Location."""

    @property
    def spares_effect(self) -> bool:
        """Whether the request is processed before the fault strikes."""
        if self.strikes is not None:
            return self.strikes is Strikes.AFTER
        return TRAITS[self.kind].of_answer

    @property
    def counts(self) -> Per:
        """What `times` and `after` count."""
        return self.per or (Per.JOB if self.on is On.STATUS else Per.RULE)


@dataclass(frozen=True, slots=True)
class Match:
    """Which submissions a behaviour is for. None matches anything; texts are globs."""

    script_name: str | None = None
    """Compared without case, as AFT! does."""
    script_id: str | None = None
    file_path: str | None = None
    params: tuple[tuple[str, str], ...] = ()
    """Each named param must be there and match its glob."""

    def fits(self, selector: str, value: str, params: Mapping[str, Json]) -> bool:
        """Whether it fits a submission of the script that `selector` (`scriptName`, …) names by `value`."""
        wanted = {"scriptName": self.script_name, "scriptId": self.script_id, "filePath": self.file_path}
        for key, glob in wanted.items():
            if glob is None:
                continue
            if key != selector:
                return False
            folded = key == "scriptName"
            if not fnmatchcase(value.casefold() if folded else value, glob.casefold() if folded else glob):
                return False
        return all(name in params and fnmatchcase(as_text(params[name]), glob) for name, glob in self.params)


def as_text(value: Json) -> str:
    """A scalar as it is written in JSON, texts without quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What happens to the jobs it matches. Without arguments: what `aftrun apply --sandbox` shows."""

    match: Match = Match()
    queue: Span = Uniform(0.05, 0.2)
    duration: Span = Uniform(0.3, 1.5)
    outcome: Ending = Ending.SUCCEEDED
    exit_code: int | None = None
    """None: 0 if it succeeds, 1 if it fails."""
    message: str | None = None
    outputs: Mapping[str, Json] = field(default_factory=dict)
    """Merged into the job info once the job has ended."""
    dialect: Dialect = Dialect.DEFAULT
    fail_first: int = 0
    """How many of the first submissions of the same script fail, whatever `outcome` says."""
    keep: float | None = None
    """For how many seconds a finished job can still be read. None: for ever."""
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Outage:
    """The server is away: connections are refused. Seconds since its start, and how long."""

    after: float
    lasts: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything a sandbox does. The first behaviour that matches a submission counts, else `defaults`."""

    defaults: Behaviour = Behaviour()
    behaviours: tuple[Behaviour, ...] = ()
    outages: tuple[Outage, ...] = ()
    latency: Span = Fixed(0.0)
    """How long every answer takes."""
    seed: int = 0
    scripts: tuple[str, ...] | None = None
    """Names, ids and paths of the scripts that exist. None: any."""
    workers: int | None = None
    """How many jobs run at once; the others wait in the queue. None: no limit."""
    rate_limit: float | None = None
    """Requests a second; those above are answered 429."""
    keep_alive: float = 75.0
    """After how many idle seconds the server closes a connection."""

    def behaviour_for(self, selector: str, value: str, params: Mapping[str, Json]) -> Behaviour:
        """The behaviour for one submission."""
        for behaviour in self.behaviours:
            if behaviour.match.fits(selector, value, params):
                return behaviour
        return self.defaults

    @property
    def connect_faults(self) -> tuple[Fault, ...]:
        """The faults that strike connections, before there is a request to match."""
        return tuple(fault for fault in self.defaults.faults if fault.on is On.CONNECT)
