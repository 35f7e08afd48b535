"""The gallery `manifests/examples/`: each in the sandbox, on a good night and on the bad one of its scenario."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from aftrun.sandbox.server import Sandbox
from tests.acceptance.test_once import scripts
from tests.conftest import ROOT, Done, Run

FOLDER = ROOT / "manifests" / "examples"
QUICKLY = ("--env-file", str(FOLDER / "rehearsal.env"), "--var", "pause=20ms")

SENT = {f"send[p{number:02}]": "succeeded" for number in range(1, 21)}
GOOD: dict[str, dict[str, str]] = {
    "mailbox-poll": {"poll": "succeeded", "load": "succeeded", "alert": "skipped"},
    "pgp": {"encrypt": "succeeded", "send": "succeeded", "shred": "succeeded"},
    "edi": {"send": "succeeded", "acknowledge": "succeeded", "archive": "succeeded", "dispute": "skipped"},
    "month-end": dict.fromkeys(["invoices", "payments", "close", "publish", "statistics", "tell"], "succeeded"),
    "folder-watch": {"prepare": "succeeded", "watch": "submitted"},
    "fan-out": {"build": "succeeded", **SENT, "summary": "succeeded"},
    "two-servers": {"collect": "succeeded", "hand-over": "succeeded", "tidy": "succeeded"},
    "once": {"fetch": "succeeded", "load": "succeeded", "purge": "succeeded"},
}
"""How the jobs of each example end on a good night."""
BAD: dict[str, tuple[int, dict[str, str]]] = {
    "mailbox-poll": (1, {"poll": "failed", "load": "skipped", "alert": "succeeded"}),
    "pgp": (1, {"encrypt": "failed", "send": "skipped", "shred": "skipped"}),
    "edi": (1, {"send": "succeeded", "acknowledge": "failed", "archive": "skipped", "dispute": "succeeded"}),
    "month-end": (6, {**GOOD["month-end"], "close": "unknown", "publish": "skipped", "statistics": "skipped"}),
    "folder-watch": (1, {"prepare": "failed", "watch": "skipped"}),
    "fan-out": (1, {**GOOD["fan-out"], "send[p07]": "failed", "send[p13]": "failed"}),
    "two-servers": (1, {"collect": "succeeded", "hand-over": "failed", "tidy": "skipped"}),
    "once": (1, {"fetch": "succeeded", "load": "failed", "purge": "skipped"}),
}
"""The exit code of its scenario, and how the jobs end."""


def scenario(name: str) -> str:
    """The path of a scenario of the gallery."""
    return str(FOLDER / "scenarios" / f"{name}.yaml")


def manifest(name: str) -> str:
    """The path of an example."""
    return str(FOLDER / f"{name}.yaml")


def quickly(name: str) -> tuple[str, ...]:
    """The flags of a rehearsal: stand-ins for secrets, and no minutes between two tries."""
    return QUICKLY if name == "mailbox-poll" else QUICKLY[:2]


def ends(done: Done) -> dict[str, str]:
    """How the jobs of the newest run ended."""
    return {job["name"]: job["outcome"] for job in done.report()["jobs"]}


def test_every_example_has_a_scenario_a_place_on_the_page_and_outcomes_here() -> None:
    """A new example cannot be forgotten anywhere."""
    names = {path.stem for path in FOLDER.glob("*.yaml")}
    scenarios = {path.stem for path in (FOLDER / "scenarios").glob("*.yaml")}
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    assert names == GOOD.keys() == BAD.keys()
    assert {name.removesuffix("-good") for name in scenarios} == names
    assert {name for name in names if f"manifests/examples/{name}.yaml" not in page} == set()
    assert {name for name in scenarios if f"manifests/examples/scenarios/{name}.yaml" not in page} == set()


def test_all_are_valid(aftrun: Run) -> None:
    """As a folder, with warnings taken for errors, and without a value from outside."""
    done = aftrun("validate", "--strict", str(FOLDER))
    assert done.code == 0, done.err


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_good_night(aftrun: Run, name: str) -> None:
    """In a sandbox that does as one hopes; where job infos have to hold something, by a scenario that says what."""
    own = FOLDER / "scenarios" / f"{name}-good.yaml"
    how = ("--scenario", str(own)) if own.exists() else ()
    done = aftrun("apply", manifest(name), "--sandbox", *how, *quickly(name))
    assert (done.code, ends(done)) == (0, GOOD[name]), done.err


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_bad_night(aftrun: Run, name: str) -> None:
    """What the scenario makes go wrong goes wrong, and only that; secrets stay unseen."""
    done = aftrun("apply", manifest(name), "--sandbox", "--scenario", scenario(name), *quickly(name))
    assert (done.code, ends(done)) == BAD[name], done.err
    report = done.report()
    assert report["run"]["sandbox"] is True
    assert "not-a-pass" not in str(report) + done.out + done.err


def test_a_night_with_once_goes_on_where_it_failed(aftrun: Run, sandbox: Callable[..., Sandbox]) -> None:
    """The same line again: what is done is not sent again. The server has to outlive the first run for that."""
    server = sandbox(_data(scenario("once")))
    assert aftrun("apply", manifest("once"), server=server).code == 1
    again = aftrun("apply", manifest("once"), server=server)
    assert (again.code, ends(again)) == (0, {"fetch": "upToDate", "load": "succeeded", "purge": "succeeded"}), again.err
    assert scripts(server).count("fetch the day's files") == 1


def test_the_remedy_can_be_rehearsed(aftrun: Run) -> None:
    """A retry of a rehearsal is one, too, in a sandbox where all goes well; what succeeded is not run again."""
    how = ("--sandbox", "--scenario", scenario("two-servers"))
    assert aftrun("apply", manifest("two-servers"), *how).code == 1
    again = aftrun("retry")
    assert (again.code, ends(again)) == (0, {"hand-over": "succeeded", "tidy": "succeeded"}), again.err


@pytest.mark.parametrize("command", [["apply", manifest("once")], ["start", "-n", "x"]])
def test_a_scenario_without_a_sandbox_is_refused(
    aftrun: Run, sandbox: Callable[..., Sandbox], command: list[str]
) -> None:
    """Who means to rehearse starts no real job because a flag was forgotten."""
    server = sandbox()
    done = aftrun(*command, "--scenario", scenario("once"), server=server)
    assert done.code == 2
    assert "add --sandbox" in done.err
    assert not server.ledger()


@pytest.mark.parametrize("text", [None, "defaults: {outcome: no such word}\n"])
def test_a_scenario_that_cannot_be_used(aftrun: Run, text: str | None, tmp_path: Path) -> None:
    """Exit 2 with its name, before anything runs."""
    if text is not None:
        (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    done = aftrun("apply", manifest("once"), "--sandbox", "--scenario", "s.yaml")
    assert done.code == 2
    assert "s.yaml" in done.err
    assert not (tmp_path / ".aftrun" / "runs").exists()


def _data(path: str) -> Any:
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
