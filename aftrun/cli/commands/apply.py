"""`aftrun apply`: validate, run, wait, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from aftrun.cli import options, serverflags
from aftrun.cli.boundary import say
from aftrun.cli.choices import Output
from aftrun.cli.flags import flag
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.model import JobInfoMap, Overlap, Unfinished

if TYPE_CHECKING:
    from aftrun.domain.model import Manifest
    from aftrun.run.store.record import Log
    from aftrun.service.history import PastRun
    from aftrun.service.options import RunOptions
    from aftrun.service.prepare import PreparedRun


@dataclass(frozen=True, slots=True)
class RunFlags:
    """How the jobs run."""

    jobs: Annotated[
        int | None, flag("--jobs", "-j", help="Run jobs in parallel, so many at once.", metavar="N", min=1)
    ] = None
    sequential: Annotated[bool, flag("--sequential", help="Run jobs one after another.")] = False
    fail_fast: Annotated[
        bool | None,
        flag(
            "--fail-fast/--keep-going",
            help="After a failure start nothing new but what runs `when: always` or `failure`; or go on with the rest.",
            show_default=False,
        ),
    ] = None
    no_wait: Annotated[bool, flag("--no-wait", help="Accepted is enough; do not wait for the end.")] = False
    timeout: Annotated[
        str | None,
        flag("--timeout", help="How long each job may take from its acceptance, such as 90s or 2h.", metavar="D"),
    ] = None
    again: Annotated[
        bool, flag("--again", help="Run jobs with `once` whatever the record says: done, under way or in doubt.")
    ] = False
    overlap: Annotated[
        Overlap | None,
        flag(
            "--overlap", help="While another run of the same jobs is alive; default: as the manifest says, or refuse."
        ),
    ] = None
    unfinished: Annotated[
        Unfinished | None,
        flag(
            "--unfinished",
            help="Where a run of the same jobs was cut off and may have jobs on the server; default as for --overlap.",
        ),
    ] = None


def apply(
    files: options.Files,
    run: RunFlags,
    choice: options.ChoiceFlags,
    server: options.ServerFlags,
    view: options.ViewFlags,
    ending: options.ReportFlags,
    state: options.StateFlags,
    policy: options.PolicyFlags,
    var: options.Variables = None,
    env_file: options.EnvFiles = None,
    dry_run: options.DryRun = False,
    sandbox: options.WithSandbox = False,
    scenario: options.Scenario = None,
    job_info_from: serverflags.JobInfoFrom = None,
) -> int:
    """Validate manifests, run their jobs, wait for them, and report.

    The table or JSON at the end goes to standard output, everything else to standard error. The report of every run
    is kept in DIR/runs/RUN/report.json.
    """
    from aftrun.cli.running import bind_all, carry_out, duration, load
    from aftrun.cli.sandboxes import check_scenario, sandbox_for
    from aftrun.manifest import without_keys
    from aftrun.run.once import ALL
    from aftrun.service.options import RunOptions
    from aftrun.service.prepare import prepare, prepare_run  # --help needs none of this

    check_scenario(sandbox, scenario)
    options.check_order(run.jobs, sequential=run.sequential)
    variables = options.parse_variables(var)
    environ = policy.environ(env_file)
    plain = server.tls.insecure_http
    loaded = load(files, variables, None if dry_run else environ, insecure_http=plain, policy=environ.policy)
    words = serverflags.job_info_from(job_info_from)
    chosen = RunOptions(
        paths=tuple(dict.fromkeys(manifest.path for manifest in loaded.manifests)),
        variables=tuple(variables.items()),
        url=server.server,
        ca_file=server.tls.ca_file,
        fingerprints=server.tls.fingerprint,
        insecure=server.insecure,
        insecure_http=plain,
        max_parallel=run.jobs,
        sequential=run.sequential,
        fail_fast=run.fail_fast,
        no_wait=run.no_wait,
        timeout=duration(run.timeout),
        select=choice.select,
        exclude=choice.exclude,
        sandbox=sandbox,
        again=(ALL,) if run.again else (),
    ).with_words(words)
    if dry_run:
        from aftrun.cli.commands.plan import PlanFormat, show_plan  # only for this flag

        form = PlanFormat.JSON if ending.output is Output.JSON else PlanFormat.TEXT
        show_plan(loaded.manifests, chosen, environ, form, state_dir=state.folder)
        return 0
    ending = ending.beside(view)
    with sandbox_for(sandbox, scenario) as server_here:
        manifests = prepare(loaded.manifests, chosen, server_here)
        _say_left_out(loaded.manifests, chosen)
        if server_here is not None:  # which never sees a real key
            environ = without_keys(environ, loaded.manifests, server_here.api_key)
        bindings = bind_all(manifests, environ, loaded)

        def setup() -> PreparedRun:
            return prepare_run(manifests, bindings, chosen)

        if sandbox:  # it ends with its run, so there is nobody to be in the way of
            return carry_out(setup(), state.folder, view, ending, files=loaded.files)
        return _begin_or_join(setup, state.folder, environ, run, server.tls, words, view, ending, loaded.files)


def _begin_or_join(
    make: Callable[[], PreparedRun],
    state_dir: Path,
    environ: Mapping[str, str],
    run: RunFlags,
    tls: options.TlsFlags,
    words: Mapping[str, JobInfoMap],
    view: options.ViewFlags,
    ending: options.ReportFlags,
    files: Sequence[tuple[str, bytes]],
) -> int:
    """Begin a run, or follow or resume another one of the same jobs, as `overlap` and `unfinished` say."""
    from aftrun.cli.commands.resume import with_tls
    from aftrun.cli.commands.watch import follow
    from aftrun.cli.running import carry_out, check_outputs, signals, warn
    from aftrun.service import history, which
    from aftrun.service.admission import Admission, Begin, Instead, Left, begin_or_join

    setup = make()
    check_outputs(setup, state_dir, view, ending, files)
    admission = Admission(setup.plan, state_dir, environ, overlap=run.overlap, unfinished=run.unfinished, say=say)

    def ask() -> Begin | Instead | Left:
        with signals(admission.interrupt, "stopping: nothing was sent"):
            return admission.ask()

    def begin() -> int:
        now = make() if admission.waited else setup  # the time of its start is the run's own
        return carry_out(now, state_dir, view, ending, files=files, admit=admission.check)

    def differences(log: Log, past: PastRun) -> None:
        for line in history.edited(log, past):
            say(f"warning: {line}")
        if past.options.variables != setup.options.variables:
            say(f"warning: run {past.row.id} was begun with another --var, and goes by that")

    def attach(other: str) -> int:
        with history.open_log(state_dir, say) as log:
            row = which.find(log.runs(), other)
            differences(log, history.read(log, row))
            return follow(log, row, view, ending)

    def go_on(other: str) -> int:
        with history.open_log(state_dir, say) as log:
            past = history.read(log, which.find(log.runs(), other))
            say(f"run {other} was cut off: it is resumed, and no new one begins")
            chosen = with_tls(past.options, tls).with_words(words)
            again = history.resume_setup(log, replace(past, options=chosen), environ)
            differences(log, past)
        warn(again)
        return carry_out(again, state_dir, view, ending, resume=True)

    code = begin_or_join(admission, begin=begin, follow=attach, resume=go_on, ask=ask)
    return code.exit_code if isinstance(code, Left) else code


_MOST_NOTES = 5


def _say_left_out(manifests: Sequence[Manifest], chosen: RunOptions) -> None:
    """Say which needs are taken to be met, since `--select` or `--exclude` leaves them out."""
    if not chosen.select and not chosen.exclude:
        return
    from aftrun.run.select import choose, needs_left_out  # only for these flags

    found = needs_left_out(manifests, choose(manifests, chosen.select, chosen.exclude).left_out)
    for job, need in found[:_MOST_NOTES]:
        say(f"note: {job} needs {need}, which is left out and taken for done; --select '+{job}' runs it too")
    if len(found) > _MOST_NOTES:
        say(f"note: and {len(found) - _MOST_NOTES} more needs are left out: see `aftrun plan`")
