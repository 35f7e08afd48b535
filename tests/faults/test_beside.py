"""Several `apply` of one manifest: at the same instant, and after one that was killed. The server's ledger decides."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from aftrun.domain.model import Json
from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from tests.clocks import HandClock
from tests.conftest import clean_environ, program, reach
from tests.effort import effort
from tests.faults.harness import Tally, judge, manifest, read_report, scenario
from tests.waiting import HANG, until

ROUNDS = effort(quick=1, usual=1, long=100)
FIRST_SEED = int(os.environ.get("AFTRUN_TEST_SEED", "1"))
AT_ONCE = 8
JOBS = ("extract", "load", "tell")
MANIFEST = """\
name: night
server: {poll: {min: 20ms, max: 20ms}}
strategy: {order: parallel}
jobs: [{name: extract, scriptName: extract}, {name: load, scriptName: load}, {name: tell, scriptName: tell}]
"""
HOURS: dict[str, Json] = {"defaults": {"queue": "0s", "duration": "1h"}}


def start_all(folder: Path, server: Sandbox, *flags: str) -> list[subprocess.Popen[bytes]]:
    """Eight processes that apply one manifest, each with what it says in `NUMBER.err`."""
    (folder / "m.yaml").write_text(MANIFEST, encoding="utf-8")
    command = [*program(), "apply", "m.yaml", "-o", "none", *flags, *reach(server)]
    environ = clean_environ(AFT_API_KEY=server.api_key)
    processes = []
    for number in range(AT_ONCE):
        with (folder / f"{number}.err").open("wb") as file:
            processes.append(subprocess.Popen(command, cwd=folder, env=environ, stdout=file, stderr=file))
    return processes


def said(folder: Path, text: str) -> int:
    """How many of them have said something."""
    return sum(text in (folder / f"{number}.err").read_text(encoding="utf-8") for number in range(AT_ONCE))


def codes(processes: Sequence[subprocess.Popen[bytes]]) -> Counter[int]:
    """What they ended with."""
    return Counter(process.wait(HANG) for process in processes)


def posts(server: Sandbox) -> Counter[str]:
    """How often each job was submitted."""
    return Counter(str(entry.parsed["scriptName"]) for entry in server.ledger() if entry.method == "POST")  # type: ignore[index,call-overload]  # the manifest's own bodies


def runs(folder: Path) -> int:
    """How many there are on disk, begun or not."""
    return len(list((folder / ".aftrun" / "runs").iterdir()))


def refused(folder: Path) -> None:
    """One runs, seven say why they do not."""
    clock = HandClock()
    with Sandbox(parse(HOURS), clock=clock) as server:
        processes = start_all(folder, server)
        until(lambda: sum(process.poll() is not None for process in processes) == AT_ONCE - 1)
        until(lambda: len(server.jobs()) == len(JOBS))
        clock.advance(3600)
        assert codes(processes) == {0: 1, 75: AT_ONCE - 1}
        assert said(folder, "is under way since") == AT_ONCE - 1
        assert posts(server) == dict.fromkeys(JOBS, 1)
    assert runs(folder) == 1


def attached(folder: Path) -> None:
    """One runs, seven follow it, and all end with its code."""
    clock = HandClock()
    with Sandbox(parse(HOURS), clock=clock) as server:
        processes = start_all(folder, server, "--overlap", "attach")
        until(lambda: said(folder, "works on it") == AT_ONCE - 1)
        until(lambda: len(server.jobs()) == len(JOBS))
        clock.advance(3600)
        assert codes(processes) == {0: AT_ONCE}
        assert posts(server) == dict.fromkeys(JOBS, 1)
    assert runs(folder) == 1


def waited(folder: Path) -> None:
    """All run, one after another: no job is on the server twice at any time."""
    with Sandbox(parse({"defaults": {"queue": "0s", "duration": "30ms"}})) as server:
        assert codes(start_all(folder, server, "--overlap", "wait")) == {0: AT_ONCE}
        assert posts(server) == dict.fromkeys(JOBS, AT_ONCE)
        for script in JOBS:
            spans = sorted((job.created_at, job.ended_at) for job in server.jobs() if job.body["scriptName"] == script)
            ends = [end for _, end in spans]
            assert all(end is not None and end <= begun for end, (begun, _) in zip(ends, spans[1:], strict=False))
    assert runs(folder) == AT_ONCE


@pytest.mark.parametrize("story", [refused, attached, waited])
def test_eight_at_the_same_instant(tmp_path: Path, story: Callable[[Path], None]) -> None:
    """Whoever is first runs; the others do as they were told, whatever the machine makes of the order."""
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        story(folder)


def killed_and_applied_again(seed: int, folder: Path, tally: Tally) -> None:
    """One run, killed again and again while jobs of it are on the server; the same command after each kill."""
    random, clock, count = Random(seed), HandClock(), 10  # noqa: S311  # it only chooses when to kill
    folder.mkdir(parents=True)
    (folder / "m.yaml").write_text(manifest(count, extra="server: {poll: {min: 20ms, max: 20ms}}"), encoding="utf-8")
    slow: dict[str, Json] = {"latency": "0s", "defaults": {"queue": "0s", "duration": {"min": "10m", "max": "3h"}}}
    with Sandbox(parse(scenario(seed, slow)), clock=clock) as server:
        command = [*program(), "apply", "m.yaml", "-j", "3", "--no-progress", "-o", "none", *reach(server)]
        environ = clean_environ(AFT_API_KEY=server.api_key)

        def start(*flags: str) -> subprocess.Popen[bytes]:
            pipe = subprocess.DEVNULL
            return subprocess.Popen([*command, *flags], cwd=folder, env=environ, stdout=pipe, stderr=subprocess.PIPE)

        def resumed() -> int:
            journals = (folder / ".aftrun" / "runs").glob("*/journal.ndjson")
            return sum(
                text.count(word) for text in map(Path.read_bytes, journals) for word in (b"runStarted", b"runResumed")
            )

        flags: tuple[str, ...] = ()
        for left in reversed(range(4)):
            before = resumed()
            process = start(*flags)
            # Time passes when it has the run in hand: jobs that have all ended by then would leave nothing to resume.
            until(lambda before=before, process=process: resumed() > before or process.poll() is not None)  # type: ignore[misc]  # the defaults bind
            goal = len(server.ledger()) + random.randrange(1, 60)

            def later(process: subprocess.Popen[bytes] = process) -> bool:
                clock.advance(random.choice((0, 30, 300)))
                return process.poll() is not None

            if left:
                until(lambda goal=goal, later=later: later() or len(server.ledger()) >= goal)  # type: ignore[misc]  # the defaults bind
                until(
                    lambda process=process: (
                        process.poll() is not None  # type: ignore[misc]  # the same
                        or any(job.ended_at is None or job.ended_at > clock.now() for job in server.jobs())
                    )
                )
                process.kill()
            else:
                until(later)
            process.communicate(timeout=HANG)
            if process.returncode >= 0:
                break
            tally.kills += 1
            sent = sum(entry.method == "POST" for entry in server.ledger())
            again = start()
            _, error = again.communicate(timeout=HANG)
            assert again.returncode == 75, error.decode()
            assert b"was cut off" in error
            assert sum(entry.method == "POST" for entry in server.ledger()) == sent
            flags = ("--unfinished", "resume")
        assert process.returncode in (1, 6)
        judge(read_report(folder), server, count, tally, seed)
    tally.rounds += 1


def test_killed_and_applied_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """75 and nothing sent; with `--unfinished resume` it comes to its end: nothing twice, nothing lost."""
    tally = Tally()
    for seed in range(FIRST_SEED, FIRST_SEED + effort(quick=1, usual=1, full=2, long=100)):
        killed_and_applied_again(seed, tmp_path / str(seed), tally)
    with capsys.disabled():
        print(f"\n  killed and applied again: {tally.line()}")  # noqa: T201  # counts are part of the result
    assert tally.kills > 0
    assert (tally.duplicates, tally.lost, tally.wrong) == (0, 0, [])
