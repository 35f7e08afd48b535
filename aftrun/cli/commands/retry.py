"""`aftrun retry`: a new run of what did not succeed."""

from __future__ import annotations

from typing import Annotated

from aftrun.cli import options, serverflags
from aftrun.cli.boundary import say
from aftrun.cli.commands.resume import with_tls
from aftrun.cli.flags import flag
from aftrun.cli.running import carry_out
from aftrun.cli.sandboxes import sandbox_for
from aftrun.domain.frozen import replace

_LEFT_BEHIND = (
    "note: a script that was cut off may have left half a file, and AFT! skips a target that exists unless the script\n"
    "  says otherwise, so the same script may move nothing now and succeed: look at the targets"
)


def retry(
    tls: options.TlsFlags,
    view: options.ViewFlags,
    ending: options.ReportFlags,
    state: options.StateFlags,
    policy: options.PolicyFlags,
    run: options.BadRun = None,
    include_unknown: Annotated[
        bool,
        flag("--include-unknown", help="Run again also jobs that may have run, or be running still, unseen."),
    ] = False,
    again: Annotated[
        bool, flag("--again", help="Although the run has been retried already, and that one succeeded.")
    ] = False,
    job_info_from: serverflags.JobInfoFrom = None,
    env_file: options.EnvFiles = None,
) -> int:
    """Start a new run of just the jobs that did not succeed, and of those that need them.

    The manifests are those of the old run, kept with it; ids and outputs of jobs that succeeded are at hand for
    those that need them.
    """
    from aftrun.service import history as past
    from aftrun.service import which

    ending = ending.beside(view)
    environ = policy.environ(env_file)
    with past.open_log(state.folder, say, thorough=True) as log:
        found = past.read(log, which.to_retry(log, run))
        wanted = found.row.id
        found, place = past.to_retry_now(log, found, again=again)
        if found.row.id != wanted:
            say(f"run {wanted} has been retried already; what did not succeed in the last retry runs again")
        chosen = with_tls(past.retry_options(found, state.folder, include_unknown=include_unknown), tls)
        chosen = chosen.with_words(serverflags.job_info_from(job_info_from))
        with sandbox_for(chosen.sandbox) as server:
            setup, stored = past.retry_setup(log, found, chosen, environ, server)
            setup = replace(setup, retry=place)
            for line in past.edited(log, found):
                say(f"warning: {line}")
            if not view.quiet:
                urls = ", ".join(dict.fromkeys(setup.shown_urls))
                say(f"retry of run {found.row.id}: {len(chosen.only)} of {len(found.report.jobs)} jobs on {urls}")
                if any(job.key in chosen.only and job.job_id is not None for job in found.report.jobs):
                    say(_LEFT_BEHIND)
            code = carry_out(setup, state.folder, view, ending, files=stored)
    return code
