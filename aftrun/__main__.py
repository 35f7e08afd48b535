"""`python -m aftrun`, and the console script."""

from __future__ import annotations

import os
import signal
import sys


def _stop(number: int, _frame: object) -> None:
    """End at once: until a command puts its own handler here there is nothing to finish."""
    os._exit(128 + number)


def main() -> None:
    """Run the command line and exit."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    from aftrun.cli.main import run  # noqa: PLC0415  # nothing is imported until there is something to do

    sys.exit(run())


if __name__ == "__main__":
    main()
