"""Writes files so that a reader, or a crash, never sees half of one; and tells one file from another."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from aftrun.domain.errors import StateError, UsageError

_ERRORS = "backslashreplace"
"""Half a surrogate pair (JSON and file names can hold one) becomes `\\ud800`: right in JSON, harmless elsewhere."""


class InUse(StateError):
    """Another program has a file open, and Windows replaces none that somebody has open without having said so."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"cannot write {path}: another program has it open",
            hint="close it there (a viewer, an editor, a spreadsheet), and write it again",
        )


USUAL = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Seconds to wait, one after another, for whoever has a file open: a virus scanner needs milliseconds."""
LASTING = (*USUAL, *(0.5,) * 18)
"""For what is written once, at the end: ten seconds, since a person may only just be looking at it."""


def write_atomic(path: Path, text: str | Iterable[str], *, ours: bool = False, pauses: Sequence[float] = USUAL) -> None:
    """Put `text` into `path`: all of it or, whatever happens, none of it. Missing folders are made.

    A long text can come in pieces, from what can be gone through more than once.

    A device or a pipe, such as `/dev/stdout`, is written to as it is, since it cannot be replaced. In a folder that is
    `ours` none is wanted, and what stands there makes way. `pauses` say how long to wait for whoever has the file open.

    Raises:
        InUse: somebody has it open, still.
        StateError: it could not be written.
    """
    try:
        try:
            _write(path, text, ours, pauses)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or not _spare:
                raise
            os.close(_spare.pop())
            try:
                _write(path, text, ours, pauses)
            finally:
                reserve()
    except OSError as error:
        raise StateError(
            f"cannot write {path}: {error.strerror or error}", hint="check that the folder is writable and not full"
        ) from error


def create(path: Path, text: str, say: Callable[[str], None], *, force: bool) -> None:
    """Put `text` into a file that a person is to edit; what is there already is left alone, unless by `force`.

    `say` is told where the folder had to be made.

    Raises:
        StateError: it could not be written.
        UsageError: it is a folder, or there already.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint=f"name a file in it, such as {path / 'aft.yaml'}")
    if not force and (path.is_symlink() or path.exists()):  # a link that leads nowhere is there, too
        raise UsageError(f"{path} is there already, and is left as it is", hint="--force overwrites it")
    missing = not path.parent.exists()
    write_atomic(path, text)
    if missing:
        say(f"made the folder {path.parent}")


class NotAFileError(OSError):
    """A pipe or a device stands where a file should."""


def read_regular(path: Path, offset: int = 0) -> bytes:
    """What is in a file, from the byte at `offset` on; Windows refuses it for an instant while somebody replaces it.

    Raises:
        OSError: it cannot be read, or is no file: what comes from a pipe or a device need never end.
    """
    with _patiently(lambda: open_regular(path, "rb")) as file:
        file.seek(offset)
        return file.read()


def open_regular(path: Path, mode: str) -> BinaryIO:
    """Open a file in a binary mode, without waiting for whoever may be at the other end of a pipe.

    Raises:
        OSError: it cannot be opened, or is no file.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0), 0o666)

    file = cast("BinaryIO", open(path, mode, buffering=0, opener=opener))  # noqa: SIM115  # Path.open has no opener
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise NotAFileError(errno.EINVAL, "it is not a regular file", str(path))
    return file


def make_once(path: Path, content: bytes) -> bytes:
    """What is in a file, which is made now where there is none: whole or not at all, and for its owner's eyes only.

    Where several processes make it at once, all get what the fastest wrote. A file of another length than `content` is
    damaged, and made anew. Missing folders are made.

    Raises:
        OSError: it can neither be read nor written.
    """
    there = None
    try:
        there = read_regular(path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    if there is not None and len(there) == len(content):
        return there
    new = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        try:
            os.write(file, content)
            os.fsync(file)
        finally:
            os.close(file)
        if there is not None:
            replace(new, path)
        else:
            with contextlib.suppress(FileExistsError):  # another process was faster, and its content is as good
                _place(new, path)
    finally:
        with contextlib.suppress(OSError):  # it has been moved, or was never made
            new.unlink()
    return read_regular(path)


def _place(new: Path, path: Path) -> None:
    """Give a file the name `path`, if nothing has that name. `new` may be left as a second name.

    Raises:
        FileExistsError: something has.
    """
    if os.name == "nt":
        # There a rename replaces nothing, and of a file that has two names none goes while a reader has either open.
        _patiently(lambda: os.rename(new, path))  # noqa: PTH104  # what Path.rename promises depends on it
    else:
        os.link(new, path)


_spare: list[int] = []
"""A descriptor that is kept for files when connections have taken all others."""


def reserve() -> None:
    """Keep a descriptor for files that are written later."""
    if not _spare:
        with contextlib.suppress(OSError):  # where there is none to keep, writing a file says so
            _spare.append(os.open(os.devnull, os.O_RDONLY))


def _write(path: Path, text: str | Iterable[str], ours: bool, pauses: Sequence[float]) -> None:
    pieces = (text,) if isinstance(text, str) else text
    if not ours and path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", errors=_ERRORS, newline="\n") as device:
            device.writelines(pieces)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors=_ERRORS, newline="\n") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())
        replace(Path(name), path, pauses)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error is the one to report
            Path(name).unlink()
        raise


def identity(path: str | int) -> tuple[int | str, ...] | None:
    """What a file is, however its path is spelled (`jobs/a.yaml`, `./jobs/a.yaml`, a link, another case).

    `path` can be a descriptor. None where there is no such file, or nothing can be found out about it.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - a descriptor is no path
    except (OSError, ValueError):
        return None
    if found.st_ino:
        return found.st_dev, found.st_ino
    return (
        (os.path.normcase(os.path.realpath(path)),) if isinstance(path, str) else None
    )  # a file system without inodes


_WAITS = os.name == "nt"
"""Whether somebody who has a file open can keep it from being replaced."""


def replace(new: Path, path: Path, pauses: Sequence[float] = USUAL) -> None:
    """Put a file in the place of another, once nobody has that one open any more.

    Raises:
        InUse: somebody still has, after all `pauses`.
        OSError: it cannot be done.
    """
    try:
        _patiently(lambda: new.replace(path), pauses)
    except PermissionError as error:
        if _WAITS and path.is_file() and os.access(path, os.W_OK):
            raise InUse(path) from error
        raise


def remove_folder(path: Path, pauses: Sequence[float] = USUAL) -> None:
    """Remove a folder with all that is in it, once nobody has a file in it open any more. It need not be there.

    Raises:
        OSError: it cannot be done; a part of it may be gone.
    """
    with contextlib.suppress(FileNotFoundError):  # somebody tidied up by hand
        _patiently(lambda: shutil.rmtree(path), pauses)


_Made = TypeVar("_Made")


def _patiently(act: Callable[[], _Made], pauses: Sequence[float] = USUAL) -> _Made:
    """Try once, and where Windows refuses it for somebody who has a file open, once more after each pause."""
    for pause in pauses if _WAITS else ():
        try:
            return act()
        except PermissionError:
            time.sleep(pause)
    return act()


_cached_umask: int | None = None


def _umask() -> int:
    """The process' umask, which can only be read by setting it; read once, before there are threads to confuse."""
    global _cached_umask  # noqa: PLW0603  # a constant of the process, worked out at the first use
    if _cached_umask is None:
        _cached_umask = os.umask(0o077)
        os.umask(_cached_umask)
    return _cached_umask
