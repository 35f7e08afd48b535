"""Whether a new run may begin beside the other runs of its jobs: `overlap` and `unfinished`. Pure.

A job is the same by manifest and job name. What is decided here is decided before anything is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from aftrun.domain.frozen import dataclass
from aftrun.domain.model import JobResult, Outcome, Overlap, Unfinished
from aftrun.run.plan import Plan
from aftrun.run.policy import runs_on


@dataclass(frozen=True, slots=True)
class Rule:
    """What counts for one job."""

    overlap: Overlap = Overlap.REFUSE
    unfinished: Unfinished = Unfinished.REFUSE


@dataclass(frozen=True, slots=True)
class Asked:
    """What a new run is asked to do."""

    jobs: frozenset[str]
    """The keys of all its jobs."""
    rules: Mapping[str, Rule]
    """Those that may not be in two runs, by key."""


def asked(plan: Plan, overlap: Overlap | None, unfinished: Unfinished | None) -> Asked:
    """The jobs of a plan: each manifest says what counts for its own, and flags win over all.

    A job with `once` has no rule: what is on record of that very job decides, in whichever runs it is.
    """
    rules: dict[str, Rule] = {}
    for task in plan.tasks:
        if task.job.once:
            continue
        strategy = plan.stages[task.stage].strategy
        rules[task.key] = Rule(overlap or strategy.overlap, unfinished or strategy.unfinished)
    return Asked(frozenset(task.key for task in plan.tasks), rules)


@dataclass(frozen=True, slots=True)
class Other:
    """Another run on record, of some of the same jobs."""

    run: str
    jobs: frozenset[str]
    """The keys of all its jobs."""
    at_stake: tuple[str, ...]
    """Of a run that is alive: the jobs in common. Of one that was cut off: those of them that are open."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Nothing stands against it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Until these have ended."""

    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attach:
    """Follow that one."""

    run: str


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with that one."""

    run: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Send nothing."""

    runs: tuple[str, ...]
    """Because of these."""
    because: str = ""
    """Why what was asked for cannot be done; empty where refusing was asked for."""


Decision = Begin | Wait | Attach | Resume | Refuse


def beside(asked: Asked, alive: Sequence[Other]) -> Decision:
    """What to do while these runs are alive.

    Where manifests of one run differ, the most careful one decides: a run is refused, waits or attaches as a whole.
    """
    words = {other.run: {asked.rules[job].overlap for job in other.at_stake} - {Overlap.ALLOW} for other in alive}
    found = [other for other in alive if words[other.run]]
    if not found:
        return Begin()
    runs = tuple(other.run for other in found)
    said = set().union(*(words[run] for run in runs))
    if Overlap.REFUSE in said:
        return Refuse(runs)
    if Overlap.WAIT in said:
        return Wait(runs)
    because = _not_instead(asked, found, "attach to")
    return Refuse(runs, because) if because else Attach(runs[0])


def after(asked: Asked, cut_off: Sequence[Other]) -> Decision:
    """What to do about these runs that were cut off and are open."""
    words = {
        other.run: {asked.rules[job].unfinished for job in other.at_stake} - {Unfinished.IGNORE} for other in cut_off
    }
    found = [other for other in cut_off if words[other.run]]
    if not found:
        return Begin()
    runs = tuple(other.run for other in found)
    if Unfinished.REFUSE in set().union(*(words[run] for run in runs)):
        return Refuse(runs)
    because = _not_instead(asked, found, "resume")
    return Refuse(runs, because) if because else Resume(runs[0])


def goes_on_first(asked: Asked, jobs: Collection[str], open_jobs: Collection[str]) -> bool:
    """Whether a run that was cut off, and has other jobs to do than these open ones, is resumed without reading them.

    Who wants it resumed wants the rest of it done, and not done again what has ended by itself meanwhile.
    """
    rules = {asked.rules[job].unfinished for job in open_jobs}
    return rules == {Unfinished.RESUME} and asked.jobs.issubset(jobs)


def _not_instead(asked: Asked, others: Sequence[Other], what: str) -> str:
    """Why no other run can stand for the one that is asked for; empty: the only one does.

    It ends with the exit code of that one, and 0 says that everything asked for succeeded.
    """
    if len(others) > 1:
        return f"there are {len(others)} runs to {what}"
    missing = sorted(asked.jobs - others[0].jobs)
    if not missing:
        return ""
    names = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    return f"that run does not have all that is asked for: {names}"


def open_jobs(jobs: Sequence[JobResult], wanted: Collection[str]) -> dict[str, JobResult]:
    """Those of the jobs of a run that was cut off that may be on the server, with no end on record, by key."""
    found = {job.key: job for job in jobs if _is_open(job)}
    return {each: job for each, job in found.items() if each in wanted}


def _is_open(job: JobResult) -> bool:
    if job.verdict is not None or not job.attempts or job.phase == "deferred":
        return False
    last = job.attempts[-1].outcome
    return last is None or (runs_on(last) and last is not Outcome.SUBMITTED)
