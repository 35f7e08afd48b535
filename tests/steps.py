"""How much work something is, in steps instead of seconds: the same number on every machine, however busy it is.

A step is one call of a function, Python's or C's. What loops inside a single C function (a regular expression, say) is
not seen: such a test takes a size at which a wrong order of growth would not end at all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType


def steps(work: Callable[[], object]) -> int:
    """The number of calls that `work` makes."""
    count = 0

    def called(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def growth(work: Callable[[int], object], small: int, times: int) -> float:
    """By which factor the steps of `work(size)` grow when the size grows `times`-fold, beginning at `small`.

    Near `times` for linear work, its square for quadratic work.
    """
    work(small)  # what is made once, at the first call, counts for neither
    return steps(lambda: work(small * times)) / steps(lambda: work(small))
