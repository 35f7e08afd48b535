"""Runs that are on record: finding them, taking them up again, running again what did not succeed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aftrun.domain import zones
from aftrun.domain.errors import ExitCode, ManifestError, StateError, UnderWay, UsageError
from aftrun.domain.events import Event, RunStarted, SubmitIntended, parse_instant
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.model import JobResult, Json, RunReport
from aftrun.domain.past import RECENT, median
from aftrun.manifest import Loaded, bind, load_all, redact, without_keys
from aftrun.report import json as json_report
from aftrun.run.converge import is_open
from aftrun.run.fold import ReportBuilder
from aftrun.run.pins import changes, read_key
from aftrun.run.render import outputs_of
from aftrun.run.select import dependants, may_be_running, to_read_again, to_retry
from aftrun.run.store import journal_file, once_file
from aftrun.run.store.folder import run_folder
from aftrun.run.store.lock import held
from aftrun.run.store.record import Log
from aftrun.run.store.restore import open_record, read_run, run_folders
from aftrun.run.store.rows import Retry, RunRow
from aftrun.service.options import RunOptions
from aftrun.service.prepare import PreparedRun, prepare, prepare_run
from aftrun.service.report_file import Finished, write_last
from aftrun.service.started import PATH, in_place
from aftrun.service.which import GOES_ON
from aftrun.system.collector import no_collector
from aftrun.system.files import read_regular, remove_folder
from aftrun.system.lines import about_run

if TYPE_CHECKING:
    from aftrun.sandbox.server import Sandbox


_REST = 0.02
"""Seconds between two small changes of the record, at least: as long as SQLite waits before it tries again."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run as it is on record."""

    row: RunRow
    events: tuple[Event, ...]
    report: RunReport
    options: RunOptions
    recorded: int = 0
    """How many events of it were in the state file before it was read."""

    @property
    def start(self) -> RunStarted:
        """Its first event."""
        first = self.events[0]
        if not isinstance(first, RunStarted):
            raise StateError(f"the record of run {self.row.id} is damaged: it does not begin with its start")
        return first


def read(log: Log, row: RunRow) -> PastRun:
    """One run, from its record.

    Raises:
        StateError: the record cannot be read.
    """
    recorded = log.count(row.id)
    with no_collector():
        events = read_run(log, row.id).events
        return PastRun(row, events, ReportBuilder(events).report(), RunOptions.from_json(row.options), recorded)


def open_log(state_dir: Path, say: Callable[[str], None] = lambda _: None, *, thorough: bool = False) -> Log:
    """The record, which must be there, put in order where it is damaged; `say` hears of that.

    `thorough` looks for damage that does not show at once.

    Raises:
        StateError: it cannot be read.
        UsageError: there is none.
    """
    if not on_record(state_dir):
        raise UsageError(
            f"no run is on record in {state_dir}", hint="run one with `aftrun apply`, or say where with --state-dir"
        )
    return open_record(state_dir, say, thorough=thorough)


def on_record(state_dir: Path) -> bool:
    """Whether there is anything of a record in this folder.

    Raises:
        StateError: that cannot be told.
    """
    if (state_dir / "state.db").exists():
        return True
    return any((folder / journal_file.NAME).exists() for folder in run_folders(state_dir).values())


def kept_files(log: Log, past: PastRun) -> tuple[tuple[str, bytes], ...]:
    """The run's own copy of its manifests."""
    stored = tuple((file.path, file.content) for file in log.files(past.row.id))
    if not stored:
        raise StateError(f"the record of run {past.row.id} holds no manifests, so it cannot be resumed")
    return stored


def edited(log: Log, past: PastRun) -> tuple[str, ...]:
    """What is not on disk as the run has it, a sentence for each manifest: the run goes by its own copy.

    Raises:
        StateError: the record cannot be read.
    """
    found = []
    for path, content in kept_files(log, past):
        if path in ("-", PATH) or content.startswith(b"# aftrun: the same file as "):
            continue  # standard input, flags, or a second name of another one
        try:
            now = redact.without_keys(path, read_regular(Path(path)))
        except (OSError, ManifestError, ValueError):
            found.append(f"{path} cannot be read any more; the run goes by its own copy")
            continue
        if now != content:
            found.append(f"{path} has changed since the run began; the run goes by its own copy")
    return tuple(found)


def load_kept(stored: Sequence[tuple[str, bytes]], options: RunOptions, environ: Mapping[str, str]) -> Loaded:
    """The manifests of a run, from its own copy.

    Raises:
        ManifestError: they cannot be loaded any more.
    """
    contents = dict(stored)

    def content(path: str) -> bytes:
        if path not in contents:
            raise FileNotFoundError(2, "it is not among the files kept with the run", path)
        return contents[path]

    return load_all(
        options.paths,
        environ=environ,
        variables=dict(options.variables),
        read=content,
        insecure_http=options.insecure_http,
    )


def _setup(
    stored: Sequence[tuple[str, bytes]],
    options: RunOptions,
    environ: Mapping[str, str],
    *,
    start: RunStarted | None = None,
    sandbox: Sandbox | None = None,
) -> PreparedRun:
    """A setup from the run's own copy of its manifests, with secrets from the environment of now."""
    try:
        loaded = load_kept(stored, options, environ)
        manifests = prepare(loaded.manifests, options, sandbox)
        if sandbox is not None:
            environ = without_keys(environ, loaded.manifests, sandbox.api_key)
        bindings = bind(manifests, environ)
    except ManifestError as error:
        raise in_place(error, stored) from error
    return prepare_run(
        manifests,
        bindings,
        options,
        run_id="" if start is None else start.run,
        started_at=None if start is None else start.at,
        zone=None if start is None else start.zone or "",
    )


def _tells_the_end(path: Path, report: RunReport) -> bool:
    """Whether the report on disk is of the run's end, in the words of whatever aftrun wrote it."""
    now = json.loads(json_report.render(report))["run"]
    try:
        then = json.loads(read_regular(path))["run"]
        return all(then[key] == now[key] for key in ("endedAt", "exitCode", "outcome"))
    except (OSError, ValueError, KeyError, TypeError):
        return False  # missing or unreadable is as stale as it gets


def unreported(past: PastRun, state_dir: Path, say: Callable[[str], None]) -> Finished | None:
    """A run that has ended, but whose process was killed before its report said so; the report is brought up to date.

    None for all other runs.

    Raises:
        StateError: the report cannot be written.
    """
    if past.row.ended_at is None or past.report.exit_code is None or past.row.outcome in GOES_ON:
        return None
    path = run_folder(state_dir, past.row.id) / "report.json"
    if _tells_the_end(path, past.report):
        return None
    return Finished(past.report, ExitCode(past.report.exit_code), write_last(path, past.report, say))


def resume_setup(log: Log, past: PastRun, environ: Mapping[str, str], *, accept_changes: bool = False) -> PreparedRun:
    """What it takes to go on with a run.

    Raises:
        ManifestError: a value that it needs is not in this environment.
        StateError: the record does not fit what it was made from.
        UsageError: the run has ended, cannot be resumed, or something that it was begun with is another now.
    """
    if past.row.ended_at is not None and past.row.outcome not in GOES_ON and not to_read_again(past.report.jobs):
        show, retry = (about_run(verb, past.row.id, log.path.parent) for verb in ("show", "retry"))
        again = "" if past.row.outcome == "succeeded" else f"; `{retry}` runs the rest again"
        raise UsageError(
            f"run {past.row.id} has ended ({past.row.outcome}), so there is nothing to resume",
            hint=f"`{show}` shows it{again}",
        )
    if past.options.sandbox:
        raise UsageError(
            f"run {past.row.id} was against a sandbox, which ended with it",
            hint="start it anew with `aftrun apply --sandbox`",
        )
    stored = kept_files(log, past)
    log.take_up(past.row.id)
    start = past.start
    try:
        zones.zone(start.zone or "")
    except ValueError as error:
        raise UsageError(
            f"run {past.row.id} began in another time zone, and {error}", hint="install the tzdata package"
        ) from error
    setup = _setup(stored, past.options, environ, start=start)
    recorded = [header.key for header in past.start.jobs]
    if [task.key for task in setup.plan.tasks] != recorded:
        raise StateError(
            f"the manifests kept with run {past.row.id} no longer make the jobs that it began with",
            hint="use the version of aftrun that started it",
        )
    key = read_key(log.path.parent)
    urls = tuple(each.url for each in setup.endpoints)
    found = changes(
        start,
        key=key,
        values=setup.used,
        urls=urls,
        shown_urls=setup.shown_urls,
        zone=zones.local_name(start.at),
    )
    if found and not accept_changes:
        raise UsageError(
            f"run {past.row.id} was begun with something else:\n" + "\n".join(f"  {each}" for each in found),
            hint="give it what it had, or add --accept-changes: jobs that were accepted are then still read where they "
            "are, all others go by what is now",
        )
    return replace(setup, changes=found)


def _label(job: JobResult) -> str:
    return job.name if job.job_id is None else f"{job.name} (job {job.job_id})"


def retry_options(past: PastRun, state_dir: Path, *, include_unknown: bool) -> RunOptions:
    """The options of a new run of what did not succeed, and of what needs it.

    Raises:
        UsageError: there is nothing to run again, or a job may still be running and nobody has said to risk it.
    """
    jobs = {job.key: job for job in past.report.jobs}
    again = to_retry(past.report.jobs)
    if not again:
        raise UsageError(f"every job of run {past.row.id} succeeded, so there is nothing to run again")
    risky = [jobs[each] for each in sorted(again) if may_be_running(jobs[each])]
    if risky and not include_unknown:
        names = ", ".join(_label(job) for job in risky[:5]) + (f" and {len(risky) - 5} more" if len(risky) > 5 else "")
        goes_on = past.row.outcome in GOES_ON or to_read_again(past.report.jobs)
        see = "check on the server (`aftrun status JOB_ID`)"
        if goes_on and not past.options.sandbox:
            see = f"follow those that have an id to their ends: {about_run('resume', past.row.id, state_dir)}"
        raise UsageError(
            f"nobody saw how these jobs ended, and they may have run, or be running still: {names}",
            hint=f"{see}; to run them again all the same, add --include-unknown",
        )
    only = dependants({each: job.needs for each, job in jobs.items()}, again)
    inherited: dict[str, Mapping[str, Json]] = dict(past.options.inherited)
    for each, job in jobs.items():
        if each not in only:
            handed = outputs_of(job)
            inherited[each] = {"id": handed.id, "outputs": dict(handed.outputs or {})}
    ordered = tuple(each for each in jobs if each in only)
    risked = tuple(sorted(each for each in again if may_be_running(jobs[each])))
    return replace(past.options, only=ordered, retry_of=past.row.id, inherited=inherited, again=risked)


def to_retry_now(log: Log, past: PastRun, *, again: bool = False) -> tuple[PastRun, Retry]:
    """The run whose jobs a retry of this one runs: itself, or the last of its retries where that did not succeed.

    With it comes what the new run is a retry of, as it was seen: it takes the place of a retry that submitted nothing,
    or, with `again`, of any that nobody works on.

    Raises:
        UnderWay: a retry of it is under way, or was cut off.
        UsageError: it was retried, and that succeeded; or it is a retry, and another has taken its place.
    """
    log.must_have_its_place(past.row.id)
    first = line = past
    seen = {first.row.id: (first.recorded, log.retried(first.row.id))}
    while (taken := seen[line.row.id][1]) is not None:
        latest = read(log, log.run(taken))
        seen[taken] = (latest.recorded, log.retried(taken))
        if held(run_folder(log.path.parent, taken)):
            raise UnderWay(
                f"run {first.row.id} is being retried as run {taken}, which is under way",
                hint=f"`{about_run('show', taken, log.path.parent)}` shows it; nothing was sent",
            )
        cut_off = latest.row.ended_at is None or latest.row.outcome in GOES_ON
        if not again and seen[taken][1] is None and cut_off:
            if not any(isinstance(event, SubmitIntended) for event in latest.events):
                break
            raise UnderWay(
                f"run {first.row.id} was retried as run {taken}, which was cut off and may have jobs on the server",
                hint=f"go on with that one: {about_run('resume', taken, log.path.parent)}",
            )
        if not again and latest.report.exit_code == ExitCode.OK:
            raise UsageError(
                f"run {first.row.id} was retried as run {taken}, which succeeded",
                hint="to run the jobs once more, add --again",
            )
        line = latest
    chosen = first if again else line
    return chosen, Retry(chosen.row.id, seen)


def retry_setup(
    log: Log, past: PastRun, options: RunOptions, environ: Mapping[str, str], sandbox: Sandbox | None = None
) -> tuple[PreparedRun, tuple[tuple[str, bytes], ...]]:
    """A new run from an old one's copy of its manifests, and that copy.

    Raises:
        ManifestError: a value that it needs is not in this environment.
        StateError: the record cannot be read.
    """
    stored = kept_files(log, past)
    return _setup(stored, options, environ, sandbox=sandbox), stored


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `prune` did."""

    runs: tuple[str, ...]
    """Ids of the runs that are forgotten."""
    kept: int
    """Keys of `once` that these and earlier ones leave behind, so that what they did is not done again."""
    forgotten: int
    """Keys of `once` that are forgotten too."""


def prune(
    log: Log,
    state_dir: Path,
    before: str,
    *,
    forget_once: bool = False,
    rest: Callable[[float], None] = time.sleep,
) -> Pruned:
    """Forget the runs that ended before an RFC 3339 instant (UTC), with their folders.

    What jobs with `once` came to stays on record, unless `forget_once` says otherwise; and so do runs that hold a job
    with `once` whose end nobody saw, in any case: it has to be settled there.

    The space goes back to the disk, piece by piece: after each, `rest` gets the seconds for which others that write
    the record have their turn. A record that was begun without that is made anew, where nobody works on a run.

    Raises:
        StateError: the record could not be changed; or a folder, after everything else was done.
    """
    asked = log.ended_before(before)
    known = {row.id for row in log.runs()} - set(asked)
    attempts = log.attempts()
    at = parse_instant(before)
    old = [each for each in attempts if not is_open(each) and (each.ended_at or each.at) < at] if forget_once else []
    forgotten = {each.once.identity for each in old}
    left = [each for each in attempts if each.once.identity not in forgotten and each.run not in known]
    once_file.write(state_dir, left)  # first: whoever is killed in between has it twice, not never
    log.forget_once(forgotten)
    gone, left_over = [], []
    for run in asked:
        folder = run_folder(state_dir, run)
        if not log.forget(run, before):
            continue  # it has been resumed, or somebody is at it
        gone.append(run)
        try:
            remove_folder(folder)
        except OSError as error:
            left_over.append(f"{folder}: {error.strerror or error}")
    _give_back(log, state_dir, rest, compact=bool(gone))
    if left_over:
        more = f" (and {len(left_over) - 1} more)" if len(left_over) > 1 else ""
        raise StateError(
            f"the runs are forgotten, but cannot remove {left_over[0]}{more}",
            hint="remove it by hand, once no program has a file in it open and you may write there",
        )
    return Pruned(tuple(gone), len(left), len(forgotten))


def _give_back(log: Log, state_dir: Path, rest: Callable[[float], None], *, compact: bool) -> None:
    began = time.monotonic()

    def breathe() -> None:
        nonlocal began
        rest(max(_REST, time.monotonic() - began))
        began = time.monotonic()

    log.sweep(breathe)
    if compact and not any(held(folder) for folder in (state_dir / "runs").glob("*")):
        log.compact()


def medians(
    log: Log, keys: Collection[str], *, runs: int = RECENT, but: str = "", sandbox: bool | None = None
) -> dict[str, float]:
    """The usual duration of jobs, seconds: the median over their last successful runs, by key.

    Args:
        log: the record.
        keys: which jobs.
        runs: how many of the newest ends of each job count.
        but: a run that does not count, since it is the one to be compared.
        sandbox: count runs against a sandbox only, or (False) others only; None: all.
    """
    found: dict[str, list[float]] = {}
    for job, seconds in log.durations(keys, but=but, sandbox=sandbox, limit=runs):
        found.setdefault(job, []).append(seconds)
    return {job: median(times) for job, times in found.items()}
