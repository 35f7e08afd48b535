"""`once`: the same `apply`, again and again, with the real program against the real sandbox."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aftrun.sandbox.server import Sandbox
from tests.acceptance.test_resume import posted
from tests.conftest import Done, Run

Start = Callable[..., Sandbox]

NIGHT = """
name: night
defaults: {once: "${{ vars.day }}"}
vars: {day: "2026-01-02"}
jobs:
  - {name: one, scriptName: one, outputs: {state: status}}
  - {name: two, scriptName: two, needs: [one], params: {id: "${{ jobs.one.id }}", was: "${{ jobs.one.outputs.state }}"}}
"""


def night(folder: Path, text: str = NIGHT) -> None:
    """Write the manifest."""
    (folder / "night.yaml").write_text(text, encoding="utf-8")


def ends(done: Done) -> list[str]:
    """How the jobs of the newest run ended."""
    return [job["outcome"] for job in done.report()["jobs"]]


def scripts(server: Sandbox) -> list[str]:
    """What was posted, by name."""
    return [body["scriptName"] for body in posted(server)]


def test_what_succeeded_is_up_to_date(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Nothing is sent a second time; id and outputs are handed on; another key is another night."""
    server = sandbox()
    night(tmp_path)
    first = aftrun("apply", "night.yaml", server=server)
    assert (first.code, ends(first)) == (0, ["succeeded", "succeeded"])
    again = aftrun("apply", "night.yaml", server=server)
    assert (again.code, ends(again)) == (0, ["upToDate", "upToDate"])
    assert scripts(server) == ["one", "two"]
    before, now = first.report(), again.report()
    one = again.report()["jobs"][0]
    assert one["jobId"] == server.jobs()[0].id
    assert one["once"] == "2026-01-02"
    assert one["message"].startswith("up to date since 20")
    assert one["earlier"]["action"] == "upToDate"
    assert one["outputs"] == before["jobs"][0]["outputs"] or now["jobs"][0]["outputs"]
    other = aftrun("apply", "night.yaml", "--var", "day=2026-01-03", server=server)
    assert (other.code, ends(other)) == (0, ["succeeded", "succeeded"])
    assert scripts(server) == ["one", "two"] * 2
    repeated = aftrun("apply", "night.yaml", "--again", server=server)
    assert (repeated.code, ends(repeated)) == (0, ["succeeded", "succeeded"])
    assert scripts(server) == ["one", "two"] * 3
