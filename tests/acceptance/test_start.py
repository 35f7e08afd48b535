"""`aftrun start`: one job without a manifest, with the flags of `aft start`."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from aftrun.cli.commands.start import JobFlags, manifest_text, parse_params
from aftrun.cli.serverflags import KeyFlags
from aftrun.domain.errors import UsageError
from aftrun.manifest import load_all
from aftrun.sandbox.server import Sandbox
from tests.conftest import Run, clean_environ, program, reach
from tests.waiting import HANG

Start = Callable[..., Sandbox]


def posts(server: Sandbox) -> list[object]:
    """The bodies of all POSTs that the server has seen."""
    return [entry.parsed for entry in server.ledger() if entry.method == "POST"]


def test_the_documented_command_line_works_and_waits(aftrun: Run, sandbox: Start) -> None:
    """`aft start`'s own flags, host and port included; the key in argv is taken, said to be visible, kept nowhere."""
    server = sandbox(api_key="k-7f3a-long-enough")
    host = server.url.removeprefix("https://")
    done = aftrun(
        *("start", "-n", "My Backup Job", "-a", server.api_key, "--params", '{"character":"goofy"}', "--host", host),
        *("--fingerprint", server.fingerprint),
    )
    assert done.code == 0, done.err
    assert posts(server) == [{"scriptName": "My Backup Job", "params": {"character": "goofy"}}]
    assert "can be seen" in done.err
    assert done.report()["jobs"][0]["outcome"] == "succeeded"
    assert done.report()["jobs"][0]["request"]["params"] == {"character": "goofy"}
    files = b"".join(path.read_bytes() for path in (done.folder / ".aftrun").rglob("*") if path.is_file())
    assert server.api_key.encode() not in files + done.out.encode() + done.err.encode()


@pytest.mark.parametrize(
    ("flags", "body"),
    [
        (("-s", "abc-123"), {"scriptId": "abc-123"}),
        (("-f", "/opt/x.syncjs", "--param", "a=b=c"), {"filePath": "/opt/x.syncjs", "params": {"a": "b=c"}}),
        (("-n", "x", "--params", '[{"name":"k","value":"v"}]'), {"scriptName": "x", "params": {"k": "v"}}),
        (
            ("-n", "x", "--params", '{"n": 5, "b": true, "t": "007"}', "--param", "n=6"),
            {"scriptName": "x", "params": {"n": "6", "b": True, "t": "007"}},
        ),
        (
            ("-n", "x", "--param", "price=5$$", "--param", "home=$HOME"),
            {"scriptName": "x", "params": {"price": "5$", "home": "$HOME"}},
        ),
    ],
)
def test_bodies(aftrun: Run, sandbox: Start, flags: tuple[str, ...], body: object) -> None:
    """Each way to name a script and to give params."""
    server = sandbox()
    done = aftrun("start", *flags, server=server)
    assert done.code == 0, done.err
    assert posts(server) == [body]
    assert "Traceback" not in done.err


def test_no_wait_returns_once_the_job_is_accepted(aftrun: Run, sandbox: Start) -> None:
    """As `aft start` does; the id is in the output."""
    server = sandbox({"defaults": {"outcome": "stuck"}})
    done = aftrun("start", "-n", "watcher", "--no-wait", server=server)
    assert done.code == 0
    assert server.jobs()[0].id in done.out
    assert [entry.method for entry in server.ledger()] == ["POST"]


def test_a_failed_job_and_a_timeout_have_the_codes_of_apply(aftrun: Run, sandbox: Start) -> None:
    """1 and 124, with the report flags of `apply`."""
    behaviours = [
        {"match": {"scriptName": "bad"}, "outcome": "failed"},
        {"match": {"scriptName": "slow"}, "outcome": "stuck"},
    ]
    server = sandbox({"defaults": {"queue": "0s", "duration": "0s"}, "behaviours": behaviours})
    done = aftrun("start", "-n", "bad", "--report-json", "r.json", "-o", "none", server=server)
    assert done.code == 1
    assert json.loads((done.folder / "r.json").read_text())["summary"]["failed"] == 1
    assert aftrun("start", "-n", "slow", "--timeout", "500ms", server=server).code == 124


def test_a_secret_param_comes_from_the_environment_and_is_never_shown(aftrun: Run, sandbox: Start) -> None:
    """`${TOKEN}` in single quotes, as in a manifest."""
    server = sandbox()
    done = aftrun("start", "-n", "x", "--param", "token=${TOKEN}", server=server, env={"TOKEN": "s3cr3t-value"})
    assert done.code == 0
    assert posts(server) == [{"scriptName": "x", "params": {"token": "s3cr3t-value"}}]
    assert done.report()["jobs"][0]["request"]["params"] == {"token": "${TOKEN}"}
    literal = aftrun("start", "-n", "x", "--param", "token=abc", server=server)
    assert "looks like a secret" in literal.err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "exactly one"),
        (("-n", "a", "-f", "/b.syncjs"), "--name and --file"),
        (("-n", ""), "empty"),
        (("-n", "a", "--params", "{'x': 1}"), "no JSON"),
        (("-n", "a", "--params", "{a:b}"), "quotes away"),
        (("-n", "a", "--params", '{"a": {"b": 1}}'), "flat"),
        (("-n", "a", "--params", '{"a": null}'), "null"),
        (("-n", "a", "--params", '{"a": "1", "a": "2"}'), "twice"),
        (("-n", "a", "--params", '"x"'), "no JSON object"),
        (("-n", "a", "--params", "[" * 20_000), "nested too deeply"),
        (("-n", "a", "--param", "x"), "NAME=VALUE"),
        (("-n", "a", "--host", "a", "--server", "b"), "exclude each other"),
        (("-n", "a", "--param", "x=${"), "never closed"),
    ],
)
def test_what_makes_no_sense_is_exit_2(flags: tuple[str, ...], words: str, aftrun: Run) -> None:
    """With the remedy, before a key is even looked for."""
    done = aftrun("start", *flags)
    assert done.code == 2
    assert words in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("flags", "place"),
    [
        (("--param", "a=${UNSET}"), "--param a: error"),
        (("--params", '{"b": 1, "a b": "${file:/none/such}"}'), "--param a b: error"),
        (("--param", "a=${{ vars.y }}"), "--param a: error"),
        (("--param", "${A}=1"), "--param ${A}: error"),
        (("--param", "\x85\u2028=1", "--param", "a=${UNSET}"), "--param a: error"),
        (("--api-key-file", "none-such"), "the API key: error"),
        (("--policy", "policy.yaml"), "the API key: error"),
    ],
)
def test_what_is_wrong_is_said_of_the_flag(aftrun: Run, tmp_path: Path, flags: tuple[str, ...], place: str) -> None:
    """Nobody has seen the manifest that is made of the flags, so no line of it is named."""
    (tmp_path / "policy.yaml").write_text("env: [OTHER]\n")
    key = {} if "--api-key-file" in flags else {"AFT_API_KEY": "k"}
    done = aftrun("start", "-n", "x", *flags, env=key)
    assert done.code == 2
    assert place in done.err.splitlines()[0]
    assert "1 problem in the command line" in done.err
    assert "start:" not in done.err


def test_the_same_of_a_start_that_is_resumed(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """The record holds that manifest; whoever resumes has not seen it either. Nor have reports and CI servers."""
    server = sandbox({"defaults": {"queue": "0s", "duration": "0s", "outcome": "stuck"}})
    flags = ("--param", "a=${V}", "--timeout", "1ms")
    ended = aftrun(
        "start", "-n", "x", *flags, "--report-tap", "-", server=server, env={"V": "v", "GITHUB_ACTIONS": "true"}
    )
    assert ended.code == 124
    assert 'at: "start"' in ended.out
    assert "::error title=" in ended.err + ended.out
    done = aftrun("retry", "--include-unknown", env={"AFT_API_KEY": server.api_key})
    assert done.code == 2
    assert done.err.startswith("--param a: error[AFT046]")


@pytest.mark.parametrize(
    "character", ["\x7f", "\x85", "\x9b", "\u2028", "\u2029", "\ufeff", "\uffff", "\n", "\U0001f600"]
)
def test_params_arrive_as_they_were_given(character: str) -> None:
    """Also where YAML would refuse a character, or take it for the end of a line."""
    given = {f"x{character}y": f"a{character}b"}
    text = manifest_text(JobFlags(name="x", params=json.dumps(given)), KeyFlags())
    job = load_all(["start"], read=lambda _: text.encode()).manifests[0].jobs[0]
    assert {each.name: each.value for each in job.params} == given


def test_without_a_key_it_says_where_one_can_come_from(aftrun: Run) -> None:
    """Not a terminal, so nobody is asked."""
    done = aftrun("start", "-n", "x")
    assert done.code == 2
    for words in ("AFT_API_KEY", "--api-key-file", "--api-key-keyring"):
        assert words in done.err


def test_a_person_is_asked_for_the_key_and_it_is_not_echoed(sandbox: Start, tmp_path: Path) -> None:
    """On a terminal: a hidden prompt."""
    server = sandbox(api_key="typed-by-hand-42")
    pty = pytest.importorskip("pty", reason="only POSIX has terminals of this kind")
    master, slave = pty.openpty()
    command = [*program(), "start", "-n", "x", *reach(server)]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=clean_environ(TERM="dumb"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    seen, typed = b"", False
    while select.select([master], [], [], HANG)[0]:
        try:
            seen += os.read(master, 65536)
        except OSError:
            break
        if b"API key for" in seen and not typed:
            os.write(master, server.api_key.encode() + b"\n")
            typed = True
    code = process.wait(HANG)
    os.close(master)
    assert code == 0, seen
    assert server.api_key.encode() not in seen
    assert len(posts(server)) == 1


def test_an_interrupted_start_can_be_taken_up(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """It is on record as any other run: killed, resumed, and submitted once."""
    server = sandbox({"defaults": {"queue": "0s", "duration": "2500ms"}})
    (tmp_path / "key").write_text(server.api_key)
    command = [*program(), "start", "-n", "x", "--api-key-file", "key", *reach(server)]
    with subprocess.Popen(command, cwd=tmp_path, env=clean_environ(), stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if b"accepted as job" in line:
                process.kill()
                break
    done = aftrun("resume")
    assert done.code == 0, done.err
    assert done.report()["jobs"][0]["outcome"] == "succeeded"
    assert len(posts(server)) == 1


def test_dry_run_shows_the_request_and_sends_nothing(aftrun: Run) -> None:
    """No server and no key are needed."""
    done = aftrun("start", "-n", "x", "--param", "a=b", "--host", "aft.example", "--dry-run", "-o", "json")
    assert done.code == 0, done.err
    request = json.loads(done.out)["jobs"][0]["request"]
    assert request["url"] == "https://aft.example:44399/v1/jobs"
    assert request["body"] == {"scriptName": "x", "params": {"a": "b"}}
    assert request["headers"]["X-API-Key"] == "${AFT_API_KEY}"
    shown = aftrun("start", "-n", "x", "--param", "a=${B}", "--dry-run").out
    assert "needed for a real run:\n  ${AFT_API_KEY}\n  ${B}\n" in shown


def test_the_manifest_names_the_key_and_never_holds_it() -> None:
    """File and keyring stay references, so that `resume` finds them again."""
    text = manifest_text(JobFlags(name="x"), KeyFlags(api_key="abc-secret"))
    assert "abc-secret" not in text
    assert "${AFT_API_KEY}" in text
    assert "${keyring:aft/me}" in manifest_text(JobFlags(name="x"), KeyFlags(api_key_keyring="aft/me"))
    assert "${file:/k}" in manifest_text(JobFlags(name="x"), KeyFlags(api_key_file=Path("/k")))


def test_params_keep_their_types() -> None:
    """A number is a number, with the digits that were given, and text is text."""
    assert parse_params('{"a": 1, "b": "1", "c": 1.5, "d": false}') == {"a": 1, "b": "1", "c": 1.5, "d": False}
    assert parse_params("[]") == {}
    text = manifest_text(JobFlags(name="x", params='{"a": 1.10, "b": 1e400, "c": 0.50}'), KeyFlags())
    assert '"a": 1.10,' in text
    assert '"b": 1e400,' in text
    assert '"c": 0.50' in text
    with pytest.raises(UsageError, match="no JSON"):
        parse_params('{"a": NaN}')
    with pytest.raises(UsageError, match="not of"):
        parse_params("[1]")
