"""Following a run by its record: what its process, or several after another, put there while somebody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from aftrun.domain.errors import ExitCode
from aftrun.domain.events import (
    Accepted,
    Event,
    Interrupted,
    JobEnded,
    JobHeader,
    Reason,
    RunEnded,
    RunResumed,
    RunStarted,
    SubmitIntended,
    Warned,
)
from aftrun.domain.model import Outcome
from aftrun.run.fold import ReportBuilder, fold
from aftrun.run.store import journal_file
from aftrun.run.store.folder import run_folder
from aftrun.run.store.journal import RunJournal
from aftrun.run.store.journal_file import Head, JournalFile, event_line
from aftrun.run.store.lock import RunLock
from aftrun.run.store.record import Log
from aftrun.run.store.restore import recover
from aftrun.service.watching import RunWatcher, Watched, WatchEnd

RUN = "r0"
HEADERS = tuple(JobHeader(f"m/{name}", name, "m", "https://s", "m.yaml", 1, 1) for name in "ab")
START = RunStarted(0.0, RUN, HEADERS, journal=True)
A = (
    SubmitIntended(1.0, "m/a", 1, {}),
    Accepted(2.0, "m/a", 1, "A"),
    JobEnded(3.0, "m/a", Outcome.SUCCEEDED, Reason.DONE),
)
B = (
    SubmitIntended(1.0, "m/b", 1, {}),
    Accepted(2.0, "m/b", 1, "B"),
    JobEnded(3.0, "m/b", Outcome.SUCCEEDED, Reason.DONE),
)


class Worker:
    """The process of a run, as far as its record goes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = Log(folder)
        self.path = run_folder(folder, RUN) / journal_file.NAME
        self._lock: RunLock | None = None
        self._file: JournalFile | None = None
        self.journal: RunJournal | None = None

    def begin(self, start: RunStarted = START) -> None:
        """A new run."""
        self._lock = RunLock(run_folder(self.folder, RUN), 4711, "box")
        self.log.begin(start, [], [], {})
        file = JournalFile.make(self.path, Head(RUN), [(0, start)]) if start.journal else None
        self.journal = RunJournal(self.log, RUN, file)
        self._file = file

    def record(self, *events: Event) -> None:
        """What a turn puts on record."""
        assert self.journal is not None
        self.journal.append(events)

    def die(self) -> None:
        """Whatever is on record stays as it is."""
        if self._file is not None:
            self._file.close()
        if self._lock is not None:
            self._lock.release()
        self._file = self._lock = None

    def resume(self, *events: Event) -> None:
        """Another process takes it up."""
        self._lock = RunLock(run_folder(self.folder, RUN), 4712, "box")
        self._file = recover(self.log, RUN, 9.0).file
        self.journal = RunJournal(self.log, RUN, self._file)
        self.record(RunResumed(9.0, 4712, "box"), *events)


class Hand:
    """A clock that tests move."""

    time = 100.0

    def now(self) -> float:
        """Epoch seconds."""
        return self.time

    def monotonic(self) -> float:
        """Seconds."""
        return self.time


class Ear:
    """A listener that notes what it hears, and how the run stood then."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.ended: list[int] = []
        self.ticks = 0

    def __call__(self, event: Event, folder: ReportBuilder) -> None:
        """Hear an event."""
        self.events.append(event)
        self.ended.append(sum(job.outcome is not None for job in folder.jobs().values()))

    def tick(self, _now: float, _due: object) -> None:
        """Hear the time."""
        self.ticks += 1


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """The process of a run that has not begun."""
    found = Worker(tmp_path)
    yield found
    found.die()
    found.log.close()


def watch(worker: Worker, acts: Sequence[Callable[[RunWatcher], object]], view: Ear, stream: Ear) -> Watched:
    """Watch a run, in whose pauses these things happen, one after another."""
    clock, left = Hand(), list(acts)

    def pause(seconds: float) -> None:
        clock.time += seconds
        left.pop(0)(watcher)

    with Log(worker.folder) as log:
        watcher = RunWatcher(log, RUN, views=[view], streams=[stream], clock=clock, pause=pause)
        watched = watcher.run()
    assert left == []
    return watched


CODES = [code for code in ExitCode if code not in (ExitCode.USAGE, ExitCode.UNDER_WAY)]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("journal", [True, None], ids=["journal", "version 0.1"])
def test_it_hears_what_happens_and_ends_with_the_code_of_the_run(
    worker: Worker, code: ExitCode, journal: bool | None
) -> None:
    """Programs hear everything; people how it stood when they came, and what happened since."""
    start = RunStarted(0.0, RUN, HEADERS, journal=journal)
    worker.begin(start)
    worker.record(*A)
    end = RunEnded(5.0, "x", int(code))
    view, stream = Ear(), Ear()
    acts = [lambda _: None, lambda _: worker.record(*B[:2]), lambda _: worker.record(B[2], end)]
    watched = watch(worker, acts, view, stream)
    assert (watched.exit_code, watched.end) == (code, WatchEnd.ENDED)
    assert stream.events == [start, *A, *B, end]
    assert view.events == [start, *B, end]
    assert view.ended[0] == 1
    assert view.ticks == 3
    assert watched.report == fold(stream.events)


def test_a_run_that_has_ended_is_not_shown_again(worker: Worker) -> None:
    """Its end is all that there is to show, also while its process still writes reports."""
    worker.begin()
    worker.record(*A, *B, RunEnded(5.0, "succeeded", 0))
    for dead in (False, True):
        if dead:
            worker.die()
        view, stream = Ear(), Ear()
        watched = watch(worker, [], view, stream)
        assert (watched.exit_code, watched.end) == (ExitCode.OK, WatchEnd.ENDED)
        assert (len(stream.events), view.events) == (8, [])


@pytest.mark.parametrize("before", [(), A[:1], A[:2], A, (*A, *B)], ids=["nothing", "intent", "id", "one", "all"])
@pytest.mark.parametrize("later", [False, True], ids=["dead already", "dies"])
def test_a_run_whose_process_is_gone_is_no_success(worker: Worker, before: Sequence[Event], later: bool) -> None:
    """However far it was, even if all that it knew was good: nobody said that it had ended."""
    worker.begin()
    worker.record(*before, Warned(4.0, "x"))
    acts = [lambda _: worker.die()] if later else []
    if not later:
        worker.die()
    watched = watch(worker, acts, Ear(), Ear())
    assert (watched.exit_code, watched.end) == (ExitCode.UNDER_WAY, WatchEnd.CUT_OFF)
    assert watched.report.exit_code is None


@pytest.mark.parametrize("ended", [False, True], ids=["killed", "interrupted"])
@pytest.mark.parametrize("damaged", [False, True], ids=["whole", "damaged"])
def test_a_run_that_another_process_takes_up_is_followed_on(worker: Worker, ended: bool, damaged: bool) -> None:
    """Also where its journal had to be written anew, so that the events have other numbers."""
    worker.begin()
    view, stream = Ear(), Ear()
    last = (Interrupted(4.0, 2), RunEnded(4.0, "interrupted", 130)) if ended else ()

    def again(_: RunWatcher) -> None:
        worker.record(*A, *last)
        worker.die()
        if damaged:
            lines = worker.path.read_bytes().splitlines(keepends=True)
            worker.path.write_bytes(b"".join([*lines[:2], b"{\n", *lines[3:]]))
        worker.resume()

    acts = [again, lambda _: worker.record(*B, RunEnded(12.0, "succeeded", 0))]
    watched = watch(worker, acts, view, stream)
    assert (watched.exit_code, watched.end) == (ExitCode.OK, WatchEnd.ENDED)
    assert [event for event in stream.events if not isinstance(event, Warned)] == [
        START, *A, *last, RunResumed(9.0, 4712, "box"), *B, RunEnded(12.0, "succeeded", 0),
    ]  # fmt: skip
    assert view.events[-4:] == [*B, RunEnded(12.0, "succeeded", 0)]
    assert [job.outcome for job in watched.report.jobs] == [Outcome.SUCCEEDED] * 2


@pytest.mark.parametrize(("signal", "code"), [(2, ExitCode.SIGINT), (15, ExitCode.SIGTERM), (1, ExitCode.SIGTERM)])
def test_who_watches_can_leave(worker: Worker, signal: int, code: ExitCode) -> None:
    """The run goes on, and its record has nothing of it."""
    worker.begin()
    watched = watch(worker, [lambda watcher: watcher.interrupt(signal)], Ear(), Ear())
    assert (watched.exit_code, watched.end) == (code, WatchEnd.LEFT)
    assert worker.log.events(RUN) == [START]


def test_an_end_that_comes_with_the_signal_counts(worker: Worker) -> None:
    """Whoever interrupts a moment too late is told how the run ended."""
    worker.begin()

    def both(watcher: RunWatcher) -> None:
        worker.record(*A, *B, RunEnded(5.0, "failed", 1))
        watcher.interrupt(2)

    assert watch(worker, [both], Ear(), Ear()).exit_code is ExitCode.FAILED


def test_half_a_line_is_not_heard_until_it_is_whole(worker: Worker) -> None:
    """A write can be seen half done."""
    worker.begin()
    stream = Ear()
    line = event_line(1, journal_file.encode(A[0])).encode()

    def part(which: bytes) -> Callable[[RunWatcher], None]:
        def act(_: RunWatcher) -> None:
            assert stream.events == [START]
            with worker.path.open("ab") as file:
                file.write(which)

        return act

    def rest(_: RunWatcher) -> None:
        assert stream.events == [START, A[0]]
        worker.log.append(RUN, [*A, RunEnded(5.0, "failed", 1)])
        worker.die()

    assert watch(worker, [part(line[:9]), part(line[9:]), rest], Ear(), stream).exit_code is ExitCode.FAILED
    assert stream.events == [START, *A, RunEnded(5.0, "failed", 1)]


def test_what_only_one_file_of_the_record_has_is_heard(worker: Worker) -> None:
    """The journal could not be written any more: from then on all of the record is read, when it has changed."""
    worker.begin()
    view, stream = Ear(), Ear()

    def only_there(_: RunWatcher) -> None:
        worker.log.append(RUN, A)
        with worker.path.open("ab") as file:
            file.write(event_line(4, journal_file.encode(B[0])).encode())
        worker.log.append(RUN, B[:1])

    def more(_: RunWatcher) -> None:
        assert stream.events == [START, *A, B[0]]
        worker.log.append(RUN, [*B[1:], RunEnded(5.0, "succeeded", 0)])

    watched = watch(worker, [only_there, lambda _: None, more], view, stream)
    assert watched.exit_code is ExitCode.OK
    assert stream.events == [START, *A, *B, RunEnded(5.0, "succeeded", 0)]
    assert view.events == stream.events


def test_what_was_taken_back_is_not_shown_for_good(worker: Worker) -> None:
    """An intent whose write failed after it could be seen: the run says what became of it."""
    worker.begin()
    stream, size = Ear(), worker.path.stat().st_size

    def seen(_: RunWatcher) -> None:
        with worker.path.open("ab") as file:
            file.write(event_line(1, journal_file.encode(A[0])).encode())

    def taken_back(_: RunWatcher) -> None:
        assert stream.events[-1] == A[0]
        with worker.path.open("r+b") as file:
            file.truncate(size)
        worker.log.append(RUN, [Warned(4.0, "disk full"), RunEnded(5.0, "stateError", 74)])

    watched = watch(worker, [seen, taken_back], Ear(), stream)
    assert watched.exit_code is ExitCode.STATE
    assert watched.report.jobs[0].attempts == ()


def test_a_code_that_only_a_newer_aftrun_knows_is_no_success(worker: Worker) -> None:
    """It is said to be a bug, which is the nearest."""
    worker.begin()
    worker.record(RunEnded(5.0, "new", 99))
    assert watch(worker, [], Ear(), Ear()).exit_code is ExitCode.BUG


def test_a_run_that_is_not_on_record_yet_in_its_journal(worker: Worker) -> None:
    """Between the two first writes of a run only the state file knows of it."""
    worker.begin()
    worker.path.rename(worker.path.with_name("later"))
    stream = Ear()

    def written(_: RunWatcher) -> None:
        assert stream.events == [START]
        worker.path.with_name("later").rename(worker.path)
        worker.record(*A, *B, RunEnded(5.0, "succeeded", 0))

    assert watch(worker, [written], Ear(), stream).exit_code is ExitCode.OK
    assert len(stream.events) == 8
