"""Runs for the tests of the report formats, built as the fold builds them."""

from __future__ import annotations

import functools

from aftrun.domain.model import Attempt, FileRef, JobResult, Outcome, RunReport
from aftrun.domain.values import Origin

START = 1_767_322_800.0
"""2026-01-02T03:00:00Z."""

NASTY = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "a & b &amp; c",
    "]]> <![CDATA[ x",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x07bell \x00nul",
    "right\u202eot-left\u2066 mark\u200f",
    "long " + "x" * 10_240,
    "two\nlines\r\nand # hash \\ backslash | pipe `tick` ``` fence",
    "*bold* _it_ [link](http://evil.example) ![img](http://evil.example/x.png) ~~no~~",
    "::error file=x::pwned %0A ##vso[task.setvariable variable=a]b ##teamcity[buildStop] |' ']",
    "lone \udcff surrogate \ufffe",
    "{{ 7 * 7 }} {% raw %} ${HOME} $(id)",
    "\u2028line separator, \U0001f600 emoji, 漢字, عربى",
)
"""Texts that have broken somebody's report."""


def attempt(  # a table of times reads best in order
    number: int = 1,
    submitted: float | None = 0.0,
    accepted: float | None = 0.2,
    running: float | None = 1.0,
    ended: float | None = 5.0,
    outcome: Outcome | None = Outcome.SUCCEEDED,
    *,
    job_id: str | None = "42",
    message: str = "",
) -> Attempt:
    """One attempt; times are seconds after the start of the run."""

    def at(seconds: float | None) -> float | None:
        return None if seconds is None else START + seconds

    return Attempt(
        number=number,
        request={"scriptName": "S"},
        submitted_at=at(submitted),
        accepted_at=at(accepted),
        running_at=at(running),
        ended_at=at(ended),
        job_id=job_id,
        state="finished",
        outcome=outcome,
        reason="done",
        message=message,
        exit_code=0 if outcome is Outcome.SUCCEEDED else None,
    )


def job(
    name: str,
    outcome: Outcome | None = Outcome.SUCCEEDED,
    *,
    manifest: str = "nightly",
    message: str = "",
    attempts: tuple[Attempt, ...] | None = None,
    needs: tuple[str, ...] = (),
    allow_failure: bool = False,
    reason: str = "done",
    line: int = 7,
    description: str = "",
    tags: tuple[str, ...] = (),
    server: str = "https://aft.example.com:44399",
) -> JobResult:
    """One job; its times and its id are those of its attempts."""
    tried = (attempt(outcome=outcome),) if attempts is None else attempts
    return JobResult(
        name=name,
        manifest=manifest,
        server=server,
        origin=Origin("manifests/nightly.yaml", line, 5),
        request={"scriptName": f"script of {name}", "params": {"destination": "/out", "token": "${TOKEN}"}},
        outcome=outcome,
        phase="running" if outcome is None else "ended",
        reason="" if outcome is None else reason,
        message=message,
        job_id=next((each.job_id for each in reversed(tried) if each.job_id is not None), None),
        started_at=tried[0].submitted_at if tried else None,
        ended_at=tried[-1].ended_at if tried and outcome is not None else None,
        attempts=tried,
        needs=needs,
        allow_failure=allow_failure,
        description=description,
        tags=tags,
    )


def run(
    *jobs: JobResult, outcome: str = "succeeded", exit_code: int | None = 0, seconds: float | None = 125.0
) -> RunReport:
    """A run of these jobs."""
    return RunReport(
        id="20260102-030000-7f3a",
        started_at=START,
        jobs=jobs,
        manifests=tuple(
            FileRef(f"manifests/{name}.yaml", "0" * 64, name) for name in dict.fromkeys(j.manifest for j in jobs)
        ),
        ended_at=None if seconds is None else START + seconds,
        outcome=outcome,
        exit_code=exit_code,
        aftrun="0.1.0",
        git=(("commit", "0123abcd"), ("branch", "main")),
    )


def sample() -> RunReport:
    """One job of every kind of end."""
    retried = (
        attempt(1, 0.0, 0.2, 1.0, 20.0, Outcome.FAILED, job_id="6", message="exit code 3"),
        attempt(2, 30.0, 30.2, 31.0, 62.0, job_id="7"),
    )
    return run(
        job("extract", attempts=retried, description="Bring today's files.", tags=("daily", "s3"), line=10),
        job("load[eu]", Outcome.FAILED, message="exit code 3: no such file", needs=("nightly/extract",), line=14),
        job("check", Outcome.FAILED, reason="expect", message="expect did not hold: files > `0`", line=18),
        job("stopped", Outcome.CANCELLED, message="cancelled on the server", line=22),
        job("refused", Outcome.REJECTED, reason="key", message="HTTP 401\ncheck the key", attempts=(), line=26),
        job("far", Outcome.UNDELIVERED, reason="unreachable", message="no route", attempts=(), line=30),
        job("slow", Outcome.TIMED_OUT, reason="timeout", message="gave up after 2h", line=34),
        job("lost", Outcome.UNKNOWN, reason="ambiguous", message="may or may not exist", line=38),
        job(
            "tell",
            Outcome.SKIPPED,
            reason="needs",
            message="needs load[eu], which failed",
            attempts=(),
            needs=("nightly/load[eu]",),
            line=42,
        ),
        job("flaky", Outcome.FAILED, allow_failure=True, message="it does that", line=46),
        job("fire", Outcome.SUBMITTED, attempts=(attempt(ended=0.2, running=None),), line=50),
        job("going", None, attempts=(attempt(ended=None, outcome=None),), line=54),
        outcome="unknown",
        exit_code=6,
    )


def nasty() -> RunReport:
    """Every nasty text in every place that a stranger can write to."""
    jobs = []
    for number, text in enumerate(NASTY):
        outcome = list(Outcome)[number % len(Outcome)]
        jobs.append(
            job(
                f"{number} {text}",
                outcome,
                manifest=NASTY[number % 3],
                message=f"{text}\n{text}",
                attempts=(attempt(outcome=outcome, job_id=text, message=text),),
                description=text,
                tags=(text,),
                server=f"https://aft.example.com/{text}",
            )
        )
    return run(*jobs, outcome="failed", exit_code=1)


@functools.cache
def big(count: int = 10_000) -> RunReport:
    """Many jobs, eight at a time, each needing one of those before it; one in fifty fails."""
    jobs = []
    for number in range(count):
        start = (number // 8) * 5.0 + number % 8 * 0.1
        outcome = Outcome.FAILED if number % 50 == 7 else Outcome.SUCCEEDED
        jobs.append(
            job(
                f"copy[{number}]",
                outcome,
                needs=(f"nightly/copy[{number - 8}]",) if number >= 8 else (),
                message="exit code 3: no such file" if outcome is Outcome.FAILED else "",
                attempts=(attempt(1, start, start + 0.2, start + 1, start + 5, outcome, job_id=str(1000 + number)),),
                line=10 + number,
            )
        )
    return run(*jobs, outcome="failed", exit_code=1, seconds=count / 8 * 5 + 6)
