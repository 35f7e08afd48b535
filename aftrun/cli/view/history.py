"""Many runs on a terminal: the runs, and how jobs have fared over them. It all fits the terminal's width."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from aftrun.cli.view.progress import paint
from aftrun.cli.view.table import fit, rows_to_text, width
from aftrun.domain.durations import human_duration
from aftrun.domain.instants import at_zone
from aftrun.domain.model import DAY
from aftrun.domain.past import RECENT, WELL, JobPast, ManifestPast, Past, RunPast, Verdict, mark, urgency, verdict
from aftrun.domain.text import one_line

_LEVELS = "▁▂▃▄▅▆▇█"
_ASCII = str.maketrans(
    {"✓": ".", "✗": "F", "·": "-", "…": "~", **{each: "_.-=+*%#"[n] for n, each in enumerate(_LEVELS)}}
)
_COLOURS = {Verdict.GOOD: "32", Verdict.BAD: "31", Verdict.UNSURE: "35", Verdict.NONE: "2"}
_WORDS = {"running": "36", "succeeded": "32", "interrupted": "33"}
_SPARK, _STRIP = 10, 14
_NAME = 48
_LONG_AGO = 180 * DAY


def plain(text: str, encoding: str | None) -> str:
    """The text, with letters in place of signs where a terminal or file of this encoding cannot show them."""
    try:
        text.encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return text.translate(_ASCII)
    return text


def strip(outcomes: Sequence[str], *, colour: bool) -> str:
    """The signs of outcomes, the newest right, in the colours of what they say."""
    return "".join(paint(mark(each), _COLOURS[verdict(each)], colour=colour) for each in outcomes)


def sparkline(seconds: Sequence[float]) -> str:
    """Times as a line of blocks, whose height begins at zero: what hardly changes looks level."""
    most = max(seconds, default=0.0)
    return "".join(_LEVELS[round(7 * each / most) if most > 0 else 0] for each in seconds)


def moment(at: float, now: float | None = None) -> str:
    """An instant as local time, to the minute; where that was half a year ago or longer, as a date."""
    ago = (time.time() if now is None else now) - at
    return f"{at_zone(at, None):{'%Y-%m-%d' if ago > _LONG_AGO else '%m-%d %H:%M'}}"


def _manifests(run: RunPast) -> str:
    return one_line(", ".join(run.manifests) + (" (sandbox)" if run.sandbox else ""), _NAME)


def _what(run: RunPast, columns: int) -> str:
    """What became of a run's jobs, in words or, where there is no room for them, in signs.

    First come those that did not succeed, by name.
    """
    left = run.jobs - sum(run.counts.values())
    counts = {word: count for word, count in run.counts.items() if word not in WELL}
    bad = [f"{count} {word}" for word, count in counts.items()]
    names = ", ".join(map(one_line, run.bad))
    if names:
        bad[-1:] = [f"{bad[-1]} ({names})" if bad else names]
    well = sorted((item for item in run.counts.items() if item[0] in WELL), key=lambda end: -end[1])
    text = ", ".join([*bad, *(f"{count} {word}" for word, count in well), *([f"{left} open"] if left > 0 else [])])
    if width(text) <= columns:
        return text
    signs = "".join(dict.fromkeys(map(mark, counts)))
    short = [f"{signs} {names}"] if names else []
    short += [f"{mark(word)} {count}" for word, count in well]
    return fit(", ".join([*short, *([f"{left} open"] if left > 0 else [])]), columns).rstrip()


def runs(shown: Sequence[RunPast], *, colour: bool, columns: int) -> str:
    """One line a run."""
    names = [width(_manifests(run)) for run in shown]
    wide = min(max([8, *names]), max(8, (columns - 58) // 2))
    rows = [
        [
            run.id,
            moment(run.started_at),
            "" if run.seconds is None else human_duration(run.seconds),
            run.outcome,
            fit(_manifests(run), wide).rstrip(),
            "",
        ]
        for run in shown
    ]
    lines = []
    for number, line in enumerate(rows_to_text(["RUN", "STARTED", "TIME", "OUTCOME", "MANIFEST", "JOBS"], rows)):
        if number:
            line[-1] = _what(shown[number - 1], columns - sum(width(cell) + 2 for cell in line[:-1]))
            line[3] = paint(line[3], _WORDS.get(shown[number - 1].outcome, "31"), colour=colour)
        text = "  ".join(line).rstrip()
        lines.append(text if number else paint(text, "1", colour=colour))
    return "\n".join(lines) + "\n"


def _percent(share: float | None) -> str:
    if share is None:
        return ""
    return "0%" if share == 0 else "<1%" if share < 0.01 else f"{share:.0%}"


def _seconds(value: float | None) -> str:
    return "" if value is None else human_duration(value)


def jobs(shown: Sequence[JobPast], *, colour: bool, columns: int, causes: bool = True) -> str:
    """One line a job, and below it what wants attention."""
    numbers = [
        [
            str(len(job.tried)),
            _percent(job.failure_rate),
            _seconds(job.p50),
            _seconds(job.p95),
            sparkline(job.seconds[-_SPARK:]),
        ]
        for job in shown
    ]
    head = ["RUNS", "FAILED", "P50", "P95", "TIME"]
    wide = [max(width(row[n]) for row in [head, *numbers]) for n in range(len(head))]
    strips = max(len("NEWEST RIGHT"), min(_STRIP, max((len(job.ends) for job in shown), default=0)))
    free = columns - sum(each + 2 for each in wide) - strips - 2
    names = [one_line(job.name) for job in shown]
    longest = max(12, min(free, max([3, *map(width, names)])))

    def line(name: str, signs: str, cells: Sequence[str]) -> str:
        rest = "  ".join(f"{cell:>{wide[n]}}" if n < 4 else cell for n, cell in enumerate(cells))
        return f"{fit(name, longest)}  {signs}  {rest}".rstrip()

    lines = [paint(line("JOB", f"{'NEWEST RIGHT':<{strips}}", head), "1", colour=colour)]
    for job, name, cells in zip(shown, names, numbers, strict=True):
        newest = [end.outcome for end in job.ends[-strips:]]
        lines.append(line(name, " " * (strips - len(newest)) + strip(newest, colour=colour), cells))
        lines += [f"  {fit(one_line(note.text), columns - 2).rstrip()}" for note in job.notes]
        if causes and job.notes and (why := _cause(job)):
            lines.append(f"  {fit(why, columns - 2).rstrip()}")
    return "\n".join(lines) + "\n"


def _cause(job: JobPast) -> str:
    last = job.last_failure
    if last is None or not job.causes.get(last.run):
        return ""
    return f"{last.outcome} in run {last.run}: {one_line(job.causes[last.run])}"


def manifest(past: ManifestPast, shown: Sequence[JobPast], *, colour: bool, columns: int) -> str:
    """A manifest: how its runs went, in a line, and its jobs, those that want attention first."""
    signs = past.outcomes[-RECENT:]
    told = f"{past.failed} of {len(past.runs)} runs failed"
    if past.unknown:
        told += f", {past.unknown} unknown"
    name = one_line(past.name, _NAME) + (" (sandbox)" if past.sandbox else "")
    name = fit(name, min(width(name), columns - len(signs) - len(told) - 4))
    head = f"{paint(name, '1', colour=colour)}  {strip(signs, colour=colour)}  {told}"
    return f"{head}\n{jobs(shown, colour=colour, columns=columns)}" if shown else f"{head}\n"


def overview(past: Past, limit: int, *, colour: bool, columns: int) -> str:
    """Every manifest and its jobs, at most so many of each."""
    parts = []
    for each in past.manifests:
        first = sorted(each.jobs, key=urgency)[:limit]
        text = manifest(each, first, colour=colour, columns=columns)
        if left := len(each.jobs) - len(first):
            text += f"  {left} more: see --limit\n"
        parts.append(text)
    return "\n".join(parts)


def one_job(job: JobPast, limit: int, *, colour: bool, columns: int) -> str:
    """A job, end by end, the newest first."""
    head = fit(one_line(job.manifest + (" (sandbox)" if job.sandbox else "")), columns).rstrip()
    text = f"{paint(head, '1', colour=colour)}\n" + jobs([job], colour=colour, columns=columns, causes=False)
    newest = job.ends[: -limit - 1 : -1]
    rows = [
        [
            end.run,
            moment(job.starts[end.run]),
            _seconds(end.seconds),
            mark(end.outcome) + " " + end.outcome,
            one_line(job.causes.get(end.run, "")),
        ]
        for end in newest
    ]
    lines = []
    for number, line in enumerate(rows_to_text(["RUN", "STARTED", "TIME", "OUTCOME", "CAUSE"], rows)):
        line[-1] = fit(line[-1], max(10, columns - sum(width(cell) + 2 for cell in line[:-1]))).rstrip()
        if number:
            line[3] = paint(line[3], _COLOURS[verdict(newest[number - 1].outcome)], colour=colour)
        text_line = "  ".join(line).rstrip()
        lines.append(text_line if number else paint(text_line, "1", colour=colour))
    return text + "\n" + "\n".join(lines) + "\n"


def several(found: Iterable[JobPast], *, colour: bool, columns: int) -> str:
    """Jobs that a pattern fits, those that want attention first, by manifest."""
    by: dict[tuple[str, bool], list[JobPast]] = {}
    for job in sorted(found, key=urgency):
        by.setdefault((job.manifest, job.sandbox), []).append(job)
    parts = [
        paint(one_line(name, _NAME // 2) + (" (sandbox)" if sandbox else ""), "1", colour=colour)
        + "\n"
        + jobs(some, colour=colour, columns=columns)
        for (name, sandbox), some in by.items()
    ]
    return "\n".join(parts)
