"""`aftrun history`: the runs on record."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

from aftrun.cli import options
from aftrun.cli.boundary import Form, colour, emit, say
from aftrun.cli.choices import ListFormat
from aftrun.cli.flags import flag
from aftrun.cli.running import duration
from aftrun.domain.errors import UsageError
from aftrun.domain.events import instant
from aftrun.domain.model import RunOutcome
from aftrun.domain.text import dumps

if TYPE_CHECKING:
    from aftrun.domain.model import Json
    from aftrun.run.store.record import RunRow


def since(last: str | None) -> str:
    """The instant that `--last` means; empty, which is before all others, without it."""
    return "" if last is None else instant(time.time() - (duration(last, "--last") or 0.0))


def _row_data(row: RunRow, counts: dict[str, int]) -> dict[str, Json]:
    retry_of = row.options.get("retry_of")
    return {
        "id": row.id,
        "startedAt": row.started_at,
        "endedAt": row.ended_at,
        "outcome": row.outcome,
        "exitCode": row.exit_code,
        "manifests": list(row.manifests),
        "jobs": row.jobs,
        "counts": dict(counts),
        "retryOf": retry_of if isinstance(retry_of, str) else None,
        "sandbox": bool(row.options.get("sandbox")),
    }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def history(
    state: options.StateFlags,
    status: Annotated[
        list[RunOutcome] | None,
        flag("--status", help="Only runs with this outcome (repeatable).", many=RunOutcome),
    ] = None,
    last: options.Last = None,
    manifest: options.OfManifest = None,
    limit: Annotated[int, flag("--limit", "-n", help="At most so many, the newest first.", min=1)] = 20,
    form: Annotated[ListFormat, flag("--format", help="How to show them.")] = ListFormat.TABLE,
    prune: Annotated[
        str | None,
        flag("--prune", help="Forget runs that ended longer ago than this, such as 90d.", metavar="D"),
    ] = None,
    forget_once: Annotated[
        bool,
        flag("--forget-once", help="With --prune: forget also what jobs with `once` did, so that it is done again."),
    ] = False,
) -> int:
    """List past runs, the newest first. Nothing is ever forgotten but by --prune."""
    from aftrun.service import history as past  # noqa: PLC0415  # with the rest of the machinery
    from aftrun.service import which  # noqa: PLC0415  # the same

    if not past.on_record(state.folder):
        # No history is a short history, not a mistake.
        if form is ListFormat.JSON and prune is None:
            emit("[]\n", Form.JSON)
        say(f"no run is on record in {state.folder}")
        return 0
    if forget_once and prune is None:
        raise UsageError("--forget-once goes with --prune", hint="say how old it must be: --prune 90d --forget-once")
    with past.open_log(state.folder, say) as log:
        if prune is not None:
            before = instant(time.time() - (duration(prune, "--prune") or 0.0))
            done = past.prune(log, state.folder, before, forget_once=forget_once)
            say(f"forgot {_count(len(done.runs), 'run')} that ended before {before}")
            if done.forgotten:
                say(f"forgot {_count(done.forgotten, 'key')} of `once` too: what was done under them can be done again")
            if done.kept:
                keys = _count(done.kept, "key")
                say(f"kept {keys} of `once` of forgotten runs, so that what they did is not done again")
            return 0
        found = which.runs(log, since=since(last), manifest=manifest)
        rows = [row for row in found if not status or row.outcome in status]
        counts = log.counts()
    shown = rows[:limit]
    if form is ListFormat.JSON:
        data = [_row_data(row, counts.get(row.id, {})) for row in shown]
        emit(dumps(data) + "\n", Form.JSON)
        return 0
    from aftrun.cli.view import table  # noqa: PLC0415  # only for this format

    emit(table.history(shown, counts, colour=colour(sys.stdout)))
    if len(rows) > limit:
        say(f"{len(rows) - limit} more: see --limit")
    if not rows:
        say("no run fits")
    return 0
