"""Flags, their mirrors in the environment, and what goes to which stream."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import aftrun as package
from aftrun.sandbox.server import Sandbox
from aftrun.system.resources import schema_text
from tests.conftest import Run, clean_environ, program, reach
from tests.waiting import HANG

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


@pytest.mark.parametrize("command", [("plan",), ("apply", "--dry-run"), ("apply",)])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--server", "nonsense"), "'nonsense' is not usable: it must begin with https://"),
        (("--server", ""), "is not usable: it must begin"),
        (("--server", "https://a b"), "is not usable: it needs a host"),
        (("--server", "https://bob:hunter2@h:1"), "user name or password"),
        (("--server", "http://h"), "sends the API key and all params unencrypted"),
        (("--fingerprint", "sha1:ab"), "--fingerprint sha1:ab: it is no SHA-256 fingerprint"),
    ],
)
def test_a_server_that_cannot_be_is_refused_by_plan_too(
    aftrun: Run, command: tuple[str, ...], words: tuple[str, ...], said: str
) -> None:
    """A plan of it would be one of nothing that can be sent."""
    done = aftrun(*command, "m.yaml", *words, env={"AFT_API_KEY": "k12345"})
    assert done.code == 2
    assert said in done.err
    assert "hunter2" not in done.err
    assert not (done.folder / ".aftrun").exists()


def test_tls_flags_exclude_each_other(aftrun: Run, sandbox: Start) -> None:
    """Two ways to verify a certificate are none."""
    server = sandbox()
    done = aftrun("apply", "m.yaml", "-k", server=server)
    assert done.code == 2
    assert "exclude" in done.err
    assert server.ledger() == ()


@pytest.mark.parametrize(
    "words",
    [
        ("apply", "m.yaml", "--fail-fast", "--keep-going"),
        ("apply", "m.yaml", "--keep-going", "-j", "2", "--fail-fast"),
        ("start", "-n", "x", "--wait", "--no-wait"),
        ("apply", "m.yaml", "--jobs", "3", "--sequential"),
        ("plan", "m.yaml", "--sequential", "-j2"),
    ],
)
def test_flags_that_contradict_each_other(aftrun: Run, words: tuple[str, ...]) -> None:
    """Neither is taken silently for the other."""
    done = aftrun(*words, env={"AFT_API_KEY": "k"})
    assert done.code == 2
    assert "exclude each other" in done.err
    assert not (done.folder / ".aftrun").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "m.yaml", "--sequential", "--jobs", "1"),
        ("apply", "m.yaml", "--dry-run", "--fail-fast", "--fail-fast"),
        ("start", "-n", "--no-wait", "--wait", "--dry-run"),
        ("start", "-n", "x", "--wait", "--param", "--wait=1", "--dry-run"),
    ],
)
def test_flags_that_do_not(aftrun: Run, words: tuple[str, ...]) -> None:
    """The same thing twice, one slot in a row, and values that look like flags."""
    assert aftrun(*words).code == 0


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
    for text in ("soon", "0s", "1h1h", "99999999d"):
        done = aftrun("apply", "m.yaml", "--timeout", text, env={"AFT_API_KEY": "k"})
        assert done.code == 2
        assert "--timeout" in done.err


def test_variables_of_repeatable_flags_hold_one_value_a_line(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Values with blanks stay whole."""
    text = "vars: {a: '1', b: '2'}\njobs:\n  - {scriptName: My Backup Job, params: {a: '${{ vars.a }}'}}\n"
    text += "  - {scriptName: y}\n"
    (tmp_path / "two.yaml").write_text(text)
    server = sandbox()
    environ = {"AFTRUN_VAR": "a=x y\nb=z", "AFTRUN_SELECT": "My Backup Job"}
    done = aftrun("apply", "two.yaml", server=server, env=environ)
    assert done.code == 0, done.err
    assert [entry.parsed for entry in server.ledger() if entry.method == "POST"] == [
        {"scriptName": "My Backup Job", "params": {"a": "x y"}}
    ]


def test_both_sides_of_a_flag_have_a_variable(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """AFTRUN_KEEP_GOING and AFTRUN_NO_WAIT say what the flags of that name say."""
    server = sandbox({"defaults": {"outcome": "failed", "queue": "0s", "duration": "1ms"}})
    (tmp_path / "f.yaml").write_text("jobs: [{scriptName: a}, {scriptName: b}]\n")
    done = aftrun("apply", "f.yaml", server=server, env={"AFTRUN_KEEP_GOING": "1"})
    assert done.report()["summary"]["failed"] == 2
    done = aftrun("start", "-n", "x", server=server, env={"AFTRUN_NO_WAIT": "1"})
    assert done.report()["summary"]["submitted"] == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_standard_output_is_74(sandbox: Start, tmp_path: Path) -> None:
    """It is no bug of ours; and where messages cannot be written, the jobs run all the same."""
    server = sandbox()
    environ = clean_environ(AFT_API_KEY=server.api_key)

    def shell(redirect: str, *arguments: str) -> int:
        command = ["sh", "-c", f'exec "$@" {redirect}', "sh", *program(), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environ, check=False, stdin=subprocess.DEVNULL).returncode

    assert shell(">/dev/full", "plan", "m.yaml") == 74
    assert shell(">/dev/full", "apply", "m.yaml", "-q", *reach(server)) == 74
    assert shell("2>/dev/full", "validate", "m.yaml") == 0
    assert shell(">/dev/null 2>&-", "apply", "m.yaml", *reach(server)) == 0
    assert shell(">&- 2>/dev/null", "apply", "m.yaml", *reach(server)) == 0
    assert len(server.jobs()) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_anything_was_done_is_quiet(number: signal.Signals, tmp_path: Path) -> None:
    """While the program is still being loaded, and while it reads what to do: 130 or 143, and no traceback."""
    for moment in ("aftrun.cli.boundary", "aftrun.cli.main", "aftrun.manifest"):
        process = subprocess.Popen(
            [sys.executable, "-X", "importtime", *program()[1:], "validate", "-"],
            cwd=tmp_path,
            env=clean_environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        for line in process.stderr:  # of each module, once it has been loaded
            if line.rstrip().endswith(f" {moment}".encode()):
                break
        process.send_signal(number)
        out, error = process.communicate(timeout=HANG)
        assert process.returncode == 128 + number, error
        assert b"Traceback" not in error + out


def test_a_missing_certificate_file_is_named_with_its_line(aftrun: Run, tmp_path: Path) -> None:
    """A `caFile` that is not there: the message names the file's line in the manifest, and nothing is recorded."""
    (tmp_path / "ca.yaml").write_text("version: 1\nserver:\n  tls: {caFile: no.pem}\njobs: [{scriptName: x}]\n")
    done = aftrun("apply", "ca.yaml", env={"AFT_API_KEY": "k"})
    assert done.code == 2
    assert "ca.yaml:3:3: the certificates in no.pem (caFile) could not be read" in done.err


def test_a_certificate_for_plain_http_is_refused(aftrun: Run, tmp_path: Path) -> None:
    """A flag that could have no effect is an error, not silence."""
    (tmp_path / "one.yaml").write_text("scriptName: x\n")
    for flag, value in (("--cacert", "x.pem"), ("--fingerprint", "sha256:" + "0" * 64)):
        done = aftrun("apply", "one.yaml", "--server", "http://127.0.0.1:1", flag, value, env={"AFT_API_KEY": "k"})
        assert done.code == 2
        assert f"{flag} says how to verify a certificate, and plain http:// has none" in done.err


def test_next_steps_can_be_pasted(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """What is recommended after a failure names the record, quoted for a shell."""
    server = sandbox({"defaults": {"queue": "0s", "duration": "10ms", "outcome": "failed"}})
    flags = ("--server", server.url, "--fingerprint", server.fingerprint, "--state-dir", "my state")
    done = aftrun("apply", "m.yaml", *flags, env={"AFT_API_KEY": server.api_key})
    assert done.code == 1
    line = next(line for line in done.err.splitlines() if "aftrun retry" in line)
    assert line.endswith(" --state-dir 'my state'")


def test_who_stops_reading_has_read_enough(aftrun: Run) -> None:
    """`aftrun schema | true` is no error, and says nothing."""
    command = [*program(), "schema"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environ()) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(HANG) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert "'foo' is not one of 'succeeded'" in aftrun("history", "--status", "foo").err
