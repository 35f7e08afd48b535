"""The user's own folders, which no checkout or archive brings along: for what aftrun keeps of them, and for a cache."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


def data_folder(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path | None:
    r"""Where it is, whether it exists or not; None where the user has no home.

    `$XDG_DATA_HOME/aftrun` wins on every system. Without it: `%LOCALAPPDATA%\aftrun`, `~/Library/Application
    Support/aftrun` or `~/.local/share/aftrun`.
    """
    return _folder(_DATA, environ, platform)


def cache_folder(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path | None:
    r"""The same for what can be made anew: whoever deletes it loses time, and nothing else.

    `$XDG_CACHE_HOME/aftrun`, else `%LOCALAPPDATA%\aftrun\cache`, `~/Library/Caches/aftrun` or `~/.cache/aftrun`.
    """
    return _folder(_CACHE, environ, platform)


class _Places(NamedTuple):
    variable: str
    windows: str
    mac: str
    others: str


_DATA = _Places("XDG_DATA_HOME", ".", "Library/Application Support", ".local/share")
_CACHE = _Places("XDG_CACHE_HOME", "cache", "Library/Caches", ".cache")


def _folder(places: _Places, environ: Mapping[str, str], platform: str) -> Path | None:
    named = Path(environ.get(places.variable, ""))
    if named.is_absolute():
        return named / "aftrun"
    if platform == "win32" and environ.get("LOCALAPPDATA"):
        return Path(environ["LOCALAPPDATA"]) / "aftrun" / places.windows
    try:
        home = Path.home()
    except RuntimeError:  # no HOME, and no entry for this user either
        return None
    return home / (places.mac if platform == "darwin" else places.others) / "aftrun"
