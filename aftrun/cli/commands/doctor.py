"""`aftrun doctor`: what is between this machine and a job that runs, step by step."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from aftrun.cli import options, serverflags
from aftrun.cli.boundary import Form, colour, emit
from aftrun.cli.choices import TextFormat
from aftrun.cli.flags import argument, flag
from aftrun.domain.errors import UsageError
from aftrun.domain.frozen import replace
from aftrun.domain.text import dumps, one_line

if TYPE_CHECKING:
    from aftrun.domain.model import Json, ServerSpec
    from aftrun.service.doctor import Check, Checkup

_COLOURS = {"ok": "32", "warning": "33", "failed": "31", "skipped": "2"}


def doctor(
    server: options.ServerFlags,
    key: serverflags.KeyFlags,
    policy: options.PolicyFlags,
    files: Annotated[
        list[str] | None,
        argument(help="Manifests; each server of theirs is checked.", metavar="FILE", show_default=False),
    ] = None,
    job: Annotated[
        str | None,
        flag("--job", help="Also read this job, and show how each field is read.", metavar="JOB_ID"),
    ] = None,
    form: Annotated[TextFormat, flag("--format", help="How to show it.")] = TextFormat.TEXT,
    server_name: serverflags.ServerName = None,
    env_file: options.EnvFiles = None,
) -> int:
    """Check name, connection, certificate, clock, key and job info of a server. Starts no job.

    Each finding comes with its remedy. Exit codes: 0 nothing stands in the way (warnings count as such); 2 a value is
    missing; 3 the server cannot be reached, or its certificate is not accepted; 4 the key is refused; 6 the job info
    cannot be read.
    """
    from aftrun.run.verdict import OBSTACLES, worst
    from aftrun.service.doctor import Doctor, check_flags

    flags = serverflags.TargetFlags(server, key, env_file=env_file, policy=policy)
    specs, hidden = _specs(files or [], flags, server_name)
    check_flags(len(specs), job)
    environ = key.environ(flags.outside(), "", needed=False)
    checkups = [Doctor(spec, environ, job_id=job, hidden=hidden).examine() for spec in specs]
    if form is TextFormat.JSON:
        emit(_as_json(checkups), Form.JSON)
    else:
        emit("\n".join(map(_as_text, checkups)))
    return int(worst((checkup.exit_code for checkup in checkups), OBSTACLES))


def _specs(
    files: list[str], flags: serverflags.TargetFlags, server_name: str | None
) -> tuple[list[ServerSpec], tuple[str, ...]]:
    """The servers to look at, each once, and what must not be seen of what they answer."""
    if not files:
        if server_name is not None:
            raise UsageError("--server-name needs a manifest, which holds the servers")
        return [flags.spec()], ()
    from aftrun.cli.running import load
    from aftrun.service.single_server import hidden_values

    flags.key.check()
    override = serverflags.override_of(flags.flags)
    found: dict[ServerSpec, None] = {}
    environ = flags.outside()
    manifests = load(files, {}, environ, insecure_http=flags.flags.tls.insecure_http).manifests
    for manifest in manifests:
        for spec in manifest.servers:
            if server_name is None or spec.name == server_name:
                if flags.key.given:
                    spec = replace(spec, api_key=flags.key.reference())  # noqa: PLW2901  # the same server, its key given
                found[replace(override.apply(spec), name="", origin=None)] = None
    if not found:
        raise UsageError(f"no manifest has a server {server_name!r}", hint="see `servers` in the manifest")
    return list(found), hidden_values(manifests, environ)


def _as_text(checkup: Checkup) -> str:
    from aftrun.cli.view.progress import paint  # only for this output

    coloured = colour(sys.stdout)
    lines = [one_line(checkup.server)]
    for check in checkup.checks:
        mark = paint(f"{check.level.value:<8}", _COLOURS[check.level.value], colour=coloured)
        lines.append(f"  {mark} {check.name:<12} {one_line(check.message)}")
        if check.remedy:
            lines.append(f"  {'':<21} -> {one_line(check.remedy)}")
    text = "\n".join(lines) + "\n"
    if checkup.info is None or checkup.target is None:
        return text
    from aftrun.cli.commands.status import raw_text  # only for this output

    return text + "\n" + raw_text(checkup.info, checkup.target.spec.job_info, checkup.target.setup.scrubber)


def _check(check: Check) -> dict[str, Json]:
    return {"name": check.name, "level": check.level.value, "message": check.message, "remedy": check.remedy}


def _as_json(checkups: list[Checkup]) -> str:
    from aftrun.client.jobinfo.explain import explain, suggest

    servers: list[Json] = []
    for checkup in checkups:
        data: dict[str, Json] = {
            "server": checkup.server,
            "exitCode": int(checkup.exit_code),
            "checks": [_check(check) for check in checkup.checks],
        }
        if checkup.info is not None and checkup.target is not None:
            info, mapping = checkup.info, checkup.target.spec.job_info
            data["job"] = {
                "raw": info.raw,
                "state": info.state.value,
                "fields": {each.name: each.value for each in explain(info.raw, mapping, info)},
                "readFrom": {each.name: each.source or None for each in explain(info.raw, mapping, info)},
                "jobInfo": suggest(info.raw, mapping, info),
            }
            servers.append(checkup.target.setup.scrubber.scrub_json(data))
        else:
            servers.append(data)
    return dumps({"version": 1, "servers": servers}) + "\n"
