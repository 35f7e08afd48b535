"""Everything about a night that is decided before it begins, drawn from its seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import TypeVar
from zoneinfo import ZoneInfo

from aftrun.domain.model import (
    Job,
    Manifest,
    OnAmbiguous,
    Order,
    Outcome,
    Param,
    Poll,
    Retry,
    Script,
    Selector,
    ServerSpec,
    Strategy,
    When,
)
from aftrun.domain.values import Inside, Origin, Template
from tests.simulation.disk import DAMAGES
from tests.simulation.kernel import EPOCH, NEVER
from tests.simulation.server import CORRELATION, UNSENT, Temper

T = TypeVar("T")

DATE_FORMAT = "%Y-%m-%d %H:%M %z"
DATE = f"${{{{ run.date:{DATE_FORMAT} }}}}"
_HERE = Origin("m.yaml", 1, 1)

POST_FAULTS = (
    *UNSENT,
    *("certificate", "400", "403", "404", "409", "413", "307", "429", "503 wait", "408"),
    *("made lost", "unmade lost", "made silent", "unmade silent", "made halfway", "unmade halfway"),
    *("made no id", "made no JSON", "unmade no JSON", "made cut", "made 500", "unmade 502", "made 504", "unmade 503"),
    "unmade 302",
)
GET_FAULTS = (
    *UNSENT,
    *("halfway", "lost", "silent", "408", "425", "429", "500", "502", "503", "504", "404", "410"),
    *("empty", "no JSON", "cut", "null", "request is fine", "stale", "another job", "a list"),
    *("400", "401", "403", "302", "307", "certificate"),
)


@dataclass(frozen=True, slots=True)
class Cut:
    """How a process comes to its end before the run does."""

    kind: str = ""
    """``step`` (killed at the n-th point), ``time`` (killed then), ``signal``, ``full`` (disk), ``ours`` (a listener of
    aftrun's own fails at the n-th event), ``short`` (the machine refuses something to the n-th request), ``locked``
    (the state file, for so many seconds); empty: it is left alone."""
    number: int = 0
    """Of the point, the signal, or the write."""
    time: float = 0.0
    """Seconds after the process began."""
    gap: float = 0.0
    """Seconds until the next process."""
    damage: str = ""
    """What happens to one of the record's files before the next process (`disk.DAMAGES`)."""
    reboots: bool = False
    """The machine is started anew in between."""


@dataclass(frozen=True, slots=True)
class Story:
    """A run, and what will happen to it. Times are true seconds since the night began."""

    manifests: tuple[Manifest, ...]
    keep_going: bool
    tempers: tuple[Temper, ...]
    cuts: tuple[Cut, ...] = ()
    restarts: tuple[tuple[int, float, float], ...] = ()
    """Server, time, seconds that it is down."""
    clock: tuple[tuple[str, float, float], ...] = ()
    """``sleep``, ``sleep still`` (the monotonic clock stands still meanwhile) or ``set``, time, seconds."""
    epoch: float = EPOCH
    zone: str = ""
    """The time zone in which the run begins; empty: it does not matter."""
    zones: tuple[str, ...] = ()
    """The machine's time zone in each process."""
    booted: float = 0.0
    """What the monotonic clock says at first."""
    uplink: float = 0.0
    """The longest time that a request takes to the server, seconds."""


def _one_of(random: Random, *choices: T) -> T:
    return choices[int(random.random() * len(choices))]


def _job(random: Random, name: str, before: list[Job], *, two: bool) -> Job:
    chance = random.random
    needs = tuple(each.name for each in before[-3:] if chance() < 0.3)
    params: tuple[Param, ...] = ()
    giver = next((each for each in before if each.name in needs), None)
    when = _one_of(random, When.FAILURE, When.ALWAYS) if needs and chance() < 0.25 else When.SUCCESS
    if giver is not None and when is When.SUCCESS and chance() < 0.5:
        text = f"${{{{ jobs.{giver.name}.id }}}}"
        params = (Param("upstream", Template((Inside(("jobs", giver.name, "id"), text),), text)),)
    if chance() < 0.2:
        params = (*params, Param("date", Template((Inside(("run", "date"), DATE, DATE_FORMAT),), DATE)))
    retry = Retry()
    if chance() < 0.3:
        on: tuple[Outcome, ...] = (Outcome.FAILED,)
        if chance() < 0.5:
            on = (Outcome.FAILED, Outcome.CANCELLED, Outcome.REJECTED, Outcome.UNDELIVERED)
        retry = Retry(_one_of(random, 1, 2), on, duration=_one_of(random, 0.5, 8.0))
    expect: tuple[str, ...] = ()
    if chance() < 0.15:
        expect = (_one_of(random, "n > `0`", "n > `0`", "n > `10000`"),)
    return Job(
        name=name,
        script=Script(Selector.NAME, name),
        origin=_HERE,
        params=params,
        server="two" if two and chance() < 0.4 else "",
        needs=needs,
        when=when,
        wait=chance() > 0.1,
        timeout=_one_of(random, 12.0, 45.0, 200.0, 2_000.0),
        queue_timeout=_one_of(random, 1.0, 30.0) if chance() < 0.1 else None,
        retry=retry,
        on_ambiguous=OnAmbiguous.RESUBMIT if chance() < 0.1 else OnAmbiguous.FAIL,
        expect=expect,
        outputs=(("n", "n"),) if chance() < 0.1 else (),
        allow_failure=chance() < 0.1,
        concurrency="k" if chance() < 0.25 else "",
        correlation=CORRELATION,
    )


def _manifest(random: Random, number: int, finish_by: str, servers: tuple[ServerSpec, ...]) -> Manifest:
    chance = random.random
    order = Order.SEQUENTIAL if chance() < 0.3 else Order.PARALLEL
    jobs: list[Job] = []
    for index in range(_one_of(random, 1, 2, 2, 3, 4)):
        jobs.append(_job(random, f"{'ab'[number]}{index}", jobs, two=len(servers) > 1))
    if chance() < 0.1:  # a fan-out, as a matrix makes one
        last = jobs[-1]
        jobs[-1:] = [_copy(last, f"{last.name}[{region}]") for region in ("eu", "us")]
    strategy = Strategy(
        order=order,
        max_parallel=_one_of(random, 1, 2, 8),
        fail_fast=order is Order.SEQUENTIAL if chance() < 0.7 else chance() < 0.5,
        finish_by=finish_by,
    )
    return Manifest(name=f"m{number}", path=f"m{number}.yaml", jobs=tuple(jobs), servers=servers, strategy=strategy)


def _copy(job: Job, name: str) -> Job:
    return replace(job, name=name, script=Script(Selector.NAME, name), template=job.name)


def _temper(random: Random, faults: frozenset[str]) -> Temper:
    chance = random.random
    numbers = chance() < 0.6
    return Temper(
        post_faults=_one_of(random, 0.2, 0.6) if "posts" in faults else 0.0,
        posts=tuple(random.sample(POST_FAULTS, 4)) if "posts" in faults else (),
        get_faults=_one_of(random, 0.1, 0.4) if "gets" in faults else 0.0,
        gets=tuple(random.sample(GET_FAULTS, 4)) if "gets" in faults else (),
        hidden=_one_of(random, 3.0, 20.0) if "hidden" in faults else 0.0,
        vanishes=_one_of(random, 0.0, 10.0) if "vanishes" in faults else NEVER,
        dialect=int(chance() * 12),
        numbers=numbers,
        counts_on=chance() < 0.3,
        remembers=chance() < 0.3,
        odd=0.5 if "odd" in faults else 0.0,
        bad=_one_of(random, 0.0, 0.2, 0.2, 0.6),
        longest=_one_of(random, 8.0, 20.0, 100.0),
        latency=_one_of(random, 0.01, 0.05, 0.3),
        slow=0.2 if "slow" in faults else 0.0,
    )


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")
_CHANGES = {
    "Europe/Berlin": (1774746000.0, 1792890000.0),
    "America/New_York": (1772953200.0, 1793512800.0),
    "Australia/Lord_Howe": (1775314800.0, 1791041400.0),
}
"""When clocks go forward and back (or back and forward) in 2026, epoch seconds."""


def _finish_by(random: Random, epoch: float, zone: str) -> tuple[float, str]:
    """When a run begins, and a local time soon after, perhaps one that there is not, or twice, on that night."""
    if zone in _CHANGES and random.random() < 0.6:
        epoch = _one_of(random, *_CHANGES[zone]) + float(int(random.random() * 7200) - 5400)
    later = datetime.fromtimestamp(epoch + _one_of(random, 60.0, 60.0, 75.0, 120.0, 1800.0), ZoneInfo(zone))
    return epoch, f"{later:%H:%M}"


_FAMILIES = (
    "posts",
    "gets",
    "hidden",
    "vanishes",
    "odd",
    "slow",
    "restarts",
    "cuts",
    "cuts",
    "cuts",
    "damage",
    "clock",
    "zones",
)


def draw(seed: int) -> Story:
    """The story of a seed.

    Few families of faults meet in one night: where everything goes wrong, everything ends as `unknown`, and nothing
    is learnt.
    """
    random = Random(seed)  # noqa: S311  # a simulation has no secrets
    chance = random.random
    faults = frozenset(random.sample(_FAMILIES, _one_of(random, 0, 1, 2, 2, 3, 3, 4)))
    epoch = EPOCH + float(int(chance() * 365 * 86_400))
    one = ServerSpec(
        url="https://one:44399",
        submit_timeout=_one_of(random, 5.0, 30.0, 300.0),
        poll=Poll(_one_of(random, 0.5, 2.0, 5.0), _one_of(random, 10.0, 60.0), _one_of(random, 0.2, 0.5)),
        max_requests_per_second=_one_of(random, 0.5, 2.0) if chance() < 0.15 else None,
    )
    servers: tuple[ServerSpec, ...] = (one,)
    if chance() < 0.3:
        servers = (one, ServerSpec(name="two", url="https://two:44399", poll=one.poll))
    finish_by = zone = ""
    zones: tuple[str, ...] = ()
    if chance() < (0.5 if "clock" in faults else 0.15):
        at = datetime.fromtimestamp(epoch + _one_of(random, 5.0, 20.0, 200.0), UTC)
        finish_by = at.isoformat(timespec="seconds")
    elif "zones" in faults:
        zone = _one_of(random, *ZONES)
        zones = tuple(_one_of(random, zone, *ZONES) for _ in range(8))
        epoch, finish_by = _finish_by(random, epoch, zone)
    stages = 2 if chance() < 0.25 else 1
    manifests = tuple(_manifest(random, number, finish_by, servers) for number in range(stages))
    cuts: list[Cut] = []
    if faults & {"cuts", "damage", "zones"}:
        for _ in range(_one_of(random, 1, 1, 2, 3)):
            kind = _one_of(random, "step", "step", "step", "time", "signal", "full", "ours", "short", "locked")
            number = _one_of(random, 2, 15) if kind == "signal" else 1 + int(chance() * _one_of(random, 12, 60))
            if kind == "locked":
                number = _one_of(random, 1, 33, 400, 3600)
            gap = _one_of(random, 0.0, 0.0, 1.0, 30.0, 600.0)
            damage = _one_of(random, *DAMAGES) if "damage" in faults and chance() < 0.7 else ""
            cuts.append(Cut(kind, number, chance() * _one_of(random, 3.0, 40.0), gap, damage, chance() < 0.2))
    restarts: list[tuple[int, float, float]] = []
    if "restarts" in faults:
        restarts = [
            (int(chance() * 2), chance() * _one_of(random, 6.0, 30.0), _one_of(random, 0.0, 0.0, 2.0, 60.0))
            for _ in range(_one_of(random, 1, 2))
        ]
    clock: list[tuple[str, float, float]] = []
    if "clock" in faults:
        seconds = _one_of(random, 5.0, 3600.0, 7200.0)
        kind = _one_of(random, "sleep", "sleep still", "set")
        clock.append((kind, chance() * 30.0, seconds * _one_of(random, 1, -1) if kind == "set" else seconds))
    return Story(
        manifests,
        keep_going=chance() < 0.5,
        tempers=(_temper(random, faults), _temper(random, faults)),
        cuts=tuple(cuts),
        restarts=tuple(restarts),
        clock=tuple(clock),
        epoch=epoch,
        zone=zone,
        zones=zones,
        booted=_one_of(random, 40.0, 1e5, 7e6) + chance(),
        uplink=_one_of(random, 0.0, 0.0, 0.1, 2.0),
    )
