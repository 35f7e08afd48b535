"""`aftrun watch`: a run that another process carries out, followed to its end."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from aftrun.cli import options, serverflags
from aftrun.cli.boundary import say
from aftrun.cli.running import conclude, signals
from aftrun.domain.model import RunOutcome
from aftrun.system.lines import about_run
from aftrun.system.shell import quoted

if TYPE_CHECKING:
    from aftrun.run.store.record import Log
    from aftrun.run.store.rows import RunRow


_NICE = 10
"""By how much who watches steps back: the run comes first, where both want the processor."""


def watch(
    view: options.ViewFlags,
    ending: options.ReportFlags,
    state: options.StateFlags,
    run: options.LiveRun = None,
    job_info_from: serverflags.JobInfoFrom = None,
) -> int:
    """Follow a run that another process carries out, live, to its end.

    It is followed by its record, so no request is sent, and the run does not notice. The exit code is the run's own; 75
    where its process is gone and put no end on record. Ctrl-C ends the watching alone: the run goes on. With words that
    were learned since it began, it says how they read; the run itself goes by its own.
    """
    from aftrun.service import history as past
    from aftrun.service import which

    ending = ending.beside(view)
    serverflags.job_info_from(job_info_from)  # a mistake in it is said now, and not when the run has ended
    with past.open_log(state.folder, say) as log:
        return follow(log, which.to_watch(log, run), view, ending, job_info_from)


def follow(
    log: Log, row: RunRow, view: options.ViewFlags, ending: options.ReportFlags, words: Path | None = None
) -> int:
    """Follow a run to its end, and conclude as its own process does. Returns the exit code.

    `words` is a file of words by which to read those that the run did not know.

    Raises:
        StateError: the record cannot be read, or the stream of events cannot be opened.
    """
    from aftrun.cli.commands.show import readings
    from aftrun.cli.view import outputs
    from aftrun.cli.view.observers import RunObservers, Subject
    from aftrun.domain.events import parse_instant
    from aftrun.domain.instants import at_zone
    from aftrun.report.facts import labels
    from aftrun.run.store.folder import run_folder
    from aftrun.service import history as past
    from aftrun.service import which
    from aftrun.service.report_file import Finished
    from aftrun.service.watching import RunWatcher, WatchEnd

    with contextlib.suppress(AttributeError, OSError):  # Windows knows no such thing, and it is a courtesy
        os.nice(_NICE)
    more = (ending.metrics_textfile, None if view.events in (None, "-") else Path(view.events or ""))
    places = [place for each in ending.paths.by_format().values() for place in each]
    state_dir = log.path.parent
    outputs.check_places([*places, *filter(None, more)], state_dir)
    so_far = past.read(log, row).report
    names = dict(zip([job.key for job in so_far.jobs], labels(so_far), strict=True))
    subject = Subject(row.id, names, so_far.sandbox, ours=False)
    again = f"the run goes on; watch it again with: {about_run('watch', row.id, state_dir)}"
    with RunObservers(subject, view, state_dir, "nothing new is started; jobs go on, on the server") as observers:
        watcher = RunWatcher(log, row.id, views=observers.views, streams=observers.streams)
        with signals(watcher.interrupt, again, drawn=observers.drawn):
            if not view.quiet and (who := which.worker(log, row)):
                begun = f"{at_zone(parse_instant(row.started_at), None):%Y-%m-%d %H:%M:%S}"
                ended = sum(job.outcome is not None for job in so_far.jobs)
                say(f"run {row.id}, begun {begun}: {ended} of {len(so_far.jobs)} jobs have ended; {who} works on it")
            watched = watcher.run()
    if watched.end is WatchEnd.LEFT:
        if observers.drawn:
            say(again)
        return watched.exit_code
    cut_off = watched.end is WatchEnd.CUT_OFF
    finished = Finished(watched.report, watched.exit_code, run_folder(state_dir, row.id) / "report.json")
    word = RunOutcome.STOPPED if cut_off else ""
    code = conclude(observers.amend(finished), ending, watch=observers, word=word)
    row = which.as_it_is(log.run(row.id), state_dir)
    for name, reading in readings(watched.report, words).items():
        say(f"{name}: by {words}, {reading}")
    if cut_off:
        say(f"run {row.id} was cut off: its process is gone and put no end on record")
    if which.can_go_on(log, row):
        with_words = "" if words is None else f" --job-info-from {quoted(str(words))}"
        say(f"resume it with: {about_run('resume', row.id, state_dir)}{with_words}")
    return code
