"""The user's own folder for what aftrun keeps of them, which no checkout, cache or archive brings along."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def data_folder(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path | None:
    r"""Where it is, whether it exists or not; None where the user has no home.

    `$XDG_DATA_HOME/aftrun` wins on every system. Without it: `%LOCALAPPDATA%\aftrun`, `~/Library/Application
    Support/aftrun` or `~/.local/share/aftrun`.
    """
    named = Path(environ.get("XDG_DATA_HOME", ""))
    if named.is_absolute():
        return named / "aftrun"
    if platform == "win32" and environ.get("LOCALAPPDATA"):
        return Path(environ["LOCALAPPDATA"]) / "aftrun"
    try:
        home = Path.home()
    except RuntimeError:  # no HOME, and no entry for this user either
        return None
    if platform == "darwin":
        return home / "Library" / "Application Support" / "aftrun"
    return home / ".local" / "share" / "aftrun"
