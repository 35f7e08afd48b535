"""Files that people hand over: their bytes, bounded, and their text, however an editor or a shell saved it."""

from __future__ import annotations

import codecs
import errno
import os
import stat
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, with which it begins
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks, and what follows them."""


def mark_of(data: bytes) -> bytes:
    """The byte order mark that a file begins with; empty where it has none."""
    return next((mark for mark, _ in _MARKS if data.startswith(mark)), b"")


def decoded(data: bytes) -> str:
    """The text of a file: UTF-8, or what its byte order mark says, which is no part of the text.

    Notepad saves UTF-8 with a mark, and `>` in Windows PowerShell 5.1 UTF-16 with one.

    Raises:
        UnicodeDecodeError: it is not text of that encoding.
    """
    mark = mark_of(data)
    return data[len(mark) :].decode(dict(_MARKS).get(mark, "utf-8"))


def is_named_pipe(path: str | Path) -> bool:
    """Whether this is a pipe in a folder, which may have nobody at its other end; the `<(…)` of a shell has somebody.

    Raises:
        OSError: there is nothing, or it cannot be looked at.
        ValueError: no file can have this name.
    """
    there = os.stat(path)  # noqa: PTH116  # as good as Path.stat, for both
    return stat.S_ISFIFO(there.st_mode) and not os.path.realpath(path).startswith(("/dev/fd/", "/proc/"))


def read_input(path: str | Path, largest: int) -> bytes:
    """The bytes of a file, and of a larger one just one byte more than `largest`: enough to say that it is too large.

    Raises:
        OSError: it cannot be read; of a folder, on every system: "it is a folder, not a file"; of a named pipe that
            nobody writes to: that, since somebody may never come.
        ValueError: no file can have this name (a NUL is in it).
    """
    try:
        if is_named_pipe(path):
            return _from_pipe(Path(path), largest)
        with Path(path).open("rb") as stream:
            return stream.read(largest + 1)
    except (IsADirectoryError, PermissionError) as error:  # the second is what Windows says of a folder
        if not os.path.isdir(path):  # noqa: PTH112  # never raises
            raise
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", str(path)) from error


def _from_pipe(path: Path, largest: int) -> bytes:
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as stream:  # noqa: PTH123  # a descriptor
        first: bytes | None = stream.read(largest + 1)  # None: somebody has it open to write, and has written nothing
        if first == b"":
            raise OSError(errno.EINVAL, "it is a named pipe, and nobody writes to it", str(path))
        os.set_blocking(stream.fileno(), True)
        data = first or b""
        while len(data) <= largest and (more := stream.read(largest + 1 - len(data))):
            data += more
        return data
