"""A simulated AFT!-like server at the level of HTTP, with a ledger that tells what really became of each submission."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from aftrun.domain.model import Json, State
from tests.simulation.kernel import NEVER, World
from tests.simulation.network import BREAKS, Broke, Exchange, Said

CORRELATION = "cid"
"""The param by which ledgers know job and attempt of a submission."""

UNSENT = tuple(how for how, (_, sent, _) in BREAKS.items() if not sent and how != "certificate")
"""Breaks that prove that no byte of the request left, and that may pass."""

END_WORDS: Mapping[State, tuple[str, ...]] = {
    State.SUCCEEDED: ("succeeded", "Completed", "SUCCESS"),
    State.FAILED: ("failed", "ERROR"),
    State.CANCELLED: ("cancelled", "Halted"),
}
WORDS: Mapping[str, tuple[str, ...]] = {"queued": ("queued", "PENDING"), "running": ("running", "InProgress")}
UNLISTED = ("frobnicating", "Phase 3")
"""Words that are on no list."""


@dataclass(slots=True)
class Job:
    """A line of the ledger: a job that was really created, and what becomes of it. Times are true seconds."""

    server: int
    job_id: str
    cid: str
    """`<run id>/<job>/<attempt>`: which submission made it."""
    body: Mapping[str, Json]
    at: float
    queued: float
    runs: float
    end: State
    word: str
    """The server's word for its end."""
    odd: str = ""
    """A word that is on no list, said in place of "running"."""
    outputs: bool = True
    lost_at: float = NEVER
    """When a restart of the server ended it and forgot it."""
    success_shown: float = NEVER
    """When an answer about this very job first said that it succeeded."""
    end_shown: float = NEVER
    """When an answer about this very job first said that it is over, however."""

    @property
    def over_at(self) -> float:
        """When it no longer runs."""
        return min(self.at + self.queued + self.runs, self.lost_at)

    def state(self, time: float) -> State:
        """What it is doing."""
        age = time - self.at
        if age < self.queued:
            return State.QUEUED
        return State.RUNNING if age < self.queued + self.runs else self.end


@dataclass(frozen=True, slots=True)
class Temper:
    """How a server of one night behaves: rates of faults between 0 and 1, and habits."""

    post_faults: float = 0.0
    posts: tuple[str, ...] = ()
    """The faults that submissions may meet here."""
    get_faults: float = 0.0
    gets: tuple[str, ...] = ()
    """The faults that status reads may meet here."""
    hidden: float = 0.0
    """Seconds for which a fresh job is answered 404."""
    vanishes: float = NEVER
    """Seconds after its end from which a job is answered 404."""
    dialect: int = 0
    numbers: bool = True
    """Ids are numbers that count up; else texts, unique for ever."""
    counts_on: bool = True
    """The counter of ids survives a restart."""
    remembers: bool = True
    """Jobs survive a restart."""
    odd: float = 0.0
    """Share of jobs that are in a state on no list while they run, or for good."""
    bad: float = 0.2
    """Share of jobs that fail or are cancelled."""
    longest: float = 20.0
    latency: float = 0.05
    slow: float = 0.0
    """Share of answers that take much longer."""


@dataclass(slots=True)
class SimServer:
    """What aftrun talks to (`post`, `get`), and the truth behind it (`ledger`)."""

    number: int
    world: World
    random: Random
    temper: Temper
    faults: dict[str, int]
    """How often each fault was injected, over the whole night."""
    ledger: list[Job] = field(default_factory=list)
    calm: bool = False
    """No more faults: the night must come to an end."""
    down_until: float = -1.0
    trouble: str = ""
    """A fault that every read meets, until `trouble_until`."""
    trouble_until: float = -1.0
    last_fate: tuple[str, Job | None] = ("", None)
    """Of the newest submission: `created`, `refused` (provably not), or `open`; and the job."""
    _jobs: dict[str, Job] = field(default_factory=dict)
    _count: int = 0

    # --- submissions ----------------------------------------------------------------------------------------------

    def post(self, body: Mapping[str, Json]) -> Exchange:
        """A submission arrives, or would have."""
        self._take_time()
        if self.world.time < self.down_until:
            self.last_fate = ("refused", None)
            return Broke("refused")
        temper = self.temper
        if not self.calm and temper.posts and self.random.random() < temper.post_faults:
            fault = self.random.choice(temper.posts)
            self._count_fault(f"POST {fault}")
            return self._post_fault(fault, body)
        made = self._create(body)
        self.last_fate = ("created", made)
        return Said(201, self._info(made, fresh=True))

    def _post_fault(self, fault: str, body: Mapping[str, Json]) -> Exchange:
        if fault in UNSENT or fault == "certificate":
            self.last_fate = ("refused", None)
            return Broke(fault)
        if fault.isdigit():
            status = int(fault)
            safe = 400 <= status < 500 or status in (307, 308)
            self.last_fate = ("refused" if safe else "open", None)
            headers: tuple[tuple[str, str], ...] = ()
            if status == 429:
                headers = (("Retry-After", self.random.choice(("1", "3", "40"))),)
            if 300 <= status < 400:
                headers = (("Location", "https://elsewhere/v1/jobs"),)
            return Said(status, b'{"message": "no"}', headers)
        if fault == "503 wait":
            self.last_fate = ("refused", None)
            return Said(503, b"busy", (("Retry-After", "2"),))
        created, _, how = fault.partition(" ")  # `made lost`, `unmade lost`, …
        made = self._create(body) if created == "made" else None
        self.last_fate = ("open", made)
        match how:
            case "no id":
                return Said(201, b'{"status": "queued"}')
            case "no JSON":
                return Said(201, b"<html><title>It works</title></html>")
            case "cut":
                return Said(201, b'{"id": 1', cut=True)
            case "500" | "502" | "504" | "503":
                return Said(int(how), b"oops")
            case "302":
                return Said(302, b"", (("Location", "/login"),))
        return Broke(how)

    def _create(self, body: Mapping[str, Json]) -> Job:
        random, temper = self.random, self.temper
        self._count += 1
        job_id = str(self._count) if temper.numbers else f"J{self.number}-{len(self.ledger) + 1:x}"
        end = State.SUCCEEDED
        if random.random() < temper.bad:
            end = State.FAILED if random.random() < 0.7 else State.CANCELLED
        odd, word = "", random.choice(END_WORDS[end])
        if random.random() < temper.odd:
            odd = random.choice(UNLISTED)
            if random.random() < 0.5:
                word = odd
        params: Any = body["params"]
        made = Job(
            self.number,
            job_id,
            str(params[CORRELATION]),
            body,
            self.world.time,
            random.choice((0.0, 0.0, 1.5)),
            random.choice((0.0, 1.0, 4.0, temper.longest)),
            end,
            word,
            odd,
        )
        self.ledger.append(made)
        self._jobs[job_id] = made
        return made

    # --- reads ----------------------------------------------------------------------------------------------------

    def get(self, job_id: str) -> Exchange:
        """A status read arrives, or would have."""
        self._take_time()
        time = self.world.time
        if time < self.down_until:
            return Broke("refused")
        temper = self.temper
        if not self.calm:
            if time < self.trouble_until:
                return self._get_fault(self.trouble, job_id)
            if temper.gets and self.random.random() < temper.get_faults:
                fault = self.random.choice(temper.gets)
                if self.random.random() < 0.3:  # it lasts
                    self.trouble, self.trouble_until = fault, time + self.random.choice((2.0, 40.0))
                return self._get_fault(fault, job_id)
        return self._truth(job_id)

    def _truth(self, job_id: str) -> Exchange:
        made = self._jobs.get(job_id)
        time = self.world.time
        if made is None or time - made.at < self.temper.hidden or time - made.over_at > self.temper.vanishes:
            if made is not None:
                self._count_fault("GET not listed")
            return Said(404, b'{"message": "no such job"}')
        return self._shown(made)

    def _shown(self, made: Job) -> Said:
        """The job info, and a note of what it told."""
        time = self.world.time
        state = made.state(time)
        if state not in (State.QUEUED, State.RUNNING) and made.word not in UNLISTED:
            made.end_shown = min(made.end_shown, time)
            if state is State.SUCCEEDED:
                made.success_shown = min(made.success_shown, time)
        return Said(200, self._info(made))

    def _get_fault(self, fault: str, job_id: str) -> Exchange:
        self._count_fault(f"GET {fault}")
        if fault in BREAKS:
            return Broke(fault)
        if fault.isdigit():
            headers: tuple[tuple[str, str], ...] = ()
            if fault in ("429", "503"):
                headers = (("Retry-After", self.random.choice(("1", "20", "31536000"))),)
            if fault in ("301", "302", "307"):
                headers = (("Location", "https://elsewhere/"),)
            return Said(int(fault), b'{"message": "no"}', headers)
        bodies = {
            "empty": b"",
            "no JSON": b"<html><title>Log in</title></html>",
            "null": b"null",
            "request is fine": b'{"status": "success", "data": null}',
        }
        if fault in bodies:
            return Said(200, bodies[fault])
        if fault == "cut":
            return Said(200, b'{"status": "succeeded", "id": "' + job_id.encode() + b'"', cut=True)
        return self._beside(fault, job_id) or self._truth(job_id)

    def _beside(self, fault: str, job_id: str) -> Said | None:
        """A right answer to a question that nobody asked; None where there is none to give."""
        mine = self._jobs.get(job_id)
        others = [each for each in self._jobs.values() if each is not mine]
        if fault == "another job" and others:
            info = json.loads(self._info(self.random.choice(others)))
            if self.random.random() < 0.5:  # the very id that was asked for may stand somewhere in it
                info["attempt"] = int(job_id) if job_id.isdigit() else job_id
            return Said(200, json.dumps(info).encode())
        if fault == "a list" and others:
            return Said(200, b"[" + b", ".join(self._info(each) for each in others[:2]) + b"]")
        if fault == "stale" and mine is not None:
            return Said(200, json.dumps({"id": mine.job_id, "status": "queued"}).encode())
        return None

    def _info(self, made: Job, *, fresh: bool = False) -> bytes:
        """The job info in this server's dialect."""
        state = State.QUEUED if fresh else made.state(self.world.time)
        over = state not in (State.QUEUED, State.RUNNING)
        if over:
            word = made.word
        elif state is State.RUNNING and made.odd:
            word = made.odd
        else:
            word = WORDS[state.value][self.temper.dialect % 2]
        name: Json = int(made.job_id) if made.job_id.isdigit() and self.temper.dialect % 3 == 0 else made.job_id
        match self.temper.dialect % 4:
            case 0:
                info: dict[str, Json] = {"id": name, "status": word}
            case 1:
                info = {"jobId": name, "state": word, "attempt": 1}
            case 2:
                info = {"status": "success", "data": {"id": name, "status": word}}
            case _:
                info = {"ID": name, "Status": word, "startedAt": None}
        if over and not fresh and self.temper.dialect % 4 == 0:
            info["exitCode"] = 0 if made.end is State.SUCCEEDED else 1
            if made.word in UNLISTED:
                del info["exitCode"]
        if over:
            info["n"] = len(made.cid)
        return json.dumps(info).encode()

    # --- the machine it runs on -----------------------------------------------------------------------------------

    def restart(self, seconds: float) -> None:
        """The server goes down, and comes back after so many seconds with what it remembers."""
        time = self.world.time
        self._count_fault("server restart")
        self.down_until = time + seconds
        if not self.temper.remembers:
            self._count_fault("server forgets its jobs")
            for made in self._jobs.values():
                made.lost_at = min(made.lost_at, max(time, made.at))
            self._jobs.clear()
            if not self.temper.counts_on:
                self._count_fault("server counts ids from 1 again")
                self._count = 0

    def _take_time(self) -> None:
        latency = self.temper.latency
        if self.temper.slow and not self.calm and self.random.random() < self.temper.slow:
            self._count_fault("slow answer")
            latency *= self.random.choice((10, 100))
        self.world.latency = latency

    def _count_fault(self, name: str) -> None:
        self.faults[name] = self.faults.get(name, 0) + 1
