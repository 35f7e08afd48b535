"""When to read a job's status next, where past runs tell how long it takes. Pure: no time, no record, no socket.

The rule is `policy.poll_interval`: `clamp(fraction × age, minimum, maximum)`, ±10 %. History may only move reads within
what the rule allows:

- **Never later.** No wait is longer than the rule's longest at that age (1.1 times the clamp), whatever history says.
  So an end at any age, usual or not, is noticed within what the rule would have needed at worst.
- **Never sooner than `minimum`** allows: no wait is shorter than 0.9 times that, which is the rule's shortest.
- **No more reads on the average.** Before the usual end, waits are drawn from the upper edge (1.05 to 1.1 times the
  clamp). About as many reads as that saves are spent on *stops*: reads just after the ages at which past runs ended.
  At worst, where history is wrong, each stop costs a read or two.

A job without history, or one that outlives its last stop, is read by the rule alone.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from random import Random

from aftrun.domain.model import Poll
from aftrun.run.policy import base_interval, poll_interval

_LONG = (1.05, 1.1)
"""Waits before the usual end, as multiples of the clamp."""

_SAVED = 1 - 1 / (sum(_LONG) / 2)
"""The share of reads that the longer waits save."""

_MOST = 12
"""Stops. More would only split hairs, and each is remembered for each job under way."""

_MARGIN = 0.1
"""How far behind a past end its stop lies, as a share of the clamp at that age: a read just before an end is wasted."""

_SHORT = 0.05
"""Seconds; the shortest wait that `rule_reads` assumes. No server answers faster for long."""


def rule_reads(poll: Poll, age: float) -> float:
    """How many reads the rule makes up to an age, about."""
    shortest = max(poll.minimum, _SHORT)
    longest = max(poll.maximum, shortest)
    if poll.fraction <= 0:
        return age / shortest
    first, last = shortest / poll.fraction, longest / poll.fraction  # where waits begin to grow, and stop growing
    reads = min(age, first) / shortest
    if age > first:
        reads += math.log(min(age, last) / first) / math.log1p(poll.fraction)
    if age > last:
        reads += (age - last) / longest
    return reads


def stops(poll: Poll, durations: Sequence[float]) -> tuple[float, ...]:
    """The ages at which to read the status, in order: just behind the quantiles of past durations (seconds).

    There are two more than the longer waits before the first of them save: one for the read that notices the end, which
    the rule needs, too, and one since that read comes sooner. Empty where nothing is known.
    """
    past = sorted(each for each in durations if each > 0)
    if not past:
        return ()
    count = 2 + min(_MOST - 2, int(_SAVED * rule_reads(poll, past[0])))
    found: list[float] = []
    for number in range(1, count + 1):
        end = past[math.ceil(number * len(past) / count) - 1]
        behind = _MARGIN * base_interval(poll, end)
        # Past runs that took equally long make equal quantiles; the next run may still take a little longer.
        found.append(max(end + behind, found[-1] + 2 * behind) if found else end + behind)
    return tuple(found)


def next_poll(poll: Poll, elapsed: float, planned: Sequence[float], random: Random) -> float:
    """Seconds until the next read of a job that was accepted `elapsed` seconds ago; `planned` are its `stops`."""
    following = bisect.bisect_right(planned, elapsed)
    if following == len(planned):
        return poll_interval(poll, elapsed, random)
    longest = base_interval(poll, elapsed) * random.uniform(*_LONG)
    gap = planned[following] - elapsed
    if gap > 2 * longest:
        return longest
    # One read less than evenly spaced ones would leave a short last wait; two of equal length cost the same.
    wait = gap if gap <= longest else gap / 2
    return max(wait, 0.9 * poll.minimum)
