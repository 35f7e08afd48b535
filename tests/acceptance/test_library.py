"""aftrun as a library: `load`, `apply`, `Client`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
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
        with pytest.raises(aftrun.Rejected):
            client.submit({"scriptName": "x", "filePath": "y"})


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
    "wrong", [{"max_parallel": 0}, {"max_parallel": -1}, {"timeout": 0.0}, {"timeout": -1.0}, {"timeout": float("nan")}]
)
def test_arguments_with_which_nothing_would_ever_start_or_end(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """Refused as the flags of these names are: with no slot at all a run would wait for ever."""
    (tmp_path / "m.yaml").write_text("scriptName: x\n")
    with pytest.raises(aftrun.UsageError, match=next(iter(wrong))):
        aftrun.apply(aftrun.load(tmp_path / "m.yaml"), environ={"AFT_API_KEY": "k"}, state_dir=tmp_path / "s", **wrong)
    assert not (tmp_path / "s").exists()


def test_every_exception_of_the_page_has_a_public_name() -> None:
    """What the page tells people to catch is where they look for it."""
    page = Path(__file__).parents[2] / "docs" / "library.md"
    table = page.read_text(encoding="utf-8").partition("## Exceptions")[2]
    names = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    assert len(names) > 5
    assert set(names) <= set(aftrun.__all__)
