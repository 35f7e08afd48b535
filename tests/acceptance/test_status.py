"""`aftrun status` and `aftrun wait`: jobs that are on the server already."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from aftrun.cli.options import PolicyFlags, ServerFlags, TlsFlags
from aftrun.cli.serverflags import TargetFlags
from aftrun.domain.model import Json
from aftrun.sandbox.server import Sandbox
from aftrun.system.resources import schema_text
from tests.conftest import Run

Start = Callable[..., Sandbox]


def submit(aftrun: Run, server: Sandbox, *scripts: str) -> list[str]:
    """Start jobs and do not wait; their ids."""
    jobs = "".join(f"  - {{name: j{number}, scriptName: {script}}}\n" for number, script in enumerate(scripts))
    done = aftrun("apply", "-", "--no-wait", "-q", "-o", "none", server=server, stdin=f"jobs:\n{jobs}")
    assert done.code == 0, done.err
    return [job.id for job in server.jobs()]


def scenario(dialect: str = "default", **outcomes: str) -> dict[str, Json]:
    """Scripts by name, each with its outcome, all over at once."""
    behaviours: list[Json] = [
        {"match": {"scriptName": name}, "outcome": outcome, "dialect": dialect} for name, outcome in outcomes.items()
    ]
    return {"defaults": {"queue": "0s", "duration": "10ms", "dialect": dialect}, "behaviours": behaviours}


@pytest.mark.parametrize(
    ("outcome", "code", "word"),
    [("succeeded", 0, "succeeded"), ("failed", 1, "failed"), ("cancelled", 5, "cancelled"), ("stuck", 0, "running")],
)
def test_status_says_the_state_and_exits_by_it(aftrun: Run, sandbox: Start, outcome: str, code: int, word: str) -> None:
    """A job under way is no bad news; a bad end is."""
    server = sandbox(scenario(x=outcome))
    (job_id,) = submit(aftrun, server, "x")
    done = aftrun("status", job_id, server=server)
    assert done.code == code, done.err
    assert f"state      {word}" in done.out
    assert job_id in done.out


def test_a_state_that_nobody_knows_is_exit_6(aftrun: Run, sandbox: Start) -> None:
    """It is never taken for a success, and the lines that would settle it are printed."""
    server = sandbox(scenario("unlisted"))
    (job_id,) = submit(aftrun, server, "x")
    done = aftrun("status", job_id, "--raw", server=server)
    assert done.code == 6
    assert "# succeeded: [Decanted]" in done.out
    assert "Decanted" in done.out


@pytest.mark.parametrize("dialect", ["default", "upper", "nested", "envelope", "finished"])
def test_the_lines_that_raw_prints_read_the_object_the_same(
    aftrun: Run, sandbox: Start, tmp_path: Path, dialect: str
) -> None:
    """What `--raw` proposes, pasted into a manifest, gives the same state, and then nothing is guessed any more."""
    server = sandbox(scenario(dialect, bad="failed"))
    (job_id,) = submit(aftrun, server, "bad")
    before = json.loads(aftrun("status", job_id, "--raw", "-o", "json", server=server).out)
    assert before["state"] == "failed"
    assert before["readFrom"]["id"]
    lines = "".join(f"  {line}\n" for line in before["jobInfo"].splitlines())
    pin = f"  tls: {{fingerprint: '{server.fingerprint}'}}\n"
    text = f"server:\n  url: {server.url}\n{pin}{lines}jobs: [{{scriptName: x}}]\n"
    (tmp_path / "m.yaml").write_text(text)
    done = aftrun("status", job_id, "-m", "m.yaml", "--raw", "-o", "json", env={"AFT_API_KEY": server.api_key})
    after = json.loads(done.out)
    assert (after["id"], after["state"], after["exitCode"]) == (before["id"], before["state"], before["exitCode"])
    assert "id:" not in after["jobInfo"]


def test_raw_shows_the_object_and_where_each_field_came_from(aftrun: Run, sandbox: Start) -> None:
    """The object as it was sent, beside how it was read."""
    server = sandbox(scenario("envelope"))
    (job_id,) = submit(aftrun, server, "x")
    done = aftrun("status", job_id, "--raw", server=server)
    assert done.code == 0
    assert '"state": "succeeded"' in done.out
    assert "from data.state" in done.out
    assert "status: data.state" in done.out


def test_a_job_that_nobody_knows_is_exit_6(aftrun: Run, sandbox: Start) -> None:
    """404 is an answer, and says what to check."""
    done = aftrun("status", "999", server=sandbox())
    assert done.code == 6
    assert "knows no job 999" in done.err


@pytest.mark.parametrize("command", ["status", "wait"])
def test_a_wrong_key_is_exit_4(aftrun: Run, sandbox: Start, command: str) -> None:
    """Both commands say so at once, with the allow-list."""
    done = aftrun(command, "7", server=sandbox(), env={"AFT_API_KEY": "kx7-Zq"})
    assert done.code == 4
    assert "allow-list" in done.err
    assert "kx7-Zq" not in done.out + done.err


@pytest.mark.parametrize("command", ["status", "wait"])
def test_an_unreachable_server_is_exit_3(aftrun: Run, command: str) -> None:
    """A port at which nothing listens; `wait` does not wait for it."""
    done = aftrun(command, "7", "--server", "https://127.0.0.1:1", env={"AFT_API_KEY": "k"})
    assert done.code == 3
    assert "connection refused" in done.err


def test_without_a_key_nothing_is_asked(aftrun: Run, sandbox: Start) -> None:
    """Exit 2 names the variable and the other ways, and no request leaves."""
    server = sandbox()
    done = aftrun("status", "7", "--server", server.url, "--fingerprint", server.fingerprint)
    assert done.code == 2
    assert "AFT_API_KEY" in done.err
    assert "--api-key-file" in done.err
    assert server.ledger() == ()


def test_a_key_in_argv_works_and_warns(aftrun: Run, sandbox: Start) -> None:
    """`-a KEY` is taken, said to be visible, and not repeated."""
    server = sandbox(api_key="k-very-secret-1")
    (job_id,) = submit(aftrun, server, "x")
    flags = ("--server", server.url, "--fingerprint", server.fingerprint)
    done = aftrun("status", job_id, "-a", server.api_key, *flags)
    assert done.code == 0, done.err
    assert "can be seen" in done.err
    assert server.api_key not in done.out + done.err
    quiet = aftrun("status", job_id, *flags, env={"AFTRUN_API_KEY": server.api_key})
    assert (quiet.code, quiet.err) == (0, "")


def test_the_key_can_come_from_a_file(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """One line break at its end is not part of the key."""
    server = sandbox()
    (job_id,) = submit(aftrun, server, "x")
    (tmp_path / "key").write_text(server.api_key + "\n")
    flags = ("--server", server.url, "--fingerprint", server.fingerprint)
    assert aftrun("status", job_id, "--api-key-file", "key", *flags).code == 0
    both = aftrun("status", job_id, "--api-key-file", "key", "-a", "x", *flags)
    assert both.code == 2
    assert "exclude each other" in both.err


def test_the_server_of_a_manifest_can_be_used(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """`--manifest` and `--server-name` take address, key and pin from there."""
    server = sandbox()
    (job_id,) = submit(aftrun, server, "x")
    text = (
        "servers:\n  other: {url: 'https://127.0.0.1:1'}\n"
        f"  here: {{url: '{server.url}', apiKey: '${{MY_KEY}}', tls: {{fingerprint: '{server.fingerprint}'}}}}\n"
        "jobs: [{scriptName: x, server: here}]\n"
    )
    (tmp_path / "m.yaml").write_text(text)
    done = aftrun("status", job_id, "-m", "m.yaml", "--server-name", "here", env={"MY_KEY": server.api_key})
    assert done.code == 0, done.err
    missing = aftrun("status", job_id, "-m", "m.yaml", "--server-name", "there", env={"MY_KEY": server.api_key})
    assert missing.code == 2
    assert "here" in missing.err


def test_wait_follows_jobs_to_their_ends(aftrun: Run, sandbox: Start) -> None:
    """Several at once, a report of the usual shape, and the exit code of the worst."""
    slow = scenario(bad="failed", gone="cancelled")
    slow["defaults"] = {"queue": "0s", "duration": "400ms"}
    server = sandbox(slow)
    ids = submit(aftrun, server, "good", "bad", "gone")
    done = aftrun("wait", *ids, ids[0], "-o", "json", server=server)
    assert done.code == 1, done.err
    report = json.loads(done.out)
    jsonschema.Draft202012Validator(json.loads(schema_text("report"))).validate(report)
    assert [(job["jobId"], job["outcome"]) for job in report["jobs"]] == [
        (ids[0], "succeeded"),
        (ids[1], "failed"),
        (ids[2], "cancelled"),
    ]
    assert sum(entry.method == "POST" for entry in server.ledger()) == 3
    assert aftrun("wait", ids[0], ids[2], server=server).code == 5
    assert not (done.folder / ".aftrun" / "runs" / report["run"]["id"]).exists()


def test_wait_gives_up_at_its_timeout(aftrun: Run, sandbox: Start) -> None:
    """124, counted from now, and the job goes on."""
    server = sandbox(scenario(x="stuck"))
    (job_id,) = submit(aftrun, server, "x")
    done = aftrun("wait", job_id, "--timeout", "600ms", server=server)
    assert done.code == 124
    assert "may still be running" in done.err
    assert "command line:1" not in done.err


def test_an_id_is_quoted_and_never_another_path(aftrun: Run, sandbox: Start) -> None:
    """Slashes, escapes and what begins a query stay in one segment of the path."""
    server = sandbox()
    for job_id in ("../../v1/jobs", "a/../b", "1?x=1#y", "%2e%2e", "\N{SNOWMAN}", "'"):
        assert aftrun("status", job_id, server=server).code == 6
    paths = [entry.path for entry in server.ledger()]
    assert len(paths) == 6
    assert all(path.startswith("/v1/adm/jobs/") and path.count("/") == 4 and "?" not in path for path in paths)


def test_help_documents_the_exit_codes(aftrun: Run) -> None:
    """What a script needs to know is in --help."""
    assert "Exit codes" in aftrun("status", "--help").out


def test_values_of_an_env_file_serve_every_command_that_needs_some(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """A manifest that `apply --env-file` runs can be read by the others; the hint names a flag they have."""
    server = sandbox(scenario(x="succeeded"))
    (job_id,) = submit(aftrun, server, "x")
    text = f"server:\n  url: {server.url}\n  apiKey: ${{KEY}}\n  tls: {{fingerprint: '{server.fingerprint}'}}\n"
    (tmp_path / "m.yaml").write_text(f"{text}jobs: [{{scriptName: x}}]\n")
    (tmp_path / "e.env").write_text(f"KEY={server.api_key}\nPARAM=value\n")
    env = ("--env-file", "e.env")
    for words in (
        ("status", job_id, "-m", "m.yaml"),
        ("wait", job_id, "-m", "m.yaml"),
        ("doctor", "m.yaml"),
        ("apply", "m.yaml"),
    ):
        without = aftrun(*words)
        assert without.code == 2, without.out
        assert "KEY" in without.err + without.out
        done = aftrun(*words, *env)
        assert done.code == 0, done.err
    done = aftrun("start", "-n", "x", "--param", "p=${PARAM}", *env, server=server)
    assert done.code == 0, done.err
    assert server.jobs()[-1].body["params"] == {"p": "value"}


def test_the_line_to_wait_again_has_every_flag_that_was_given(tmp_path: Path) -> None:
    """All but the key itself, so that pasting it does the same."""
    server = ServerFlags(server="http://h:1", tls=TlsFlags(insecure_http=True))
    flags = TargetFlags(server, env_file=[tmp_path / "e"], policy=PolicyFlags(policy=tmp_path / "p"))
    words = flags.words()
    assert words[:2] == ("--server", "http://h:1")
    assert {"--insecure-http", "--env-file", "--policy"} <= set(words)
