"""`aftrun plan`: what `apply` would do, and the exact requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

from aftrun.cli import options
from aftrun.cli.boundary import Form, emit, say
from aftrun.cli.choices import PlanFormat
from aftrun.cli.flags import flag
from aftrun.domain.digits import exact_json
from aftrun.domain.text import escaped_json

if TYPE_CHECKING:
    from pathlib import Path

    from aftrun.domain.errors import ExitCode
    from aftrun.domain.model import Manifest
    from aftrun.service.options import RunOptions


def plan(
    files: options.Files,
    choice: options.ChoiceFlags,
    server: options.ServerFlags,
    policy: options.PolicyFlags,
    state: options.StateFlags,
    form: Annotated[PlanFormat, flag("--format", help="How to show it.")] = PlanFormat.TEXT,
    jobs: Annotated[
        int | None, flag("--jobs", "-j", help="As `apply` would, with so many at once.", metavar="N", min=1)
    ] = None,
    sequential: Annotated[bool, flag("--sequential", help="As `apply` would, one after another.")] = False,
    var: options.Variables = None,
    env_file: options.EnvFiles = None,
    exit_code: Annotated[
        bool,
        flag("--exit-code", help="Exit with 0 if nothing is to be done, 10 if something is, 6 if a person must look."),
    ] = False,
) -> int:
    """Show the order and the exact requests, with secrets as they were written. Sends nothing, reads no outside value.

    Of a job with `once` it says what `apply` would do now, by the record: submit it, take it as up to date, follow
    it, or wait for a person.

    `--format curl` and `--format powershell` print commands that send the same requests when they are pasted; secrets
    stay variables of the shell.
    """
    from aftrun.cli.running import load  # the parser is for commands that read manifests
    from aftrun.service.options import RunOptions

    options.check_order(jobs, sequential=sequential)
    environ = policy.environ(env_file)
    variables = options.parse_variables(var)
    loaded = load(files, variables, None, insecure_http=server.tls.insecure_http, policy=environ.policy)
    chosen = RunOptions(
        url=server.server,
        ca_file=None if server.tls.cacert is None else str(server.tls.cacert),
        fingerprints=server.tls.fingerprint,
        insecure=server.insecure,
        insecure_http=server.tls.insecure_http,
        max_parallel=jobs,
        sequential=sequential,
        select=choice.select,
        exclude=choice.exclude,
    )
    code = show_plan(loaded.manifests, chosen, environ, form, state_dir=state.folder, strict=exit_code)
    return int(code) if exit_code else 0


def show_plan(
    manifests: Sequence[Manifest],
    chosen: RunOptions,
    names: Iterable[str],
    form: PlanFormat = PlanFormat.TEXT,
    *,
    state_dir: Path,
    strict: bool = False,
) -> ExitCode:
    """Print the plan of manifests as they were loaded to standard output. Returns what `--exit-code` says of it.

    `names` are the variables that are set. `strict`: a record that cannot be read is an error, not a warning.

    Raises:
        UsageError: flags contradict each other, stand for no job, or leave none.
        StateError: the record cannot be read.
    """
    from aftrun.run import forecast, preview
    from aftrun.run.plan import make_plan
    from aftrun.run.select import choose
    from aftrun.service.outlook import foresee, make_lookups, unset_variables
    from aftrun.service.prepare import prepare  # only plans need it

    left_out = choose(manifests, chosen.select, chosen.exclude).left_out
    prepared = prepare(manifests, chosen)
    laid_out = make_plan(prepared)
    lookups = make_lookups()
    now = foresee(laid_out, lookups, chosen, state_dir, None if strict else say)
    code = forecast.exit_code(now.values())
    if form in (PlanFormat.CURL, PlanFormat.POWERSHELL):
        emit(preview.to_shell(laid_out, lookups, powershell=form is PlanFormat.POWERSHELL), Form.SCRIPT)
        return code
    missing = unset_variables(prepared, names)
    if form is PlanFormat.JSON:
        data = preview.to_data(laid_out, prepared, lookups, missing, left_out, now=now)
        emit(escaped_json(exact_json(data, indent=2, ensure_ascii=False)) + "\n", Form.JSON)
    else:
        emit(preview.to_text(laid_out, prepared, lookups, missing, left_out, now=now))
    return code


__all__ = ["PlanFormat", "plan", "show_plan"]
