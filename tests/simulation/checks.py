"""The promises, held against the truth: what is on disk, what leaves, what servers really did.

Nothing here uses the rules that are under test; where a rule has to be known, it is written down once more, plainly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from aftrun.domain.errors import StateError
from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
    Event,
    Interrupted,
    JobEnded,
    Reason,
    RunEnded,
    RunResumed,
    SubmitDeferred,
    SubmitIntended,
)
from aftrun.domain.model import Answer, JobResult, Json, OnAmbiguous, Outcome, Reply, RunReport, When
from aftrun.run.fold import fold
from aftrun.run.plan import Plan, Task
from aftrun.run.ports import WAKE, Ticket
from tests.simulation.kernel import NEVER, World
from tests.simulation.server import CORRELATION, Job, SimServer
from tests.simulation.story import DATE_FORMAT

GRACE = 30.0
"""Seconds for which "no such job" is no reason to give up: SPEC, section 5, "for a while"."""

READ_WAIT = 60.0
"""Seconds of a `Retry-After` that count on a read: SPEC, section 5."""

_FORGIVEN = (Outcome.FAILED, Outcome.REJECTED, Outcome.UNDELIVERED, Outcome.CANCELLED, Outcome.TIMED_OUT)
"""What `allowFailure` forgives."""


class Broken(AssertionError):
    """A promise was broken."""


@dataclass(slots=True)
class Post:
    """One submission that left."""

    key: str
    attempt: int
    process: int
    left: float
    fate: str = "open"
    """What it came to on the server: ``created``, ``refused`` (provably nothing), ``open`` (nobody could tell)."""
    made: Job | None = None
    settled: bool = False
    """What followed from its answer is on disk."""


@dataclass(slots=True)
class Seen:
    """One job of the run: what left, what is on disk, when. Times are true seconds."""

    task: Task
    posts: list[Post] = field(default_factory=list)
    intents: dict[int, int] = field(default_factory=dict)
    """Intents on disk, by attempt, that no submission has used up in this process."""
    read_again: bool = False
    """It had ended as unknown, and a resume reads it again: it may be one more than there are slots."""
    begun: bool = False
    """An intent is on disk."""
    abandoned: int = 0
    """Intents of processes that died before the submission left."""
    ids: dict[str, int] = field(default_factory=dict)
    """Ids on disk, with their attempt."""
    accepted: dict[int, tuple[str, float]] = field(default_factory=dict)
    """By attempt: id, and when its acceptance was durable."""
    over: dict[int, tuple[AttemptEnded, float]] = field(default_factory=dict)
    ended: JobEnded | None = None
    missing: float = NEVER
    """When the unbroken row of answers "no such job" began, that this process has read."""
    refused: float = NEVER
    """The same for answers that do not let this key read the job."""
    read: float = NEVER
    """When this process last read an answer about the job."""


class Checks:
    """Watches one night. The first promise that is broken raises `Broken`, with what was expected."""

    def __init__(
        self,
        plan: Plan,
        world: World,
        servers: Sequence[SimServer],
        zone: str,
        note: Callable[[str], None] | None,
    ) -> None:
        """`zone` is the time zone in which the run begins."""
        self._plan, self._world, self._servers, self._note = plan, world, servers, note
        self.violation = ""
        """The first promise that was broken."""
        self.clocks_disturbed = False
        """The process was held up, the machine slept, or its wall clock was set: no length of time can be held
        against true time."""
        self.held_up = False
        """The record was locked for a while: a submission may leave late."""
        self._jobs = {task.key: Seen(task) for task in plan.tasks}
        self._by_label = {task.label: self._jobs[task.key] for task in plan.tasks}
        self._told: list[Event] = []
        self._process = 0
        self._began = 0.0
        self._signal = 0
        self._record_lost = False
        self._finishes = [_finish(stage.strategy.finish_by, world.now(), zone) for stage in plan.stages]
        self._date = f"{datetime.fromtimestamp(world.now(), ZoneInfo(zone or 'UTC')):{DATE_FORMAT}}"

    def broken(self, promise: str) -> None:
        """Say that a promise was broken.

        Raises:
            Broken: always.
        """
        # Kept, since what is tested may catch what is raised, or die while it does so.
        self.violation = self.violation or promise
        raise Broken(promise)

    def _say(self, text: str) -> None:
        if self._note is not None:
            self._note(f"{self._world.time:10.3f}  {text}")

    # --- processes ------------------------------------------------------------------------------------------------

    def process_begins(self, number: int) -> None:
        """A process takes the run up."""
        self._process, self._began = number, self._world.time
        self._signal, self._record_lost = 0, False
        self._told.clear()
        for seen in self._jobs.values():
            seen.missing = seen.refused = seen.read = NEVER
            # An intent of a process that died is no leave for the next one: nobody can tell what came of it.
            seen.abandoned += sum(seen.intents.values())
            seen.intents.clear()

    def interrupted(self, number: int) -> None:
        """A signal was delivered."""
        self._signal = number

    def record_lost(self) -> None:
        """A write failed."""
        self._record_lost = True

    # --- what becomes durable, and what leaves --------------------------------------------------------------------

    def durable(self, events: Sequence[Event]) -> None:
        """Events are on disk now."""
        for event in events:
            if self._note is not None:
                self._say(f"on disk  {_brief(event)}")
            match event:
                case SubmitIntended():
                    seen = self._jobs[event.job]
                    seen.intents[event.attempt] = seen.intents.get(event.attempt, 0) + 1
                case Accepted():
                    seen = self._jobs[event.job]
                    seen.ids[event.job_id] = event.attempt
                    seen.accepted[event.attempt] = (event.job_id, self._world.time)
                    self._settle(seen, event.attempt)
                case SubmitDeferred():
                    seen = self._jobs[event.job]
                    seen.intents[event.attempt] = 0  # where nothing has left, it never will
                    self._settle(seen, event.attempt)
                case AttemptEnded():
                    seen = self._jobs[event.job]
                    seen.over[event.attempt] = (event, self._world.time)
                    self._settle(seen, event.attempt)
                    self._attempt_ended(seen, event)
                case RunResumed():
                    self._reopen(event)
                case JobEnded():
                    self._jobs[event.job].ended = event
                    early = self._world.now() < self._finishes[self._jobs[event.job].task.stage] - 0.01
                    if event.reason is Reason.FINISH_BY and early and not self.clocks_disturbed:
                        self.broken(f"{event.job} was given up before finishBy")

    @staticmethod
    def _settle(seen: Seen, attempt: int) -> None:
        for post in seen.posts:
            if post.attempt == attempt:
                post.settled = True

    def on_record(self, events: Sequence[Event]) -> None:
        """What a process that resumes the run has found in the files of the record."""
        last: dict[tuple[str, int], Event] = {}
        found: dict[str, set[str]] = {key: set() for key in self._jobs}
        for event in events:
            if isinstance(event, SubmitIntended | SubmitDeferred | Accepted | AttemptEnded):
                last[event.job, event.attempt] = event
                self._jobs[event.job].begun = True
            if isinstance(event, Accepted):
                found[event.job].add(event.job_id)
            self._recall(event)
        for (key, attempt), event in last.items():
            if not isinstance(event, SubmitIntended):
                self._settle(self._jobs[key], attempt)
        for key, seen in self._jobs.items():
            lost = seen.ids.keys() - found[key]
            if lost:
                self.broken(f"the ids {sorted(lost)} of {key} were on disk, and the next process does not find them")
            for post in seen.posts:
                if (key, post.attempt) not in last:
                    self.broken(f"the intent of {key} attempt {post.attempt} was on disk, and is not found")

    def _recall(self, event: Event) -> None:
        """An event may be on disk without anybody having been told: the process was killed in between."""
        if isinstance(event, Accepted):
            seen = self._jobs[event.job]
            seen.ids[event.job_id] = event.attempt
            seen.accepted.setdefault(event.attempt, (event.job_id, self._world.when(event.at)))
        elif isinstance(event, AttemptEnded):
            self._jobs[event.job].over.setdefault(event.attempt, (event, self._world.when(event.at)))
        elif isinstance(event, JobEnded):
            self._jobs[event.job].ended = event
        elif isinstance(event, RunResumed):
            self._reopen(event)

    def _reopen(self, event: RunResumed) -> None:
        """Jobs that had ended, and are followed again."""
        for key in event.again or ():
            self._jobs[key].ended = None
            self._jobs[key].read_again = True

    def post_leaves(self, index: int, body: Mapping[str, Json]) -> Post:
        """A submission is about to leave."""
        params: Any = body["params"]
        seen = self._jobs[self._plan.tasks[index].key]
        task = seen.task
        attempt = int(str(params[CORRELATION]).rpartition("/")[2])
        where = f"{task.key} attempt {attempt}"
        if self._note is not None:
            self._say(f"POST     {where}")
        if seen.intents.get(attempt, 0) < 1:
            self.broken(f"a POST for {where} left before its intent was on disk")
        seen.intents[attempt] -= 1
        for post in seen.posts:
            self._may_follow(post, task, where)
        if seen.abandoned and task.job.on_ambiguous is not OnAmbiguous.RESUBMIT:
            self.broken(f"a POST for {where} left, although an intent is on disk of which nobody knows what came of it")
        before = seen.over.get(attempt - 1)
        if before is not None and before[0].outcome in (Outcome.FAILED, Outcome.CANCELLED):
            retry = task.job.retry
            pause = min(retry.duration * retry.factor ** (attempt - 2), retry.cap)
            if self._world.time - before[1] < pause - 0.01 and not self.clocks_disturbed:
                self.broken(
                    f"{where} was submitted {self._world.time - before[1]:.3f} s after the one before: too soon"
                )
        if self._signal:
            self.broken(f"a POST for {where} left after the interruption")
        if self._record_lost:
            self.broken(f"a POST for {where} left although the record could not be written")
        if self._world.now() >= self._finishes[task.stage] and not self.held_up:
            self.broken(f"a POST for {where} left after finishBy")
        if seen.ended is not None:
            self.broken(f"a POST for {where} left although the job had ended")
        if not seen.begun:  # one that a resume reads again may be tried again while others are still read
            self._needs(task, where)
        self._slots(task, where)
        self._inside(task, params, where)
        post = Post(task.key, attempt, self._process, self._world.time)
        seen.posts.append(post)
        return post

    def _inside(self, task: Task, params: Mapping[str, Json], where: str) -> None:
        """What `${{ … }}` became."""
        if params.get("date", self._date) != self._date:
            self.broken(f"{where} was given the date {params['date']}, and the run began at {self._date}")
        upstream = params.get("upstream")
        if upstream is not None and not any(
            str(upstream) in self._jobs[self._plan.tasks[need].key].ids for need in task.needs
        ):
            self.broken(f"{where} was given the id {upstream}, which is not on disk as that of a job it needs")

    def _may_follow(self, before: Post, task: Task, where: str) -> None:
        """Never twice: whether another submission may follow this one."""
        resubmit = task.job.on_ambiguous is OnAmbiguous.RESUBMIT
        if before.fate == "refused" and before.settled:
            return
        if before.attempt in self._jobs[task.key].accepted:
            if before.made is not None and before.made.end_shown <= self._world.time:
                return  # seen to be over; whether it may be tried again is a matter of `retry`
            self.broken(f"a second POST for {where} left, although nobody has seen the job end that the first one made")
        if resubmit:
            return
        self.broken(
            f"a second POST for {where} left, although the first one's fate is not provably nothing: {before.fate}"
            + ("" if before.settled else ", and what came of it is not on disk")
        )

    def _needs(self, task: Task, where: str) -> None:
        job = task.job
        goods = []
        for need in task.needs:
            ended = self._jobs[self._plan.tasks[need].key].ended
            if ended is None:
                self.broken(f"{where} was submitted before {self._plan.tasks[need].key} had ended")
                return
            goods.append(self._good(self._plan.tasks[need], ended))
        if job.when is When.SUCCESS and not all(goods):
            self.broken(f"{where} was submitted although a job it needs did not succeed")
        if job.when is When.FAILURE and all(goods):
            self.broken(f"{where} was submitted although it runs on failure only, and none of its needs failed")
        earlier = [each for each in self._jobs.values() if each.task.stage < task.stage]
        if any(each.ended is None for each in earlier):
            self.broken(f"{where} was submitted before an earlier manifest had ended")
        if not self._plan.keep_going and any(each.ended is not None and self._bad(each) for each in earlier):
            self.broken(f"{where} was submitted although an earlier manifest ended badly")
        strategy = self._plan.stages[task.stage].strategy
        seen = self._jobs[task.key]
        begun = bool(seen.posts) or seen.begun or seen.abandoned > 0
        if strategy.fail_fast and job.when is When.SUCCESS and not begun:
            bad = [
                each.task.key
                for each in self._jobs.values()
                if each.task.stage == task.stage and each.ended is not None and self._bad(each)
            ]
            if bad:
                self.broken(f"{where} was submitted under failFast although {bad[0]} had ended badly")

    @staticmethod
    def _good(task: Task, ended: JobEnded) -> bool:
        if ended.outcome in (Outcome.SUCCEEDED, Outcome.SUBMITTED):
            return True
        return task.job.allow_failure and ended.outcome in _FORGIVEN

    def _bad(self, seen: Seen) -> bool:
        ended = seen.ended
        if ended is None or self._good(seen.task, ended):
            return False
        return not (ended.outcome is Outcome.SKIPPED and ended.reason is Reason.NOT_NEEDED)

    def _slots(self, task: Task, where: str) -> None:
        if self._jobs[task.key].read_again:
            return
        active = {
            each.task.key
            for each in self._jobs.values()
            if each.task.stage == task.stage and each.posts and each.ended is None and not each.read_again
        }
        slots = self._plan.stages[task.stage].strategy.slots
        if len(active | {task.key}) > slots:
            self.broken(f"{where} was submitted beside {sorted(active)}, with {slots} slots")

    def read_leaves(self, index: int, job_id: str) -> None:
        """A status read is about to leave."""
        seen = self._jobs[self._plan.tasks[index].key]
        if self._note is not None:
            self._say(f"GET      {seen.task.key} {job_id}")
        if self._record_lost:
            return  # an id may be used that could only be told: the job is on the server already
        if job_id not in seen.ids:
            self.broken(f"the id {job_id} of {seen.task.key} was used before it was on disk")
        attempt = seen.ids[job_id]
        _, accepted = seen.accepted[attempt]
        late = self._world.time - max(accepted + seen.task.job.timeout, self._began)
        if late > 100.0 and not self.clocks_disturbed:
            self.broken(f"{seen.task.key} is read {late:.0f} s after its timeout")
        poll = self._plan.servers[seen.task.server].poll
        pause = self._world.time - seen.read
        if pause > max(1.1 * poll.maximum, READ_WAIT) + 5.0 and not self.clocks_disturbed:
            self.broken(f"{seen.task.key} was not read for {pause:.0f} s")

    def answered(self, ticket: Ticket, reply: Reply | BaseException) -> None:
        """The process reads an answer."""
        if ticket is WAKE:
            return
        seen = self._jobs[self._plan.tasks[ticket.index].key]
        if self._note is not None:
            self._say(f"answer   {seen.task.key} {'POST' if ticket.submits else 'GET'}: {_reply(reply)}")
        now = self._world.time
        status = reply.status if isinstance(reply, Answer) and not ticket.submits else 0
        seen.read = now
        seen.missing = min(seen.missing, now) if status in (404, 410) else NEVER
        seen.refused = min(seen.refused, now) if status in (401, 403) else NEVER

    def told(self, event: Event) -> None:
        """A listener hears an event."""
        self._told.append(event)

    # --- ends -----------------------------------------------------------------------------------------------------

    def _attempt_ended(self, seen: Seen, event: AttemptEnded) -> None:
        key = seen.task.key
        now = self._world.time
        if event.outcome is Outcome.SUCCEEDED or event.reason is Reason.EXPECT:
            self._saw_success(seen, event)
        if event.outcome is Outcome.SUCCEEDED and "n > `10000`" in seen.task.job.expect:
            self.broken(f"{key} is said to have succeeded, although what it expects does not hold")
        if event.outcome in (Outcome.FAILED, Outcome.CANCELLED) and event.reason is Reason.DONE:
            self._saw_end(seen, event)
        if event.reason in (Reason.UNREADABLE, Reason.UNLISTED) and not self.clocks_disturbed:
            self._believed_too_little(seen, event)
        if event.outcome is Outcome.TIMED_OUT and event.reason in (Reason.TIMEOUT, Reason.QUEUE_TIMEOUT):
            _, accepted = seen.accepted[event.attempt]
            job = seen.task.job
            length = job.timeout if event.reason is Reason.TIMEOUT else job.queue_timeout or 0.0
            if now - accepted < length - 0.01 and not self.clocks_disturbed:
                self.broken(
                    f"{key} was given up {now - accepted:.3f} s after its acceptance, with a limit of {length:g} s"
                )
        if event.reason is Reason.VANISHED and now - seen.missing < GRACE - 0.01 and not self.clocks_disturbed:
            self.broken(f"{key} was given up after {now - seen.missing:.3f} s of answers that the job is not known")

    def _believed_too_little(self, seen: Seen, event: AttemptEnded) -> None:
        """A read decides nothing for good but an end that it saw: unknown is for when a clock has run out."""
        job, now = seen.task.job, self._world.time
        job_id, accepted = seen.accepted[event.attempt]
        same = [
            each
            for each in self._jobs.values()
            if each.task.server == seen.task.server
            for other, _ in each.accepted.values()
            if other == job_id
        ]
        if len(same) > 1:
            return  # the server gave the id out twice: whose end it shows cannot be told
        length = min(job.timeout, NEVER if job.queue_timeout is None else job.queue_timeout)
        if now - accepted >= length - 0.01 or self._world.now() >= self._finishes[seen.task.stage] - 0.01:
            return
        shared = seen.accepted[event.attempt][0]
        if any(
            shared in each.ids
            for each in self._jobs.values()
            if each is not seen and each.task.server == seen.task.server
        ):
            return  # the server gave its id to another job, too
        patience = self._plan.servers[seen.task.server].submit_timeout
        if now - seen.refused >= patience - 0.01:
            return
        self.broken(f"{seen.task.key} was given up {now - accepted:.3f} s after its acceptance, with no clock run out")

    def _saw_success(self, seen: Seen, event: AttemptEnded) -> None:
        """No success that was not seen: the very job that this attempt made has said so."""
        key = seen.task.key
        made = self._made(seen, event.attempt)
        if made is None:
            self.broken(f"{key} is said to have succeeded, and no job was created for attempt {event.attempt}")
            return
        if made.success_shown <= self._world.time:
            return
        if self._unknowable(made):
            return
        state = made.state(self._world.time)
        self.broken(f"{key} is said to have succeeded, and its job {made.job_id} never said so: it is {state}")

    def _saw_end(self, seen: Seen, event: AttemptEnded) -> None:
        """No other end either: a failed job may be started again."""
        made = self._made(seen, event.attempt)
        if made is None or (made.end_shown > self._world.time and not self._unknowable(made)):
            self.broken(f"{seen.task.key} is said to have {event.outcome}, and its job never said so")
        elif made.end.value != event.outcome.value and not self._unknowable(made):
            self.broken(f"{seen.task.key} is said to have {event.outcome}, and its job says {made.end}")

    def _made(self, seen: Seen, attempt: int) -> Job | None:
        suffix = f"/{seen.task.label}/{attempt}"
        server = self._servers[seen.task.server]
        found = [made for made in server.ledger if made.cid.endswith(suffix)]
        return found[-1] if found else None

    def _unknowable(self, made: Job) -> bool:
        """Whether another job took this one's id, of which aftrun was never told: then nobody can tell them apart."""
        for other in self._servers[made.server].ledger:
            if other is made or other.job_id != made.job_id:
                continue
            owner = self._by_label[other.cid.split("/", 1)[1].rpartition("/")[0]]
            if made.job_id not in owner.ids:
                return True
        return False

    def failed(self) -> None:
        """Something of aftrun's own failed, and the process came to an end in order: no answer may have been lost."""
        for seen in self._jobs.values():
            for post in seen.posts:
                if post.process == self._process and not post.settled and not self._record_lost:
                    self.broken(f"what came of the POST for {post.key} attempt {post.attempt} is not on disk")

    def process_ended(
        self, report: RunReport | None, *, crashed: bool, lost_record: bool, disk: Sequence[Event]
    ) -> None:
        """A process has come to its end, in good order where there is a report."""
        self._say("=== " + ("killed" if crashed or report is None else f"ended with {report.exit_code}"))
        if crashed or report is None:
            return
        if not isinstance(self._told[-1], RunEnded) or sum(isinstance(each, RunEnded) for each in self._told) != 1:
            self.broken("the stream of events does not end with one end of the run")
        if report.exit_code == 70:
            self.broken("exit code 70")
        wanted = self._exit_code(report, lost_record=lost_record)
        if report.exit_code != wanted:
            self.broken(f"exit code {report.exit_code}, and the jobs make {wanted}")
        if not lost_record and fold(disk) != report:
            self.broken("the record and the report differ")

    def _exit_code(self, report: RunReport, *, lost_record: bool) -> int:
        """SPEC, section 4."""
        signal = next((each.signal for each in reversed(self._told) if isinstance(each, Interrupted)), 0)
        if not signal and report.exit_code in (130, 143):
            signal = self._signal  # it came when there was nothing more to record but the end
        if signal:
            return 130 if signal == 2 else 143
        if lost_record:
            return 74
        created = any(attempt.job_id for job in report.jobs for attempt in job.attempts)
        codes = {_code_of(job, created=created) for job in report.jobs}
        # A job that was skipped because of another's end adds nothing to what that one says.
        return next((code for code in (6, 124, 1, 5, 4, 3) if code in codes), 1 if _SKIPPED in codes else 0)

    def night_ended(self, disk: Sequence[Event]) -> None:
        """The run has ended: everything that can only be said at the end."""
        try:
            report = fold(disk)
        except StateError as error:
            self.broken(f"the record cannot be read: {error}")
            return
        for seen, job in zip(self._jobs.values(), report.jobs, strict=True):
            key = seen.task.key
            if job.outcome is None:
                self.broken(f"{key} has no end")
            for attempt, (job_id, _) in seen.accepted.items():
                if not any(each.number == attempt and each.job_id == job_id for each in job.attempts):
                    self.broken(f"the id {job_id} of {key} attempt {attempt} was lost")
            if (
                job.outcome in (Outcome.SUCCEEDED, Outcome.SUBMITTED)
                and self._made(seen, job.attempts[-1].number) is None
            ):
                self.broken(f"{key} ended as {job.outcome}, and its server never created it")
            sure = sum(each.outcome is not Outcome.UNKNOWN for each in job.attempts)
            if sure > seen.task.job.retry.limit + 1:
                self.broken(f"{key} was tried {sure} times, with retry.limit {seen.task.job.retry.limit}")
        self._once_each()
        self._keys()

    def _once_each(self) -> None:
        seen: set[str] = set()
        for server in self._servers:
            for made in server.ledger:
                if made.cid in seen:
                    self.broken(f"{made.cid} was created twice")
                seen.add(made.cid)

    def _keys(self) -> None:
        """Jobs with the same concurrency key never overlap, by the servers' own ledgers."""
        held: list[tuple[str, str, Job]] = []
        for server in self._servers:
            for made in server.ledger:
                task = self._by_label[made.cid.split("/", 1)[1].rpartition("/")[0]].task
                if task.job.concurrency:
                    held += [(task.job.concurrency, task.key, made)]
        for number, (key, job, made) in enumerate(held):
            for other_key, other_job, other in held[number + 1 :]:
                if key == other_key and job != other_job and made.at < other.over_at and other.at < made.over_at:
                    self.broken(f"{job} and {other_job} overlapped, with the concurrency key {key}")


def _finish(text: str, start: float, zone: str) -> float:
    """`finishBy` in epoch seconds, found by looking at a clock every minute; infinity where there is none."""
    if not text:
        return NEVER
    if "T" in text:
        return datetime.fromisoformat(text).timestamp()
    where = ZoneInfo(zone)
    at = start - start % 60 + 60
    before = f"{datetime.fromtimestamp(at - 60, where):%H:%M}"
    while True:
        now = f"{datetime.fromtimestamp(at, where):%H:%M}"
        if now == text or before < text < now:  # the clock went forward over it
            return at
        before, at = now, at + 60


_SKIPPED = -1


def _code_of(job: JobResult, *, created: bool) -> int:
    """What one job alone makes of the exit code."""
    outcome = job.outcome
    if outcome is Outcome.SKIPPED:
        return {"finishBy": 124, "notNeeded": 0}.get(job.reason, _SKIPPED)
    plain = {None: 6, Outcome.UNKNOWN: 6, Outcome.SUCCEEDED: 0, Outcome.SUBMITTED: 0}
    if outcome in plain:
        return plain[outcome]
    if job.allow_failure:
        return 0
    ends = {Outcome.TIMED_OUT: 124, Outcome.FAILED: 1, Outcome.CANCELLED: 5}
    if outcome in ends:
        return ends[outcome]
    if created or (outcome is Outcome.REJECTED and job.reason != "key"):
        return 1
    return 4 if outcome is Outcome.REJECTED else 3


def _brief(event: Event) -> str:
    names = ("job", "attempt", "job_id", "state", "outcome", "reason", "message", "retry_in", "exit_code", "signal")
    told = (f"{name}={value}" for name in names if (value := getattr(event, name, None)) not in (None, "", {}))
    return f"{event.type} " + " ".join(told)


def _reply(reply: Reply | BaseException) -> str:
    if isinstance(reply, BaseException):
        return repr(reply)
    if isinstance(reply, Answer):
        info = reply.info
        read = f" id={info.id} state={info.state} ({info.status})" if info is not None else ""
        return f"HTTP {reply.status}{read} {reply.message or reply.problem}"
    return f"{reply.kind} sent={reply.sent}: {reply.message}"
