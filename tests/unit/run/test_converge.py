"""The table of `once`: what the record holds, and what follows. Each row of the contract is a line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from aftrun.domain.events import (
    Accepted,
    Action,
    AttemptEnded,
    Converged,
    Event,
    JobEnded,
    Once,
    Reason,
    RetryPlanned,
    Settled,
    StateSeen,
    SubmitDeferred,
    SubmitIntended,
)
from aftrun.domain.model import Outcome
from aftrun.run.converge import (
    LastAttempt,
    Move,
    Submission,
    after,
    decide,
    differing,
    in_doubt,
    is_open,
    may_submit,
    submission,
    taken,
    up_to_date,
)

ONCE = Once("0" * 32, "2026-01-02", "https://h:44399", "m" * 16)
JOB = "night/a"


def intent(attempt: int = 1, number: int = 1, at: float = 1.0, **more: bool) -> SubmitIntended:
    """A POST that is about to leave."""
    return SubmitIntended(at, JOB, attempt, {}, replace(ONCE, number=number, **more))  # type: ignore[arg-type]  # `again`


def ended(outcome: Outcome, attempt: int = 1, at: float = 3.0, reason: Reason = Reason.DONE) -> AttemptEnded:
    """A submission's end."""
    return AttemptEnded(at, JOB, attempt, outcome, reason, outputs={"n": 1})


SENT = (intent(),)
DEFERRED = (*SENT, SubmitDeferred(2.0, JOB, 1, "no route"))
ACCEPTED = (*SENT, Accepted(2.0, JOB, 1, "4711", "queued", "id"))


def told(*stories: tuple[str, Sequence[Event]]) -> LastAttempt | None:
    """What the record knows after these runs, each with its events, one run after the other."""
    last: LastAttempt | None = None
    for run, events in stories:
        which = None
        for event in events:
            found = submission(run, event)
            if found is not None:
                assert isinstance(event, SubmitIntended | Converged)
                which = found
                last = taken(last, run, event)
            elif which is not None and last is not None:
                last = after(last, which, event)
    return last


def moves(*stories: tuple[str, Sequence[Event]], wait: bool = True, alive: bool = False) -> Move:
    """What a new run does after these."""
    return decide(told(*stories), wait=wait, under_way=lambda: alive)


TABLE: list[tuple[str, Sequence[Event], Move]] = [
    ("no attempt", (), Move.SUBMIT),
    ("failed", (*ACCEPTED, ended(Outcome.FAILED)), Move.SUBMIT),
    ("a condition of expect", (*ACCEPTED, ended(Outcome.FAILED, reason=Reason.EXPECT)), Move.SUBMIT),
    ("rejected", (*SENT, ended(Outcome.REJECTED)), Move.SUBMIT),
    ("undelivered", (*DEFERRED, ended(Outcome.UNDELIVERED)), Move.SUBMIT),
    ("cancelled", (*ACCEPTED, ended(Outcome.CANCELLED)), Move.SUBMIT),
    ("succeeded", (*ACCEPTED, ended(Outcome.SUCCEEDED)), Move.UP_TO_DATE),
    ("accepted", ACCEPTED, Move.FOLLOW),
    ("running", (*ACCEPTED, StateSeen(2.5, JOB, 1, "Running", "running")), Move.FOLLOW),
    ("timed out", (*ACCEPTED, ended(Outcome.TIMED_OUT, reason=Reason.TIMEOUT)), Move.FOLLOW),
    ("an intent without an answer", SENT, Move.DOUBT),
    ("ambiguous", (*SENT, ended(Outcome.UNKNOWN, reason=Reason.AMBIGUOUS)), Move.DOUBT),
    ("unknown with an id", (*ACCEPTED, ended(Outcome.UNKNOWN, reason=Reason.VANISHED)), Move.DOUBT),
    ("provably not sent", DEFERRED, Move.SUBMIT),
    ("not sent, then on its way again", (*DEFERRED, intent(at=2.5)), Move.DOUBT),
    ("between two attempts", (*ACCEPTED, ended(Outcome.FAILED), RetryPlanned(3.0, JOB, 2, 10.0)), Move.SUBMIT),
    (
        "a second attempt under way",
        (*ACCEPTED, ended(Outcome.FAILED), intent(2, 2, 4.0), Accepted(5.0, JOB, 2, "4712")),
        Move.FOLLOW,
    ),
    (
        "a second attempt without an answer",
        (*ACCEPTED, ended(Outcome.FAILED), intent(2, 2, 4.0)),
        Move.DOUBT,
    ),
    (
        "a second attempt that succeeded",
        (
            *ACCEPTED,
            ended(Outcome.FAILED),
            intent(2, 2, 4.0),
            Accepted(5.0, JOB, 2, "4712"),
            ended(Outcome.SUCCEEDED, 2),
        ),
        Move.UP_TO_DATE,
    ),
    (
        "settled as a success",
        (*SENT, ended(Outcome.UNKNOWN), Settled(9.0, JOB, Outcome.SUCCEEDED, "jo")),
        Move.UP_TO_DATE,
    ),
    ("settled as a failure", (*SENT, ended(Outcome.UNKNOWN), Settled(9.0, JOB, Outcome.FAILED, "jo")), Move.SUBMIT),
    ("settled without an end", (*ACCEPTED, Settled(9.0, JOB, Outcome.FAILED, "jo")), Move.SUBMIT),
    (
        "settled twice: the last word counts",
        (
            *(*SENT, ended(Outcome.UNKNOWN)),
            *(Settled(9.0, JOB, Outcome.FAILED, "jo"), Settled(10.0, JOB, Outcome.SUCCEEDED, "jo")),
        ),
        Move.UP_TO_DATE,
    ),
    (
        "an end that was seen is not settled away",
        (*ACCEPTED, ended(Outcome.SUCCEEDED), Settled(9.0, JOB, Outcome.FAILED, "jo")),
        Move.UP_TO_DATE,
    ),
    (
        "a record that is damaged, after a failure",
        (*ACCEPTED, ended(Outcome.FAILED), JobEnded(9.0, JOB, Outcome.UNKNOWN, Reason.CRASHED)),
        Move.DOUBT,
    ),
    (
        "a record that is damaged, after a success",
        (*ACCEPTED, ended(Outcome.SUCCEEDED), JobEnded(9.0, JOB, Outcome.UNKNOWN, Reason.CRASHED)),
        Move.UP_TO_DATE,
    ),
]


@pytest.mark.parametrize(("events", "move"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
@pytest.mark.parametrize("wait", [True, False])
def test_the_table(events: Sequence[Event], move: Move, *, wait: bool) -> None:
    """Whether the job is waited for changes nothing here, and neither does a pruned or damaged run: the row knows."""
    assert moves(("r1", events), wait=wait) is move


def test_accepted_is_enough_for_a_job_that_is_not_waited_for() -> None:
    """`submitted` is the end of one; a job that is waited for by now is followed to its end."""
    story = ("r1", (*ACCEPTED, ended(Outcome.SUBMITTED)))
    assert moves(story, wait=False) is Move.UP_TO_DATE
    assert moves(story, wait=True) is Move.FOLLOW


def test_a_post_that_is_under_way_is_waited_for_while_its_process_lives() -> None:
    """And only then: there is no id to follow, and nothing that stands in its place."""
    last = told(("r1", SENT))
    assert last is not None
    assert last.job_id is None
    assert decide(last, wait=True, under_way=lambda: True) is Move.WAIT
    assert decide(last, wait=True, under_way=lambda: False) is Move.DOUBT
    unknown = told(("r1", (*SENT, ended(Outcome.UNKNOWN))))
    assert decide(unknown, wait=True, under_way=lambda: True) is Move.DOUBT


def test_an_empty_id_is_no_id() -> None:
    """What others have written in place of one is not followed."""
    last = told(("r1", SENT))
    assert last is not None
    assert decide(replace(last, job_id=""), wait=True, under_way=lambda: False) is Move.DOUBT


def follow(last: LastAttempt | None) -> Converged:
    """What a run puts on record that goes by an attempt."""
    assert last is not None
    return Converged(
        4.0,
        JOB,
        1,
        Action.FOLLOW,
        last.run,
        last.attempt,
        last.once,
        job_id=last.job_id,
        id_field=last.id_field,
        accepted_at=last.accepted_at,
    )


def test_the_end_that_a_follower_saw_is_the_end() -> None:
    """Whoever sees it. A run that was killed and never saw it does not hand its dead job back."""
    first = ("r1", ACCEPTED)
    second = ("r2", (follow(told(first)), ended(Outcome.FAILED, at=5.0)))
    assert moves(first, second) is Move.SUBMIT
    third = ("r3", (intent(1, 2, 6.0), Accepted(7.0, JOB, 1, "4712"), ended(Outcome.SUCCEEDED, at=8.0)))
    assert moves(first, second, third) is Move.UP_TO_DATE
    late = ("r2", (*second[1], Settled(9.0, JOB, Outcome.FAILED, "jo")))
    assert moves(first, third, late) is Move.UP_TO_DATE, "what is said of an earlier submission is not about this one"


def test_what_was_seen_to_end_stays_so() -> None:
    """A follower that cannot read the job any more, or gives up, takes no end away."""
    first = ("r1", (*ACCEPTED, ended(Outcome.SUCCEEDED)))
    for outcome in (Outcome.UNKNOWN, Outcome.TIMED_OUT, Outcome.FAILED):
        second = ("r2", (follow(told(("r1", ACCEPTED))), ended(outcome, at=5.0)))
        assert moves(first, second) is Move.UP_TO_DATE


SENT_AS = LastAttempt(ONCE, "night", "a", "r1", 1, 1.0)
"""What is known of an intent."""
ACCEPTED_AS = replace(SENT_AS, job_id="4711", id_field="id", accepted_at=2.0)
FAILED_AS = replace(ACCEPTED_AS, outcome=Outcome.FAILED, ended_at=3.0, outputs={"n": 1})

KNOWN: list[tuple[str, Sequence[Event], LastAttempt]] = [
    ("an intent", SENT, SENT_AS),
    ("put off", DEFERRED, replace(SENT_AS, sent=False)),
    ("accepted", ACCEPTED, ACCEPTED_AS),
    (
        "accepted after it was put off",
        (*DEFERRED, Accepted(2.5, JOB, 1, "4711", "queued", "id")),
        replace(ACCEPTED_AS, accepted_at=2.5),
    ),
    ("put off after all", (*ACCEPTED, SubmitDeferred(2.5, JOB, 1, "no route")), ACCEPTED_AS),
    ("accepted twice", (*ACCEPTED, Accepted(2.5, JOB, 1, "4711")), ACCEPTED_AS),
    (
        "accepted after an end that nobody saw",
        (*SENT, ended(Outcome.UNKNOWN, at=1.5), Accepted(2.0, JOB, 1, "4711", "queued", "id")),
        replace(ACCEPTED_AS, ended_at=1.5, outputs={"n": 1}),
    ),
    ("ended", (*ACCEPTED, ended(Outcome.FAILED)), FAILED_AS),
    ("ended twice", (*ACCEPTED, ended(Outcome.FAILED), ended(Outcome.SUCCEEDED, at=4.0)), FAILED_AS),
    (
        "an end that nobody saw, told after a later one",
        (*ACCEPTED, ended(Outcome.TIMED_OUT), ended(Outcome.UNKNOWN, at=2.5)),
        replace(FAILED_AS, outcome=Outcome.TIMED_OUT),
    ),
    (
        "an end that nobody saw, told again",
        (*ACCEPTED, ended(Outcome.TIMED_OUT), ended(Outcome.UNKNOWN)),
        replace(FAILED_AS, outcome=Outcome.UNKNOWN),
    ),
    (
        "settled",
        (*ACCEPTED, Settled(9.0, JOB, Outcome.SUCCEEDED, "jo")),
        replace(ACCEPTED_AS, outcome=Outcome.SUCCEEDED, ended_at=9.0, settled_by="jo"),
    ),
    (
        "settled by who knows the id",
        (*SENT, Settled(9.0, JOB, Outcome.SUCCEEDED, "jo", job_id="4712")),
        replace(SENT_AS, job_id="4712", outcome=Outcome.SUCCEEDED, ended_at=9.0, settled_by="jo"),
    ),
    (
        "settled twice at once",
        (*ACCEPTED, Settled(9.0, JOB, Outcome.FAILED, "jo"), Settled(9.0, JOB, Outcome.SUCCEEDED, "al")),
        replace(ACCEPTED_AS, outcome=Outcome.SUCCEEDED, ended_at=9.0, settled_by="al"),
    ),
    (
        "settled, and told of an earlier time",
        (*ACCEPTED, Settled(9.0, JOB, Outcome.FAILED, "jo"), Settled(8.0, JOB, Outcome.SUCCEEDED, "al")),
        replace(ACCEPTED_AS, outcome=Outcome.FAILED, ended_at=9.0, settled_by="jo"),
    ),
    (
        "a record that is damaged",
        (*ACCEPTED, JobEnded(9.0, JOB, Outcome.UNKNOWN, Reason.CRASHED)),
        replace(ACCEPTED_AS, outcome=Outcome.UNKNOWN, ended_at=9.0),
    ),
    (
        "a record that is damaged, after it was settled",
        (*ACCEPTED, Settled(9.0, JOB, Outcome.FAILED, "jo"), JobEnded(9.5, JOB, Outcome.UNKNOWN, Reason.CRASHED)),
        replace(ACCEPTED_AS, outcome=Outcome.FAILED, ended_at=9.0, settled_by="jo"),
    ),
    (
        "an earlier attempt's",
        (*SENT, intent(2, 2, 4.0), Accepted(5.0, JOB, 1, "4711")),
        replace(SENT_AS, once=replace(ONCE, number=2), attempt=2, at=4.0),
    ),
]


@pytest.mark.parametrize(("events", "known"), [row[1:] for row in KNOWN], ids=[row[0] for row in KNOWN])
def test_what_is_known_after(events: Sequence[Event], known: LastAttempt) -> None:
    """Every fact, not only what follows from it: later runs tell them on."""
    assert told(("r1", events)) == known


FOUND = Converged(
    4.0,
    JOB,
    2,
    Action.UP_TO_DATE,
    "r1",
    3,
    ONCE,
    job_id="4711",
    id_field="id",
    accepted_at=2.0,
    outcome=Outcome.SUCCEEDED,
    since=3.0,
    outputs={"n": 1},
)
"""What run `r2` found of the third attempt of `r1`, and what is known from that alone."""
FOUND_AS = LastAttempt(ONCE, "night", "a", "r1", 3, 4.0, True, "4711", "id", 2.0, Outcome.SUCCEEDED, 3.0, {"n": 1})


def test_what_another_run_found_is_known_where_its_own_is_lost() -> None:
    """Every fact of it; and whose submission the attempt is."""
    assert taken(None, "r2", FOUND) == FOUND_AS
    assert submission("r2", FOUND) == Submission(ONCE.identity, 2, "r1", 3)
    assert submission("r2", intent(attempt=2)) == Submission(ONCE.identity, 2, "r2", 2)
    assert submission("r2", SubmitIntended(1.0, JOB, 1)) is None
    assert submission("r2", ended(Outcome.FAILED)) is None


@pytest.mark.parametrize(
    ("last", "event", "newest"),
    [
        (SENT_AS, intent(at=1.5), replace(SENT_AS, at=1.5)),
        (replace(SENT_AS, sent=False), intent(at=1.5), replace(SENT_AS, at=1.5)),
        (replace(SENT_AS, job_id="4711"), intent(at=1.5), replace(SENT_AS, job_id="4711")),
        (replace(SENT_AS, outcome=Outcome.UNKNOWN), intent(at=1.5), replace(SENT_AS, outcome=Outcome.UNKNOWN)),
        (replace(SENT_AS, run="r0"), intent(), SENT_AS),
        (replace(SENT_AS, run="r0"), intent(at=0.5), replace(SENT_AS, run="r0")),
        (replace(SENT_AS, run="r0", at=9.0), intent(number=2), replace(SENT_AS, once=replace(ONCE, number=2))),
        (SENT_AS, intent(attempt=2, number=2), replace(SENT_AS, once=replace(ONCE, number=2), attempt=2)),
        (SENT_AS, replace(FOUND, of_attempt=1), SENT_AS),
        (replace(SENT_AS, run="r0"), FOUND, FOUND_AS),
    ],
)
def test_the_newest_submission_is_the_one_that_counts(
    last: LastAttempt, event: SubmitIntended | Converged, newest: LastAttempt
) -> None:
    """By its number, then by its time; of one submission what goes further stays, whoever tells it again."""
    assert taken(last, "r1", event) == newest


def test_a_name_with_a_slash_is_a_jobs() -> None:
    """A manifest's name has none."""
    event = SubmitIntended(1.0, "night/a/b", 1, {}, ONCE)
    assert taken(None, "r1", event) == replace(SENT_AS, job="a/b")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)])
def test_runs_that_are_put_on_record_again_in_any_order(order: Sequence[int]) -> None:
    """A state file that is made anew takes the journals as they come."""
    first = ("r1", (*ACCEPTED, ended(Outcome.FAILED)))
    second = ("r2", (intent(1, 2, 6.0), Accepted(7.0, JOB, 1, "4712")))
    third = ("r3", (replace(follow(told(second)), at=8.0), ended(Outcome.SUCCEEDED, at=9.0)))
    stories = (first, second, third)
    last = told(*(stories[number] for number in order))
    assert last is not None
    assert (last.run, last.job_id, last.outcome) == ("r2", "4712", Outcome.SUCCEEDED)
    assert told(*stories, *stories) == told(*stories), "twice is as good as once"


def test_a_clock_that_was_set_back_hides_nothing() -> None:
    """An end, or what a person says, counts although it seems to come before what it follows."""
    late = (*ACCEPTED, ended(Outcome.TIMED_OUT, at=100.0))
    assert moves(("r1", (*late, Settled(50.0, JOB, Outcome.FAILED, "jo")))) is Move.SUBMIT
    follower = ("r2", (follow(told(("r1", late))), ended(Outcome.SUCCEEDED, at=60.0)))
    assert moves(("r1", late), follower) is Move.UP_TO_DATE


def test_who_may_submit() -> None:
    """Asked in the transaction that records the intent: what was true a moment ago may not be any more."""
    mine = intent(1, 2, 6.0)
    failed = told(("r1", (*ACCEPTED, ended(Outcome.FAILED))))
    assert may_submit(None, "r2", mine, JOB)
    assert may_submit(failed, "r2", mine, JOB)
    taken_by_other = told(("r1", (*ACCEPTED, ended(Outcome.FAILED))), ("r3", (intent(1, 2, 5.0),)))
    assert not may_submit(taken_by_other, "r2", mine, JOB), "another process was faster"
    assert not may_submit(told(("r1", ACCEPTED)), "r2", mine, JOB)
    assert not may_submit(told(("r1", SENT)), "r2", mine, JOB)
    assert may_submit(taken_by_other, "r3", mine, JOB), "it is its own, which did not arrive"
    gone_again = told(
        ("r1", (*ACCEPTED, ended(Outcome.FAILED))), ("r3", (intent(1, 2, 5.0), ended(Outcome.FAILED, at=5.5)))
    )
    assert not may_submit(gone_again, "r2", mine, JOB), "that one came and went: what was asked is out of date"
    assert may_submit(told(("r1", SENT)), "r2", intent(1, 2, 6.0, again=True), JOB), "a person wants it"
    assert may_submit(told(("r1", SENT)), "r2", SubmitIntended(1.0, JOB, 1), JOB), "it has no `once`"


def test_a_row_that_cannot_be_read_is_a_doubt() -> None:
    """Its place is taken, so something was sent; `again` is the way out, and the next row can be read."""
    damaged = LastAttempt(ONCE, "night", "a", "r1", 0, 0.0, readable=False)
    assert decide(damaged, wait=True, under_way=lambda: False) is Move.DOUBT
    assert not may_submit(damaged, "r2", intent(), JOB)
    assert may_submit(damaged, "r2", intent(again=True), JOB)
    assert taken(damaged, "r2", intent(again=True)) == told(("r2", (intent(again=True),)))
    assert "damaged" in in_doubt(damaged, ONCE, "r2")


def test_what_is_open_is_not_forgotten() -> None:
    """The runs of such submissions are not pruned."""
    assert is_open(told(("r1", SENT)))  # type: ignore[arg-type]  # it is there
    assert is_open(told(("r1", ACCEPTED)))  # type: ignore[arg-type]  # the same
    assert is_open(told(("r1", (*ACCEPTED, ended(Outcome.SUBMITTED)))))  # type: ignore[arg-type]  # its end was not seen
    assert not is_open(told(("r1", (*ACCEPTED, ended(Outcome.FAILED)))))  # type: ignore[arg-type]  # the same
    assert not is_open(told(("r1", (*ACCEPTED, ended(Outcome.SUCCEEDED)))))  # type: ignore[arg-type]  # the same


def test_what_differs_is_said() -> None:
    """Script and params by name; nothing where the digests were made with another key."""
    made = {"script": "aa", "params.x": "bb", "params.gone": "cc"}
    last = told(("r1", (SubmitIntended(1.0, JOB, 1, {}, replace(ONCE, made_of=made)),)))
    assert last is not None
    now = replace(ONCE, made_of={"script": "aa", "params.x": "other", "params.new": "dd"})
    assert differing(last, now) == ("params.x", "params.new", "params.gone")
    assert differing(last, replace(now, mark="other")) == ()
    assert differing(last, replace(ONCE, made_of=made)) == ()


@pytest.mark.parametrize(
    ("zone", "changes", "text"),
    [
        ("UTC", {}, "up to date since 1970-01-01 00:00:03: run r1 did it as job 4711"),
        ("+02:00", {}, "up to date since 1970-01-01 02:00:03: run r1 did it as job 4711"),
        ("UTC", {"job_id": None}, "up to date since 1970-01-01 00:00:03: run r1 did it"),
        (
            "UTC",
            {"job_id": None, "settled_by": "jo"},
            "up to date since 1970-01-01 00:00:03: run r1 did it, settled by jo",
        ),
        ("UTC", {"ended_at": None}, "up to date since an unknown time: run r1 did it as job 4711"),
    ],
)
def test_since_when_a_job_is_up_to_date(zone: str, changes: Mapping[str, Any], text: str) -> None:
    """By the run's own clock, with what has done it."""
    assert up_to_date(replace(FAILED_AS, outcome=Outcome.SUCCEEDED, **changes), zone) == text


SETTLE = "check on the server; then: aftrun settle r2 a succeeded (or failed)"


@pytest.mark.parametrize(
    ("last", "lines"),
    [
        (
            ACCEPTED_AS,
            [
                "not sent: run r1 had it accepted as job 4711, whose end is unknown",
                SETTLE,
                "or read its status again: aftrun resume r1",
                "or send it all the same: --again",
            ],
        ),
        (
            SENT_AS,
            [
                "not sent: run r1 sent it, and its answer is not on record: the job may or may not have been created",
                SETTLE,
                "or send it all the same: --again",
            ],
        ),
        (
            replace(ACCEPTED_AS, readable=False),
            [
                "not sent: an earlier run sent it, and the record of that is damaged",
                SETTLE,
                "or send it all the same: --again",
            ],
        ),
        (
            replace(SENT_AS, readable=False, once=replace(ONCE, mark="other")),
            [
                (
                    "not sent: run r1 sent it, and it cannot be told whether to this server: digest.key of the state "
                    "folder is another one now"
                ),
                SETTLE,
                "or send it all the same: --again",
            ],
        ),
        (
            replace(SENT_AS, readable=False, once=replace(ONCE, mark="")),
            [
                "not sent: an earlier run sent it, and the record of that is damaged",
                "check on the server; to send it again: --again",
            ],
        ),
        (
            replace(SENT_AS, once=replace(ONCE, mark="other")),
            [
                "not sent: run r1 sent it, and its answer is not on record: the job may or may not have been created",
                SETTLE,
                "or send it all the same: --again",
            ],
        ),
    ],
)
def test_a_doubt_says_why_and_what_to_do(last: LastAttempt, lines: Sequence[str]) -> None:
    """The cause, then each way out with its line to paste."""
    assert in_doubt(last, ONCE, "r2").splitlines() == lines
