"""`aftrun doctor`: each check with its remedy, and no job."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aftrun.sandbox.server import Sandbox
from tests.conftest import Run
from tests.unit.servers import RawServer, always, response

Start = Callable[..., Sandbox]


def test_a_healthy_server_is_exit_0_and_gets_no_job(aftrun: Run, sandbox: Start) -> None:
    """All checks by name, and the ledger shows GETs only."""
    server = sandbox()
    done = aftrun("doctor", server=server)
    assert done.code == 0, done.out
    for check in ("settings", "name", "connection", "certificate", "expiry", "clock", "key"):
        assert f"ok       {check}" in done.out
    assert {entry.method for entry in server.ledger()} == {"GET"}
    assert server.jobs() == ()


def test_the_servers_of_manifests_are_looked_at_each_once(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Two manifests with one server make one checkup; the worst finding decides."""
    server = sandbox()
    tls = f"tls: {{fingerprint: '{server.fingerprint}'}}"
    here = f"{{url: '{server.url}', apiKey: '${{MY_KEY}}', {tls}}}"
    (tmp_path / "a.yaml").write_text(f"server: {here}\njobs: [{{scriptName: x}}]\n")
    text = f"servers:\n  one: {here}\n  two: {{url: 'https://127.0.0.1:1', apiKey: k}}\njobs: [{{scriptName: x}}]\n"
    (tmp_path / "b.yaml").write_text(text)
    done = aftrun("doctor", "a.yaml", "b.yaml", "--format", "json", env={"MY_KEY": server.api_key})
    data = json.loads(done.out)
    assert [each["server"] for each in data["servers"]] == [server.url, "https://127.0.0.1:1"]
    assert [each["exitCode"] for each in data["servers"]] == [0, 3]
    assert done.code == 3
    failed = next(check for check in data["servers"][1]["checks"] if check["level"] == "failed")
    assert failed["name"] == "connection"
    assert "service runs" in failed["remedy"]
    only = aftrun("doctor", "b.yaml", "--server-name", "one", env={"MY_KEY": server.api_key})
    assert only.code == 0


def test_a_self_signed_certificate_is_exit_3_with_the_line_to_paste(aftrun: Run, sandbox: Start) -> None:
    """And the key does not leave."""
    server = sandbox()
    done = aftrun("doctor", "--server", server.url, env={"AFT_API_KEY": server.api_key})
    assert done.code == 3
    assert f"fingerprint: {server.fingerprint}" in done.out
    assert server.ledger() == ()


def test_a_refused_key_is_exit_4(aftrun: Run, sandbox: Start) -> None:
    """With the allow-list, and without the key."""
    done = aftrun("doctor", server=sandbox(), env={"AFT_API_KEY": "kx7-Zq"})
    assert done.code == 4
    assert "allow-list" in done.out
    assert "kx7-Zq" not in done.out + done.err


def test_without_a_key_the_rest_is_still_looked_at(aftrun: Run, sandbox: Start) -> None:
    """Exit 2 for the missing value; certificate and clock are checked all the same."""
    server = sandbox()
    done = aftrun("doctor", "--server", server.url, "--fingerprint", server.fingerprint)
    assert done.code == 2
    assert "AFT_API_KEY is not set" in done.out
    assert "ok       certificate" in done.out
    assert "ok       clock" in done.out


def test_a_job_shows_the_object_beside_how_it_was_read(aftrun: Run, sandbox: Start) -> None:
    """An unknown word for a state: exit 6, the raw object, and the lines that settle it."""
    server = sandbox({"defaults": {"queue": "0s", "duration": "0s", "dialect": "unlisted"}})
    assert aftrun("apply", "-", "--no-wait", server=server, stdin="scriptName: x\n").code == 0
    job_id = server.jobs()[0].id
    done = aftrun("doctor", "--job", job_id, server=server)
    assert done.code == 6
    assert '"status": "Decanted"' in done.out
    assert "from status" in done.out
    assert "jobInfo:" in done.out
    assert "# succeeded: [Decanted]" in done.out
    data = json.loads(aftrun("doctor", "--job", job_id, "--format", "json", server=server).out)
    assert data["servers"][0]["job"]["raw"]["status"] == "Decanted"
    assert aftrun("doctor", "--job", "999", server=server).code == 6


@pytest.mark.parametrize("path", ["/nonsense", "/v1/jobs", "/v1/adm/jobs"])
def test_a_wrong_path_is_no_accepted_key(aftrun: Run, sandbox: Start, path: str) -> None:
    """A 404 to everything proves nothing, and the path is named with what to write instead."""
    server = sandbox()
    flags = ("--server", server.url + path, "--fingerprint", server.fingerprint)
    done = aftrun("doctor", *flags, env={"AFT_API_KEY": server.api_key})
    assert done.code == 0
    assert "warning  address" in done.out
    assert "warning  key          cannot tell yet: the server knows the key" in done.out
    assert "accepted" not in done.out.replace("accepted by fingerprint", "")
    assert f"write {server.url}" in done.out
    sent = aftrun("start", "-n", "x", *flags, env={"AFT_API_KEY": server.api_key})
    assert sent.code == 1
    assert "no such address" in sent.err
    assert "no such script" in sent.err
    assert f"write {server.url}" in sent.err


def test_a_key_is_accepted_where_a_wrong_one_is_not(aftrun: Run, sandbox: Start) -> None:
    """The real key is sent once, and one that nobody has."""
    server = sandbox()
    done = aftrun("doctor", server=server)
    assert done.code == 0
    assert (
        "ok       key          accepted for reading jobs: a wrong one is answered HTTP 401, this one HTTP 404"
        in done.out
    )


def test_a_job_that_can_be_read_proves_the_key(aftrun: Run, sandbox: Start) -> None:
    """Then no wrong key is tried."""
    server = sandbox()
    aftrun("start", "-n", "x", "-q", server=server)
    (job,) = server.jobs()
    before = len(server.ledger())
    done = aftrun("doctor", "--job", job.id, server=server)
    assert f"ok       key          accepted for reading jobs: job {job.id} can be read" in done.out
    assert len(server.ledger()) == before + 2


def test_a_server_that_answers_every_key_alike_proves_nothing(aftrun: Run) -> None:
    """404 to the right key and to a wrong one: that is said, and how to find out."""
    with RawServer(always(response(b"{}", "404 Not Found"))) as server:
        done = aftrun("doctor", "--server", server.url, env={"AFT_API_KEY": "k3y-of-ours"})
    assert done.code == 0
    assert "warning  key          cannot tell yet: HTTP 404 for a job that cannot exist, and a wrong key" in done.out
    assert "aftrun doctor --job ID" in done.out
