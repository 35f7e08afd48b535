"""From job outcomes to one outcome and one exit code."""

from __future__ import annotations

from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftrun.domain.errors import ExitCode
from aftrun.domain.events import Reason
from aftrun.domain.model import Attempt, JobResult, Outcome
from aftrun.domain.values import Origin
from aftrun.run.verdict import NAMES, OBSTACLES, PRECEDENCE, verdict, worst


def result(
    outcome: Outcome | None, reason: Reason | str = Reason.DONE, *, created: bool = False, allow: bool = False
) -> JobResult:
    """A job that ended in some way."""
    attempts = (Attempt(1, job_id="17" if created else None),)
    return JobResult(
        name="j",
        manifest="m",
        server="s",
        origin=Origin("f", 1, 1),
        request={},
        outcome=outcome,
        reason=reason,
        attempts=attempts,
        allow_failure=allow,
    )


GOOD = result(Outcome.SUCCEEDED, created=True)
FAILED = result(Outcome.FAILED, created=True)
REJECTED = result(Outcome.REJECTED, Reason.REFUSED)
KEY = result(Outcome.REJECTED, Reason.KEY)
UNDELIVERED = result(Outcome.UNDELIVERED, Reason.UNREACHABLE)
TLS = result(Outcome.UNDELIVERED, Reason.TLS)
CANCELLED = result(Outcome.CANCELLED, created=True)
TIMED_OUT = result(Outcome.TIMED_OUT, Reason.TIMEOUT, created=True)
UNKNOWN = result(Outcome.UNKNOWN, Reason.AMBIGUOUS)
SUBMITTED = result(Outcome.SUBMITTED, created=True)
NOT_NEEDED = result(Outcome.SKIPPED, Reason.NOT_NEEDED)
NEEDS = result(Outcome.SKIPPED, Reason.NEEDS)
FAIL_FAST = result(Outcome.SKIPPED, Reason.FAIL_FAST)
LATE = result(Outcome.SKIPPED, Reason.FINISH_BY)
STATE = result(Outcome.SKIPPED, Reason.STATE)
PENDING = result(None, "")


@pytest.mark.parametrize(
    ("jobs", "code"),
    [
        ((), 0),
        ((GOOD,), 0),
        ((SUBMITTED,), 0),
        ((result(Outcome.SUCCEEDED, ""),), 0),  # a record that gives no reason
        ((result(Outcome.FAILED, ""),), 1),
        ((GOOD, NOT_NEEDED), 0),
        ((FAILED,), 1),
        ((REJECTED,), 1),
        ((FAILED, NEEDS), 1),
        ((FAILED, FAIL_FAST), 1),
        ((GOOD, KEY), 1),
        ((GOOD, UNDELIVERED), 1),
        ((FAILED, KEY), 1),
        ((REJECTED, KEY), 1),
        ((UNDELIVERED,), 3),
        ((TLS,), 3),
        ((UNDELIVERED, FAIL_FAST), 3),
        ((KEY,), 4),
        ((KEY, NEEDS), 4),
        ((KEY, UNDELIVERED), 4),
        ((CANCELLED,), 5),
        ((GOOD, CANCELLED), 5),
        ((CANCELLED, NEEDS), 5),
        ((UNKNOWN,), 6),
        ((TIMED_OUT,), 124),
        ((GOOD, LATE), 124),
        ((LATE,), 124),
        ((STATE,), 74),
        ((PENDING,), 6),
        ((NEEDS,), 1),
        ((FAIL_FAST, GOOD), 1),
    ],
)
def test_exit_codes(jobs: tuple[JobResult, ...], code: int) -> None:
    """One row for each line of the contract, in any order of the jobs."""
    for some in permutations(jobs):
        found = verdict(some)
        assert found.exit_code == code
        assert found.outcome == NAMES[ExitCode(code)]


RANKED = [(74, STATE), (6, UNKNOWN), (124, TIMED_OUT), (1, FAILED), (5, CANCELLED), (0, GOOD)]


@pytest.mark.parametrize(("first", "second"), list(combinations(RANKED, 2)))
def test_of_two_codes_the_worse_wins(first: tuple[int, JobResult], second: tuple[int, JobResult]) -> None:
    """74, 6, 124, 1, 5, 0: pairs, in both orders."""
    assert verdict([first[1], second[1]]).exit_code == first[0]
    assert verdict([second[1], first[1]]).exit_code == first[0]


def test_the_precedence_is_that_of_the_contract() -> None:
    """130/143, 74, 6, 124, 1, 5, then 4/3; bugs, usage errors, plans (10) and "under way" (75) never come from jobs."""
    assert PRECEDENCE == (130, 143, 74, 6, 124, 1, 5, 4, 3, 0)
    assert set(ExitCode) - set(PRECEDENCE) == {ExitCode.USAGE, ExitCode.CHANGES, ExitCode.BUG, ExitCode.UNDER_WAY}
    assert all(code in NAMES for code in PRECEDENCE)


@pytest.mark.parametrize(("signal", "code"), [(2, 130), (15, 143), (1, 143)])
@pytest.mark.parametrize("job", [GOOD, FAILED, UNKNOWN, PENDING, STATE])
def test_an_interruption_outranks_everything(job: JobResult, signal: int, code: int) -> None:
    """Even a state file that cannot be written, and jobs of which nothing is known."""
    found = verdict([job], signal=signal, state_failed=True)
    assert (found.outcome, found.exit_code) == ("interrupted", code)


def test_a_state_failure_outranks_the_jobs() -> None:
    """74 even where every job succeeded."""
    assert verdict([GOOD], state_failed=True).exit_code == 74
    assert verdict([UNKNOWN, TIMED_OUT], state_failed=True).exit_code == 74


@pytest.mark.parametrize(
    "allowed", [Outcome.FAILED, Outcome.REJECTED, Outcome.UNDELIVERED, Outcome.CANCELLED, Outcome.TIMED_OUT]
)
def test_allow_failure_forgives_what_is_known(allowed: Outcome) -> None:
    """It does not count, on its own or beside others."""
    reason = {Outcome.REJECTED: Reason.KEY, Outcome.UNDELIVERED: Reason.UNREACHABLE}.get(allowed, Reason.DONE)
    job = result(allowed, reason, allow=True)
    assert verdict([job]).exit_code == 0
    assert verdict([job, FAILED]).exit_code == 1


def test_allow_failure_does_not_forgive_unknown() -> None:
    """A person must look, whatever the manifest allows."""
    assert verdict([result(Outcome.UNKNOWN, Reason.VANISHED, allow=True)]).exit_code == 6
    assert verdict([result(None, "", allow=True)]).exit_code == 6


@pytest.mark.parametrize("first", [UNDELIVERED, KEY])
def test_3_and_4_only_when_no_job_was_created(first: JobResult) -> None:
    """A job created by whatever attempt of whatever job makes it a failure of the run."""
    assert verdict([first]).exit_code in (3, 4)
    assert verdict([first, SUBMITTED]).exit_code == 1
    forgiven = result(Outcome.FAILED, created=True, allow=True)
    assert verdict([first, forgiven]).exit_code == 1


OUTCOMES = st.one_of(st.none(), st.sampled_from(Outcome))
RESULTS = st.builds(result, OUTCOMES, st.sampled_from(Reason), created=st.booleans(), allow=st.booleans())


@given(jobs=st.lists(RESULTS, max_size=6), signal=st.sampled_from([0, 0, 2, 15]), state_failed=st.booleans())
def test_zero_means_that_everything_asked_for_succeeded(
    jobs: list[JobResult], signal: int, *, state_failed: bool
) -> None:
    """0 implies: no signal, no lost record, and every job succeeded, submitted, forgiven or rightly skipped."""
    found = verdict(jobs, signal=signal, state_failed=state_failed)
    fine = [
        job.outcome in (Outcome.SUCCEEDED, Outcome.SUBMITTED)
        or (job.outcome is Outcome.SKIPPED and job.reason == Reason.NOT_NEEDED)
        or (job.allow_failure and job.outcome not in (None, Outcome.UNKNOWN, Outcome.SKIPPED))
        for job in jobs
    ]
    assert (found.exit_code == 0) == (not signal and not state_failed and all(fine))
    assert (found.outcome == "succeeded") == (found.exit_code == 0)


@given(st.lists(RESULTS, min_size=1, max_size=6))
def test_3_and_4_mean_that_nothing_was_created(jobs: list[JobResult]) -> None:
    """With either code a user may simply start again."""
    if verdict(jobs).exit_code in (3, 4):
        assert all(attempt.job_id is None for job in jobs for attempt in job.attempts)
        assert all(job.outcome is not Outcome.UNKNOWN for job in jobs)


def test_the_worst_of_several_codes() -> None:
    """One order for runs and outputs, another for what doctor finds; nothing found is no failure."""
    for order in (PRECEDENCE, OBSTACLES):
        for number, code in enumerate(order):
            assert worst(reversed(order[number:]), order) is code
    assert worst([ExitCode.STATE, ExitCode.BUG, ExitCode.SIGINT]) is ExitCode.BUG
    assert worst([]) is ExitCode.OK
