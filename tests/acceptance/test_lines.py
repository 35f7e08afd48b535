"""Lines that people are given to paste work as they stand, from where they were printed."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

from aftrun.sandbox.server import Sandbox
from tests.conftest import Done, Run

Start = Callable[..., Sandbox]

PLACE = ("--state-dir", "my runs")
LINES = re.compile(r"aftrun (?:resume|retry|show|watch|report|settle|learn|wait|status) [^`;()\n]+")
"""What is printed up to where people would stop copying."""


def lines(done: Done) -> list[list[str]]:
    """The lines about runs and jobs in what was printed, as a shell takes them."""
    return [shlex.split(line.strip().rstrip(".")) for line in LINES.findall(done.out + done.err)]


def test_lines_find_the_record_that_is_not_in_the_usual_place(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """After a failure, an end that nobody saw, a doubt of `once`, and questions that make no sense any more."""
    server = sandbox(
        {
            "defaults": {"queue": "0s", "duration": "0s"},
            "behaviours": [
                {"match": {"scriptName": "bad"}, "queue": "0s", "duration": "0s", "outcome": "failed"},
                {"match": {"scriptName": "lost"}, "faults": [{"on": "submit", "kind": "noId"}]},
            ],
        }
    )
    env = {"AFT_API_KEY": server.api_key}
    for name, jobs in {
        "good": "[{scriptName: fine}]",
        "bad": "[{scriptName: bad}]",
        "lost": "[{scriptName: lost, once: today}]",
    }.items():
        (tmp_path / f"{name}.yaml").write_text(f"version: 1\nname: {name}\njobs: {jobs}\n", encoding="utf-8")

    def told(*line: str, code: int, target: Sandbox | None = None) -> set[str]:
        """The commands of which lines were printed, each of which finds its run."""
        done = aftrun(*line, *PLACE, server=target, env=env)
        assert done.code == code, done.err
        found = lines(done)
        for words in found:
            assert words[-2:] == list(PLACE) or set(PLACE) <= set(words), words
            if words[1] in ("show", "report", "watch"):
                again = aftrun(*words[1:], env=env)
                assert "no run" not in again.err
                assert "no such run" not in again.err
        return {words[1] for words in found}

    told("apply", "good.yaml", code=0, target=server)
    assert told("resume", code=2) == {"show"}
    assert told("apply", "bad.yaml", code=1, target=server) == {"retry"}
    assert told("resume", code=2) == {"show", "retry"}
    assert told("apply", "lost.yaml", code=6, target=server) == {"retry"}
    assert told("apply", "lost.yaml", code=6, target=server) >= {"settle"}
    run = json.loads(aftrun("show", "--format", "json", *PLACE).out)["run"]["id"]
    assert told("settle", run, "nothing", "succeeded", code=2) == {"show"}
    assert told("settle", run, "lost", "failed", code=0) == {"retry"}
