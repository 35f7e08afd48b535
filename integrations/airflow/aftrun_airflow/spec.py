"""One task as a manifest of one job, so that everything the core checks and decides, it checks and decides here too."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from aftrun.app import Setup, make_setup
from aftrun.errors import ManifestError, Severity, UsageError
from aftrun.manifest import bind, load_all
from aftrun.manifest.outside import Unavailable, fetch
from aftrun.model import Endpoint, Json, OnAmbiguous, Retry
from aftrun.run.live import Live
from aftrun.run.ports import SystemClock
from aftrun.run.preview import url_of
from aftrun.run.steps import Steps
from aftrun.secrets import Scrubber
from aftrun.values import Outside, Template

_NO_SCRIPT: dict[str, Json] = {"scriptName": "-"}
"""For those who only watch: nothing is submitted, but a job must name a script."""


class WallClock(SystemClock):
    """Both times are the wall clock's: a deadline means the same in the worker, the triggerer and after a restart."""

    def monotonic(self) -> float:
        """Epoch seconds."""
        return self.now()


@dataclass(frozen=True, slots=True)
class Watched:
    """What decides about an accepted job. JSON-able by `to_json`; holds no secret, only the texts of references."""

    server: Mapping[str, Json]
    """As in a manifest."""
    base_dir: str = ""
    name: str = "job"
    timeout: float | None = None
    """Seconds from acceptance; None: the core's default, a day."""
    queue_timeout: float | None = None
    expect: tuple[str, ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    hidden: tuple[str, ...] = ()
    """References whose values went into the request: a server may give them back."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A task with everything filled in."""

    setup: Setup = field(repr=False)
    warnings: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Hidden references that have no value here, so that what a server says cannot be searched for it."""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def endpoint(self) -> Endpoint:
        """The server."""
        return self.setup.endpoints[0]

    @property
    def url(self) -> str:
        """The server's address as it may be shown."""
        spec = self.setup.plan.servers[0]
        return url_of(spec).removesuffix(spec.submit_path)

    @property
    def rate(self) -> float | None:
        """Requests a second that the server is to get at most."""
        return self.setup.plan.servers[0].max_requests_per_second

    def steps(self, finish: float | None = None) -> Steps:
        """The core's rules for this job. `finish` is `finishBy` in epoch seconds."""
        return Steps(
            self.setup.plan,
            facts=self.setup.facts,
            bindings=self.setup.bindings,
            clock=WallClock(),
            random=Random(),  # noqa: S311  # it spreads looks over time; nothing secret hangs on it
            scrubber=self.setup.scrubber,
            finishes=[math.inf if finish is None else finish],
            handed=lambda _stage, _name: None,
        )

    def live(self) -> Live:
        """The job, not begun."""
        return Live(self.setup.plan.tasks[0])


def milliseconds(seconds: float) -> str:
    """A duration as manifests write it."""
    return f"{max(1, round(seconds * 1000))}ms"


def job_document(watched: Watched, request: Mapping[str, Json]) -> dict[str, Json]:
    """A manifest of one job. `request` holds the selector, and `params` and `correlation` where there are any."""
    job: dict[str, Json] = {"name": _job_name(watched.name), **request}
    if watched.timeout is not None:
        job["timeout"] = milliseconds(watched.timeout)
    if watched.queue_timeout is not None:
        job["queueTimeout"] = milliseconds(watched.queue_timeout)
    if watched.expect:
        job["expect"] = [text.replace("$", "$$") for text in watched.expect]
    if watched.outputs:
        job["outputs"] = {name: text.replace("$", "$$") for name, text in watched.outputs}
    return {"server": dict(watched.server), "jobs": [job]}


def _job_name(name: str) -> str:
    kept = "".join("-" if ord(char) < 32 or char in "/\u2028\u2029\x7f" else char for char in name).strip()
    return kept.replace("$", "$$")[:200] or "job"


def prepare(
    watched: Watched,
    values: Mapping[str, str],
    *,
    request: Mapping[str, Json] | None = None,
    on_ambiguous: OnAmbiguous = OnAmbiguous.FAIL,
    wait: bool = True,
    label: str = "",
    run_id: str = "",
    started_at: float | None = None,
) -> Prepared:
    """Check a task and fill in its values.

    `label` and `run_id` are what `correlation` is made of. Without a `request` the result can only watch.

    Raises:
        ManifestError: something in it is wrong, or a value is missing.
        UsageError: a file that its TLS settings name cannot be used.
    """
    document = job_document(watched, _NO_SCRIPT if request is None else request)
    data = json.dumps(document).encode()
    path = os.path.join(watched.base_dir, watched.name.replace("/", "-"))  # noqa: PTH118 - text in, text out
    loaded = load_all([path], environ=values, read=lambda _: data)
    # The retries of a task are Airflow's: it sees them, and its own clock runs between them.
    manifests = [
        replace(
            each,
            jobs=tuple(replace(job, on_ambiguous=on_ambiguous, wait=wait, retry=Retry(limit=0)) for job in each.jobs),
        )
        for each in loaded.manifests
    ]
    bindings = bind(manifests, values)
    setup = make_setup(manifests, bindings, run_id=run_id, started_at=started_at)
    found, missing = hidden_values(watched.hidden, watched.base_dir, values)
    secrets = tuple(sorted({*bindings.values(), *found, setup.endpoints[0].api_key} - {""}))
    tasks = tuple(replace(task, label=label or task.label) for task in setup.plan.tasks)
    setup = replace(setup, plan=replace(setup.plan, tasks=tasks), scrubber=Scrubber(secrets))
    return Prepared(setup, _warnings(loaded.warnings), missing, secrets)


def _warnings(problems: Sequence[object]) -> tuple[str, ...]:
    return tuple(getattr(each, "message", "") for each in problems if getattr(each, "code", "") in ("AFT103", "AFT104"))


def hidden_values(
    references: Sequence[str], base_dir: str, values: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The values of references by their texts, and the texts of those that have none here."""
    from aftrun.manifest import expand  # noqa: PLC0415  # with the parser

    found: list[str] = []
    missing: list[str] = []
    for text in references:
        value = expand.parse(text, lambda *_: None, folder=base_dir)
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
