"""Keeps what was made of a manifest, so that a file that has not changed is not read and checked every 30 seconds.

Airflow parses DAG files again and again, each time in a new process, and once more for each task. What is kept is a
`DagSpec`, which holds no secret; it lies in `$AFTRUN_CACHE_DIR`, or in `aftrun` below `$XDG_CACHE_HOME` or `~/.cache`.
It is used only while every file that it was made of has the same bytes. `AFTRUN_CACHE_DIR=` (empty) switches it off.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aftrun
from aftrun_airflow.dagspec import DagSpec

_DAYS = 30
"""How long what is kept stays: other versions of a file, and of aftrun, leave theirs behind."""


def read_spec(path: str, options: Mapping[str, Any]) -> DagSpec:
    """What Airflow has to be told about the manifests of a file. `options` are those of `convert.Options`.

    Raises:
        ManifestError, UsageError: as `convert.convert_file`.
    """
    place = _place(path, options)
    kept = None if place is None else _kept(place)
    if kept is not None:
        return kept
    from aftrun_airflow.convert import Options, convert_file  # noqa: PLC0415  # the parser, which is what is spared

    converted = convert_file(path, Options(**options))
    if place is not None and converted.lasting:
        files = {os.path.abspath(name): _sum(data) for name, data in converted.files}  # noqa: PTH100  # links stay
        _keep(place, {"files": files, "spec": converted.spec.to_json()})
    return converted.spec


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _folder() -> str:
    given = os.environ.get("AFTRUN_CACHE_DIR")
    if given is not None:
        return given
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111  # never raises
    return os.path.join(home, "aftrun") if os.path.isabs(home) else ""  # noqa: PTH117, PTH118  # text in, text out


def _place(path: str, options: Mapping[str, Any]) -> Path | None:
    """Where a file's `DagSpec` is kept; None: nowhere."""
    folder = _folder()
    if not folder:
        return None
    key = json.dumps([_version(), sys.version_info[:2], path, options], sort_keys=True, default=list)
    return Path(folder) / f"airflow-{_sum(key.encode())[:32]}.json"


def _version() -> str:
    """Changes whenever the files do that conversion stands on, in a checkout too."""
    core = Path(aftrun.__file__).parent
    folders = [Path(__file__).parent, core, *(core / name for name in ("domain", "manifest", "run"))]
    files = [Path(at, name) for top in folders for at, _, names in os.walk(top) if top != core for name in names]
    newest = max(each.stat().st_mtime_ns for each in [*files, *core.glob("*.py")] if each.suffix == ".py")
    return f"{aftrun.__version__} {newest}"


def _kept(place: Path) -> DagSpec | None:
    """What is kept, where it is ours, readable, and of the files as they are now."""
    try:
        with place.open("rb") as stream:
            if hasattr(os, "geteuid") and os.fstat(stream.fileno()).st_uid != os.geteuid():
                return None  # somebody else could tell us what to run
            data = json.loads(stream.read())
        for name, expected in data["files"].items():
            if _sum(Path(name).read_bytes()) != expected:
                return None
        return DagSpec.from_json(data["spec"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # it is made again


def _keep(place: Path, data: Mapping[str, Any]) -> None:
    """Write it as a whole or not at all. Where that is not possible, the next parse takes as long as this one."""
    name = ""
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file)
        Path(name).replace(place)
        _clear(place.parent)
    except OSError:
        if name:
            with contextlib.suppress(OSError):
                Path(name).unlink()


def _clear(folder: Path) -> None:
    """Remove what has not been written for long. What is still in use is made again."""
    oldest = time.time() - _DAYS * 86_400
    for entry in os.scandir(folder):
        if entry.name.startswith("airflow-") and entry.name.endswith(".json") and entry.stat().st_mtime < oldest:
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                Path(entry.path).unlink()
