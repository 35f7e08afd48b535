"""A run with an end of every kind, to render before the real one begins.

Rendering it loads what rendering will need: modules, templates, codecs. When jobs have been sent it is too late: an
upgrade may have taken files away, or there may be no descriptor left to open them with.
"""

from __future__ import annotations

from aftrun.domain.model import Attempt, FileRef, JobResult, Outcome, RunReport
from aftrun.domain.values import Origin


def _job(outcome: Outcome) -> JobResult:
    attempt = Attempt(1, {}, 1.0, 2.0, 3.0, 5.0, "id", "word", outcome, "done", "a message\nof two lines", 1, 3.0, 4.0)
    return JobResult(
        name=f"é {outcome.value}",
        manifest="rehearsal",
        server="https://127.0.0.1:1",
        origin=Origin("rehearsal.yaml", 1, 1),
        request={"scriptName": "é", "params": {"a": "b"}},
        outcome=outcome,
        phase="ended",
        reason="done",
        message=attempt.message,
        job_id="id",
        started_at=1.0,
        ended_at=5.0,
        attempts=(attempt,),
        tags=("tag",),
        outputs=(("name", {"key": [1]}),),
        description="a description",
    )


REPORT = RunReport(
    id="20000101-000000-0000",
    started_at=1.0,
    jobs=tuple(map(_job, Outcome)),
    manifests=(FileRef("rehearsal.yaml", "0" * 64, "rehearsal"),),
    ended_at=6.0,
    outcome="failed",
    exit_code=1,
    aftrun="0",
    git=(("commit", "0" * 40),),
    warnings=("a warning",),
)
