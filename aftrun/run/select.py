"""Fewer jobs out of the same manifests."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence

from aftrun.domain.errors import UsageError
from aftrun.domain.events import Reason
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.jobnames import job_key
from aftrun.domain.model import JobResult, Manifest, Outcome
from aftrun.domain.values import Template
from aftrun.run.policy import is_bad


def keep_jobs(manifests: Sequence[Manifest], keys: Collection[str]) -> tuple[Manifest, ...]:
    """The manifests with only these jobs. Needs on jobs that are left out are taken to be met.

    An order that only went through a job that is left out stays: where `c` needs `b` needs `a`, and `b` is left
    out, `c` still waits for `a`.
    """
    kept = []
    for manifest in manifests:
        jobs = [job for job in manifest.jobs if job_key(manifest.name, job.name) in keys]
        if not jobs:
            continue
        if len(jobs) == len(manifest.jobs):
            kept.append(manifest)
            continue
        names = frozenset(job.name for job in jobs)
        needs = {job.name: job.needs for job in manifest.jobs}
        seen: dict[str, tuple[str, ...]] = {}
        trimmed = tuple(replace(job, needs=_kept_needs(job.needs, names, needs, seen)) for job in jobs)
        kept.append(replace(manifest, jobs=trimmed))
    return tuple(kept)


def _kept_needs(
    wanted: Sequence[str],
    names: frozenset[str],
    needs: Mapping[str, Sequence[str]],
    seen: dict[str, tuple[str, ...]],
) -> tuple[str, ...]:
    """Needs, each one that is left out replaced by the kept ones before it. `seen` remembers those of left-out jobs."""
    stack = [name for name in wanted if name not in names and name not in seen]
    while stack:
        name = stack[-1]
        open_ones = [each for each in needs[name] if each not in names and each not in seen]
        if open_ones:
            stack += open_ones
            continue
        stack.pop()
        seen[name] = _joined(needs[name], names, seen)
    return _joined(wanted, names, seen)


def _joined(wanted: Sequence[str], names: frozenset[str], seen: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for name in wanted:
        found.update(dict.fromkeys((name,) if name in names else seen[name]))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A job that does not run because of `--select` or `--exclude`."""

    manifest: str
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What `--select` and `--exclude` leave of the manifests."""

    manifests: tuple[Manifest, ...]
    left_out: tuple[LeftOut, ...] = ()
    """In manifest order."""


class _Index:
    """The jobs of all manifests, by everything that an expression can call them."""

    def __init__(self, manifests: Sequence[Manifest]) -> None:
        self.jobs = {job_key(manifest.name, job.name): job for manifest in manifests for job in manifest.jobs}
        self.manifest = {
            job_key(manifest.name, job.name): manifest.name for manifest in manifests for job in manifest.jobs
        }
        self.names: dict[str, list[str]] = {}
        """Keys by every exact name: the job's, its matrix job's, and both with the manifest's before them."""
        for each, job in self.jobs.items():
            for name in dict.fromkeys((job.name, job.template or job.name)):
                self.names.setdefault(name, []).append(each)
                self.names.setdefault(job_key(self.manifest[each], name), []).append(each)
        self._needs: dict[str, Collection[str]] | None = None

    @property
    def needs(self) -> dict[str, Collection[str]]:
        """The keys that each key needs."""
        if self._needs is None:
            self._needs = {
                each: [job_key(self.manifest[each], need) for need in job.needs] for each, job in self.jobs.items()
            }
        return self._needs

    def find(self, expression: str) -> set[str]:
        """The keys that an expression stands for, empty where there are none."""
        exact = self.names.get(expression)
        if exact is not None:  # a name may hold what would otherwise mean something, such as a + at its end
            return set(exact)
        before, after = expression.startswith("+"), expression.endswith("+")
        plain = expression[before : len(expression) - after]
        found = set(self.names.get(plain) or self._match(plain))
        result = set(found)
        if before:
            result |= ancestors(self.needs, found)
        if after:
            result |= dependants(self.needs, found)
        return result

    def _match(self, text: str) -> set[str]:
        if text.startswith("tag:"):
            fits = glob(text.removeprefix("tag:"))
            return {each for each, job in self.jobs.items() if any(map(fits, job.tags))}
        if "*" not in text and "?" not in text:
            return set()
        fits = glob(text)
        return {
            each for name, keys in self.names.items() if ("/" in name) == ("/" in text) and fits(name) for each in keys
        }

    def guess(self, expression: str) -> str:
        """A remedy for an expression that stands for nothing."""
        plain = expression.strip("+")
        known = list(self.names)
        if plain.startswith("tag:"):
            known = sorted({f"tag:{tag}" for job in self.jobs.values() for tag in job.tags})
            if not known:
                return "no job has tags"
        near = difflib.get_close_matches(plain, known[:_MOST_NAMES], n=1, cutoff=0.6)
        if near:
            return f"did you mean {near[0]!r}?"
        names = [name for name in known if "/" not in name]
        if len(names) <= _FEW:
            return "there are " + ", ".join(names)
        return "give a job's name, manifest/job, a glob such as load*, or tag:x"


_MOST_NAMES = 2000
"""Names that are looked through for a near miss: guessing takes time."""
_FEW = 8


def glob(pattern: str) -> Callable[[str], bool]:
    """`*` and `?` stand for any text and any character. Brackets stand for themselves: copies are called `load[eu]`."""
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    matcher = re.compile("".join(parts), re.DOTALL)
    return lambda text: matcher.fullmatch(text) is not None


def choose(manifests: Sequence[Manifest], select: Sequence[str] = (), exclude: Sequence[str] = ()) -> Selection:
    """Only the jobs that an expression of `select` stands for (all, where there is none), without those of `exclude`.

    An expression is a job's name, that of a matrix job (all its copies), `manifest/job`, a glob of either with `*`
    and `?`, or `tag:x`; `+` before it adds all that it needs, `+` after it all that needs it.

    Raises:
        UsageError: an expression stands for nothing, nothing is left, or a job that is left uses what one that is
            left out would hand on.
    """
    if not select and not exclude:
        return Selection(tuple(manifests))
    index = _Index(manifests)

    def find(flag: str, expression: str) -> set[str]:
        found = index.find(expression)
        if not found:
            raise UsageError(f"{flag} {expression}: there is no such job", hint=index.guess(expression))
        return found

    wanted = set().union(*(find("--select", each) for each in select)) if select else set(index.jobs)
    why = dict.fromkeys(index.jobs.keys() - wanted, "not selected")
    for expression in exclude:
        for each in find("--exclude", expression):
            why.setdefault(each, f"excluded by {expression}")
    keys = index.jobs.keys() - why.keys()
    if not keys:
        raise UsageError("--select and --exclude leave no job to run", hint="`aftrun plan` shows what they leave out")
    kept = keep_jobs(manifests, keys)
    _check_references(kept, index)
    left_out = tuple(
        LeftOut(index.manifest[each], job.name, why[each]) for each, job in index.jobs.items() if each in why
    )
    return Selection(kept, left_out)


def needs_left_out(manifests: Sequence[Manifest], left_out: Sequence[LeftOut]) -> tuple[tuple[str, str], ...]:
    """Jobs that run although a need of theirs is left out, each beside that need: it is taken to be met."""
    gone = {(each.manifest, each.name) for each in left_out}
    return tuple(
        (job.name, need)
        for manifest in manifests
        for job in manifest.jobs
        if (manifest.name, job.name) not in gone
        for need in job.needs
        if (manifest.name, need) in gone
    )


def _check_references(kept: Sequence[Manifest], index: _Index) -> None:
    """Refuse jobs that use the id or an output of a job that is left out: it will not be there."""
    for manifest in kept:
        names = {job.name for job in manifest.jobs}
        for job in manifest.jobs:
            for value in job.values():
                for reference in value.insides() if isinstance(value, Template) else ():
                    if reference.path[0] == "jobs" and reference.path[1] not in names:
                        where = f"{reference.origin}: " if reference.origin else ""
                        raise UsageError(
                            f"{where}job {job.name!r} uses {reference.text}, and {reference.path[1]!r} is left out",
                            hint=f"add what it needs: --select '+{job.name}'",
                        )


def ancestors(needs: Mapping[str, Collection[str]], start: Collection[str]) -> set[str]:
    """`start`, and every job that one of them needs, directly or not. `needs` maps each key to the keys it needs."""
    found = set(start)
    stack = list(start)
    while stack:
        for need in needs.get(stack.pop(), ()):
            if need not in found:
                found.add(need)
                stack.append(need)
    return found


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
        job.key
        for job in jobs
        if job.verdict is None
        or is_bad(job.verdict, Reason(job.reason) if job.reason else Reason.DONE, allow_failure=False)
    }


def may_be_running(job: JobResult) -> bool:
    """Whether a new submission could run the job twice: nobody saw the end of an earlier one, or found it out."""
    if job.settled is not None:
        return False
    if job.outcome in (Outcome.UNKNOWN, Outcome.TIMED_OUT):
        return True
    return job.outcome is None and job.phase in ("submitting", "accepted", "running")


_COULD_RUN = (Reason.NEEDS, Reason.FAIL_FAST, Reason.FINISH_BY, Reason.INTERRUPTED, Reason.STATE)


def to_read_again(jobs: Sequence[JobResult]) -> tuple[str, ...]:
    """The keys of jobs that a resume opens again: those of unknown end that have an id, whose status may be had now.

    With them all that was skipped, since it may have been for their sake; what still has to be skipped will be.
    """
    unknown = [
        job for job in jobs if job.verdict is Outcome.UNKNOWN and job.attempts and job.attempts[-1].job_id is not None
    ]
    if not unknown:
        return ()
    skipped = [job for job in jobs if job.outcome is Outcome.SKIPPED and job.reason in _COULD_RUN]
    return tuple(job.key for job in (*unknown, *skipped))
