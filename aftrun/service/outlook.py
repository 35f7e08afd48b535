"""What a plan can tell of values before a run: which are missing, and what `${{ … }}` would be now."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence

from aftrun.domain.model import Manifest
from aftrun.domain.values import Lookup, Outside, bound
from aftrun.manifest import references, shown_names
from aftrun.run.plan import Task
from aftrun.run.ports import SystemClock
from aftrun.run.render import RunFacts, lookup_for


def missing_values(manifests: Sequence[Manifest], environ: Mapping[str, str]) -> tuple[Outside, ...]:
    """The references that have neither a value in this environment nor a default, each variable once."""
    from aftrun.manifest.outside import Unavailable, fetch  # noqa: PLC0415  # with the loader, which is imported late

    missing: dict[tuple[str, str], Outside] = {}
    for reference in references(manifests):
        try:
            value = fetch(reference, environ)
        except Unavailable:
            value = None
        if bound(reference, {} if value is None else {reference.key: value}) is None:
            missing.setdefault(reference.key, reference)
    return tuple(missing.values())


def make_lookups(manifests: Sequence[Manifest], environ: Mapping[str, str]) -> Callable[[Task], Lookup]:
    """What `${{ … }}` show in a plan: what is known now. The run's id is not, and stays as it was written."""
    from aftrun.manifest.outside import Unavailable, fetch  # noqa: PLC0415  # with the loader, which is imported late

    facts = RunFacts("", SystemClock().now())
    shown = shown_names(manifests)
    bindings: dict[tuple[str, str], str] = {}
    for reference in references(manifests):
        if reference.key in shown:
            with contextlib.suppress(Unavailable):  # what is not there is shown as it was written
                value = fetch(reference, environ)
                bindings |= {} if value is None else {reference.key: value}

    def lookup(task: Task) -> Lookup:
        find = lookup_for(task, facts, bindings, lambda _: None)
        return lambda reference: None if reference.path == ("run", "id") else find(reference)

    return lookup
