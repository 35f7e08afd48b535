"""Many nights for the tests of history, built as the record builds them."""

from __future__ import annotations

import random

from aftrun.domain.jobnames import job_key
from aftrun.domain.past import End, Past, RunPast, gather
from tests.unit.report_samples import NASTY

SUNDAY = 1_767_495_600.0
"""2026-01-04T03:00:00Z."""
DAY = 86_400.0
JOBS = (
    "extract",
    "load[eu]",
    "load[us]",
    "backup",
    "purge",
    "relay",
    "encrypt",
    "mirror",
    "check",
    "publish",
    "tell",
    "copy",
)


def nights(count: int = 60, jobs: int = 12) -> Past:
    """`backup` fails every Sunday, and `relay` takes longer from night to night; `purge` needs `backup`."""
    chance = random.Random(1)  # noqa: S311  # made-up times, the same each time
    names = [*JOBS, *(f"copy[{number}]" for number in range(jobs))][:jobs]
    runs: list[RunPast] = []
    ends: dict[str, list[End]] = {f"nightly/{name}": [] for name in names}
    causes: dict[tuple[str, str], str] = {}
    for number in range(count):
        run = f"2026{number:04}-030000-{number:04x}"
        bad = number % 7 == 0
        words = {"backup": "failed" if bad else "succeeded", "purge": "skipped" if bad else "succeeded"}
        for place, name in enumerate(names):
            word = words.get(name, "succeeded")
            seconds = 12 * (1 + 3.5 * number / count) if name == "relay" else (20 + 9 * place) * chance.gauss(1, 0.05)
            ends[f"nightly/{name}"].append(End(run, word, None if word == "skipped" else seconds))
            if word == "failed":
                causes[f"nightly/{name}", run] = "exit code 1: no space left on /archive"
        runs.append(
            RunPast(
                run,
                SUNDAY + number * DAY,
                SUNDAY + number * DAY + 600 + chance.random() * 60,
                "failed" if bad else "succeeded",
                ("nightly",),
                len(names),
                {"failed": 1, "skipped": 1, "succeeded": len(names) - 2} if bad else {"succeeded": len(names)},
                ("backup",) if bad else (),
            )
        )
    return gather(runs, ends.items(), causes)


def nasty() -> Past:
    """Every nasty text in every place that a stranger can write to."""
    runs = [
        RunPast(f"r{n:02}", SUNDAY + n * DAY, None, text, (text,), 1, {text: 1}, (text,))
        for n, text in enumerate(NASTY)
    ]
    ends = {job_key(text, text): [End(f"r{n:02}", "failed" if n % 2 else text, 1.0)] for n, text in enumerate(NASTY)}
    return gather(runs, ends.items(), {(key, found[0].run): key for key, found in ends.items()})
