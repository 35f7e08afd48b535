"""What the record gives back to the disk: the rows of forgotten runs, then the pages that these leave free.

All of it in small transactions, between which others that write get their turn: a run beside it does not feel it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

INCREMENTAL = 2
"""SQLite's `auto_vacuum`: pages that are free can be given back, when somebody says so."""
ROWS, PAGES = 2_000, 512
"""How many rows are removed, and how many pages given back, in one transaction: some milliseconds of work."""


Transaction = Callable[[], AbstractContextManager[None]]


class Execute(Protocol):
    """Runs a statement, tried again while another program has the file."""

    def __call__(self, sql: str, values: Any = (), /) -> Any:
        """Returns a cursor."""
        ...


def sweep(execute: Execute, transaction: Transaction, breathe: Callable[[], None]) -> None:
    """Remove what is left of forgotten runs, and give its space back; `breathe` is called between transactions."""
    for table in ("events", "files"):
        after: str | None = ""
        while after is not None:
            with transaction():
                after = _sweep_some(execute, table, after)
            breathe()
    if not gives_back(execute):
        return
    while (free := execute("PRAGMA freelist_count").fetchone()[0]) > 0:
        with transaction():
            for _ in range(min(free, PAGES)):
                execute("PRAGMA incremental_vacuum(1)")  # Python takes one step of a statement without columns: a page
        breathe()
    execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def gives_back(execute: Execute) -> bool:
    """Whether the file was begun so that it can give space back."""
    return bool(execute("PRAGMA auto_vacuum").fetchone()[0] == INCREMENTAL)


def _sweep_some(execute: Execute, table: str, after: str) -> str | None:
    """Remove some rows of runs that are on no list; returns after which run to go on, or None at the end."""
    following = f"SELECT MIN(run) FROM {table} WHERE run > ?"  # noqa: S608  # a name of ours
    some = f"SELECT seq FROM {table} WHERE run = ?1 ORDER BY seq LIMIT 1 OFFSET ?2"  # noqa: S608  # the same
    remove = f"DELETE FROM {table} WHERE run = ?1 AND seq < COALESCE(({some}), 9e18)"  # noqa: S608  # the same
    left = ROWS
    while (run := execute(following, (after,)).fetchone()[0]) is not None:
        if not execute("SELECT 1 FROM runs WHERE id = ?", (run,)).fetchone():
            gone = execute(remove, (run, left)).rowcount
            if gone >= left:
                return after  # of this run there may be more
            left -= gone
        after = str(run)
    return None


_kept: dict[tuple[int, int], int] = {}
"""Descriptors by device and inode, open for as long as the process is; see `length`."""


def length(path: Path) -> int:
    """How long a state file is by its own header, bytes: it shrinks when space is given back.

    The format is documented at https://www.sqlite.org/fileformat2.html#the_database_header. On POSIX, to close a file
    is to lose all locks that the process has on it (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks),
    and so SQLite's: it is opened once, and never closed.
    """
    try:
        header = _header(path)
    except OSError:
        header = b""
    if len(header) < 32 or not header.startswith(b"SQLite format 3\0"):
        return sys.maxsize
    page = int.from_bytes(header[16:18], "big")
    return (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")


def _header(path: Path) -> bytes:
    if sys.platform == "win32":
        with path.open("rb") as file:
            return file.read(32)
    found = path.stat()
    place = (found.st_dev, found.st_ino)
    if place not in _kept:
        _kept[place] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return os.pread(_kept[place], 32, 0)
