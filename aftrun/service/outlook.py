"""What a plan can tell of values before a run: which are missing, and what `${{ … }}` would be now."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from aftrun.domain.environment import name_key
from aftrun.domain.model import Manifest
from aftrun.domain.values import Inside, Lookup, Outside, Template, bound
from aftrun.manifest import references
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


def unset_variables(manifests: Sequence[Manifest], names: Iterable[str]) -> tuple[Outside, ...]:
    """The references that have no default and whose variable or file is not there, each once.

    No value is read: what is empty counts as there, and keyrings are not looked into.
    """
    known = {name_key(name) for name in names}
    unset: dict[tuple[str, str], Outside] = {}
    for each in references(manifests):
        absent = name_key(each.name) not in known if each.source == "env" else False
        if each.source == "file":
            absent = not os.path.lexists(each.name)
        if absent and each.default is None:
            unset.setdefault(each.key, each)
    return tuple(unset.values())


def make_lookups() -> Callable[[Task], Lookup]:
    """What `${{ … }}` show in a plan: what is known without a value from outside.

    Anything else, and the run's id, stays as it was written.
    """
    facts = RunFacts("", SystemClock().now())

    def lookup(task: Task) -> Lookup:
        find = lookup_for(task, facts, {}, lambda _: None)

        def known(reference: Inside) -> str | None:
            if reference.path == ("run", "id"):
                return None
            value = (task.variables or {}).get(reference.path[-1]) if reference.path[0] == "vars" else None
            # Not its default either, which may not be what serves.
            return value.raw if isinstance(value, Template) else find(reference)

        return known

    return lookup
