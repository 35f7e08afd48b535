"""State folders: whose they are, and which text can be the id of a run."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from aftrun.domain import runids
from aftrun.domain.errors import StateError, UsageError
from aftrun.run.store import folder as state_folder
from aftrun.run.store import once_file
from aftrun.run.store.record import Log
from aftrun.run.store.restore import open_record
from aftrun.system.userdata import data_folder
from tests.conftest import needs_git


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's data folder of its own, and nothing accepted yet."""
    folder = tmp_path / "data"
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    monkeypatch.setattr(state_folder, "_accepted", set())
    return folder / "aftrun"


def made(folder: Path) -> Path:
    """A state folder that aftrun makes here and now."""
    Log(folder).close()
    return folder


@pytest.mark.parametrize("text", ["20260102-020000-7f3a", "r1", "A", "x.y", "x" * 100])
def test_ids_of_runs(text: str) -> None:
    """Those that aftrun makes, and what is like them."""
    assert runids.checked(text) == text
    assert state_folder.run_folder(Path("s"), text) == Path("s", "runs", text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "../../victim",
        "a/b",
        "a\\b",
        "/etc",
        "-rf",
        "a\n",
        "a\x1b[31m",
        "é",
        "a.",
        "x" * 101,
        "C:x",
        5,
        None,
        "\u0661\u0662",
    ],
)
def test_what_is_no_id_becomes_no_path(text: str) -> None:
    """Whoever reads one finds out, before it is joined to a path."""
    with pytest.raises(StateError) as caught:
        state_folder.run_folder(Path("s"), text)
    assert "\x1b" not in caught.value.message
    assert "\n" not in caught.value.message


def test_a_folder_that_aftrun_made_here_is_opened_again(data: Path, tmp_path: Path) -> None:
    """By the mark in it, which only the user's own key can make."""
    folder = made(tmp_path / "state")
    made(folder)
    assert stat.S_IMODE((data / state_folder.KEY_FILE).stat().st_mode) == 0o600 or os.name == "nt"
    with open_record(folder, lambda _: None) as log:
        assert log.runs() == []


@pytest.mark.parametrize("copy", ["cp", "mv"])
def test_a_copy_is_not_believed(data: Path, tmp_path: Path, copy: str) -> None:
    """Two copies that both go on with one run would submit twice."""
    folder = made(tmp_path / "state")
    other = tmp_path / "other"
    (shutil.copytree if copy == "cp" else shutil.move)(folder, other)
    with pytest.raises(UsageError) as caught:
        Log(other)
    assert "copied, moved" in caught.value.message
    assert f"aftrun history --state-dir {other} --trust-state" in caught.value.hint
    with pytest.raises(UsageError):
        open_record(other, lambda _: None)
    state_folder.accept(other)
    made(other)
    if copy == "cp":
        made(folder)


@pytest.mark.parametrize("part", ["state.db", "state.db-wal", "state.db-journal", "runs", "digest.key"])
def test_a_part_of_a_record_that_came_from_elsewhere(data: Path, tmp_path: Path, part: str) -> None:
    """A checkout can bring one file alone, and SQLite or the journals' reader would take it up; a link too."""
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / part).symlink_to("/nowhere")
    with pytest.raises(UsageError, match="was not made by aftrun for you"):
        Log(folder)


def test_a_mark_that_somebody_else_made(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout can bring a mark along, but not one of this user's key."""
    folder = made(tmp_path / "state")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "another"))
    with pytest.raises(UsageError, match="copied, moved, or made by somebody else"):
        made(folder)


def test_an_empty_folder_is_nobodys_yet(data: Path, tmp_path: Path) -> None:
    """`mkdir state` before the first run, or a fresh volume: nothing in it could be believed."""
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    made(folder)
    made(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user(data: Path, tmp_path: Path) -> None:
    """Who owns a folder can change what is recorded there at any time: also one that is empty, or was ours."""
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    with pytest.raises(UsageError, match="belongs to another user"):
        Log(folder)
    state_folder.accept(folder)
    made(folder)
    ours = made(tmp_path / "ours")
    os.chown(ours, 12345, 12345)
    with pytest.raises(UsageError, match="belongs to another user"):
        Log(ours)


def test_a_link_is_a_place_of_its_own(data: Path, tmp_path: Path) -> None:
    """A checkout's link to another project's record would let that record speak for this project."""
    folder = made(tmp_path / "state")
    link = tmp_path / "link"
    link.symlink_to(folder)
    with pytest.raises(UsageError):
        Log(link)
    state_folder.accept(link)
    made(link)
    made(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", [state_folder.MARK_FILE, once_file.NAME])
def test_a_pipe_among_its_files_makes_way(data: Path, tmp_path: Path, name: str) -> None:
    """Nobody is at its other end, so writing to it would never end."""
    folder = tmp_path / "state"
    folder.mkdir()
    os.mkfifo(folder / name)
    if name == once_file.NAME:
        once_file.write(folder, [])
    else:
        state_folder.accept(folder)
    assert stat.S_ISREG((folder / name).stat().st_mode)


def test_no_place_for_the_key(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on, and it is said what the next command will ask; accepting lasts as long as the process."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file" / "below"))
    said: list[str] = []
    folder = tmp_path / "state"
    Log(folder, waiting=said.append).close()
    assert len(said) == 1
    assert "--trust-state" in said[0]
    with pytest.raises(UsageError):
        Log(folder)
    state_folder.accept(folder)
    Log(folder).close()


@pytest.mark.parametrize("below", [".", "home/.local/share"])
def test_a_state_folder_that_holds_the_users_own_data_vouches_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    """What brings the one brings the other: a home in a checkout or in a restored cache, through a link, too."""
    monkeypatch.setattr(state_folder, "_accepted", set())
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "link" / below))
    folder.mkdir()
    (tmp_path / "link").symlink_to("state")
    said: list[str] = []
    Log(folder, waiting=said.append).close()
    assert "lies inside it" in said[0]
    with pytest.raises(UsageError, match="cannot be known as your own"):
        state_folder.check(folder)
    state_folder.accept(folder)
    state_folder.check(folder)


@needs_git
def test_a_key_that_git_tracks_vouches_for_nothing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The home folder is a checkout, which could bring key and record together."""
    folder = made(tmp_path / "state")
    state_folder.check(folder)
    git(tmp_path, "init", str(data.parent))
    state_folder.check(folder)
    git(data.parent, "add", "--", f"{data.name}/{state_folder.KEY_FILE}")
    with pytest.raises(UsageError, match="git tracks"):
        state_folder.check(folder)


def test_where_users_keep_their_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As each system has it; a relative variable is no place."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert data_folder({"XDG_DATA_HOME": "relative"}, "linux") == tmp_path / ".local/share/aftrun"
    assert data_folder({}, "darwin") == tmp_path / "Library/Application Support/aftrun"
    assert data_folder({"LOCALAPPDATA": "C:/appdata"}, "win32") == Path("C:/appdata/aftrun")
    assert data_folder({"XDG_DATA_HOME": str(tmp_path)}, "win32") == tmp_path / "aftrun"

    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    assert data_folder({}, "linux") is None


def git(folder: Path, *words: str) -> None:
    """Run git, with settings of its own."""
    settings = ["-c", "user.name=jo", "-c", "user.email=jo@box", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", "-C", str(folder), *settings, *words], check=True, capture_output=True)


@needs_git
@pytest.mark.parametrize("version", ["2", "3", "4"], ids=lambda each: f"index {each}")
@pytest.mark.parametrize("where", [".", "deep/er"])
def test_a_record_that_git_tracks_is_not_believed(data: Path, tmp_path: Path, where: str, version: str) -> None:
    """A pull could bring another one. What is ignored, or tracked beside it, is no matter; nor is what has no index."""
    work = tmp_path / "work"
    state = work / where / ".aftrun"
    git(tmp_path, "init", str(work))
    made(state)
    state_folder.check(state)  # there is no index yet
    (state.parent / "night.yaml").write_text("scriptName: a\n", encoding="utf-8")
    (state.parent / ".aftrun-notes").write_text("", encoding="utf-8")
    git(work, "add", "--", f"{where}/night.yaml", f"{where}/.aftrun-notes")
    git(work, "update-index", "--index-version", version)
    state_folder.check(state)
    git(work, "add", "--intent-to-add" if version == "3" else "--force", "--", f"{where}/.aftrun/state.db")
    with pytest.raises(UsageError, match="tracked by git") as refused:
        state_folder.check(state)
    assert "git rm -r --cached" in (refused.value.hint or "")
    state_folder.accept(state)
    state_folder.check(state)  # for this process
    state_folder._accepted.clear()
    with pytest.raises(UsageError, match="tracked by git"):
        state_folder.check(state)
    git(work, "rm", "-r", "--cached", "--quiet", "--force", f"{where}/.aftrun")
    state_folder.check(state)


@needs_git
def test_a_record_in_another_work_tree_of_a_repository(data: Path, tmp_path: Path) -> None:
    """There `.git` is a file that says where the index is."""
    main, other = tmp_path / "main", tmp_path / "other"
    git(tmp_path, "init", str(main))
    git(main, "commit", "--allow-empty", "-m", "begin")
    git(main, "worktree", "add", str(other))
    made(other / ".aftrun")
    state_folder.check(other / ".aftrun")
    git(other, "add", "--force", ".aftrun/state.db")
    with pytest.raises(UsageError, match="tracked by git"):
        state_folder.check(other / ".aftrun")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
@pytest.mark.parametrize("part", [".git", ".git/index"])
def test_a_pipe_in_the_place_of_an_index_holds_nobody_up(data: Path, tmp_path: Path, part: str) -> None:
    """An unpacked archive can bring one: nothing is tracked by it."""
    pipe = tmp_path / part
    pipe.parent.mkdir(exist_ok=True)
    os.mkfifo(pipe)
    state_folder.check(made(tmp_path / ".aftrun"))
