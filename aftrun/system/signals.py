"""Signals: what is done about them, and whom they concern."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

STOPPING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""What ends a process: the third is a terminal that goes away, the fourth Windows' Ctrl-Break; no system has both."""

ENDING = ("SIGINT", "SIGTERM", "SIGBREAK")
"""The same, but for the terminal that goes away."""


def exit_code(number: int) -> int:
    """The exit code of a process that this signal ended: 130 for Ctrl-C, 143 for all others, whatever their numbers."""
    return 130 if number == signal.SIGINT else 143


Handler = Callable[[int, FrameType | None], object]


def listen(handler: Handler, names: tuple[str, ...] = STOPPING) -> Mapping[int, Any]:
    """Let `handler` hear these signals; returns what heard them before, for `restore`.

    A signal that whoever started this process has it ignore stays ignored: `nohup aftrun …` outlives its terminal, and
    a job that a script put into the background outlives a Ctrl-C that is meant for the script.
    """
    before: dict[int, Any] = {}
    for name in names:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    return before


def restore(before: Mapping[int, Any]) -> None:
    """Let signals be heard by whoever heard them before `listen`."""
    for number, handler in before.items():
        if handler is not None:  # None: not from Python, and cannot be put back from there
            signal.signal(number, handler)
