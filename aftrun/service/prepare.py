"""From manifests to a run that is ready to begin, in the order of the data: flags, servers, values, plan.

The command line and the library both come through here; neither has logic of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

import aftrun
from aftrun.domain import urls
from aftrun.domain.errors import UsageError
from aftrun.domain.events import RunStarted, Source
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.instants import at_zone
from aftrun.domain.jobnames import job_key
from aftrun.domain.model import Endpoint, Json, Manifest, ServerSpec, Tls
from aftrun.domain.secrets import Scrubber
from aftrun.domain.values import Bindings, Inside, Lookup, Value, nothing_inside, render
from aftrun.domain.zones import local_name
from aftrun.manifest import references, shown_names
from aftrun.manifest.check.masking import masked
from aftrun.run.plan import Plan, Task, apply_overrides, headers, make_plan
from aftrun.run.ports import Clock, SystemClock
from aftrun.run.render import JobOutputs, RunFacts, lookup_for
from aftrun.run.select import choose, keep_jobs
from aftrun.run.sightings import Commands
from aftrun.service.options import RunOptions
from aftrun.system.gitinfo import git_facts

if TYPE_CHECKING:
    from aftrun.run.store.rows import Retry
    from aftrun.sandbox.server import Sandbox


@dataclass(frozen=True, slots=True)
class ServerOverride:
    """What the command line says about the server. It wins over every manifest. None: as the manifest says."""

    url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    fingerprints: tuple[str, ...] = ()
    insecure: bool = False
    plain: bool = False

    def apply(self, server: ServerSpec) -> ServerSpec:
        """The server with the overrides in place. What is said about TLS replaces all that was said before."""
        changes: dict[str, object] = {}
        if self.url is not None:
            changes["url"] = self.url.rstrip("/")
        if self.api_key is not None:
            changes["api_key"] = self.api_key
        if self.ca_file is not None or self.fingerprints or self.insecure:
            changes["tls"] = Tls(
                ca_file=self.ca_file,
                fingerprints=self.fingerprints,
                insecure=self.insecure,
                cert_file=server.tls.cert_file,
                key_file=server.tls.key_file,
                plain=server.tls.plain,
            )
        if self.plain:
            changes["tls"] = replace(changes.get("tls", server.tls), plain=True)  # type: ignore[type-var]  # a Tls
        return replace(server, **changes)  # type: ignore[arg-type]  # checked by dataclasses itself

    def check(self) -> None:
        """Refuse what contradicts itself or cannot be used, and a server that would get the key in clear.

        Raises:
            UsageError: the URL or a fingerprint is none, more than one way to verify the certificate was given, or
                `http://` that nobody insists on.
        """
        if self.url is not None and (fault := urls.url_fault(self.url)):
            raise UsageError(f"the server's URL {masked(self.url)!r} is not usable: {fault}", hint=urls.URL_FORM)
        if self.url is not None and not self.plain and urls.in_clear(self.url):
            raise UsageError(f"{self.url}: {urls.IN_CLEAR}", hint=urls.PLAIN_HINT)
        for pin in self.fingerprints:
            try:
                urls.parse_fingerprint(pin)
            except ValueError as fault:
                raise UsageError(f"--fingerprint {pin}: {fault}", hint=urls.FINGERPRINT_FORM) from fault
        if (self.ca_file is not None) + bool(self.fingerprints) + self.insecure > 1:
            raise UsageError(
                "--cacert, --fingerprint and --insecure exclude each other", hint="keep one of them; a pin is safest"
            )


def override_servers(manifests: Sequence[Manifest], override: ServerOverride) -> tuple[Manifest, ...]:
    """The manifests with every server changed as the command line says."""
    override.check()
    if override.url is not None and override.url.startswith("http://") and (override.ca_file or override.fingerprints):
        flag = "--cacert" if override.ca_file else "--fingerprint"
        raise UsageError(
            f"{flag} says how to verify a certificate, and plain http:// has none",
            hint="write https:// if the server speaks it, or leave the flag out",
        )
    return tuple(
        replace(manifest, servers=tuple(override.apply(server) for server in manifest.servers))
        for manifest in manifests
    )


def to_sandbox(manifests: Sequence[Manifest], url: str, api_key: str, fingerprint: str) -> tuple[Manifest, ...]:
    """The manifests with every server replaced by a sandbox, which knows one key and the documented paths only.

    How patient aftrun is stays as the manifests say. Keys and certificates of real servers are not even looked at.
    """

    def here(server: ServerSpec) -> ServerSpec:
        return ServerSpec(
            name=server.name,
            url=url,
            api_key=api_key,
            tls=Tls(fingerprints=(fingerprint,)),
            connect_timeout=server.connect_timeout,
            read_timeout=server.read_timeout,
            submit_timeout=server.submit_timeout,
            max_requests_per_second=server.max_requests_per_second,
            poll=server.poll,
            typed_params=server.typed_params,
            origin=server.origin,
        )

    return tuple(replace(manifest, servers=tuple(map(here, manifest.servers))) for manifest in manifests)


def prepare(manifests: Sequence[Manifest], options: RunOptions, sandbox: Sandbox | None = None) -> tuple[Manifest, ...]:
    """The manifests as this run sees them: flags applied, jobs left out that are not wanted, servers replaced.

    Raises:
        UsageError: flags contradict each other, stand for no job, or leave none.
    """
    override = ServerOverride(
        options.url, None, options.ca_file, options.fingerprints, options.insecure, options.insecure_http
    )
    changed = apply_overrides(
        override_servers(manifests, override),
        max_parallel=options.max_parallel,
        sequential=options.sequential,
        fail_fast=options.fail_fast,
        wait=False if options.no_wait else None,
        timeout=options.timeout,
    )
    changed = options.read_by(changed)
    changed = choose(changed, options.select, options.exclude).manifests
    if options.only:
        changed = keep_jobs(changed, frozenset(options.only))
    if sandbox is not None:
        changed = to_sandbox(changed, sandbox.url, sandbox.api_key, sandbox.fingerprint)
    return changed


def endpoint(server: ServerSpec, bindings: Bindings, lookup: Lookup = nothing_inside) -> Endpoint:
    """A server with everything filled in. `lookup` knows what `${{ run.… }}` are.

    Raises:
        Unbound: a reference has no value; `manifest.bind` finds these with file and line.
    """

    def text(value: Value) -> str:
        return render(value, bindings, lookup).value

    def maybe(value: Value | None) -> str | None:
        return None if value is None else text(value)

    return Endpoint(
        url=text(server.url).rstrip("/"),
        api_key=text(server.api_key),
        ca_file=maybe(server.tls.ca_file),
        fingerprints=tuple(text(pin) for pin in server.tls.fingerprints),
        insecure=server.tls.insecure,
        plain=server.tls.plain,
        cert_file=maybe(server.tls.cert_file),
        key_file=maybe(server.tls.key_file),
        connect_timeout=server.connect_timeout,
        read_timeout=server.read_timeout,
        submit_path=server.submit_path,
        status_path=server.status_path,
        headers=tuple((name, text(value)) for name, value in server.headers),
        job_info=server.job_info,
    )


def make_scrubber(manifests: Sequence[Manifest], endpoints: Sequence[Endpoint], bindings: Bindings) -> Scrubber:
    """Knows every value that must not be seen: all that came from outside but for what `vars` declares as shown."""
    shown = shown_names(manifests)
    hidden = {value for key, value in bindings.items() if key not in shown}
    hidden |= {each.api_key for each in endpoints}
    return Scrubber(hidden)


def new_run_id(now: float) -> str:
    """Sorts by time, and two runs started in the same second still differ: `20260102-020000-7f3a`."""
    return f"{at_zone(now, None):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A run, ready to begin: nothing has been sent and nothing written."""

    manifests: tuple[Manifest, ...]
    plan: Plan
    bindings: Bindings = field(repr=False)
    endpoints: tuple[Endpoint, ...]
    scrubber: Scrubber
    facts: RunFacts
    options: RunOptions = field(default_factory=RunOptions)
    used: Mapping[tuple[str, str], str | None] = field(default_factory=dict, repr=False)
    """Every value from outside that the run goes by, by `(source, name)`; None where a default serves."""
    changes: tuple[str, ...] = ()
    """What is not as it was when the run began, and was accepted."""
    shown_urls: tuple[str, ...] = ()
    """The URLs of the endpoints as they may be shown: with `${…}` where a part of one came from outside."""
    retry: Retry | None = None
    """What it is a retry of, where it is a new one."""
    commands: Commands = Commands()  # frozen
    """What helps with words for a state that aftrun does not know."""

    @property
    def sandbox(self) -> bool:
        """Whether it runs against the sandbox, not a real server."""
        return self.options.sandbox

    @property
    def has_once(self) -> bool:
        """Whether a job of it has `once`."""
        return any(task.job.once for task in self.plan.tasks)

    def inherited(self, stage: int, name: str) -> JobOutputs | None:
        """What a job of the run that is being retried handed on, where that job does not run again."""
        found = self.options.inherited.get(job_key(self.plan.stages[stage].name, name))
        if found is None:
            return None
        job_id, outputs = found.get("id"), found.get("outputs")
        return JobOutputs(job_id if isinstance(job_id, str) else None, outputs if isinstance(outputs, dict) else {})

    def lookup(self, task: Task) -> Callable[[Inside], str | None]:
        """What a job's `${{ … }}` are before the run: ids and outputs of other jobs are not known yet."""
        return lookup_for(task, self.facts, self.bindings, lambda name: self.inherited(task.stage, name))

    def opening(self) -> RunStarted:
        """The first event of the run."""
        sources = {
            (manifest.path, manifest.name): Source(manifest.path, manifest.sha256, manifest.name)
            for manifest in self.manifests
        }
        git: Mapping[str, Json] = git_facts(self.manifests[0].path) if self.manifests else {}
        return RunStarted(
            at=self.facts.started_at,
            run=self.facts.id,
            jobs=headers(self.plan, self.lookup),
            sources=tuple(sources.values()),
            aftrun=aftrun.__version__,
            git=git,
            sandbox=self.sandbox,
        )

    def warnings(self) -> tuple[str, ...]:
        """What must be said aloud before anything is sent."""
        unverified = tuple(
            f"the certificate of {each.url} is NOT verified (insecure): anyone on the way can read the API key and "
            "change what runs; pin it instead (server.tls.fingerprint)"
            for each in self.endpoints
            if each.insecure and each.url.startswith("https:")
        )
        in_clear = tuple(f"{each.url}: {urls.IN_CLEAR}" for each in self.endpoints if urls.in_clear(each.url))
        unread = self.options.unused_words(server.name for server in self.plan.servers)
        return (*unverified, *in_clear, *self._doubtful_paths(), *filter(None, (unread,)))

    def _doubtful_paths(self) -> Iterator[str]:
        """Paths in URLs that no check of a manifest could see, since they come from a flag or from outside."""
        for each, server in zip(self.endpoints, self.plan.servers, strict=True):
            doubt, remedy = urls.path_doubt(each.url)
            if doubt and (self.options.url is not None or not isinstance(server.url, str)):
                yield f"{doubt}\n{remedy}"


def prepare_run(
    manifests: Sequence[Manifest],
    bindings: Bindings,
    options: RunOptions = RunOptions(),  # noqa: B008  # frozen
    *,
    run_id: str = "",
    started_at: float | None = None,
    zone: str | None = None,
    clock: Clock | None = None,
) -> PreparedRun:
    """Put a run together from prepared manifests whose values have all been checked.

    `run_id`, `started_at` and `zone` are those of the original run where one is resumed.
    """
    now = started_at if started_at is not None else (clock or SystemClock()).now()
    plan = make_plan(manifests, keep_going=options.fail_fast is False)
    facts = RunFacts(run_id or new_run_id(now), now, local_name(now) if zone is None else zone)
    used = {key: value for each in manifests for key, value in each.taken.items()}
    used |= {reference.key: bindings.get(reference.key) for reference in references(manifests)}
    endpoints = tuple(endpoint(server, bindings, facts.get) for server in plan.servers)
    return PreparedRun(
        manifests=tuple(manifests),
        plan=plan,
        bindings=bindings,
        endpoints=endpoints,
        scrubber=make_scrubber(manifests, endpoints, bindings),
        facts=facts,
        options=options,
        used=used,
        shown_urls=tuple(render(server.url, bindings, facts.get).shown.rstrip("/") for server in plan.servers),
    )


__all__ = [
    "PreparedRun",
    "ServerOverride",
    "endpoint",
    "make_scrubber",
    "new_run_id",
    "override_servers",
    "prepare",
    "prepare_run",
    "to_sandbox",
]
