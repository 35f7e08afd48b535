"""`aftrun wait`: jobs that are on a server already, followed to their ends."""

from __future__ import annotations

import sys
from typing import Annotated

from aftrun.cli import complete, options, serverflags
from aftrun.cli.boundary import colour, say
from aftrun.cli.choices import Output
from aftrun.cli.flags import argument, flag
from aftrun.cli.running import duration, show_report, signals, stopping, warn
from aftrun.system.shell import command

JobIds = Annotated[
    list[str],
    argument(help="Ids of jobs.", metavar="JOB_ID", show_default=False, complete=complete.job_ids),
]


def _say_here(line: str) -> None:
    """Say a line of progress. Jobs that stand in no file have no place worth naming."""
    from aftrun.service.single_server import HERE

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
    from aftrun.cli.view.progress import Lines
    from aftrun.run.ports import SystemClock
    from aftrun.service.execution import RunExecution
    from aftrun.service.recording import InMemory
    from aftrun.service.single_server import as_accepted, jobs_to_watch, must_be_readable

    found = flags.target(job_ids)
    environ = flags.environ(found.spec)
    target = jobs_to_watch(found.spec, job_ids, environ, timeout=duration(timeout, zero=True), hidden=found.hidden)
    ids = [task.job.name for task in target.setup.plan.tasks]
    labels = {f"wait/{each}": f"job {each}" for each in ids}
    level = 0 if no_progress else 1 + verbose
    listeners = [] if quiet else [Lines(_say_here, labels, level=level, colour=colour(sys.stderr))]
    execution = RunExecution(target.setup, InMemory(as_accepted(target.setup, SystemClock())), listeners=listeners)
    warn(target.setup)
    if not quiet:
        say(f"waiting for {len(ids)} job{'' if len(ids) == 1 else 's'} on {target.url}")
    again = f"wait again with: {command('aftrun', 'wait', *ids, *flags.words())}"
    with signals(execution.interrupt, stopping(again)):
        must_be_readable(target, ids[0])
        finished = execution.run()
    if finished.failure is not None:
        raise finished.failure
    show_report(finished.report, output)
    return int(finished.exit_code)
