"""The shapes in which a job info may come, since nobody outside knows the one that AFT! uses. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aftrun.domain.events import instant
from aftrun.domain.model import Json
from aftrun.sandbox.jobs import Job, Phase
from aftrun.sandbox.shapes import Dialect

_TITLE = {
    Phase.QUEUED: "Queued",
    Phase.RUNNING: "Running",
    Phase.SUCCEEDED: "Succeeded",
    Phase.FAILED: "Failed",
    Phase.CANCELLED: "Cancelled",
}
_SNAKE = {**_TITLE, Phase.QUEUED: "pending", Phase.SUCCEEDED: "completed"}
_UPPER = {**_TITLE, Phase.SUCCEEDED: "SUCCESS", Phase.FAILED: "ERROR", Phase.CANCELLED: "CANCELED"}
_NUMBERS = {Phase.QUEUED: 0, Phase.RUNNING: 1, Phase.SUCCEEDED: 2, Phase.FAILED: 3, Phase.CANCELLED: 4}
_UNLISTED = {
    Phase.QUEUED: "Steeping",
    Phase.RUNNING: "Percolating",
    Phase.SUCCEEDED: "Decanted",
    Phase.FAILED: "Curdled",
    Phase.CANCELLED: "Poured away",
}


def job_info(job: Job, now: float) -> dict[str, Json]:
    """What a status read answers. The job must not be gone."""
    return _WRITERS[job.behaviour.dialect](job, job.phase(now), now)


def accepted(job: Job, now: float) -> tuple[dict[str, str], dict[str, Json]]:
    """The headers and the body that go with 201."""
    if job.behaviour.dialect is Dialect.LOCATION:
        return {"Location": f"/v1/adm/jobs/{job.id}"}, {"message": "the job was queued"}
    return {}, job_info(job, now)


def without_id(info: dict[str, Json], job_id: str) -> dict[str, Json]:
    """A job info with every trace of the id removed, at any depth."""

    def prune(value: Json) -> Json:
        if isinstance(value, dict):
            return {key: prune(item) for key, item in value.items() if str(item) != job_id}
        return value

    return {key: prune(item) for key, item in info.items() if str(item) != job_id}


def _outputs(job: Job, phase: Phase) -> Mapping[str, Json]:
    """The script's own fields, which are there once it has ended."""
    return {} if phase in {Phase.QUEUED, Phase.RUNNING} else job.behaviour.outputs


def _started(job: Job, now: float) -> str | None:
    return instant(job.started_at) if job.started_at is not None and now >= job.started_at else None


def _ended(job: Job, now: float) -> str | None:
    return instant(job.ended_at) if job.ended_at is not None and now >= job.ended_at else None


def _exit_code(job: Job, now: float) -> int | None:
    return job.exit_code if job.ended_at is not None and now >= job.ended_at else None


def _message(job: Job, now: float) -> str | None:
    return job.message if job.ended_at is not None and now >= job.ended_at else None


def _default(job: Job, phase: Phase, now: float) -> dict[str, Json]:
    return {
        "id": job.id,
        job.submission.selector: job.submission.value,
        "status": _TITLE[phase],
        "createdAt": instant(job.created_at),
        "startedAt": _started(job, now),
        "finishedAt": _ended(job, now),
        "exitCode": _exit_code(job, now),
        "error": _message(job, now),
        **_outputs(job, phase),
    }


def _snake(job: Job, phase: Phase, now: float) -> dict[str, Json]:
    return {
        "job_id": job.id,
        "state": _SNAKE[phase].lower(),
        "created_at": instant(job.created_at),
        "started_at": _started(job, now),
        "finished_at": _ended(job, now),
        "exit_code": _exit_code(job, now),
        "error_message": _message(job, now),
        **_outputs(job, phase),
    }


def _upper(job: Job, phase: Phase, now: float) -> dict[str, Json]:
    return {
        "ID": job.id,
        "Status": _UPPER[phase].upper(),
        "StartedAt": _started(job, now),
        "EndedAt": _ended(job, now),
        "ExitCode": _exit_code(job, now),
        "Message": _message(job, now),
        **_outputs(job, phase),
    }


def _nested(job: Job, phase: Phase, now: float) -> dict[str, Json]:
    return {"job": _default(job, phase, now)}


def _envelope(job: Job, phase: Phase, now: float) -> dict[str, Json]:
    info = _default(job, phase, now)
    del info["status"]
    # The trap: the status of the envelope is that of the request, and it is "success" while the job still runs.
    return {"status": "success", "data": {**info, "state": _TITLE[phase].lower()}}


def _numeric(job: Job, phase: Phase, now: float) -> dict[str, Json]:
    return {"id": int(job.id), "status": _NUMBERS[phase], "exitCode": _exit_code(job, now), **_outputs(job, phase)}


def _minimal(job: Job, phase: Phase, now: float) -> dict[str, Json]:
    return {"id": job.id, "status": _TITLE[phase]}


def _finished(job: Job, phase: Phase, now: float) -> dict[str, Json]:
    status = _TITLE[phase] if phase in {Phase.QUEUED, Phase.RUNNING} else "Finished"
    info = {**_default(job, phase, now), "status": status}
    if phase is Phase.CANCELLED and job.exit_code is None:
        info["exitCode"] = 130
    return info


def _unlisted(job: Job, phase: Phase, now: float) -> dict[str, Json]:
    return {"id": job.id, "status": _UNLISTED[phase], **_outputs(job, phase)}


_WRITERS: dict[Dialect, Callable[[Job, Phase, float], dict[str, Json]]] = {
    Dialect.DEFAULT: _default,
    Dialect.SNAKE: _snake,
    Dialect.UPPER: _upper,
    Dialect.NESTED: _nested,
    Dialect.ENVELOPE: _envelope,
    Dialect.NUMERIC: _numeric,
    Dialect.LOCATION: _default,
    Dialect.MINIMAL: _minimal,
    Dialect.FINISHED: _finished,
    Dialect.UNLISTED: _unlisted,
}
