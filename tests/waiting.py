"""Waiting for what another thread or process does. No test is decided by how long it takes.

`tests/unit/test_no_durations.py` keeps clocks and sleeps out of all other tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable

HANG = 300.0
"""Seconds after which what has not come is taken never to come. It guards against hangs and decides nothing else: no
machine is so busy that something right takes as long."""

_PAUSE = 0.005


def until(condition: Callable[[], object], *, alive: Callable[[], object] = lambda: True) -> None:
    """Wait for another thread or process to get somewhere, for as long as it is `alive`."""
    end = time.monotonic() + HANG
    while not condition():
        assert alive() or condition(), "it ended before it came to that"
        assert time.monotonic() < end, "it never came to that"
        time.sleep(_PAUSE)


def another_second() -> None:
    """Wait until the machine's clock shows another second than now."""
    now = int(time.time())
    until(lambda: int(time.time()) != now)
