"""Files that people hand over, as editors and shells of all systems save them."""

from __future__ import annotations

import ast
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from aftrun.cli.commands.import_ import _read
from aftrun.domain.values import Outside
from aftrun.importer.found import Notebook
from aftrun.manifest.envfile import read_env_file
from aftrun.manifest.outside import Unavailable, fetch
from aftrun.system.inputs import decoded, is_named_pipe, read_input
from tests.sources import modules

WAYS = {
    "plain": lambda text: text.encode(),
    "Notepad": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "PowerShell 5.1": lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
    "big-endian": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-32": lambda text: b"\xff\xfe\0\0" + text.encode("utf-32-le"),
}
"""How the same text is saved."""


def value_of(path: Path) -> str:
    """What `${file:…}` stands for."""
    found = fetch(Outside("file", str(path), "${file:…}"), {})
    assert found is not None
    return found


READERS: dict[str, Callable[[Path], str]] = {
    "a value": value_of,
    "an env file": lambda path: "\n".join(f"{name}={value}" for name, value in read_env_file(path).items()),
    "a script to import": lambda path: _read(str(path)).removesuffix("\n"),
    "a body that it names": lambda path: Notebook(lambda name: Path(name).read_bytes()).file(str(path)).rstrip("\r\n"),
}
"""Everything that reads text that people write, but manifests, which are UTF-8 and say so (AFT002)."""


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("way", WAYS)
def test_how_a_text_was_saved_is_no_part_of_it(tmp_path: Path, reader: str, way: str) -> None:
    """Neither byte order mark nor encoding reaches a value, whoever reads the file."""
    path = tmp_path / "text"
    path.write_bytes(WAYS[way]("KEY=größe-東\r\n"))
    assert READERS[reader](path) == "KEY=größe-東"


def test_a_mark_is_taken_off_once_and_only_at_the_beginning() -> None:
    """What follows it is the text, whatever it is."""
    assert decoded(b"\xef\xbb\xbf\xef\xbb\xbfa\xef\xbb\xbf") == "\ufeffa\ufeff"
    assert decoded(b"") == ""
    assert decoded(b"\xef\xbb\xbf") == ""
    for broken in (b"\xff", b"\xff\xfea", b"\xef\xbb\xbf\xff"):
        with pytest.raises(UnicodeDecodeError):
            decoded(broken)


def test_a_folder_is_called_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows says "Permission denied" of one, which sends people to the wrong place."""
    with pytest.raises(IsADirectoryError, match="it is a folder, not a file"):
        read_input(tmp_path, 10)

    def windows(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    file = tmp_path / "file"
    file.write_bytes(b"0123456789ab")
    assert read_input(file, 10) == b"0123456789a"
    monkeypatch.setattr(Path, "open", windows)
    with pytest.raises(IsADirectoryError, match="it is a folder, not a file"):
        read_input(tmp_path, 10)
    with pytest.raises(PermissionError, match="Permission denied"):
        read_input(file, 10)
    with pytest.raises(Unavailable, match="it is a folder, not a file"):
        fetch(Outside("file", str(tmp_path), "${file:…}"), {})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes in folders")
def test_a_named_pipe_is_read_where_somebody_writes_to_it(tmp_path: Path) -> None:
    """Nobody is waited for who may never come: a job at night would hang."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(OSError, match="it is a named pipe, and nobody writes to it"):
            read_input(path, 10)
    with pytest.raises(Unavailable, match="nobody writes to it"):
        fetch(Outside("file", str(pipe), "${file:…}"), {})
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, b"0123456789ab")
    assert read_input(pipe, 10) == b"0123456789a"
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(read_input(link, 10)))
    reader.start()
    os.write(writer, b"cdefghijkl")
    reader.join()
    os.close(writer)
    assert found == [b"bcdefghijkl"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="pipes have no paths here")
def test_what_a_shell_hands_over_may_be_empty() -> None:
    """`--env-file <(true)`: whoever was to write has ended, and wrote nothing."""
    ours, theirs = os.pipe()
    os.close(theirs)
    assert read_input(f"/proc/self/fd/{ours}", 10) == b""
    assert not is_named_pipe(f"/dev/fd/{ours}")
    os.close(ours)


def test_no_other_module_knows_of_byte_order_marks() -> None:
    """But for what counts a manifest's columns, and what changes one; and answers of servers are no files."""
    others = {
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in ("utf-8-sig", "utf-16", b"\xef\xbb\xbf", b"\xff\xfe")
    }
    assert others == {
        "client/body.py",
        "manifest/edit.py",
        "manifest/parse/nodes.py",
        "manifest/parse/syntax.py",
        "service/execution.py",  # loads codecs before the first request
    }
