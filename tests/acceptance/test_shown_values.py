"""What `vars` may show, what `plan` reads, and what the sandbox gets to see."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aftrun.sandbox.server import Sandbox
from tests.conftest import Run

Start = Callable[..., Sandbox]
KEY = "k-0815-real-key"


@pytest.mark.parametrize(
    "value",
    ["${AFT_API_KEY}", "${env:AFT_API_KEY}", "x${AFT_API_KEY}", "${file:/etc/passwd}", "${keyring:a/b}", "${SAME}"],
)
@pytest.mark.parametrize("command", ["plan", "apply", "apply --sandbox", "validate"])
def test_vars_never_show_a_key(value: str, command: str, aftrun: Run, tmp_path: Path) -> None:
    """At file and line, whatever the command; the same key under another name is found out before anything is sent."""
    (tmp_path / "m.yaml").write_text(
        f"version: 1\nvars: {{v: '{value}'}}\njobs: [{{scriptName: x, params: {{p: '${{{{ vars.v }}}}'}}}}]\n"
    )
    done = aftrun(*command.split(), "m.yaml", env={"AFT_API_KEY": KEY, "SAME": KEY})
    said = done.out + done.err
    assert KEY not in said
    assert "root:x:" not in said
    if value != "${SAME}":
        assert done.code == 2
        assert "m.yaml:2:1" in said
        assert "AFT063" in said
    elif command == "apply":
        assert done.code == 2
        assert "holds the API key of a server" in said


def test_plan_reads_no_outside_value(aftrun: Run, tmp_path: Path) -> None:
    """A pipe that nobody writes to hangs neither it nor `validate`; variables stay as they were written."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "m.yaml").write_text(
        "version: 1\nvars: {h: '${HOST_NAME:-d}'}\nstrategy: {order: parallel, maxParallel: '${file:pipe}'}\n"
        "jobs: [{scriptName: x, timeout: '${file:pipe}', params: {f: '${file:pipe}', h: '${{ vars.h }}'}}]\n"
    )
    for command in ("validate", "plan", "plan --format json", "plan --format curl", "apply --dry-run"):
        done = aftrun(*command.split(), "m.yaml", env={"HOST_NAME": "v-0815-value", "AFT_API_KEY": KEY})
        assert done.code == 0, done.err
        assert "v-0815-value" not in done.out + done.err
    assert "${HOST_NAME:-d}" in aftrun("plan", "m.yaml", env={"HOST_NAME": "v"}).out


@pytest.mark.parametrize("source", ["${AFT_API_KEY}", "${file:key.txt}"])
def test_the_sandbox_never_sees_a_real_key(source: str, aftrun: Run, tmp_path: Path) -> None:
    """A param that repeats the key gets another one; the real one is not even read, so a pipe does not hang it."""
    if "file" in source:
        os.mkfifo(tmp_path / "key.txt")
    (tmp_path / "m.yaml").write_text(
        f"version: 1\nserver: {{apiKey: '{source}'}}\njobs: [{{scriptName: x, params: {{p: '{source}'}}}}]\n"
    )
    done = aftrun("apply", "m.yaml", "--sandbox", env={"AFT_API_KEY": KEY})
    assert done.code == 0, done.err
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes()


def test_a_name_that_says_secret_is_a_warning(aftrun: Run, tmp_path: Path) -> None:
    """With `--strict` an error."""
    (tmp_path / "m.yaml").write_text("version: 1\nvars: {token: '${X}'}\njobs: [{scriptName: x}]\n")
    assert "AFT120" in aftrun("validate", "m.yaml").err
    assert aftrun("validate", "--strict", "m.yaml").code == 2
