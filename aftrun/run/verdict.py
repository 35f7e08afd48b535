"""What a run's jobs add up to: one outcome and one exit code."""

from __future__ import annotations

from collections.abc import Iterable

from aftrun.domain.errors import ExitCode
from aftrun.domain.events import Reason
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import JobResult, Outcome, RunOutcome
from aftrun.run.policy import is_bad
from aftrun.system.signals import exit_code

PRECEDENCE = (
    ExitCode.SIGINT,
    ExitCode.SIGTERM,
    ExitCode.STATE,
    ExitCode.UNKNOWN,
    ExitCode.GAVE_UP,
    ExitCode.FAILED,
    ExitCode.CANCELLED,
    ExitCode.REFUSED,
    ExitCode.UNREACHABLE,
    ExitCode.OK,
)
"""Where several codes apply, the first of these wins."""

OBSTACLES = (ExitCode.USAGE, ExitCode.UNREACHABLE, ExitCode.REFUSED, ExitCode.UNKNOWN)
"""The same for what `doctor` finds: first what keeps everything else from working."""


_ALL = (ExitCode.BUG, *PRECEDENCE[:3], ExitCode.UNDER_WAY, *PRECEDENCE[3:])
"""With those that no job gives: a run that was watched may have been cut off."""


def worst(codes: Iterable[ExitCode], order: tuple[ExitCode, ...] = _ALL) -> ExitCode:
    """The exit code that wins where several apply; OK where none of the order does."""
    found = set(codes)
    return next((code for code in order if code in found), ExitCode.OK)


NAMES = {
    ExitCode.OK: RunOutcome.SUCCEEDED,
    ExitCode.FAILED: RunOutcome.FAILED,
    ExitCode.UNREACHABLE: RunOutcome.UNDELIVERED,
    ExitCode.REFUSED: RunOutcome.REJECTED,
    ExitCode.CANCELLED: RunOutcome.CANCELLED,
    ExitCode.UNKNOWN: RunOutcome.UNKNOWN,
    ExitCode.BUG: RunOutcome.ERROR,
    ExitCode.STATE: RunOutcome.STATE_ERROR,
    ExitCode.GAVE_UP: RunOutcome.TIMED_OUT,
    ExitCode.SIGINT: RunOutcome.INTERRUPTED,
    ExitCode.SIGTERM: RunOutcome.INTERRUPTED,
}
"""The run's outcome, by exit code."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The run's outcome and exit code."""

    outcome: str
    exit_code: ExitCode


def _code(job: JobResult, *, any_created: bool) -> ExitCode:
    """The exit code that one job on its own would give."""
    outcome = job.verdict
    if outcome is None:
        return ExitCode.UNKNOWN
    reason = Reason(job.reason) if job.reason else Reason.DONE
    if not is_bad(outcome, reason, allow_failure=job.allow_failure):
        return ExitCode.OK
    if outcome is Outcome.SKIPPED:
        # A job that was skipped because of another adds nothing to what that other one says, except where the
        # clock or the state file was the cause: then there may be no other.
        return {Reason.FINISH_BY: ExitCode.GAVE_UP, Reason.STATE: ExitCode.STATE}.get(reason, ExitCode.OK)
    simple = {
        Outcome.FAILED: ExitCode.FAILED,
        Outcome.CANCELLED: ExitCode.CANCELLED,
        Outcome.TIMED_OUT: ExitCode.GAVE_UP,
        Outcome.UNKNOWN: ExitCode.UNKNOWN,
    }
    if outcome in simple:
        return simple[outcome]
    if any_created or (outcome is Outcome.REJECTED and reason is not Reason.KEY):
        return ExitCode.FAILED
    return ExitCode.REFUSED if outcome is Outcome.REJECTED else ExitCode.UNREACHABLE


def verdict(jobs: Iterable[JobResult], *, signal: int = 0, state_failed: bool = False) -> Verdict:
    """The run's verdict.

    `signal` is 2 or 15 (or another number that asked us to stop) where the run was interrupted; `state_failed` says
    that the record or a report could not be written. A job that has not ended counts as unknown, which an
    interruption outranks: nothing that was not seen to succeed can ever add up to 0.
    """
    jobs = tuple(jobs)
    created = any(attempt.job_id is not None for job in jobs for attempt in job.attempts)
    codes = {_code(job, any_created=created) for job in jobs}
    if signal:
        codes.add(ExitCode(exit_code(signal)))
    if state_failed:
        codes.add(ExitCode.STATE)
    if not codes & {*PRECEDENCE[:-1]} and any(
        job.outcome is Outcome.SKIPPED and job.reason not in ("", Reason.NOT_NEEDED) for job in jobs
    ):
        codes.add(ExitCode.FAILED)  # skipped because of a job that is not in this list: still not a success
    code = worst(codes)
    return Verdict(NAMES[code], code)
