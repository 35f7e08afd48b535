"""What callers of the library give, checked before anything is sent or written. Each fault is a `UsageError`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from aftrun.domain.durations import LONGEST
from aftrun.domain.errors import UsageError
from aftrun.domain.model import Job, Json, Manifest, Selector, ServerSpec
from aftrun.domain.values import Unbound, nothing_inside
from aftrun.run.render import make_request

_LOADED = 'load it first: aftrun.apply(aftrun.load("nightly.yaml")), or aftrun.apply(*aftrun.load_all(paths))'
_BODY = 'for example {"scriptName": "My Backup Job", "params": {"destination": "/archive/2026"}}'


def check_manifests(given: Sequence[Any]) -> None:
    """Manifests, with at least one job: of nothing, no run can say that it succeeded."""
    if not given:
        raise UsageError("no manifest was given", hint=_LOADED)
    for each in given:
        if not isinstance(each, Manifest):
            raise UsageError(f"{_shown(each)} is no manifest", hint=_LOADED)
    if not any(each.jobs for each in given):
        raise UsageError("there is no job in what was given, so nothing would be done")


def check_bounds(max_parallel: Any, *, sequential: bool) -> None:
    """A number of slots with which something starts at all."""
    if max_parallel is None:
        return
    if not isinstance(max_parallel, int) or isinstance(max_parallel, bool) or max_parallel < 1:
        raise UsageError(f"max_parallel is {max_parallel!r}, and it must be a whole number, 1 at least")
    check_order(max_parallel, sequential=sequential)


def check_order(max_parallel: int | None, *, sequential: bool, called: str = "max_parallel={} and sequential") -> None:
    """One order, not both. `called` is what the two are to whoever gave them."""
    if sequential and max_parallel not in (None, 1):
        raise UsageError(f"{called.format(max_parallel)} exclude each other", hint="keep one of them")


def check_seconds(name: str, given: Any) -> None:
    """A time to wait: with none at all, everything would be given up at once."""
    if not isinstance(given, int | float) or isinstance(given, bool) or not 0 < given <= LONGEST:
        raise UsageError(f"{name} is {given!r}, and it must be seconds, more than 0 and a hundred years at most")


def body_of(job: Job | Mapping[str, Json]) -> Mapping[str, Json]:
    """What is sent to start a job. Fields that are not documented go along as they are."""
    if isinstance(job, Job):
        if job.correlation:
            raise UsageError(f"`correlation: {job.correlation}` is filled in by a run", hint="use aftrun.apply")
        try:
            return make_request(job, ServerSpec(), {}, nothing_inside, "").body
        except Unbound as error:
            raise UsageError(f"{error} is filled in by a run", hint="use aftrun.apply") from None
    if not isinstance(job, Mapping):
        raise UsageError(f"{_shown(job)} is no job", hint=_BODY)
    scripts = [name for name in Selector if name in job]
    if len(scripts) != 1:
        said = " and ".join(scripts) or "none"
        raise UsageError(f"exactly one of {', '.join(Selector)} says which script runs; given: {said}", hint=_BODY)
    if not isinstance(job[scripts[0]], str) or not job[scripts[0]]:
        raise UsageError(f"{scripts[0]} is empty, or no text", hint=_BODY)
    _check_params(job.get("params", {}))
    return job


def _check_params(given: object) -> None:
    if not isinstance(given, Mapping):
        raise UsageError(f"params are a mapping of names to values, and not {_shown(given)}", hint=_BODY)
    for name, value in given.items():
        if not isinstance(name, str):
            raise UsageError(f"params: {_shown(name)} is no name", hint=_BODY)
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            what = f"the number {value}, which JSON has not," if isinstance(value, float) else _shown(value)
            raise UsageError(
                f"param {name!r} is {what}, and params are flat: text, a number, True or False", hint=_BODY
            )


def _shown(value: object) -> str:
    """What makes no sense, for whoever wrote it. Only short text is shown as it is."""
    if value is None:
        return "None"
    return repr(value) if isinstance(value, str) and len(value) <= 100 else f"a {type(value).__name__}"
