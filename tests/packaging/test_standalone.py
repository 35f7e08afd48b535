"""The one file that `make standalone` builds: how it unpacks itself. What is in it is tried by `make standalone`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.waiting import HANG
from tools.standalone import packed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has PyInstaller's own one file, and no such shell")


def build(tmp_path: Path, body: str = 'echo "$0 $*"; exit 7') -> Path:
    """One file out of a folder with a program in it that says how it was called."""
    folder = tmp_path / "made"
    (folder / "_internal" / "a b").mkdir(parents=True, exist_ok=True)
    (folder / "_internal" / "a b" / "größe.bin").write_bytes(bytes(range(256)) * 100)
    if not (folder / "_internal" / "link").is_symlink():
        (folder / "_internal" / "link").symlink_to("a b/größe.bin")
    (folder / "aftrun").write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    (folder / "aftrun").chmod(0o755)
    file = tmp_path / "aftrun"
    file.write_bytes(packed(folder))
    file.chmod(0o755)
    return file


def start(file: Path, cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start it, as somebody whose cache folder is this one."""
    environ = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(cache)}
    command = [str(file), *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=HANG, check=False)


def test_it_unpacks_itself_once_and_hands_everything_on(tmp_path: Path) -> None:
    """Arguments and exit code are the program's; the second start unpacks nothing; nothing else is left behind."""
    file, cache = build(tmp_path), tmp_path / "my cache"
    done = start(file, cache, "a b", "*", "")
    (there,) = (cache / "aftrun").iterdir()
    assert (done.returncode, done.stderr) == (7, "")
    assert done.stdout == f"{there}/aftrun a b * \n"
    assert (there / "_internal" / "link").read_bytes() == bytes(range(256)) * 100
    assert there.stat().st_mode & 0o077 == 0, "only its user may change what is started from there"
    before = (there / "aftrun").stat().st_mtime_ns, there.stat().st_ino
    assert start(file, cache).returncode == 7
    assert ((there / "aftrun").stat().st_mtime_ns, there.stat().st_ino) == before


def test_another_version_stands_beside_it(tmp_path: Path) -> None:
    """The folder is named after what is in it, and the same content gives the same file."""
    file, cache = build(tmp_path), tmp_path / "cache"
    same = file.read_bytes()
    start(file, cache)
    assert build(tmp_path).read_bytes() == same
    newer = build(tmp_path, "echo newer")
    assert start(newer, cache).stdout == "newer\n"
    assert len(list((cache / "aftrun").iterdir())) == 2


def test_many_first_starts_at_once(tmp_path: Path) -> None:
    """All of them start what one of them unpacked."""
    file, cache = build(tmp_path), tmp_path / "cache"
    environ = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(cache)}
    running = [subprocess.Popen([file], env=environ, stdout=subprocess.PIPE) for _ in range(8)]
    outputs = {process.communicate(timeout=HANG)[0] for process in running}
    assert {process.returncode for process in running} == {7}
    assert len(outputs) == 1
    assert len(list((cache / "aftrun").iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """With the cause, and as the exit code of what cannot be written."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    done = start(build(tmp_path), tmp_path / "file")
    assert done.returncode == 74
    assert "cannot unpack itself" in done.stderr
    assert "XDG_CACHE_HOME" in done.stderr


def test_it_is_a_shell_script_up_to_what_is_packed(tmp_path: Path) -> None:
    """Every POSIX shell reads it; the line where the rest begins is right."""
    file = build(tmp_path)
    head = file.read_bytes().partition(b"\nexec ")[0]
    subprocess.run(["/bin/sh", "-n"], input=head, check=True, timeout=HANG)
