"""All benchmarks, or those that are named: `python -m benchmarks [--small] [--json PATH] [NAME…]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from importlib import import_module

from benchmarks.common import Row, arguments, environment, finish, show

ALL = (
    "startup",
    "validation",
    "rate",
    "peers",
    "connections",
    "durability",
    "completion",
    "graph",
    "looking",
    "converging",
    "watching",
    "scale",
    "many",
    "waiting",
)
"""Those of half a minute first, the one of minutes last; the soak goes on its own."""


def rows(names: list[str], small: bool) -> Iterator[Row]:
    """The rows of these benchmarks, as they come."""
    for name in names:
        yield from import_module(f"benchmarks.{name}").rows(small)


def main() -> int:
    """The command line; 1 where a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(ALL)}; default: all")
    chosen = arguments(parser)
    before = environment()
    return finish(show(rows(chosen.names or list(ALL), chosen.small)), chosen, before)


if __name__ == "__main__":
    sys.exit(main())
