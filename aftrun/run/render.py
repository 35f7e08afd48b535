"""Fills in what only the run knows: `${{ … }}`, the request of a job, what it hands on to others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from aftrun.domain.digits import as_written
from aftrun.domain.frozen import dataclass
from aftrun.domain.instants import at_zone
from aftrun.domain.model import Job, JobResult, Json, Param, ParamKind, Request, ServerSpec
from aftrun.domain.secrets import MARK
from aftrun.domain.values import Bindings, Inside, Text, Unbound, render
from aftrun.domain.zones import zone
from aftrun.run.plan import Task

_LONGEST_INTEGER = 400
"""Characters. Longer ones stay text: Python refuses to convert them."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What `${{ run.… }}` can say. `started_at` is epoch seconds; it and `zone` stay those of the run on resume."""

    id: str
    started_at: float
    zone: str = ""
    """The time zone that dates are in, see `domain.zones`; empty: this machine's."""

    def get(self, reference: Inside) -> str | None:
        """The value of a `run.…` reference; times are those of the run's zone, as a person would write them."""
        match reference.path:
            case ("run", "id"):
                return self.id
            case ("run", "date"):
                return self._time(reference.format or "%Y-%m-%d")
            case ("run", "started"):
                return self._time(reference.format or "%Y-%m-%dT%H:%M:%S%z")
        return None

    def _time(self, form: str) -> str:
        return at_zone(self.started_at, zone(self.zone)).strftime(form)


@dataclass(frozen=True, slots=True)
class JobOutputs:
    """What a job hands on to the ones that need it."""

    id: str | None = None
    outputs: Mapping[str, Json] | None = None


def outputs_of(job: JobResult) -> JobOutputs:
    """What a job of the record handed on.

    An output that held a secret is on record without it, so it is not at hand any more: better no value than a wrong
    one.
    """
    return kept_outputs(job.job_id, dict(job.outputs))


def kept_outputs(job_id: str | None, outputs: Mapping[str, Json]) -> JobOutputs:
    """What stands on record as a job's outputs, as far as it is what the job handed on."""
    return JobOutputs(job_id, {name: value for name, value in outputs.items() if MARK not in as_text(value)})


def as_text(value: Json) -> str:
    """A value of a job info as a param's text: strings as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def lookup_for(
    task: Task, facts: RunFacts | None, bindings: Bindings, handed: Callable[[str], JobOutputs | None]
) -> Callable[[Inside], str | None]:
    """How one job's `${{ … }}` are found. `facts` is None before there is a run.

    `handed` finds what a job of the same manifest handed on, by its name.
    """

    def find(reference: Inside) -> str | None:
        match reference.path:
            case ("run", *_):
                return facts.get(reference) if facts is not None else None
            case ("vars", name):
                value = (task.variables or {}).get(name)
                if value is None:
                    return None
                try:
                    # A variable declares its value as fit to show, so the value itself is what is shown.
                    return render(value, bindings, _nothing).value
                except Unbound:
                    return None
            case ("matrix", axis):
                return dict(task.job.matrix).get(axis)
            case ("jobs", name, "id"):
                other = handed(name)
                return other.id if other is not None else None
            case ("jobs", name, "outputs", output):
                other = handed(name)
                if other is None or other.outputs is None or output not in other.outputs:
                    return None
                found = other.outputs[output]
                return None if found is None else as_text(found)
        return None

    return find


def _nothing(_: Inside) -> None:
    return None


def _typed(param: Param, text: Text) -> Json:
    """A param's value for `paramValues: json`: plain YAML numbers and booleans as such, all else as text."""
    if not isinstance(param.value, str):
        return text.value
    match param.kind:
        case ParamKind.BOOLEAN:
            return text.value.lower() == "true"
        case ParamKind.INTEGER if len(text.value) <= _LONGEST_INTEGER:
            return int(text.value, 0) if text.value[:2].lower() in ("0x", "0o") else int(text.value)
        case ParamKind.NUMBER:
            number = as_written(text.value.replace(".inf", "inf").replace(".nan", "nan"))
            # JSON has neither infinity nor NaN (RFC 8259, 6): those stay the text that was written.
            return number if number - number == 0 else text.value
    return text.value


def make_request(
    job: Job, server: ServerSpec, bindings: Bindings, lookup: Callable[[Inside], str | None], correlation: str
) -> Request:
    """The body of a job's POST, and the form of it that may be shown.

    `correlation` is `<run id>/<job>/<attempt>`. The body holds the selector, and `params` where there are any.

    Raises:
        Unbound: a reference has no value.
    """
    script = render(job.script.value, bindings, lookup)
    body: dict[str, Json] = {job.script.selector.value: script.value}
    shown: dict[str, Json] = {job.script.selector.value: script.shown}
    params: dict[str, Json] = {}
    visible: dict[str, Json] = {}
    for param in job.params:
        text = render(param.value, bindings, lookup)
        params[param.name] = _typed(param, text) if server.typed_params else text.value
        visible[param.name] = params[param.name] if isinstance(param.value, str) else text.shown
    if job.correlation:
        params[job.correlation] = visible[job.correlation] = correlation
    if params:
        body["params"], shown["params"] = params, visible
    return Request(body, shown)
