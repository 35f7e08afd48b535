"""A simulated disk with the two files of the record on it: what is in each, and what a write or the time can do to it.

What writes to the files (`RunJournal`) and what makes one truth of them (`decode`, `reconcile`) is the real thing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Protocol, cast

from aftrun.domain.errors import StateError
from aftrun.domain.events import Event, Warned
from aftrun.run.store import journal_file
from aftrun.run.store.database import BUSY_SECONDS, HURRIED_SECONDS, Busy
from aftrun.run.store.journal import RunJournal
from aftrun.run.store.journal_file import Head, encode, event_line, head_line
from aftrun.run.store.reconcile import Witness, reconcile
from tests.simulation.kernel import World

_HEAD = Head("run")


class Watcher(Protocol):
    """Hears what becomes of writes."""

    def durable(self, events: Sequence[Event]) -> None:
        """Events are on disk now."""
        ...

    def record_lost(self) -> None:
        """A write failed."""
        ...


class _Files:
    """What the two files share: one disk, one process that may be killed at any point."""

    def __init__(self, world: World, step: Callable[[str], None]) -> None:
        self.world, self.step = world, step
        self.hurried: Callable[[], bool] = lambda: False
        """Whether the run was told to stop."""
        self.writes = 0
        self.full_from = 0
        """From this write on (counted from 1, over all processes) the disk is full; 0: never."""
        self.full_for = 0
        """Writes after which there is space again; 0: never."""

    def write(self, what: str) -> None:
        """A write begins.

        Raises:
            StateError: the disk is full.
        """
        self.step(f"before a write to the {what}")
        self.writes += 1
        past = self.writes - self.full_from
        if self.full_from and past >= 0 and (not self.full_for or past < self.full_for):
            raise StateError("the disk is full", hint="free some space")


class _Database:
    """`state.db`, as `RunJournal` sees it: a transaction is there as a whole, or not at all."""

    def __init__(self, files: _Files) -> None:
        self._files = files
        self.events: dict[int, Event] = {}
        self.locked_until = -1.0
        """Another program has it locked until then (true time)."""
        self.gone = ""
        """What somebody did to the file while it was in use."""
        self.damage = ""

    def next_number(self, _run: str) -> int:
        return max(self.events, default=-1) + 1

    def check(self) -> None:
        if self.gone:
            raise StateError(f"state.db was {self.gone} while the run was under way")

    def append(
        self, _run: str, events: Sequence[Event], *, first: int, patience: float | None = None, **_: object
    ) -> list[Event]:
        world = self._files.world
        if world.time < self.locked_until:
            limit = BUSY_SECONDS if patience is None else patience
            limit = min(limit, HURRIED_SECONDS) if self._files.hurried() else limit
            world.advance(min(self.locked_until, world.time + limit))
            if world.time < self.locked_until:
                raise Busy("state.db is locked by another program")
        self._files.write("state file")
        self.events.update(enumerate(events, first))
        self._files.step("after a write to the state file")
        return list(events)


class _Journal:
    """`journal.ndjson`: bytes, of which a process that is killed leaves the first ones."""

    def __init__(self, files: _Files, random: Random) -> None:
        self._files, self._random = files, random
        self.data = bytearray()
        self.there = True
        self.gone = ""

    def check(self) -> None:
        if self.gone:
            raise StateError(f"journal.ndjson was {self.gone} while the run was under way")

    check_open = check

    def append(self, lines: Sequence[str]) -> None:
        self._files.write("journal")
        data = "".join(lines).encode("ascii")
        half = int(self._random.random() * len(data))
        self.data += data[:half]
        self._files.step("in the middle of a write to the journal")
        self.data += data[half:]
        self._files.step("after a write to the journal")


class SimDisk:
    """Keeps what was written through every crash. `step` is called at each point at which the process may be killed."""

    def __init__(self, world: World, random: Random, step: Callable[[str], None], watcher: Watcher) -> None:
        self.files = _Files(world, step)
        self.database = _Database(self.files)
        self.journal = _Journal(self.files, random)
        self._random, self._watcher = random, watcher
        self._record: RunJournal | None = None
        self._hurt = ""
        """The file that was damaged, and has not been put in order since: the other one is spared."""

    @property
    def events(self) -> list[Event]:
        """What the state file holds, in order."""
        return [self.database.events[number] for number in sorted(self.database.events)]

    # --- what a process does ---------------------------------------------------------------------------------------

    def begin(self, opening: Sequence[Event]) -> None:
        """A new run: its first events are in both files, or it has not begun.

        Raises:
            StateError: they cannot be written.
        """
        self.files.write("state file")
        self.database.events.update(enumerate(opening))
        self._rewrite(opening)
        self._watcher.durable(opening)

    def open(self, now: float) -> tuple[list[Event], list[str]]:
        """What is on record of a run, and what was wrong with the files; both agree afterwards.

        Raises:
            StateError: they cannot be written.
        """
        lines = (
            journal_file.decode(bytes(self.journal.data)) if self.journal.there else journal_file.Lines(damage="gone")
        )
        database = Witness("state.db", self.database.events, self.database.damage)
        found = reconcile(database, Witness("journal.ndjson", lines.events, lines.damage, lines.length))
        notes = [Warned(now, note) for note in found.notes]
        events: list[Event] = [*found.events, *found.sealed, *notes]
        if not (found.database_whole and found.journal_whole and not notes):
            self.files.write("state file")
            self.database.events = dict(enumerate(events))
            self.database.damage = ""
            self._rewrite(events)
        self._hurt = ""
        self.database.gone = self.journal.gone = ""
        return events, [*found.notes]

    def use(self, run: str) -> None:
        """A process begins to write."""
        self._record = RunJournal(cast("Any", self.database), run, self.journal)

    def append(self, events: Sequence[Event]) -> Sequence[Event]:
        """The scheduler's `Journal`."""
        assert events, "an empty batch costs a write for nothing"
        assert self._record is not None
        try:
            written = self._record.append(events)
        except StateError:
            self._watcher.record_lost()
            raise
        self._watcher.durable(written)
        return written

    def keep(self, events: Sequence[Event]) -> None:
        """The scheduler's `Journal`, once a write has failed."""
        assert self._record is not None
        self._record.keep(events)

    def _rewrite(self, events: Sequence[Event]) -> None:
        """A journal in place of the old one: whole, or not at all."""
        self.files.step("before the journal is made")
        text = head_line(_HEAD) + "".join(event_line(number, encode(event)) for number, event in enumerate(events))
        self.journal.data = bytearray(text.encode("ascii"))
        self.journal.there = True
        self.files.step("after the journal was made")

    # --- what happens to it ----------------------------------------------------------------------------------------

    def hurt(self, kind: str) -> None:
        """One of the files is damaged while nobody uses it."""
        events = self.database.events
        if not events or not self.journal.data:
            return  # the run has hardly begun
        file = kind.partition(":")[0]
        if self._hurt not in ("", file):
            return
        lines = journal_file.decode(bytes(self.journal.data))
        whole = events if file == "journal" else lines.events
        if len(whole) < max(len(events), len(lines.events)):
            return  # while the state file was locked, or the disk full, the other one has what this one has not
        self._hurt = file
        match kind:
            case "state file: its newest part is dropped without a word":
                for number in sorted(events)[-self._some(len(events)) :]:
                    del events[number]
            case "state file: damaged, and it shows":
                for number in self._random.sample(sorted(events), self._some(len(events))):
                    del events[number]
                self.database.damage = "a page does not fit"
            case "state file: deleted":
                events.clear()
                self.database.damage = "it does not hold the run"
            case "journal: deleted":
                self.journal.there = False
            case "journal: cut short":
                del self.journal.data[-self._some(len(self.journal.data)) :]
            case "journal: a byte is another one":
                self.journal.data[self._some(len(self.journal.data)) - 1] ^= 1 << self._some(7)

    def _some(self, most: int) -> int:
        """A number from 1 to `most`, mostly a small one."""
        return 1 + int(self._random.random() ** 2 * most * 0.999)


DAMAGES = (
    "state file: its newest part is dropped without a word",
    "state file: damaged, and it shows",
    "state file: deleted",
    "journal: deleted",
    "journal: cut short",
    "journal: a byte is another one",
)
"""What `SimDisk.hurt` can do."""
