"""What a plan can tell of values before a run: which are missing, and what `${{ … }}` would be now."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from aftrun.domain.environment import name_key
from aftrun.domain.errors import StateError, UsageError
from aftrun.domain.model import Manifest
from aftrun.domain.values import Inside, Lookup, Outside, Template, bound
from aftrun.manifest import references
from aftrun.run.forecast import Forecast, forecasts
from aftrun.run.plan import Plan, Task
from aftrun.run.ports import SystemClock
from aftrun.run.render import RunFacts, lookup_for
from aftrun.service.options import RunOptions


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


def foresee(
    plan: Plan,
    lookups: Callable[[Task], Lookup],
    options: RunOptions,
    state_dir: Path,
    say: Callable[[str], None] | None = None,
) -> dict[int, Forecast]:
    """What `apply` would do now about each job, by index. The record is read, and not changed.

    `say` hears why it could not be read; without it that is an error.

    Raises:
        StateError: the record cannot be read.
        UsageError: the state folder is not this user's own.
    """
    from aftrun.run.pins import read_key  # noqa: PLC0415  # most plans have no job with `once`
    from aftrun.run.store.attempts import Attempts  # noqa: PLC0415  # the same
    from aftrun.run.store.record import Log  # noqa: PLC0415  # the same

    asks = any(task.job.once for task in plan.tasks) and not options.sandbox
    if not asks or not (state_dir / "state.db").exists():
        return forecasts(plan, lookups, NoAttempts() if asks else None)
    try:
        with Log(state_dir, create=False) as log:
            return forecasts(plan, lookups, Attempts(log), digest_key=read_key(state_dir), again=bool(options.again))
    except (StateError, UsageError) as error:
        if say is None:
            raise
        say(f"warning: what is done already cannot be told: {error.message}")
        return forecasts(plan, lookups, None)


class NoAttempts:
    """A record on which nothing is."""

    def last_attempt(self, _identity: str) -> None:
        """There is none."""

    def attempts_of(self, _manifest: str, _job: str, _key: str) -> tuple[()]:
        """There are none."""
        return ()

    def under_way(self, _run: str) -> bool:
        """None is."""
        return False


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
