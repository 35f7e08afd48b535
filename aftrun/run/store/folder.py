"""The state folder: where the files of a run are, and whether the folder is this user's own.

A state folder can come with a checkout, out of a cache or from a copy of another one. What its record says is taken for
true: which servers to ask, which jobs were done, which runs to go on with. So one that aftrun did not make here for
this user is not opened until the user accepts it (`--trust-state`), as git does with a repository of somebody else.

The user's data folder holds a random key. The *mark* of a state folder is a digest, with that key, of where the folder
is and who owns it. Nobody who lacks the key can make one, and one that was copied along does not fit the new place.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from aftrun.domain import runids
from aftrun.domain.errors import StateError, UsageError
from aftrun.system.files import make_once, read_regular, write_atomic
from aftrun.system.gitinfo import tracks
from aftrun.system.shell import quoted
from aftrun.system.userdata import data_folder

MARK_FILE = "owner"
"""In the state folder: marks, a line each. Two names of one folder, in and out of a container say, have one each."""
KEY_FILE = "state.key"
"""In the user's data folder."""
_KEY_LENGTH = 32
_MOST_MARKS = 100
_PARTS = ("state.db", "state.db-wal", "state.db-shm", "state.db-journal", "runs", "once.ndjson", "digest.key")
"""What a record is made of. A folder that has none of these holds nothing that could be believed."""
_OF_RUNS = ("journal.ndjson", "lock")
"""The same of what is below `runs`, where reports may be kept, too."""

_STAKE = "what it says would be believed: which servers get the key, which jobs are done, which runs go on"

_accepted: set[str] = set()
"""Folders that the user has accepted for this process, by place: where no mark can be written, that has to do."""


def run_folder(state_dir: Path, run: str) -> Path:
    """Where the files of one run are: the only place where an id becomes a path.

    Raises:
        StateError: that is no id of a run.
    """
    return state_dir / "runs" / runids.checked(run)


def has_state_file(folder: Path) -> bool:
    """Whether there is a state file to ask, before a run that will open it: what forbids a look is said then."""
    try:
        return (folder / "state.db").exists()
    except OSError:
        return False


def check(folder: Path) -> None:
    """Make sure that a state folder is this user's own. One without a record is nobody's yet.

    Raises:
        UsageError: it holds a record, and aftrun did not make it here for this user, or git can change it.
    """
    if not _has_record(folder):
        return
    place = _place(folder)
    if place in _accepted:
        return
    data, no_key = _key_folder(folder)
    key = None if data is None else _read_key(data)
    where = quoted(str(folder))
    if key is not None and _mark(key, place, _owner(folder)) in _marks(folder):
        if not tracks(folder, _PARTS):
            return
        why = "is tracked by git: a pull, or another branch, can change what it says"
        raise UsageError(
            f"the state folder {folder} {why}\n{_STAKE}",
            hint=f"take it out of git: git rm -r --cached {where}, and add it to .gitignore\n"
            "  (or say each time that you trust it: AFTRUN_TRUST_STATE=1)",
        )
    if _owner(folder) not in (None, _this_user()):
        why = "belongs to another user"
    elif no_key:
        why = f"cannot be known as your own: {no_key}"
    elif not _marks(folder):
        why = "was not made by aftrun for you: it may have come with a checkout, or out of a cache"
    else:
        why = "was not made here by aftrun for you: it was copied, moved, or made by somebody else"
    raise UsageError(
        f"the state folder {folder} {why}\n{_STAKE}",
        hint=f"if it is yours, accept it once: aftrun history --state-dir {where} --trust-state\n"
        "  (in CI, where it comes out of a cache: AFTRUN_TRUST_STATE=1); or use another --state-dir",
    )


def claim(folder: Path) -> str:
    """Mark a folder that holds no record yet as this user's own; returns why that will not last, empty where it does.

    Does nothing with a folder that holds one.

    Raises:
        StateError: it cannot be written to.
        UsageError: another user owns it, and the user has not accepted it.
    """
    place = _place(folder)
    if _has_record(folder):
        return ""
    if _owner(folder) not in (None, _this_user()) and place not in _accepted:
        raise UsageError(
            f"the state folder {folder} belongs to another user, who could change what is recorded there",
            hint="use another --state-dir, or add --trust-state (AFTRUN_TRUST_STATE=1)",
        )
    return _keep_mark(folder, place)


def accept(folder: Path) -> None:
    """Take a folder for this user's own, as they say it is: from now on where it can be marked, else this once."""
    place = _place(folder)
    _accepted.add(place)
    if folder.is_dir():
        with contextlib.suppress(StateError):  # on a medium that is read-only, say: there this once has to do
            _keep_mark(folder, place)


def _keep_mark(folder: Path, place: str) -> str:
    """Add this place's mark to those that the folder has; returns why that cannot be done, empty where it is."""
    data, why = _key_folder(folder)
    if data is None:
        return why
    try:
        key = make_once(data / KEY_FILE, secrets.token_bytes(_KEY_LENGTH))
    except OSError as error:
        return f"cannot write {data / KEY_FILE}: {error.strerror or error}"
    mark, known = _mark(key, place, _owner(folder)), _marks(folder)
    if mark not in known:
        write_atomic(folder / MARK_FILE, "\n".join([*known[1 - _MOST_MARKS :], mark]) + "\n", ours=True)
    return ""


def _key_folder(folder: Path) -> tuple[Path | None, str]:
    """The user's data folder, as far as it did not come along with the state folder; else None, and why."""
    data = data_folder()
    if data is None:
        return None, "this user has no home folder"
    if Path(os.path.realpath(data)).is_relative_to(os.path.realpath(folder)):
        return None, f"your own data folder, {data}, lies inside it, so what brings the one brings the other"
    if tracks(data, (KEY_FILE,)):
        return None, f"git tracks {data / KEY_FILE}, so a checkout could bring both"
    return data, ""


def _read_key(data: Path) -> bytes | None:
    try:
        return read_regular(data / KEY_FILE)
    except OSError:
        return None  # there is none, or it cannot be used: then nothing fits it


def _marks(folder: Path) -> list[str]:
    try:
        return read_regular(folder / MARK_FILE)[: 100 * _MOST_MARKS].decode("ascii").split()
    except (OSError, UnicodeDecodeError):
        return []


def _mark(key: bytes, place: str, owner: int | None) -> str:
    text = f"{place}\0{owner}".encode("utf-8", "surrogateescape")
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def _place(folder: Path) -> str:
    """The path that a folder is known by. A link is a place of its own: whoever made it could turn it elsewhere."""
    whole = os.path.abspath(folder)  # noqa: PTH100  # the last part is not resolved
    return os.path.join(os.path.realpath(os.path.dirname(whole)), os.path.basename(whole))  # noqa: PTH118, PTH119, PTH120


def _has_record(folder: Path) -> bool:
    return any(os.path.lexists(folder / name) for name in _PARTS)


def _owner(folder: Path) -> int | None:
    """The user who owns a folder; None where users have no numbers, or there is none."""
    if _this_user() is None:
        return None
    try:
        return folder.stat().st_uid
    except OSError:
        return None


def _this_user() -> int | None:
    return os.geteuid() if hasattr(os, "geteuid") else None


def holds(folder: Path, path: Path) -> bool:
    """Whether a path, however it is spelled, is of the record itself. A report may lie beside it in the folder."""
    root, place = (Path(os.path.normcase(os.path.realpath(each))) for each in (folder, path))
    if not place.is_relative_to(root):
        return False
    first, *others = place.relative_to(root).parts or ("",)
    return others[-1] in _OF_RUNS if first == "runs" and others else first in (*_PARTS, MARK_FILE)
