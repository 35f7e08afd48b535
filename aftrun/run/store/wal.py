"""What SQLite does not say: that its write-ahead log is damaged. It believes the log up to there, and drops the rest.

The format is documented at https://www.sqlite.org/fileformat2.html#the_write_ahead_log. Pure.
"""

from __future__ import annotations

import struct
import sys
from array import array

_HEADER, _FRAME = 32, 24
_MAGIC = (0x377F0682, 0x377F0683)


def _sum(data: bytes, first: int, second: int, *, big: bool) -> tuple[int, int]:
    words = array("I", data)
    if big != (sys.byteorder == "big"):
        words.byteswap()
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second


def damage(data: bytes) -> str:
    """What is wrong with a write-ahead log that nobody is writing; empty: nothing.

    Frames of an earlier round, which its end may still hold, carry other salts, and are passed over.
    """
    if not data:
        return ""
    if len(data) < _HEADER:
        return "its write-ahead log is cut short"
    magic, _, page, _, salt1, salt2, first, second = struct.unpack(">8I", data[:_HEADER])
    if magic not in _MAGIC or (page & (page - 1)) or not 512 <= page <= 65536:
        return "the header of its write-ahead log is not one"
    big = magic == _MAGIC[1]
    if _sum(data[:24], 0, 0, big=big) != (first, second):
        return "the header of its write-ahead log does not fit its checksum"
    size = _FRAME + page
    broken = False
    for start in range(_HEADER, len(data) - size + 1, size):
        frame = data[start : start + size]
        _, _, one, two, *expected = struct.unpack(">6I", frame[:_FRAME])
        same = (one, two) == (salt1, salt2)
        if broken:
            if same:
                return "a frame of its write-ahead log does not fit its checksum"
            continue
        found = _sum(frame[:8] + frame[_FRAME:], first, second, big=big)
        broken = not same or found != tuple(expected)
        if broken and same:
            return "a frame of its write-ahead log does not fit its checksum"
        first, second = found
    return "its write-ahead log is cut short" if (len(data) - _HEADER) % size else ""
