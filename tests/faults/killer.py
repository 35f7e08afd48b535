"""Runs aftrun, and kills it at one boundary of its record: before or after the n-th write.

`killer.py before|after N aftrun-arguments…` The real program runs in this very process; only the record's `append`
and `begin` are counted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from aftrun.cli.main import run
from aftrun.run.store.record import Log

KILL = 9
"""SIGKILL; on Windows, which has none, the exit code that TerminateProcess is given for it."""


def main() -> None:
    """Count writes, and die at the right one."""
    side, number, *arguments = sys.argv[1:]
    left = int(number)

    def counted(write: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0 and side == "before":
                os.kill(os.getpid(), KILL)
            result = write(*args, **kwargs)
            if left == 0:
                os.kill(os.getpid(), KILL)
            return result

        return wrapper

    Log.append = counted(Log.append)  # type: ignore[method-assign]  # the point of this script
    Log.begin = counted(Log.begin)  # type: ignore[method-assign]  # the same
    sys.argv = ["aftrun", *arguments]
    sys.exit(run())


if __name__ == "__main__":
    main()
