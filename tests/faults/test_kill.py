"""aftrun is killed with SIGKILL, resumed, and the server's own ledger is asked what happened."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from aftrun.domain.model import Json
from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from tests.conftest import program, reach
from tests.effort import effort
from tests.faults.harness import KILLER, Tally, judge, manifest, random_round, read_report, scenario, start
from tests.waiting import HANG, until

ROUNDS = effort(quick=1, usual=2, full=3, long=200)
BOTH_SIDES = effort(quick=False, usual=False, full=True, long=True)
"""Kills before *and* after each write of the record, and not in turn."""
FIRST_SEED = int(os.environ.get("AFTRUN_TEST_SEED", "1"))


def test_killed_at_random_instants_and_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """40 jobs, eight at once: nothing runs twice, nothing is lost, no outcome is wrong. Seeds are printed."""
    tally = Tally()
    for seed in range(FIRST_SEED, FIRST_SEED + ROUNDS):
        random_round(seed, tmp_path / str(seed), 40, tally)
    with capsys.disabled():
        print(f"\n  random kills, seeds {FIRST_SEED}..{FIRST_SEED + ROUNDS - 1}: {tally.line()}")  # noqa: T201  # counts are part of the result
    assert tally.kills > 0
    assert (tally.duplicates, tally.lost, tally.wrong) == (0, 0, [])


def test_killed_at_every_boundary_of_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before and after each durable write of a small run, or in turn, until a run gets through."""
    tally = Tally()
    count = 5
    boundary = 0
    through = False
    while not through:
        boundary += 1
        for side in ("before", "after") if BOTH_SIDES else (("before", "after")[boundary % 2],):
            folder = tmp_path / f"{side}{boundary}"
            folder.mkdir()
            (folder / "m.yaml").write_text(manifest(count, extra="server: {poll: {min: 20ms}}"), encoding="utf-8")
            quick: dict[str, Json] = {"latency": "0s", "defaults": {"queue": "0s", "duration": "20ms"}}
            with Sandbox(parse(scenario(boundary, quick))) as server:
                arguments = ["apply", "m.yaml", "-j", "8", "--no-progress", "-o", "none", *reach(server)]
                process = start([*KILLER, side, str(boundary), *arguments], folder, server)
                process.communicate(timeout=HANG)
                killed = process.returncode == -signal.SIGKILL
                tally.kills += killed
                through = not killed
                recorded = (side, boundary) != ("before", 1)
                if killed and recorded:
                    resume = start([*program(), "resume", "--no-progress", "-o", "none"], folder, server)
                    _, error = resume.communicate(timeout=HANG)
                    assert resume.returncode in (1, 6), error.decode()
                elif killed:
                    assert server.ledger() == (), "nothing may be sent before the run is on record"
                    continue
                judge(read_report(folder), server, count, tally, f"{side} {boundary}")
        tally.rounds += 1
    with capsys.disabled():
        print(f"\n  every boundary: {boundary - 1} writes, {tally.line()}")  # noqa: T201  # counts are part of the result
    assert boundary > 8
    assert (tally.duplicates, tally.lost, tally.wrong) == (0, 0, [])


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """`resume` of a run that somebody works on names the process and the host, and sends nothing."""
    (tmp_path / "m.yaml").write_text("scriptName: slow\n", encoding="utf-8")
    with Sandbox(parse({"defaults": {"outcome": "stuck"}})) as server:
        first = start([*program(), "apply", "m.yaml", "-o", "none", *reach(server)], tmp_path, server)
        try:
            until(server.jobs, alive=lambda: first.poll() is None)
            second = start([*program(), "resume"], tmp_path, server)
            _, error = second.communicate(timeout=HANG)
            assert second.returncode == 75
            assert f"process {first.pid} on " in error.decode()
        finally:
            first.send_signal(signal.SIGINT)
            first.communicate(timeout=HANG)
        assert first.returncode == 130
        before = len(server.ledger())
        third = start([*program(), "resume"], tmp_path, server)
        until(lambda: len(server.ledger()) > before, alive=lambda: third.poll() is None)
        third.send_signal(signal.SIGTERM)
        third.communicate(timeout=HANG)
        assert third.returncode == 143, "the lock of a process that has gone is free"
        assert len([entry for entry in server.ledger() if entry.method == "POST"]) == 1
