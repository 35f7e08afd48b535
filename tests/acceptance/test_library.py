"""aftrun as a library: `load`, `apply`, `Client`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import aftrun
from aftrun.domain.events import Event, RunEnded
from aftrun.sandbox.server import Sandbox

Start = Callable[..., Sandbox]


def test_load_and_apply(sandbox: Start, tmp_path: Path) -> None:
    """A manifest from a file runs against a real server and comes back as a report."""
    server = sandbox()
    text = f"server: {{url: '{server.url}', tls: {{fingerprint: '{server.fingerprint}'}}}}\njobs: [{{scriptName: x}}]\n"
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    heard: list[Event] = []
    report = aftrun.apply(
        aftrun.load(tmp_path / "m.yaml"),
        environ={"AFT_API_KEY": server.api_key},
        state_dir=tmp_path / "state",
        on_event=heard.append,
    )
    assert (report.outcome, report.exit_code) == ("succeeded", 0)
    assert report.jobs[0].outcome is aftrun.Outcome.SUCCEEDED
    assert isinstance(heard[-1], RunEnded)


def test_a_program_may_change_its_working_folder(
    sandbox: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record stays where it was when the run began."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    server = sandbox()
    text = f"server: {{url: '{server.url}', tls: {{fingerprint: '{server.fingerprint}'}}}}\njobs: [{{scriptName: x}}]\n"
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    report = aftrun.apply(
        aftrun.load("m.yaml"),
        environ={"AFT_API_KEY": server.api_key},
        on_event=lambda _: monkeypatch.chdir(tmp_path / "elsewhere"),
    )
    assert report.exit_code == 0
    assert list((tmp_path / ".aftrun" / "runs").glob("*/report.json"))
    assert not list((tmp_path / "elsewhere").iterdir())


def test_apply_in_the_sandbox_needs_nothing(tmp_path: Path) -> None:
    """No server, no key."""
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    report = aftrun.apply(aftrun.load(tmp_path / "m.yaml"), environ={}, state_dir=tmp_path, sandbox=True)
    assert report.exit_code == 0


def test_problems_are_raised_with_their_places(tmp_path: Path) -> None:
    """Manifest errors carry every problem; several documents ask for `load_all`."""
    (tmp_path / "bad.yaml").write_text("jobs: [{}]\n", encoding="utf-8")
    with pytest.raises(aftrun.ManifestError) as caught:
        aftrun.load(tmp_path / "bad.yaml")
    assert caught.value.problems[0].line == 1
    (tmp_path / "two.yaml").write_text("scriptName: a\n---\nscriptName: b\n", encoding="utf-8")
    with pytest.raises(aftrun.UsageError, match="2 manifests"):
        aftrun.load(tmp_path / "two.yaml")
    assert len(aftrun.load_all([tmp_path / "two.yaml"])) == 2


def test_client_submits_and_reads(sandbox: Start) -> None:
    """One request a call, with the job info as it was read."""
    server = sandbox()
    with aftrun.Client(server.url, server.api_key, fingerprint=server.fingerprint) as client:
        accepted = client.submit({"scriptName": "x", "params": {"a": "b"}})
        assert accepted.id == server.jobs()[0].id
        assert client.status(accepted.id).id == accepted.id
        with pytest.raises(aftrun.Rejected, match="404"):
            client.status("no-such-job")
        with pytest.raises(aftrun.Rejected):  # what is not documented is for the server to judge
            client.submit({"scriptName": "x", "jobType": "SCRIPT"})


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"on": "submit", "kind": "reset", "strikes": "after"}, aftrun.Ambiguous),
        ({"on": "submit", "kind": "status", "code": 500}, aftrun.Ambiguous),
        ({"on": "submit", "kind": "status", "code": 429}, aftrun.Unreachable),
    ],
)
def test_client_tells_what_can_be_told(sandbox: Start, fault: dict[str, object], error: type[Exception]) -> None:
    """Not processed, refused, and nobody-knows are different exceptions."""
    server = sandbox({"defaults": {"faults": [fault]}})
    with aftrun.Client(server.url, server.api_key, fingerprint=server.fingerprint) as client, pytest.raises(error):
        client.submit({"scriptName": "x"})


def test_client_key_and_certificate(sandbox: Start) -> None:
    """A wrong key is `Refused`, an unknown certificate `Unreachable`, before anything was sent."""
    server = sandbox()
    with (
        aftrun.Client(server.url, "nope-nope", fingerprint=server.fingerprint) as client,
        pytest.raises(aftrun.Refused),
    ):
        client.submit({"scriptName": "x"})
    seen = len(server.ledger())
    with aftrun.Client(server.url, server.api_key) as client, pytest.raises(aftrun.Unreachable, match="self-signed"):
        client.submit({"scriptName": "x"})
    assert len(server.ledger()) == seen


def test_importing_costs_next_to_nothing() -> None:
    """`import aftrun` loads none of the packages that it stands on."""
    code = "import sys, aftrun; print(sorted({'yaml', 'requests', 'jsonschema', 'typer', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_frozen() -> None:
    """What users import by name. Taking one away breaks them."""
    expected = (
        "AftrunError Ambiguous Client Job JobInfo JobResult Manifest ManifestError Outcome Refused Rejected RunReport "
        "ServerError State StateError UnderWay Unreachable UsageError __version__ apply load load_all"
    )
    assert aftrun.__all__ == expected.split()
    assert all(getattr(aftrun, name) is not None for name in aftrun.__all__)
    with pytest.raises(AttributeError):
        aftrun.no_such_name  # type: ignore[attr-defined]  # noqa: B018  # type checkers see it too; the access is the test


@pytest.mark.parametrize(
    "wrong",
    [
        *({"max_parallel": each} for each in (0, -1, 2.5, "3", True)),
        *({"timeout": each} for each in (0.0, -1.0, float("nan"), float("inf"), "5s", True)),
        {"max_parallel": 3, "sequential": True},
    ],
)
def test_arguments_with_which_nothing_would_ever_start_or_end(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """Refused as the flags of these names are: with no slot at all a run would wait for ever."""
    (tmp_path / "m.yaml").write_text("scriptName: x\n")
    with pytest.raises(aftrun.UsageError, match=next(iter(wrong))):
        aftrun.apply(aftrun.load(tmp_path / "m.yaml"), environ={"AFT_API_KEY": "k"}, state_dir=tmp_path / "s", **wrong)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("given", ["nothing", "a path", "text", "a tuple", "no job"])
def test_what_is_no_manifest_never_succeeds(tmp_path: Path, given: str) -> None:
    """A run of nothing would be a success of nothing; what is to be loaded first is said to be."""
    (tmp_path / "m.yaml").write_text("scriptName: x\n")
    manifest = aftrun.load(tmp_path / "m.yaml")
    wrong: dict[str, tuple[Any, ...]] = {
        "nothing": (),
        "a path": (tmp_path / "m.yaml",),
        "text": (manifest, "m.yaml"),
        "a tuple": ((manifest,),),
        "no job": (replace(manifest, jobs=()),),
    }
    with pytest.raises(aftrun.UsageError, match=r"manifest|no job"):
        aftrun.apply(*wrong[given], environ={"AFT_API_KEY": "k"}, state_dir=tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_load_all_takes_one_path_for_one(tmp_path: Path) -> None:
    """Text is a path, and not a list of letters."""
    (tmp_path / "m.yaml").write_text("scriptName: x\n")
    assert [each.name for each in aftrun.load_all(str(tmp_path / "m.yaml"))] == ["m"]
    assert [each.name for each in aftrun.load_all(tmp_path)] == ["m"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "given: none"),
        ({"params": {}}, "given: none"),
        ({"scriptNmae": "x"}, "given: none"),
        ({"scriptName": "x", "filePath": "y"}, "scriptName and filePath"),
        ({"scriptName": "x", "scriptId": None}, "scriptName and scriptId"),
        ({"scriptName": ""}, "empty"),
        ({"scriptId": 5}, "no text"),
        ({"scriptName": "x", "params": ["a"]}, "mapping"),
        ({"scriptName": "x", "params": None}, "mapping"),
        ({"scriptName": "x", "params": {"a": {"b": "c"}}}, "'a' is a dict"),
        ({"scriptName": "x", "params": {"a": None}}, "'a' is None"),
        ({"scriptName": "x", "params": {"a": float("nan")}}, "JSON has not"),
        ({"scriptName": "x", "params": {1: "a"}}, "no name"),
        ("x", "'x' is no job"),
        (None, "None is no job"),
        ("params: {a: '${X}'}", "X} is filled in by a run"),
        ("correlation: trace", "correlation: trace` is filled in by a run"),
        ("params: {a: '${{ run.id }}'}", "run.id }} is filled in by a run"),
    ],
)
def test_a_client_sends_nothing_that_is_no_job(sandbox: Start, tmp_path: Path, body: Any, words: str) -> None:
    """Checked before anything leaves: what the server would make of it, nobody knows."""
    server = sandbox()
    if isinstance(body, str) and ": " in body:
        (tmp_path / "m.yaml").write_text(f"version: 1\njobs: [{{scriptName: x, {body}}}]\n")
        body = aftrun.load(tmp_path / "m.yaml").jobs[0]
    with (
        aftrun.Client(server.url, server.api_key, fingerprint=server.fingerprint) as client,
        pytest.raises(aftrun.UsageError, match=re.escape(words)),
    ):
        client.submit(body)
    assert not server.ledger()


@pytest.mark.parametrize("name", ["connect_timeout", "read_timeout"])
@pytest.mark.parametrize("given", [0, -1.0, "5s", float("nan"), None])
def test_a_client_waits_for_a_time(name: str, given: Any) -> None:
    """With none at all it would give up at once, and never learn what became of a submission."""
    with pytest.raises(aftrun.UsageError, match=name):
        aftrun.Client("https://127.0.0.1:9", "k", **{name: given})


def test_every_exception_of_the_page_has_a_public_name() -> None:
    """What the page tells people to catch is where they look for it."""
    page = Path(__file__).parents[2] / "docs" / "library.md"
    table = page.read_text(encoding="utf-8").partition("## Exceptions")[2]
    names = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    assert len(names) > 5
    assert set(names) <= set(aftrun.__all__)
