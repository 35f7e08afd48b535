"""`aftrun settle`: what a person found out of a job whose end nobody saw."""

from __future__ import annotations

from typing import Annotated

from aftrun.cli import complete, options
from aftrun.cli.boundary import say
from aftrun.cli.choices import Found
from aftrun.cli.flags import argument, flag
from aftrun.system.lines import about_run

TheRun = Annotated[
    str,
    argument(help="The run's id, or enough of its beginning.", metavar="RUN", complete=complete.runs),
]


def settle(
    state: options.StateFlags,
    run: TheRun,
    job: Annotated[
        str, argument(help="The job's name, or manifest/job.", metavar="JOB", complete=complete.jobs_in_doubt)
    ],
    outcome: Annotated[Found, argument(help="What became of it.")],
    note: Annotated[str, flag("--note", help="How that was found out; kept with it.", metavar="TEXT")] = "",
    job_id: Annotated[
        str | None,
        flag(
            "--job-id",
            help="The id that the server gave it, if it is not on record, for jobs that use it.",
            metavar="ID",
        ),
    ] = None,
) -> int:
    """Put on record what a person found out of a job whose end nobody saw.

    It is for jobs that are `unknown`, or have no end on record. The report keeps what was seen and says what was
    settled, by whom and when; `apply`, `retry`, `history` and `show --exit-status` go by it. Nothing is sent.
    """
    from aftrun.domain.model import Outcome
    from aftrun.run.ports import SystemClock
    from aftrun.service import history as past
    from aftrun.service import settle as settling
    from aftrun.service import which

    with past.open_log(state.folder, say) as log:
        row = which.to_settle(log, run)
        done = settling.settle(
            log, row, job, Outcome(outcome.value), note=note, clock=SystemClock(), say=say, job_id=job_id
        )
    for each in done.notes:
        say(f"warning: {each}")
    say(f"run {row.id}: {done.job.name} is {outcome.value}, as you say; what was seen stays in the report beside it")
    if done.report.settled is not None:
        word, code = done.report.settled
        say(f"with that the run comes to: {word} (exit code {code})")
    if outcome is Found.FAILED:
        say(f"`apply` submits it again if it has `once`; in any case: {about_run('retry', row.id, state.state_dir)}")
    return 0
