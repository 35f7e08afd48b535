"""Servers whose jobs end when a test says so, not after some time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import patch

from aftrun.model import Json
from aftrun.sandbox import server as sandbox_server
from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox


class Clock:
    """A sandbox's clock: the machine's, and what a test has added."""

    def __init__(self) -> None:
        self._real = sandbox_server.steady_clock()
        self._added = 0.0

    def __call__(self) -> float:
        """Epoch seconds."""
        return self._real() + self._added

    def add(self, seconds: float) -> None:
        """Let that much time pass, at once."""
        self._added += seconds


@contextlib.contextmanager
def clocked(scenario: Mapping[str, Json], **settings: Any) -> Iterator[tuple[Sandbox, Clock]]:
    """A sandbox, and the clock that its jobs go by."""
    clock = Clock()
    with (
        patch.object(sandbox_server, "steady_clock", lambda: clock),
        contextlib.ExitStack() as stack,
    ):
        server = stack.enter_context(Sandbox(parse(dict(scenario)), **settings))
        yield server, clock
