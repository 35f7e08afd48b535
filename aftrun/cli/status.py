"""`aftrun status` and `aftrun wait`: jobs that are on a server already, whoever started them."""

from __future__ import annotations

import shutil
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast

from aftrun import jobids
from aftrun.cli import options, serverflags
from aftrun.cli.boundary import colour, emit, say
from aftrun.cli.flags import Argument
from aftrun.cli.running import duration, signals
from aftrun.cli.words import Output
from aftrun.errors import ExitCode

if TYPE_CHECKING:
    from aftrun.model import JobInfo, JobInfoMap, Json
    from aftrun.runner import Runner
    from aftrun.secrets import Scrubber
    from aftrun.target import Target

JobId = Annotated[str, Argument(help="The job's id, as the server or aftrun printed it.", metavar="JOB_ID")]
JobIds = Annotated[list[str], Argument(help="Ids of jobs.", metavar="JOB_ID", show_default=False)]


def status(
    job_id: JobId,
    raw: Annotated[
        bool, options.option("--raw", help="Show the job info as it was sent, and how each field was read.")
    ] = False,
    output: options.OutputFormat = Output.TABLE,
    server: options.Server = None,
    cacert: options.CaCert = None,
    fingerprint: options.Fingerprint = None,
    insecure: options.Insecure = False,
    api_key: serverflags.ApiKey = None,
    api_key_file: serverflags.ApiKeyFile = None,
    api_key_keyring: serverflags.ApiKeyKeyring = None,
    manifest: serverflags.ManifestFile = None,
    server_name: serverflags.ServerName = None,
) -> int:
    """Read one job on the server. Any job will do, whoever started it.

    Exit codes: 0 it succeeded, or is queued or running; 1 it failed; 5 it was cancelled; 6 it is not known to the
    server, or its state cannot be told; 3 the server cannot be reached; 4 it refuses the key or this address.
    """
    from aftrun.target import is_of_another, look, make_target, must_answer  # noqa: PLC0415  # with the rest of the machinery

    jobids.checked(job_id)
    key = serverflags.KeyFlags(api_key, api_key_file, api_key_keyring)
    flags = serverflags.ServerFlags(server, cacert, tuple(fingerprint or ()), insecure, key, manifest, server_name)
    spec = flags.spec()
    target = make_target(spec, flags.environ(spec), hidden=flags.hidden())
    reply = look(target, job_id)
    if raw and output is Output.TABLE and is_of_another(reply, job_id):
        # How else could a person find out which field is the id?
        emit(raw_text(reply.info, spec.job_info, target.setup.scrubber.scrub))  # type: ignore[arg-type,union-attr]  # it has one
    must_answer(reply, job_id)
    info: JobInfo = reply.info  # type: ignore[union-attr,assignment]  # must_answer has made sure
    if output is Output.JSON:
        emit(_as_json(info, spec.job_info, target, raw=raw))
    elif output is Output.TABLE:
        emit(as_text(info, job_id, target.url))
        if raw:
            emit("\n" + raw_text(info, spec.job_info, target.setup.scrubber))
    return int(exit_code(info))


def exit_code(info: JobInfo) -> ExitCode:
    """The exit code for what one look at a job says."""
    from aftrun.model import Outcome  # noqa: PLC0415  # with the rest of the machinery
    from aftrun.target import OUTCOMES  # noqa: PLC0415  # the same

    codes = {
        Outcome.FAILED: ExitCode.FAILED,
        Outcome.CANCELLED: ExitCode.CANCELLED,
        Outcome.UNKNOWN: ExitCode.UNKNOWN,
    }
    outcome = OUTCOMES[info.state]
    return ExitCode.OK if outcome is None else codes.get(outcome, ExitCode.OK)


def _say_here(line: str) -> None:
    """Say a line of progress. Jobs that stand in no file have no place worth naming."""
    from aftrun.target import HERE  # noqa: PLC0415  # with the rest of the machinery

    say(line.replace(f" ({HERE})", ""))


def _time(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at).astimezone().isoformat(sep=" ", timespec="seconds")


def as_text(info: JobInfo, job_id: str, url: str) -> str:
    """A job for people, one line a fact."""
    from aftrun.domain.text import one_line  # noqa: PLC0415  # only for this output
    from aftrun.durations import human_duration  # noqa: PLC0415  # the same
    from aftrun.server.explain import state_words  # noqa: PLC0415  # the same

    took = ""
    if info.started_at is not None and info.ended_at is not None and info.ended_at >= info.started_at:
        took = human_duration(info.ended_at - info.started_at)
    said = f' (the server says "{info.status}")' if info.status and info.status.lower() != info.state.value else ""
    facts = {
        "job": info.id if info.id is not None else job_id,
        "server": url,
        "state": state_words(info) + (said if info.state.value not in ("unlisted", "missing") else ""),
        "exit code": "" if info.exit_code is None else str(info.exit_code),
        "started": _time(info.started_at),
        "ended": _time(info.ended_at),
        "took": took,
        "message": info.message,
    }
    return "".join(f"{name:<10} {one_line(value)}\n" for name, value in facts.items() if value)


def raw_text(info: JobInfo, mapping: JobInfoMap, scrubber: Scrubber) -> str:
    """The job info as it was sent, without secrets, then how each field was read, then the lines that pin it down."""
    from aftrun.domain.text import clean, dumps, one_line  # noqa: PLC0415  # only for this output
    from aftrun.server.explain import explain, state_words, suggest  # noqa: PLC0415  # the same

    lines = ["as sent:", *("  " + line for line in dumps(scrubber.scrub_json(info.raw)).splitlines())]
    lines += ["", "as read:"]
    fields = explain(info.raw, mapping, info)
    width = min(40, max(len(one_line(each.value)) for each in fields))
    for each in fields:
        where = f"from {each.source}" if each.source else "not found" if not each.value else "not in the object itself"
        how = ", as server.jobInfo says" if each.given else ""
        lines.append(f"  {each.name:<10} {one_line(each.value) or '-':<{width}}  {one_line(where)}{how}")
    lines.append(f"  {'state':<10} {one_line(state_words(info))}")
    proposal = suggest(info.raw, mapping, info)
    if proposal:
        lines += ["", "aftrun had to guess. If that is right, put these lines under `server:` in the manifest:"]
        lines += ["  " + clean(line).rstrip() for line in proposal.splitlines()]
    return scrubber.scrub("\n".join(lines) + "\n")


def _as_json(info: JobInfo, mapping: JobInfoMap, target: Target, *, raw: bool) -> str:
    from aftrun.domain.text import dumps  # noqa: PLC0415  # only for this output
    from aftrun.events import instant  # noqa: PLC0415  # the same
    from aftrun.server.explain import explain, suggest  # noqa: PLC0415  # the same

    data: dict[str, Json] = {
        "id": info.id,
        "server": target.url,
        "state": info.state.value,
        "status": info.status,
        "exitCode": info.exit_code,
        "message": info.message,
        "startedAt": None if info.started_at is None else instant(info.started_at),
        "endedAt": None if info.ended_at is None else instant(info.ended_at),
    }
    if raw:
        data["raw"] = info.raw
        data["readFrom"] = {each.name: each.source or None for each in explain(info.raw, mapping, info)}
        data["jobInfo"] = suggest(info.raw, mapping, info)
    return dumps(target.setup.scrubber.scrub_json(data)) + "\n"


def wait(
    job_ids: JobIds,
    timeout: Annotated[
        str | None,
        options.option("--timeout", help="How long to wait, from now, such as 90s or 2h; default 24h.", metavar="D"),
    ] = None,
    output: options.OutputFormat = Output.TABLE,
    no_progress: options.NoProgress = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    server: options.Server = None,
    cacert: options.CaCert = None,
    fingerprint: options.Fingerprint = None,
    insecure: options.Insecure = False,
    api_key: serverflags.ApiKey = None,
    api_key_file: serverflags.ApiKeyFile = None,
    api_key_keyring: serverflags.ApiKeyKeyring = None,
    manifest: serverflags.ManifestFile = None,
    server_name: serverflags.ServerName = None,
) -> int:
    """Follow jobs on the server to their ends. Any jobs will do, whoever started them; nothing is started.

    It looks as `apply` does, often at first and then less and less. Exit codes are those of `apply`; 3 and 4 say that
    the server could not be reached, or refused the key or this address, when first asked.
    """
    from aftrun.cli.progress import Lines  # noqa: PLC0415  # with the rest of the machinery
    from aftrun.target import Watch  # noqa: PLC0415  # the same

    key = serverflags.KeyFlags(api_key, api_key_file, api_key_keyring)
    flags = serverflags.ServerFlags(server, cacert, tuple(fingerprint or ()), insecure, key, manifest, server_name)
    spec = flags.spec()
    level = 0 if no_progress else 1 + verbose
    labels = {f"wait/{each}": f"job {each}" for each in job_ids}
    listeners = [] if quiet else [Lines(_say_here, labels, level=level, colour=colour(sys.stderr))]
    watch = Watch(
        spec, job_ids, flags.environ(spec), timeout=duration(timeout), hidden=flags.hidden(), listeners=listeners
    )
    if not quiet:
        count = len(watch.ids)
        say(f"waiting for {count} job{'' if count == 1 else 's'} on {watch.target.url}")
    with signals(
        cast("Runner", watch),
        f"wait again with: aftrun wait {' '.join(watch.ids[:5])}{' …' if len(watch.ids) > 5 else ''}",
    ):
        report = watch.run()
    if output is Output.JSON:
        from aftrun.report import json as json_report  # noqa: PLC0415  # only for this output

        emit(json_report.render(report))
    elif output is Output.TABLE:
        from aftrun.cli import table  # noqa: PLC0415  # only for this output

        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        emit(table.render(report, colour=colour(sys.stdout), columns=columns))
    return report.exit_code if report.exit_code is not None else int(ExitCode.BUG)


__all__ = ["as_text", "exit_code", "raw_text", "status", "wait"]
