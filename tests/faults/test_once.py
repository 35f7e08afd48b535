"""The same `apply` again and again: killed at random instants, or eight at once; the ledger of the server judges."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from aftrun.domain.model import Json
from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from tests.clocks import HandClock
from tests.conftest import program, reach
from tests.effort import effort
from tests.faults.harness import KILLER, start
from tests.waiting import HANG, until

ROUNDS = effort(quick=1, usual=2, full=4, long=500)
RACES = effort(quick=1, usual=1, full=3, long=100)
FIRST_SEED = int(os.environ.get("AFTRUN_TEST_SEED", "1"))

JOBS = ("a", "b", "c", "d[1]", "d[2]", "e", "f", "g", "h", "i")
"""Needs, a matrix, a retry of one that fails at first, and one that is not waited for."""

SCENARIO: dict[str, Any] = {
    "latency": {"min": "1ms", "max": "15ms"},
    "defaults": {"queue": "5ms", "duration": {"min": "5ms", "max": "60ms"}},
    "behaviours": [{"match": {"params": {"n": "f"}}, "flaky": {"failFirst": 1}}],
}


def manifest(order: str) -> str:
    """Ten jobs, of which each shall succeed once."""
    return f"""
name: night
strategy: {{order: {order}, maxParallel: 5, failFast: false}}
server: {{poll: {{min: 10ms}}}}
defaults: {{once: "2026-01-02"}}
jobs:
  - {{name: a, scriptName: a, params: {{n: a}}}}
  - {{name: b, scriptName: b, params: {{n: b}}, needs: [a]}}
  - {{name: c, scriptName: c, params: {{n: c, id: "${{{{ jobs.a.id }}}}"}}, needs: [a]}}
  - {{name: d, scriptName: d, matrix: {{x: [1, 2]}}, params: {{n: "d[${{{{ matrix.x }}}}]"}}, needs: [b]}}
  - {{name: e, scriptName: e, params: {{n: e}}, needs: [d]}}
  - {{name: f, scriptName: f, params: {{n: f}}, retry: {{limit: 2, backoff: {{duration: 10ms}}}}}}
  - {{name: g, scriptName: g, params: {{n: g}}, needs: [f]}}
  - {{name: h, scriptName: h, params: {{n: h}}, concurrency: k, correlation: trace}}
  - {{name: i, scriptName: i, params: {{n: i}}, concurrency: k}}
"""


@dataclass
class Tally:
    """Counts over all rounds."""

    rounds: int = 0
    starts: int = 0
    kills: int = 0
    doubts: int = 0
    twice: int = 0
    lost: int = 0
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """All counts on one line."""
        return (
            f"rounds={self.rounds} starts={self.starts} kills={self.kills} in doubt={self.doubts} "
            f"twice={self.twice} lost={self.lost} wrong={len(self.wrong)}"
        )


def reports(folder: Path) -> list[dict[str, Any]]:
    """The reports of all runs, in the order in which they began."""
    found = [json.loads(path.read_bytes()) for path in (folder / ".aftrun" / "runs").glob("*/report.json")]
    return sorted(found, key=lambda each: str(each["run"]["startedAt"]))


def names(server: Sandbox, *, outcome: str | None = None) -> list[str]:
    """Which jobs the server made, and, with `outcome`, ended so."""
    found = [job for job in server.jobs() if outcome is None or job.outcome == outcome]
    return [str(job.body["params"]["n"]) for job in found]  # type: ignore[index,call-overload]  # the manifest's own bodies


def settle(folder: Path, server: Sandbox, report: dict[str, Any], tally: Tally) -> None:
    """Find out on the server what became of each job in doubt, and say so."""
    for job in report["jobs"]:
        if job["outcome"] != "unknown":
            continue
        tally.doubts += 1
        made = [each for each in server.jobs() if each.body["params"]["n"] == job["name"]]  # type: ignore[index,call-overload]  # the same
        word = "succeeded" if any(each.outcome == "succeeded" for each in made) else "failed"
        line = ["settle", report["run"]["id"], job["name"], word, "--note", "seen on the server"]
        line += ["--job-id", made[-1].id] if made and word == "succeeded" else []
        process = start([*program(), *line], folder, server)
        _, error = process.communicate(timeout=HANG)
        assert process.returncode == 0, error.decode()


def converge(seed: int, folder: Path, tally: Tally) -> None:
    """Kill `apply` some times, then start it until it ends well; settle what is in doubt."""
    random = Random(seed)  # noqa: S311  # it only chooses when to kill
    folder.mkdir(parents=True)
    (folder / "m.yaml").write_text(manifest(random.choice(["sequential", "parallel"])), encoding="utf-8")
    with Sandbox(parse({**SCENARIO, "seed": seed})) as server:
        arguments = ["apply", "m.yaml", "--no-progress", "-o", "none", *reach(server)]
        code = -1
        for left in reversed(range(8)):
            kill = random.choice(["ledger", "before", "after"]) if left > 3 else ""
            command = [*program(), *arguments]
            if kill in ("before", "after"):
                command = [*KILLER, kill, str(random.randrange(1, 25)), *arguments]
            process = start(command, folder, server)
            tally.starts += 1
            if kill == "ledger":
                goal = len(server.ledger()) + random.randrange(40)
                until(lambda goal=goal, process=process: len(server.ledger()) >= goal or process.poll() is not None)  # type: ignore[misc]  # bound
                process.send_signal(signal.SIGKILL)
            _, error = process.communicate(timeout=HANG)
            code = process.returncode
            tally.kills += code == -signal.SIGKILL
            if code == 0:
                break
            if code == 6:
                settle(folder, server, reports(folder)[-1], tally)
            elif code != -signal.SIGKILL:
                tally.wrong.append(f"seed {seed}: exit {code}: {error.decode()[-300:]}")
                break
        else:
            tally.wrong.append(f"seed {seed}: it never ended well, the last time with {code}")
        judge(seed, folder, server, tally)
    tally.rounds += 1


def judge(seed: int, folder: Path, server: Sandbox, tally: Tally) -> None:
    """Hold the last report against what the server has done."""
    good = Counter(names(server, outcome="succeeded"))
    tally.twice += sum(times - 1 for times in good.values())
    tally.lost += len(set(JOBS) - good.keys())
    made = Counter(names(server))
    spare = {name: times for name, times in made.items() if times > (2 if name == "f" else 1)}
    if spare:
        tally.wrong.append(f"seed {seed}: made more often than needed: {spare}")
    last = reports(folder)[-1]
    ids = {str(job.body["params"]["n"]): job.id for job in server.jobs() if job.outcome == "succeeded"}  # type: ignore[index,call-overload]  # the same
    for job in last["jobs"]:
        if job["outcome"] not in ("succeeded", "upToDate"):
            tally.wrong.append(f"seed {seed}: {job['name']} is {job['outcome']} in the last report")
        elif job["jobId"] not in (ids.get(job["name"]), None):
            tally.wrong.append(f"seed {seed}: {job['name']} has the id {job['jobId']}")


def test_killed_and_started_again_until_all_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing but the same line again: each job succeeds once, and none is left out. Seeds are printed."""
    tally = Tally()
    for seed in range(FIRST_SEED, FIRST_SEED + ROUNDS):
        converge(seed, tmp_path / str(seed), tally)
    with capsys.disabled():
        print(f"\n  once, seeds {FIRST_SEED}..{FIRST_SEED + ROUNDS - 1}: {tally.line()}")  # noqa: T201  # counts are part of the result
    assert (tally.twice, tally.lost, tally.wrong) == (0, 0, [])
    assert tally.kills > 0


def race(folder: Path, server: Sandbox, count: int) -> Sequence[int]:
    """Start the same manifest many times at once; returns the exit codes."""
    folder.mkdir(parents=True)
    (folder / "m.yaml").write_text(manifest("parallel"), encoding="utf-8")
    arguments = ["apply", "m.yaml", "--no-progress", "-o", "none", *reach(server)]
    processes = [start([*program(), *arguments], folder, server) for _ in range(count)]
    codes = []
    for process in processes:
        _, error = process.communicate(timeout=HANG)
        codes.append(process.returncode)
        assert process.returncode == 0, error.decode()
    return codes


def test_eight_processes_at_once(tmp_path: Path) -> None:
    """One POST a job, whoever is first with which; all end well, and with the same ids."""
    for number in range(RACES):
        folder = tmp_path / str(number)
        with Sandbox(parse({**SCENARIO, "seed": number})) as server:
            assert race(folder, server, 8) == [0] * 8
            posts = Counter(names(server))
            assert posts == Counter({name: 2 if name == "f" else 1 for name in JOBS})
            assert Counter(names(server, outcome="succeeded")) == Counter(JOBS)
            seen = [{job["name"]: job["jobId"] for job in report["jobs"]} for report in reports(folder)]
            assert len(seen) == 8
            assert all(each == seen[0] for each in seen)


def test_an_older_record_that_is_put_back_in_the_middle(tmp_path: Path) -> None:
    """What others did meanwhile is not in it: the run sends nothing more, and the next one finds all of it again."""
    behaviours: list[Json] = [{"match": {"scriptName": "b"}, "duration": "3h"}]
    state, backup = tmp_path / ".aftrun" / "state.db", tmp_path / "backup.db"
    head = "name: m\ndefaults: {once: k}\nserver: {poll: {min: 10ms, max: 10ms}}\njobs:\n"
    jobs = {each: f"  - {{name: {each}, scriptName: {each}, params: {{n: {each}}}}}\n" for each in "abc"}
    (tmp_path / "m.yaml").write_text(head + "".join(jobs.values()), encoding="utf-8")
    (tmp_path / "c.yaml").write_text(head + jobs["c"], encoding="utf-8")
    scenario: dict[str, Json] = {"defaults": {"queue": "0s", "duration": "1h"}, "behaviours": behaviours}
    clock = HandClock()
    with Sandbox(parse(scenario), clock=clock) as server:

        def apply(path: str) -> subprocess.Popen[bytes]:
            arguments = ["apply", path, "--overlap", "allow", "--no-progress", "-o", "none", *reach(server)]
            return start([*program(), *arguments], tmp_path, server)

        def until_sent(job: str, process: subprocess.Popen[bytes]) -> None:
            until(lambda: job in names(server), alive=lambda: process.poll() is None)

        long = apply("m.yaml")
        until_sent("a", long)
        copied(state, backup)
        clock.advance(3600)
        until_sent("b", long)
        short = apply("c.yaml")
        until_sent("c", short)
        clock.advance(3600)
        short.communicate(timeout=HANG)
        assert short.returncode == 0
        copied(backup, state)
        clock.advance(3 * 3600)
        _, error = long.communicate(timeout=HANG)
        assert long.returncode == 74, error.decode()
        assert b"an older copy is in its place" in error
        assert names(server) == ["a", "b", "c"]
        again = apply("m.yaml")
        _, error = again.communicate(timeout=HANG)
        assert again.returncode == 0, error.decode()
        assert names(server) == ["a", "b", "c"]


def copied(source: Path, target: Path) -> None:
    """Copy a state file as SQLite itself does it, also over one that is in use."""
    with contextlib.closing(sqlite3.connect(source)) as one, contextlib.closing(sqlite3.connect(target)) as two:
        one.backup(two)
