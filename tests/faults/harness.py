"""What the fault tests share: manifests whose jobs can be told apart, and what the server's ledger must show."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from aftrun.domain.model import Json
from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from tests.conftest import clean_environ, program, reach
from tests.waiting import HANG, until

KILLER = (sys.executable, str(Path(__file__).with_name("killer.py")))


def manifest(count: int, *, needs: bool = True, extra: str = "") -> str:
    """`count` jobs; every fifth fails (its script says so), every fourth needs the one before it."""
    lines = ["name: night", "strategy: {order: parallel, maxParallel: 8, failFast: false}"]
    if extra:
        lines.append(extra)
    lines.append("jobs:")
    for number in range(count):
        script = "bad" if number % 5 == 4 else "good"
        need = f", needs: [j{number - 1}]" if needs and number % 4 == 3 else ""
        lines.append(f"  - {{name: j{number}, scriptName: {script}{need}, params: {{n: '{number}'}}}}")
    return "\n".join(lines) + "\n"


def scenario(seed: int, extra: Mapping[str, Json] | None = None) -> dict[str, Json]:
    """Jobs that take 20 to 120 ms on a server that takes 1 to 25 ms for each answer."""
    return {
        "seed": seed,
        "latency": {"min": "1ms", "max": "25ms"},
        "defaults": {"queue": "10ms", "duration": {"min": "20ms", "max": "120ms"}},
        "behaviours": [
            {"match": {"scriptName": "bad"}, "outcome": "failed", "duration": "30ms", "queue": "0s"},
        ],
        **(extra or {}),
    }


def expected(count: int, unknown: set[int], *, needs: bool = True) -> dict[str, str]:
    """The outcome of each job in an undisturbed run, but for those whose POST was under way when aftrun died."""
    result: dict[str, str] = {}
    for number in range(count):
        if number in unknown:
            outcome = "unknown"
        elif needs and number % 4 == 3 and result[f"j{number - 1}"] != "succeeded":
            outcome = "skipped"
        else:
            outcome = "failed" if number % 5 == 4 else "succeeded"
        result[f"j{number}"] = outcome
    return result


@dataclass
class Tally:
    """Counts over all rounds."""

    rounds: int = 0
    kills: int = 0
    unknown: int = 0
    duplicates: int = 0
    lost: int = 0
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """All counts on one line."""
        return (
            f"rounds={self.rounds} kills={self.kills} "
            f"unknown={self.unknown} duplicates={self.duplicates} lost={self.lost} wrong={len(self.wrong)}"
        )


def start(command: Sequence[str], folder: Path, server: Sandbox) -> subprocess.Popen[bytes]:
    """Begin a process whose output nobody reads."""
    environ = clean_environ(AFT_API_KEY=server.api_key)
    return subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def read_report(folder: Path) -> dict[str, Any]:
    """The run's report as it stands."""
    (path,) = (folder / ".aftrun" / "runs").glob("*/report.json")
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def judge(report: Mapping[str, Any], server: Sandbox, count: int, tally: Tally, seed: object) -> None:
    """Hold a final report against the server's ledger."""
    posts = Counter(entry.parsed["params"]["n"] for entry in server.ledger() if entry.method == "POST")  # type: ignore[index,call-overload]  # the manifest's own bodies
    tally.duplicates += sum(times - 1 for times in posts.values())
    jobs = {job["name"]: job for job in report["jobs"]}
    unknown = {int(name[1:]) for name, job in jobs.items() if job["outcome"] == "unknown"}
    tally.unknown += len(unknown)
    for record in server.jobs():
        number = record.body["params"]["n"]  # type: ignore[index,call-overload]  # the manifest's own bodies
        job = jobs[f"j{number}"]
        if job["jobId"] != record.id and job["outcome"] != "unknown":
            tally.lost += 1
    outcomes = {name: job["outcome"] for name, job in jobs.items()}
    wanted = expected(count, unknown)
    if outcomes != wanted:
        difference = {name: (outcomes.get(name), wanted[name]) for name in wanted if outcomes.get(name) != wanted[name]}
        tally.wrong.append(f"seed {seed}: (seen, wanted) {difference}")
    for number in unknown:
        if jobs[f"j{number}"]["jobId"] is not None:
            tally.wrong.append(f"seed {seed}: j{number} is unknown although its id was on record")


def random_round(seed: int, folder: Path, count: int, tally: Tally) -> None:
    """One run killed after random counts of requests and resumed, six times at most, and then until it is done.

    The count says about when; the very instant is up to the machine.
    """
    random = Random(seed)  # noqa: S311  # it only chooses when to kill
    folder.mkdir(parents=True)
    (folder / "m.yaml").write_text(manifest(count, extra="server: {poll: {min: 20ms}}"), encoding="utf-8")
    with Sandbox(parse(scenario(seed))) as server:
        command = [*program(), "apply", "m.yaml", "-j", "8", "--no-progress", "-o", "none", *reach(server)]
        resume = [*program(), "resume", "--no-progress", "-o", "none"]
        for left in reversed(range(7)):
            process = start(command, folder, server)
            if left:
                goal = len(server.ledger()) + random.randrange(60)
                until(lambda goal=goal, process=process: len(server.ledger()) >= goal or process.poll() is not None)  # type: ignore[misc]  # the defaults bind
                process.send_signal(signal.SIGKILL)
            process.communicate(timeout=HANG)
            if process.returncode != -signal.SIGKILL:
                break
            tally.kills += 1
            if (folder / ".aftrun" / "state.db").exists() and _recorded(folder):
                command = resume
        judge(read_report(folder), server, count, tally, seed)
    tally.rounds += 1


def _recorded(folder: Path) -> bool:
    """Whether the run made it into the record before the kill."""
    return any((folder / ".aftrun" / "runs").glob("*"))
