"""What a job is called: its key within a run, and the label by which people tell it from the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence


def job_key(manifest: str, job: str) -> str:
    """How a job is called within a run: `manifest/job`, unique."""
    return f"{manifest}/{job}"


def job_labels(jobs: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """How people call each job, given as manifest and name, in order: its name, or its key where several have that."""
    often = Counter(name for _, name in jobs)
    return tuple(name if often[name] == 1 else job_key(manifest, name) for manifest, name in jobs)


def split_key(key: str, manifests: Iterable[str]) -> tuple[str, str]:
    """The manifest and the job of a key, where these manifests are known: both names may hold slashes.

    The longest manifest that fits is taken; where none does, what stands before the first slash.
    """
    fitting = [name for name in manifests if key.startswith(job_key(name, ""))]
    manifest = max(fitting, key=len, default=key.partition("/")[0])
    return manifest, key[len(manifest) + 1 :]
