"""Which attempt of which job has which id at which server. Pure: no events, no requests.

An id names one job. A server that restarts and counts from 1 again, or that answers a submission with the job of an
earlier one, gives an id out twice; from then on nobody can tell whose job info it is that the server shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from aftrun.domain import urls
from aftrun.domain.jobids import canonical
from aftrun.domain.model import Attempt, JobInfo
from aftrun.run.policy import runs_on


@lru_cache(maxsize=256)  # asked of every job; a run has few servers
def place(url: str, *, as_spelled: bool = False) -> str:
    """A server's URL as the place where ids are unique: equal for every spelling of it, all names of this machine.

    `as_spelled` is for what older versions put on record, to which each spelling of an IPv6 address was another place.
    """
    try:
        parts = urls.parse_url(url, as_spelled=as_spelled)
    except ValueError:  # refused long before; ids of such a server are then unique among its own
        return url
    origin = f"{parts.scheme}://this machine:{parts.port}" if parts.loopback else parts.origin
    return origin + parts.path


@dataclass(slots=True)
class Claim:
    """One attempt's right to an id. `index` is the job's in the plan."""

    index: int
    attempt: int
    job: str = ""
    """Its name, for people."""
    over: bool = False
    """Its end was seen, so that the job that it was given the id for does not run any more."""
    ended_at: float | None = None
    """When it ended by the server's own clock, where the server has said so; epoch seconds."""

    def is_shown_by(self, info: JobInfo) -> bool:
        """Whether an end that is shown under the id may still be the one that this attempt's job came to.

        The server's own times can prove the contrary: a job that began or ended later is another one.
        """
        if self.ended_at is None:
            return True
        return not any(at is not None and at > self.ended_at for at in (info.started_at, info.ended_at))


class Claims:
    """All ids of one run."""

    def __init__(self) -> None:
        self._holders: dict[tuple[str, str], list[Claim]] = {}

    def add(self, server: str, job_id: str, claim: Claim) -> None:
        """An attempt was given an id."""
        self._holders.setdefault((server, canonical(job_id)), []).append(claim)

    def recall(self, server: str, index: int, job: str, attempt: Attempt) -> None:
        """The same, from the record."""
        if attempt.job_id:
            over = attempt.outcome is not None and not runs_on(attempt.outcome)
            self.add(server, attempt.job_id, Claim(index, attempt.number, job, over, attempt.server_ended_at))

    def ended(self, server: str, job_id: str, index: int, attempt: int, ended_at: float | None) -> None:
        """An attempt's end was seen."""
        for claim in self._holders.get((server, canonical(job_id)), ()):
            if (claim.index, claim.attempt) == (index, attempt):
                claim.over, claim.ended_at = True, ended_at

    def others(self, server: str, job_id: str, index: int, attempt: int) -> tuple[Claim, ...]:
        """Who else was given the same id."""
        found = self._holders.get((server, canonical(job_id)), ())
        return tuple(claim for claim in found if (claim.index, claim.attempt) != (index, attempt))
