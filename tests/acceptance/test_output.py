"""Nothing that a manifest, a server, the record or a command line holds acts on a terminal or a CI server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from aftrun.report.registry import FORMATS
from aftrun.sandbox.server import Sandbox
from tests.conftest import Done, Run
from tests.effort import alike

Start = Callable[..., Sandbox]

SERVERS = {
    "none": {},
    "github": {"GITHUB_ACTIONS": "true"},
    "gitlab": {"GITLAB_CI": "true"},
    "azure": {"TF_BUILD": "True"},
    "teamcity": {"TEAMCITY_VERSION": "2026.1"},
}
"""The variable by which each says that it is there."""

EVIL = (
    "##vso[task.setvariable variable=evil]x",
    "x\n::set-output name=evil::y",
    "::stop-commands::evil",
    "##[evil]x",
    "##teamcity[evil x='y']",
    "\x1b]52;c;ZXZpbA==\x07\x1b[2Jx",
    "\x9b2J\u202eevil\u2066",
    "#\x1b[0m#vso[task.setvariable variable=evil]x",
)
ACTS = re.compile(
    r"^\s*::(?:set-output|stop-commands)|##(?:vso\[task\.setvariable variable=evil|\[evil|teamcity\[evil)",
    re.MULTILINE | re.IGNORECASE,
)
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2060-\u206f]")
SECTION = re.compile("\x1b\\[0Ksection_(?:start|end):[0-9]+:[a-z_]+(?:\\[collapsed=true\\])?\r\x1b\\[0K")
"""What GitLab wants around progress: aftrun's own."""


def harmless(done: Done) -> Done:
    """The finished process, of which nothing acts."""
    for text in (done.out, done.err):
        shown = SECTION.sub("", text)
        assert not ACTS.search(shown), ACTS.findall(shown)
        assert not ACTING.search(shown), [ascii(each) for each in shown.splitlines() if ACTING.search(each)]
    return done


def manifest(folder: Path) -> None:
    """Jobs whose every text is hostile; they need each other, fail, and one is skipped."""
    jobs = [
        {
            "name": evil if evil.isprintable() else f"job {number}",  # validate refuses other names
            "description": evil,
            "tags": [evil],
            "scriptName": evil,
            "params": {"x": evil, f"k{number}": f"a {evil}"},
            "expect": [f"status == '{number}'"] if number % 2 else [],
        }
        for number, evil in enumerate(EVIL)
    ]
    jobs.append({"name": "last", "scriptName": "x", "needs": [EVIL[0]]})
    document = {"version": 1, "name": EVIL[0], "strategy": {"failFast": False}, "jobs": jobs}
    (folder / "m.json").write_text(json.dumps(document), encoding="utf-8")


def scenario() -> dict[str, object]:
    """A server whose every text is hostile."""
    return {
        "defaults": {"queue": "0s", "duration": "0s", "outcome": "failed", "message": "\n".join(EVIL)},
        "behaviours": [{"match": {"scriptName": "x"}, "queue": "0s", "duration": "0s", "outcome": "succeeded"}],
    }


@pytest.mark.parametrize("ci", alike(SERVERS, every=3))
def test_runs_and_their_record(aftrun: Run, sandbox: Start, tmp_path: Path, ci: str) -> None:
    """Progress, tables, events and reports on standard output, and what is shown of the run afterwards."""
    manifest(tmp_path)
    server = sandbox(scenario())
    env = {**SERVERS[ci], "AFT_API_KEY": server.api_key}
    done = harmless(aftrun("apply", "m.json", "-v", "-j", "4", server=server, env=env))
    assert done.code == 1, done.err
    events = harmless(aftrun("apply", "m.json", "--events", "-", "-o", "none", server=server, env=env))
    said = [json.loads(line) for line in events.out.splitlines() if line.startswith("{")]
    assert EVIL[0] in json.dumps([event.get("message", "") for event in said]) or any(
        EVIL[0] in json.dumps(event) for event in said
    ), "the stream keeps what was said"
    as_json = harmless(aftrun("apply", "m.json", "-o", "json", server=server, env=env))
    assert json.loads(as_json.out)["jobs"][0]["request"]["scriptName"] == EVIL[0]
    for form in FORMATS:
        harmless(aftrun("report", f"--report-{form}", "-", env=env))
    for line in ("show", "show --format json", "report", "history", "history --format json", "retry"):
        harmless(aftrun(*line.split(), env=env))


def test_everything_else(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Commands that do not ask which CI server there is, with all of them there; what was typed is hostile too."""
    manifest(tmp_path)
    server = sandbox(scenario())
    env = {name: value for each in SERVERS.values() for name, value in each.items()}
    assert harmless(aftrun("validate", "m.json", env=env)).code == 0
    for form in ("json", "sarif"):
        json.loads(harmless(aftrun("validate", "m.json", "--format", form, env=env)).out)
    harmless(aftrun("validate", "m.json", "--format", "github", env=env))
    for form in ("text", "json", "curl", "powershell"):
        assert harmless(aftrun("plan", "m.json", "--format", form, env=env)).code == 0
    evil = EVIL[0]
    lines = [
        [evil],
        ["apply", f"--{evil}"],
        ["apply", evil],
        ["apply", "m.json", "--select", evil],
        ["apply", "m.json", "--var", evil],
        ["show", evil],
        ["explain", evil],
        ["history", "--status", evil],
        ["history", "--manifest", evil],
        ["trust", evil],
        ["schema", evil],
        ["completion", evil],
        ["report", "--report-json", evil + "/x/y"],
        ["init", evil + "/x/y"],
    ]
    for line in lines:
        done = harmless(aftrun(*line, env=env))
        assert done.code in (0, 2, 74), done.err
    (tmp_path / "bad.yaml").write_text(f"jobs:\n  - {{{json.dumps(evil)}: 1, scriptName: {json.dumps(evil)}}}\n")
    for form in ("text", "json", "sarif", "github"):
        assert harmless(aftrun("validate", "bad.yaml", "--format", form, env=env)).code == 2
    script = (
        f"curl -X POST https://a:44399/v1/jobs -H 'X-API-Key: k' -d '{json.dumps({'scriptName': evil})}' # {evil}\n"
    )
    made = harmless(aftrun("import", env=env, stdin=script))
    assert made.code == 0, made.err
    (tmp_path / "made.yaml").write_text(made.out, encoding="utf-8")
    plan = json.loads(harmless(aftrun("plan", "made.yaml", "--format", "json", env=env)).out)
    assert evil in json.dumps(plan).replace("\\u0023", "#"), "the name was not changed"
    (job,) = server.jobs() or (None,)
    assert job is None, "nothing here starts anything"


def test_jobs_on_the_server(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """`start`, `status`, `wait` and `doctor` say what the server says of a job."""
    server = sandbox(scenario())
    env = {name: value for each in SERVERS.values() for name, value in each.items()}
    harmless(aftrun("start", "-n", EVIL[0], "--param", f"x={EVIL[3]}", server=server, env=env))
    job = server.jobs()[0].id
    for line in (
        ["status", job],
        ["status", job, "--raw"],
        ["status", job, "--format", "json"],
        ["wait", job],
        ["wait", job, "-o", "json"],
        ["doctor", "--job", job],
        ["doctor", "--job", job, "--format", "json"],
        ["status", EVIL[0]],
        ["wait", EVIL[3], "--timeout", "1s"],
    ):
        harmless(aftrun(*line, server=server, env=env))
