"""What follows for one job with `once` from what the record holds of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from aftrun.domain.errors import StateError
from aftrun.domain.events import Action, AttemptEnded, Converged, Once, Reason, SubmitIntended, Warned
from aftrun.domain.model import Answer, Attempt, Earlier, Job, JobInfo, JobResult, Outcome, State
from aftrun.domain.secrets import Scrubber
from aftrun.domain.values import Bindings, Inside, Outside, Template, Value
from aftrun.run.active_job import Phase
from aftrun.run.claims import Claim
from aftrun.run.converge import LastAttempt, in_doubt, up_to_date
from aftrun.run.once import Convergence, mark_of
from aftrun.run.pins import keyed
from aftrun.run.plan import make_plan
from aftrun.run.policy import Ended, Going
from aftrun.run.ports import Deadlines
from aftrun.run.render import JobOutputs, RunFacts
from aftrun.run.sightings import Commands
from aftrun.run.steps import Step, Steps
from tests.simulation.kernel import EPOCH, World
from tests.unit.run.test_steps import NO_VALUE
from tests.unit.world import ONE, RUN, job, parallel

KEY = "main/a"
NOW = 1000.0
AT = EPOCH + NOW
ZONE = "+02:00"


BINDINGS: Bindings = {("env", "DAY"): "monday"}


def inside(*path: str) -> Template:
    """`${{ path }}` alone."""
    text = "${{ " + ".".join(path) + " }}"
    return Template((Inside(path, text),), text)


class Record:
    """What is on record of every identity: the attempt of another run, or nothing, or it cannot be read."""

    def __init__(self, last: LastAttempt | None = None) -> None:
        self.last = last
        self.alive = False
        self.error = ""

    def last_attempt(self, identity: str) -> LastAttempt | None:
        """The same whatever is asked for."""
        assert len(identity) == 32
        if self.error:
            raise StateError(self.error)
        return self.last

    def attempts_of(self, _manifest: str, _job: str, _key: str) -> Sequence[LastAttempt]:
        """Nothing from before the digests had another key."""
        return ()

    def under_way(self, run: str) -> bool:
        """Whether the other run is alive."""
        assert run == "old"
        return self.alive


class Bench:
    """The rules, a clock, and two jobs with `once`, the first of which is about to be sent."""

    def __init__(self, record: Record, *, again: tuple[str, ...] = (), once: Value = "today", **fields: Any) -> None:
        self.record = record
        self.world = World(reading=0.0)
        self.world.advance(NOW)
        jobs: list[Job] = [job(name, once=once, **fields) for name in "ab"]
        self.steps = Steps(
            make_plan([parallel(*jobs, servers=(ONE,))]),
            RunFacts(RUN, EPOCH, ZONE),
            BINDINGS,
            clock=self.world,
            random=Random(1),  # noqa: S311  # it spreads reads
            scrubber=Scrubber(["hunter2"]),
            convergence=Convergence(
                record, RUN, b"0" * 16, ("https://one",), ("https://one",), bindings=BINDINGS, again=again
            ),
            commands=Commands(record=" --state-dir x"),
        )
        self.active, self.other = self.steps.jobs

    def once(self) -> Once:
        """What the job is known by."""
        self.record.last, last = None, self.record.last
        assert self.steps.converge(self.active) is None
        self.record.last = last
        assert self.active.once is not None
        return self.active.once

    def converged(self, **changes: Any) -> Step | None:
        """What follows where `LAST`, with these changes, is on record of the very same script and params."""
        once = self.once()
        self.record.last = replace(LAST, once=changes.pop("once", once), **changes)
        return self.steps.converge(self.active)


LAST = LastAttempt(
    Once("", "", "", ""),
    "main",
    "a",
    "old",
    3,
    AT - 60,
    job_id="4711",
    id_field="id",
    accepted_at=AT - 50,
    outcome=Outcome.SUCCEEDED,
    ended_at=AT - 10,
    outputs={"n": 1, "token": "***"},
)


def found(bench: Bench, action: Action, **changes: Any) -> Converged:
    """The event of it."""
    assert bench.record.last is not None
    last = bench.record.last
    event = Converged(
        AT,
        KEY,
        1,
        action,
        "old",
        3,
        last.once,
        job_id="4711",
        id_field="id",
        accepted_at=AT - 50,
        outcome=last.outcome,
        since=last.ended_at,
        outputs={"n": 1, "token": "***"},
    )
    return replace(event, **changes)


def test_what_succeeded_is_up_to_date() -> None:
    """It ends at once, with the outputs of then but for what was hidden, and says since when by the run's clock."""
    bench = Bench(Record())
    step = bench.converged()
    assert bench.record.last is not None
    message = up_to_date(bench.record.last, ZONE)
    assert "+" not in message
    assert step == Step((found(bench, Action.UP_TO_DATE),), end=Ended(Outcome.UP_TO_DATE, Reason.ONCE, message))
    assert bench.active.outputs == JobOutputs("4711", {"n": 1})
    assert bench.active.once == bench.record.last.once
    assert not bench.active.may_run_on


@pytest.mark.parametrize(
    ("made_of", "names", "said"),
    [
        ({"script": "other"}, ("script",), "a: script is not what run old sent"),
        (
            {"script": "other", "params.gone": "x"},
            ("script", "params.gone"),
            "a: script, params.gone are not what run old",
        ),
    ],
)
def test_another_script_under_the_same_key_is_said(made_of: dict[str, str], names: tuple[str, ...], said: str) -> None:
    """It is not sent again for that; and a warning says which key would."""
    bench = Bench(Record())
    once = bench.once()
    then = replace(once, made_of={**once.made_of, **made_of})
    step = bench.converged(once=then)
    assert step is not None
    event, warning = step.events
    assert event == found(bench, Action.UP_TO_DATE, differs=names)
    assert isinstance(warning, Warned)
    assert (warning.at, warning.job) == (AT, KEY)
    assert warning.message.startswith(said)
    assert warning.message.endswith("nothing is sent again\nto send it all the same: --again")
    assert step.end is not None
    assert step.end.outcome is Outcome.UP_TO_DATE


def test_what_is_said_of_a_difference_holds_no_secret() -> None:
    """A job's name can be one."""
    bench = Bench(Record())
    once = bench.once()
    step = bench.converged(once=replace(once, made_of={**once.made_of, "params.hunter2": "x"}))
    assert step is not None
    assert isinstance(step.events[1], Warned)
    assert "hunter2" not in step.events[1].message


def test_a_doubt_waits_for_a_person() -> None:
    """It is unknown, may still run, and says how to settle it; what differs is on record, and no warning."""
    bench = Bench(Record())
    once = bench.once()
    then = replace(once, made_of={**once.made_of, "script": "other"})
    step = bench.converged(outcome=Outcome.UNKNOWN, once=then)
    assert bench.record.last is not None
    assert bench.active.once is not None
    why = in_doubt(bench.record.last, bench.active.once, RUN, " --state-dir x")
    assert step == Step(
        (found(bench, Action.DOUBT, differs=("script",)),), end=Ended(Outcome.UNKNOWN, Reason.ONCE, why)
    )
    assert bench.active.may_run_on is True


def test_a_row_of_another_key_tells_only_this_runs_own() -> None:
    """What an earlier version left has no mark; what is recorded has this run's."""
    bench = Bench(Record())
    step = bench.converged(once=replace(bench.once(), mark=""))
    assert step is not None
    (event,) = step.events
    assert isinstance(event, Converged)
    assert event.once == bench.active.once


@pytest.mark.parametrize("accepted_at", [AT - 50, AT + 9, None])
def test_what_is_under_way_is_followed(accepted_at: float | None) -> None:
    """By the id that the other run was told, from its acceptance; a clock that ran ahead counts for nothing."""
    bench = Bench(Record())
    step = bench.converged(outcome=None, ended_at=None, accepted_at=accepted_at)
    active = bench.active
    assert step == Step((found(bench, Action.FOLLOW, accepted_at=accepted_at),), due=bench.world.monotonic())
    assert (active.phase, active.attempt, active.gone_by) == (Phase.WATCH, 1, ("old", 3))
    assert (active.job_id, active.id_field, active.outputs) == ("4711", "id", JobOutputs("4711"))
    ago = 50.0 if accepted_at == AT - 50 else 0.0
    assert bench.world.monotonic() - active.accepted == pytest.approx(ago)
    assert active.submit_until > bench.world.monotonic() + 1e9
    claims = bench.steps._claims.others("0", "4711", 1, 1)
    assert claims == (Claim(0, 1, "a"),)


def test_what_is_followed_in_the_middle_of_an_attempt_keeps_its_number() -> None:
    """The POST was put off, and another run was faster meanwhile."""
    bench = Bench(Record())
    bench.steps.begin(bench.active)
    bench.active.submit_until = 5.0
    step = bench.converged(outcome=None, ended_at=None, id_field=None)
    assert step is not None
    assert step.events == (found(bench, Action.FOLLOW, id_field=None),)
    assert (bench.active.attempt, bench.active.submit_until, bench.active.id_field) == (1, 5.0, "")


def test_what_is_not_waited_for_ends_when_it_is_followed() -> None:
    """Accepted is enough; what is recorded first is whose attempt it is."""
    bench = Bench(Record(), wait=False)
    step = bench.converged(outcome=Outcome.TIMED_OUT, ended_at=None)
    end = Ended(Outcome.SUBMITTED, Reason.DONE, "accepted; not waited for")
    over = AttemptEnded(AT, KEY, 1, end.outcome, end.reason, end.message)
    assert step == Step((found(bench, Action.FOLLOW), over), end=end)


@pytest.mark.parametrize("begun", [False, True])
def test_an_id_that_another_process_is_about_to_be_told_is_waited_for(*, begun: bool) -> None:
    """A moment, in the phase that it is in."""
    bench = Bench(Record())
    bench.record.alive = True
    if begun:
        bench.steps.begin(bench.active)
    step = bench.converged(outcome=None, ended_at=None, job_id=None)
    assert step == Step(due=bench.world.monotonic() + 0.2)
    assert bench.active.phase is (Phase.SUBMIT if begun else Phase.WAIT)


def test_a_wait_for_another_run_ends_at_finish_by() -> None:
    """Nothing was sent, so the job is skipped; what an attempt before came to stands."""
    bench = Bench(Record())
    bench.record.alive = True
    bench.converged(outcome=None, ended_at=None, job_id=None)
    assert bench.steps.too_late(bench.active) is None
    bench.steps.finishes = Deadlines([EPOCH + NOW], bench.steps.clock)
    message = "not started before finishBy: another run has it under way"
    assert bench.steps.too_late(bench.active) == Step(end=Ended(Outcome.SKIPPED, Reason.FINISH_BY, message))


def test_without_a_record_to_ask_every_job_is_sent() -> None:
    """As in a library's run that keeps none."""
    bench = Bench(Record(LAST))
    bench.steps._convergence = None
    assert bench.steps.converge(bench.active) is None
    assert bench.active.once is None


def test_only_jobs_with_once_are_asked_about() -> None:
    """All others are sent, whatever is on record."""
    bench = Bench(Record(LAST), once="")
    assert bench.steps.converge(bench.active) is None
    assert bench.active.once is None


@pytest.mark.parametrize(
    ("once", "key"),
    [
        (inside("matrix", "region"), "eu"),
        (inside("run", "id"), RUN),
        (inside("vars", "day"), "monday"),
        (inside("jobs", "b", "id"), "17"),
    ],
    ids=["matrix", "run", "vars", "jobs"],
)
def test_a_key_is_made_of_all_that_a_param_may_be_made_of(once: Template, key: str) -> None:
    """Matrix, run, variables (from outside, too) and what other jobs handed on. What differs has another identity."""
    bench = Bench(Record(), once=once, matrix=(("region", "eu"),))
    outside = Template((Outside("env", "DAY", text="${DAY}"),), "${DAY}")
    bench.active.task = replace(bench.active.task, variables={"day": outside})
    bench.other.outputs = JobOutputs("17")
    found = bench.once()
    assert found.key == key
    assert bench.steps.intend(bench.active).once == found, "it goes on record with the intent"


SPELLINGS = ("2001:db8::1", "2001:DB8:0:0:0:0:0:1", "2001:0db8::0001", "2001:db8::0.0.0.1", "2001:db8:0::1")


class Rows(Record):
    """What is on record, each under its own identity."""

    def __init__(self, *rows: LastAttempt) -> None:
        super().__init__()
        self.rows = {each.once.identity: each for each in rows}

    def last_attempt(self, identity: str) -> LastAttempt | None:
        """What is under this identity alone."""
        return self.rows.get(identity)

    def attempts_of(self, _manifest: str, _job: str, key: str) -> Sequence[LastAttempt]:
        """All of this key."""
        return [each for each in self.rows.values() if each.once.key == key]


def identified(record: Record, url: str, shown: str = "") -> Once:
    """What the job `a` is known by at a server, as a run with this record says."""
    plan = make_plan([parallel(job("a", once="today"), servers=(ONE,))])
    asked = Convergence(record, RUN, b"0" * 16, (url,), (shown or url,))
    once = asked.identify(plan.tasks[0], "main", lambda _: None)
    assert once is not None
    return once


def of_before(url: str, shown: str = "") -> LastAttempt:
    """What a version to which each spelling was a server of its own has put on record."""
    server = f"https://[{url.lower()}]:44399"
    identity = keyed(b"0" * 16, "once", server, "main", "a", "today")[:32]
    return replace(LAST, once=Once(identity, "today", shown or f"https://[{url}]:44399", mark_of(b"0" * 16)))


@pytest.mark.parametrize("then", SPELLINGS)
@pytest.mark.parametrize("now", SPELLINGS)
def test_what_was_sent_to_an_address_is_known_however_it_was_spelled_then(then: str, now: str) -> None:
    """Older versions took each spelling for a server of its own: what they sent is not sent again for that."""
    last = of_before(then)
    assert identified(Rows(last), f"https://[{now}]:44399").identity == last.once.identity
    nothing = identified(Rows(), f"https://[{now}]:44399").identity
    assert nothing == of_before(SPELLINGS[0]).once.identity
    other = of_before("2001:db8::2")
    assert identified(Rows(other), f"https://[{now}]:44399").identity == nothing


@pytest.mark.parametrize("spelled", SPELLINGS)
def test_the_same_where_the_address_comes_from_outside(spelled: str) -> None:
    """The record does not tell where it was, and the digest does."""
    last = of_before(spelled, "${AFT_URL}")
    assert identified(Rows(last), f"https://[{spelled}]:44399", "${AFT_URL}").identity == last.once.identity


def test_a_key_that_is_made_of_nothing_starts_nothing() -> None:
    """What it names was not handed on, or is empty: nothing is sent, and it is said what is missing."""
    bench = Bench(Record(), once=inside("jobs", "b", "id"))
    message = f"${{{{ jobs.b.id }}}} {NO_VALUE}"
    assert bench.steps.converge(bench.active) == Step(end=Ended(Outcome.REJECTED, Reason.VALUE, message))
    bench.other.outputs = JobOutputs(" ")
    message = "its `once` comes to an empty key, under which it would never run again; nothing was sent"
    assert bench.steps.converge(bench.active) == Step(end=Ended(Outcome.REJECTED, Reason.VALUE, message))


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED])
def test_what_failed_is_sent_again_under_the_next_number(outcome: Outcome) -> None:
    """The record takes one submission of each number."""
    bench = Bench(Record())
    assert bench.converged(outcome=outcome) is None
    assert bench.active.once is not None
    assert bench.active.once.number == bench.once().number + 1


def test_a_person_may_have_the_first_attempt_of_a_run_sent_and_no_other() -> None:
    """`--again` is about what earlier runs did; a retry of this one asks anew."""
    bench = Bench(Record(), again=("*",))
    assert bench.converged() is None
    assert bench.active.once is not None
    assert bench.active.once.again
    bench.steps.begin(bench.active)
    bench.active.phase = Phase.BACKOFF
    step = bench.converged()
    assert step is not None
    assert step.end is not None
    assert step.end.outcome is Outcome.UP_TO_DATE


def test_an_attempt_whose_end_this_run_has_seen_is_no_doubt() -> None:
    """The record of the other run may not know it yet."""
    bench = Bench(Record())
    bench.active.gone_by = ("old", 3)
    assert bench.converged(outcome=None, ended_at=None) is None
    bench.active.gone_by = ("old", 2)
    assert bench.converged(outcome=None, ended_at=None) is not None


def test_an_attempt_of_this_run_that_did_not_arrive_is_the_same_one_again() -> None:
    """It keeps its number; the one after it has the next."""
    bench = Bench(Record())
    bench.steps.begin(bench.active)
    mine = {"run": RUN, "manifest": "main", "attempt": 1, "outcome": None, "ended_at": None}
    assert bench.converged(**mine) is None
    assert bench.active.once is not None
    assert bench.active.once.number == 1
    bench.active.phase = Phase.BACKOFF
    assert bench.converged(**mine) is None
    assert bench.active.once.number == 2


def test_a_doubt_about_a_key_of_the_folder_says_so() -> None:
    """It cannot be told whether the other run sent it to this server."""
    bench = Bench(Record())
    once = replace(bench.once(), mark="f" * 16)
    step = bench.converged(once=once, readable=False, outcome=Outcome.UNKNOWN)
    assert step is not None
    assert step.end is not None
    assert "digest.key of the state folder is another one now" in step.end.message


def test_a_record_that_cannot_be_read_starts_nothing() -> None:
    """Nobody can tell whether it was done before."""
    bench = Bench(Record())
    bench.record.error = "it is on fire"
    message = "not started, since the record cannot tell whether it was done before: it is on fire"
    assert bench.steps.converge(bench.active) == Step(end=Ended(Outcome.SKIPPED, Reason.STATE, message))


def test_an_intent_that_is_refused_was_none() -> None:
    """The first try of an attempt takes the attempt with it; a later one only itself."""
    bench = Bench(Record())
    bench.steps.begin(bench.active)
    assert isinstance(bench.steps.intend(bench.active), SubmitIntended)
    assert bench.steps.refused(bench.active) == Step(due=bench.world.monotonic())
    assert (bench.active.phase, bench.active.attempt, bench.active.tries) == (Phase.WAIT, 0, 0)
    bench.steps.begin(bench.active)
    bench.steps.intend(bench.active)
    bench.steps.intend(bench.active)
    bench.steps.refused(bench.active)
    assert (bench.active.phase, bench.active.attempt, bench.active.tries) == (Phase.SUBMIT, 1, 1)


def test_a_job_that_is_only_read() -> None:
    """Its end is the end of its attempt; while it goes on there is nothing to record."""
    bench = Bench(Record())
    bench.converged(outcome=None, ended_at=None)
    going = JobInfo("4711", State.RUNNING, "running", ids=(("id", "4711"),))
    assert bench.steps.read_once(bench.active, Answer(200, going)) == Going(going)
    step = bench.steps.read_once(bench.active, Answer(200, replace(going, state=State.FAILED, status="Broken")))
    assert isinstance(step, Step)
    assert step.end is not None
    assert step.end.outcome is Outcome.FAILED
    (event,) = step.events
    assert isinstance(event, AttemptEnded)
    assert (event.job, event.attempt, event.outcome) == (KEY, 1, Outcome.FAILED)
    other = replace(going, id="9", ids=(("id", "9"), ("jobid", "4711")), state=State.SUCCEEDED)
    assert not isinstance(bench.steps.read_once(bench.active, Answer(200, other)), Step), "it is another job's"


@pytest.mark.parametrize(("action", "gone_by"), [("follow", ("old", 3)), ("upToDate", None)])
def test_a_resumed_job_knows_whose_attempt_it_follows(action: str, gone_by: tuple[str, int] | None) -> None:
    """So that its end, once seen, lets the job be sent again."""
    bench = Bench(Record())
    seen = JobResult("a", "main", "https://one", job("a").origin, {}, phase="accepted", job_id="4711")
    seen = replace(seen, earlier=Earlier("old", 3, action), attempts=(Attempt(1, accepted_at=AT - 5, job_id="4711"),))
    assert bench.steps.adopt(bench.active, seen) == Step(due=bench.world.monotonic())
    assert bench.active.gone_by == gone_by


def test_what_jobs_that_are_not_in_the_plan_handed_on() -> None:
    """They ran in a run before; asked for by manifest and name."""
    asked: list[tuple[int, str]] = []

    def inherited(stage: int, name: str) -> JobOutputs | None:
        asked.append((stage, name))
        return JobOutputs("9") if name == "gone" else None

    bench = Bench(Record())
    bench.steps._inherited = inherited
    bench.active.outputs = JobOutputs("1")
    assert [bench.steps._outputs_of(0, name) for name in ("a", "gone", "other")] == [
        JobOutputs("1"),
        JobOutputs("9"),
        None,
    ]
    assert asked == [(0, "gone"), (0, "other")]
