"""What follows, for one job, from each thing that can happen to it. No heap, no pool, no other jobs.

Each method takes the job's `ActiveJob` and what happened, updates it, and returns a `Step`: the events to record, and
either when the job wants its next request or how it ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random

from aftrun.domain.durations import format_duration
from aftrun.domain.errors import StateError
from aftrun.domain.events import (
    Accepted,
    Action,
    AttemptEnded,
    Converged,
    Event,
    LookFailed,
    Reason,
    RetryPlanned,
    StateSeen,
    SubmitDeferred,
    SubmitIntended,
    Warned,
)
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.model import JobResult, Json, Outcome, Reply, SeenWord, State
from aftrun.domain.secrets import NOTHING_SECRET, Scrubber
from aftrun.domain.values import Bindings, Inside, Unbound
from aftrun.domain.words import normal
from aftrun.run import policy, polling, sightings
from aftrun.run.active_job import ActiveJob, Phase
from aftrun.run.claims import Claim, Claims
from aftrun.run.converge import LastAttempt, Move, differing, in_doubt, up_to_date
from aftrun.run.expect import search, unmet
from aftrun.run.fold import seen_next
from aftrun.run.once import Convergence
from aftrun.run.plan import Plan, finish_time
from aftrun.run.policy import Blind, Created, Ended, Going, NotProcessed, ReadDecision
from aftrun.run.ports import Clock, Deadlines, SteadyClock
from aftrun.run.render import JobOutputs, RunFacts, as_text, kept_outputs, lookup_for, make_request, outputs_of


@dataclass(frozen=True, slots=True)
class Step:
    """What to record, and what comes next: a request at `due` (monotonic), the job's `end`, or nothing of either."""

    events: tuple[Event, ...] = ()
    due: float | None = None
    end: Ended | None = None
    shared: tuple[int, ...] = ()
    """Other jobs under way (by index) that the server gave the same id: their ends cannot be told any more either."""


_ASK_AGAIN = 0.2
"""How long to wait for the id that another process is about to be told, before the record is asked again, seconds."""


def _without_value(error: Unbound) -> Step:
    why = "handed nothing of that name on, or a text that holds a secret, which no later run can read"
    message = f"{error} has no value, since the job that it names {why}; nothing was sent"
    return Step(end=Ended(Outcome.REJECTED, Reason.VALUE, message))


class Steps:
    """The jobs of one run, and its rules, applied to one job at a time."""

    def __init__(
        self,
        plan: Plan,
        facts: RunFacts,
        bindings: Bindings,
        *,
        clock: Clock,
        random: Random,
        scrubber: Scrubber = NOTHING_SECRET,
        inherited: Callable[[int, str], JobOutputs | None] = lambda _stage, _name: None,
        past: Callable[[str], Sequence[float]] = lambda _key: (),
        places: Sequence[str] = (),
        convergence: Convergence | None = None,
        commands: sightings.Commands = sightings.Commands(),  # noqa: B008  # frozen
    ) -> None:
        """`inherited` tells, by stage and name, what jobs hand on that are not in the plan since they ran before.

        `past` tells how long a job, by its key, took in past runs, seconds. `places` says of each server of the plan
        where its ids are unique (`claims.place`); without, each is its own. `convergence` asks the record about jobs
        with `once`; without, they are sent as all others. `commands` are those that help with words for a state that
        aftrun does not know.
        """
        self.plan = plan
        self.jobs = tuple(ActiveJob(task) for task in plan.tasks)
        """In the plan's order."""
        self.clock = SteadyClock(clock)
        finishes = [finish_time(stage.strategy.finish_by, facts.started_at, facts.zone) for stage in plan.stages]
        self.finishes = Deadlines(finishes, self.clock)
        """The `finishBy` of each stage."""
        self._facts, self._bindings = facts, bindings
        self._random, self._scrubber = random, scrubber
        self._by_name = {(active.task.stage, active.task.job.name): active for active in self.jobs}
        self._inherited = inherited
        self._past = past
        self._convergence = convergence
        self._places = tuple(places) or tuple(map(str, range(len(plan.servers))))
        self._claims = Claims()
        self._commands = commands
        self._passed: list[set[str]] = [set() for _ in plan.servers]
        """Of each server, the words that others followed, which are therefore no ends."""
        self._said: set[tuple[int, str, str]] = set()
        """What has been said of a server's words: many jobs say the same."""

    def _outputs_of(self, stage: int, name: str) -> JobOutputs | None:
        """What a job hands on, so far."""
        active = self._by_name.get((stage, name))
        return self._inherited(stage, name) if active is None else active.outputs

    # --- submitting -----------------------------------------------------------------------------------------------

    def begin(self, active: ActiveJob) -> Step:
        """A new attempt. Its request is made now, from what other jobs have handed on by now."""
        task = active.task
        server = self.plan.servers[task.server]
        now = self.clock.monotonic()
        active.begin_attempt(min(now + server.submit_timeout, self.finishes[task.stage]))
        lookup = self._lookup(active)
        correlation = f"{self._facts.id}/{task.label}/{active.attempt}"
        try:
            request = make_request(task.job, server, self._bindings, lookup, correlation)
        except Unbound as error:
            active.attempt -= 1
            return _without_value(error)
        selector = task.job.script.selector.value
        if not request.body[selector]:
            active.attempt -= 1
            message = f"its {selector} comes to an empty text, which names no script; nothing was sent"
            return Step(end=Ended(Outcome.REJECTED, Reason.VALUE, message))
        # What another job handed on can echo a secret.
        shown = {
            name: self._scrubbed(value) if isinstance(value, dict) else value for name, value in request.shown.items()
        }
        active.request = replace(request, shown=self._scrubbed(shown))
        return Step(due=now)

    def _lookup(self, active: ActiveJob) -> Callable[[Inside], str | None]:
        task = active.task
        return lookup_for(task, self._facts, self._bindings, lambda name: self._outputs_of(task.stage, name))

    def converge(self, active: ActiveJob) -> Step | None:
        """What becomes of a job that is about to be sent, where the record holds an earlier attempt; None: it is sent.

        See `converge.decide`. Only a job with `once` has any.
        """
        task = active.task
        if self._convergence is None or not task.job.once:
            return None
        attempt = active.attempt + (active.phase is not Phase.SUBMIT)
        manifest = self.plan.stages[task.stage].name
        try:
            found = self._convergence.look(task, manifest, self._lookup(active), attempt, active.gone_by)
        except Unbound as error:
            return _without_value(error)
        except StateError as error:
            message = f"not started, since the record cannot tell whether it was done before: {error.message}"
            return Step(end=Ended(Outcome.SKIPPED, Reason.STATE, message))
        if found is None:
            message = "its `once` comes to an empty key, under which it would never run again; nothing was sent"
            return Step(end=Ended(Outcome.REJECTED, Reason.VALUE, message))
        active.once = found.once
        if found.move is Move.SUBMIT or found.last is None:
            return None
        if found.move is Move.WAIT:
            active.phase = Phase.WAIT if active.phase is not Phase.SUBMIT else active.phase
            return Step(due=self.clock.monotonic() + _ASK_AGAIN)
        return self._converged(active, attempt, found.move, found.last)

    def _converged(self, active: ActiveJob, attempt: int, move: Move, last: LastAttempt) -> Step:
        """A job goes by an attempt of another run."""
        assert active.once is not None, "it was asked about"  # noqa: S101  # for the type checker
        differs = differing(last, active.once)
        event = Converged(
            self.clock.now(),
            active.task.key,
            attempt,
            Action(move.value),
            last.run,
            last.attempt,
            last.once if last.once.mark else active.once,
            job_id=last.job_id,
            id_field=last.id_field,
            accepted_at=last.accepted_at,
            outcome=last.outcome,
            since=last.ended_at,
            outputs=last.outputs,
            differs=differs or None,
        )
        events: tuple[Event, ...] = (event,)
        if differs and move is not Move.DOUBT:
            what = ", ".join(differs)
            message = (
                f"{active.task.label}: {what} {'is' if len(differs) == 1 else 'are'} not what run {last.run} sent "
                f"under the same `once`; nothing is sent again\nto send it all the same: --again"
            )
            events += (Warned(event.at, self._scrubber.scrub(message), active.task.key),)
        active.outputs = kept_outputs(last.job_id, last.outputs)
        if move is Move.UP_TO_DATE:
            return Step(events, end=Ended(Outcome.UP_TO_DATE, Reason.ONCE, up_to_date(last, self._facts.zone)))
        if move is Move.DOUBT:
            active.may_run_on = True
            why = in_doubt(last, active.once, self._facts.id, self._commands.record)
            return Step(events, end=Ended(Outcome.UNKNOWN, Reason.ONCE, why))
        return self._go_by(active, last, events)

    def _go_by(self, active: ActiveJob, last: LastAttempt, events: tuple[Event, ...]) -> Step:
        """Read the status of the job that another run had accepted, to its end."""
        now, wall = self.clock.monotonic(), self.clock.now()
        if active.phase is not Phase.SUBMIT:
            active.begin_attempt(math.inf)
        active.phase = Phase.WATCH
        active.gone_by = (last.run, last.attempt)
        active.job_id, active.id_field = last.job_id or "", last.id_field or ""
        active.accepted = now - max(0.0, wall - (last.accepted_at or wall))
        active.outputs = JobOutputs(active.job_id)
        place = self._places[active.task.server]
        self._claims.add(place, active.job_id, Claim(active.task.index, active.attempt, active.task.label))
        over = self._over_at_once(active)
        if over is not None:
            return replace(over, events=(*events, *over.events))
        return Step(events, due=now)

    def too_late(self, active: ActiveJob) -> Step | None:
        """What becomes of a job whose next submission is due and whose `finishBy` has passed; None: it may be sent.

        It was planned in time, but the machine may have slept since, or its clock been set, or the process been killed.
        """
        if self.clock.monotonic() < self.finishes[active.task.stage]:
            return None
        if active.phase in (Phase.BACKOFF, Phase.WAIT) and active.last is not None:
            return Step(end=active.last)
        if active.phase is Phase.WAIT:
            message = "not started before finishBy: another run has it under way"
            return Step(end=Ended(Outcome.SKIPPED, Reason.FINISH_BY, message))
        message = "given up at finishBy, no job was created"
        return self.attempt_over(active, Ended(Outcome.UNDELIVERED, Reason.UNREACHABLE, message))

    def intend(self, active: ActiveJob) -> SubmitIntended:
        """The POST is about to leave."""
        active.tries += 1
        shown = {} if active.request is None else active.request.shown
        return SubmitIntended(self.clock.now(), active.task.key, active.attempt, shown, active.once)

    def refused(self, active: ActiveJob) -> Step:
        """The intent is not on record, since another process has sent the job meanwhile: the record is asked again."""
        active.tries -= 1
        if not active.tries:  # nothing of this attempt is on record, so it has not begun
            active.phase, active.attempt = Phase.WAIT, active.attempt - 1
        return Step(due=self.clock.monotonic())

    def submitted(self, active: ActiveJob, reply: Reply) -> Step:
        """The POST has been answered, or has failed."""
        decision = policy.after_submit(reply, active.task.job.on_ambiguous)
        if isinstance(decision, Created):
            return self._accepted(active, decision)
        if isinstance(decision, Ended):
            return self.attempt_over(active, decision)
        now = self.clock.monotonic()
        wait = max(policy.backoff(active.tries, policy.SUBMIT_BACKOFF, self._random), decision.retry_after or 0.0)
        if now + wait > active.submit_until:
            return self.attempt_over(
                active, Ended(Outcome.UNDELIVERED, Reason.UNREACHABLE, self._undelivered(decision))
            )
        event = SubmitDeferred(self.clock.now(), active.task.key, active.attempt, decision.message, round(wait, 3))
        return Step((event,), due=now + wait)

    @staticmethod
    def _undelivered(decision: NotProcessed) -> str:
        asked = f" and asks to wait {format_duration(decision.retry_after)}" if decision.retry_after else ""
        given_up = f"{decision.message}{asked}; given up at submitTimeout, no job was created"
        return f"{given_up}\n{decision.hint}" if decision.hint else given_up

    def _accepted(self, active: ActiveJob, created: Created) -> Step:
        active.phase = Phase.WATCH
        active.accepted = self.clock.monotonic()
        active.job_id, active.id_field = created.job_id, created.id_field
        active.going = active.accepted
        active.outputs = JobOutputs(created.job_id)
        event = Accepted(
            self.clock.now(), active.task.key, active.attempt, created.job_id, created.state, created.id_field or None
        )
        place = self._places[active.task.server]
        self._claims.add(place, active.job_id, Claim(active.task.index, active.attempt, active.task.label))
        over = self._over_at_once(active)
        if over is not None:
            return replace(over, events=(event, *over.events))
        words = self._sighted(active, created.state, created.phase)
        return Step((event, *words), due=self._next_poll(active, 0.0))

    def _over_at_once(self, active: ActiveJob) -> Step | None:
        """What becomes of a job that has just got its id, where nothing is left to read; None: it is read to its end.

        Then its polls are planned, by what past runs tell.
        """
        shared = self._shared(active)
        if shared is not None:
            return shared
        if not active.task.job.wait:
            return self.attempt_over(active, Ended(Outcome.SUBMITTED, Reason.DONE, "accepted; not waited for"))
        active.stops = polling.stops(self.plan.servers[active.task.server].poll, self._past(active.task.key))
        return None

    def _shared(self, active: ActiveJob) -> Step | None:
        """What follows where others were given the job's id: None where all of these were seen to end."""
        others = self._claims.others(self._places[active.task.server], active.job_id, active.task.index, active.attempt)
        active.earlier = tuple(claim for claim in others if claim.over)
        open_ones = [claim for claim in others if not claim.over]
        if not open_ones:
            return None
        names = ", ".join(dict.fromkeys(claim.job for claim in open_ones))
        over = self.lose_id(active, names)
        return replace(over, shared=tuple(claim.index for claim in open_ones if claim.index != active.task.index))

    def lose_id(self, active: ActiveJob, names: str) -> Step:
        """The server gave the job's id to others (their `names`) too, so nothing that it says of it can be believed."""
        message = (
            f"the server gave the id {active.job_id} to {names} too, so nobody can tell from here whose end it shows\n"
            "it may have been restarted, or have answered with the job of an earlier submission: check on the server"
        )
        return self.attempt_over(active, Ended(Outcome.UNKNOWN, Reason.UNREADABLE, message))

    # --- reading --------------------------------------------------------------------------------------------------

    def read(self, active: ActiveJob, reply: Reply) -> Step:
        """A status read has been answered, or has failed."""
        decision = self._of_this_attempt(active, policy.after_read(reply, active.job_id, active.id_field))
        if isinstance(decision, Ended):
            if decision.info is not None:
                self._sighted(active, decision.info.status, decision.info.state)
            return self.attempt_over(active, decision)
        events = self._note(active, decision)
        now = self.clock.monotonic()
        patience, given_up = self._patience(active)
        if now >= patience:
            over = self.attempt_over(active, given_up)
            return replace(over, events=(*events, *over.events))
        deadline, reason, name = active.deadline(self.finishes[active.task.stage])
        if now >= deadline:
            over = self.attempt_over(active, policy.out_of_time(decision, reason, name))
            return replace(over, events=(*events, *over.events))
        retry_after = decision.retry_after if isinstance(decision, Blind) else None
        return Step(tuple(events), due=self._next_poll(active, retry_after or 0.0))

    def read_once(self, active: ActiveJob, reply: Reply) -> Step | Going | Blind:
        """The same for a job that is only read, and not followed: what follows from its end, where that was seen."""
        decision = self._of_this_attempt(active, policy.after_read(reply, active.job_id, active.id_field))
        return self.attempt_over(active, decision) if isinstance(decision, Ended) else decision

    def _of_this_attempt(self, active: ActiveJob, decision: ReadDecision) -> ReadDecision:
        """The decision, unless it may be about a job that had the same id before and ended.

        An ended job does not go back to running. So whatever was seen queued or running under the id is the new one.
        """
        info = None if isinstance(decision, Blind) else decision.info
        if info is None or not active.earlier:
            return decision
        if info.state in (State.QUEUED, State.RUNNING):
            active.earlier = ()
        claim = next((claim for claim in active.earlier if claim.is_shown_by(info)), None)
        if claim is None:
            return decision
        return Blind(
            f"the server gave the id {active.job_id} to {claim.job} before, and may still show how that one ended",
            stale=True,
        )

    def _patience(self, active: ActiveJob) -> tuple[float, Ended]:
        """Until when (monotonic) to go on reading a job that the server does not show, and what it ends as then."""
        said = active.blind_message
        if active.missing_since is not None:
            message = f"the server no longer knows the job ({said}); how it ended cannot be told from here"
            until = active.missing_since + policy.NOT_FOUND_GRACE
            return until, Ended(Outcome.UNKNOWN, Reason.VANISHED, message)
        until = math.inf
        if active.refused_since is not None:
            until = active.refused_since + self.plan.servers[active.task.server].submit_timeout
        elif active.stale_since is not None:
            return active.stale_since + policy.NOT_FOUND_GRACE, Ended(Outcome.UNKNOWN, Reason.UNREADABLE, said)
        return until, Ended(Outcome.UNKNOWN, Reason.UNREADABLE, f"given up after submitTimeout: {said}")

    def _note(self, active: ActiveJob, decision: Going | Blind) -> list[Event]:
        """Remember what a status read said, and record what is new in it."""
        at, key = self.clock.now(), active.task.key
        if isinstance(decision, Blind):
            active.blind += 1
            if not decision.missing:
                active.missing_since = None
            elif active.missing_since is None:
                active.missing_since = self.clock.monotonic()
            if not decision.refused:
                active.refused_since = None
            elif active.refused_since is None:
                active.refused_since = self.clock.monotonic()
            if not decision.stale:
                active.stale_since = None
            elif active.stale_since is None:
                active.stale_since = self.clock.monotonic()
            if decision.message == active.blind_message:
                return []
            active.blind_message = decision.message
            return [LookFailed(at, key, active.attempt, self._scrubber.scrub(decision.message))]
        info = decision.info
        active.blind, active.blind_message = 0, ""
        active.missing_since = active.refused_since = active.stale_since = None
        active.going = active.sent_at
        events: list[Event] = []
        if (info.status, info.state) != (active.status, active.state):
            active.status, active.state = info.status, info.state
            events.append(StateSeen(at, key, active.attempt, info.status, info.state.value))
        events += self._sighted(active, info.status, info.state, doubted=info.doubted)
        if decision.note and not active.noted:
            active.noted = True
            events.append(Warned(at, f"{active.task.label}: {decision.note}", key))
        return events

    def _sighted(self, active: ActiveJob, word: str, state: State, *, doubted: bool = False) -> list[Event]:
        """Remember the word that was seen, and say so where it is not known and new, or has stood still for long."""
        now, at = self.clock.monotonic(), self.clock.now()
        before = active.words
        active.words = seen_next(before, SeenWord(word, at, state.value))
        if len(active.words) > len(before):
            active.still_since = now
        server = active.task.server
        passed = self._passed[server]
        passed |= sightings.followed(active.words[-2:])
        if state is not State.UNLISTED:
            return []
        about = self._commands.about(active.job_id)
        name = active.task.label
        if self._is_news(server, "new", word):
            return [Warned(at, sightings.new_word(name, active.words, passed, about, doubted=doubted), active.task.key)]
        still = now - active.still_since
        if normal(word) in passed or still < sightings.patience(self._past(active.task.key)):
            return []
        if not self._is_news(server, "still", word):
            return []
        return [Warned(at, sightings.perhaps_an_end(name, active.words, passed, still, about), active.task.key)]

    def _is_news(self, server: int, what: str, word: str) -> bool:
        news = (server, what, normal(word))
        known = news in self._said
        self._said.add(news)
        return not known

    def _next_poll(self, active: ActiveJob, retry_after: float) -> float:
        """When to read next: by rule and history, later after failures, but one last time when the clock runs out."""
        now = self.clock.monotonic()
        poll = self.plan.servers[active.task.server].poll
        wait = polling.next_poll(poll, now - active.accepted, active.stops, self._random)
        if active.blind:
            wait = max(wait, policy.backoff(active.blind, policy.READ_BACKOFF, self._random), retry_after)
        deadline, _, _ = active.deadline(self.finishes[active.task.stage])
        return min(now + wait, max(now, min(deadline, self._patience(active)[0])))

    # --- ending ---------------------------------------------------------------------------------------------------

    def attempt_over(self, active: ActiveJob, ended: Ended) -> Step:
        """One submission is over: check `expect`, take `outputs`, decide about another attempt."""
        events: list[Event] = []
        outputs: dict[str, Json] = {}
        info = ended.info
        if info is not None:
            ended = self._expect(active, ended)
            outputs = self._outputs(active, info.raw, events)
            if ended.reason in (Reason.DONE, Reason.EXPECT):
                place = self._places[active.task.server]
                self._claims.ended(place, active.job_id, active.task.index, active.attempt, info.ended_at)
                active.lasted = active.duration(self.clock.monotonic(), self.clock.now(), info.ended_at)
        ended = replace(ended, message=self._scrubber.scrub(ended.message))
        active.outputs = JobOutputs(active.job_id or None, outputs)
        over = AttemptEnded(
            self.clock.now(),
            active.task.key,
            active.attempt,
            ended.outcome,
            ended.reason,
            ended.message,
            exit_code=info.exit_code if info else None,
            state=info.status if info else "",
            server_started_at=info.started_at if info else None,
            server_ended_at=info.ended_at if info else None,
            outputs=self._scrubbed(outputs),
        )
        events.append(over)
        return self.after_attempt(active, ended, tuple(events))

    def after_attempt(self, active: ActiveJob, ended: Ended, events: tuple[Event, ...], waited: float = 0.0) -> Step:
        """Another attempt, or the job's end. `waited` seconds of the wait between them have already passed."""
        now, at = self.clock.monotonic(), self.clock.now()
        job = active.task.job
        finish = self.finishes[active.task.stage]
        delay: float | None
        if policy.may_resubmit(job.on_ambiguous, ended):
            server = self.plan.servers[active.task.server]
            if active.resubmit_until == math.inf:
                active.resubmit_until = now + server.submit_timeout
            delay = policy.backoff(active.attempt, policy.SUBMIT_BACKOFF, self._random)
            if now + delay > active.resubmit_until:
                delay = None
        else:
            delay = policy.retry_delay(job.retry, active.attempt, ended.outcome)
        if delay is None or now + delay >= finish:
            return Step(events, end=ended)
        delay = max(0.0, delay - waited)
        active.phase = Phase.BACKOFF
        active.last = ended
        message = f"{ended.outcome.value}: {ended.message}" if ended.message else ended.outcome.value
        planned = RetryPlanned(at, active.task.key, active.attempt + 1, round(delay, 3), message)
        return Step((*events, planned), due=now + delay)

    def _expect(self, active: ActiveJob, ended: Ended) -> Ended:
        """Hold a success against the job's own conditions."""
        if ended.outcome is not Outcome.SUCCEEDED or ended.info is None:
            return ended
        message = unmet(active.task.job.expect, ended.info.raw, self._scrubber)
        if message is None:
            return ended
        return Ended(Outcome.FAILED, Reason.EXPECT, self._scrubber.scrub(message), ended.info)

    def _outputs(self, active: ActiveJob, raw: Json, events: list[Event]) -> dict[str, Json]:
        outputs: dict[str, Json] = {}
        for name, path in active.task.job.outputs:
            found, problem = search(path, raw)
            if found is None:
                why = problem or "the job info has nothing there"
                text = f"{active.task.label}: output {name} ({path}) is empty: {why}"
                events.append(Warned(self.clock.now(), self._scrubber.scrub(text), active.task.key))
            outputs[name] = found
        return outputs

    def _scrubbed(self, outputs: dict[str, Json]) -> dict[str, Json]:
        """Outputs as they may be recorded; a server can echo what it was sent."""
        result: dict[str, Json] = {}
        for name, value in outputs.items():
            text = as_text(value)
            clean = self._scrubber.scrub(text)
            result[name] = value if clean == text else clean
        return result

    # --- going on with an earlier process' work --------------------------------------------------------------------

    def recall(self, active: ActiveJob, seen: JobResult) -> None:
        """Which ids a job was given, from the record. To be told of all jobs before any is adopted."""
        for attempt in seen.attempts:
            self._claims.recall(self._places[active.task.server], active.task.index, active.task.label, attempt)
            self._passed[active.task.server] |= sightings.followed(attempt.words)

    def adopt(self, active: ActiveJob, seen: JobResult) -> Step:
        """Where a job stands that an earlier process began, from the record. `seen.attempts` is not empty."""
        attempt = seen.attempts[-1]
        now, wall = self.clock.monotonic(), self.clock.now()
        active.attempt, active.tries = attempt.number, attempt.tries
        active.job_id, active.id_field = attempt.job_id or "", attempt.id_field
        if seen.earlier is not None and seen.earlier.action == Action.FOLLOW:
            active.gone_by = (seen.earlier.run, seen.earlier.attempt)
        active.outputs = outputs_of(seen)
        if seen.phase == "submitting":
            why, on_ambiguous = (
                "aftrun was stopped between sending the request and its answer",
                active.task.job.on_ambiguous,
            )
            return self.attempt_over(active, policy.fate_unknown(why, on_ambiguous, Reason.CRASHED))
        if seen.phase == "deferred":
            active.attempt -= 1
            return self.begin(active)
        if seen.phase == "waiting":
            assert attempt.outcome is not None, "it waits after an end"  # noqa: S101  # for the type checker
            ended = Ended(attempt.outcome, Reason(attempt.reason), attempt.message)
            waited = max(0.0, wall - (attempt.ended_at or wall))
            return self.after_attempt(active, ended, (), waited)
        active.phase = Phase.WATCH
        active.accepted = now - max(0.0, wall - (attempt.accepted_at or wall))
        active.words = attempt.words
        if active.words:
            active.still_since = now - max(0.0, wall - active.words[-1].at)
        if seen.phase == "running":
            active.status, active.state = attempt.state, State.RUNNING
        over = self._over_at_once(active)
        if seen.phase == "running":
            active.earlier = ()
        return Step(due=now) if over is None else over
