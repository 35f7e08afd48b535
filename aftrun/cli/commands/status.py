"""`aftrun status`: one job that is on a server already, whoever started it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

from aftrun.cli import complete, options, serverflags
from aftrun.cli.boundary import Form, emit
from aftrun.cli.choices import Output
from aftrun.cli.flags import argument, flag
from aftrun.cli.running import warn
from aftrun.domain import jobids
from aftrun.domain.durations import human_duration
from aftrun.domain.errors import ExitCode
from aftrun.domain.instants import at_zone
from aftrun.domain.model import Outcome
from aftrun.domain.text import clean, dumps, one_line

if TYPE_CHECKING:
    from aftrun.domain.model import JobInfo, JobInfoMap, Json
    from aftrun.domain.secrets import Scrubber
    from aftrun.service.single_server import SingleServer

JobId = Annotated[
    str,
    argument(help="The job's id, as the server or aftrun printed it.", metavar="JOB_ID", complete=complete.job_ids),
]


def status(
    job_id: JobId,
    flags: serverflags.TargetFlags,
    raw: Annotated[bool, flag("--raw", help="Show the job info as it was sent, and how each field was read.")] = False,
    output: options.OutputFormat = Output.TABLE,
) -> int:
    """Read one job on the server. Any job will do, whoever started it.

    Exit codes: 0 it succeeded, or is queued or running; 1 it failed; 5 it was cancelled; 6 it is not known to the
    server, or its state cannot be told; 3 the server cannot be reached; 4 it refuses the key or this address.
    """
    from aftrun.service.jobs import passed_words
    from aftrun.service.single_server import is_of_another, must_answer, read_status, single_server

    jobids.checked(job_id)
    found = flags.target([job_id])
    spec = found.spec
    target = single_server(spec, flags.environ(spec), hidden=found.hidden)
    warn(target.setup)
    passed = passed_words(found.known)
    reply = read_status(target, job_id)
    if raw and output is Output.TABLE and is_of_another(reply, job_id):
        # How else could a person find out which field is the id?
        emit(raw_text(reply.info, spec.job_info, target.setup.scrubber, passed))  # type: ignore[arg-type,union-attr]  # it has one
    must_answer(reply, job_id)
    info: JobInfo = reply.info  # type: ignore[union-attr,assignment]  # must_answer has made sure
    if output is Output.JSON:
        emit(_as_json(info, spec.job_info, target, passed, raw=raw), Form.JSON)
    elif output is Output.TABLE:
        emit(as_text(info, job_id, target.url))
        if raw:
            emit("\n" + raw_text(info, spec.job_info, target.setup.scrubber, passed))
    return int(exit_code(info))


def exit_code(info: JobInfo) -> ExitCode:
    """The exit code for what one read of a job says."""
    from aftrun.service.single_server import OUTCOMES

    codes = {
        Outcome.FAILED: ExitCode.FAILED,
        Outcome.CANCELLED: ExitCode.CANCELLED,
        Outcome.UNKNOWN: ExitCode.UNKNOWN,
    }
    outcome = OUTCOMES[info.state]
    return ExitCode.OK if outcome is None else codes.get(outcome, ExitCode.OK)


def _time(at: float | None) -> str:
    return "" if at is None else at_zone(at, None).isoformat(sep=" ", timespec="seconds")


def as_text(info: JobInfo, job_id: str, url: str) -> str:
    """A job for people, one line a fact."""
    from aftrun.client.jobinfo.explain import state_words

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


def raw_text(info: JobInfo, mapping: JobInfoMap, scrubber: Scrubber, passed: Collection[str] = ()) -> str:
    """The job info as it was sent, without secrets, then how each field was read, then the lines that pin it down."""
    from aftrun.client.jobinfo.explain import explain, state_words, suggest

    lines = ["as sent:", *("  " + line for line in dumps(scrubber.scrub_json(info.raw)).splitlines())]
    lines += ["", "as read:"]
    fields = explain(info.raw, mapping, info)
    width = min(40, max(len(one_line(each.value)) for each in fields))
    for each in fields:
        where = f"from {each.source}" if each.source else "not found" if not each.value else "not in the object itself"
        how = ", as server.jobInfo says" if each.given else ""
        lines.append(f"  {each.name:<10} {one_line(each.value) or '-':<{width}}  {one_line(where)}{how}")
    lines.append(f"  {'state':<10} {one_line(state_words(info))}")
    proposal = suggest(info.raw, mapping, info, passed)
    if proposal:
        lines += ["", "aftrun had to guess. If that is right, put these lines under `server:` in the manifest:"]
        lines += ["  " + clean(line).rstrip() for line in proposal.splitlines()]
    return scrubber.scrub("\n".join(lines) + "\n")


def _as_json(info: JobInfo, mapping: JobInfoMap, target: SingleServer, passed: Collection[str], *, raw: bool) -> str:
    from aftrun.client.jobinfo.explain import explain, suggest
    from aftrun.domain.events import instant

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
        data["jobInfo"] = suggest(info.raw, mapping, info, passed)
    return dumps(target.setup.scrubber.scrub_json(data)) + "\n"


__all__ = ["as_text", "exit_code", "raw_text", "status"]
