"""Reads a job and lag behind its end, by the polling rule and with past runs to go by. Simulated: nobody waits.

For each kind of job, many jobs are run 60 times each, one run after another. What the record keeps of a run is what
aftrun would know (the middle between the last two looks), not the simulated truth. Every run is watched twice, by the
rule alone and with the last 20 runs to go by; the first three runs are not counted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean

from aftrun.domain.model import Poll
from aftrun.run import polling
from benchmarks.common import Row, run

RUNS, COUNTED_FROM, REMEMBERED = 60, 3, 20
ANSWER = 0.01
"""Seconds until a status read is answered."""

Duration = Callable[[Random, int], float]
"""How long the run of that number takes, seconds."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One job, followed to its end."""

    reads: int
    lag: float
    recorded: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over all runs of a kind of job: by the rule, and with history. Lags in seconds."""

    name: str
    reads: tuple[float, float]
    lag: tuple[float, float]
    lag_p95: tuple[float, float]

    def rows(self) -> Iterator[Row]:
        """Reads and lag, with history against the rule alone. Half a percent is chance."""
        yield Row(
            f"looking with history, {self.name}: reads a job",
            "the polling rule",
            f"{self.reads[1]:.1f}",
            f"{self.reads[0]:.1f}",
            self.reads[1] / self.reads[0],
            "<= 1.005",
        )
        yield Row(
            f"looking with history, {self.name}: mean lag",
            "the polling rule",
            f"{self.lag[1]:.2f} s",
            f"{self.lag[0]:.2f} s",
            self.lag[1] / self.lag[0],
            "<= 1.005",
            f"p95 {self.lag_p95[1]:.2f} s, by the rule {self.lag_p95[0]:.2f} s",
        )


def follow(poll: Poll, end: float, stops: Sequence[float], dice: Random) -> Watched:
    """Look until the end is seen."""
    age, reads, before = 0.0, 0, 0.0
    while True:
        look = age + polling.next_poll(poll, age, stops, dice)
        reads += 1
        if look >= end:
            return Watched(reads, look - end, (before + look) / 2)
        before, age = look, look + ANSWER


def measure(name: str, duration: Duration, *, poll: Poll | None = None, jobs: int = 200) -> Figures:
    """All runs of one kind of job."""
    dice = Random(1)  # noqa: S311  # a lot
    poll = Poll() if poll is None else poll
    plain, knowing = list[Watched](), list[Watched]()
    for _ in range(jobs):
        past: list[float] = []
        for number in range(RUNS):
            end = duration(dice, number)
            by_rule = follow(poll, end, (), dice)
            by_past = follow(poll, end, polling.stops(poll, past[-REMEMBERED:]), dice)
            past.append(by_past.recorded)
            if number >= COUNTED_FROM:
                plain.append(by_rule)
                knowing.append(by_past)

    def late(watched: Sequence[Watched]) -> float:
        return sorted(each.lag for each in watched)[int(0.95 * len(watched))]

    return Figures(
        name,
        (fmean(each.reads for each in plain), fmean(each.reads for each in knowing)),
        (fmean(each.lag for each in plain), fmean(each.lag for each in knowing)),
        (late(plain), late(knowing)),
    )


def around(middle: float, share: float) -> Duration:
    """Evenly spread, so far either way."""
    return lambda dice, _: middle * dice.uniform(1 - share, 1 + share)


def log_normal(median: float, sigma: float) -> Duration:
    """Now and then much longer."""
    return lambda dice, _: median * dice.lognormvariate(0, sigma)


def changed(before: float, after: float) -> Duration:
    """Another duration from the middle of the runs on."""
    return lambda dice, number: (before if number < RUNS // 2 else after) * dice.uniform(0.95, 1.05)


def either(one: float, other: float) -> Duration:
    """One of two."""
    return lambda dice, _: dice.choice((one, other)) * dice.uniform(0.95, 1.05)


KINDS: dict[str, Duration] = {
    "10 s, always": around(10, 0),
    "10 s ± 5 %": around(10, 0.05),
    "2 min, always": around(120, 0),
    "2 min ± 5 %": around(120, 0.05),
    "30 min ± 5 %": around(1800, 0.05),
    "log-normal, 2 min, sigma 0.1": log_normal(120, 0.1),
    "log-normal, 2 min, sigma 0.5": log_normal(120, 0.5),
    "30 s or 2 min, ± 5 %": either(30, 120),
    "1 min, later 2.5 min, ± 5 %": changed(60, 150),
    "2.5 min, later 1 min, ± 5 %": changed(150, 60),
}


def rows(small: bool) -> Iterator[Row]:
    """Every kind of job."""
    for name, duration in KINDS.items():
        yield from measure(name, duration, jobs=5 if small else 100).rows()


if __name__ == "__main__":
    sys.exit(run(rows))
