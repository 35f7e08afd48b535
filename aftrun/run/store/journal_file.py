"""The record's second file: `runs/<run>/journal.ndjson`, one checked line an event, written beside SQLite.

Two files fail apart: a byte that flips, a write-ahead log that is lost, a file that is deleted or cut short takes one
of them. `reconcile` makes one truth of both. The first line holds what a run needs to be resumed without SQLite.

Each line is a JSON object whose last member, `sum`, is a BLAKE2 checksum of all that stands before it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from aftrun.domain.digits import exact_json, exact_loads, has_digits
from aftrun.domain.errors import StateError
from aftrun.domain.events import Event, SubmitIntended, from_json, to_json
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Json
from aftrun.run.store.lock import lock_file
from aftrun.system.files import read_regular, replace

NAME = "journal.ndjson"
_SUM = ',"sum":"'
_BEGINNING = b'{"seq":'
_EVENT = ',"event":'
_END = 16 * 1024
"""Bytes at the end of a journal in which its last event mostly begins."""
_TOGETHER = 1000
"""Lines that are read at once."""
_SYNC = getattr(os, "fdatasync", os.fsync)
_BINARY = getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Head:
    """What a run is made from: its options as JSON, and its manifests as they were, path and content."""

    run: str
    options: Mapping[str, Json] = field(default_factory=dict)
    files: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Lines:
    """What could be read of a journal."""

    head: Head | None = None
    events: Mapping[int, Event] = field(default_factory=dict)
    """By their number in the run."""
    bodies: Mapping[int, str] = field(default_factory=dict)
    """The JSON of each, as it stands there: what stands elsewhere in the same words need not be read again."""
    damage: str = ""
    """What is wrong with the file; empty: nothing."""
    length: int = 0
    """How many events it seems to have held, whether they can still be read or not."""


def checked_line(text: str) -> str:
    """A line with its checksum; `text` is a JSON object in ASCII without the brace at its end."""
    return f'{text}{_SUM}{_sum(text.encode("ascii", "backslashreplace"))}"}}\n'


def _sum(body: bytes) -> str:
    return hashlib.blake2s(body, digest_size=8).hexdigest()


def head_line(head: Head) -> str:
    """The first line of a journal."""
    files = [[path, base64.b64encode(content).decode("ascii")] for path, content in head.files]
    return checked_line('{"head":' + json.dumps({"run": head.run, "options": dict(head.options), "files": files}))


def event_line(number: int, body: str) -> str:
    """The line of one event. `body` is its JSON, in ASCII."""
    return checked_line(f"{_BEGINNING.decode()}{number}{_EVENT}{body}")


def decode(data: bytes) -> Lines:
    """What a journal holds. Pure; what cannot be read is counted as damage, not raised.

    Raises:
        StateError: a line is whole, but speaks of an event that this version does not know.
    """
    head: Head | None = None
    events: dict[int, Event] = {}
    bodies: dict[int, str] = {}
    lines = data.split(b"\n")
    tail = lines.pop()
    whole = [text for text in map(_checked, lines) if text is not None]
    damaged = len(lines) - len(whole)
    for text, item in zip(whole, _parsed(whole), strict=True):
        if "head" in item:
            head = _head(item["head"])
        else:
            number = item["seq"]
            events[number] = from_json(item["event"])
            bodies[number] = text[text.index(_EVENT) + len(_EVENT) : -1]
    damage = ""
    if damaged:
        damage = f"{damaged} line{'' if damaged == 1 else 's'} cannot be read"
    elif tail:
        damage = "its last line is not whole"
    elif head is None:
        damage = "its first line is missing" if data else "it is empty"
    # A byte that flips takes away a line's end or a line's beginning, but not both.
    length = max(len(lines) + bool(tail) - 1, data.count(_BEGINNING))
    return Lines(head, events, bodies, damage, max(length, max(events, default=-1) + 1))


def _parsed(texts: Sequence[str]) -> Iterator[Any]:
    """What the JSON of each is: many at a time, since reading one takes less than to begin with it."""
    for first in range(0, len(texts), _TOGETHER):
        yield from exact_loads(f"[{','.join(texts[first : first + _TOGETHER])}]")


def _checked(raw: bytes) -> str | None:
    """The JSON in a line, or None where its checksum says that it is not what was written."""
    body, mark, rest = raw.rpartition(_SUM.encode())
    if mark and raw.isascii() and rest.decode() == f'{_sum(body)}"}}':
        return f"{body.decode()}}}"
    return None


def checked_item(raw: bytes) -> dict[str, Any] | None:
    """A line as an object, or None where its checksum says that it is not what was written."""
    text = _checked(raw)
    item: dict[str, Any] | None = None if text is None else json.loads(text)
    return item


def _head(data: Mapping[str, Any]) -> Head:
    files = tuple((path, base64.b64decode(content)) for path, content in data["files"])
    return Head(data["run"], data["options"], files)


def read(path: Path) -> Lines | None:
    """A journal as it is on disk; None where there is none.

    Raises:
        StateError: it is there and cannot be opened, or was written by a newer aftrun.
    """
    try:
        return decode(read_regular(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error


def last_number(path: Path) -> int | None:
    """The number of the last event of a journal that can be read; None where there is none.

    Mostly the end of the file is enough.

    Raises:
        StateError: it is there and cannot be opened.
    """
    try:
        size = path.stat().st_size
        for length in (_END, size):
            for raw in reversed(read_regular(path, max(0, size - length)).split(b"\n")):
                item = checked_item(raw)
                if item is not None and "seq" in item:
                    return int(item["seq"])
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    return None


class Tail:
    """A journal that another process writes, read as it grows.

    It is opened for each read alone, since Windows replaces no file that somebody has open.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None
        self._offset = 0

    def read(self) -> Lines | None:
        """The whole lines that have come since the last call; none of them where the file is not there yet.

        None: it is another file now, or was cut short. From then on the tail begins with the first line again.

        Raises:
            StateError: it is there and cannot be read, or was written by a newer aftrun.
        """
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return Lines()
        except OSError as error:
            raise _unreadable(self._path, error) from error
        identity = (found.st_dev, found.st_ino)
        before, self._identity = self._identity, identity
        if before not in (None, identity) or found.st_size < self._offset:
            self._offset = 0
            return None
        if found.st_size == self._offset:
            return Lines()
        try:
            data = read_regular(self._path, self._offset)
        except OSError as error:
            raise _unreadable(self._path, error) from error
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return decode(whole)


def _unreadable(path: Path, error: OSError) -> StateError:
    return StateError(f"cannot read {path}: {error.strerror or error}", hint="make it readable")


class JournalFile:
    """An open journal of one run, locked for as long as it is open. All writes are on disk when they return."""

    def __init__(self, path: Path) -> None:
        """Open a journal that is there.

        Raises:
            StateError: it cannot be opened.
            UsageError: another process has it.
        """
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | _BINARY)
            lock_file(self._file, path)
            found = os.fstat(self._file)
        except OSError as error:
            raise self._failed(error) from error
        self._identity = (found.st_dev, found.st_ino)
        self._size = found.st_size

    @classmethod
    def make(cls, path: Path, head: Head, events: Iterable[tuple[int, Event]]) -> JournalFile:
        """Write a journal, whole or not at all, in place of one that may be there, and open it.

        Raises:
            StateError: it cannot be written.
        """
        text = head_line(head) + "".join(event_line(number, encode(event)) for number, event in events)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY, 0o666)
            try:
                _write(file, text.encode("ascii"))
                os.fsync(file)
            finally:
                os.close(file)
            replace(new, path)
            _sync_folder(path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):  # the first error is the one to report
                new.unlink()
            raise _unwritten(path, error) from error
        return cls(path)

    def check(self) -> None:
        """Make sure that the file at this path is still the one that was opened, and as long as it was left.

        Raises:
            StateError: it was deleted, replaced, cut short or written to by somebody else.
        """
        try:
            found = os.stat(self.path)  # noqa: PTH116  # called before every POST; this is the quicker way
        except OSError as error:
            raise self._failed(error) from error
        if (found.st_dev, found.st_ino) != self._identity:
            raise StateError(f"{self.path} was replaced by another file while the run was under way", hint=_LEAVE)
        self._must_be_as_left(found)

    def check_open(self) -> None:
        """Make sure that the open file is as long as it was left, whatever has become of its name.

        Raises:
            StateError: it was cut short or written to by somebody else.
        """
        try:
            found = os.fstat(self._file)
        except OSError as error:
            raise self._failed(error) from error
        self._must_be_as_left(found)

    def _must_be_as_left(self, found: os.stat_result) -> None:
        if found.st_size != self._size:
            raise StateError(f"{self.path} was changed by another program while the run was under way", hint=_LEAVE)

    def append(self, lines: Sequence[str]) -> None:
        """Put whole lines behind the others; they are on disk when this returns, or none of them is there.

        Raises:
            StateError: they could not be written.
        """
        data = "".join(lines).encode("ascii")
        try:
            _write(self._file, data)
            _SYNC(self._file)
        except OSError as error:
            with contextlib.suppress(OSError):  # half a line is found out by its checksum
                os.ftruncate(self._file, self._size)
            raise _unwritten(self.path, error) from error
        self._size += len(data)

    def close(self) -> None:
        """Close the file. Nothing is lost by not calling this."""
        with contextlib.suppress(OSError):  # everything is on disk already
            os.close(self._file)

    def _failed(self, error: OSError) -> StateError:
        return StateError(f"cannot use {self.path}: {error.strerror or error}", hint=_LEAVE)


def _unwritten(path: Path, error: OSError) -> StateError:
    return StateError(
        f"cannot write {path}: {error.strerror or error}", hint="free some space, or make the folder writable"
    )


_LEAVE = "leave the state folder to aftrun while runs are under way; `aftrun resume` puts it in order afterwards"


def encode(event: Event) -> str:
    """An event as it stands in both files: JSON in ASCII."""
    if isinstance(event, SubmitIntended) and has_digits(event.request):
        return exact_json(to_json(event))
    return _encoder(to_json(event))


_encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
"""Made once: `json.dumps` makes an encoder at every call that asks for anything but its defaults."""


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _sync_folder(folder: Path) -> None:
    """Make a new name durable; Windows has no such thing to ask for."""
    if sys.platform == "win32":  # pragma: no cover  # no Windows among the machines that measure coverage
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
