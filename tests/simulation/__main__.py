"""`python -m tests.simulation`: simulated nights on all cores, a night told, or known bugs planted and found."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.simulation.many import Sum, on_all_cores, play
from tests.simulation.network import Reader
from tests.simulation.planted import BUGS, hunt
from tests.simulation.story import draw


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _tell(seed: int) -> int:
    """One night, told line by line."""
    story = draw(seed)
    for manifest in story.manifests:
        _say(f"{manifest.name}: {manifest.strategy}")
        for job in manifest.jobs:
            _say(f"    {job}")
    for temper in story.tempers:
        _say(str(temper))
    _, broken = play(seed, Reader(), _say)
    _say(f"\nBROKEN: {broken}" if broken else "\nall promises held")
    return 1 if broken else 0


def _print_sum(total: Sum, seconds: float) -> None:
    _say(f"nights      {total.nights:,} ({total.nights / seconds * 60:,.0f} a minute)")
    _say(f"processes   {total.processes:,}")
    _say(f"exit codes  {', '.join(f'{code}: {count:,}' for code, count in sorted(total.codes.items()))}")
    _say(f"faults      {sum(total.faults.values()):,}")
    for name, count in sorted(total.faults.items()):
        _say(f"    {count:>9,}  {name}")
    _say(f"violations  {len(total.broken):,}")


def _simulate(seed: int, seconds: float) -> int:
    _say(f"seeds from {seed} on")
    began = time.monotonic()
    total = on_all_cores(seed, seconds)
    _print_sum(total, time.monotonic() - began)
    for bad, promise in total.broken[:20]:
        _say(f"    seed {bad}: {promise}")
    if not total.broken:
        return 0
    first = total.broken[0][0]
    _say(f"\nThe first of them; `make simulate SEED={first} SECONDS=0` tells it again:\n")
    _tell(first)
    return 1


def _planted(most: int) -> int:
    missed = 0
    _say(f"{'bug':<44} {'nights':>8}  found as")
    for bug in BUGS:
        found = hunt(bug, most)
        missed += found is None
        nights, promise = (str(found.nights), found.promise) if found is not None else ("missed", "")
        _say(f"{bug.name:<44} {nights:>8}  {promise}")
    return 1 if missed else 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long; 0 tells the one night of --seed")
    parser.add_argument("--seed", type=int, help="the first seed (default: by chance)")
    parser.add_argument(
        "--planted", action="store_true", help="plant known bugs, and count the nights until each is found"
    )
    parser.add_argument("--most", type=int, default=20_000, help="nights after which a planted bug counts as missed")
    args = parser.parse_args()
    if args.planted:
        return _planted(args.most)
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(10**9)
    if args.seconds <= 0:
        return _tell(seed)
    return _simulate(seed, args.seconds)


if __name__ == "__main__":
    sys.exit(main())
