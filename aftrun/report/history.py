"""Many runs as one HTML page: what wants attention, a calendar of nights, and how long each job took in them.

Ends travel as one letter each and times as short numbers, so that a thousand runs of fifty jobs stay well below 5 MB.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aftrun.domain.durations import human_duration
from aftrun.domain.events import instant
from aftrun.domain.model import Json
from aftrun.domain.past import RECENT, Concern, JobPast, ManifestPast, Past, RunPast, mark, urgency
from aftrun.domain.text import one_line
from aftrun.report import page

LETTERS = {
    "succeeded": "s",
    "submitted": "b",
    "upToDate": "p",
    "failed": "f",
    "rejected": "r",
    "undelivered": "u",
    "cancelled": "c",
    "timedOut": "t",
    "unknown": "x",
    "skipped": "k",
    "running": "n",
    "interrupted": "i",
    "stopped": "o",
    "stateError": "w",
    "error": "e",
}
"""One letter for each outcome; `?` is one of a later version, and a blank is a run without the job."""

_TONES = {
    Concern.FAILING: "bad",
    Concern.FAILED: "bad",
    Concern.UNKNOWN: "unsure",
    Concern.SLOWER: "warn",
    Concern.FLAKY: "warn",
}
_ICONS = {
    Concern.FAILING: "failed",
    Concern.FAILED: "failed",
    Concern.UNKNOWN: "unknown",
    Concern.SLOWER: "timedOut",
    Concern.FLAKY: "warn",
}
_ATTENTION = 12
_TEXT = 300


def _short(seconds: float | None) -> float | None:
    """A time to three digits, which is what anybody sees of it."""
    if seconds is None:
        return None
    found = float(f"{seconds:.3g}")
    return int(found) if found == int(found) else found


def _job(job: JobPast, places: Mapping[str, int], runs: int, causes: dict[str, int]) -> dict[str, Json]:
    letters = [" "] * runs
    times: list[Json] = [None] * runs
    why: dict[str, Json] = {}
    for end in job.ends:
        place = places[end.run]
        letters[place] = LETTERS.get(end.outcome, "?")
        times[place] = _short(end.seconds)
        if cause := job.causes.get(end.run):
            why[str(place)] = causes.setdefault(one_line(cause, _TEXT), len(causes))
    return {
        "n": one_line(job.name, _TEXT),
        "e": "".join(letters),
        "t": times,
        "w": why,
        "r": None if job.failure_rate is None else round(job.failure_rate, 4),
        "c": len(job.tried),
        "f": len(job.failures),
        "m": _short(job.p50),
        "p": _short(job.p95),
        "g": list(job.slower) if job.slower is not None else None,
        "a": [[note.concern.value, note.text] for note in job.notes],
        "u": urgency(job)[0],
    }


def _manifest(past: ManifestPast, runs: Mapping[str, int], causes: dict[str, int]) -> dict[str, Json]:
    places = {run.id: number for number, run in enumerate(past.runs)}
    return {
        "name": one_line(past.name, _TEXT),
        "sandbox": past.sandbox,
        "runs": [runs[run.id] for run in past.runs],
        "e": "".join(LETTERS.get(outcome, "?") for outcome in past.outcomes),
        "jobs": [_job(job, places, len(past.runs), causes) for job in past.jobs],
    }


def _run(run: RunPast, links: Mapping[str, str]) -> list[Json]:
    """Id, start (seconds since 1970), length in seconds, outcome, jobs, those that did not succeed, and its report."""
    bad = ", ".join(one_line(name, 100) for name in run.bad[:10])
    bad += f" and {len(run.bad) - 10} more" if len(run.bad) > 10 else ""
    return [
        run.id,
        round(run.started_at),
        _short(run.seconds),
        LETTERS.get(run.outcome, "?"),
        run.jobs,
        bad,
        links.get(run.id, ""),
    ]


def page_data(past: Past, links: Mapping[str, str]) -> dict[str, Json]:
    """What the page's script gets: the runs, the oldest first, the manifests with their jobs, and all causes once."""
    runs = {run.id: number for number, run in enumerate(past.runs)}
    causes: dict[str, int] = {}
    manifests: list[Json] = [_manifest(each, runs, causes) for each in past.manifests]
    return {
        "runs": [_run(run, links) for run in past.runs],
        "manifests": manifests,
        "causes": list(causes),
        "words": {letter: page.WORDS.get(word, word) for word, letter in LETTERS.items()},
        "marks": {letter: mark(word) for word, letter in LETTERS.items()},
        "concerns": {concern.value: tone for concern, tone in _TONES.items()},
        "tones": {letter: page.TONES[word] for word, letter in LETTERS.items()},
    }


def _strip(job: JobPast) -> list[tuple[str, str, str]]:
    return [
        (mark(end.outcome), page.TONES.get(end.outcome, "unsure"), one_line(end.outcome, 40))
        for end in job.ends[-RECENT:]
    ]


def _attention(job: JobPast, number: str, links: Mapping[str, str], *, many: bool) -> dict[str, Any]:
    last, newest = job.last_failure, job.ends[-RECENT:]
    return {
        "number": number,
        "manifest": one_line(job.manifest, 60) if many else "",
        "label": one_line(job.name, 100),
        "tone": _TONES[job.notes[0].concern],
        "icon": _ICONS[job.notes[0].concern],
        "notes": [(one_line(note.text), _TONES[note.concern]) for note in job.notes],
        "cause": "" if last is None else one_line(job.causes.get(last.run, ""), _TEXT),
        "run": "" if last is None else last.run,
        "link": "" if last is None else links.get(last.run, ""),
        "strip": _strip(job),
        "said": f"its last {len(newest)} runs: {sum(end in job.failures for end in newest)} failures",
    }


def render(past: Past, links: Mapping[str, str] | None = None, *, live: str = "") -> str:
    """The page.

    Args:
        past: what runs on record add up to.
        links: where the report of each run is, by id, as a relative or absolute address.
        live: where the page asks for news; empty: it does not.

    Raises:
        UsageError: Jinja2 is not installed.
    """
    links = links or {}
    many = len([each for each in past.manifests if not each.sandbox]) > 1
    numbers = {
        (each.sandbox, job.key): f"{place}-{number}"
        for place, each in enumerate(past.manifests)
        for number, job in enumerate(each.jobs)
    }
    wanting = past.attention()
    bad = sum(each.failed for each in past.manifests if not each.sandbox)
    total = sum(len(each.runs) for each in past.manifests if not each.sandbox)
    return page.render(
        "history",
        live=bool(live),
        title=", ".join(dict.fromkeys(one_line(each.name, 60) for each in past.manifests)) or "no runs",
        first=instant(past.runs[0].started_at) if past.runs else "",
        last=instant(past.runs[-1].started_at) if past.runs else "",
        total=total,
        bad=bad,
        jobs=sum(len(each.jobs) for each in past.manifests),
        attention=[_attention(job, numbers[job.sandbox, job.key], links, many=many) for job in wanting[:_ATTENTION]],
        more=max(0, len(wanting) - _ATTENTION),
        manifests=[
            {
                "name": one_line(each.name, 100) + (" (sandbox)" if each.sandbox else ""),
                "jobs": [
                    {
                        "label": one_line(job.name, 100),
                        "strip": job.strip,
                        "failed": f"{len(job.failures)} of {len(job.tried)}",
                        "p50": "" if job.p50 is None else human_duration(job.p50),
                        "p95": "" if job.p95 is None else human_duration(job.p95),
                        "notes": "; ".join(one_line(note.text) for note in job.notes),
                    }
                    for job in each.jobs
                ],
            }
            for each in past.manifests
        ],
        data={**page_data(past, links), "live": live},
    )
