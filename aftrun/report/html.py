"""The report of one run as one HTML page; see `page` for what all pages share.

The script builds rows as they are needed, so that ten thousand jobs open as fast as ten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aftrun.domain.digits import line_json
from aftrun.domain.durations import human_duration
from aftrun.domain.events import instant
from aftrun.domain.model import Attempt, JobResult, Json, RunReport
from aftrun.domain.past import ENOUGH, RECENT, JobPast, mark, usual
from aftrun.domain.text import clean, clip, one_line
from aftrun.report import page
from aftrun.report.facts import Kind, about, kind, labels, title, word
from aftrun.report.graph import layout
from aftrun.report.history import LETTERS
from aftrun.report.page import TONES, WORDS

_NOSCRIPT_ROWS = 1_000
_ATTENTION = 6
_NAMED = 3
"""How many jobs of one reason are named."""
_NIGHTS = 10
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


def _json(data: Mapping[str, Json]) -> str:
    return clip(clean(line_json(dict(data), data)), _TEXT) if data else ""


def _beside(job: JobResult, earlier: JobPast | None) -> dict[str, Json]:
    """What is known of a job from other nights: its usual time, whether this one was slower, and its last ten ends."""
    if earlier is None:
        return {}
    known = usual(earlier.seconds[-RECENT:])
    found: dict[str, Json] = {"h": "".join(LETTERS.get(end.outcome, "?") for end in earlier.ends[-_NIGHTS:])}
    if known is not None:
        found["z"] = round(known.median, 3)
        took = job.took
        if len(earlier.seconds) >= ENOUGH and took is not None and known.exceeded_by(took):
            found["y"] = 1
    return found


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
        "d": None if job.took is None else round(job.took, 3),
        "s": servers.index(job.server),
        "q": [index[need] for need in job.needs if need in index],
        "a": [_attempt(attempt, start) for attempt in job.attempts],
        "f": clean(str(job.origin)),
        "p": _json(job.request),
        "u": _json(dict(job.outputs)),
        "t": [[name.capitalize(), ", ".join(one_line(text, 100) for text in texts)] for name, texts in about(job)],
        "x": clip(clean(job.description), _TEXT),
    }
    return {key: value for key, value in found.items() if value not in (None, "", [])}


def _length(report: RunReport) -> float:
    """The length of the run, as far as it was seen, seconds."""
    ends = [report.ended_at] if report.ended_at is not None else []
    ends += [job.ended_at for job in report.jobs if job.ended_at is not None]
    ends += [at.accepted_at for job in report.jobs for at in job.attempts if at.accepted_at is not None]
    return round(max([*ends, report.started_at]) - report.started_at, 3)


def page_data(report: RunReport, past: Mapping[str, JobPast] | None = None) -> dict[str, Json]:
    """What the page's script gets: the length of the run in seconds, the servers, and the jobs in manifest order."""
    servers = list(dict.fromkeys(job.server for job in report.jobs))
    index = {job.key: number for number, job in enumerate(report.jobs)}
    return {
        "span": _length(report),
        "start": instant(report.started_at),
        "servers": [clean(server) for server in servers],
        "manifests": len({job.manifest for job in report.jobs}),
        "jobs": [
            {**_job(job, label, report.started_at, index, servers), **_beside(job, (past or {}).get(job.key))}
            for job, label in zip(report.jobs, labels(report), strict=True)
        ],
    }


def news(report: RunReport, changed: Sequence[int]) -> dict[str, Json]:
    """What a page that is open already gets: the jobs that have changed, by number, and how the run stands."""
    servers = list(dict.fromkeys(job.server for job in report.jobs))
    index = {job.key: number for number, job in enumerate(report.jobs)}
    names = labels(report) if changed else ()
    return {
        "span": _length(report),
        "word": WORDS.get(report.outcome, report.outcome),
        "tone": TONES.get(report.outcome, "bad"),
        "icon": page.ICONS.get(report.outcome, report.outcome),
        "counts": {name: count for name, count in report.counts().items() if count},
        "jobs": {
            str(number): _job(report.jobs[number], names[number], report.started_at, index, servers)
            for number in changed
        },
    }


def _graph(report: RunReport) -> dict[str, Json] | None:
    """The picture of what needs what: boxes with their jobs, layer and row, and lines between boxes."""
    index = {job.key: number for number, job in enumerate(report.jobs)}
    needs = [[index[need] for need in job.needs if need in index] for job in report.jobs]
    bad = [number for number, job in enumerate(report.jobs) if kind(job) in (Kind.FAILURE, Kind.ERROR, Kind.ALLOWED)]
    found = layout(needs, bad)
    if found is None:
        return None
    nodes: list[Json] = [[list(node.jobs), node.layer, round(node.row, 2)] for node in found.nodes]
    edges: list[Json] = [list(edge) for edge in found.edges]
    return {"nodes": nodes, "edges": edges, "layers": found.layers, "rows": round(found.rows, 2)}


def _groups(
    pairs: Sequence[tuple[JobResult, str]], bad: Sequence[int], past: Mapping[str, JobPast]
) -> list[dict[str, Any]]:
    """What wants attention: jobs that ended for one reason together, failures first, large groups before others."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number in bad:
        job, _ = pairs[number]
        groups.setdefault((word(job), job.message), []).append(number)
    ordered = sorted(groups.values(), key=lambda some: (kind(pairs[some[0]][0]) is not Kind.FAILURE, -len(some)))
    found = []
    for some in ordered:
        job, label = pairs[some[0]]
        cause, _, remedy = job.message.partition("\n")
        found.append(
            {
                **_row(job, label, some[0]),
                "count": len(some),
                "lasted": _lasted(job, past.get(job.key)) if len(some) == 1 else "",
                "jobs": [(number, clip(pairs[number][1], 100)) for number in some[:_NAMED]],
                "more": max(0, len(some) - _NAMED),
                "filter": one_line(cause, 300),
                "remedy": one_line(remedy, 300),
            }
        )
    return found


def _lasted(job: JobResult, earlier: JobPast | None) -> str:
    """How long the job took, and how long it usually does: one that fails at once fails for another reason."""
    known = None if earlier is None else usual(earlier.seconds[-RECENT:])
    parts = [] if job.took is None else [f"after {human_duration(job.took)}"]
    return ", ".join(parts if known is None else [*parts, f"usually {human_duration(known.median)}"])


def _next(report: RunReport) -> str:
    """What to run next, where the run did not go well."""
    match report.outcome:
        case "interrupted" | "stopped" | "stateError" | "error":
            return "" if report.sandbox else f"aftrun resume {report.id}"
        case "failed" | "cancelled":
            return f"aftrun retry {report.id}"
        case "unknown" | "timedOut":
            return f"aftrun retry {report.id} --include-unknown"
    return ""


def _row(job: JobResult, label: str, number: int) -> dict[str, Any]:
    found = kind(job)
    return {
        "number": number,
        "label": clip(label, 100),
        "word": WORDS.get(word(job), word(job)) + (", allowed" if found is Kind.ALLOWED else ""),
        "outcome": word(job),
        "tone": "warn" if found is Kind.ALLOWED else TONES[word(job)],
        "time": "" if job.took is None else human_duration(job.took),
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


def render(report: RunReport, past: Mapping[str, JobPast] | None = None, *, live: str = "", home: str = "") -> str:
    """The report as one self-contained HTML page.

    Args:
        report: the run.
        past: how its jobs fared in earlier runs, by key, where that is known.
        live: where the page asks for news while the run goes on; empty: it does not.
        home: where the page of all runs is; empty: nowhere.

    Raises:
        UsageError: Jinja2 is not installed.
    """
    pairs = list(zip(report.jobs, labels(report), strict=True))
    bad = [number for number, (job, _) in enumerate(pairs) if kind(job) in (Kind.FAILURE, Kind.ERROR)]
    groups = _groups(pairs, bad, past or {})
    counts = [(name, count) for name, count in report.counts().items() if count]
    return page.render(
        "report",
        live=bool(live),
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
        attention=groups[:_ATTENTION],
        more=sum(group["count"] for group in groups[_ATTENTION:]),
        next=_next(report),
        look_first=report.outcome in ("unknown", "timedOut"),
        home=home,
        rows=[_row(*pair, number) for number, pair in enumerate(pairs[:_NOSCRIPT_ROWS])],
        hidden_rows=max(0, len(pairs) - _NOSCRIPT_ROWS),
        data={
            **page_data(report, past),
            "graph": _graph(report),
            "live": live,
            "marks": {letter: mark(word) for word, letter in LETTERS.items()},
            "outcomes": {letter: word for word, letter in LETTERS.items()},
        },
    )
