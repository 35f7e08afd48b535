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
from aftrun.run.active_job import ActiveJob, Phase
from aftrun.run.fold import ReportBuilder
from aftrun.run.gate import Gate, Mark, Skip
from aftrun.run.policy import Ended, fate_unknown, is_bad, runs_on
from aftrun.run.ports import WAKE, JobApi, Journal, Listener, Pool, Ticket
from aftrun.run.queues import Queues
from aftrun.run.recorder import Recorder
from aftrun.run.render import outputs_of
from aftrun.run.steps import Step, Steps
from aftrun.run.verdict import NAMES, verdict

_ONE_DUE_IN = 8
"""Where requests are due and new jobs may start, one request in so many is one that is due: mostly a status read.

New jobs go first: each second that a submission waits comes on top of the run's length, and a status read that waits
only delays the news of an end. Status reads get their share even so, since other jobs may wait for just that news.
"""

_ROUND = 30.0
"""Where there is a `finishBy`, how often to look at the clock at least, seconds."""

_NO_JOB = -1
"""In the heap: a time to look round at, for no job in particular."""


class Scheduler:
    """Runs the jobs of a plan, once.

    `history` is what earlier processes recorded of the same run, `RunStarted` first.
    """

    def __init__(
        self,
        steps: Steps,
        clients: Sequence[JobApi],
        journal: Journal,
        pool: Pool,
        *,
        listeners: Sequence[Listener] = (),
        history: Sequence[Event] = (),
        closing_warnings: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`clients` are those of the plan's servers, in its order.

        `closing_warnings` tells what is to be said before the run ends: what was learnt about servers on the way.
        """
        self._steps, self._plan, self._jobs = steps, steps.plan, steps.jobs
        self._clients, self._pool, self._clock = clients, pool, steps.clock
        self._builder = ReportBuilder(history)
        self._recorder = Recorder(journal, self._builder, listeners, steps.clock)
        self._gate = Gate(steps.plan)
        self._queues = Queues([server.max_requests_per_second for server in steps.plan.servers], pool.size)
        self._heap: list[tuple[float, int, int]] = []
        self._serial = 0
        self._picked = 0
        self._picked_at = -math.inf
        self._posts_in_flight = 0
        self._closing_warnings = closing_warnings
        self._calls: deque[tuple[Ticket, Callable[[], Reply]]] = deque()
        """Requests that start when their turn is on record."""
        self._arrived: deque[tuple[Ticket, Reply | BaseException]] = deque()
        """Results that nothing has been decided about yet."""
        self._skips: deque[Skip] = deque()
        self._signal = 0
        self._interrupted = False
        self._by_key = {active.task.key: active for active in self._jobs}
        self._turn_again = False
        """Whether more may have become possible in this turn: a job can end before its first request."""

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
            self._recorder.add(*(Warned(self._now(), text) for text in self._closing_warnings()), self._run_ended())
            self._recorder.flush(self._lose_state)
        except BaseException as error:
            if isinstance(error, Exception | KeyboardInterrupt | SystemExit):
                self._wind_up()
            code = code_of(error)
            self._recorder.add(RunEnded(self._now(), NAMES.get(code, NAMES[ExitCode.BUG]), int(code)))
            self._recorder.flush_apart()
            raise
        return self._builder.report()

    def report(self) -> RunReport:
        """What the run has come to so far, or, after it has ended, in the end."""
        return self._builder.report()

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
            if self._gate.done or (self._signal and not self._posts_in_flight):
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
                self._follow(self._jobs[ticket.index], step)
                self._hold_back(ticket)

    def _wind_up(self) -> None:
        """Something of ours has failed: start nothing more, and put on record what becomes of the POSTs under way.

        What was just about to leave is not sent, and the record says so. The answers of POSTs in flight are waited
        for, which their own deadlines bound. Whatever fails here in turn keeps none of the other answers from the
        record. Answers to status reads can wait: whoever resumes the run reads again.
        """
        self._gate.closed = True
        for ticket, _ in self._calls:
            active = self._jobs[ticket.index]
            self._answered(active, submits=ticket.submits)
            if ticket.submits:
                message = "not sent, since aftrun failed before it left"
                self._recorder.add(SubmitDeferred(self._now(), active.task.key, active.attempt, message, 0.0))
        self._calls.clear()
        while True:
            while self._arrived:
                ticket, reply = self._arrived.popleft()
                if ticket is not WAKE and ticket.submits:
                    self._settle(ticket, reply)
            self._recorder.flush_apart()
            if not self._posts_in_flight:
                return
            self._arrived.extend(self._pool.wait(None))

    def _settle(self, ticket: Ticket, reply: Reply | BaseException) -> None:
        """Put on record what a reply to a POST says, if need be without the rules that may have failed."""
        active = self._jobs[ticket.index]
        if active.in_flight:
            self._answered(active, submits=True)
        at, key = self._now(), active.task.key
        if isinstance(reply, Exception | SystemExit):
            why = f"aftrun failed while it sent the request ({type(reply).__name__})"
            step = self._steps.attempt_over(active, fate_unknown(why, active.task.job.on_ambiguous))
        elif isinstance(reply, BaseException):
            return  # nobody may speak for a thread that was killed; the intent on record makes the job unknown
        else:
            try:
                step = self._steps.submitted(active, reply)
            except Exception:  # noqa: BLE001  # very likely it is the failure that is being wound up
                info = reply.info if isinstance(reply, Answer) else None
                if info is None or not info.id:
                    return
                step = Step((Accepted(at, key, active.attempt, info.id, info.status, jobids.field_of(info) or None),))
        self._recorder.add(*step.events)
        if step.end is not None:
            self._recorder.add(JobEnded(at, key, step.end.outcome, step.end.reason, step.end.message))

    def _run_ended(self) -> RunEnded:
        end = verdict(self._builder.jobs().values(), signal=self._signal, state_failed=self.state_error is not None)
        return RunEnded(self._now(), end.outcome, int(end.exit_code))

    def _patience(self) -> float | None:
        """How long to wait for a reply before something else is to be done, seconds; None: as long as it takes."""
        now = self._clock.monotonic()
        due = math.inf
        if not self._signal:
            # Since the last pick, not since now: to record what followed took time, in which a server may have opened.
            due = min(self._heap[0][0] if self._heap else math.inf, self._queues.next_opening(self._picked_at))
        due = min(due, self._recorder.next_tick(now))
        if self._steps.finishes.any:
            due = min(due, now + _ROUND)  # the clock may be set, or the machine may have slept
        return None if due == math.inf else max(0.0, due - now)

    def _due_at(self, key: str) -> float | None:
        """When something is done about a job next, in epoch seconds; None where nothing is planned."""
        active = self._by_key[key]
        if active.due is None or active.in_flight or active.phase is Phase.ENDED:
            return None
        return self._now() + active.due - self._clock.monotonic()

    def _turn(self) -> None:
        if self._signal and not self._interrupted:
            self._interrupted = self._gate.closed = True
            self._recorder.add(Interrupted(self._now(), self._signal))
        self._turn_again = True
        while self._turn_again:  # others may be ready then, or the manifest over
            self._turn_again = False
            self._advance()
            if not self._signal:
                self._check_finish()  # here, since a manifest that has only just begun may be too late already
                self._pick()
        refused = self._recorder.flush(self._lose_state)
        if refused:
            self._take_back(refused)
        while self._calls:
            ticket, call = self._calls[0]
            late = self._overtaken(self._jobs[ticket.index]) if ticket.submits else None
            if late is None:
                self._pool.start(ticket, call)
            self._calls.popleft()
            if late is not None:
                self._answered(self._jobs[ticket.index], submits=True)
                self._follow(self._jobs[ticket.index], late)
                self._pool.wake()

    def _overtaken(self, active: ActiveJob) -> Step | None:
        """What becomes of a job whose POST is on record and must not leave: to get it there took too long."""
        if self._signal:
            message = "not sent, since the run was told to stop before it left"
            return Step((SubmitDeferred(self._now(), active.task.key, active.attempt, message, 0.0),))
        return self._steps.too_late(active)

    def _take_back(self, refused: Sequence[Event]) -> None:
        """Some jobs were sent by another process in the same instant: their POSTs do not leave."""
        keys = {event.job for event in refused if isinstance(event, SubmitIntended)}
        gone = [self._by_key[key] for key in sorted(keys)]
        indices = {active.task.index for active in gone}
        self._calls = deque(call for call in self._calls if not (call[0].submits and call[0].index in indices))
        for active in gone:
            self._answered(active, submits=True)
            self._follow(active, self._steps.refused(active))

    def _advance(self) -> None:
        """Let skips take effect, which may cause more, and begin the next manifest when one has ended."""
        while True:
            while self._skips:
                skip = self._skips.popleft()
                self._end(self._jobs[skip.index], Ended(Outcome.SKIPPED, skip.reason, skip.message))
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
            self._answered(self._jobs[index], submits=True)
        idle = set(self._gate.free())
        for index in idle:
            self._gate.take_away(index)
        waiting = {active.task.index for active in self._jobs if active.phase.may_submit and not active.in_flight}
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
            if index >= 0 and serial == self._jobs[index].serial:
                active = self._jobs[index]
                self._queues.push(active.task.server, index, submits=active.phase.may_submit)
        while servers := self._queues.open(now):
            self._picked += 1
            ways = (self._pick_new, self._pick_due) if self._picked % _ONE_DUE_IN else (self._pick_due, self._pick_new)
            if not (ways[0](servers) or ways[1](servers)):
                return

    def _pick_due(self, servers: Sequence[int]) -> bool:
        """Start the request that has been due longest at the first of these servers that has one."""
        return any(self._start_due(server) for server in servers)

    def _start_due(self, server: int) -> bool:
        """Start the request that has been due longest at this server, if there is one."""
        while (index := self._queues.pop(server)) is not None:
            active = self._jobs[index]
            if active.in_flight or active.phase is Phase.ENDED:
                continue
            if active.phase is Phase.WATCH:
                self._send(active, partial(self._clients[server].status, active.job_id), submits=False)
                return True
            late = self._steps.too_late(active)
            if late is not None:
                self._follow(active, late)
            elif not self._gate.closed and self._prepare(active):
                self._post(active)
                return True
        return False

    def _converges(self, active: ActiveJob) -> bool:
        """Whether the record holds an earlier attempt of the job that decides, so that nothing is sent."""
        step = self._steps.converge(active)
        if step is None:
            return False
        self._follow(active, step)
        return True

    def _pick_new(self, servers: Sequence[int]) -> bool:
        """Start a job that nobody has begun, if one may start."""
        task = self._gate.next(servers)
        if task is None:
            return False
        active = self._jobs[task.index]
        if self._prepare(active):
            self._post(active)
        return True

    def _prepare(self, active: ActiveJob) -> bool:
        """Begin a new attempt where one is due. False where it is not to be, or could not even be begun."""
        if self._converges(active):
            return False
        if active.phase is not Phase.SUBMIT:
            step = self._steps.begin(active)
            if step.end is not None:
                self._follow(active, step)
                return False
        return True

    def _post(self, active: ActiveJob) -> None:
        self._recorder.add(self._steps.intend(active))
        request = active.request
        assert request is not None, "a job is prepared before it is posted"  # noqa: S101  # for the type checker
        self._send(active, partial(self._clients[active.task.server].submit, request.body), submits=True)

    def _send(self, active: ActiveJob, call: Callable[[], Reply], *, submits: bool) -> None:
        active.in_flight = True
        active.sent_at = self._clock.monotonic()
        self._queues.sent(active.task.server, active.sent_at)
        self._posts_in_flight += submits
        self._calls.append((Ticket(active.task.index, submits), call))

    def _answered(self, active: ActiveJob, *, submits: bool) -> None:
        active.in_flight = False
        self._queues.answered(active.task.server)
        self._posts_in_flight -= submits

    # --- what happened --------------------------------------------------------------------------------------------

    def _decide(self, ticket: Ticket, reply: Reply | BaseException) -> Step:
        """What follows from a reply, for its job."""
        active = self._jobs[ticket.index]
        self._answered(active, submits=ticket.submits)
        if active.phase is Phase.ENDED and not ticket.submits:
            return Step()  # its id turned out to be another job's too while the read was under way
        if isinstance(reply, BaseException):
            refused = explained(reply)
            if refused is None:
                raise reply
            # This machine is short of something. The request may have left before that showed.
            reply = Failure(FailureKind.LOST, sent=ticket.submits, message=refused.message)
        return self._steps.submitted(active, reply) if ticket.submits else self._steps.read(active, reply)

    def _hold_back(self, ticket: Ticket) -> None:
        """Submit nothing again once the record is lost."""
        if self.state_error is not None and self._jobs[ticket.index].phase.may_submit:
            message = f"not submitted again, since the record of the run cannot be written: {self.state_error.message}"
            self._skips.append(Skip(ticket.index, Reason.STATE, message))

    def _follow(self, active: ActiveJob, step: Step) -> None:
        """Do what a step says."""
        self._recorder.add(*step.events)
        active.may_run_on |= any(isinstance(event, AttemptEnded) and runs_on(event.outcome) for event in step.events)
        for index in step.shared:
            other = self._jobs[index]
            if other.phase is Phase.WATCH:
                self._follow(other, self._steps.lose_id(other, active.task.label))
        if step.end is not None:
            self._end(active, step.end)
        elif step.due is not None:
            self._serial += 1
            active.serial = self._serial
            active.due = step.due
            heapq.heappush(self._heap, (step.due, active.serial, active.task.index))

    def _end(self, active: ActiveJob, ended: Ended) -> None:
        active.phase = Phase.ENDED
        self._turn_again = True
        seconds = None if active.lasted is None else round(active.lasted, 3)
        self._recorder.add(
            JobEnded(self._clock.now(), active.task.key, ended.outcome, ended.reason, ended.message, seconds)
        )
        mark = _mark(active, ended.outcome, ended.reason)
        self._skips.extend(self._gate.end(active.task.index, mark, seen=not active.may_run_on))

    def _check_finish(self) -> None:
        """Past `finishBy` nothing new starts; jobs on the server get their last read from their own deadline."""
        stage = self._gate.stage
        if not 0 <= stage < len(self._steps.finishes) or self._clock.monotonic() < self._steps.finishes[stage]:
            return
        for index in self._gate.free():
            if self._plan.tasks[index].stage == stage:
                self._gate.take_away(index)
                self._skips.append(Skip(index, Reason.FINISH_BY, "not started before finishBy"))
                self._turn_again = True

    def _adopt(self) -> None:
        """Take up what an earlier process began, and begin the first manifest that has not ended."""
        for finish in (self._steps.finishes[stage] for stage in range(len(self._steps.finishes))):
            if finish < math.inf:
                heapq.heappush(self._heap, (finish, 0, _NO_JOB))
        under_way: list[tuple[ActiveJob, JobResult]] = []
        for active, seen in zip(self._jobs, self._builder.jobs().values(), strict=True):
            active.may_run_on = seen.settled is None and any(runs_on(each.outcome) for each in seen.attempts)
            self._steps.recall(active, seen)
            if seen.verdict is not None:
                active.phase = Phase.ENDED
                active.outputs = outputs_of(seen)
                mark = _mark(active, seen.verdict, Reason(seen.reason) if seen.reason else Reason.DONE)
                self._gate.adopt(active.task.index, mark, seen=not active.may_run_on)
            elif seen.attempts:
                self._gate.adopt(active.task.index, None)
                under_way.append((active, seen))
        self._advance()
        for active, seen in under_way:
            self._follow(active, self._steps.adopt(active, seen))


def _mark(active: ActiveJob, outcome: Outcome, reason: Reason) -> Mark:
    if reason is Reason.NOT_NEEDED:
        return Mark.NEUTRAL
    return Mark.BAD if is_bad(outcome, reason, allow_failure=active.task.job.allow_failure) else Mark.GOOD
