"""What a run asks the record about jobs with `once`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aftrun.run.store.folder import run_folder
from aftrun.run.store.lock import held

if TYPE_CHECKING:
    from aftrun.run.converge import LastAttempt
    from aftrun.run.store.record import Log


class Attempts:
    """The newest submissions on record: the `Attempts` of `run.once`."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def last_attempt(self, identity: str) -> LastAttempt | None:
        """The newest submission of a job, by its identity.

        Raises:
            StateError: the state file cannot be read.
        """
        return self._log.last_attempt(identity)

    def attempts_of(self, manifest: str, job: str, key: str) -> Sequence[LastAttempt]:
        """The newest submissions of a job under a key, one for each server.

        Raises:
            StateError: the state file cannot be read.
        """
        return self._log.attempts_of(manifest, job, key)

    def under_way(self, run: str) -> bool:
        """Whether a process works on a run."""
        return held(run_folder(self._log.path.parent, run))
