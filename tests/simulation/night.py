"""One night: a random run on random servers, cut off and resumed until it ends, all from one seed."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, cast

from aftrun.domain.errors import StateError
from aftrun.domain.events import Event, RunResumed, RunStarted
from aftrun.domain.model import Failure, FailureKind, Reply, RunReport
from aftrun.run.fold import ReportBuilder
from aftrun.run.plan import headers as plan_headers
from aftrun.run.plan import make_plan
from aftrun.run.ports import Ticket
from aftrun.run.render import RunFacts, lookup_for
from aftrun.run.scheduler import Scheduler
from aftrun.run.select import to_read_again
from aftrun.run.steps import Steps
from aftrun.service.which import GOES_ON
from tests.simulation.checks import Broken, Checks
from tests.simulation.disk import SimDisk
from tests.simulation.kernel import Crash, SimPool, World
from tests.simulation.network import Reader, SimDoor
from tests.simulation.server import SimServer
from tests.simulation.story import Cut, Story

RUN = "20260101-000000-test"

PROCESSES = 6
"""Processes that work on one run at most. The last ones meet no more faults, so that the night ends."""

LONGEST = 3 * 86_400.0
"""Simulated seconds after which a run that has not ended is taken to be stuck."""


def _set_zone(name: str) -> None:
    """The machine is in another time zone."""
    os.environ["TZ"] = name
    time.tzset()


class Ours(Exception):
    """Something of aftrun's own failed."""


class _Pool(SimPool):
    """The kernel's pool; the process may be killed before and after a request leaves, and before it reads answers."""

    def __init__(self, night: Night, size: int) -> None:
        super().__init__(night.world, size, night.uplink)
        self._night = night

    def start(self, ticket: Ticket, call: Callable[[], Reply]) -> None:
        night = self._night
        night.step("before a request leaves")
        what = cast("partial[Reply]", call).args[0]
        index = ticket.index
        if ticket.submits:
            post = night.checks.post_leaves(index, what)
            door = cast("SimDoor", cast("Any", call).func.__self__)

            def sent() -> Reply:
                if night.short():
                    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
                if night.process != post.process or night.dead:  # killed with the request on its way out
                    if night.random.random() < 0.5:
                        return Failure(FailureKind.LOST, sent=True, message="nobody is left to hear this")
                    night.count("POST arrives after the kill")
                reply = call()
                post.fate, post.made = cast("SimServer", door.server).last_fate
                return reply

            super().start(ticket, sent)
        else:
            night.checks.read_leaves(index, what)

            def read() -> Reply:
                if night.short():
                    raise MemoryError
                return call()

            super().start(ticket, read)
        night.step("after a request left")

    def wait(self, timeout: float | None) -> list[tuple[Ticket, Reply | BaseException]]:
        night = self._night
        if night.world.time > LONGEST:
            raise AssertionError("the run does not end")
        results = super().wait(timeout)
        night.step("before answers are read")
        for ticket, reply in results:
            night.checks.answered(ticket, reply)
        return results


@dataclass(slots=True)
class Ended:
    """How one process came to its end."""

    report: RunReport | None
    crashed: bool
    lost_record: bool
    failed: bool = False
    """Something of aftrun's own failed."""


class Night:
    """Plays a story. `checks` says what promise was broken, if one was."""

    def __init__(self, story: Story, seed: int, reader: Reader, note: Callable[[str], None] | None = None) -> None:
        """`note` hears what happens, line by line, for people."""
        self.story, self.seed = story, seed
        self.world = World(epoch=story.epoch, booted=story.booted)
        self.random = Random(seed + 1)  # noqa: S311  # a simulation has no secrets
        self.faults: dict[str, int] = {}
        self.codes: list[int] = []
        """Exit codes of the processes that came to an end in good order."""
        self.plan = make_plan(story.manifests, keep_going=story.keep_going)
        self.servers = [
            SimServer(number, self.world, self.random, story.tempers[number], self.faults)
            for number in range(len(self.plan.servers))
        ]
        self.checks = Checks(self.plan, self.world, self.servers, story.zone, note)
        self.disk = SimDisk(self.world, self.random, self.step, self.checks)
        self.doors = [SimDoor(server, reader, self.world.now) for server in self.servers]
        self.process = 0
        self.steps_left = -1
        """Points that the process passes before it is killed; negative: it is not."""
        self.dead = False
        self._begun = False
        """The run is on record."""
        self._ours_left = self._short_left = -1
        """Events until a listener fails, and requests until the machine refuses something; negative: never."""
        self._note = note
        self._facts = RunFacts(RUN, story.epoch, story.zone)
        self._read_again = False
        """Jobs of unknown end have been read again."""

    def uplink(self) -> float:
        """How long a request takes to the server."""
        longest = self.story.uplink
        return longest * self.random.random() if longest else 0.0

    def step(self, point: str) -> None:
        """A point at which the process may be killed."""
        if self.dead or self.checks.violation:
            raise Crash
        if self.steps_left > 0:
            self.steps_left -= 1
            if not self.steps_left:
                self.kill(point)

    def kill(self, point: str) -> None:
        """The process is gone."""
        self.count(f"killed {point}")
        self.say(f"--- killed {point}")
        self.dead = True
        raise Crash

    def short(self) -> bool:
        """Whether the machine refuses something to this request."""
        self._short_left -= 1
        if self._short_left:
            return False
        self.count("machine is short of something")
        return True

    def count(self, fault: str) -> None:
        """A fault was injected."""
        self.faults[fault] = self.faults.get(fault, 0) + 1

    def say(self, text: str) -> None:
        """Note what happens, for people."""
        if self._note is not None:
            self._note(f"{self.world.time:10.3f}  {text}")

    # --- the night ------------------------------------------------------------------------------------------------

    def play(self) -> None:
        """From the first process to the end of the run.

        Raises:
            Broken: a promise was broken.
        """
        try:
            self._play()
        finally:
            if self.story.zone:
                _set_zone("UTC")
            if self.checks.violation:
                raise Broken(self.checks.violation)

    def _play(self) -> None:
        self._plan_outside()
        cuts = [*self.story.cuts, *[Cut(gap=5.0)] * PROCESSES][:PROCESSES]
        for number, cut in enumerate(cuts):
            self.process = number
            if self.checks.violation:
                return
            calm = number >= len(self.story.cuts) + 1
            for server in self.servers:
                server.calm = calm
            if calm:
                self.disk.database.locked_until = -1.0
            ended = self._process(cut)
            self.dead = True
            self.checks.process_ended(
                ended.report, crashed=ended.crashed, lost_record=ended.lost_record, disk=self.disk.events
            )
            if ended.report is not None and ended.report.exit_code is not None:
                self.codes.append(ended.report.exit_code)
            if not self._goes_on(ended):
                break
            self.world.advance(self.world.time + cut.gap)
            if cut.damage and self._begun:
                self.count(cut.damage)
                self.say(f"--- {cut.damage}")
                self.disk.hurt(cut.damage)
            if cut.reboots and cut.gap:
                self.count("reboot")
                self.world.boot(since=min(cut.gap, 20.0))
        else:
            self.checks.broken("the run has not ended after many undisturbed resumes")
        self.checks.night_ended(self.disk.events)

    def _goes_on(self, ended: Ended) -> bool:
        """Whether there is something to resume."""
        if ended.crashed or ended.lost_record or ended.failed:
            return True
        if ended.report is None or ended.report.outcome in GOES_ON:
            return ended.report is not None
        if self._read_again or not to_read_again(ended.report.jobs):
            return False
        self._read_again = True
        return True

    def _plan_outside(self) -> None:
        """What happens to servers and clocks while the run goes on."""
        world = self.world
        for number, at, seconds in self.story.restarts:
            if number < len(self.servers):
                world.at(at, partial(self._restart, number, seconds))
        for kind, at, seconds in self.story.clock:
            world.at(at, partial(self._disturb_clock, kind, seconds))

    def _restart(self, number: int, seconds: float) -> None:
        self.say(f"--- server {number} restarts, {seconds:g} s")
        self.servers[number].restart(seconds)

    def _disturb_clock(self, kind: str, seconds: float) -> None:
        self.count(f"clock {kind}")
        self.checks.clocks_disturbed = True
        if kind.startswith("sleep"):
            self.say(f"--- the machine sleeps for {seconds:g} s")
            self.world.sleep(seconds, still=kind == "sleep still")
        else:
            self.say(f"--- the wall clock is set by {seconds:g} s")
            self.world.set_clock(seconds)

    def _process(self, cut: Cut) -> Ended:
        """One process' work on the run."""
        world, disk = self.world, self.disk
        if self.story.zones:
            _set_zone(self.story.zones[self.process])
        self.dead = False
        self.steps_left = cut.number if cut.kind == "step" else -1
        self._ours_left = cut.number if cut.kind == "ours" else -1
        self._short_left = cut.number if cut.kind == "short" else -1
        disk.files.full_from = disk.files.writes + cut.number if cut.kind == "full" else 0
        disk.files.full_for = self.random.choice((0, 0, 1, 2, 5))
        if cut.kind == "full":
            self.count("disk full")
        if cut.kind == "locked":
            world.at(world.time + cut.time, partial(self._lock, float(cut.number)))
        self.say(f"=== process {self.process}: {cut}")
        scheduler: Scheduler | None = None
        try:
            opened = self._open()
            if opened is None:
                return Ended(None, crashed=False, lost_record=True)
            history, opening = opened
            self.checks.process_begins(self.process)
            slots = max(min(stage.strategy.slots, stage.count) for stage in self.plan.stages)
            pool = _Pool(self, slots)
            steps = Steps(self.plan, self._facts, {}, clock=world, random=self.random)
            scheduler = Scheduler(steps, self.doors, disk, pool, listeners=(self._hear,), history=history)
            disk.files.hurried = partial(bool, 0)
            if cut.kind == "signal":
                world.at(world.time + cut.time, partial(self._signal, self.process, scheduler, cut.number))
            elif cut.kind == "time":
                world.at(world.time + cut.time, partial(self._kill_in_time, self.process))
            report = scheduler.run(opening)
        except Crash:
            return Ended(None, crashed=True, lost_record=False)
        except Ours:
            self.checks.failed()
            return Ended(
                None,
                crashed=False,
                lost_record=scheduler is not None and scheduler.state_error is not None,
                failed=True,
            )
        except Exception as error:  # whatever it is, it is a bug that was found
            self.checks.broken(f"a bug: {type(error).__name__}: {error}")
            raise
        return Ended(report, crashed=False, lost_record=scheduler.state_error is not None)

    def _open(self) -> tuple[list[Event], list[Event]] | None:
        """What was on record before, and what this process begins with; None where the record cannot be written."""
        disk, now = self.disk, self.world.now()
        try:
            if not self._begun:
                opening: list[Event] = [self._start()]
                disk.begin(opening)
                self._begun = True
                disk.use(RUN)
                return [], opening
            history, notes = disk.open(now)
            self.checks.on_record(history)
            for note in notes:
                self.say(f"note     {note}")
            disk.use(RUN)
            again = to_read_again(tuple(ReportBuilder(history).jobs().values()))
            opening = [RunResumed(now, self.process, "here", again or None)]
            disk.append(opening)
        except StateError:
            return None
        return history, opening

    def _lock(self, seconds: float) -> None:
        self.count("state file locked by another program")
        self.say(f"--- the state file is locked for {seconds:g} s")
        self.checks.clocks_disturbed = self.checks.held_up = True
        self.disk.database.locked_until = self.world.time + seconds

    def _signal(self, process: int, scheduler: Scheduler, number: int) -> None:
        if self.process != process or self.dead:
            return
        self.count(f"signal {number}")
        self.say(f"--- signal {number}")
        self.checks.interrupted(number)
        self.disk.files.hurried = partial(bool, 1)
        scheduler.interrupt(number)

    def _kill_in_time(self, process: int) -> None:
        if self.process == process and not self.dead:
            self.kill("while it waits")

    def _hear(self, event: Event, _folder: ReportBuilder) -> None:
        self.checks.told(event)
        self._ours_left -= 1
        if not self._ours_left:
            self.count("a listener fails")
            self.say("--- a listener fails")
            raise Ours

    def _start(self) -> RunStarted:
        facts = self._facts
        jobs = plan_headers(self.plan, lambda task: lookup_for(task, facts, {}, lambda _: None))
        return RunStarted(facts.started_at, RUN, jobs, journal=True, zone=facts.zone or None)
