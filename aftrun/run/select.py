"""Fewer jobs out of the same manifests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from aftrun.events import Reason
from aftrun.model import JobResult, Manifest, Outcome
from aftrun.run.policy import is_bad


def key(manifest: str, job: str) -> str:
    """How a job is called within a run."""
    return f"{manifest}/{job}"


def keep_jobs(manifests: Sequence[Manifest], keys: Collection[str]) -> tuple[Manifest, ...]:
    """The manifests with only these jobs. Needs on jobs that are left out are taken to be met."""
    kept = []
    for manifest in manifests:
        jobs = [job for job in manifest.jobs if key(manifest.name, job.name) in keys]
        if not jobs:
            continue
        names = {job.name for job in jobs}
        trimmed = tuple(replace(job, needs=tuple(need for need in job.needs if need in names)) for job in jobs)
        kept.append(replace(manifest, jobs=trimmed))
    return tuple(kept)


def dependants(needs: dict[str, Collection[str]], start: Collection[str]) -> set[str]:
    """`start`, and every job that needs one of them, directly or not. `needs` maps each key to the keys it needs."""
    users: dict[str, list[str]] = {}
    for user, wanted in needs.items():
        for need in wanted:
            users.setdefault(need, []).append(user)
    found = set(start)
    stack = list(start)
    while stack:
        for user in users.get(stack.pop(), ()):
            if user not in found:
                found.add(user)
                stack.append(user)
    return found


def to_retry(jobs: Sequence[JobResult]) -> set[str]:
    """The keys of the jobs that did not succeed. Those rightly skipped are not among them."""
    return {
        key(job.manifest, job.name)
        for job in jobs
        if job.outcome is None
        or is_bad(job.outcome, Reason(job.reason) if job.reason else Reason.DONE, allow_failure=False)
    }


def may_be_running(job: JobResult) -> bool:
    """Whether a new submission could run the job twice: nobody saw the end of an earlier one."""
    if job.outcome in (Outcome.UNKNOWN, Outcome.TIMED_OUT):
        return True
    return job.outcome is None and job.phase in ("submitting", "accepted", "running")
