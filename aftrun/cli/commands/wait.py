"""`aftrun wait`: jobs that are on a server already, followed to their ends."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Annotated, cast

from aftrun.cli import complete, options, serverflags
from aftrun.cli.boundary import Form, colour, emit, say
from aftrun.cli.choices import Output
from aftrun.cli.flags import argument, flag
from aftrun.cli.running import duration, signals
from aftrun.domain.errors import ExitCode

if TYPE_CHECKING:
    from aftrun.service.execution import RunExecution

JobIds = Annotated[
    list[str],
    argument(help="Ids of jobs.", metavar="JOB_ID", show_default=False, complete=complete.job_ids),
]


def _say_here(line: str) -> None:
    """Say a line of progress. Jobs that stand in no file have no place worth naming."""
    from aftrun.service.single_server import HERE  # noqa: PLC0415  # with the rest of the machinery

    say(line.replace(f" ({HERE})", ""))


def wait(
    job_ids: JobIds,
    flags: serverflags.TargetFlags,
    timeout: Annotated[
        str | None,
        flag("--timeout", help="How long to wait, from now, such as 90s or 2h; default 24h.", metavar="D"),
    ] = None,
    output: options.OutputFormat = Output.TABLE,
    no_progress: options.NoProgress = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> int:
    """Follow jobs on the server to their ends. Any jobs will do, whoever started them; nothing is started.

    It polls as `apply` does, often at first and then less and less. Exit codes are those of `apply`; 3 and 4 say that
    the server could not be reached, or refused the key or this address, when first asked.
    """
    from aftrun.cli.view.progress import Lines  # noqa: PLC0415  # with the rest of the machinery
    from aftrun.service.single_server import JobWatcher  # noqa: PLC0415  # the same

    spec = flags.spec()
    level = 0 if no_progress else 1 + verbose
    labels = {f"wait/{each}": f"job {each}" for each in job_ids}
    listeners = [] if quiet else [Lines(_say_here, labels, level=level, colour=colour(sys.stderr))]
    watch = JobWatcher(
        spec, job_ids, flags.environ(spec), timeout=duration(timeout), hidden=flags.hidden(), listeners=listeners
    )
    if not quiet:
        count = len(watch.ids)
        say(f"waiting for {count} job{'' if count == 1 else 's'} on {watch.target.url}")
    with signals(
        cast("RunExecution", watch),
        f"wait again with: aftrun wait {' '.join(watch.ids[:5])}{' …' if len(watch.ids) > 5 else ''}",
    ):
        report = watch.run()
    if output is Output.JSON:
        from aftrun.report import json as json_report  # noqa: PLC0415  # only for this output

        emit(json_report.render(report), Form.JSON)
    elif output is Output.TABLE:
        from aftrun.cli.view import table  # noqa: PLC0415  # only for this output

        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        emit(table.render(report, colour=colour(sys.stdout), columns=columns))
    return report.exit_code if report.exit_code is not None else int(ExitCode.BUG)
