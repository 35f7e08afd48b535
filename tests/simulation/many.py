"""Many nights: one after another, or on all cores for a while."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.simulation.checks import Broken
from tests.simulation.network import Reader
from tests.simulation.night import Night
from tests.simulation.story import draw


@dataclass(slots=True)
class Sum:
    """What many nights came to."""

    nights: int = 0
    processes: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    """Exit codes of the processes that came to an end in good order."""
    broken: list[tuple[int, str]] = field(default_factory=list)
    """Seed and promise of each night in which one was broken."""

    def add(self, other: Sum) -> None:
        """Take in another sum."""
        self.nights += other.nights
        self.processes += other.processes
        self.faults.update(other.faults)
        self.codes.update(other.codes)
        self.broken += other.broken


def play(seed: int, reader: Reader, note: Callable[[str], None] | None = None) -> tuple[Night, str]:
    """Play the night of a seed. Returns it and the promise that was broken, empty where none was."""
    night = Night(draw(seed), seed, reader, note)
    try:
        night.play()
    except Broken as broken:
        return night, str(broken)
    return night, ""


def play_all(seeds: Iterable[int], *, until: float = float("inf")) -> Sum:
    """Play the nights of these seeds, in order, but begin none after `until` (of `time.monotonic`)."""
    total = Sum()
    reader = Reader()
    for seed in seeds:
        if time.monotonic() >= until:
            break
        night, broken = play(seed, reader)
        total.nights += 1
        total.processes += night.process + 1
        total.faults.update(night.faults)
        total.codes.update(night.codes)
        if broken:
            total.broken.append((seed, broken))
    return total


def _work(job: tuple[int, int, float]) -> Sum:
    first, step, seconds = job
    return play_all(range(first, first + 10**12, step), until=time.monotonic() + seconds)


def on_all_cores(seed: int, seconds: float, workers: int = 0) -> Sum:
    """Play nights from `seed` on, on all cores, for so many seconds."""
    workers = workers or len(os.sched_getaffinity(0))
    total = Sum()
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for each in pool.imap_unordered(_work, [(seed + number, workers, seconds) for number in range(workers)]):
            total.add(each)
    total.broken.sort()
    return total
