"""One task as a manifest of one job, so that everything aftrun checks and decides, it checks and decides here too.

This is where aftrun's own parts are put together; everything else here talks to `Prepared`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from aftrun.client.client import AftClient
from aftrun.domain.errors import ManifestError, Severity, UsageError
from aftrun.domain.events import instant
from aftrun.domain.model import Json, OnAmbiguous, Retry, ServerSpec
from aftrun.domain.secrets import Scrubber
from aftrun.domain.values import Outside, Template, nothing_inside, preview
from aftrun.manifest import bind, load_all
from aftrun.manifest.build import expand
from aftrun.manifest.outside import Unavailable, fetch
from aftrun.run.plan import finish_time
from aftrun.run.ports import SystemClock
from aftrun.run.steps import Steps
from aftrun.service.prepare import PreparedRun, prepare_run
from aftrun_airflow.sources import Airflow, server_of

_NO_SCRIPT: dict[str, Json] = {"scriptName": "-"}
"""For those who only watch: nothing is submitted, but a job must name a script."""
_SHOWN_WARNINGS = ("AFT103", "AFT104")
"""Of the loader's warnings, those that say something of a task too: both are about TLS."""


class WallClock(SystemClock):
    """Both times are the wall clock's: a deadline means the same in the worker, the triggerer and after a restart."""

    def monotonic(self) -> float:
        """Epoch seconds."""
        return self.now()


@dataclass(frozen=True, slots=True)
class Settings:
    """What a task says about its job. Texts hold references, no secret; times are seconds."""

    aft_conn_id: str | None
    server: Mapping[str, Json] | None
    """As manifests describe one; counts only where there is no `aft_conn_id`."""
    poll: Mapping[str, Json] | None = None
    base_dir: str = ""
    label: str = ""
    timeout: float | None = None
    """From acceptance; None: aftrun's default, a day."""
    queue_timeout: float | None = None
    expect: Sequence[str] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    hidden: Sequence[str] = ()
    """References whose values went into the request: a server may give them back."""
    finish_by: str = ""
    on_ambiguous: OnAmbiguous = OnAmbiguous.FAIL
    wait: bool = True
    request: Mapping[str, Json] | None = field(default=None, repr=False)
    """The selector, and `params` and `correlation` where there are any; None: the job is only followed."""

    def followed(self) -> dict[str, Any]:
        """What decides about a job once it is accepted, as JSON: for the triggerer, and so for the database."""
        return {
            "aft_conn_id": self.aft_conn_id,
            "server": dict(self.server) if self.server is not None and self.aft_conn_id is None else None,
            "poll": None if self.poll is None else dict(self.poll),
            "base_dir": self.base_dir,
            "timeout": self.timeout,
            "queue_timeout": self.queue_timeout,
            "expect": list(self.expect),
            "outputs": dict(self.outputs),
            "hidden": list(self.hidden),
        }

    def described(self, airflow: Airflow) -> dict[str, Json]:
        """The server, as manifests describe it.

        Raises:
            UsageError: the connection is not there or not complete, or none is named.
        """
        if self.server is not None and self.aft_conn_id is None:
            found = dict(self.server)
        elif self.aft_conn_id:
            found = server_of(self.aft_conn_id, airflow.connection(self.aft_conn_id))
        else:
            raise UsageError("the task names no server", hint="give aft_conn_id, or server with aft_conn_id=None")
        return found if self.poll is None else {**found, "poll": dict(self.poll)}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A task with everything filled in."""

    setup: PreparedRun = field(repr=False)
    finish: float | None
    """`finishBy`, in epoch seconds."""
    warnings: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Hidden references that have no value here, so that what a server says cannot be searched for it."""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def server(self) -> ServerSpec:
        """The server, as the task or the connection describes it."""
        return self.setup.plan.servers[0]

    @property
    def url(self) -> str:
        """The server's address as it may be shown."""
        return preview(self.server.url, nothing_inside).rstrip("/")

    @property
    def identity(self) -> object:
        """Equal where the same connections may be used: the same server, reached with the same secrets."""
        return self.setup.endpoints[0], self.secrets

    @property
    def read_timeout(self) -> float:
        """Seconds that one answer may take."""
        return self.setup.endpoints[0].read_timeout

    @property
    def timeout(self) -> float:
        """Seconds from the job's acceptance to its end."""
        return self.setup.plan.tasks[0].job.timeout

    def scrub(self, text: str) -> str:
        """A text without the secrets that it may hold."""
        return self.setup.scrubber.scrub(text)

    def connect(self, connections: int = 1) -> AftClient:
        """The way to the server: `submit(body)` and `status(job_id)`, one request each, never repeated.

        Raises:
            UsageError: its settings cannot be used.
        """
        try:
            return AftClient(self.setup.endpoints[0], scrubber=self.setup.scrubber, connections=connections)
        except UsageError as error:  # a path may have come from a variable
            raise UsageError(self.scrub(error.message), hint=self.scrub(error.hint)) from None

    def steps(self, finish: float | None) -> Steps:
        """The job, not begun, and aftrun's rules for it. `finish` is `finishBy` in epoch seconds."""
        plan = self.setup.plan
        strategy = replace(plan.stages[0].strategy, finish_by="" if finish is None else instant(finish))
        return Steps(
            replace(plan, stages=(replace(plan.stages[0], strategy=strategy),)),
            self.setup.facts,
            self.setup.bindings,
            clock=WallClock(),
            random=Random(),  # noqa: S311  # it spreads reads over time; nothing secret hangs on it
            scrubber=self.setup.scrubber,
        )


def prepare(
    settings: Settings,
    server: Mapping[str, Json],
    values: Mapping[str, str],
    *,
    run_id: str = "",
    started_at: float | None = None,
) -> Prepared:
    """Check a task and fill in its values.

    Args:
        settings: of the task; `correlation` is made of its label.
        server: from `Settings.described`.
        values: what `${…}` finds, by name.
        run_id: of the DAG's run.
        started_at: when that began.

    Raises:
        ManifestError: something in it is wrong, or a value is missing.
        UsageError: a file that its TLS settings name cannot be used.
    """
    data = json.dumps(_document(settings, server)).encode()
    path = os.path.join(settings.base_dir, settings.label.replace("/", "-") or "job")  # noqa: PTH118 - text in, text out
    loaded = load_all([path], environ=values, read=lambda _: data)
    # The retries of a task are Airflow's: it sees them, and its own clock runs between them.
    manifests = [
        replace(each, jobs=tuple(replace(job, wait=settings.wait, retry=Retry(limit=0)) for job in each.jobs))
        for each in loaded.manifests
    ]
    bindings = bind(manifests, values)
    setup = prepare_run(manifests, bindings, run_id=run_id, started_at=started_at)
    found, missing = _hidden_values(settings, values)
    secrets = tuple(sorted({*bindings.values(), *found, setup.endpoints[0].api_key} - {""}))
    tasks = tuple(replace(task, label=settings.label or task.label) for task in setup.plan.tasks)
    setup = replace(setup, plan=replace(setup.plan, tasks=tasks), scrubber=Scrubber(secrets))
    warnings = tuple(each.message for each in loaded.warnings if each.code in _SHOWN_WARNINGS)
    return Prepared(setup, finish_time(settings.finish_by, setup.facts.started_at), warnings, missing, secrets)


def _document(settings: Settings, server: Mapping[str, Json]) -> dict[str, Json]:
    """A manifest of one job."""
    request = _NO_SCRIPT if settings.request is None else settings.request
    job: dict[str, Json] = {
        "name": _job_name(settings.label),
        "onAmbiguous": settings.on_ambiguous.value,
        **request,
    }
    for key, seconds in (("timeout", settings.timeout), ("queueTimeout", settings.queue_timeout)):
        if seconds is not None:
            job[key] = f"{max(1, round(seconds * 1000))}ms"
    if settings.expect:
        job["expect"] = [text.replace("$", "$$") for text in settings.expect]
    if settings.outputs:
        job["outputs"] = {name: text.replace("$", "$$") for name, text in settings.outputs.items()}
    return {"server": dict(server), "jobs": [job]}


def _job_name(label: str) -> str:
    kept = "".join("-" if ord(char) < 32 or char in "/\u2028\u2029\x7f" else char for char in label).strip()
    return kept.replace("$", "$$")[:200] or "job"


def _hidden_values(settings: Settings, values: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The values of the hidden references, and the texts of those that have none here."""
    found: list[str] = []
    missing: list[str] = []
    for text in settings.hidden:
        value = expand.parse(text, lambda *_: None, folder=settings.base_dir)
        for part in value.parts if isinstance(value, Template) else ():
            if isinstance(part, Outside):
                try:
                    seen = fetch(part, values)
                except Unavailable:
                    seen = None
                # A default is no proof: where the request was made, there may have been a value.
                found.append(seen or "")
                if seen is None:
                    missing.append(text)
    return tuple(value for value in found if value), tuple(missing)


def explained(error: ManifestError | UsageError) -> str:
    """An error in words for a task's log: there is no file whose lines could be named."""
    if isinstance(error, UsageError):
        return f"{error.message}\n{error.hint}" if error.hint else error.message
    lines: list[str] = []
    for problem in error.problems:
        if problem.severity is Severity.ERROR:
            lines.append(problem.message)
            if problem.hint:
                lines.append(f"  {problem.hint}")
    return "\n".join((*lines, "nothing was sent"))
