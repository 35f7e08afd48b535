"""What `apply` would do now, job by job, as far as the record tells without any value from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from aftrun.domain.errors import ExitCode
from aftrun.domain.events import Once
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.model import When
from aftrun.domain.values import Lookup, Outside, Template, Value, preview
from aftrun.run.converge import LastAttempt, Move, decide, differing, up_to_date, why_in_doubt
from aftrun.run.once import Attempts, made_of, mark_of, same_server
from aftrun.run.plan import Plan, Task, start_order


class Does(StrEnum):
    """What would be done about a job."""

    SUBMIT = "submit"
    UP_TO_DATE = "upToDate"
    FOLLOW = "follow"
    PERSON = "person"
    """Nothing, until a person has looked."""
    SKIP = "skip"
    """Nothing, since a job that it needs waits for a person."""
    UNDECIDED = "undecided"
    """It hangs on a value that is known only to a run."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would be done about one job, and why, for people."""

    does: Does
    why: str = ""
    last: LastAttempt | None = None

    @property
    def sends(self) -> bool:
        """Whether a request to submit it would leave, as far as can be told."""
        return self.does in (Does.SUBMIT, Does.UNDECIDED)


_PLAIN = Forecast(Does.SUBMIT)
"""Of a job without `once`."""


def forecasts(
    plan: Plan,
    lookups: Callable[[Task], Lookup],
    attempts: Attempts | None,
    *,
    digest_key: bytes | None = None,
    again: bool = False,
) -> dict[int, Forecast]:
    """What would be done about each job of a plan, by index. `attempts` is the record, where there is one.

    Raises:
        StateError: the record cannot be read.
    """
    urls = [preview(server.url, lambda _: None).rstrip("/") for server in plan.servers]
    result: dict[int, Forecast] = {}
    for stage in plan.stages:
        for task in start_order(plan.tasks[stage.first : stage.first + stage.count]):
            waits = next((need for need in task.needs if result[need].does in (Does.PERSON, Does.SKIP)), None)
            if task.job.once and attempts is not None and not again:
                found = _ask(task, stage.name, lookups(task), attempts, url=urls[task.server], digest_key=digest_key)
            else:
                found = _PLAIN
            if waits is not None and task.job.when is When.SUCCESS and found.does is not Does.UP_TO_DATE:
                found = Forecast(Does.SKIP, f"skipped, since {plan.tasks[waits].label} waits for a person")
            result[task.index] = found
    return result


def exit_code(found: Iterable[Forecast]) -> ExitCode:
    """What `plan --exit-code` says: nothing to do, something, or something that a person must look at first."""
    codes = {_CODES.get(each.does, ExitCode.CHANGES) for each in found}
    return next((code for code in (ExitCode.UNKNOWN, ExitCode.CHANGES) if code in codes), ExitCode.OK)


_CODES = {Does.UP_TO_DATE: ExitCode.OK, Does.PERSON: ExitCode.UNKNOWN, Does.SKIP: ExitCode.UNKNOWN}


def _ask(
    task: Task, manifest: str, lookup: Lookup, attempts: Attempts, *, url: str, digest_key: bytes | None
) -> Forecast:
    unknown = _unknown(task, lookup)
    if unknown:
        return Forecast(Does.UNDECIDED, unknown)
    key = preview(task.job.once, lookup)
    there = [(each, same_server(each.once.server, url)) for each in attempts.attempts_of(manifest, task.job.name, key)]
    if "${" in url:
        there = [(each, None if each.once.server == url else same) for each, same in there]
    last, same = next(((each, same) for each, same in there if same is not False), (None, True))
    if last is None:
        return Forecast(Does.SUBMIT, f"submit: nothing is on record under its once {key!r}")
    once = Once("", key, url, mark_of(digest_key) if digest_key is not None else last.once.mark)
    move = decide(last, wait=task.job.wait, under_way=lambda: attempts.under_way(last.run))
    found = _words(move, last, once)
    if same is None:
        found = Forecast(found.does, f"{found.why}, if the server is the one of then", last)
    changed = _changed(task, last, once, lookup, digest_key) if move in (Move.UP_TO_DATE, Move.FOLLOW) else ()
    if changed:
        found = Forecast(found.does, f"{found.why}; it was sent with other {', '.join(changed)}", last)
    return found


def _words(move: Move, last: LastAttempt, once: Once) -> Forecast:
    match move:
        case Move.UP_TO_DATE:
            return Forecast(Does.UP_TO_DATE, up_to_date(last), last)
        case Move.FOLLOW:
            return Forecast(Does.FOLLOW, f"follow job {last.job_id}, which run {last.run} had accepted", last)
        case Move.WAIT:
            return Forecast(Does.FOLLOW, f"follow the job that run {last.run} is submitting", last)
        case Move.DOUBT:
            return Forecast(Does.PERSON, f"wait for a person: {why_in_doubt(last, once)}", last)
    how = f"it ended as {last.outcome.value}" if last.outcome is not None else "its request never arrived"
    return Forecast(Does.SUBMIT, f"submit: {how} in run {last.run}", last)


def _unknown(task: Task, lookup: Lookup) -> str:
    """Why the key of a job cannot be told before a run; empty where it can."""
    for part in task.job.once.insides() if isinstance(task.job.once, Template) else ():
        if part.path[0] == "vars":
            outside = _outside_of((task.variables or {}).get(part.path[1], ""))
            if outside is not None:
                return f"cannot be told here: its once needs {outside.text}, and a plan reads no value from outside"
        elif part.path == ("run", "id"):
            return "submit: its once is another one in every run"
        elif lookup(part) is None:
            return f"cannot be told before the run: its once needs {part.text}"
    return ""


def _outside_of(value: Value) -> Outside | None:
    return next(iter(value.outsides()), None) if isinstance(value, Template) else None


def _changed(task: Task, last: LastAttempt, once: Once, lookup: Lookup, digest_key: bytes | None) -> Sequence[str]:
    """The script and params that were others then, as far as they hold nothing from outside."""
    if digest_key is None:
        return ()
    made = made_of(task.job, digest_key, {}, lookup)
    values = {"script": task.job.script.value, **{f"params.{each.name}": each.value for each in task.job.params}}
    told = {name for name, value in values.items() if not _from_outside(task, value)}
    now = {name: digest for name, digest in made.items() if name in told}
    then = {name: digest for name, digest in last.once.made_of.items() if name in told or name not in values}
    return differing(replace(last, once=replace(last.once, made_of=then)), replace(once, made_of=now))


def _from_outside(task: Task, value: Value) -> bool:
    if not isinstance(value, Template):
        return False
    shown = [(task.variables or {}).get(part.path[1], "") for part in value.insides() if part.path[0] == "vars"]
    return bool(value.outsides()) or any(_outside_of(each) is not None for each in shown)
