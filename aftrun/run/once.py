"""Asks the record about jobs with `once`: makes their identities, and tells what `converge` decides.

Nothing here is sent or written. Identities are keyed digests (`pins.keyed`), since a server's address may come from
outside; what stands beside them in clear may be shown.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field
from hashlib import blake2s
from typing import Protocol

from aftrun.domain.events import Once
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.model import Job
from aftrun.domain.secrets import NOTHING_SECRET, Scrubber
from aftrun.domain.values import Bindings, Inside, Lookup, Outside, Unbound, Value, bound, render
from aftrun.run.claims import place
from aftrun.run.converge import LastAttempt, Move, decide
from aftrun.run.pins import keyed
from aftrun.run.plan import Plan, Task

ALL = "*"
"""In place of the keys of jobs: all of them."""
_IDENTITY, _MARK = 32, 16
"""Lengths of digests, in hex digits. Only the first decides."""
_PART = 6
"""Length of the digest of the script, and of each param, in bytes."""


class Attempts(Protocol):
    """What the record knows of jobs with `once`."""

    def last_attempt(self, identity: str) -> LastAttempt | None:
        """The newest submission of a job, by its identity.

        Raises:
            StateError: the record cannot be read.
        """
        ...

    def attempts_of(self, manifest: str, job: str, key: str) -> Sequence[LastAttempt]:
        """The newest submissions of a job under a key, one for each server.

        Raises:
            StateError: the record cannot be read.
        """
        ...

    def under_way(self, run: str) -> bool:
        """Whether a process works on a run."""
        ...


@functools.lru_cache(maxsize=8)
def mark_of(digest_key: bytes) -> str:
    """Names the key of a state folder without telling it."""
    return keyed(digest_key, "aftrun")[:_MARK]


def made_of(job: Job, digest_key: bytes, bindings: Bindings, lookup: Lookup) -> dict[str, str]:
    """A keyed digest of the script and of each param. What only a run knows stands there as it was written."""

    def digest(name: str, value: Value) -> str:
        text = value if isinstance(value, str) else "".join([_text(part, bindings, lookup) for part in value.parts])
        return blake2s(
            f"{name}\0{text}".encode("utf-8", "surrogatepass"), digest_size=_PART, key=digest_key
        ).hexdigest()

    found = {"script": digest(job.script.selector.value, job.script.value)}
    found |= {f"params.{param.name}": digest(param.name, param.value) for param in job.params}
    return found


def _text(part: str | Outside | Inside, bindings: Bindings, lookup: Lookup) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Outside):
        return bound(part, bindings) or ""
    return (lookup(part) if part.path[0] in ("vars", "matrix") else None) or part.text


@dataclass(frozen=True, slots=True)
class Found:
    """What the record holds of a job, and what follows."""

    move: Move
    once: Once
    """What to put on record with the intent, if it comes to one."""
    last: LastAttempt | None = None


@dataclass(frozen=True, slots=True)
class Convergence:
    """Asks for the jobs of one run."""

    attempts: Attempts
    run: str
    digest_key: bytes = field(repr=False)
    urls: tuple[str, ...] = field(repr=False)
    """The URLs of the plan's servers; they may have come from outside."""
    shown_urls: tuple[str, ...]
    bindings: Bindings = field(default_factory=dict, repr=False)
    scrubber: Scrubber = NOTHING_SECRET
    again: Collection[str] = ()
    """Keys of the jobs that a person wants sent whatever is on record, or `ALL`."""
    done: Mapping[str, Found] = field(default_factory=dict)
    """What is known already of jobs that are up to date, by key: see `all_done`."""

    def look(
        self, task: Task, manifest: str, lookup: Lookup, attempt: int, gone_by: tuple[str, int] | None = None
    ) -> Found | None:
        """What the record holds of a job that is about to be sent; None where its key comes to nothing.

        `attempt` and `gone_by` are as for `ask`.

        Raises:
            StateError: the record cannot be read.
            Unbound: a value that the key is made from is not there.
        """
        if task.key in self.done:
            return self.done[task.key]
        once = self.identify(task, manifest, lookup)
        return None if once is None else self.ask(task, once, attempt, gone_by)

    def all_done(self, plan: Plan, lookup: Callable[[Task], Lookup]) -> dict[str, Found]:
        """What the record holds of each job, by key, if nothing of the plan is to be sent or read; else nothing.

        A job that is up to date stays so, whatever others do.

        Raises:
            StateError: the record cannot be read.
        """
        found: dict[str, Found] = {}
        for task in plan.tasks:
            try:
                here = self.look(task, plan.stages[task.stage].name, lookup(task), 1) if task.job.once else None
            except Unbound:
                here = None  # it is made from what another job hands on
            if here is None or here.move is not Move.UP_TO_DATE:
                return {}
            found[task.key] = here
        return found

    def identify(self, task: Task, manifest: str, lookup: Lookup) -> Once | None:
        """What a job is known by; None where its key comes to nothing.

        Raises:
            StateError: the record cannot be read.
            Unbound: a value that the key is made from is not there.
        """
        key = render(task.job.once, self.bindings, lookup).value
        if not key.strip():
            return None

        def identity(server: str) -> str:
            return keyed(self.digest_key, "once", server, manifest, task.job.name, key)[:_IDENTITY]

        url = self.urls[task.server]
        once = Once(
            identity=identity(place(url)),
            key=self.scrubber.scrub(key),
            server=self.shown_urls[task.server],
            mark=mark_of(self.digest_key),
            made_of=dict(made_of(task.job, self.digest_key, self.bindings, lookup)),
        )
        if "[" not in url or self.attempts.last_attempt(once.identity) is not None:
            return once
        spelled = (each.once.server for each in self._under_its_key(task, once))
        known = [url, *(each for each in spelled if same_server(each, once.server))]
        older = (identity(place(each, as_spelled=True)) for each in known)
        found = next((each for each in older if self.attempts.last_attempt(each) is not None), once.identity)
        return replace(once, identity=found)

    def ask(self, task: Task, once: Once, attempt: int, gone_by: tuple[str, int] | None = None) -> Found:
        """What to do about a job that is about to be sent as `attempt` number of this run.

        `gone_by` is the attempt of another run whose end this run has seen, and which the record may not know yet.

        Raises:
            StateError: the record cannot be read.
        """
        last = self._last(task, once)
        number = 1 if last is None or not last.readable else last.once.number + 1
        if last is not None and last.readable and (last.run, last.key) == (self.run, task.key):
            # Of its own submissions a run knows more than the record. One that did not arrive is the same one again.
            number -= last.attempt == attempt
            return Found(Move.SUBMIT, replace(once, number=number), last)
        if attempt == 1 and (ALL in self.again or task.key in self.again):
            return Found(Move.SUBMIT, replace(once, number=number, again=True), last)
        if last is not None and (last.run, last.attempt) == gone_by:
            return Found(Move.SUBMIT, replace(once, number=number), last)
        alive = self.attempts.under_way
        move = decide(last, wait=task.job.wait, under_way=lambda: last is not None and alive(last.run))
        if move is Move.DOUBT and last is not None and last.outcome is None:
            now = self._last(task, once)  # its process may have had the answer, and ended, between the two questions
            if now != last:
                return self.ask(task, once, attempt, gone_by)
        return Found(move, replace(once, number=number) if move is Move.SUBMIT else once, last)

    def _last(self, task: Task, once: Once) -> LastAttempt | None:
        last = self.attempts.last_attempt(once.identity)
        if last is not None:
            return last
        found = self._under_its_key(task, once)
        return next((each for each in (_perhaps(each, once) for each in found) if each is not None), None)

    def _under_its_key(self, task: Task, once: Once) -> Sequence[LastAttempt]:
        manifest = task.key.removesuffix(f"/{task.job.name}")
        return self.attempts.attempts_of(manifest, task.job.name, once.key)


def _perhaps(last: LastAttempt, once: Once) -> LastAttempt | None:
    """An attempt whose digests were made with another key of the state folder, as far as it may be about this job."""
    if last.once.mark == once.mark or not last.readable:
        return None
    same = same_server(last.once.server, once.server)
    return None if same is False else last if same or last.settled_by else replace(last, readable=False)


def same_server(then: str, now: str) -> bool | None:
    """Whether two URLs, as they are shown, are one server's; None where a part came from outside and none can tell."""
    if "${" in then or "${" in now:
        return None
    return place(then) == place(now)
