"""Processes that apply one manifest in a state folder, in every order: a model says what each may find and do.

Processes are as far as their records go: they ask (`Admission.ask`), begin (`OnDisk`, with `Admission.check`), put
intents and ends on record, and are killed, interrupted or come to their end. Between any two steps others have their
turn. What a process was told may be stale by the time it acts on it; what is on record never may.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from aftrun.domain.errors import UnderWay
from aftrun.domain.events import AttemptEnded, Event, Interrupted, JobEnded, Reason, RunEnded, SubmitIntended
from aftrun.domain.model import Outcome, Overlap, Unfinished
from aftrun.manifest import bind, load_all
from aftrun.run import admission as rules
from aftrun.run.ports import Journal, SystemClock
from aftrun.run.store import lock
from aftrun.service import admission
from aftrun.service.admission import Admission, Begin, Instead, Overtaken
from aftrun.service.options import RunOptions
from aftrun.service.prepare import PreparedRun, prepare, prepare_run
from aftrun.service.recording import OnDisk
from tests.effort import effort

NIGHTS = effort(quick=10, usual=40, long=2000)
STEPS = 25
JOBS = ("a", "b", "c")
MANIFEST = "name: m\nserver: {apiKey: k}\nstrategy: {order: parallel}\njobs:\n" + "".join(
    f"  - {{name: {job}, scriptName: x}}\n" for job in JOBS
)


@dataclass
class Process:
    """One that has begun a run and works on it."""

    run: str
    jobs: frozenset[str]
    stack: ExitStack
    journal: Journal
    open: set[str] = field(default_factory=set)
    """Jobs with an intent and no end on record."""
    left: list[str] = field(default_factory=list)
    """Jobs that it has not begun."""


class Broken(Exception):
    """What must not be."""


class Night:
    """A state folder, and who works there."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311  # it only draws a night
        self.folder, self.path = folder / "state", folder / "m.yaml"
        self.path.write_text(MANIFEST, encoding="utf-8")
        self.alive: list[Process] = []
        self.cut_off: dict[str, tuple[frozenset[str], set[str], list[str]]] = {}
        """Runs whose process is gone without an end: all jobs, the open ones, those that were never begun."""
        self.asking: list[tuple[Admission, tuple[str, ...]]] = []
        """Processes that were told to begin, and have not yet."""
        self.count = 0

    def setup(self, run: str, jobs: tuple[str, ...]) -> PreparedRun:
        """A run of these jobs."""
        options = RunOptions(paths=(str(self.path),), select=jobs)
        manifests = prepare(load_all([str(self.path)], environ={}).manifests, options)
        return prepare_run(manifests, bind(manifests, {}), options, run_id=run)

    def play(self) -> None:
        """All steps, and the ends of everybody who is left."""
        try:
            for _ in range(STEPS):
                self.random.choice((self.ask, self.ask, self.begin, self.begin, self.work, self.work, self.leave))()
        finally:
            for process in self.alive:
                process.stack.close()

    # --- steps ----------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """A process asks the record, and is told what the model says."""
        jobs = tuple(sorted(self.random.sample(JOBS, self.random.choice((1, 2, 3)))))
        overlap = self.random.choice((Overlap.REFUSE, Overlap.REFUSE, Overlap.ATTACH, Overlap.ALLOW))
        unfinished = self.random.choice(tuple(Unfinished))
        asks = Admission(self.setup("x", jobs).plan, self.folder, {}, overlap=overlap, unfinished=unfinished)
        wanted = frozenset(f"m/{job}" for job in jobs)
        try:
            found: object = asks.ask()
        except UnderWay:
            found = None
        expected = self.expected(wanted, overlap, unfinished)
        if found != expected:
            raise Broken(f"{overlap}, {unfinished}, {jobs}: {found}, and not {expected}")
        if isinstance(found, Begin):
            self.asking.append((asks, jobs))

    def expected(self, wanted: frozenset[str], overlap: Overlap, unfinished: Unfinished) -> object:
        """What the contract says; None: refused."""
        beside = [process for process in self.alive if process.jobs & wanted]
        if beside and overlap is not Overlap.ALLOW:
            if overlap is Overlap.ATTACH and len(beside) == 1 and wanted <= beside[0].jobs:
                return Instead(beside[0].run, resume=False)
            return None
        after = {run: jobs for run, (jobs, opened, _) in self.cut_off.items() if opened & wanted}
        if after and unfinished is not Unfinished.IGNORE:
            if unfinished is Unfinished.RESUME and len(after) == 1 and wanted <= next(iter(after.values())):
                return Instead(next(iter(after)), resume=True)
            return None
        return Begin()

    def begin(self) -> None:
        """One that was told to begin does, or is overtaken if something has changed for it."""
        if not self.asking:
            return
        asks, jobs = self.asking.pop(self.random.randrange(len(self.asking)))
        wanted = frozenset(f"m/{job}" for job in jobs)
        self.count += 1
        run, stack = f"r{self.count}", ExitStack()
        record = OnDisk(self.folder, admit=asks.check)
        opened = record.opened(self.setup(run, jobs), SystemClock(), say=lambda _: None, hurried=lambda: False)
        rule = next(iter(asks.asked.rules.values()))
        stands = [each.run for each in self.alive if each.jobs & wanted and rule.overlap is not Overlap.ALLOW]
        stands += [
            run
            for run, (_, opens, _) in self.cut_off.items()
            if opens & wanted and rule.unfinished is not Unfinished.IGNORE
        ]
        try:
            recording = stack.enter_context(opened)
        except Overtaken:
            return  # it would ask again; being too careful for a moment harms nobody
        if stands:
            stack.close()
            raise Broken(f"{run} began beside {stands}")
        self.alive.append(Process(run, wanted, stack, recording.journal, left=sorted(wanted)))

    def work(self) -> None:
        """Somebody puts an intent or an end on record."""
        if not self.alive:
            return
        process = self.random.choice(self.alive)
        if process.left and (not process.open or self.random.random() < 0.6):
            job = process.left.pop()
            process.journal.append([SubmitIntended(1.0, job, 1)])
            process.open.add(job)
        elif process.open:
            job = self.random.choice(sorted(process.open))
            process.journal.append(
                [
                    AttemptEnded(2.0, job, 1, Outcome.FAILED, Reason.DONE),
                    JobEnded(2.0, job, Outcome.FAILED, Reason.DONE),
                ]
            )
            process.open.remove(job)

    def leave(self) -> None:
        """Somebody is killed, interrupted, or has done all that there was to do."""
        if not self.alive:
            return
        process = self.alive.pop(self.random.randrange(len(self.alive)))
        ends: list[Event] = []
        if not process.open and not process.left:
            ends = [RunEnded(3.0, "failed", 1)]
        else:
            if self.random.random() < 0.5:
                ends = [Interrupted(3.0, 2), RunEnded(3.0, "interrupted", 130)]
            self.cut_off[process.run] = (process.jobs, process.open, process.left)
        if ends:
            process.journal.append(ends)
        process.stack.close()


PLANTED: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "nobody is asked when a run begins": lambda patch: patch.setattr(Admission, "check", lambda *_: None),
    "whoever holds a lock is not seen": lambda patch: patch.setattr(lock, "_named", lambda _: None),
    "an intent without an answer is nothing": lambda patch: patch.setattr(
        rules, "_is_open", lambda job: bool(job.job_id)
    ),
    "Ctrl-C is an end": lambda patch: patch.setattr(admission, "_MAY_GO_ON", ()),
    "any run may be attached to": lambda patch: patch.setattr(rules, "_not_instead", lambda *_: ""),
}
"""Mistakes that could be made, and have to be found."""


def nights(folder: Path, number: int) -> int:
    """So many, each in a folder of its own; returns how many runs began."""
    begun = 0
    for seed in range(number):
        place = folder / str(seed)
        place.mkdir()
        night = Night(place, seed)
        night.play()
        begun += night.count
    return begun


def test_no_night_breaks_a_promise(tmp_path: Path) -> None:
    """Nobody begins beside a run of the same jobs, or after one that is open, unless told to, or is refused in vain."""
    assert nights(tmp_path, NIGHTS) > NIGHTS


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(tmp_path: Path, bug: str) -> None:
    """In a few nights."""
    with pytest.MonkeyPatch.context() as patch:
        PLANTED[bug](patch)
        with pytest.raises(Broken):
            nights(tmp_path, 200)
