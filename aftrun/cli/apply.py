"""`aftrun apply`: validate, run, wait, report."""

from __future__ import annotations

import os
from typing import Annotated

from aftrun.cli import options
from aftrun.cli.words import DEFAULT_STATE_DIR, Output


def apply(
    files: options.Files,
    jobs: Annotated[
        int | None, options.option("--jobs", "-j", help="Run jobs in parallel, so many at once.", metavar="N", min=1)
    ] = None,
    sequential: Annotated[bool, options.option("--sequential", help="Run jobs one after another.")] = False,
    fail_fast: Annotated[
        bool | None,
        options.option(
            "--fail-fast/--keep-going",
            help="After a bad end start nothing new but what runs `when: always` or `failure`; or go on with the rest.",
            show_default=False,
        ),
    ] = None,
    select: options.Select = None,
    exclude: options.Exclude = None,
    var: options.Variables = None,
    env_file: options.EnvFiles = None,
    no_wait: Annotated[bool, options.option("--no-wait", help="Accepted is enough; do not wait for the end.")] = False,
    timeout: Annotated[
        str | None,
        options.option(
            "--timeout", help="How long each job may take from its acceptance, such as 90s or 2h.", metavar="D"
        ),
    ] = None,
    server: options.Server = None,
    cacert: options.CaCert = None,
    fingerprint: options.Fingerprint = None,
    insecure: options.Insecure = False,
    state_dir: options.StateDir = DEFAULT_STATE_DIR,
    report_json: options.ReportJson = None,
    report_junit: options.ReportJunit = None,
    report_html: options.ReportHtml = None,
    report_markdown: options.ReportMarkdown = None,
    report_tap: options.ReportTap = None,
    events: options.Events = None,
    metrics_textfile: options.MetricsTextfile = None,
    ci: options.CiServer = None,
    output: options.OutputFormat = Output.TABLE,
    no_progress: options.NoProgress = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_exit_status: options.NoExitStatus = False,
    dry_run: Annotated[bool, options.option("--dry-run", help="Show the plan and send nothing.")] = False,
    sandbox: Annotated[
        bool, options.option("--sandbox", help="Run against a sandbox on this machine; starts no real job.")
    ] = False,
) -> int:
    """Validate manifests, run their jobs, wait for them, and report.

    The table or JSON at the end goes to standard output, everything else to standard error. The report of every run
    is kept in DIR/runs/RUN/report.json.
    """
    from aftrun.app import make_setup, prepare  # noqa: PLC0415  # --help needs none of this
    from aftrun.cli.running import (  # noqa: PLC0415  # the same
        Ending,
        bind_all,
        carry_out,
        duration,
        load,
        sandbox_for,
    )
    from aftrun.cli.watching import View  # noqa: PLC0415  # the same
    from aftrun.manifest.envfile import with_env_files  # noqa: PLC0415  # the same
    from aftrun.options import RunOptions  # noqa: PLC0415  # the same

    variables = options.parse_variables(var)
    environ = with_env_files(os.environ, env_file or ())
    loaded = load(files, variables, environ)
    chosen = RunOptions(
        paths=tuple(dict.fromkeys(manifest.path for manifest in loaded.manifests)),
        variables=tuple(variables.items()),
        url=server,
        ca_file=str(cacert.absolute()) if cacert else None,
        fingerprints=tuple(fingerprint or ()),
        insecure=insecure,
        max_parallel=jobs,
        sequential=sequential,
        fail_fast=fail_fast,
        no_wait=no_wait,
        timeout=duration(timeout),
        select=tuple(select or ()),
        exclude=tuple(exclude or ()),
        sandbox=sandbox,
    )
    if dry_run:
        from aftrun.cli.check import PlanFormat, show_plan  # noqa: PLC0415  # only for this flag

        show_plan(loaded.manifests, chosen, environ, PlanFormat.JSON if output is Output.JSON else PlanFormat.TEXT)
        return 0
    reports = options.report_paths(report_json, report_junit, report_html, report_markdown, report_tap)
    ending = Ending(options.output_beside(events, output), reports, no_exit_status, metrics_textfile)
    view = View(quiet, no_progress, verbose, events, ci)
    with sandbox_for(sandbox) as server_here:
        manifests = prepare(loaded.manifests, chosen, server_here)
        setup = make_setup(manifests, bind_all(manifests, environ, loaded), chosen)
        return carry_out(setup, state_dir, view, ending, files=loaded.files)
