"""Python's garbage collector, out of the way while much is made that stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collector() -> Iterator[None]:
    """Keep the collector from walking, again and again, what grows and holds no cycles."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # else somebody else has said what is to be left alone
            gc.freeze()
            gc.unfreeze()  # all are old now: the next collection does not walk them
        gc.enable()
