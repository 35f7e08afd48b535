"""One server on its own, without a run: what `status`, `wait` and `doctor` talk to."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

import aftrun
from aftrun.domain import jobids
from aftrun.domain.errors import Ambiguous, Refused, Unreachable, UsageError
from aftrun.domain.events import Accepted, Event, RunStarted
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.model import (
    DEFAULT_KEY_VARIABLE,
    Answer,
    Failure,
    Job,
    Manifest,
    Order,
    Outcome,
    Reply,
    Script,
    Selector,
    ServerSpec,
    State,
    Strategy,
)
from aftrun.domain.values import Bindings, Origin, Outside, Template
from aftrun.manifest import bind, references, shown_names
from aftrun.manifest.outside import Unavailable, fetch
from aftrun.run import policy
from aftrun.run.ports import Clock
from aftrun.run.preview import url_of
from aftrun.service.clients import open_clients
from aftrun.service.prepare import PreparedRun, prepare_run

if TYPE_CHECKING:
    from aftrun.client.client import AftClient

HERE = Origin("the command line", 1, 1)
"""Where things come from that stand in no file."""

OUTCOMES: Mapping[State, Outcome | None] = {
    State.QUEUED: None,
    State.RUNNING: None,
    State.SUCCEEDED: Outcome.SUCCEEDED,
    State.FAILED: Outcome.FAILED,
    State.CANCELLED: Outcome.CANCELLED,
    State.UNLISTED: Outcome.UNKNOWN,
    State.MISSING: Outcome.UNKNOWN,
}
"""What a single read of a job amounts to; None: it has not ended."""


def key_reference(source: str = "env", name: str = DEFAULT_KEY_VARIABLE) -> Template:
    """`${AFT_API_KEY}`, `${file:…}` or `${keyring:…}` as the value of a server's key."""
    text = f"${{{name}}}" if source == "env" else f"${{{source}:{name}}}"
    return Template((Outside(source, name, text, origin=HERE),), text)


@dataclass(frozen=True, slots=True)
class SingleServer:
    """A server with everything filled in, and what must not be seen of it."""

    spec: ServerSpec
    setup: PreparedRun
    bindings: Bindings = field(repr=False)

    @property
    def url(self) -> str:
        """Its address as it may be shown."""
        return url_of(self.spec).removesuffix(self.spec.submit_path)

    def client(self) -> AftClient:
        """A connection to it.

        Raises:
            UsageError: its settings cannot be used.
        """
        return open_clients(self.setup, 1)[0]


def _manifest(spec: ServerSpec, jobs: Sequence[Job] = ()) -> Manifest:
    spec = replace(spec, name="")
    strategy = Strategy(Order.PARALLEL, max(1, len(jobs)), fail_fast=False)
    return Manifest(name="wait", path="", jobs=tuple(jobs), servers=(spec,), strategy=strategy)


def _a_job(job_id: str, timeout: float | None) -> Job:
    # Nothing is ever submitted here, so the script is one that cannot exist.
    job = Job(name=job_id, script=Script(Selector.NAME, ""), origin=HERE)
    return job if timeout is None else replace(job, timeout=timeout)


def hidden_values(manifests: Sequence[Manifest], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Every value from outside that manifests use and that is there: a server may give back what it was sent."""
    shown = shown_names(manifests)
    found: list[str] = []
    for each in references(manifests):
        if each.key not in shown:
            with contextlib.suppress(Unavailable):  # what cannot be had cannot have been sent
                found.append(fetch(each, environ) or each.default or "")
    return tuple(value for value in found if value)


def single_server(
    spec: ServerSpec, environ: Mapping[str, str], jobs: Sequence[Job] = (), *, hidden: Sequence[str] = ()
) -> SingleServer:
    """Fill in a server's values. `hidden` are values that must not be seen either.

    Raises:
        ManifestError: a value is not there.
        UsageError: a file that its TLS settings name cannot be used.
    """
    manifest = _manifest(spec, jobs or (_a_job("none", None),))
    bindings = bind([manifest], environ)
    bindings |= {("hidden", str(number)): value for number, value in enumerate(hidden)}
    return SingleServer(spec, prepare_run([manifest], bindings), bindings)


def read_status(target: SingleServer, job_id: str) -> Reply:
    """One status read.

    Raises:
        UsageError: that is no id of a job; nothing was sent.
    """
    jobids.checked(job_id)
    client = target.client()
    try:
        return client.status(job_id)
    finally:
        client.close()


ALLOW_LIST = (
    "check the key in AFT_API_KEY, and that the key's IP allow-list in AFT! (Settings > API Keys) includes this "
    "machine; the server has lists of its own, too, and reading jobs may want another credential (server.headers)"
)


def must_answer(reply: Reply, job_id: str) -> None:
    """Refuse a reply that says nothing of a job, in words that suit somebody who asks about one.

    Raises:
        Unreachable: no connection.
        Refused: the key or the address.
        Ambiguous: anything else from which nothing can be told.
    """
    if isinstance(reply, Failure):
        kind = Ambiguous if reply.sent else Unreachable
        raise kind(reply.message, hint=reply.hint)
    said = f": {reply.message or reply.problem}" if reply.message or reply.problem else ""
    if reply.status in (401, 403):
        raise Refused(f"the server refused to show job {job_id} (HTTP {reply.status}{said})", hint=ALLOW_LIST)
    if reply.status in (404, 410):
        hint = "check the id and the server; AFT! may also forget finished jobs after a while"
        raise Ambiguous(f"the server knows no job {job_id} (HTTP {reply.status}{said})", hint=hint)
    if not 200 <= reply.status < 300:
        raise Ambiguous(f"the server gave no answer about job {job_id} (HTTP {reply.status}{said})")
    if reply.info is None:
        why = reply.problem or "it is no job info"
        raise Ambiguous(f"the server's answer about job {job_id} cannot be read: {why}")
    strange = jobids.mismatch(reply.info, job_id)
    if strange:
        raise Ambiguous(f"nothing is known of job {job_id}: {strange}", hint=policy.NAME_ITS_ID)


def is_of_another(reply: Reply, job_id: str) -> bool:
    """Whether the answer is a job info that can be read, and not this job's."""
    return isinstance(reply, Answer) and reply.info is not None and bool(jobids.mismatch(reply.info, job_id))


def jobs_to_watch(
    spec: ServerSpec,
    job_ids: Sequence[str],
    environ: Mapping[str, str],
    *,
    timeout: float | None = None,
    hidden: Sequence[str] = (),
) -> SingleServer:
    """A run, never begun by anybody here, of jobs that somebody else submitted: each id once.

    `timeout` is how long to wait for each, from now, seconds. `hidden` are values that must not be seen.

    Raises:
        ManifestError: a value is not there.
        UsageError: there is no id, or one that cannot be one.
    """
    if not job_ids:
        raise UsageError("no job id was given", hint="aftrun prints them, and so does the server's own web page")
    found: dict[str, str] = {}
    for each in job_ids:
        found.setdefault(jobids.canonical(jobids.checked(each)), each)
    return single_server(spec, environ, [_a_job(each, timeout) for each in found.values()], hidden=hidden)


def as_accepted(setup: PreparedRun, clock: Clock) -> tuple[Event, ...]:
    """As if an earlier process had submitted the jobs just now: their clocks start here."""
    now = clock.now()
    start = setup.opening()
    headers = tuple(replace(header, request={}) for header in start.jobs)
    opening = RunStarted(now, start.run, headers, (), aftrun.__version__)
    return (opening, *(Accepted(now, header.key, 1, header.name) for header in headers))


def must_be_readable(target: SingleServer, job_id: str) -> None:
    """Read a job once, so that nobody waits for what can never be seen.

    Raises:
        Refused: the server refused to show it (401, 403).
        Unreachable: the server could not even be reached.
    """
    first = read_status(target, job_id)
    if (isinstance(first, Failure) and not first.sent) or getattr(first, "status", 0) in (401, 403):
        must_answer(first, job_id)


__all__ = [
    "HERE",
    "OUTCOMES",
    "SingleServer",
    "as_accepted",
    "jobs_to_watch",
    "key_reference",
    "must_answer",
    "must_be_readable",
    "read_status",
    "single_server",
]
