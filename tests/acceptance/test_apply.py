"""`aftrun apply` as people use it: the real program, real HTTPS, a real server."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from aftrun.domain.model import Json
from aftrun.sandbox.certificate import self_signed
from aftrun.sandbox.server import Sandbox
from aftrun.system.resources import schema_text
from tests.conftest import ROOT, Run

Start = Callable[..., Sandbox]


def write(folder: Path, text: str, name: str = "jobs.yaml") -> str:
    """A manifest in the folder in which the program runs."""
    (folder / name).write_text(text, encoding="utf-8")
    return name


def posts(server: Sandbox) -> list[object]:
    """The bodies of all POSTs that the server has seen."""
    return [entry.parsed for entry in server.ledger() if entry.method == "POST"]


def free_port() -> int:
    """A port at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_the_nightly_manifest_succeeds_in_the_sandbox(aftrun: Run) -> None:
    """The main job: a real manifest against `--sandbox`, without a key or any set-up, ends in a valid report."""
    done = aftrun("apply", str(ROOT / "manifests" / "nightly.yaml"), "--sandbox")
    assert done.code == 0, done.err
    report = done.report()
    jsonschema.Draft202012Validator(json.loads(schema_text("report"))).validate(report)
    assert report["summary"]["succeeded"] == report["summary"]["total"] == 10
    assert report["run"]["exitCode"] == 0
    assert [job["name"] for job in report["jobs"]][:2] == ["watchdog", "relay"]
    workflow = next(job for job in report["jobs"] if job["name"] == "workflow")
    encrypt = next(job for job in report["jobs"] if job["name"] == "encrypt")
    assert workflow["request"]["params"] == {"upstream": encrypt["jobId"]}
    assert "our assumption of AFT!" in done.err


def test_the_request_is_the_documented_one_and_nothing_else(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Method, path, key header, content type, and a body with the selector and params only."""
    server = sandbox()
    manifest = write(tmp_path, "scriptName: My Backup Job\nparams: {destination: /archive/2026, character: goofy}\n")
    assert aftrun("apply", manifest, server=server).code == 0
    first = server.ledger()[0]
    assert (first.method, first.path) == ("POST", "/v1/jobs")
    assert first.key == "valid"
    assert dict(first.headers)["Content-Type"] == "application/json"
    assert first.parsed == {
        "scriptName": "My Backup Job",
        "params": {"destination": "/archive/2026", "character": "goofy"},
    }


def test_a_body_without_params_holds_only_the_selector(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """No empty or null fields are made up."""
    server = sandbox()
    assert aftrun("apply", write(tmp_path, "filePath: /opt/scripts/load.syncjs\n"), server=server).code == 0
    assert posts(server) == [{"filePath": "/opt/scripts/load.syncjs"}]


def test_params_arrive_as_the_text_that_was_written(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """YAML's ideas about numbers, times and booleans do not reach the server."""
    server = sandbox()
    text = 'scriptName: x\nparams: {a: 007, b: yes, c: 12:30, d: 1.10, e: 2026-01-02, f: "x"}\n'
    assert aftrun("apply", write(tmp_path, text), server=server).code == 0
    expected = {"a": "007", "b": "yes", "c": "12:30", "d": "1.10", "e": "2026-01-02", "f": "x"}
    assert posts(server) == [{"scriptName": "x", "params": expected}]


@pytest.mark.parametrize(
    ("text", "place", "names"),
    [
        ("params: {a: b}\n", "jobs.yaml:1:1", ("scriptName", "scriptId", "filePath")),
        ("scriptName: a\nfilePath: /b.syncjs\n", "jobs.yaml:2:1", ("scriptName (line 1)", "filePath (line 2)")),
        (
            "scriptName: a\nscriptId: b\nfilePath: /c.syncjs\n",
            "jobs.yaml:2:1",
            ("scriptName (line 1)", "scriptId (line 2)", "filePath (line 3)"),
        ),
    ],
)
def test_exactly_one_selector(
    aftrun: Run, sandbox: Start, tmp_path: Path, text: str, place: str, names: tuple[str, ...]
) -> None:
    """None, two and three selectors: exit 2 with the place and the names, and nothing is sent."""
    server = sandbox()
    done = aftrun("apply", write(tmp_path, text), server=server)
    assert done.code == 2
    assert place in done.err
    assert all(name in done.err for name in names)
    assert server.ledger() == ()


def test_a_failed_job_is_exit_1(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """The server's own message is in the report and on the terminal."""
    server = sandbox({"defaults": {"duration": "10ms", "queue": "0s", "outcome": "failed", "message": "disk is full"}})
    done = aftrun("apply", write(tmp_path, "scriptName: x\n"), server=server)
    assert done.code == 1
    assert "disk is full" in done.err
    job = done.report()["jobs"][0]
    assert (job["outcome"], job["jobId"]) == ("failed", server.jobs()[0].id)


def test_an_unreachable_server_is_exit_3(aftrun: Run, tmp_path: Path) -> None:
    """A refused connection is tried again until submitTimeout, then nothing was created."""
    text = f"server: {{url: 'https://127.0.0.1:{free_port()}', submitTimeout: 1s}}\njobs: [{{scriptName: x}}]\n"
    done = aftrun("apply", write(tmp_path, text), env={"AFT_API_KEY": "k"})
    assert done.code == 3, done.err
    assert done.report()["jobs"][0]["outcome"] == "undelivered"
    assert "connection refused" in done.err


def test_a_wrong_key_is_exit_4_and_names_the_allow_list(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """401 is final, and says what to check."""
    server = sandbox()
    done = aftrun("apply", write(tmp_path, "scriptName: x\n"), server=server, env={"AFT_API_KEY": "kx7-Zq"})
    assert done.code == 4
    assert "allow-list" in done.err
    assert "kx7-Zq" not in done.err + done.out
    assert len(server.ledger()) == 1


@pytest.mark.parametrize("strikes", ["before", "after"])
def test_a_reset_after_the_request_is_unknown_and_never_repeated(
    aftrun: Run, sandbox: Start, tmp_path: Path, strikes: str
) -> None:
    """Whether the job was created before the reset or not: exit 6, and the ledger shows one POST."""
    server = sandbox({"defaults": {"faults": [{"on": "submit", "kind": "reset", "strikes": strikes}]}})
    done = aftrun("apply", write(tmp_path, "scriptName: x\n"), server=server)
    assert done.code == 6, done.err
    assert done.report()["jobs"][0]["outcome"] == "unknown"
    assert len(posts(server)) == 1
    assert len(server.jobs()) == (strikes == "after")


def test_first_contact_shows_the_line_that_pins_the_server(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Self-signed and not pinned: exit 3 before any HTTP; the line from the message makes it work."""
    server = sandbox()
    manifest = write(tmp_path, f"server:\n  url: {server.url}\njobs:\n  - scriptName: x\n")
    done = aftrun("apply", manifest, env={"AFT_API_KEY": server.api_key})
    assert done.code == 3
    assert server.ledger() == ()
    line = f"fingerprint: {server.fingerprint}"
    assert line in done.err
    pinned = write(tmp_path, f"server:\n  url: {server.url}\n  tls:\n    {line}\njobs:\n  - scriptName: x\n")
    assert aftrun("apply", pinned, env={"AFT_API_KEY": server.api_key}).code == 0


def test_with_a_wrong_pin_no_key_leaves(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Exit 3, both fingerprints in the message, and no request at all."""
    server = sandbox()
    wrong = "sha256:" + "ab" * 32
    manifest = write(tmp_path, "scriptName: x\n")
    done = aftrun(
        "apply", manifest, "--server", server.url, "--fingerprint", wrong, env={"AFT_API_KEY": server.api_key}
    )
    assert done.code == 3
    assert wrong in done.err
    assert server.fingerprint in done.err
    assert server.ledger() == ()


def test_a_ca_file_beside_the_manifest_is_trusted(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """`caFile` is relative to the manifest, and wins over the variables that requests would let override it."""
    server = sandbox()
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "aft.pem").write_bytes(server.ca_pem)
    text = f"server: {{url: '{server.url}', tls: {{caFile: certs/aft.pem}}}}\njobs: [{{scriptName: x}}]\n"
    environ = {"AFT_API_KEY": server.api_key, "REQUESTS_CA_BUNDLE": "/nowhere.pem"}
    assert aftrun("apply", write(tmp_path, text), env=environ).code == 0


def test_insecure_works_and_is_loud(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """`-k` is possible, and nobody can overlook it."""
    server = sandbox()
    manifest = write(tmp_path, "scriptName: x\n")
    done = aftrun("apply", manifest, "--server", server.url, "-k", env={"AFT_API_KEY": server.api_key})
    assert done.code == 0
    assert "NOT verified" in done.err
    assert done.report()["run"]["warnings"]


def test_an_unset_variable_is_exit_2_before_anything_is_sent(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Every value is checked before the first request, even those of the last job."""
    server = sandbox()
    text = "jobs:\n  - {name: a, scriptName: x}\n  - {name: b, scriptName: y, params: {t: '${UPSTREAM_TOKEN}'}}\n"
    done = aftrun("apply", write(tmp_path, text), server=server)
    assert done.code == 2
    assert "UPSTREAM_TOKEN" in done.err
    assert "jobs.yaml:3:" in done.err
    assert server.ledger() == ()


def test_secrets_reach_the_server_and_nothing_else(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """The value is in the request; report, output and state file hold `${UPSTREAM_TOKEN}`."""
    server = sandbox()
    secret = "s3cr3t/with+odd=chars"
    manifest = write(tmp_path, "scriptName: x\nparams: {token: '${UPSTREAM_TOKEN}', plain: '$$HOME'}\n")
    done = aftrun("apply", manifest, "-o", "json", server=server, env={"UPSTREAM_TOKEN": secret})
    assert done.code == 0
    assert posts(server) == [{"scriptName": "x", "params": {"token": secret, "plain": "$HOME"}}]
    assert json.loads(done.out)["jobs"][0]["request"]["params"]["token"] == "${UPSTREAM_TOKEN}"
    everything = (done.out + done.err).encode() + b"".join(
        path.read_bytes() for path in (tmp_path / ".aftrun").rglob("*") if path.is_file()
    )
    assert secret.encode() not in everything
    assert server.api_key.encode() not in everything


def test_sequential_by_default_and_stops_at_the_first_bad_end(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Manifest order, one at a time; after the failure only `when: always` still runs."""
    behaviours = [{"match": {"scriptName": "bad"}, "outcome": "failed", "duration": "10ms", "queue": "0s"}]
    server = sandbox({"defaults": {"duration": "10ms", "queue": "0s"}, "behaviours": behaviours})
    text = (
        "jobs:\n  - {scriptName: one}\n  - {scriptName: bad}\n  - {scriptName: three}\n"
        "  - {name: tell, scriptName: summary, when: always, needs: [bad]}\n"
    )
    done = aftrun("apply", write(tmp_path, text), server=server)
    assert done.code == 1
    assert [body["scriptName"] for body in posts(server) if isinstance(body, dict)] == ["one", "bad", "summary"]
    outcomes = {job["name"]: (job["outcome"], job["reason"]) for job in done.report()["jobs"]}
    assert outcomes["three"] == ("skipped", "failFast")
    assert outcomes["tell"] == ("succeeded", "done")


def test_parallel_keeps_to_max_parallel(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """`-j 3` has at most three jobs on the server at once, and at some time it has three."""
    server = sandbox({"defaults": {"duration": "300ms", "queue": "0s"}})
    jobs = "".join(f"  - {{name: j{number}, scriptName: x}}\n" for number in range(9))
    assert aftrun("apply", write(tmp_path, f"jobs:\n{jobs}"), "-j", "3", server=server).code == 0
    spans = [(job.created_at, job.ended_at) for job in server.jobs()]
    assert len(spans) == 9
    most = max(sum(start <= moment < (end or moment + 1) for start, end in spans) for moment, _ in spans)
    assert most == 3


def test_wait_false_is_content_with_acceptance(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """A watcher is `submitted`, exit 0, and its state is never asked for."""
    server = sandbox({"defaults": {"outcome": "stuck"}})
    done = aftrun("apply", write(tmp_path, "scriptName: watcher\nwait: false\n"), server=server)
    assert done.code == 0
    assert done.report()["jobs"][0]["outcome"] == "submitted"
    assert [entry.method for entry in server.ledger()] == ["POST"]


def test_giving_up_is_124_and_says_that_the_job_goes_on(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """`--timeout` counts from acceptance; the outcome is `timedOut`."""
    server = sandbox({"defaults": {"outcome": "stuck", "queue": "0s"}})
    done = aftrun("apply", write(tmp_path, "scriptName: slow\n"), "--timeout", "700ms", server=server)
    assert done.code == 124
    assert done.report()["jobs"][0]["outcome"] == "timedOut"
    assert "may still be running" in done.err


def test_several_documents_are_one_run(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """One report for all; after a bad manifest the next starts only with --keep-going."""
    scenario = {
        "defaults": {"duration": "10ms", "queue": "0s"},
        "behaviours": [{"match": {"scriptName": "bad"}, "outcome": "failed"}],
    }
    server = sandbox(scenario)
    manifest = write(tmp_path, "name: a\njobs: [{scriptName: bad}]\n---\nname: b\njobs: [{scriptName: good}]\n")
    done = aftrun("apply", manifest, server=server)
    assert done.code == 1
    assert [(job["manifest"], job["outcome"]) for job in done.report()["jobs"]] == [("a", "failed"), ("b", "skipped")]
    done = aftrun("apply", manifest, "--keep-going", server=server)
    assert done.code == 1
    assert [job["outcome"] for job in done.report()["jobs"]] == ["failed", "succeeded"]


def test_standard_input_json_and_folders(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """The API's own request body works as it is, from a pipe; a folder is all manifests in it."""
    server = sandbox()
    assert aftrun("apply", "-", server=server, stdin='{"scriptName": "from a pipe"}').code == 0
    (tmp_path / "all").mkdir()
    write(tmp_path, "scriptName: one\n", "all/1.yaml")
    write(tmp_path, '{"scriptName": "two"}', "all/2.json")
    done = aftrun("apply", "all", server=server)
    assert done.code == 0
    assert done.report()["summary"]["total"] == 2
    names = [body["scriptName"] for body in posts(server) if isinstance(body, dict)]
    assert names == ["from a pipe", "one", "two"]


def test_a_redirect_is_not_followed(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """The key goes nowhere but to the configured server."""
    other = sandbox()
    faults = [{"on": "submit", "kind": "redirect", "to": f"{other.url}/v1/jobs", "code": 307}]
    server = sandbox({"defaults": {"faults": faults}})
    done = aftrun("apply", write(tmp_path, "scriptName: x\n"), server=server)
    assert done.code == 1
    assert other.ledger() == ()
    assert "redirect" in done.err


def test_a_job_that_may_not_be_read_is_unknown(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """403 on the status read: the job was accepted, but nobody saw its end."""
    faults = [{"on": "status", "kind": "status", "code": 403, "times": "always"}]
    server = sandbox({"defaults": {"faults": faults}})
    manifest = "server: {submitTimeout: 1s, poll: {min: 50ms}}\njobs: [{scriptName: x}]\n"
    done = aftrun("apply", write(tmp_path, manifest), server=server)
    assert done.code == 6
    assert done.err.count("may submit but perhaps not read") == 2  # at once, and at the end
    assert sum(entry.method == "GET" for entry in server.ledger()) > 2


def test_a_moment_of_trouble_with_reading_decides_nothing(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """A single 400, a redirect, a refused key: the job's end is seen all the same, and nothing was sent elsewhere."""
    other = sandbox()
    faults: list[Json] = [
        {"on": "status", "kind": "status", "code": 400, "times": 1},
        {"on": "status", "kind": "redirect", "to": f"{other.url}/v1/adm/jobs/1", "code": 302, "times": 1},
        {"on": "status", "kind": "status", "code": 403, "times": 1},
        {"on": "status", "kind": "status", "code": 429, "retryAfter": {"date": "1s"}, "times": 1},
    ]
    server = sandbox({"defaults": {"queue": "0s", "duration": "10ms", "faults": faults}})
    done = aftrun("apply", write(tmp_path, "scriptName: x\n"), server=server)
    assert done.code == 0, done.err
    assert other.ledger() == ()


def test_a_plain_http_server_that_only_says_200(aftrun: Run, tmp_path: Path) -> None:
    """A server of any kind that answers with an id gets exactly one request with exactly these bytes."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                data = b""
                while b"\r\n\r\n" not in data or not data.endswith(b"}"):
                    data += connection.recv(65536)
                seen.append(data)
                body = b'{"id": 7}'
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
                connection.sendall(head + body)

        thread = threading.Thread(target=serve)
        thread.start()
        text = f"server: {{url: 'http://127.0.0.1:{port}'}}\njobs: [{{scriptName: x, params: {{a: 1}}, wait: false}}]\n"
        done = aftrun("apply", write(tmp_path, text), env={"AFT_API_KEY": "the-key"})
        thread.join()
    assert done.code == 0, done.err
    assert done.report()["jobs"][0]["jobId"] == "7"
    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v1/jobs HTTP/1.1"
    assert "X-API-Key: the-key" in lines
    assert "Content-Type: application/json" in lines
    assert json.loads(body) == {"scriptName": "x", "params": {"a": "1"}}


@pytest.mark.parametrize(("days", "said"), [(20, True), (60, False)])
def test_a_certificate_that_ends_soon_is_told(
    aftrun: Run, sandbox: Start, tmp_path: Path, days: int, said: bool
) -> None:
    """Within 30 days: a warning at the terminal and in the report; it changes no outcome."""
    server = sandbox(certificate=self_signed(days=days))
    done = aftrun("apply", write(tmp_path, "scriptName: x\n"), server=server)
    assert done.code == 0
    assert ("it expires on" in done.err) is said
    assert any("it expires on" in text for text in done.report()["run"]["warnings"]) is said
    assert ("list the next one's pin too" in done.err) is said
    (tmp_path / "ca.pem").write_bytes(server.ca_pem)
    flags = ("--server", server.url, "--cacert", "ca.pem")
    by_file = aftrun("apply", write(tmp_path, "scriptName: x\n"), *flags, env={"AFT_API_KEY": server.api_key})
    assert (by_file.code, "it expires on" in by_file.err, "next one's pin" in by_file.err) == (0, said, False)
