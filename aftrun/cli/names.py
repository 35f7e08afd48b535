"""The names in manifests, for TAB: looked up each time, and of large manifests kept in the user's cache.

A person waits for TAB, and reading a manifest of ten thousand jobs takes most of a second. What was found in it holds
for as long as every file that was read has the same bytes, which are compared by digest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import aftrun
from aftrun.domain.errors import AftrunError

if TYPE_CHECKING:
    from aftrun.domain.model import Manifest

LARGE = 16 * 1024
"""Manifests of so many bytes, with what they include, are kept; smaller ones are read as quickly."""
MOST = 32
"""So many are kept; the oldest make way."""


class Names(NamedTuple):
    """What one manifest offers. Nothing in it comes from outside the manifest's files."""

    manifest: str
    jobs: Sequence[tuple[str, str]]
    """Name and meaning. A matrix job stands there once, under the name that its copies share."""
    tags: Sequence[str]
    variables: Sequence[str]
    servers: Sequence[str]


def of_files(paths: Iterable[str]) -> list[Names]:
    """The names in each of these manifests, files or folders; nothing of those that cannot be read."""
    found: list[Names] = []
    for path in map(str, filter(None, paths)):
        with suppress(AftrunError):  # not a manifest, or one that is being written
            found += _of_file(path) if path != "-" else ()
    return found


def _of_file(path: str) -> list[Names]:
    kept = _place(path)
    if kept is not None and kept.is_file():
        with suppress(OSError, ValueError, TypeError):  # not kept yet, or not by this version
            digests, names = json.loads(kept.read_bytes())
            if all(_digest(Path(file).read_bytes()) == digest for file, digest in digests.items()):
                return [Names(*each) for each in names]
    from aftrun.manifest import load_all  # only where a manifest is looked into

    loaded = load_all([path])
    names = [_names(each) for each in loaded.manifests]
    if kept is not None and sum(len(data) for _, data in loaded.files) >= LARGE:
        _keep(kept, {str(Path(file).absolute()): _digest(data) for file, data in loaded.files}, names)
    return names


def _place(path: str) -> Path | None:
    """Where the names of a manifest are kept, whether they are or not; None: nowhere, as those of a folder."""
    from aftrun.system.userdata import cache_folder  # as above

    folder = cache_folder()
    if folder is None or not Path(path).is_file():
        return None
    key = f"{aftrun.__version__}\0{Path(path).absolute()}"
    return folder / "names" / f"{_digest(key.encode('utf-8', 'surrogateescape'))}.json"


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def _names(manifest: Manifest) -> Names:
    from aftrun.domain.values import nothing_inside, preview  # as above

    jobs = {
        job.name.partition("[")[0]: job.description or preview(job.script.value, nothing_inside)
        for job in manifest.jobs
    }
    tags = dict.fromkeys(tag for job in manifest.jobs for tag in job.tags)
    servers = [server.name for server in manifest.servers]
    return Names(manifest.name, list(jobs.items()), list(tags), [name for name, _ in manifest.vars], servers)


def _keep(place: Path, digests: dict[str, str], names: list[Names]) -> None:
    """Keep them, if they can be kept: nobody who presses TAB wants to hear why not."""
    from aftrun.system.files import write_atomic  # as above

    with suppress(AftrunError, OSError):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(place, json.dumps([digests, names]), ours=True, pauses=())
        others = sorted(place.parent.glob("*.json"), key=lambda each: each.stat().st_mtime_ns, reverse=True)
        for old in others[MOST:]:
            old.unlink()
