"""An answer counts for a job only if it is about that job: every way to ask judges it alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import aftrun
from aftrun.sandbox.server import Sandbox
from tests.conftest import Run
from tests.unit.servers import RawServer, Visit, issued, response

Start = Callable[..., Sandbox]
KEY = "aft-key-0123456789"
DONE = {"status": "Succeeded", "exitCode": 0}

OF_ANOTHER: dict[str, Any] = {
    "another job": {"id": "job-2", **DONE},
    "our id elsewhere": {"id": "job-2", "attempt": "job-1", "needs": ["job-1"], **DONE},
    "a list of one": [{"id": "job-2", **DONE}],
    "a list without ids": [DONE],
    "another case": {"id": "JOB-1", **DONE},
    "inside": {"id": "job-1", "job": {"id": "job-2", **DONE}},
}
OURS: dict[str, Any] = {
    "itself": {"id": "job-1", **DONE},
    "a list of one": [{"id": "job-1", **DONE}],
    "two ids": {"id": "row-7", "jobId": "job-1", **DONE},
    "no id": DONE,
}


@pytest.fixture
def serve() -> Iterator[Callable[[Any], RawServer]]:
    """Starts servers that accept every job as `job-1`, and answer every status read with the same body."""
    with ExitStack() as stack:

        def start(body: Any) -> RawServer:
            def handle(visit: Visit) -> None:
                while request := visit.request():
                    if request.startswith(b"POST "):
                        visit.send(response(b'{"id": "job-1", "status": "Queued"}', "201 Created"))
                    elif b"no-such-job" in request.split(b"\r\n")[0]:
                        visit.send(response(b"{}", "404 Not Found"))
                    else:
                        visit.send(response(json.dumps(body).encode()))

            return stack.enter_context(RawServer(handle, issued().server_context()))

        yield start


def ask(run: Run, server: RawServer, *arguments: str, stdin: str = "") -> Any:
    """Run a command against such a server."""
    flags = ("--server", server.url, "--fingerprint", issued().pin)
    return run(*arguments, *flags, env={"AFT_API_KEY": KEY}, stdin=stdin)


@pytest.mark.parametrize("body", OF_ANOTHER.values(), ids=OF_ANOTHER)
def test_what_is_not_about_the_job_is_exit_6_for_everybody(
    aftrun: Run, serve: Callable[[Any], RawServer], body: Any
) -> None:
    """`status`, `wait`, `apply` and `doctor` call the outcome unknown, and say what they got instead."""
    server = serve(body)
    manifest = "jobs: [{scriptName: x, timeout: 100ms}]\n"
    for arguments in (
        ("status", "job-1"),
        ("wait", "job-1", "--timeout", "100ms"),
        ("apply", "-"),
        ("doctor", "--job", "job-1"),
    ):
        done = ask(aftrun, server, *arguments, stdin=manifest if "-" in arguments else "")
        assert done.code == 6, (arguments, done.out, done.err)
        assert "the server answered with" in done.out + done.err, arguments


@pytest.mark.parametrize("body", OURS.values(), ids=OURS)
def test_what_is_about_the_job_is_exit_0_for_everybody(
    aftrun: Run, serve: Callable[[Any], RawServer], body: Any
) -> None:
    """The same commands, and an answer that may be believed."""
    server = serve(body)
    for arguments in (("status", "job-1"), ("wait", "job-1"), ("apply", "-"), ("doctor", "--job", "job-1")):
        if arguments[0] == "apply" and body == OURS["two ids"]:
            continue  # the submission told the id in the field `id`, so that field is held to
        done = ask(aftrun, server, *arguments, stdin="scriptName: x\n" if "-" in arguments else "")
        assert done.code == 0, (arguments, done.out, done.err)


def test_the_library_judges_alike(serve: Callable[[Any], RawServer]) -> None:
    """`Client.status` raises instead of handing over another job's info."""
    for body in OF_ANOTHER.values():
        with (
            aftrun.Client(serve(body).url, KEY, fingerprint=issued().pin) as client,
            pytest.raises(aftrun.Ambiguous, match="the server answered with"),
        ):
            client.status("job-1")
    for body in OURS.values():
        with aftrun.Client(serve(body).url, KEY, fingerprint=issued().pin) as client:
            assert client.status("job-1").state is aftrun.State.SUCCEEDED


def test_raw_shows_what_was_sent_instead(aftrun: Run, serve: Callable[[Any], RawServer]) -> None:
    """Only so can a person find out which field is the id; the lines that it takes are named."""
    done = ask(aftrun, serve({"id": "row-7", "key": "job-1", **DONE}), "status", "job-1", "--raw")
    assert done.code == 6
    assert '"key": "job-1"' in done.out
    assert "server.jobInfo.id" in done.err


NO_IDS = ["", " ", "a b", "1\r\nX-Evil: 1", "\x1b[31m", "..", "/", "x" * 600]


@pytest.mark.parametrize("job_id", NO_IDS, ids=ascii)
def test_what_is_no_id_is_a_usage_error(aftrun: Run, sandbox: Start, job_id: str) -> None:
    """Exit 2 and nothing sent, above all not to the address of the list."""
    server = sandbox()
    for arguments in (("status", job_id), ("wait", job_id), ("wait", "job-1", job_id), ("doctor", "--job", job_id)):
        done = aftrun(*arguments, server=server)
        assert done.code == 2, (arguments, done.err)
        assert "is not the id of a job" in done.err
        assert "\x1b" not in done.err
        assert len(done.err.splitlines()) <= 3
    assert server.ledger() == ()


@pytest.mark.parametrize("job_id", NO_IDS, ids=ascii)
def test_the_library_sends_nothing_for_what_is_no_id(serve: Callable[[Any], RawServer], job_id: str) -> None:
    """The same check."""
    server = serve(DONE)
    with (
        aftrun.Client(server.url, KEY, fingerprint=issued().pin) as client,
        pytest.raises(aftrun.UsageError, match="is not the id of a job"),
    ):
        client.status(job_id)
    assert server.connections == 0


@pytest.mark.parametrize("job_id", NO_IDS, ids=ascii)
def test_a_server_that_hands_out_no_id_leaves_the_job_unknown(aftrun: Run, job_id: str) -> None:
    """What cannot be an id from a person cannot be one from a server: the POST's fate is unknown, nothing is read."""

    def handle(visit: Visit) -> None:
        while visit.request():
            visit.send(response(json.dumps({"id": job_id, "status": "Queued"}).encode(), "201 Created"))

    with RawServer(handle, issued().server_context()) as server:
        done = ask(aftrun, server, "apply", "-", stdin="scriptName: x\n")
    assert done.code == 6, done.err
    assert [request.split(b" ")[0] for request in server.requests] == [b"POST"]


def test_an_id_of_a_server_is_quoted(aftrun: Run, serve: Callable[[Any], RawServer]) -> None:
    """Whatever can be an id reaches the server as one segment of the path, and comes back the same."""
    names = ["a/b", "1?x=1#y", "%2e%2e", "50%", "ä", "a+b", "a;b=c", '"']
    left = list(names)

    def handle(visit: Visit) -> None:
        while request := visit.request():
            name = left[0]
            if request.startswith(b"POST "):
                visit.send(response(json.dumps({"id": name}).encode(), "201 Created"))
            else:
                del left[0]
                visit.send(response(json.dumps({"id": name, **DONE}).encode()))

    jobs = "".join(f"  - {{name: j{number}, scriptName: x}}\n" for number in range(len(names)))
    with RawServer(handle, issued().server_context()) as server:
        done = ask(aftrun, server, "apply", "-", stdin=f"jobs:\n{jobs}")
    assert done.code == 0, done.err
    paths = [request.split(b" ")[1].decode() for request in server.requests if request.startswith(b"GET ")]
    assert [path.count("/") for path in paths] == [4] * len(names)
    assert not any(character in path for path in paths for character in "?#")


@pytest.mark.parametrize("spelling", ["https://127.0.0.1:{port}", "https://localhost:{port}/"])
def test_a_server_that_gives_an_id_out_twice_makes_both_jobs_unknown(aftrun: Run, spelling: str) -> None:
    """It restarted, and counts from 1 again. Neither job is told to have succeeded, however the server is spelled."""
    told: list[str] = []

    def handle(visit: Visit) -> None:
        while request := visit.request():
            created = request.startswith(b"POST ")
            # Not before both have their answer, and some reads later: an end that is seen earlier is the first job's.
            ended = not created and told.count("id") == 2 and len(told) > 6
            state = {"status": "Queued"} if created else DONE if ended else {"status": "Running"}
            visit.send(response(json.dumps({"id": 1, **state}).encode(), "201 Created" if created else "200 OK"))
            if created or told.count("id") == 2:
                told.append("id" if created else "state")

    with RawServer(handle, issued().server_context()) as server:
        tls = f"tls: {{fingerprint: '{issued().pin}'}}, poll: {{min: 20ms}}"
        done = aftrun(
            "apply",
            "-",
            env={"AFT_API_KEY": KEY},
            stdin=(
                "servers:\n"
                f"  one: {{url: '{server.url}', {tls}}}\n"
                f"  two: {{url: '{spelling.format(port=server.port)}', {tls}}}\n"
                "strategy: {order: parallel}\n"
                "jobs: [{name: a, scriptName: x, server: one}, {name: b, scriptName: x, server: two}]\n"
            ),
        )
    assert done.code == 6, done.err
    assert [job["outcome"] for job in done.report()["jobs"]] == ["unknown", "unknown"]
    assert "the server gave the id 1 to b too" in done.err
    assert sum(request.startswith(b"POST ") for request in server.requests) == 2
