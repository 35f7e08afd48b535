"""Events to report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aftrun.domain.errors import StateError
from aftrun.domain.events import (
    Accepted,
    Action,
    AttemptEnded,
    Converged,
    Event,
    Interrupted,
    JobEnded,
    JobHeader,
    LookFailed,
    Once,
    Reason,
    RetryPlanned,
    RunEnded,
    RunResumed,
    RunStarted,
    Settled,
    Source,
    StateSeen,
    SubmitDeferred,
    SubmitIntended,
    Warned,
)
from aftrun.domain.model import Attempt, Earlier, FileRef, JobResult, Json, Outcome, SeenWord, Settlement
from aftrun.run.fold import ReportBuilder, fold, seen_next

KEY = "m/a"
START = RunStarted(
    at=1.0,
    run="r",
    jobs=(
        JobHeader(KEY, "a", "m", "https://s", "m.yaml", 2, 3, {"scriptName": "a"}, tags=("t",), description="d"),
        JobHeader("m/b", "b", "m", "https://s", "m.yaml", 5, 3, needs=(KEY,), allow_failure=True),
    ),
    sources=(Source("m.yaml", "ab", "m"),),
    aftrun="1.2",
    git={"commit": "c0ffee"},
    sandbox=True,
)
REQUEST: dict[str, Json] = {"scriptName": "a", "params": {"x": "${S}"}}

STEPS: list[tuple[Event, dict[str, object]]] = [
    (SubmitIntended(2.0, KEY, 1, REQUEST), {"phase": "submitting", "started_at": 2.0, "request": REQUEST}),
    (SubmitDeferred(3.0, KEY, 1, "refused", 0.5), {"phase": "deferred", "started_at": 2.0}),
    (SubmitIntended(4.0, KEY, 1, REQUEST), {"phase": "submitting", "started_at": 2.0}),
    (Accepted(5.0, KEY, 1, "17", "queued"), {"phase": "accepted", "job_id": "17"}),
    (StateSeen(6.0, KEY, 1, "Waiting", "queued"), {"phase": "accepted"}),
    (StateSeen(7.0, KEY, 1, "Running", "running"), {"phase": "running"}),
    (LookFailed(8.0, KEY, 1, "HTTP 502"), {"phase": "running"}),
    (
        AttemptEnded(9.0, KEY, 1, Outcome.FAILED, Reason.DONE, "exit code 1", 1, "Failed", 7.5, 8.5, {"n": 1}),
        {"phase": "waiting", "outputs": (("n", 1),), "outcome": None},
    ),
    (RetryPlanned(9.0, KEY, 2, 10.0, "failed: exit code 1"), {"phase": "waiting", "message": "failed: exit code 1"}),
    (SubmitIntended(19.0, KEY, 2, REQUEST), {"phase": "submitting", "started_at": 2.0}),
    (Accepted(20.0, KEY, 2, "18"), {"phase": "accepted", "job_id": "18"}),
    (AttemptEnded(21.0, KEY, 2, Outcome.SUCCEEDED, Reason.DONE), {"phase": "waiting", "outputs": ()}),
    (
        JobEnded(21.0, KEY, Outcome.SUCCEEDED, Reason.DONE, "fine", 0.75),
        {
            "phase": "ended",
            "outcome": Outcome.SUCCEEDED,
            "reason": "done",
            "message": "fine",
            "ended_at": 21.0,
            "duration": 19.0,
            "took": 0.75,
        },
    ),
]
WORDS = [("queued", ""), ("Waiting", "queued"), ("Running", "running"), ("Failed", "failed")]
"""What the first attempt's words were taken for; the one of the acceptance is on record as a word alone."""


@pytest.mark.parametrize("count", range(1, len(STEPS) + 1))
def test_a_job_step_by_step(count: int) -> None:
    """After each event the job stands where the event says."""
    folder = ReportBuilder([START, *(event for event, _ in STEPS[:count])])
    job = folder.job(KEY)
    assert {name: getattr(job, name) for name in STEPS[count - 1][1]} == STEPS[count - 1][1]


def test_the_attempts_of_a_job() -> None:
    """Each attempt keeps its own times, id, state and end; tries count the POSTs."""
    first, second = fold([START, *(event for event, _ in STEPS)]).jobs[0].attempts
    assert first == Attempt(
        number=1,
        request=REQUEST,
        submitted_at=2.0,
        accepted_at=5.0,
        running_at=7.0,
        ended_at=9.0,
        job_id="17",
        state="Failed",
        outcome=Outcome.FAILED,
        reason="done",
        message="exit code 1",
        exit_code=1,
        server_started_at=7.5,
        server_ended_at=8.5,
        tries=2,
        words=first.words,
    )
    assert [(each.word, each.phase) for each in first.words] == WORDS
    assert (second.number, second.job_id, second.outcome, second.tries) == (2, "18", Outcome.SUCCEEDED, 1)


def test_every_word_is_kept_with_its_time_and_meaning() -> None:
    """The word of an end means what the server told, but not where a clock of ours ran out."""
    first = fold([START, *(event for event, _ in STEPS)]).jobs[0].attempts[0]
    assert [each.at for each in first.words] == [5.0, 6.0, 7.0, 9.0]
    sent: list[Event] = [STEPS[0][0], Accepted(5.0, KEY, 1, "17", "queued")]
    for reason, phase in ((Reason.DONE, "failed"), (Reason.EXPECT, "succeeded"), (Reason.TIMEOUT, "")):
        end = AttemptEnded(9.0, KEY, 1, Outcome.FAILED, reason, state="Over")
        (attempt,) = fold([START, *sent, end]).jobs[0].attempts
        assert attempt.words == (SeenWord("queued", 5.0, ""), SeenWord("Over", 9.0, phase))


A, B = SeenWord("Queued", 1.0, "queued"), SeenWord("Running", 2.0, "running")


@pytest.mark.parametrize(
    ("words", "word", "then"),
    [
        ((), A, (A,)),
        ((A,), B, (A, B)),
        ((A, B), SeenWord("Running", 3.0, "running"), (A, B)),
        ((A, B), SeenWord("Running", 3.0), (A, B)),
        ((A, B), SeenWord("Running", 3.0, "failed"), (A, SeenWord("Running", 2.0, "failed"))),
        ((A,), SeenWord("Queued", 3.0, "failed"), (SeenWord("Queued", 1.0, "failed"),)),
        ((A, B, A), SeenWord("Queued", 3.0), (A, B, A)),
        ((A, B), SeenWord("Queued", 3.0, "queued"), (A, B, SeenWord("Queued", 3.0, "queued"))),
        ((A, B), SeenWord("", 3.0, "failed"), (A, B)),
    ],
)
def test_a_word_is_told_once_while_it_lasts(
    words: tuple[SeenWord, ...], word: SeenWord, then: tuple[SeenWord, ...]
) -> None:
    """With the time at which it came, and the newest that it was taken for."""
    assert seen_next(words, word) == then


def test_an_end_without_a_submission_is_told() -> None:
    """What never left has a word, too, where the server of another run told it."""
    (attempt,) = fold([START, AttemptEnded(9.0, KEY, 1, Outcome.FAILED, Reason.DONE, state="Over")]).jobs[0].attempts
    assert attempt.words == (SeenWord("Over", 9.0, "failed"),)


def test_the_key_of_once_is_that_of_the_newest_submission() -> None:
    """One that says nothing of it takes it from nobody."""
    sent = SubmitIntended(2.0, KEY, 1, REQUEST, Once("0" * 32, "today", "https://s", "m" * 16))
    assert fold([START, sent]).jobs[0].once == "today"
    assert fold([START, sent, SubmitIntended(3.0, KEY, 2, REQUEST)]).jobs[0].once == "today"
    assert fold([START, STEPS[0][0]]).jobs[0].once == ""


PENDING = fold([START]).jobs[0]
ONCE = Once("0" * 32, "2026-01-02", "https://s", "m" * 16)
THEN = {"job_id": "17", "accepted_at": 0.5, "outputs": {"n": 1}}
BY_ANOTHER = replace(PENDING, once="2026-01-02", job_id="17", outputs=(("n", 1),))
FOLLOWED = replace(
    BY_ANOTHER,
    earlier=Earlier("old", 3, "follow", 0.5),
    phase="accepted",
    started_at=0.5,
    attempts=(Attempt(1, accepted_at=0.5, job_id="17", id_field="id", tries=0),),
)


def found(action: Action, **more: Any) -> Converged:
    """What a run puts on record of a job that it does not submit."""
    return Converged(2.0, KEY, 1, action, "old", 3, ONCE, **{**THEN, **more})


@pytest.mark.parametrize(
    ("events", "job"),
    [
        ([found(Action.UP_TO_DATE, since=0.75)], replace(BY_ANOTHER, earlier=Earlier("old", 3, "upToDate", 0.75))),
        ([found(Action.UP_TO_DATE)], replace(BY_ANOTHER, earlier=Earlier("old", 3, "upToDate", 0.5))),
        ([found(Action.UP_TO_DATE, since=0.0)], replace(BY_ANOTHER, earlier=Earlier("old", 3, "upToDate", 0.0))),
        ([found(Action.DOUBT)], replace(BY_ANOTHER, earlier=Earlier("old", 3, "doubt", 0.5))),
        ([found(Action.FOLLOW, id_field="id")], FOLLOWED),
        (
            [found(Action.FOLLOW)],
            replace(FOLLOWED, attempts=(replace(FOLLOWED.attempts[0], id_field=""),)),
        ),
        (
            [found(Action.FOLLOW, id_field="id"), found(Action.FOLLOW, id_field="id", accepted_at=0.25)],
            replace(
                FOLLOWED,
                earlier=Earlier("old", 3, "follow", 0.25),
                attempts=(replace(FOLLOWED.attempts[0], accepted_at=0.25),),
            ),
        ),
    ],
)
def test_a_job_that_goes_by_another_runs_attempt(events: list[Event], job: JobResult) -> None:
    """Every fact of it: whose it is and since when, and, where it is followed, an attempt that nobody sent here."""
    assert fold([START, *events]).jobs[0] == job


OVER: list[Event] = [
    STEPS[0][0],
    Accepted(5.0, KEY, 1, "17"),
    AttemptEnded(9.0, KEY, 1, Outcome.UNKNOWN, Reason.VANISHED),
    JobEnded(9.0, KEY, Outcome.UNKNOWN, Reason.VANISHED, "gone"),
]


@pytest.mark.parametrize(
    ("before", "event", "job_id", "message"),
    [
        (OVER, Settled(20.0, KEY, Outcome.SUCCEEDED, "jo@here"), "17", "settled as succeeded by jo@here\ngone"),
        (
            OVER,
            Settled(20.0, KEY, Outcome.FAILED, "jo@here", "half of it", job_id="18"),
            "18",
            "settled as failed by jo@here: half of it\ngone",
        ),
        ([], Settled(20.0, KEY, Outcome.FAILED, "jo@here"), None, "settled as failed by jo@here"),
    ],
)
def test_a_job_that_a_person_settled(before: list[Event], event: Settled, job_id: str | None, message: str) -> None:
    """What was said stands above what was seen, which stays as it is."""
    was = fold([START, *before]).jobs[0]
    job = fold([START, *before, event]).jobs[0]
    said = Settlement(event.outcome, 20.0, "jo@here", event.note)
    assert job == replace(was, settled=said, job_id=job_id, message=message)


def test_what_a_run_comes_to_with_what_was_settled() -> None:
    """The newest word counts, and only until the run is taken up again."""
    first = Settled(20.0, KEY, Outcome.FAILED, "jo", run_outcome="failed", exit_code=1)
    second = Settled(21.0, KEY, Outcome.SUCCEEDED, "jo", run_outcome="succeeded", exit_code=0)
    events: list[Event] = [START, *OVER, RunEnded(10.0, "unknown", 6), first]
    assert fold([START]).settled is None
    assert fold(events).settled == ("failed", 1)
    assert fold([*events, second]).settled == ("succeeded", 0)
    assert fold([*events, Settled(21.0, KEY, Outcome.SUCCEEDED, "jo")]).settled == ("failed", 1)
    assert fold([*events, RunResumed(30.0)]).settled is None


def test_the_report_names_what_was_planned() -> None:
    """Jobs in manifest order with what their headers say, sources, version, git."""
    report = fold([START])
    assert (report.id, report.started_at, report.ended_at, report.outcome, report.exit_code) == (
        "r",
        1.0,
        None,
        "running",
        None,
    )
    assert report.manifests == (FileRef("m.yaml", "ab", "m"),)
    assert (report.aftrun, report.git, report.sandbox) == ("1.2", (("commit", "c0ffee"),), True)
    a, b = report.jobs
    assert (a.manifest, b.manifest) == ("m", "m")
    assert (a.name, a.tags, a.description, str(a.origin), a.request) == (
        "a",
        ("t",),
        "d",
        "m.yaml:2:3",
        {"scriptName": "a"},
    )
    assert (b.needs, b.allow_failure, b.phase) == ((KEY,), True, "pending")
    assert report.duration is None
    assert a.duration is None
    assert report.counts()["pending"] == 2


def test_end_interruption_and_resumption_of_a_run() -> None:
    """The last process' end counts; while one is at work the run is running."""
    folder = ReportBuilder([START, Warned(1.0, "careful"), Interrupted(2.0, 15), RunEnded(3.0, "interrupted", 143)])
    report = folder.report()
    assert (report.outcome, report.exit_code, report.ended_at, report.duration) == ("interrupted", 143, 3.0, 2.0)
    assert report.warnings == ("careful",)
    folder.feed(RunResumed(4.0, 7, "here"))
    report = folder.report()
    assert (report.outcome, report.exit_code, report.ended_at) == ("running", None, None)
    for text in ("and this", "careful"):
        folder.feed(Warned(5.0, text))
    assert folder.report().warnings == ("careful", "and this")  # what is still so is said again, and stands there once


def _ended(outcome: Outcome, attempt: int = 1) -> AttemptEnded:
    return AttemptEnded(9.0, KEY, attempt, outcome, Reason.DONE, "why")


@pytest.mark.parametrize(
    ("before", "phase", "number"),
    [
        ([], "pending", 0),
        ([STEPS[0][0], STEPS[1][0]], "deferred", 1),
        ([STEPS[0][0], Accepted(5.0, KEY, 1, "17"), _ended(Outcome.UNKNOWN)], "accepted", 1),
        ([STEPS[0][0], Accepted(5.0, KEY, 1, "17"), _ended(Outcome.FAILED)], "waiting", 1),
        ([STEPS[0][0], _ended(Outcome.UNKNOWN)], "waiting", 1),
        (
            [
                *(STEPS[0][0], _ended(Outcome.UNKNOWN), SubmitIntended(9.0, KEY, 2, REQUEST)),
                *(Accepted(9.0, KEY, 2, "18"), _ended(Outcome.UNKNOWN, 2)),
            ],
            "accepted",
            2,
        ),
    ],
)
def test_a_job_that_a_resume_opens_again(before: list[Event], phase: str, number: int) -> None:
    """It has no end any more; an attempt of unknown end that has an id has none either, all others keep theirs."""
    over = JobEnded(10.0, KEY, Outcome.SKIPPED, Reason.STATE, "why")
    closed = fold([START, *before, over]).jobs[0]
    job = fold([START, *before, over, RunResumed(11.0, again=(KEY,))]).jobs[0]
    assert (job.phase, job.outcome, job.reason, job.message, job.ended_at) == (phase, None, "", "", None)
    assert [each.number for each in job.attempts] == list(range(1, number + 1))
    assert job.attempts[:-1] == closed.attempts[:-1]
    if number:
        last = (
            (None, "", None)
            if phase == "accepted"
            else (closed.attempts[-1].outcome, closed.attempts[-1].reason, closed.attempts[-1].ended_at)
        )
        found = job.attempts[-1]
        assert (found.outcome, found.reason, found.ended_at) == last
        assert (found.job_id, found.request) == (closed.attempts[-1].job_id, closed.attempts[-1].request)


def test_a_folder_and_a_fold_agree_after_every_event() -> None:
    """Fed one at a time or all at once: equal reports."""
    events: list[Event] = [START, *(event for event, _ in STEPS)]
    folder = ReportBuilder()
    for count, event in enumerate(events, 1):
        folder.feed(event)
        assert folder.report() == fold(events[:count])
    assert list(folder.jobs()) == [KEY, "m/b"]


def test_a_report_is_not_changed_by_what_comes_later() -> None:
    """A report is a photograph."""
    folder = ReportBuilder([START])
    report = folder.report()
    folder.feed(STEPS[0][0])
    assert report.jobs[0].phase == "pending"
    assert isinstance(report.jobs[0], JobResult)


def test_a_job_runs_from_when_it_was_first_seen_to_run() -> None:
    """A word for "queued" is not the time at which a job began to run, nor is the second word for "running"."""
    seen = [StateSeen(at, KEY, 1, word, word) for at, word in ((3.0, "queued"), (4.0, "running"), (5.0, "running"))]
    attempts = [fold([START, STEPS[0][0], *seen[:count]]).jobs[0].attempts[0] for count in (1, 2, 3)]
    assert [each.running_at for each in attempts] == [None, 4.0, 4.0]


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([], "is empty"),
        ([STEPS[0][0]], "never named: 'm/a'"),
        ([START, SubmitIntended(2.0, "m/other", 1)], "never named: 'm/other'"),
        ([START, StateSeen(2.0, KEY, 1, "Running", "running")], "never sent: 'm/a'"),
    ],
)
def test_events_that_make_no_run_are_an_error(events: list[Event], why: str) -> None:
    """Empty, without a start, about a job that nobody named, a state before any submission."""
    with pytest.raises(StateError, match=why):
        fold(events)
