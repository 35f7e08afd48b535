"""Files that people hand over: their bytes, bounded, and their text, however an editor or a shell saved it."""

from __future__ import annotations

import codecs
import errno
import os
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


def read_input(path: str | Path, largest: int) -> bytes:
    """The bytes of a file, and of a larger one just one byte more than `largest`: enough to say that it is too large.

    Raises:
        OSError: it cannot be read; of a folder, on every system: "it is a folder, not a file".
        ValueError: no file can have this name (a NUL is in it).
    """
    try:
        with Path(path).open("rb") as stream:
            return stream.read(largest + 1)
    except (IsADirectoryError, PermissionError) as error:  # the second is what Windows says of a folder
        if not os.path.isdir(path):  # noqa: PTH112  # never raises
            raise
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", str(path)) from error
