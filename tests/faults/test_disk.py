"""The record on a disk that is full, fills up, or cannot be written; and the proof that it is written ahead."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from aftrun.domain.events import Accepted, SubmitIntended
from aftrun.domain.model import Json
from aftrun.run.store import folder as state_folder
from aftrun.run.store.record import Log
from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from tests.clocks import HandClock
from tests.conftest import Run, clean_environ, program, reach
from tests.faults.harness import manifest
from tests.waiting import HANG, until

Mount = Callable[..., Path]


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Mount]:
    """Mounts small disks; they are gone at the end of the test."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root on Linux")
    with ExitStack() as stack:

        def mount(size: str) -> Path:
            folder = tmp_path / f"disk{size}"
            folder.mkdir()
            made = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
            )
            if made.returncode:
                pytest.skip(f"this machine lets nobody mount: {made.stderr.decode().strip()}")
            stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=True)
            return folder

        yield mount


def fill(disk: Path) -> None:
    """Leave no room at all."""
    with contextlib.suppress(OSError), (disk / "fill").open("wb", buffering=0) as file:  # the error is the full disk
        while True:
            file.write(b"x" * 4096)


@contextmanager
def quick(**more: Json) -> Iterator[Sandbox]:
    """A server whose jobs take no time."""
    with Sandbox(parse({"defaults": {"queue": "0s", "duration": "20ms", **more}})) as server:
        yield server


def test_a_full_disk_is_74_and_nothing_is_sent(aftrun: Run, tmpfs: Mount, tmp_path: Path) -> None:
    """Full from the start: one sentence that says so, and the server hears nothing."""
    disk = tmpfs("64k")
    fill(disk)
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    with quick() as server:
        done = aftrun("apply", "m.yaml", "--state-dir", str(disk), server=server)
        assert done.code == 74
        assert "full" in done.err
        assert "Traceback" not in done.err
        assert server.ledger() == ()


def test_a_disk_that_fills_up_leaves_no_submission_unrecorded(aftrun: Run, tmpfs: Mount, tmp_path: Path) -> None:
    """Mid-run: nothing more is submitted, what runs is watched, exit 74, and every POST is on record.

    With room again, the run is resumed: what was never sent is sent, once.
    """
    disk = tmpfs("320k")
    (tmp_path / "m.yaml").write_text(manifest(300, needs=False), encoding="utf-8")
    with quick(message="m" * 300) as server:
        done = aftrun("apply", "m.yaml", "--state-dir", str(disk), "-o", "json", server=server)
        assert done.code == 74, done.err
        assert "full" in done.err
        posts = _sent(server)
        assert 0 < len(posts) < 300
        saved = tmp_path / "saved"
        saved.mkdir()
        for path in disk.glob("state.db*"):
            shutil.copy(path, saved)
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        environ = {"AFT_API_KEY": server.api_key}
        again = aftrun("resume", "--state-dir", str(disk), "-o", "json", env=environ)
        everything = _sent(server)
    outcomes = Counter(job["outcome"] for job in json.loads(again.out)["jobs"])
    assert len(everything) == len(set(everything)) == 300
    # An id that there was no room for cannot be followed.
    assert outcomes["succeeded"] + outcomes["unknown"] == 300
    assert outcomes["unknown"] <= 8, again.err
    state_folder.accept(saved)
    with Log(saved, create=False) as log:
        (row,) = log.runs()
        intended = {
            event.job.removeprefix("night/j") for event in log.events(row.id) if isinstance(event, SubmitIntended)
        }
    assert set(posts) <= intended


def _sent(server: Sandbox) -> list[str]:
    """The numbers of the jobs that were submitted."""
    return [entry.parsed["params"]["n"] for entry in server.ledger() if entry.method == "POST"]  # type: ignore[index,call-overload,misc]  # the manifest's own bodies


def test_a_read_only_folder_is_74_and_nothing_is_sent(aftrun: Run, tmpfs: Mount, tmp_path: Path) -> None:
    """One sentence with the path, before anything is sent."""
    disk = tmpfs("1m")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    with quick() as server:
        done = aftrun("apply", "m.yaml", "--state-dir", str(disk / "state"), server=server)
        assert done.code == 74
        assert str(disk) in done.err
        assert server.ledger() == ()


def test_the_intent_is_on_disk_before_the_connection_is_even_opened(tmp_path: Path) -> None:
    """`strace` sees the record's `fdatasync` before `connect`, and another before the status read."""
    strace = shutil.which("strace")
    if strace is None:
        assert not os.environ.get("CI"), "CI installs strace"
        pytest.skip("strace is not installed")
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    with quick() as server:
        trace = tmp_path / "trace"
        calls = "trace=fdatasync,fsync,connect,sendto,write"
        command = [strace, "-f", "-y", "-e", calls, "-o", str(trace), *program(), "apply", "m.yaml", *reach(server)]
        done = subprocess.run(
            command, cwd=tmp_path, env=clean_environ(AFT_API_KEY=server.api_key), capture_output=True, check=False
        )
        if b"ptrace" in done.stderr and not trace.read_text():
            pytest.skip("this machine lets nobody trace")
        assert done.returncode == 0, done.stderr.decode()
        port = server.url.rsplit(":", maxsplit=1)[1]
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    connects = [number for number, line in enumerate(lines) if re.search(rf"connect\(.*htons\({port}\)", line)]
    syncs = [number for number, line in enumerate(lines) if re.search(r"(fdatasync|fsync)\(\d+<.*state\.db-wal>", line)]
    sends = [number for number, line in enumerate(lines) if re.search(r"(sendto|write)\(\d+<(TCP|socket)", line)]
    assert connects
    before = [number for number in syncs if number < connects[0]]
    assert len(before) >= 2, "the run's start and the intent are two commits"
    requests = [number for number in sends if number > connects[0]]
    assert any(requests[0] < sync < requests[-1] for sync in syncs), "the id is on disk before the job is looked at"


def test_a_second_reader_finds_the_intent_when_the_request_arrives(tmp_path: Path) -> None:
    """At the moment the server answers, the committed record already holds the intent, and not yet the id."""
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    fault: dict[str, Json] = {"on": "submit", "kind": "slow", "delay": "1s", "strikes": "after"}
    slow: dict[str, Json] = {"queue": "0s", "duration": "10ms", "faults": [fault]}
    clock = HandClock()
    with Sandbox(parse({"defaults": slow}), clock=clock) as server:
        process = subprocess.Popen(
            [*program(), "apply", "m.yaml", "-q", *reach(server)],
            cwd=tmp_path,
            env=clean_environ(AFT_API_KEY=server.api_key),
            stdout=subprocess.DEVNULL,
        )
        until(server.jobs, alive=lambda: process.poll() is None)
        with Log(tmp_path / ".aftrun", create=False) as log:
            kinds = [type(event) for event in log.events(log.runs()[0].id)]
        clock.advance(2)
        process.communicate(timeout=HANG)
    assert SubmitIntended in kinds
    assert Accepted not in kinds
    assert process.returncode == 0
