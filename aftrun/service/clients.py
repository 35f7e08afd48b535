"""The connections of a run to its servers, and to where these were when earlier processes had jobs accepted."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from aftrun.domain.errors import UsageError
from aftrun.domain.frozen import replace
from aftrun.domain.model import Answer, Json, Reply
from aftrun.run.pins import Elsewhere
from aftrun.run.ports import JobApi
from aftrun.service.prepare import PreparedRun

if TYPE_CHECKING:
    from aftrun.client.client import AftClient


class Connection(JobApi, Protocol):
    """A `JobApi` that learns about its server, and is closed in the end."""

    def notices(self) -> Sequence[str]:
        """What a person should know of the server, as far as it was seen."""
        ...

    def close(self) -> None:
        """Let the connections go."""
        ...


class NoClient:
    """In place of a connection, where every job is up to date, so that there is nothing to send and nothing to read."""

    def submit(self, body: Mapping[str, Json]) -> Reply:
        """Never called."""
        raise AssertionError("a job that is up to date was sent")

    def status(self, job_id: str) -> Reply:
        """Never called."""
        raise AssertionError(f"the status of job {job_id} was read, which is up to date")

    def notices(self) -> list[str]:
        """It has learnt nothing."""
        return []

    def close(self) -> None:
        """There is nothing to close."""


def open_clients(setup: PreparedRun, connections: int) -> list[AftClient]:
    """The connections to the servers of a plan, in its order.

    Raises:
        UsageError: an endpoint names files that cannot be read, or values that cannot be sent.
    """
    from aftrun.client.client import AftClient  # noqa: PLC0415  # `requests` takes 100 ms to import; plans do without

    clients: list[AftClient] = []
    for each, server in zip(setup.endpoints, setup.plan.servers, strict=True):
        try:
            clients.append(AftClient(each, scrubber=setup.scrubber, connections=connections))
        except UsageError as error:
            by_flag = setup.options.ca_file or setup.options.fingerprints
            where = f"{server.origin}: " if server.origin is not None and not by_flag else ""
            # A path may have come from a variable.
            message, hint = (setup.scrubber.scrub(text) for text in (error.message, error.hint))
            raise UsageError(where + message, hint=hint) from None
    return clients


def close_all(clients: Sequence[Connection]) -> None:
    """Let all connections go."""
    for client in clients:
        with contextlib.suppress(OSError):  # all that it was for has been done
            client.close()


class Moved:
    """A server that was at other URLs in earlier processes of the run: jobs of then are asked for where they are."""

    def __init__(self, client: Connection, former: Mapping[str, Connection]) -> None:
        """`former` are the connections to those other URLs, by the ids of the jobs that were accepted there."""
        self._client, self._former = client, dict(former)
        self._all = (client, *{id(each): each for each in former.values()}.values())

    def submit(self, body: Mapping[str, Json]) -> Reply:
        """POST one job, to where the server is now."""
        reply = self._client.submit(body)
        if isinstance(reply, Answer) and reply.info is not None and reply.info.id is not None:
            self._former.pop(reply.info.id, None)  # from now on it is the id of this one
        return reply

    def status(self, job_id: str) -> Reply:
        """GET one job info, from where the job was accepted."""
        return self._former.get(job_id, self._client).status(job_id)

    def notices(self) -> list[str]:
        """What any of them has learnt about its server."""
        return [text for each in self._all for text in each.notices()]

    def close(self) -> None:
        """Let the connections go."""
        close_all(self._all)


def where_accepted(
    setup: PreparedRun, clients: Sequence[Connection], elsewhere: Sequence[Elsewhere]
) -> Sequence[Connection]:
    """The clients, such that a job is asked for where it was accepted, whatever the server's URL is by now.

    Raises:
        UsageError: as `open_clients`.
    """
    former: dict[int, dict[str, Connection]] = {}
    opened: dict[tuple[int, str], Connection] = {}
    for job in elsewhere:
        if job.url is None:
            continue
        place = (job.server, job.url)
        if place not in opened:
            ends = list(setup.endpoints)
            ends[job.server] = replace(ends[job.server], url=job.url)
            made = open_clients(replace(setup, endpoints=tuple(ends)), len(setup.plan.tasks))
            opened[place] = made[job.server]
        former.setdefault(job.server, {})[job.job_id] = opened[place]
    return [Moved(client, former[number]) if number in former else client for number, client in enumerate(clients)]
