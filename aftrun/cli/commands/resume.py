"""`aftrun resume`: a run that was interrupted or killed goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from aftrun.cli import options, serverflags
from aftrun.cli.boundary import say
from aftrun.cli.flags import flag
from aftrun.cli.running import carry_out, conclude, warn
from aftrun.domain.frozen import replace

if TYPE_CHECKING:
    from aftrun.service.options import RunOptions


def with_tls(kept: RunOptions, tls: options.TlsFlags) -> RunOptions:
    """The run's options with another way to verify the certificate, which may have been renewed since."""
    if tls.insecure_http:
        kept = replace(kept, insecure_http=True)
    if tls.cacert is None and not tls.fingerprint:
        return kept
    return replace(kept, ca_file=tls.ca_file, fingerprints=tls.fingerprint, insecure=False)


def resume(
    tls: options.TlsFlags,
    view: options.ViewFlags,
    ending: options.ReportFlags,
    state: options.StateFlags,
    policy: options.PolicyFlags,
    run: options.OpenRun = None,
    accept_changes: Annotated[
        bool,
        flag("--accept-changes", help="Go on although a server, a value from outside or the time zone is another now."),
    ] = False,
    job_info_from: serverflags.JobInfoFrom = None,
    env_file: options.EnvFiles = None,
) -> int:
    """Resume a run that was interrupted or killed.

    Jobs that have ended keep their outcome, accepted ones are watched, the rest run. A job whose request was under
    way when aftrun died is `unknown`, since it may have been created: nothing is ever submitted twice. The manifests
    are those of the run's beginning, kept with it; secrets come from the environment again.
    """
    from aftrun.service import history as past
    from aftrun.service import which

    ending = ending.beside(view)
    environ = policy.environ(env_file)
    with past.open_log(state.folder, say, thorough=True) as log:
        row = which.to_resume(log, run)
        found = past.read(log, row)
        ended = past.unreported(found, state.folder, say)
        if ended is not None:
            say(f"run {row.id} had ended, but was killed before its report said so; the report is up to date now")
            return conclude(ended, ending)
        kept = with_tls(found.options, tls).with_words(serverflags.job_info_from(job_info_from))
        found = replace(found, options=kept)
        setup = past.resume_setup(log, found, environ, accept_changes=accept_changes)
        if found.start.pins is None:
            say("warning: the run was begun by an older aftrun, so it cannot be checked that values are as they were")
        for line in past.edited(log, found):
            say(f"warning: {line}")
        if not view.quiet:
            say(f"resuming run {row.id} on {', '.join(dict.fromkeys(setup.shown_urls))}")
        warn(setup)
        for change in setup.changes:
            say(f"accepted: {change}")
    return carry_out(setup, state.folder, view, ending, resume=True)
