"""`aftrun report`: the reports of a past run, written again."""

from __future__ import annotations

from aftrun.cli import options
from aftrun.cli.boundary import report_failure, say
from aftrun.cli.choices import Output
from aftrun.domain.errors import ExitCode


def report(
    reports: options.ReportPaths,
    state: options.StateFlags,
    run: options.Run = None,
    output: options.OutputFormat = Output.TABLE,
) -> int:
    """Write the reports of a past run again, in any format.

    Exits with 0 if they could be written, whatever the run's own exit code was.
    """
    from aftrun.cli.running import show_report
    from aftrun.cli.view import outputs
    from aftrun.service import history as past
    from aftrun.service import which

    options.alone_on_stdout(options.on_stdout(reports))
    paths = reports.by_format()
    with past.open_log(state.folder, say) as log:
        found = past.read(log, which.find(which.runs(log), run))
    outputs.check_places([place for each in paths.values() for place in each], state.folder)
    errors = outputs.write_reports(found.report, paths, lambda: outputs.nights(state.folder, found.report))
    codes = [report_failure(error) for error in errors]
    if codes:
        return int(ExitCode.BUG if ExitCode.BUG in codes else ExitCode.STATE)
    if paths:
        for each in paths.values():
            for path in each:
                if path != outputs.STDOUT:
                    say(f"wrote {path}")
    else:
        show_report(found.report, output)
    return 0
