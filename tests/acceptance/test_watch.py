"""`aftrun watch`: one process carries a run out, another follows it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from aftrun.sandbox.server import Sandbox
from tests.clocks import HandClock
from tests.conftest import Run, clean_environ, program, reach
from tests.waiting import HANG, until

MANIFEST = (
    "name: night\nstrategy: {order: parallel}\njobs:\n  - {name: a, scriptName: a}\n  - {name: b, scriptName: b}\n"
)
SLOW = {"defaults": {"queue": "0s", "duration": "1h"}}


class Night:
    """A run of two jobs that take an hour by the server's clock."""

    def __init__(self, folder: Path, server: Sandbox, clock: HandClock) -> None:
        self.folder, self.server, self._clock = folder, server, clock
        (folder / "m.yaml").write_text(MANIFEST, encoding="utf-8")
        self.process = self.start("apply", "m.yaml", "-q", "-o", "none", *reach(server))
        until(self._accepted, alive=lambda: self.process.poll() is None)

    def _accepted(self) -> bool:
        """Whether both ids are on record."""
        return self.journal().count(b'"type":"accepted"') == 2

    def journal(self) -> bytes:
        """What is in it."""
        return b"".join(path.read_bytes() for path in (self.folder / ".aftrun" / "runs").glob("*/journal.ndjson"))

    @property
    def run(self) -> str:
        """The run's id."""
        return next((self.folder / ".aftrun" / "runs").iterdir()).name

    def start(self, *arguments: str, **extra: str) -> subprocess.Popen[bytes]:
        """Begin a process, with these variables besides."""
        environ = clean_environ(AFT_API_KEY=self.server.api_key, **extra)
        pipe = subprocess.PIPE
        return subprocess.Popen([*program(), *arguments], cwd=self.folder, env=environ, stdout=pipe, stderr=pipe)

    def watch(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Begin to watch, and come back when it watches."""
        watcher = self.start("watch", "--events", "events.ndjson", *arguments)
        events = self.folder / "events.ndjson"
        until(lambda: events.exists() and b"runStarted" in events.read_bytes(), alive=lambda: watcher.poll() is None)
        return watcher

    def end(self) -> None:
        """The hour passes."""
        self._clock.advance(3600)


@contextmanager
def finished(process: subprocess.Popen[bytes]) -> Iterator[tuple[int, str, str]]:
    """Its exit code, and what it said."""
    out, err = process.communicate(timeout=HANG)
    yield process.returncode, out.decode(), err.decode()


@pytest.fixture
def night(tmp_path: Path, sandbox: Callable[..., Sandbox]) -> Iterator[Callable[..., Night]]:
    """Starts one; what is left of it is killed."""
    with ExitStack() as stack:

        def start(scenario: dict[str, object] | None = None) -> Night:
            clock = HandClock()
            found = Night(tmp_path, sandbox(SLOW if scenario is None else scenario, clock=clock), clock)
            stack.callback(found.process.communicate)
            stack.callback(found.process.kill)
            return found

        yield start


def test_it_follows_a_run_to_its_end(night: Callable[..., Night]) -> None:
    """Table, events and exit code as those of the run's own process; nothing is asked of the server."""
    one = night()
    watcher = one.watch()
    requests = [entry.method for entry in one.server.ledger()]
    assert requests.count("POST") == 2
    one.end()
    with finished(watcher) as (code, out, err):
        assert code == 0
        assert "succeeded: 2 jobs" in out
        assert f"run {one.run}, begun " in err
        assert f"process {one.process.pid} on " in err
        assert "ok a: succeeded" in err
    one.process.communicate(timeout=HANG)
    assert [entry.method for entry in one.server.ledger()].count("POST") == 2
    events = [json.loads(line) for line in (one.folder / "events.ndjson").read_text(encoding="ascii").splitlines()]
    assert [events[0]["type"], events[1]["type"], events[-1]["type"]] == ["stream", "runStarted", "runEnded"]


def test_it_ends_with_the_code_of_the_run(night: Callable[..., Night], aftrun: Run) -> None:
    """A failure is a failure, live and afterwards, in every form, and in reports."""
    one = night({"defaults": {"queue": "0s", "duration": "1h", "outcome": "failed"}})
    watcher = one.watch("-o", "json", "--report-junit", "junit.xml", "-q")
    one.end()
    with finished(watcher) as (code, out, _):
        assert code == 1
        assert json.loads(out)["run"]["exitCode"] == 1
    one.process.communicate(timeout=HANG)
    assert (one.folder / "junit.xml").read_text(encoding="utf-8").count("<failure") == 2
    again = aftrun("watch", one.run[:12])
    assert (again.code, "failed: 2 jobs" in again.out) == (1, True)
    assert aftrun("watch", one.run, "-o", "none", "--no-exit-status").code == 0


def test_leaving_it_leaves_the_run_alone(night: Callable[..., Night]) -> None:
    """Ctrl-C on the one who watches: 130, and the run does not notice."""
    one = night()
    watcher = one.watch()
    watcher.send_signal(signal.SIGINT)
    with finished(watcher) as (code, out, err):
        assert (code, out) == (130, "")
        assert f"the run goes on; watch it again with: aftrun watch {one.run}" in err
    assert one.process.poll() is None
    one.end()
    one.process.communicate(timeout=HANG)
    assert one.process.returncode == 0


def test_a_run_whose_process_is_killed(night: Callable[..., Night], aftrun: Run) -> None:
    """It is said, with the way on; 75, which no flag makes a success of."""
    one = night()
    watcher = one.watch()
    one.process.kill()
    with finished(watcher) as (code, out, err):
        assert (code, "stopped: 2 jobs" in out) == (75, True)
        assert "was cut off" in err
        assert f"resume it with: aftrun resume {one.run}" in err
    one.process.communicate(timeout=HANG)
    later = aftrun("watch", one.run, "--no-exit-status", "-o", "none")
    assert (later.code, "was cut off" in later.err) == (75, True)
    nothing = aftrun("watch")
    assert (nothing.code, "no run is under way" in nothing.err) == (2, True)
    assert aftrun("watch", "nosuchrun").code == 2


def test_a_run_that_is_interrupted_while_it_is_watched(night: Callable[..., Night]) -> None:
    """130 as the run itself, with the line that goes on with it."""
    one = night()
    watcher = one.watch()
    one.process.send_signal(signal.SIGINT)
    with finished(watcher) as (code, _, err):
        assert code == 130
        assert f"resume it with: aftrun resume {one.run}" in err


def test_a_run_that_is_resumed_beside_the_one_who_watches(night: Callable[..., Night]) -> None:
    """A watcher that was stopped itself (a laptop asleep) while the run changed hands notices nothing but that."""
    one = night()
    watcher = one.watch()
    os.kill(watcher.pid, signal.SIGSTOP)
    one.process.kill()
    one.process.communicate(timeout=HANG)
    second = one.start("resume", "-q", "-o", "none")
    journal = one.folder / ".aftrun" / "runs" / one.run / "journal.ndjson"
    until(lambda: b"runResumed" in journal.read_bytes(), alive=lambda: second.poll() is None)
    os.kill(watcher.pid, signal.SIGCONT)
    one.end()
    with finished(watcher) as (code, out, _):
        assert (code, "succeeded: 2 jobs" in out) == (0, True)
    assert second.communicate(timeout=HANG) is not None
    assert second.returncode == 0


def test_a_report_is_not_written_over_a_folder(night: Callable[..., Night], aftrun: Run) -> None:
    """It is said before anybody waits for hours."""
    one = night()
    done = aftrun("watch", one.run, "--report-json", ".aftrun")
    assert (done.code, "is a folder" in done.err) == (2, True)


def test_words_that_were_learned_since_the_run_began(night: Callable[..., Night]) -> None:
    """They tell how it stands where the run itself does not know: it goes by its own words, and so does its code."""
    one = night({"defaults": {"queue": "0s", "duration": "1h", "dialect": "unlisted"}})
    (one.folder / "words.yaml").write_text("jobInfo: {states: {running: [Percolating]}}\n", encoding="utf-8")
    until(lambda: one.journal().count(b"Percolating") >= 2)
    watcher = one.watch("--job-info-from", "words.yaml")
    one.process.kill()
    with finished(watcher) as (code, _, err):
        assert code == 75
        assert "night/a: by words.yaml, 'Percolating' reads as running" in err
        assert f"aftrun resume {one.run} --job-info-from words.yaml" in err
    wrong = one.start("watch", one.run, "--job-info-from", "nowhere.yaml")
    wrong.communicate(timeout=HANG)
    assert wrong.returncode == 2
