"""The loop that starts jobs and follows them to their end.

One thread, one heap of `(due, job)`, one pool for requests in flight: ten thousand waiting jobs are ten thousand heap
entries. Sequential is parallel with one slot. Each turn of the loop

1. takes the replies that have come in and decides (`policy`), collecting events,
2. picks the requests that may start now, collecting their intents,
3. records all collected events, in one durable write, and lets everybody hear them,
4. starts the requests.

So nothing is sent, and no job id acted upon, before the record of it is on disk, and a busy loop pays for one write a
turn, not one a job.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from aftrun.domain import jobids
from aftrun.domain.errors import ExitCode, StateError, code_of, explained
from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
    Event,
    Interrupted,
    JobEnded,
    Reason,
    RunEnded,
    SubmitDeferred,
    SubmitIntended,
    Warned,
)
from aftrun.domain.model import Answer, Failure, FailureKind, JobResult, Outcome, Reply, RunReport
from aftrun.domain.secrets import NOTHING_SECRET, Scrubber
from aftrun.domain.values import Bindings
from aftrun.run.active_job import ActiveJob, Phase
from aftrun.run.fold import ReportBuilder
from aftrun.run.gate import Gate, Mark, Skip
from aftrun.run.plan import Plan, finish_time
from aftrun.run.policy import MAY_EXIST, Ended, is_bad, runs_on
from aftrun.run.ports import WAKE, Clock, Deadlines, JobApi, Journal, Listener, Pool, SteadyClock, Ticket
from aftrun.run.queues import Queues
from aftrun.run.recorder import Recorder
from aftrun.run.render import JobOutputs, RunFacts, outputs_of
from aftrun.run.steps import Step, Steps
from aftrun.run.verdict import NAMES, verdict

_LOOKS = 8
"""Where requests are due and new jobs may start, one request in so many is one that is due: mostly a look.

New jobs go first: each second that a submission waits comes on top of the run's length, and a look only delays the
news of an end. Looks get their share even so, since other jobs may wait for just that news.
"""

_ROUND = 30.0
"""Where there is a `finishBy`, how often to look at the clock at least, seconds."""

_NO_JOB = -1
"""In the heap: a time to look round at, for no job in particular."""


class Scheduler:
    """Runs a plan, once. `history` is what an earlier process recorded of the same run, `RunStarted` first."""

    def __init__(
        self,
        plan: Plan,
        clients: Sequence[JobApi],
        journal: Journal,
        pool: Pool,
        *,
        facts: RunFacts,
        bindings: Bindings,
        clock: Clock,
        random: Random,
        scrubber: Scrubber = NOTHING_SECRET,
        listeners: Sequence[Listener] = (),
        history: Sequence[Event] = (),
        inherited: Callable[[int, str], JobOutputs | None] = lambda _stage, _name: None,
        parting: Callable[[], Sequence[str]] = tuple,
        past: Callable[[str], Sequence[float]] = lambda _key: (),
        places: Sequence[str] = (),
    ) -> None:
        """`parting` tells what is to be said before the run ends: what was learnt about servers on the way.

        `past` tells how long a job, by its key, took in past runs, seconds. `places` says of each server where its ids
        are unique.
        """
        clock = steady = SteadyClock(clock)
        self._plan, self._doors, self._pool, self._clock = plan, clients, pool, clock
        self._folder = ReportBuilder(history)
        self._recorder = Recorder(journal, self._folder, listeners, clock)
        self._gate = Gate(plan)
        self._lives = [ActiveJob(task) for task in plan.tasks]
        by_name = {(live.task.stage, live.task.job.name): live for live in self._lives}
        self._heap: list[tuple[float, int, int]] = []
        self._serial = 0
        self._lanes = Queues([server.max_requests_per_second for server in plan.servers], pool.size)
        self._picked = 0
        self._picked_at = -math.inf
        self._posts_flying = 0
        self._parting = parting
        self._calls: deque[tuple[Ticket, Callable[[], Reply]]] = deque()
        """Requests that start when their turn is on record."""
        self._arrived: deque[tuple[Ticket, Reply | BaseException]] = deque()
        """Results that nothing has been decided about yet."""
        self._skips: deque[Skip] = deque()
        self._signal = 0
        self._interrupted = False
        self._by_key: dict[str, ActiveJob] = {}
        self._restless = False
        finishes = [finish_time(stage.strategy.finish_by, facts.started_at, facts.zone) for stage in plan.stages]
        self._finishes = Deadlines(finishes, steady)

        def handed(stage: int, name: str) -> JobOutputs | None:
            live = by_name.get((stage, name))
            return inherited(stage, name) if live is None else live.handed

        self._steps = Steps(
            plan,
            facts=facts,
            bindings=bindings,
            clock=clock,
            random=random,
            scrubber=scrubber,
            finishes=self._finishes,
            handed=handed,
            past=past,
            places=places,
        )

    # --- the loop -------------------------------------------------------------------------------------------------

    def run(self, opening: Sequence[Event] = ()) -> RunReport:
        """Run to the end, and return the report. `opening` events are on record already; they are told, no more.

        The last event is always `RunEnded`, whatever happens. Where something of aftrun's own fails (a decision, a
        listener, the memory), nothing more starts, and answers of POSTs under way are waited for and recorded first.

        Raises:
            Exception: what failed; the stream has been ended with the exit code for it.
        """
        try:
            self._recorder.tell(opening)
            self._adopt()
            self._loop()
            self._recorder.add(*(Warned(self._now(), text) for text in self._parting()), self._run_ended())
            self._recorder.flush(self._lose_state)
        except BaseException as error:
            if isinstance(error, Exception | KeyboardInterrupt | SystemExit):
                self._wind_up()
            code = code_of(error)
            self._recorder.add(RunEnded(self._now(), NAMES.get(code, NAMES[ExitCode.BUG]), int(code)))
            self._recorder.flush_apart()
            raise
        return self._folder.report()

    def report(self) -> RunReport:
        """What the run has come to so far, or, after it has ended, in the end."""
        return self._folder.report()

    @property
    def state_error(self) -> StateError | None:
        """Why the record could not be kept, if so."""
        return self._recorder.error

    def interrupt(self, signal: int) -> None:
        """Ask the run to stop: nothing new starts, jobs on the server go on. Safe in a signal handler."""
        self._signal = self._signal or signal
        self._pool.wake()

    def _loop(self) -> None:
        while True:
            self._turn()
            if self._gate.done or (self._signal and not self._posts_flying):
                return
            self._recorder.tick(self._due_at)
            # Ids first: one that another job has, too, decides what the answer to a status read is worth.
            self._arrived.extend(sorted(self._pool.wait(self._patience()), key=lambda each: not each[0].submits))
            while self._arrived:
                ticket, reply = self._arrived[0]
                if ticket is WAKE:
                    self._arrived.popleft()
                    continue
                step = self._decide(ticket, reply)
                self._arrived.popleft()
                self._follow(self._lives[ticket.index], step)
                self._hold_back(ticket)

    def _wind_up(self) -> None:
        """Something of ours has failed: start nothing more, and put on record what becomes of the POSTs under way.

        What was just about to leave is not sent, and the record says so. The answers of POSTs in flight are waited
        for, which their own deadlines bound. Whatever fails here in turn keeps none of the other answers from the
        record. Answers to status reads can wait: whoever resumes the run reads again.
        """
        self._gate.closed = True
        for ticket, _ in self._calls:
            live = self._lives[ticket.index]
            self._landed(live, submits=ticket.submits)
            if ticket.submits:
                message = "not sent, since aftrun failed before it left"
                self._recorder.add(SubmitDeferred(self._now(), live.task.key, live.attempt, message, 0.0))
        self._calls.clear()
        while True:
            while self._arrived:
                ticket, reply = self._arrived.popleft()
                if ticket is not WAKE and ticket.submits:
                    self._settle(ticket, reply)
            self._recorder.flush_apart()
            if not self._posts_flying:
                return
            self._arrived.extend(self._pool.wait(None))

    def _settle(self, ticket: Ticket, reply: Reply | BaseException) -> None:
        """Put on record what a reply to a POST says, if need be without the rules that may have failed."""
        live = self._lives[ticket.index]
        if live.in_flight:
            self._landed(live, submits=True)
        at, key = self._now(), live.task.key
        if isinstance(reply, Exception | SystemExit):
            message = f"aftrun failed while it sent the request ({type(reply).__name__})\n{MAY_EXIST}"
            step = self._steps.attempt_over(live, Ended(Outcome.UNKNOWN, Reason.AMBIGUOUS, message))
        elif isinstance(reply, BaseException):
            return  # nobody may speak for a thread that was killed; the intent on record makes the job unknown
        else:
            try:
                step = self._steps.submitted(live, reply)
            except Exception:  # noqa: BLE001  # very likely it is the failure that is being wound up
                info = reply.info if isinstance(reply, Answer) else None
                if info is None or not info.id:
                    return
                step = Step((Accepted(at, key, live.attempt, info.id, info.status, jobids.field_of(info) or None),))
        self._recorder.add(*step.events)
        if step.end is not None:
            self._recorder.add(JobEnded(at, key, step.end.outcome, step.end.reason, step.end.message))

    def _run_ended(self) -> RunEnded:
        end = verdict(self._folder.jobs().values(), signal=self._signal, state_failed=self.state_error is not None)
        return RunEnded(self._now(), end.outcome, int(end.exit_code))

    def _patience(self) -> float | None:
        """How long to wait for a reply before something else is to be done, seconds; None: as long as it takes."""
        now = self._clock.monotonic()
        due = math.inf
        if not self._signal:
            # Since the last pick, not since now: to record what followed took time, in which a server may have opened.
            due = min(self._heap[0][0] if self._heap else math.inf, self._lanes.next_opening(self._picked_at))
        due = min(due, self._recorder.next_tick())
        if self._finishes.any:
            due = min(due, now + _ROUND)  # the clock may be set, or the machine may have slept
        return None if due == math.inf else max(0.0, due - now)

    def _due_at(self, key: str) -> float | None:
        """When something is done about a job next, in epoch seconds; None where nothing is planned."""
        if not self._by_key:
            self._by_key = {live.task.key: live for live in self._lives}
        live = self._by_key[key]
        if live.due is None or live.in_flight or live.phase is Phase.ENDED:
            return None
        return self._now() + live.due - self._clock.monotonic()

    def _turn(self) -> None:
        if self._signal and not self._interrupted:
            self._interrupted = self._gate.closed = True
            self._recorder.add(Interrupted(self._now(), self._signal))
        self._restless = True
        while self._restless:  # a job can end before its first request; then others may be ready, or the manifest over
            self._restless = False
            self._advance()
            if not self._signal:
                self._check_finish()  # here, since a manifest that has only just begun may be too late already
                self._pick()
        self._recorder.flush(self._lose_state)
        while self._calls:
            self._pool.start(*self._calls[0])
            self._calls.popleft()

    def _advance(self) -> None:
        """Let skips take effect, which may cause more, and begin the next manifest when one has ended."""
        while True:
            while self._skips:
                skip = self._skips.popleft()
                self._end(self._lives[skip.index], Ended(Outcome.SKIPPED, skip.reason, skip.message))
            begun = None if self._signal else self._gate.advance()
            if begun is None:
                return
            self._skips.extend(begun)

    def _now(self) -> float:
        return self._clock.now()

    def _lose_state(self, error: StateError, events: list[Event]) -> list[Event]:
        """The record can no longer be kept: submit nothing more, but go on watching what is already running.

        Returns the events that still hold: an intent that could not be recorded is no intent, and its POST does not
        leave.
        """
        self._gate.closed = True
        now = self._now()
        message = f"not started, since the record of the run cannot be written: {error.message}"
        unsent = {ticket.index for ticket, _ in self._calls if ticket.submits}
        self._calls = deque(call for call in self._calls if not call[0].submits)
        for index in unsent:
            self._landed(self._lives[index], submits=True)
        idle = set(self._gate.free())
        for index in idle:
            self._gate.take_away(index)
        waiting = {live.task.index for live in self._lives if live.phase.may_submit and not live.in_flight}
        self._skips.extend(Skip(index, Reason.STATE, message) for index in sorted(idle | waiting))
        self._pool.wake()
        warning = Warned(now, f"{error.message}; nothing more is submitted, running jobs are watched to their end")
        kept = [event for event in events if not isinstance(event, SubmitIntended | RunEnded)]
        # The run's end stays the last event, and says what became of the record where it does not speak of a bug.
        last = [
            event if event.exit_code == 70 else self._run_ended() for event in events if isinstance(event, RunEnded)
        ]
        return [*kept, warning, *last]

    # --- what may start now ---------------------------------------------------------------------------------------

    def _pick(self) -> None:
        """Fill the free places of the pool: mostly with new jobs, then what has been due longest, servers in turn."""
        now = self._picked_at = self._clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            _, serial, index = heapq.heappop(self._heap)
            if index >= 0 and serial == self._lives[index].serial:
                live = self._lives[index]
                self._lanes.push(live.task.server, index, submits=live.phase.may_submit)
        while lanes := self._lanes.open(now):
            self._picked += 1
            ways = (self._pick_new, self._pick_due) if self._picked % _LOOKS else (self._pick_due, self._pick_new)
            if not (ways[0](lanes) or ways[1](lanes)):
                return

    def _pick_due(self, lanes: Sequence[int]) -> bool:
        """Start the request that has been due longest at the first of these servers that has one."""
        return any(self._start_due(lane) for lane in lanes)

    def _start_due(self, lane: int) -> bool:
        """Start the request that has been due longest at this server, if there is one."""
        while (index := self._lanes.pop(lane)) is not None:
            live = self._lives[index]
            if live.in_flight or live.phase is Phase.ENDED:
                continue
            if live.phase is Phase.WATCH:
                self._fly(live, partial(self._doors[lane].status, live.job_id), submits=False)
                return True
            late = self._steps.too_late(live)
            if late is not None:
                self._follow(live, late)
            elif not self._gate.closed and self._prepare(live):
                self._post(live)
                return True
        return False

    def _pick_new(self, lanes: Sequence[int]) -> bool:
        """Start a job that nobody has begun, if one may start."""
        task = self._gate.next(lanes)
        if task is None:
            return False
        live = self._lives[task.index]
        if self._prepare(live):
            self._post(live)
        return True

    def _prepare(self, live: ActiveJob) -> bool:
        """Begin a new attempt where one is due. False where it could not even be begun."""
        if live.phase is not Phase.SUBMIT:
            step = self._steps.begin(live)
            if step.end is not None:
                self._follow(live, step)
                return False
        return True

    def _post(self, live: ActiveJob) -> None:
        self._recorder.add(self._steps.intend(live))
        request = live.request
        assert request is not None, "a job is prepared before it is posted"  # noqa: S101  # for the type checker
        self._fly(live, partial(self._doors[live.task.server].submit, request.body), submits=True)

    def _fly(self, live: ActiveJob, call: Callable[[], Reply], *, submits: bool) -> None:
        live.in_flight = True
        live.asked = self._clock.monotonic()
        self._lanes.fly(live.task.server, live.asked)
        self._posts_flying += submits
        self._calls.append((Ticket(live.task.index, submits), call))

    def _landed(self, live: ActiveJob, *, submits: bool) -> None:
        live.in_flight = False
        self._lanes.land(live.task.server)
        self._posts_flying -= submits

    # --- what happened --------------------------------------------------------------------------------------------

    def _decide(self, ticket: Ticket, reply: Reply | BaseException) -> Step:
        """What follows from a reply, for its job."""
        live = self._lives[ticket.index]
        self._landed(live, submits=ticket.submits)
        if live.phase is Phase.ENDED and not ticket.submits:
            return Step()  # its id turned out to be another job's too while the read was under way
        if isinstance(reply, BaseException):
            refused = explained(reply)
            if refused is None:
                raise reply
            # This machine is short of something. The request may have left before that showed.
            reply = Failure(FailureKind.LOST, sent=ticket.submits, message=refused.message)
        return self._steps.submitted(live, reply) if ticket.submits else self._steps.looked(live, reply)

    def _hold_back(self, ticket: Ticket) -> None:
        """Submit nothing again once the record is lost."""
        if self.state_error is not None and self._lives[ticket.index].phase.may_submit:
            message = f"not submitted again, since the record of the run cannot be written: {self.state_error.message}"
            self._skips.append(Skip(ticket.index, Reason.STATE, message))

    def _follow(self, live: ActiveJob, step: Step) -> None:
        """Do what a step says."""
        self._recorder.add(*step.events)
        live.may_run_on |= any(isinstance(event, AttemptEnded) and runs_on(event.outcome) for event in step.events)
        for index in step.shared:
            other = self._lives[index]
            if other.phase is Phase.WATCH:
                self._follow(other, self._steps.lose_id(other, live.task.job.name))
        if step.end is not None:
            self._end(live, step.end)
        elif step.due is not None:
            self._serial += 1
            live.serial = self._serial
            live.due = step.due
            heapq.heappush(self._heap, (step.due, live.serial, live.task.index))

    def _end(self, live: ActiveJob, ended: Ended) -> None:
        live.phase = Phase.ENDED
        self._restless = True
        seconds = None if live.lasted is None else round(live.lasted, 3)
        self._recorder.add(
            JobEnded(self._clock.now(), live.task.key, ended.outcome, ended.reason, ended.message, seconds)
        )
        mark = _mark(live, ended.outcome, ended.reason)
        self._skips.extend(self._gate.end(live.task.index, mark, seen=not live.may_run_on))

    def _check_finish(self) -> None:
        """Past `finishBy` nothing new starts; jobs on the server get their last look from their own deadline."""
        stage = self._gate.stage
        if not 0 <= stage < len(self._finishes) or self._clock.monotonic() < self._finishes[stage]:
            return
        for index in self._gate.free():
            if self._plan.tasks[index].stage == stage:
                self._gate.take_away(index)
                self._skips.append(Skip(index, Reason.FINISH_BY, "not started before finishBy"))
                self._restless = True

    def _adopt(self) -> None:
        """Take up what an earlier process began, and begin the first manifest that has not ended."""
        for finish in (self._finishes[stage] for stage in range(len(self._finishes))):
            if finish < math.inf:
                heapq.heappush(self._heap, (finish, 0, _NO_JOB))
        under_way: list[tuple[ActiveJob, JobResult]] = []
        for live, seen in zip(self._lives, self._folder.jobs().values(), strict=True):
            live.may_run_on = any(runs_on(each.outcome) for each in seen.attempts)
            self._steps.recall(live, seen)
            if seen.outcome is not None:
                live.phase = Phase.ENDED
                live.handed = outputs_of(seen)
                mark = _mark(live, seen.outcome, Reason(seen.reason))
                self._gate.adopt(live.task.index, mark, seen=not live.may_run_on)
            elif seen.attempts:
                self._gate.adopt(live.task.index, None)
                under_way.append((live, seen))
        self._advance()
        for live, seen in under_way:
            self._follow(live, self._steps.adopt(live, seen))


def _mark(live: ActiveJob, outcome: Outcome, reason: Reason) -> Mark:
    if reason is Reason.NOT_NEEDED:
        return Mark.NEUTRAL
    return Mark.BAD if is_bad(outcome, reason, allow_failure=live.task.job.allow_failure) else Mark.GOOD
