"""Flags, their mirrors in the environment, and what goes to which stream."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import aftrun as package
from aftrun.resources import schema_text
from aftrun.sandbox.server import Sandbox
from tests.conftest import Run

Start = Callable[..., Sandbox]


@pytest.fixture(autouse=True)
def _manifest(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("vars: {year: '2026'}\njobs: [{scriptName: x, params: {y: '${{ vars.year }}'}}]\n")


def test_version_and_help(aftrun: Run) -> None:
    """Both go to standard output, exit 0; help names every command."""
    assert aftrun("--version").out == f"aftrun {package.__version__}\n"
    shown = aftrun("--help")
    assert shown.code == 0
    for command in ("apply", "validate", "plan", "resume", "retry", "history", "show", "schema", "sandbox"):
        assert command in shown.out
        assert aftrun(command, "--help").code == 0


def test_no_command_is_a_usage_error(aftrun: Run) -> None:
    """As with every tool of its kind."""
    assert aftrun().code == 2
    assert aftrun("aply").code == 2


def test_data_and_messages_go_to_their_own_streams(aftrun: Run, sandbox: Start) -> None:
    """`-o json` leaves nothing but JSON on standard output; `-o none` nothing at all."""
    server = sandbox()
    done = aftrun("apply", "m.yaml", "-o", "json", server=server)
    assert json.loads(done.out)["summary"]["succeeded"] == 1
    assert "succeeded" in done.err
    assert aftrun("apply", "m.yaml", "-o", "none", server=server).out == ""
    assert aftrun("apply", "m.yaml", "-q", "-o", "none", server=server).err == ""


def test_flags_have_mirrors_in_the_environment(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """`--state-dir` is AFTRUN_STATE_DIR, `--server` AFTRUN_SERVER, and so on."""
    server = sandbox()
    environ = {
        "AFT_API_KEY": server.api_key,
        "AFTRUN_SERVER": server.url,
        "AFTRUN_FINGERPRINT": server.fingerprint,
        "AFTRUN_STATE_DIR": "elsewhere",
        "AFTRUN_OUTPUT": "json",
    }
    done = aftrun("apply", "m.yaml", env=environ)
    assert done.code == 0, done.err
    assert json.loads(done.out)["run"]["outcome"] == "succeeded"
    assert (tmp_path / "elsewhere" / "state.db").exists()


def test_variables(aftrun: Run, sandbox: Start) -> None:
    """`--var` overrides; one that no manifest declares, or no pair at all, is refused."""
    server = sandbox()
    assert aftrun("apply", "m.yaml", "--var", "year=2027", server=server).code == 0
    body = server.ledger()[0].parsed
    assert isinstance(body, dict)
    assert body["params"] == {"y": "2027"}
    unknown = aftrun("validate", "m.yaml", "--var", "yaer=1")
    assert unknown.code == 2
    assert "year" in unknown.err
    assert aftrun("validate", "m.yaml", "--var", "year").code == 2


def test_reports_can_be_written_anywhere(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """`--report-json` is repeatable and makes folders; one that cannot be written is 74, and says so."""
    server = sandbox()
    done = aftrun("apply", "m.yaml", "--report-json", "a/b.json", "--report-json", "c.json", server=server)
    assert done.code == 0
    assert (tmp_path / "a" / "b.json").read_text() == (tmp_path / "c.json").read_text()
    (tmp_path / "file").write_text("")
    broken = aftrun("apply", "m.yaml", "--report-json", "file/x.json", server=server)
    assert broken.code == 74
    assert "file/x.json" in broken.err


def test_no_exit_status(aftrun: Run, sandbox: Start) -> None:
    """Job outcomes no longer decide the exit code; usage errors still do."""
    server = sandbox({"defaults": {"outcome": "failed", "queue": "0s", "duration": "1ms"}})
    assert aftrun("apply", "m.yaml", "--no-exit-status", server=server).code == 0
    assert aftrun("apply", "nothing.yaml", "--no-exit-status", server=server).code == 2


def test_tls_flags_exclude_each_other(aftrun: Run, sandbox: Start) -> None:
    """Two ways to verify a certificate are none."""
    server = sandbox()
    done = aftrun("apply", "m.yaml", "-k", server=server)
    assert done.code == 2
    assert "exclude" in done.err
    assert server.ledger() == ()


def test_a_dry_run_is_the_plan(aftrun: Run) -> None:
    """It needs no key, and sends nothing."""
    done = aftrun("apply", "m.yaml", "--dry-run")
    assert done.code == 0, done.err
    assert "would be sent" in done.out
    assert aftrun("plan", "m.yaml").out == done.out


@pytest.mark.parametrize("name", ["manifest", "report", "scenario"])
def test_schemas_are_printed_as_they_are(aftrun: Run, name: str) -> None:
    """Byte for byte the published file."""
    assert aftrun("schema", name).out == schema_text(name)


def test_no_wait(aftrun: Run, sandbox: Start) -> None:
    """Every job is content with acceptance."""
    server = sandbox({"defaults": {"outcome": "stuck"}})
    done = aftrun("apply", "m.yaml", "--no-wait", server=server)
    assert done.code == 0
    assert done.report()["summary"]["submitted"] == 1


def test_a_missing_file_and_a_bad_duration(aftrun: Run) -> None:
    """Named, with the flag."""
    assert "nothing.yaml" in aftrun("apply", "nothing.yaml").err
    done = aftrun("apply", "m.yaml", "--timeout", "soon", env={"AFT_API_KEY": "k"})
    assert done.code == 2
    assert "--timeout" in done.err
