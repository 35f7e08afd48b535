"""The library as a careful user would use it. Type checkers find nothing wrong here, and infer what is asserted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import assert_type

import aftrun
from aftrun.events import Event, JobEnded
from aftrun.model import Json


def load_and_run(path: Path, environ: Mapping[str, str]) -> int:
    """Manifests from files to a report."""
    manifest = aftrun.load(path, variables={"year": "2027"})
    assert_type(manifest, aftrun.Manifest)
    manifests = aftrun.load_all([path, str(path)])
    assert_type(manifests, tuple[aftrun.Manifest, ...])
    for job in manifest.jobs:
        assert_type(job, aftrun.Job)
        assert_type(job.name, str)
        assert_type(job.tags, tuple[str, ...])

    def hear(event: Event) -> None:
        if isinstance(event, JobEnded):
            assert_type(event.job, str)
            assert_type(event.outcome, aftrun.Outcome)

    report = aftrun.apply(
        *manifests, environ=environ, state_dir=path.parent, on_event=hear, max_parallel=8, fail_fast=False, timeout=90.0
    )
    assert_type(report, aftrun.RunReport)
    for result in report.jobs:
        assert_type(result, aftrun.JobResult)
        assert_type(result.outcome, aftrun.Outcome | None)
        assert_type(result.job_id, str | None)
    return report.exit_code if report.exit_code is not None else 0


def one_by_one(url: str, key: str) -> aftrun.State:
    """One server, one request a call."""
    with aftrun.Client(url, key, fingerprint=["sha256:00", "sha256:11"], read_timeout=5) as client:
        assert_type(client, aftrun.Client)
        body: dict[str, Json] = {"scriptName": "My Backup Job", "params": {"destination": "/archive/2026"}}
        try:
            info = client.submit(body)
        except aftrun.Ambiguous as error:
            assert_type(error.message, str)
            raise
        except (aftrun.Refused, aftrun.Rejected, aftrun.Unreachable) as error:
            assert_type(int(error.exit_code), int)
            raise
        assert_type(info, aftrun.JobInfo)
        assert_type(info.id, str | None)
        assert_type(info.exit_code, int | None)
        assert_type(info.started_at, float | None)
        return client.status(info.id or "").state


def what_is_wrong(path: str) -> list[str]:
    """Problems, each with its place."""
    try:
        aftrun.load(path)
    except aftrun.ManifestError as error:
        return [f"{problem.path}:{problem.line}: {problem.code} {problem.message}" for problem in error.problems]
    except aftrun.AftrunError as error:
        return list(error.diagnostics())
    return []
