"""Ids of runs: the one shape that they have, checked wherever one is read.

An id becomes the name of a folder, is typed in shells and printed. The record can come from somewhere else, so an id
that is read there is text like any other until it has passed through here.
"""

from __future__ import annotations

import re

from aftrun.domain.errors import StateError
from aftrun.domain.text import brief

_SHAPE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,98}[A-Za-z0-9_-])?", re.ASCII)


def is_run_id(text: object) -> bool:
    """Whether it is text of the one shape: up to 100 letters, digits, `_`, `-` and inner dots, the first no mark."""
    return isinstance(text, str) and _SHAPE.fullmatch(text) is not None


def checked(text: object) -> str:
    """The text, which is the id of a run.

    Raises:
        StateError: it is none. The record was damaged, or made by somebody else.
    """
    if not isinstance(text, str) or not is_run_id(text):
        raise StateError(
            f"the record names a run {brief(repr(text))}, which is not the id of a run",
            hint="the state folder is damaged, or was not written by aftrun: use another --state-dir",
        )
    return text
