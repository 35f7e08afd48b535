"""Every fault of the sandbox, on submission and on status reads, alone and in pairs, in seeded rounds.

One round is one job that meets one or two faults. What the ledger says is held against what aftrun reported.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from tests.conftest import clean_environ, program, reach
from tests.effort import effort
from tests.faults.harness import read_report
from tests.waiting import HANG

ROUNDS = effort(quick=56, usual=112, long=2000)
FIRST_SEED = int(os.environ.get("AFTRUN_TEST_SEED", "1"))
BATCH = 56

Fault = dict[str, Any]


def submit_faults(elsewhere: str) -> list[Fault]:
    """Every kind on submission, before and after the effect where both are honest.

    429, and 503 with Retry-After, promise that nothing was done, so a server that sends them after the effect lies;
    no client could tell, and they stand here only before it.
    """
    both: list[Fault] = [
        {"kind": kind}
        for kind in ("reset", "close", "hang", "garbage", "html", "badJson", "noId", "truncate", "trickle")
    ]
    both += [{"kind": "status", "code": code} for code in (400, 408, 409, 422, 500, 502, 503, 504)]
    both += [{"kind": "huge", "size": 9}, {"kind": "gzipBomb", "size": 32}, {"kind": "echoKey"}]
    faults: list[Fault] = [{**fault, "strikes": strikes} for fault in both for strikes in ("before", "after")]
    faults += [
        {"kind": "status", "code": 429, "strikes": "before"},
        {"kind": "status", "code": 429, "retryAfter": 1, "strikes": "before"},
        {"kind": "status", "code": 503, "retryAfter": 1, "strikes": "before"},
        {"kind": "status", "code": 503, "retryAfter": {"date": "1s"}, "strikes": "before"},
        {"kind": "redirect", "to": elsewhere, "code": 302},
        {"kind": "redirect", "to": elsewhere, "code": 307},
        {"kind": "slow", "delay": "300ms", "strikes": "before"},
        {"kind": "slow", "delay": "300ms", "strikes": "after"},
        {"kind": "slow", "delay": "3s", "strikes": "after"},
    ]
    return [{"on": "submit", **fault} for fault in faults]


def status_faults(elsewhere: str) -> list[Fault]:
    """Every kind on status reads, once, a few times, and for ever."""
    kinds: list[Fault] = [
        {"kind": kind}
        for kind in ("reset", "close", "hang", "garbage", "html", "badJson", "noId", "truncate", "trickle", "notFound")
    ]
    kinds += [{"kind": "status", "code": code} for code in (401, 403, 408, 425, 429, 500, 502, 503)]
    kinds += [
        {"kind": "status", "code": 503, "retryAfter": 1},
        {"kind": "huge", "size": 9},
        {"kind": "gzipBomb", "size": 32},
    ]
    kinds += [
        {"kind": "redirect", "to": elsewhere, "code": 302},
        {"kind": "slow", "delay": "300ms"},
        {"kind": "echoKey"},
    ]
    times = (1, 2, "always")
    return [{"on": "status", **kind, "times": count} for kind in kinds for count in times]


def batch(seed: int, jobs: range, elsewhere: str) -> tuple[str, dict[str, Any]]:
    """A manifest and a scenario in which each job meets the faults that its number and the seed choose."""
    random = Random(seed)  # noqa: S311  # it only chooses faults
    submits, statuses = submit_faults(elsewhere), status_faults(elsewhere)
    lines = [
        "server: {readTimeout: 1s, connectTimeout: 2s, submitTimeout: 4s, poll: {min: 30ms, max: 500ms}}",
        "strategy: {order: parallel, maxParallel: 24, failFast: false}",
        "defaults: {timeout: 5s}",
        "jobs:",
    ]
    behaviours: list[dict[str, Any]] = []
    singles = submits + statuses
    for number in jobs:
        lines.append(f"  - {{name: j{number}, scriptName: s, params: {{n: '{number}'}}}}")
        faults = [singles[number % len(singles)]]
        if random.random() < 0.6:
            faults.append(random.choice(singles))
        behaviours.append(
            {
                "match": {"params": {"n": str(number)}},
                "outcome": random.choice(["succeeded", "failed"]),
                "queue": "0s",
                "duration": f"{random.randrange(10, 300)}ms",
                "faults": list(faults),
            }
        )
    return "\n".join(lines) + "\n", {"seed": seed, "behaviours": behaviours}


def test_no_fault_makes_a_duplicate_or_a_wrong_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the ledger calls failed is never told as succeeded, nor the other way round; nothing is created twice."""
    outcomes: Counter[str] = Counter()
    duplicates = 0
    wrong: list[str] = []
    with Sandbox() as other:
        for first in range(0, ROUNDS, BATCH):
            seed = FIRST_SEED + first
            folder = tmp_path / str(first)
            folder.mkdir()
            jobs = range(first, min(first + BATCH, ROUNDS))
            text, scenario = batch(seed, jobs, f"{other.url}/v1/jobs")
            (folder / "m.yaml").write_text(text, encoding="utf-8")
            with Sandbox(parse(scenario)) as server:
                command = [*program(), "apply", "m.yaml", "--no-progress", "-o", "none", *reach(server)]
                environ = clean_environ(AFT_API_KEY=server.api_key)
                done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, timeout=HANG, check=False)
                assert done.returncode in (1, 6), done.stderr.decode()
                created: dict[str, list[tuple[str, str]]] = {}
                for record in server.jobs():
                    number = record.body["params"]["n"]  # type: ignore[index,call-overload]  # the manifest's own bodies
                    created.setdefault(str(number), []).append((record.id, record.outcome.value))
            for job in read_report(folder)["jobs"]:
                outcomes[job["outcome"]] += 1
                made = created.get(job["name"][1:], [])
                duplicates += max(0, len(made) - 1)
                truth = made[0][1] if made else "never created"
                told = job["outcome"]
                fine = (
                    told == truth
                    or told in ("unknown", "timedOut")
                    or (told in ("rejected", "undelivered") and (not made or _lied(job, scenario)))
                )
                if not fine:
                    wrong.append(f"seed {seed}, {job['name']}: told {told}, but {truth}: {job['message']}")
        assert other.ledger() == (), "a redirect was followed"
    with capsys.disabled():
        counts = f"rounds={ROUNDS} duplicates={duplicates} wrong={len(wrong)} {dict(outcomes)}"
        print(f"\n  faults, seed {FIRST_SEED}: {counts}")  # noqa: T201  # counts are part of the result
    assert duplicates == 0
    assert wrong == []


def _lied(job: dict[str, Any], scenario: dict[str, Any]) -> bool:
    """Whether the server created the job and then answered 4xx, which says that it did not."""
    number = str(job["name"])[1:]
    for behaviour in scenario["behaviours"]:
        if behaviour["match"]["params"]["n"] != number:
            continue
        for fault in behaviour["faults"]:
            code = int(fault.get("code", 400 if fault["kind"] == "echoKey" else 0))
            if fault["on"] == "submit" and fault.get("strikes") == "after" and 400 <= code < 500:
                return True
    return False
