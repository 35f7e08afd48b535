"""`aftrun plan`: what `apply` would do, and the exact requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

from aftrun.cli import options
from aftrun.cli.boundary import Form, emit
from aftrun.cli.choices import PlanFormat
from aftrun.cli.flags import flag
from aftrun.domain.digits import exact_json
from aftrun.domain.text import escaped_json

if TYPE_CHECKING:
    from aftrun.domain.model import Manifest
    from aftrun.service.options import RunOptions


def plan(
    files: options.Files,
    choice: options.ChoiceFlags,
    server: options.ServerFlags,
    policy: options.PolicyFlags,
    form: Annotated[PlanFormat, flag("--format", help="How to show it.")] = PlanFormat.TEXT,
    jobs: Annotated[
        int | None, flag("--jobs", "-j", help="As `apply` would, with so many at once.", metavar="N", min=1)
    ] = None,
    sequential: Annotated[bool, flag("--sequential", help="As `apply` would, one after another.")] = False,
    var: options.Variables = None,
    env_file: options.EnvFiles = None,
) -> int:
    """Show the order and the exact requests, with secrets as they were written. Sends nothing, reads no outside value.

    `--format curl` and `--format powershell` print commands that send the same requests when they are pasted; secrets
    stay variables of the shell.
    """
    from aftrun.cli.running import load  # noqa: PLC0415  # the parser is for commands that read manifests
    from aftrun.service.options import RunOptions  # noqa: PLC0415  # the same

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
    show_plan(loaded.manifests, chosen, environ, form)
    return 0


def show_plan(
    manifests: Sequence[Manifest], chosen: RunOptions, names: Iterable[str], form: PlanFormat = PlanFormat.TEXT
) -> None:
    """Print the plan of manifests as they were loaded to standard output. `names` are the variables that are set.

    Raises:
        UsageError: flags contradict each other, stand for no job, or leave none.
    """
    from aftrun.run import preview  # noqa: PLC0415  # the same
    from aftrun.run.plan import make_plan  # noqa: PLC0415  # the same
    from aftrun.run.select import choose  # noqa: PLC0415  # the same
    from aftrun.service.outlook import make_lookups, unset_variables  # noqa: PLC0415  # the same
    from aftrun.service.prepare import prepare  # noqa: PLC0415  # only plans need it

    left_out = choose(manifests, chosen.select, chosen.exclude).left_out
    prepared = prepare(manifests, chosen)
    laid_out = make_plan(prepared)
    lookups = make_lookups()
    if form in (PlanFormat.CURL, PlanFormat.POWERSHELL):
        emit(preview.to_shell(laid_out, lookups, powershell=form is PlanFormat.POWERSHELL), Form.SCRIPT)
        return
    missing = unset_variables(prepared, names)
    if form is PlanFormat.JSON:
        data = preview.to_data(laid_out, prepared, lookups, missing, left_out)
        emit(escaped_json(exact_json(data, indent=2, ensure_ascii=False)) + "\n", Form.JSON)
    else:
        emit(preview.to_text(laid_out, prepared, lookups, missing, left_out))


__all__ = ["PlanFormat", "plan", "show_plan"]
