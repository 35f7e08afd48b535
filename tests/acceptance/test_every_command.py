"""Terminal escapes and commands of CI servers, in what a manifest and a server say, printed by every command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from aftrun.cli.main import COMMANDS
from aftrun.domain.model import Json
from aftrun.sandbox.server import Sandbox
from tests.conftest import Run

Start = Callable[..., Sandbox]
EVIL = (
    "\x1b]52;c;b3duZWQ=\x07\x1b[31m##vso[task.setvariable variable=x]y ##[error]z ##teamcity[x]\n"
    "::stop-commands::w\r::set-env name=A::b"
)
CI = {"CI": "1", "AFTRUN_CI": "none"}
NOT_FED = {
    "completion": "prints a script of typer's",
    "explain": "prints pages that ship with aftrun",
    "init": "writes a manifest that ships with aftrun",
    "schema": "prints schemas that ship with aftrun",
    "sandbox": "serves until it is stopped, and prints no job",
    "trust": "sees a certificate alone: see tests/acceptance/test_trust.py",
    "ui": "serves pages: see its own tests",
    "watch": "prints what apply prints: see its own tests",
    "learn": "prints words of jobs as status does",
    "settle": "prints names of jobs alone",
}


def acts(text: str) -> list[str]:
    """What a terminal or a CI server would act upon."""
    found = re.findall(r"[\x00-\x08\x0b-\x1f\x7f\x9b]", text)
    found += re.findall(r"(?m)^\s*::(?:stop-commands|set-env).*", text)
    found += re.findall(r"##(?:\[|vso\[|teamcity\[)", text)
    return found


@pytest.fixture
def night(sandbox: Start, aftrun: Run, tmp_path: Path) -> Sandbox:
    """A run on record whose manifest and whose server say all of it."""
    scenario: dict[str, Json] = {"defaults": {"queue": "0s", "duration": "10ms", "outcome": "failed", "message": EVIL}}
    server = sandbox(scenario)
    manifest = {
        "version": 1,
        "name": "##vso[task.x]night",
        "vars": {"v": EVIL},
        "jobs": [
            {"name": "##[error]a", "scriptName": f"x {EVIL}", "description": EVIL, "params": {EVIL: EVIL, "v": EVIL}},
            {"name": "##teamcity[b", "scriptName": "y", "needs": ["##[error]a"], "when": "always"},
        ],
    }
    (tmp_path / "m.json").write_text(json.dumps(manifest), encoding="utf-8")
    (tmp_path / "bad.json").write_text(json.dumps({**manifest, EVIL: EVIL, "strategy": EVIL}), encoding="utf-8")
    (tmp_path / "c.sh").write_text(f'curl -d \'{{"scriptName": "x"}}\' https://h:1/v1/jobs\n# {EVIL}\n')
    (tmp_path / ".aftrun-policy.yaml").write_text("version: 1\nscripts: ['*']\n# ##vso[x]\n")
    done = aftrun("apply", "m.json", server=server, env=CI)
    assert done.code == 1, done.err
    assert acts(done.out + done.err) == []
    return server


FED = [
    ["apply", "m.json", "--dry-run"],
    ["validate", "m.json"],
    ["validate", "bad.json"],
    ["validate", "bad.json", "--format", "json"],
    ["plan", "m.json"],
    ["plan", "m.json", "--format", "json"],
    ["start", "-n", f"x {EVIL}", "--param", f"a={EVIL}", "--dry-run"],
    ["status", "ID"],
    ["status", "ID", "--raw"],
    ["status", "ID", "-o", "json"],
    ["wait", "ID"],
    ["doctor", "m.json", "--job", "ID"],
    ["retry"],
    ["resume"],
    ["history"],
    ["history", "--format", "json"],
    ["show"],
    ["show", "--format", "json"],
    ["report"],
    ["import", "c.sh"],
    ["policy", "show"],
]


def test_every_command_is_fed_or_says_why_not() -> None:
    """A new one cannot be forgotten."""
    assert {each[0] for each in FED} | set(NOT_FED) >= set(COMMANDS)


def test_nothing_acts(night: Sandbox, aftrun: Run) -> None:
    """Whichever command prints it, to either stream."""
    job = str(night.jobs()[0].id)
    needs_server = {"status", "wait", "doctor"}
    found = {}
    for command in FED:
        words = [job if each == "ID" else each for each in command]
        server = night if command[0] in needs_server else None
        done = aftrun(*words, server=server, env={**CI, "AFT_API_KEY": night.api_key})
        assert done.code != 70, done.err
        if bad := acts(done.out + done.err):
            found[" ".join(command)] = bad
    assert found == {}
