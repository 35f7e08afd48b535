"""Files are written whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from aftrun.domain.errors import StateError, UsageError
from aftrun.system import files
from aftrun.system.files import create, read_regular, write_atomic
from tests.waiting import HANG


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    """UTF-8, line ends untouched, missing folders made, nothing else left in the folder."""
    path = tmp_path / "a" / "b" / "report.json"
    write_atomic(path, "é\r\n✓\n")
    assert path.read_bytes() == "é\r\n✓\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_replaced(tmp_path: Path) -> None:
    """The shorter text leaves nothing of the longer one."""
    path = tmp_path / "x"
    write_atomic(path, "long " * 100)
    write_atomic(path, "short")
    assert path.read_text() == "short"


def test_the_mode_follows_the_umask(tmp_path: Path) -> None:
    """As if the shell had written it, not the private mode of a temporary file."""
    path = tmp_path / "x"
    write_atomic(path, "x")
    expected = 0o666 & ~files._umask()
    assert stat.S_IMODE(path.stat().st_mode) == expected
    assert os.umask(files._umask()) == files._umask()


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full in the middle: the reader still sees the old report, whole."""
    path = tmp_path / "x"
    write_atomic(path, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="No space left on device") as caught:
        write_atomic(path, "new")
    assert caught.value.exit_code == 74
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_in_the_middle_leaves_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not an OSError but the end of the process: it goes through, and cleans up behind it."""

    def killed(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "x", "new")
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """`/dev/stdout` and the like cannot be replaced by a file."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(path.read_text()))
    reader.start()
    write_atomic(path, "through the pipe")
    reader.join(HANG)
    assert found == ["through the pipe"]
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_a_folder_of_ours_makes_way(tmp_path: Path) -> None:
    """Nobody is at its other end, so writing to it would never end."""
    os.mkfifo(tmp_path / "report.json")
    write_atomic(tmp_path / "report.json", "text", ours=True)
    assert (tmp_path / "report.json").read_text() == "text"


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    """An error that names the path, with a remedy."""
    with pytest.raises(StateError, match="cannot write") as caught:
        write_atomic(tmp_path, "x")
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    """The same for its parent."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StateError, match="cannot write"):
        write_atomic(tmp_path / "file" / "report.json", "x")


def test_text_that_is_no_unicode_is_written_all_the_same(tmp_path: Path) -> None:
    """Half a surrogate pair, which JSON of a server can hold, must not cost the whole report."""
    write_atomic(tmp_path / "x", '{"message": "\ud800"}')
    assert (tmp_path / "x").read_bytes() == b'{"message": "\\ud800"}'


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
@pytest.mark.parametrize("kind", ["pipe", "endless", "folder"])
def test_what_is_no_file_is_not_read(tmp_path: Path, kind: str) -> None:
    """A pipe without a writer would never answer, and a device never end."""
    path = tmp_path / "x"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(OSError, match=r"regular file|Is a directory"):
        read_regular(path)
    path = tmp_path / "y"
    with pytest.raises(FileNotFoundError):
        read_regular(path)
    path.write_bytes(b"z")
    assert read_regular(path) == b"z"


@pytest.mark.parametrize("there", ["file", "folder", "link", "link that leads nowhere"])
@pytest.mark.parametrize("force", [False, True])
def test_a_file_for_a_person_replaces_nothing_unasked(tmp_path: Path, there: str, *, force: bool) -> None:
    """A folder never gives way, and nothing else without --force."""
    target, other = tmp_path / "aft.yaml", tmp_path / "other"
    match there:
        case "file":
            target.write_text("mine", encoding="utf-8")
        case "folder":
            target.mkdir()
        case "link":
            other.write_text("mine", encoding="utf-8")
            target.symlink_to(other)
        case _:
            target.symlink_to(other)
    if force and there != "folder":
        create(target, "new", print, force=True)
        assert target.read_text(encoding="utf-8") == "new"
        return
    with pytest.raises(UsageError, match="is a folder" if there == "folder" else "is there already"):
        create(target, "new", print, force=force)
    assert not other.exists() or other.read_text(encoding="utf-8") == "mine"


def test_a_file_for_a_person_is_made_with_its_folders(tmp_path: Path) -> None:
    """As `init jobs/nightly.yaml` in an empty folder; that they were made is said, once."""
    said: list[str] = []
    create(tmp_path / "jobs" / "nightly.yaml", "new", said.append, force=False)
    create(tmp_path / "jobs" / "other.yaml", "new", said.append, force=False)
    assert said == [f"made the folder {tmp_path / 'jobs'}"]
    assert (tmp_path / "jobs" / "nightly.yaml").read_text(encoding="utf-8") == "new"
