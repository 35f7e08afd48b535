"""What follows, for one job, from each thing that can happen to it. No heap, no pool, no other jobs.

Each method takes the job's `ActiveJob` and what happened, updates it, and returns a `Step`: the events to record, and
either when the job wants its next request or how it ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from aftrun.domain.durations import format_duration
from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
    Event,
    LookFailed,
    Reason,
    RetryPlanned,
    StateSeen,
    SubmitDeferred,
    SubmitIntended,
    Warned,
)
from aftrun.domain.model import JobResult, Json, Outcome, Reply, State
from aftrun.domain.secrets import Scrubber
from aftrun.domain.values import Bindings, Unbound
from aftrun.run import policy
from aftrun.run import polling as looking
from aftrun.run.active_job import ActiveJob, Phase
from aftrun.run.claims import Claim, Claims
from aftrun.run.expect import search, unmet
from aftrun.run.plan import Plan
from aftrun.run.policy import Blind, Created, Ended, Going, LookDecision, NotProcessed
from aftrun.run.ports import Clock, Deadlines
from aftrun.run.render import JobOutputs, RunFacts, as_text, lookup_for, make_request, outputs_of


@dataclass(frozen=True, slots=True)
class Step:
    """What to record, and what comes next: a request at `due` (monotonic), the job's `end`, or nothing of either."""

    events: tuple[Event, ...] = ()
    due: float | None = None
    end: Ended | None = None
    shared: tuple[int, ...] = ()
    """Other jobs under way (by index) that the server gave the same id: their ends cannot be told any more either."""


class Steps:
    """The rules of one run, applied to one job at a time."""

    def __init__(
        self,
        plan: Plan,
        *,
        facts: RunFacts,
        bindings: Bindings,
        clock: Clock,
        random: Random,
        scrubber: Scrubber,
        finishes: Deadlines,
        handed: Callable[[int, str], JobOutputs | None],
        past: Callable[[str], Sequence[float]] = lambda _key: (),
        places: Sequence[str] = (),
    ) -> None:
        """`past` tells how long a job, by its key, took in past runs, seconds.

        `places` says of each server of the plan where its ids are unique (`claims.place`); without, each is its own.
        """
        self._plan, self._facts, self._bindings = plan, facts, bindings
        self._clock, self._random, self._scrubber = clock, random, scrubber
        self._finishes = finishes
        self._handed = handed
        self._past = past
        self._places = tuple(places) or tuple(map(str, range(len(plan.servers))))
        self._claims = Claims()

    # --- submitting -----------------------------------------------------------------------------------------------

    def begin(self, live: ActiveJob) -> Step:
        """A new attempt. Its request is made now, from what other jobs have handed on by now."""
        task = live.task
        server = self._plan.servers[task.server]
        now = self._clock.monotonic()
        live.begin_attempt(min(now + server.submit_timeout, self._finishes[task.stage]))
        lookup = lookup_for(task, self._facts, self._bindings, lambda name: self._handed(task.stage, name))
        correlation = f"{self._facts.id}/{task.label}/{live.attempt}"
        try:
            request = make_request(task.job, server, self._bindings, lookup, correlation)
        except Unbound as error:
            live.attempt -= 1
            message = (
                f"{error} has no value, since the job that it names handed nothing of that name on; nothing was sent"
            )
            return Step(end=Ended(Outcome.REJECTED, Reason.VALUE, message))
        # What another job handed on can echo a secret.
        shown = {
            name: self._scrubbed(value) if isinstance(value, dict) else value for name, value in request.shown.items()
        }
        live.request = replace(request, shown=self._scrubbed(shown))
        return Step(due=now)

    def too_late(self, live: ActiveJob) -> Step | None:
        """What becomes of a job whose next submission is due and whose `finishBy` has passed; None: it may be sent.

        It was planned in time, but the machine may have slept since, or its clock been set, or the process been killed.
        """
        if self._clock.monotonic() < self._finishes[live.task.stage]:
            return None
        if live.phase is Phase.BACKOFF and live.last is not None:
            return Step(end=live.last)
        message = "given up at finishBy, no job was created"
        return self.attempt_over(live, Ended(Outcome.UNDELIVERED, Reason.UNREACHABLE, message))

    def intend(self, live: ActiveJob) -> SubmitIntended:
        """The POST is about to leave."""
        live.tries += 1
        shown = {} if live.request is None else live.request.shown
        return SubmitIntended(self._clock.now(), live.task.key, live.attempt, shown)

    def submitted(self, live: ActiveJob, reply: Reply) -> Step:
        """The POST has been answered, or has failed."""
        decision = policy.after_submit(reply)
        if isinstance(decision, Created):
            return self._accepted(live, decision)
        if isinstance(decision, Ended):
            return self.attempt_over(live, decision)
        now = self._clock.monotonic()
        wait = max(policy.backoff(live.tries, policy.SUBMIT_BACKOFF, self._random), decision.retry_after or 0.0)
        if now + wait > live.submit_until:
            return self.attempt_over(live, Ended(Outcome.UNDELIVERED, Reason.UNREACHABLE, self._undelivered(decision)))
        event = SubmitDeferred(self._clock.now(), live.task.key, live.attempt, decision.message, round(wait, 3))
        return Step((event,), due=now + wait)

    @staticmethod
    def _undelivered(decision: NotProcessed) -> str:
        asked = f" and asks to wait {format_duration(decision.retry_after)}" if decision.retry_after else ""
        given_up = f"{decision.message}{asked}; given up at submitTimeout, no job was created"
        return f"{given_up}\n{decision.hint}" if decision.hint else given_up

    def _accepted(self, live: ActiveJob, created: Created) -> Step:
        live.phase = Phase.WATCH
        live.accepted = self._clock.monotonic()
        live.job_id, live.id_field = created.job_id, created.id_field
        live.going = live.accepted
        live.handed = JobOutputs(created.job_id)
        event = Accepted(
            self._clock.now(), live.task.key, live.attempt, created.job_id, created.state, created.id_field or None
        )
        place = self._places[live.task.server]
        self._claims.add(place, live.job_id, Claim(live.task.index, live.attempt, live.task.job.name))
        shared = self._shared(live)
        if shared is not None:
            return replace(shared, events=(event, *shared.events))
        if not live.task.job.wait:
            over = self.attempt_over(live, Ended(Outcome.SUBMITTED, Reason.DONE, "accepted; not waited for"))
            return Step((event, *over.events), end=over.end)
        self._plan_looks(live)
        return Step((event,), due=self._next_look(live, 0.0))

    def _shared(self, live: ActiveJob) -> Step | None:
        """What follows where others were given the job's id: None where all of these were seen to end."""
        others = self._claims.others(self._places[live.task.server], live.job_id, live.task.index, live.attempt)
        live.earlier = tuple(claim for claim in others if claim.over)
        open_ones = [claim for claim in others if not claim.over]
        if not open_ones:
            return None
        names = ", ".join(dict.fromkeys(claim.job for claim in open_ones))
        over = self.lose_id(live, names)
        return replace(over, shared=tuple(claim.index for claim in open_ones if claim.index != live.task.index))

    def lose_id(self, live: ActiveJob, names: str) -> Step:
        """The server gave the job's id to others (their `names`) too, so nothing that it says of it can be believed."""
        message = (
            f"the server gave the id {live.job_id} to {names} too, so nobody can tell from here whose end it shows\n"
            "it may have been restarted, or have answered with the job of an earlier submission: check on the server"
        )
        return self.attempt_over(live, Ended(Outcome.UNKNOWN, Reason.UNREADABLE, message))

    # --- looking --------------------------------------------------------------------------------------------------

    def looked(self, live: ActiveJob, reply: Reply) -> Step:
        """A status read has been answered, or has failed."""
        decision = self._of_this_attempt(live, policy.after_look(reply, live.job_id, live.id_field))
        if isinstance(decision, Ended):
            return self.attempt_over(live, decision)
        events = self._note(live, decision)
        now = self._clock.monotonic()
        patience, given_up = self._patience(live)
        if now >= patience:
            over = self.attempt_over(live, given_up)
            return Step((*events, *over.events), over.due, over.end)
        deadline, reason, name = live.deadline(self._finishes[live.task.stage])
        if now >= deadline:
            over = self.attempt_over(live, policy.out_of_time(decision, reason, name))
            return Step((*events, *over.events), over.due, over.end)
        retry_after = decision.retry_after if isinstance(decision, Blind) else None
        return Step(tuple(events), due=self._next_look(live, retry_after or 0.0))

    def _of_this_attempt(self, live: ActiveJob, decision: LookDecision) -> LookDecision:
        """The decision, unless it may be about a job that had the same id before and ended.

        An ended job does not go back to running. So whatever was seen queued or running under the id is the new one.
        """
        info = None if isinstance(decision, Blind) else decision.info
        if info is None or not live.earlier:
            return decision
        if info.state in (State.QUEUED, State.RUNNING):
            live.earlier = ()
        claim = next((claim for claim in live.earlier if claim.is_shown_by(info)), None)
        if claim is None:
            return decision
        return Blind(
            f"the server gave the id {live.job_id} to {claim.job} before, and may still show how that one ended",
            stale=True,
        )

    def _patience(self, live: ActiveJob) -> tuple[float, Ended]:
        """Until when (monotonic) to go on reading a job that the server does not show, and what it ends as then."""
        said = live.blind_message
        if live.missing_since is not None:
            message = f"the server no longer knows the job ({said}); how it ended cannot be told from here"
            until = live.missing_since + policy.NOT_FOUND_GRACE
            return until, Ended(Outcome.UNKNOWN, Reason.VANISHED, message)
        until = math.inf
        if live.refused_since is not None:
            until = live.refused_since + self._plan.servers[live.task.server].submit_timeout
        elif live.stale_since is not None:
            return live.stale_since + policy.NOT_FOUND_GRACE, Ended(Outcome.UNKNOWN, Reason.UNREADABLE, said)
        return until, Ended(Outcome.UNKNOWN, Reason.UNREADABLE, f"given up after submitTimeout: {said}")

    def _note(self, live: ActiveJob, decision: Going | Blind) -> list[Event]:
        """Remember what a look said, and record what is new in it."""
        at, key = self._clock.now(), live.task.key
        if isinstance(decision, Blind):
            live.blind += 1
            if not decision.missing:
                live.missing_since = None
            elif live.missing_since is None:
                live.missing_since = self._clock.monotonic()
            if not decision.refused:
                live.refused_since = None
            elif live.refused_since is None:
                live.refused_since = self._clock.monotonic()
            if not decision.stale:
                live.stale_since = None
            elif live.stale_since is None:
                live.stale_since = self._clock.monotonic()
            if decision.message == live.blind_message:
                return []
            live.blind_message = decision.message
            return [LookFailed(at, key, live.attempt, decision.message)]
        info = decision.info
        live.blind, live.blind_message = 0, ""
        live.missing_since = live.refused_since = live.stale_since = None
        live.going = live.asked
        events: list[Event] = []
        if (info.status, info.state) != (live.status, live.state):
            live.status, live.state = info.status, info.state
            events.append(StateSeen(at, key, live.attempt, info.status, info.state.value))
        if decision.note and not live.noted:
            live.noted = True
            events.append(Warned(at, f"{live.task.job.name}: {decision.note}", key))
        return events

    def _plan_looks(self, live: ActiveJob) -> None:
        """Note when the job should end, by what past runs tell."""
        live.stops = looking.stops(self._plan.servers[live.task.server].poll, self._past(live.task.key))

    def _next_look(self, live: ActiveJob, retry_after: float) -> float:
        """When to look next: by rule and history, later after failures, but one last time when the clock runs out."""
        now = self._clock.monotonic()
        poll = self._plan.servers[live.task.server].poll
        wait = looking.next_look(poll, now - live.accepted, live.stops, self._random)
        if live.blind:
            wait = max(wait, policy.backoff(live.blind, policy.LOOK_BACKOFF, self._random), retry_after)
        deadline, _, _ = live.deadline(self._finishes[live.task.stage])
        return min(now + wait, max(now, min(deadline, self._patience(live)[0])))

    # --- ending ---------------------------------------------------------------------------------------------------

    def attempt_over(self, live: ActiveJob, ended: Ended) -> Step:
        """One submission is over: check `expect`, take `outputs`, decide about another attempt."""
        events: list[Event] = []
        outputs: dict[str, Json] = {}
        info = ended.info
        if info is not None:
            ended = self._expect(live, ended)
            outputs = self._outputs(live, info.raw, events)
            if ended.reason in (Reason.DONE, Reason.EXPECT):
                place = self._places[live.task.server]
                self._claims.ended(place, live.job_id, live.task.index, live.attempt, info.ended_at)
                live.lasted = live.duration(self._clock.monotonic(), self._clock.now(), info.ended_at)
        ended = replace(ended, message=self._scrubber.scrub(ended.message))
        live.handed = JobOutputs(live.job_id or None, outputs)
        over = AttemptEnded(
            self._clock.now(),
            live.task.key,
            live.attempt,
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
        return self.after_attempt(live, ended, tuple(events))

    def after_attempt(self, live: ActiveJob, ended: Ended, events: tuple[Event, ...], waited: float = 0.0) -> Step:
        """Another attempt, or the job's end. `waited` seconds of the wait between them have already passed."""
        now, at = self._clock.monotonic(), self._clock.now()
        job = live.task.job
        finish = self._finishes[live.task.stage]
        delay: float | None = None
        if policy.may_resubmit(job.on_ambiguous, ended):
            server = self._plan.servers[live.task.server]
            if live.resubmit_until == math.inf:
                live.resubmit_until = now + server.submit_timeout
            delay = policy.backoff(live.attempt, policy.SUBMIT_BACKOFF, self._random)
            if now + delay > live.resubmit_until:
                delay = None
        else:
            delay = policy.retry_delay(job.retry, live.attempt, ended.outcome)
        if delay is None or now + delay >= finish:
            return Step(events, end=ended)
        delay = max(0.0, delay - waited)
        live.phase = Phase.BACKOFF
        live.last = ended
        message = f"{ended.outcome.value}: {ended.message}" if ended.message else ended.outcome.value
        planned = RetryPlanned(at, live.task.key, live.attempt + 1, round(delay, 3), message)
        return Step((*events, planned), due=now + delay)

    def _expect(self, live: ActiveJob, ended: Ended) -> Ended:
        """Hold a success against the job's own conditions."""
        if ended.outcome is not Outcome.SUCCEEDED or ended.info is None:
            return ended
        message = unmet(live.task.job.expect, ended.info.raw)
        if message is None:
            return ended
        return Ended(Outcome.FAILED, Reason.EXPECT, self._scrubber.scrub(message), ended.info)

    def _outputs(self, live: ActiveJob, raw: Json, events: list[Event]) -> dict[str, Json]:
        outputs: dict[str, Json] = {}
        for name, path in live.task.job.outputs:
            found, problem = search(path, raw)
            if found is None:
                why = problem or "the job info has nothing there"
                text = f"{live.task.job.name}: output {name} ({path}) is empty: {why}"
                events.append(Warned(self._clock.now(), self._scrubber.scrub(text), live.task.key))
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

    # --- taking up an earlier process' work -----------------------------------------------------------------------

    def recall(self, live: ActiveJob, seen: JobResult) -> None:
        """Which ids a job was given, from the record. To be told of all jobs before any is adopted."""
        for attempt in seen.attempts:
            self._claims.recall(self._places[live.task.server], live.task.index, live.task.job.name, attempt)

    def adopt(self, live: ActiveJob, seen: JobResult) -> Step:
        """Where a job stands that an earlier process began, from the record. `seen.attempts` is not empty."""
        attempt = seen.attempts[-1]
        now, wall = self._clock.monotonic(), self._clock.now()
        live.attempt, live.tries = attempt.number, attempt.tries
        live.job_id, live.id_field = attempt.job_id or "", attempt.id_field
        live.handed = outputs_of(seen)
        if seen.phase == "submitting":
            message = f"aftrun was stopped between sending the request and its answer\n{policy.MAY_EXIST}"
            return self.attempt_over(live, Ended(Outcome.UNKNOWN, Reason.CRASHED, message))
        if seen.phase == "deferred":
            live.attempt -= 1
            return self.begin(live)
        if seen.phase == "waiting" and attempt.outcome is not None:
            ended = Ended(attempt.outcome, Reason(attempt.reason), attempt.message)
            waited = max(0.0, wall - (attempt.ended_at or wall))
            return self.after_attempt(live, ended, (), waited)
        live.phase = Phase.WATCH
        live.accepted = now - max(0.0, wall - (attempt.accepted_at or wall))
        if seen.phase == "running":
            live.status, live.state = attempt.state, State.RUNNING
        shared = self._shared(live)
        if shared is not None:
            return shared
        if seen.phase == "running":
            live.earlier = ()
        if not live.task.job.wait:
            return self.attempt_over(live, Ended(Outcome.SUBMITTED, Reason.DONE, "accepted; not waited for"))
        self._plan_looks(live)
        return Step(due=now)
