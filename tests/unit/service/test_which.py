"""Which run a command is about: every way to ask counts the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from aftrun.cli import complete
from aftrun.domain.errors import AftrunError, UnderWay, UsageError
from aftrun.domain.events import JobHeader, RunEnded, RunStarted, Source
from aftrun.domain.model import Json, RunOutcome
from aftrun.run.store import lock
from aftrun.run.store.folder import run_folder
from aftrun.run.store.lock import RunLock, held, holder
from aftrun.run.store.record import Log
from aftrun.service import which

HEADER = JobHeader("m/a", "a", "m", "https://s", "m.yaml", 1, 1)
NO_END = (RunOutcome.RUNNING, RunOutcome.STOPPED)


class Context:
    """As much of click's as a completer asks for."""

    def __init__(self, state_dir: Path) -> None:
        self.params = {"state_dir": state_dir}
        self.args: list[str] = []


@contextlib.contextmanager
def recorded(folder: Path, outcomes: Sequence[str]) -> Iterator[Log]:
    """A record of runs `r0`, `r1` …, each a minute after the last; `running` ones are held by this process."""
    with Log(folder) as log, contextlib.ExitStack() as stack:
        for number, outcome in enumerate(outcomes):
            run = f"r{number}"
            options: dict[str, Json] = {"sandbox": True} if outcome == "sandbox" else {}
            log.begin(RunStarted(60.0 * number, run, (HEADER,), (Source("m.yaml", "ab", "m"),)), [], [], options)
            if outcome not in (*NO_END, "sandbox"):
                log.append(run, [RunEnded(60.0 * number + 1, outcome, 1)])
            if outcome == RunOutcome.RUNNING:
                stack.enter_context(RunLock(run_folder(folder, run), 4711, "box"))
        yield log


@pytest.mark.parametrize("outcome", [*RunOutcome, "sandbox"])
def test_resume_takes_what_came_to_no_end(tmp_path: Path, outcome: str) -> None:
    """Bare `resume`, TAB and what `history` says agree on every outcome, with a run that succeeded after it."""
    with recorded(tmp_path, [outcome, "succeeded"]) as log:
        taken = which.to_resume(log, None).id == "r0"
        assert taken is (outcome in which.GOES_ON)
        offered = [word for word, _ in complete.open_runs(Context(tmp_path), "")]
        assert offered == (["r0"] if taken else [])
        shown = {row.id: row.outcome for row in which.runs(log)}["r0"]
        assert shown == ("stopped" if outcome == "sandbox" else outcome)


def test_bare_resume_takes_the_newest_and_never_one_that_is_alive(tmp_path: Path) -> None:
    """The faults of five commands that chose on their own: the living one, and the error that was passed over."""
    with recorded(tmp_path, ["interrupted", "stateError", "failed", "running"]) as log:
        assert which.to_resume(log, None).id == "r1"
        for choose in (which.to_resume, which.to_retry):
            with pytest.raises(UnderWay, match="r3 is under way: process 4711 on box") as caught:
                choose(log, "r3")
            assert caught.value.exit_code == 75
        with pytest.raises(UnderWay, match="r3"):
            which.to_retry(log, None)


def test_a_run_that_is_alive_alone_is_no_run_to_resume(tmp_path: Path) -> None:
    """Where nothing was cut off, the newest is the one that is meant; somebody works on it."""
    with recorded(tmp_path, ["succeeded", "running"]) as log, pytest.raises(UnderWay, match="process 4711 on box"):
        which.to_resume(log, None)
    with Log(tmp_path) as log:  # whoever held it is gone
        assert which.to_resume(log, None).id == "r1"
        with pytest.raises(UsageError, match="cut off") as caught:
            which.to_retry(log, None)
        assert caught.value.exit_code == 2


def test_an_ended_run_whose_process_still_holds_it_is_left_alone(tmp_path: Path) -> None:
    """Its end is on record, but its reports are being written."""
    with recorded(tmp_path, ["stopped", "interrupted"]) as log, RunLock(run_folder(tmp_path, "r1"), 1, "box"):
        assert which.to_resume(log, None).id == "r0"


@pytest.mark.parametrize("outcome", RunOutcome)
def test_tab_offers_to_retry_what_retry_takes(tmp_path: Path, outcome: RunOutcome) -> None:
    """And not what it refuses: what runs, what was cut off, what went well."""
    with recorded(tmp_path, [outcome]) as log:
        offered = [word for word, _ in complete.bad_runs(Context(tmp_path), "")]
        taken = True
        try:
            which.to_retry(log, None)
        except AftrunError:
            taken = False
        assert offered == (["r0"] if taken and outcome is not RunOutcome.SUCCEEDED else [])


def test_watch_takes_the_one_that_is_alive(tmp_path: Path) -> None:
    """Whatever else is on record; of several it does not choose, and a run that is named need not be alive."""
    with recorded(tmp_path, ["running", "failed", "stopped", "interrupted"]) as log:
        assert which.to_watch(log, None).id == "r0"
        assert [word for word, _ in complete.live_runs(Context(tmp_path), "")] == ["r0"]
        assert which.to_watch(log, "r1").id == "r1"
        assert which.to_watch(log, "r2").outcome == "stopped"
        with pytest.raises(UsageError, match="no run r9"):
            which.to_watch(log, "r9")
        with (
            RunLock(run_folder(tmp_path, "r2"), 1, "box"),
            pytest.raises(UsageError, match=r"2 runs are under way: r2 \(m\), r0 \(m\)") as caught,
        ):
            which.to_watch(log, None)
        assert "aftrun watch r2" in caught.value.hint
    with Log(tmp_path) as log, pytest.raises(UsageError, match="no run is under way"):
        which.to_watch(log, None)


def test_who_begins_work_is_not_kept_out_by_who_looks(tmp_path: Path) -> None:
    """`watch` looks at a lock a few times a second; a `resume` that comes at that instant has it all the same."""
    fcntl = pytest.importorskip("fcntl", reason="Windows has no shared locks")
    RunLock(tmp_path, 1, "box").release()
    with (tmp_path / "lock").open("rb") as other:
        fcntl.flock(other.fileno(), fcntl.LOCK_SH)
        looks: list[int] = []

        def done_at_last() -> None:
            looks.append(1)
            if len(looks) == 3:
                fcntl.flock(other.fileno(), fcntl.LOCK_UN)

        with pytest.MonkeyPatch.context() as patch:
            real = lock._try

            def counted(file: int) -> None:
                real(file)
                done_at_last()

            patch.setattr(lock, "_try", counted)
            RunLock(tmp_path, 2, "box").release()
    assert len(looks) == 3
    with RunLock(tmp_path, 3, "box"), pytest.raises(UnderWay, match="process 3 on box"):
        RunLock(tmp_path, 4, "box")


def test_where_there_is_no_shared_lock_whoever_looks_has_it(tmp_path: Path) -> None:
    """As on Windows: it is let go of by the one who looked, and taken by the next try, once."""
    tries: list[int] = []

    def only_lock(file: int) -> None:
        tries.append(file)
        if len(tries) == 1:
            raise BlockingIOError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock, "_lock", only_lock)
        patch.setattr(lock, "_try", only_lock)
        RunLock(tmp_path, 1, "box").release()
    assert len(tries) == 2


def test_filters_and_limits(tmp_path: Path) -> None:
    """Of a time, of a manifest, and at most so many; the newest first."""
    with recorded(tmp_path, ["failed"] * 3) as log:
        assert [row.id for row in which.runs(log)] == ["r2", "r1", "r0"]
        assert [row.id for row in which.runs(log, limit=1)] == ["r2"]
        assert [row.id for row in which.runs(log, since="1970-01-01T00:01:00.000Z")] == ["r2", "r1"]
        assert which.runs(log, manifest="other") == []
        with pytest.raises(UsageError, match="several"):
            which.find(which.runs(log), "r")


def test_two_that_look_are_not_in_each_others_way(tmp_path: Path) -> None:
    """A run that was killed is not `running` because somebody else looks at it at the same instant."""
    RunLock(tmp_path, 1, "box").release()
    fcntl = pytest.importorskip("fcntl", reason="Windows has no shared locks")
    with (tmp_path / "lock").open("rb") as other:
        fcntl.flock(other.fileno(), fcntl.LOCK_SH)
        assert not held(tmp_path)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"pid": 1}', b'{"pid": 1, "host": "\\u001b]52;c;x\\u0007\\n::"}'])
def test_a_lock_file_that_says_anything(tmp_path: Path, text: bytes) -> None:
    """It can come with a checkout: what it says is made safe, and what says nothing is still somebody."""
    with RunLock(tmp_path, 1, "box") as lock:
        lock.path.write_bytes(text)
        said = holder(tmp_path)
        assert said is not None
        assert said.isprintable()
