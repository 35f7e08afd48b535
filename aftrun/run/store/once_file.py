"""`once.ndjson`: what pruned runs have done of jobs with `once`, one checked line an identity.

The state file knows it too. Their journals are gone with the runs, so this is the second witness for the day on which
the state file is lost: without it, a finished night would be run again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from aftrun.domain.errors import StateError
from aftrun.run.converge import LastAttempt
from aftrun.run.store.identities import attempt_of, body_of
from aftrun.run.store.journal_file import checked_item, checked_line
from aftrun.system.files import read_regular, write_atomic

NAME = "once.ndjson"


def write(state_dir: Path, attempts: Iterable[LastAttempt]) -> None:
    """Write the file, whole or not at all, in place of the one that may be there.

    Raises:
        StateError: it cannot be written.
    """
    path = state_dir / NAME
    lines = [checked_line(f'{{"once":{body_of(each)}') for each in attempts if each.readable]
    if lines or path.exists():
        write_atomic(path, "".join(lines), ours=True)


def read(state_dir: Path) -> tuple[list[LastAttempt], int]:
    """What the file holds, and how many of its lines cannot be read.

    Raises:
        StateError: it is there and cannot be opened.
    """
    path = state_dir / NAME
    try:
        data = read_regular(path)
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror or error}", hint="make it readable") from error
    found: list[LastAttempt] = []
    bad = 0
    for raw in data.splitlines():
        item = checked_item(raw)
        try:
            found.append(attempt_of(json.dumps(item["once"] if item else None)))
        except (AttributeError, KeyError, TypeError, ValueError):
            bad += 1
    return found, bad
