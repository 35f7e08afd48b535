"""How hard the tests try: one variable for random examples, kills, fuzzed inputs and sizes.

`AFTRUN_TEST_EFFORT` is one of

- `quick`: `make check`, what one runs while working;
- `usual`: `make test`, and where nothing is said;
- `full`: `make test` as CI runs it for each change: where `usual` takes some of many alike, it takes them all;
- `long`: what CI does every night. Only here examples are random: the others try the same ones each time, so
  that a change alone decides whether they pass.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

T = TypeVar("T")


class Effort(StrEnum):
    """How hard."""

    QUICK = "quick"
    USUAL = "usual"
    FULL = "full"
    LONG = "long"


EFFORT = Effort(os.environ.get("AFTRUN_TEST_EFFORT", Effort.USUAL))

THOROUGH = EFFORT in (Effort.FULL, Effort.LONG)
"""Tests with the mark `full` are run too."""


def effort(*, quick: T, usual: T, long: T, full: T | None = None) -> T:
    """What to use at today's effort; `full` is as `usual` where nothing is said."""
    most = usual if full is None else full
    return {Effort.QUICK: quick, Effort.USUAL: usual, Effort.FULL: most, Effort.LONG: long}[EFFORT]


def alike(values: Iterable[T], ids: Callable[[T], str] | None = None, *, every: int = 2) -> list[pytest.ParameterSet]:
    """Parameters of a test of which CI takes all, and `make test` one of `every` so many."""
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)),
            marks=[pytest.mark.full] * (number % every > 0),
            id=None if ids is None else ids(value),
        )
        for number, value in enumerate(values)
    ]


def load_profile() -> None:
    """Make Hypothesis try as hard. How long an example takes says more of the machine than of the code."""
    settings.register_profile(
        "aftrun",
        deadline=None,
        derandomize=EFFORT is not Effort.LONG,
        max_examples=effort(quick=25, usual=100, long=2000),
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("aftrun")
