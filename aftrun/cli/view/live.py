"""The live view: what each job does right now, and a bar for the run; what has ended scrolls away above.

A listener that draws on the thread that runs the scheduler, when it hears an event and when it is told the time
(`tick`), but no more often than a person can follow. There is no thread of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TextIO, cast

from aftrun.cli.view.progress import COLOURS, MARKS
from aftrun.cli.view.table import fit, width
from aftrun.domain.durations import human_duration
from aftrun.domain.events import (
    AttemptEnded,
    Event,
    Interrupted,
    JobEnded,
    RetryPlanned,
    RunEnded,
    RunResumed,
    RunStarted,
    StateSeen,
    SubmitDeferred,
    Warned,
)
from aftrun.domain.frozen import dataclass
from aftrun.domain.instants import at_zone
from aftrun.domain.model import JobResult, Outcome, State
from aftrun.domain.text import clean, clip, one_line
from aftrun.run.fold import ReportBuilder

if TYPE_CHECKING:
    from rich.text import Text

REDRAW = 0.1
"""Seconds between two drawings, at least: a run of thousands of quick jobs must not wait for its own picture."""

_SHARE = 10
"""A pause lasts so many times as long as the drawing before it, so that drawing takes a small share of the time."""

_LONGEST = 1.0
"""Seconds; the longest pause."""

_BESIDE = 3 + 2 + 10 + 1
"""Columns of a job's row beside its name and its times: the sign, two blanks, its state, a blank."""

_NEXT = len("polls in 59s")
"""Columns that are kept for when it is polled next, so that the columns stand still; more are taken off its name."""

Due = Callable[[str], float | None]
"""When something is done about a job next, in epoch seconds; None where nothing is planned."""

_MESSAGE = 2_000
"""Characters of a message that are printed; the report has all of them."""

_STYLES = {"32": "green", "2": "dim", "31": "red", "33": "yellow", "35": "magenta", "36": "cyan", "1": "bold"}

_WORDS = {
    "submitting": "sending",
    "deferred": "not sent",
    "accepted": "queued",
    "running": "running",
    "waiting": "retry",
}
"""What a job does, by its phase."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The signs that a console can show."""

    running: str
    other: str
    full: str
    empty: str
    dots: str


FINE = Glyphs("▶", "·", "█", "░", "…")
PLAIN = Glyphs(">", ".", "#", "-", "...")


@dataclasses.dataclass(slots=True)
class Active:
    """A job that is under way."""

    label: str
    phase: str
    since: float
    """Where its time is counted from: see `JobResult.timed_from`."""
    state: str = ""
    next: float | None = None
    """When it is sent again, where that is planned."""
    why: str = ""
    """Why it could not be sent the last time."""


class _Terminal:
    """A terminal that may go away (a window closed, a connection cut): then nobody looks on, and the run goes on."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        try:
            return self._file.write(text)
        except (OSError, ValueError):  # ValueError: somebody closed it
            return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class LiveView:
    """Draws to `file`, which is a terminal, until `close`.

    `usual` holds how long a job took on other days: its key, and the median of its times (`JobResult.took`).
    `size` overrides the terminal's own columns and lines, `fancy` whether it shows more than ASCII.
    """

    def __init__(
        self,
        file: TextIO,
        labels: Mapping[str, str],
        *,
        usual: Mapping[str, float] | None = None,
        colour: bool = True,
        fancy: bool | None = None,
        size: tuple[int, int] | None = None,
        now: Callable[[], float] = time.time,
        interrupted: str = "nothing new is started; jobs go on, on the server",
    ) -> None:
        from rich.console import Console  # only a run at a terminal pays for it
        from rich.live import Live

        columns, lines = size or (None, None)
        self._console = Console(
            file=cast("TextIO", _Terminal(file)),
            force_terminal=True,
            width=columns,
            height=lines,
            color_system="standard" if colour else None,
            no_color=not colour,
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=False,
        )
        self._glyphs = PLAIN if (self._console.options.ascii_only if fancy is None else not fancy) else FINE
        self._live = Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, vertical_overflow="crop"
        )
        self._labels, self._usual, self._now, self._interrupted = labels, usual or {}, now, interrupted
        self._active: dict[str, Active] = {}
        self._ended: Counter[str] = Counter()
        self._total = 0
        self._begun = 0.0
        self._above: list[Text] = []
        self._drawn, self._pause = float("-inf"), REDRAW
        self._due: Due = lambda _: None
        self._open = False

    # --- what it hears --------------------------------------------------------------------------------------------

    def __call__(self, event: Event, folder: ReportBuilder) -> None:
        """Hear one event."""
        match event:
            case RunStarted() | RunResumed():
                self._begin(event.at, folder)
            case RunEnded():
                self.close()
                return
            case Interrupted():
                self._say(event.at, f"interrupted: {self._interrupted}")
            case Warned():
                self._say(event.at, f"warning: {event.message}", "33")
            case JobEnded():
                self._active.pop(event.job, None)
                self._count(event.outcome)
                self._say_end(event, folder.job(event.job))
            case AttemptEnded():
                return  # what follows says whether there is another, or that was the end
            case _:
                self._follow(folder.job(event.job), event.job)
                self._note(event)
        self._redraw()

    def tick(self, now: float, due: Due | None = None) -> None:
        """Time has passed: `now` in epoch seconds. `due` tells when each job is looked at next."""
        if due is not None:
            self._due = due
        if self._open:
            self._redraw(now)

    def close(self) -> None:
        """Take the picture away, and leave what has ended. Safe to call twice, and on every way out."""
        if self._open:
            self._open = False
            self._flush()
            self._live.stop()

    def _begin(self, at: float, folder: ReportBuilder) -> None:
        jobs = folder.jobs()
        self._total, self._begun = len(jobs), at
        self._active.clear()
        self._ended.clear()
        for key, job in jobs.items():
            if job.outcome is not None:
                self._count(job.outcome)
            elif job.phase != "pending":
                self._follow(job, key)
        if not self._open:
            self._open = True
            self._live.start()
            # A hidden cursor would stay hidden if the process were killed.
            self._console.show_cursor(True)

    def _count(self, outcome: Outcome) -> None:
        self._ended[outcome.value] += 1

    def _follow(self, job: JobResult, key: str) -> None:
        active = self._active.get(key)
        if active is None:
            label = one_line(self._labels.get(key, key))
            active = self._active[key] = Active(label, job.phase, self._now())
        active.since = active.since if job.timed_from is None else job.timed_from
        active.phase, active.next = job.phase, None
        if job.phase != "submitting":
            active.why = ""

    def _note(self, event: Event) -> None:
        """What an event says beyond the phase."""
        match event:
            case SubmitDeferred() | RetryPlanned():
                self._active[event.job].next = event.at + event.retry_in
                self._active[event.job].why = one_line(event.message.partition("\n")[0], 200)
            case StateSeen():
                known = event.phase in (State.QUEUED, State.RUNNING)
                self._active[event.job].state = "" if known else one_line(event.state, 20)

    # --- what it says above ---------------------------------------------------------------------------------------

    def _say(self, at: float, text: str, colour: str = "") -> None:
        from rich.text import Text

        clock = at_zone(at, None).strftime("%H:%M:%S")
        line = Text(f"{clock} ", style="dim")
        # The first line is the cause, the others the remedy, indented.
        line.append(clip(clean(text), _MESSAGE).replace("\n", "\n" + " " * 14), style=_STYLES.get(colour, "not dim"))
        self._above.append(line)

    def _say_end(self, event: JobEnded, job: JobResult) -> None:
        from rich.text import Text

        mark = MARKS[event.outcome]
        took = f" in {human_duration(job.took)}" if job.took is not None else ""
        good = event.outcome.well or event.outcome is Outcome.SKIPPED
        place = "" if good or not job.origin.in_file else f" ({clean(str(job.origin))})"
        why = f": {clip(clean(event.message), _MESSAGE)}".replace("\n", "\n" + " " * 14) if event.message else ""
        clock = at_zone(event.at, None).strftime("%H:%M:%S")
        label = one_line(self._labels.get(event.job, event.job))
        line = Text(f"{clock} ", style="dim")
        line.append(f"{mark:>4}", style=f"not dim {_STYLES[COLOURS[mark]]}")
        count = f"[{self._ended.total()}/{self._total}]"
        line.append(f" {label}{place}: {event.outcome.value}{took} {count}{why}", style="not dim")
        self._above.append(line)

    # --- what it draws --------------------------------------------------------------------------------------------

    def _redraw(self, now: float | None = None) -> None:
        now = self._now() if now is None else now
        if not self._open or now - self._drawn < self._pause:
            return
        began = time.thread_time()
        self._drawn = now
        self._flush()
        self._live.update(self.picture(now), refresh=True)
        self._pause = min(max(REDRAW, _SHARE * (time.thread_time() - began)), _LONGEST)

    def _flush(self) -> None:
        """Print what has ended above the picture, all at once."""
        if self._above:
            above, self._above = self._above, []
            from rich.text import Text

            self._console.print(Text("\n").join(above), overflow="fold")

    def picture(self, now: float) -> Text:
        """The lines of the jobs that are under way, as many as there is room for, and the bar."""
        from rich.text import Text

        columns, lines = self._console.size
        # One line is the bar, one tells of those that are not shown, and a quarter is left to what has ended.
        room = max(1, lines - 4 - lines // 4)
        active = list(self._active.items())
        shown = active if len(active) <= room + 1 else active[:room]
        rows = [self._row(key, job, now, columns) for key, job in shown]
        if len(shown) < len(active):
            rest = Counter(_WORDS.get(job.phase, job.phase) for _, job in active[len(shown) :])
            counts = ", ".join(f"{count} {word}" for word, count in rest.most_common())
            hidden = f"  {self._glyphs.dots} and {len(active) - len(shown)} more: {counts}"
            rows.append(Text(fit(hidden, columns).rstrip(), style="dim"))
        rows.append(self._bar(now, columns))
        return Text("\n", no_wrap=True, overflow="crop").join(rows)

    def _row(self, key: str, job: Active, now: float, columns: int) -> Text:
        from rich.text import Text

        running = job.phase == "running"
        word = job.state or _WORDS.get(job.phase, job.phase)
        elapsed = human_duration(max(0.0, now - job.since)) if now - job.since < 60 else _whole(now - job.since)
        facts = [f"{elapsed:>7}"]
        left = 28 if columns >= 90 else 16
        times = 7 + (2 + left) * (columns >= 50) + (2 + _NEXT) * (columns >= 76)
        usual = min(max(24, columns // 3), columns - _BESIDE - times)
        if job.why:
            facts.append(self._reason(job, now, columns - _BESIDE - usual - 7 - 2))
        elif columns >= 50:
            facts.append(f"{self._left(key, job, now, short=columns < 90):<{left}}")
        if columns >= 76 and not job.why:
            facts.append(self._next(key, job, now))
        tail = "  ".join(facts).rstrip()
        name = self._cut(job.label, max(4, min(usual, columns - _BESIDE - width(tail))))
        line = Text(f" {self._glyphs.running if running else self._glyphs.other} ", style="cyan" if running else "dim")
        line.append(f"{name}  ", style="bold" if running else "")
        line.append(f"{self._cut(word, 10)} ", style="not bold cyan" if running else "not bold yellow")
        line.append(tail, style="not bold default")
        return line

    def _reason(self, job: Active, now: float, room: int) -> str:
        """Why it does not go on, and when it is tried again: as much of it as there is room for."""
        again = ""
        if job.next is not None:
            again = f"; sends in {_whole(job.next - now)}" if job.next - now >= 1 else "; sends now"
        short = job.why.rpartition(": ")[2]
        for text in (job.why + again, short + again, short):
            if width(text) <= room:
                return text
        return self._cut(short, max(8, room)).rstrip()

    def _left(self, key: str, job: Active, now: float, *, short: bool) -> str:
        """When it is expected to end, where other days tell."""
        usual = self._usual.get(key)
        if usual is None:
            return ""
        end = job.since + usual
        if now > end:
            return f"{_whole(now - end)} overdue" if now - end >= 1 else "any moment"
        if end - now < 1:
            return "any moment"
        left = f"~{_whole(end - now)} left"
        return left if short else f"{left}, ends {at_zone(end, None):%H:%M:%S}"

    def _next(self, key: str, job: Active, now: float) -> str:
        """What is done about it next."""
        at = job.next if job.next is not None else self._due(key)
        if at is None:
            return ""
        what = "sends" if job.phase in ("deferred", "waiting") else "polls"
        return f"{what} in {_whole(at - now)}" if at - now >= 1 else f"{what} now"

    def _cut(self, text: str, columns: int) -> str:
        """The text, exactly so wide."""
        if self._glyphs is FINE or width(text) <= columns:
            return fit(text, columns)
        return fit(text, columns).replace("…", ".")

    def _bar(self, now: float, columns: int) -> Text:
        from rich.text import Text

        done, total = self._ended.total(), max(1, self._total)
        good = sum(self._ended[each] for each in Outcome if each.well)
        calm = self._ended[Outcome.SKIPPED]
        bad = done - good - calm
        running = sum(job.phase == "running" for job in self._active.values())
        waiting = self._total - done - len(self._active)
        facts = [f"{done}/{self._total}", _whole(now - self._begun)]
        counts = ((bad, "not ok"), (running, "running"), (len(self._active) - running, "not running yet"))
        facts += [f"{count} {word}" for count, word in (*counts, (waiting, "to come"), (calm, "skipped")) if count]
        size = max(8, min(40, columns // 3))
        while len(facts) > 1 and width("  ".join(facts)) + size + 4 > columns:
            facts.pop()
        cells = [round(size * part / total) for part in (good, good + bad, done)]
        line = Text(" ")
        line.append(self._glyphs.full * cells[0], style="green")
        line.append(self._glyphs.full * (cells[1] - cells[0]), style="red")
        line.append(self._glyphs.full * (cells[2] - cells[1]), style="dim")
        line.append(self._glyphs.empty * (size - cells[2]), style="dim")
        line.append(f"  {'  '.join(facts)}", style="not dim bold")
        return line


def _whole(seconds: float) -> str:
    """A length of time without tenths, which would flicker."""
    return human_duration(float(int(max(0.0, seconds))))
