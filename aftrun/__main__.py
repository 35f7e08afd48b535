"""`python -m aftrun`, and the console script."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit."""
    from aftrun.cli.main import run  # noqa: PLC0415  # nothing is imported until there is something to do

    sys.exit(run())


if __name__ == "__main__":
    main()
