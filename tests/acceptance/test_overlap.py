"""`overlap` and `unfinished` as people meet them: manifest, flags, variables, messages, the lines to paste."""

from __future__ import annotations

import json
import re
import shlex
import signal
from collections.abc import Callable

import pytest

import aftrun as library
from aftrun.errors import UnderWay
from aftrun.sandbox.server import Sandbox
from tests.acceptance.test_watch import Night, night  # noqa: F401  # a fixture
from tests.conftest import Run, reach
from tests.waiting import HANG, until


def posts(server: Sandbox) -> int:
    """Submissions that the server has had."""
    return sum(entry.method == "POST" for entry in server.ledger())


def test_a_run_beside_another_is_refused(night: Callable[..., Night], aftrun: Run) -> None:  # noqa: F811  # the fixture
    """75 with run, age, process and jobs; nothing is sent, nothing written; the line to paste follows that run."""
    one = night()
    done = aftrun("apply", "m.yaml", "--report-json", "r.json", "--no-exit-status", server=one.server)
    assert done.code == 75
    assert (done.out, posts(one.server)) == ("", 2)
    assert f"run {one.run} is under way since 2" in done.err
    assert f"process {one.process.pid} on " in done.err
    assert "has all 2 jobs asked for: night/a, night/b" in done.err
    assert not (one.folder / "r.json").exists()
    assert len(list((one.folder / ".aftrun" / "runs").iterdir())) == 1
    line = re.search(r"aftrun (watch [\w-]+)", done.err)
    assert line is not None
    watcher = one.watch(*shlex.split(line[1])[1:2])
    one.end()
    assert watcher.wait(HANG) == 0
    watcher.communicate()
    assert one.process.wait(HANG) == 0
    assert aftrun("apply", "m.yaml", "--timeout", "1s", server=one.server).code == 124, "nobody is in the way any more"


@pytest.mark.parametrize("way", ["flag", "variable", "manifest"])
def test_attached_it_ends_as_the_other_run(night: Callable[..., Night], way: str) -> None:  # noqa: F811  # the fixture
    """With its table, reports and code; what it says on the way is that run's."""
    one = night({"defaults": {"queue": "0s", "duration": "1h", "outcome": "failed"}})
    flags = ["--overlap", "attach"] if way == "flag" else []
    if way == "manifest":
        text = (one.folder / "m.yaml").read_text(encoding="utf-8").replace("parallel}", "parallel, overlap: attach}")
        (one.folder / "m.yaml").write_text(text, encoding="utf-8")
    if way == "variable":
        flags = ["--env-file", "none"]
        (one.folder / "none").touch()
    environ = {"AFTRUN_OVERLAP": "attach"} if way == "variable" else {}
    second = one.start("apply", "m.yaml", "--report-json", "r.json", *flags, *reach(one.server), **environ)
    assert second.stderr is not None
    said = iter(second.stderr.readline, b"")
    assert any(f"run {one.run}, begun ".encode() in line for line in said)
    one.end()
    out, _ = second.communicate(timeout=HANG)
    assert (second.returncode, one.process.wait(HANG)) == (1, 1)
    assert b"failed: 2 jobs" in out
    assert json.loads((one.folder / "r.json").read_text(encoding="utf-8"))["run"]["id"] == one.run
    assert posts(one.server) == 2


def test_attached_to_a_run_that_is_killed(night: Callable[..., Night]) -> None:  # noqa: F811  # the fixture
    """75, with the way on."""
    one = night()
    second = one.start("apply", "m.yaml", "--overlap", "attach", *reach(one.server))
    assert second.stderr is not None
    second.stderr.readline()
    one.process.kill()
    _, error = second.communicate(timeout=HANG)
    assert (second.returncode, f"aftrun resume {one.run}".encode() in error) == (75, True)


def test_waiting_and_leaving(night: Callable[..., Night]) -> None:  # noqa: F811  # the fixture
    """It says what it waits for; Ctrl-C ends it with nothing sent, the other run's end lets it begin."""
    one = night()
    waiting = [one.start("apply", "m.yaml", "--overlap", "wait", "-q", *reach(one.server)) for _ in range(2)]
    for each in waiting:
        assert each.stderr is not None
        assert f"waiting for run {one.run}, by process {one.process.pid} on ".encode() in each.stderr.readline()
    waiting[0].send_signal(signal.SIGINT)
    _, error = waiting[0].communicate(timeout=HANG)
    assert (waiting[0].returncode, b"nothing was sent" in error) == (130, True)
    assert posts(one.server) == 2
    one.end()
    until(lambda: len(one.server.jobs()) == 4, alive=lambda: waiting[1].poll() is None)
    one.end()
    assert waiting[1].wait(HANG) == 0
    waiting[1].communicate()


def test_allowed_it_runs_beside(night: Callable[..., Night]) -> None:  # noqa: F811  # the fixture
    """As every run did before there was a question."""
    one = night()
    second = one.start("apply", "m.yaml", "--overlap", "allow", *reach(one.server))
    until(lambda: len(one.server.jobs()) == 4, alive=lambda: second.poll() is None)
    one.end()
    assert second.wait(HANG) == 0
    second.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_after_a_run_that_was_cut_off(night: Callable[..., Night], aftrun: Run, number: int) -> None:  # noqa: F811  # the fixture
    """75 with its open jobs and the line to paste, as often as it is tried; `resume` brings it to its end."""
    one = night()
    one.process.send_signal(number)
    one.process.communicate(timeout=HANG)
    for _ in range(2):
        done = aftrun("apply", "m.yaml", server=one.server)
        assert (done.code, done.out, posts(one.server)) == (75, "", 2)
        assert "was cut off, and has jobs without an end" in done.err
        assert done.err.count("accepted as job") == 2
        assert f"aftrun resume {one.run}" in done.err
    second = one.start("apply", "m.yaml", "--unfinished", "resume", *reach(one.server))
    journal = one.folder / ".aftrun" / "runs" / one.run / "journal.ndjson"
    until(lambda: b"runResumed" in journal.read_bytes(), alive=lambda: second.poll() is None)
    one.end()
    out, _ = second.communicate(timeout=HANG)
    assert (second.returncode, posts(one.server)) == (0, 2)
    assert b"succeeded: 2 jobs" in out


def test_ignored_it_is_still_there(night: Callable[..., Night], aftrun: Run) -> None:  # noqa: F811  # the fixture
    """A new run begins; the old one stays open until somebody resumes it, or its jobs have ended."""
    one = night()
    one.process.kill()
    one.process.communicate(timeout=HANG)
    second = one.start("apply", "m.yaml", *reach(one.server), AFTRUN_UNFINISHED="ignore")
    until(lambda: len(one.server.jobs()) == 4, alive=lambda: second.poll() is None)
    one.end()
    second.communicate(timeout=HANG)
    assert second.returncode == 0
    assert len(json.loads(aftrun("history", "--format", "json").out)) == 2


def test_words_that_it_does_not_know(aftrun: Run) -> None:
    """A usage error, 2; not 75."""
    assert aftrun("apply", "m.yaml", "--overlap", "queue").code == 2
    assert aftrun("apply", "m.yaml", "--unfinished", "wait").code == 2


def test_a_sandbox_is_in_nobodys_way(night: Callable[..., Night], aftrun: Run) -> None:  # noqa: F811  # the fixture
    """And a run against one neither waits nor refuses."""
    one = night()
    assert aftrun("apply", "m.yaml", "--sandbox", "-o", "none").code == 0
    assert posts(one.server) == 2


def test_the_library_keeps_to_the_same_rules(night: Callable[..., Night], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811  # the fixture
    """An exception where nothing is sent; the other run's report where it is followed or resumed."""
    one = night()
    monkeypatch.chdir(one.folder)
    text = (one.folder / "m.yaml").read_text(encoding="utf-8")
    (one.folder / "l.yaml").write_text(
        f"server: {{url: '{one.server.url}', tls: {{fingerprint: '{one.server.fingerprint}'}}}}\n{text}",
        encoding="utf-8",
    )
    manifest = library.load("l.yaml")
    environ = {"AFT_API_KEY": one.server.api_key}
    with pytest.raises(UnderWay, match=f"run {one.run} is under way") as caught:
        library.apply(manifest, environ=environ)
    assert caught.value.exit_code == 75
    heard: list[object] = []

    def hear(event: object) -> None:
        heard.append(event)
        if len(heard) == 3:
            one.end()

    report = library.apply(manifest, environ=environ, overlap="attach", on_event=hear)
    assert (report.id, report.exit_code, posts(one.server)) == (one.run, 0, 2)
    assert one.process.wait(HANG) == 0
    with pytest.raises(library.errors.UsageError, match="refuse, wait, attach, allow"):
        library.apply(manifest, environ=environ, overlap="queue")


def test_the_library_resumes(night: Callable[..., Night], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811  # the fixture
    """A run that was cut off, begun by the command line."""
    one = night()
    one.process.kill()
    one.process.communicate(timeout=HANG)
    monkeypatch.chdir(one.folder)
    manifest, environ = library.load("m.yaml"), {"AFT_API_KEY": one.server.api_key}
    with pytest.raises(UnderWay, match="was cut off"):
        library.apply(manifest, environ=environ)
    assert posts(one.server) == 2

    def hear(event: object) -> None:
        if type(event).__name__ == "RunResumed":
            one.end()

    report = library.apply(manifest, environ=environ, unfinished="resume", on_event=hear)
    assert (report.id, report.exit_code, posts(one.server)) == (one.run, 0, 2)
