"""The report of one run as one HTML page; see `page` for what all pages share.

The script builds rows as they are needed, so that ten thousand jobs open as fast as ten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aftrun.domain.durations import human_duration
from aftrun.domain.events import instant
from aftrun.domain.model import Attempt, JobResult, Json, RunReport
from aftrun.domain.text import clean, clip, one_line
from aftrun.report import page
from aftrun.report.facts import Kind, about, kind, labels, title, word
from aftrun.report.page import TONES, WORDS

_NOSCRIPT_ROWS = 1_000
_ATTENTION = 6
_TEXT = 20_000
"""Characters of one text in the page; `report.json` has all of them."""


def _attempt(attempt: Attempt, start: float) -> list[Json]:
    """Times in seconds after the start of the run, then outcome, id, exit code, message, state and tries."""

    def after(at: float | None) -> float | None:
        return None if at is None else round(max(0.0, at - start), 3)  # one that is followed began in another run

    running = attempt.running_at
    if running is None and attempt.server_started_at is not None and attempt.accepted_at is not None:
        # Nobody looked while it ran; the server's own clock tells, as far as it fits what we saw.
        latest = attempt.ended_at if attempt.ended_at is not None else attempt.server_started_at
        running = min(max(attempt.server_started_at, attempt.accepted_at), latest)
    return [
        after(attempt.accepted_at if attempt.submitted_at is None else attempt.submitted_at),
        after(attempt.accepted_at),
        after(running),
        after(attempt.ended_at),
        None if attempt.outcome is None else attempt.outcome.value,
        None if attempt.job_id is None else clean(attempt.job_id),
        attempt.exit_code,
        clip(clean(attempt.message), _TEXT),
        one_line(attempt.state, 200),
        attempt.tries,
    ]


def _pretty(data: Mapping[str, Json]) -> str:
    return clip(clean(json.dumps(dict(data), indent=2, ensure_ascii=False)), _TEXT) if data else ""


def _job(job: JobResult, label: str, start: float, index: Mapping[str, int], servers: Sequence[str]) -> dict[str, Json]:
    """One job for the script. Keys are short, and what is empty is left out: there may be ten thousand of them."""
    found: dict[str, Json] = {
        "n": clip(label, 500),
        "m": one_line(job.manifest, 200),
        "o": word(job),
        "k": kind(job).value,
        "r": job.reason,
        "g": clip(clean(job.message), _TEXT),
        "i": None if job.job_id is None else clean(job.job_id),
        "d": None if job.duration is None else round(job.duration, 3),
        "s": servers.index(job.server),
        "q": [index[need] for need in job.needs if need in index],
        "a": [_attempt(attempt, start) for attempt in job.attempts],
        "f": clean(str(job.origin)),
        "p": _pretty(job.request),
        "u": _pretty(dict(job.outputs)),
        "t": [[name.capitalize(), ", ".join(one_line(text, 100) for text in texts)] for name, texts in about(job)],
        "x": clip(clean(job.description), _TEXT),
    }
    return {key: value for key, value in found.items() if value not in (None, "", [])}


def page_data(report: RunReport) -> dict[str, Json]:
    """What the page's script gets: the length of the run in seconds, the servers, and the jobs in manifest order."""
    servers = list(dict.fromkeys(job.server for job in report.jobs))
    index = {job.key: number for number, job in enumerate(report.jobs)}
    ends = [report.ended_at] if report.ended_at is not None else []
    ends += [job.ended_at for job in report.jobs if job.ended_at is not None]
    ends += [at.accepted_at for job in report.jobs for at in job.attempts if at.accepted_at is not None]
    return {
        "span": round(max([*ends, report.started_at]) - report.started_at, 3),
        "start": instant(report.started_at),
        "servers": [clean(server) for server in servers],
        "manifests": len({job.manifest for job in report.jobs}),
        "jobs": [
            _job(job, label, report.started_at, index, servers)
            for job, label in zip(report.jobs, labels(report), strict=True)
        ],
    }


def _row(job: JobResult, label: str, number: int) -> dict[str, Any]:
    found = kind(job)
    return {
        "number": number,
        "label": clip(label, 100),
        "word": WORDS.get(word(job), word(job)) + (", allowed" if found is Kind.ALLOWED else ""),
        "outcome": word(job),
        "tone": "warn" if found is Kind.ALLOWED else TONES[word(job)],
        "time": "" if job.duration is None else human_duration(job.duration),
        "id": one_line(job.job_id or "", 100),
        "message": one_line(job.message.partition("\n")[0], 300),
        "origin": one_line(str(job.origin), 300),
    }


def _facts(report: RunReport) -> list[tuple[str, str]]:
    facts = [("Run", report.id)]
    if report.exit_code is not None:
        facts.append(("Exit code", str(report.exit_code)))
    facts += [("Manifest", one_line(f"{file.path}", 300)) for file in report.manifests]
    git = dict(report.git)
    if "commit" in git:
        facts.append(("Git", one_line(" ".join([git["commit"][:12], git.get("branch", "")]).strip(), 100)))
    if report.aftrun:
        facts.append(("aftrun", report.aftrun))
    return facts


def render(report: RunReport) -> str:
    """The report as one self-contained HTML page.

    Raises:
        UsageError: Jinja2 is not installed.
    """
    pairs = list(zip(report.jobs, labels(report), strict=True))
    bad = [number for number, (job, _) in enumerate(pairs) if kind(job) in (Kind.FAILURE, Kind.ERROR)]
    counts = [(name, count) for name, count in report.counts().items() if count]
    return page.render(
        "report",
        title=title(report),
        outcome=report.outcome,
        word=WORDS.get(report.outcome, report.outcome),
        tone=TONES.get(report.outcome, "bad"),
        started=instant(report.started_at),
        took=None if report.duration is None else human_duration(report.duration),
        facts=_facts(report),
        warnings=[clean(warning) for warning in report.warnings],
        sandbox=report.sandbox,
        total=len(report.jobs),
        counts=[(name, WORDS.get(name, name), TONES[name], count) for name, count in counts],
        attention=[_row(*pairs[number], number) for number in bad[:_ATTENTION]],
        more=max(0, len(bad) - _ATTENTION),
        rows=[_row(*pair, number) for number, pair in enumerate(pairs[:_NOSCRIPT_ROWS])],
        hidden_rows=max(0, len(pairs) - _NOSCRIPT_ROWS),
        data=page_data(report),
    )
