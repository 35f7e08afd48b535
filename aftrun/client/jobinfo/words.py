"""The words for the states of a job, and what they mean by default.

AFT! does not document its words, so the lists take in what comparable products use. A word that could hide a failure is
never on the list of successes; a word nobody can be sure of is on no list, so that a person decides (`jobInfo.states`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from aftrun.domain.model import JobInfoMap, State
from aftrun.domain.words import LESS_HOPEFUL_FIRST, normal

DEFAULT_STATES: Mapping[State, tuple[str, ...]] = {
    State.QUEUED: (
        *("queued", "pending", "waiting", "scheduled", "new", "created", "accepted", "submitted", "enqueued"),
        *("in queue", "queueing", "queuing", "not started", "received", "registered", "planned", "delayed"),
        *("deferred", "blocked", "held", "on hold"),
    ),
    State.RUNNING: (
        *("running", "in progress", "in process", "progress", "processing", "executing", "started", "starting"),
        *("active", "working", "busy", "ongoing", "initializing", "preparing", "transferring", "uploading"),
        *("downloading", "retrying", "restarting", "resuming", "finishing", "finalizing", "completing"),
        # On their way to an end, but not there: what they end as is still open.
        *("stopping", "halting", "cancelling", "canceling", "aborting", "terminating", "killing", "failing"),
        *("pausing", "paused", "suspended"),
    ),
    State.SUCCEEDED: (
        *("succeeded", "success", "successful", "successfully completed", "completed successfully"),
        *("finished successfully", "completed", "complete", "done", "finished", "passed"),
        # `ok` is here with a condition, see CONDITIONAL.
        "ok",
    ),
    State.FAILED: (
        *("failed", "failure", "fail", "error", "errored", "in error", "faulted", "fault", "fatal", "crashed", "crash"),
        *("panic", "panicked", "exception", "timed out", "timeout", "deadline exceeded", "expired", "rejected"),
        *("denied", "refused", "unsuccessful", "not ok", "nok", "ko", "abnormal"),
    ),
    # Ended by somebody. None of these may count as failed, since a failed job may be started again by `retry`.
    State.CANCELLED: (
        *("cancelled", "canceled", "killed", "stopped", "halted", "aborted", "interrupted", "terminated", "revoked"),
    ),
}
"""Not listed on purpose: `unknown`, `ready`, `idle`, `skipped`, `completed with warnings`, numbers, true and false."""

OVER = ("ended", "exited", "closed", "end", "exit")
"""The job is over, and that is all they say: the exit code decides, and without one the state is unlisted."""

PLAIN = ("finished", "done", "completed", "complete", *OVER)
"""Over, without the claim that it went well. Beside an explicit error these are failures."""

CONDITIONAL = ("ok", "success", "successful")
"""Words that APIs also use for "your request went well". `ok` always needs an exit code or a time of end beside it,
the others where the object names no id of a job."""

_HALF_GOOD = re.compile(
    r"partial.*|.*with(some)?(error|failure|exception|fault|issue|problem)s?|(?!no|.*without).*(failed|failure|error)"
)
"""`partially completed`, `completed with errors`, `job failed`: never a success."""


_PLAIN = frozenset(map(normal, PLAIN))
_OVER = frozenset(map(normal, OVER))
_CONDITIONAL = frozenset(map(normal, CONDITIONAL))
_defaults = {normal(word): state for state in reversed(LESS_HOPEFUL_FIRST) for word in DEFAULT_STATES[state]}


class Words:
    """The lists in force: those of `jobInfo.states`, each in place of the default list for its state."""

    __slots__ = ("_given", "_replaced")

    def __init__(self, mapping: JobInfoMap) -> None:
        lists = dict(mapping.states)
        self._replaced = frozenset(lists)
        self._given = {normal(word): state for state in reversed(LESS_HOPEFUL_FIRST) for word in lists.get(state, ())}

    def is_given(self, word: str) -> bool:
        """Whether the user listed this very word: then nothing in the object overrules it but the exit code."""
        return normal(word) in self._given

    def state(self, word: str) -> State:
        """What a word means; `UNLISTED` where no list has it."""
        key = normal(word)
        if key in self._given:
            return self._given[key]
        found = _defaults.get(key)
        if found is None and _HALF_GOOD.fullmatch(key):
            found = State.FAILED
        return State.UNLISTED if found is None or found in self._replaced else found

    def is_over(self, word: str) -> bool:
        """Whether the word says "over" and leaves open how (see `OVER`)."""
        return normal(word) in _OVER and State.SUCCEEDED not in self._replaced and not self.is_given(word)


def is_plain(word: str) -> bool:
    """Whether the word says "over" without claiming success (see `PLAIN`)."""
    return normal(word) in _PLAIN


def is_conditional(word: str, *, has_id: bool) -> bool:
    """Whether the word counts as success only beside an exit code or a time of end (see `CONDITIONAL`)."""
    key = normal(word)
    return key == "ok" or (key in _CONDITIONAL and not has_id)
