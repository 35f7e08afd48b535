"""A server that means harm: the whole program against it, its memory measured, and where the key went."""

from __future__ import annotations

import functools
import gzip
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import clean_environ
from tests.unit.servers import RawServer, Visit, always, response, self_signed
from tests.waiting import HANG

ENDLESS = ("a slow body", "a slow head", "silence")
"""Answers that never end, whatever the machine. They are given up after a second; all others have all the time."""
LIMIT = 150 * 1024
"""KiB of memory at most, at any time."""
KEY = "hostile-key-4711"
ESC = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u202e\x9b5n"

CHILD = """
import atexit, pathlib, sys
def note():
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        peak = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    else:
        import resource
        peak = str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    pathlib.Path("peak").write_text(peak)
atexit.register(note)
from aftrun.__main__ import main
main()
"""
"""The program, leaving its peak memory behind. Not as the parent sees it: that counts the parent's own before exec."""


@dataclass(frozen=True)
class Ended:
    """How one command ended."""

    code: int
    out: bytes
    err: bytes
    peak: int


def run(
    folder: Path, *arguments: str, server: RawServer, read_timeout: float = HANG, jobs: str = "[{scriptName: x}]"
) -> Ended:
    """One command against the server, through its manifest."""
    text = (
        f"server: {{url: '{server.url}', readTimeout: {read_timeout:g}s, connectTimeout: {HANG:g}s, submitTimeout: 0s, "
        f"tls: {{fingerprint: '{self_signed().pin}'}}, poll: {{min: 50ms, max: 50ms}}}}\njobs: {jobs}\n"
    )
    (folder / "m.yaml").write_text(text)
    command = [sys.executable, "-c", CHILD, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=clean_environ(AFT_API_KEY=KEY), capture_output=True, timeout=HANG, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr, int((folder / "peak").read_text()))


def harmless(ended: Ended, folder: Path) -> None:
    """What must hold whatever the server does."""
    said = ended.out + ended.err
    assert b"Traceback" not in said
    assert b"a bug in aftrun" not in said
    assert ended.peak < LIMIT, f"{ended.peak} KiB"
    assert KEY.encode() not in said
    assert not set(said) & {0x1B, 0x07, 0x08, 0x0D}
    for harm in ("\x9b", "\u202e"):
        assert harm.encode() not in said
    record = b"".join(path.read_bytes() for path in (folder / ".aftrun").rglob("*") if path.is_file())
    assert KEY.encode() not in record


def serve(handler: Callable[[Visit], object]) -> RawServer:
    """A server with TLS that answers each request by `handler`."""

    def handle(visit: Visit) -> None:
        while visit.request():
            handler(visit)

    return RawServer(handle, self_signed().server_context())


def chunked(visit: Visit, head: str, *pieces: bytes, each: float = 0.0, times: int = 1) -> None:
    """A head, then pieces again and again, until the client goes or the test is over."""
    visit.send(head.encode())
    for _ in range(times):
        for piece in pieces:
            visit.send(piece)
        if each and visit.stall(each):
            return


def created(info: object, *headers: str) -> bytes:
    """201 with a job info."""
    return response(json.dumps(info).encode(), "201 Created", *headers)


@functools.cache
def bomb() -> bytes:
    """64 MiB in 64 KiB; made where it is needed, since every process of the tests imports this."""
    return gzip.compress(b'{"id":"' + b"0" * (64 << 20) + b'"}', 9)


HEAD = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
ZEROS = b"0" * 65536
LINE = b"X-A: " + b"b" * 5000 + b"\r\n"
DEEP = b'{"id":' + b"[" * 200_000 + b"]" * 200_000 + b"}"

ANSWERS: dict[str, tuple[Callable[[Visit], object], int]] = {
    "a gigabyte, announced": (lambda v: chunked(v, HEAD + "Content-Length: 1073741824\r\n\r\n", ZEROS, times=16384), 6),
    "a gigabyte, not announced": (lambda v: chunked(v, HEAD + "\r\n", ZEROS, times=16384), 6),
    "endless chunks": (
        lambda v: chunked(v, HEAD + "Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + ZEROS + b"\r\n", times=16384),
        6,
    ),
    "a slow body": (lambda v: chunked(v, HEAD + "Content-Length: 5000\r\n\r\n", b" ", each=0.1, times=4000), 6),
    "a slow head": (lambda v: chunked(v, "HTTP/1.1 201 Cre", b"a", each=0.1, times=4000), 6),
    "an endless head": (
        lambda v: chunked(v, "HTTP/1.1 201 Created\r\n", b"X-A: " + b"b" * 5000 + b"\r\n", times=9000),
        6,
    ),
    "silence": (lambda v: v.stall(), 6),
    "a gzip bomb": (lambda v: v.send(response(bomb(), "201 Created", "Content-Encoding: gzip")), 6),
    "deep json": (lambda v: v.send(response(DEEP, "201 Created")), 6),
    "html": (lambda v: v.send(response(b"<html><title>Sign in</title>", "200 OK", "Content-Type: text/html")), 6),
    "invalid utf-8": (lambda v: v.send(response(b'{"id":"\xff\xfe"}', "201 Created")), 6),
    "bad chunks": (lambda v: v.send((HEAD + "Transfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\nzz\r\n").encode()), 6),
    "no http": (lambda v: v.send(b"\x00\x01SSH-2.0-nope\r\n\r\n"), 6),
    "huge number": (lambda v: v.send(response(b'{"id":' + b"9" * 100_000 + b"}", "201 Created")), 6),
    "an id of two lines": (lambda v: v.send(created({"id": "1\n2\x1b[2J"})), 6),
    "ansi in a refusal": (lambda v: v.send(response(json.dumps({"message": ESC}).encode(), "400 Bad Request")), 1),
    "ansi in the reason": (lambda v: v.send(f"HTTP/1.1 400 {ESC}\r\nContent-Length: 0\r\n\r\n".encode()), 1),
    "ansi in a page": (lambda v: v.send(response(f"<title>{ESC}</title>".encode(), "500 Oops")), 6),
    "the key, echoed": (
        lambda v: v.send(response(json.dumps({"message": f"bad key {KEY}", "key": KEY}).encode(), "401 No")),
        4,
    ),
    "the key in a header": (
        lambda v: v.send(response(b"{}", "307 Go", f"Location: https://{KEY}.example/?k={KEY}")),
        1,
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_to_a_submission_does_harm(name: str, tmp_path: Path) -> None:
    """It ends in bounded memory, with nothing on the terminal that acts, an honest outcome, and one POST at most."""
    handler, code = ANSWERS[name]
    with serve(handler) as server:
        ended = run(tmp_path, "apply", "m.yaml", server=server, read_timeout=1.0 if name in ENDLESS else HANG)
        assert ended.code == code, ended.err.decode()
        assert len(server.requests) == 1
    harmless(ended, tmp_path)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("status", "a gigabyte, announced"),
        ("status", "a slow body"),
        ("status", "a gzip bomb"),
        ("status", "ansi in a page"),
        ("doctor", "a slow body"),
        ("doctor", "deep json"),
    ],
)
def test_no_answer_to_a_status_read_does_harm(name: str, command: str, tmp_path: Path) -> None:
    """The same answers to a GET, for the commands that only look."""
    with serve(ANSWERS[name][0]) as server:
        arguments = ("status", "7", "-m", "m.yaml") if command == "status" else ("doctor", "m.yaml")
        ended = run(tmp_path, *arguments, server=server, read_timeout=1.0 if name in ENDLESS else HANG)
        assert ended.code in (0, 3, 6), ended.err.decode()
        assert (ended.code == 0) is (command == "doctor" and name != "a slow body")
    harmless(ended, tmp_path)


@pytest.mark.parametrize(
    "more",
    [
        {f"key {n}": n for n in range(95_000)},
        pytest.param({f"key {n}": {"a_b": n} for n in range(48_000)}, marks=pytest.mark.full),
    ],
    ids=["fields", "objects"],
)
def test_the_largest_answers_of_eight_jobs_at_once_share_their_memory(more: dict[str, object], tmp_path: Path) -> None:
    """Each is read alone, and kept as no more than what it holds."""
    together, numbers = threading.Barrier(8), itertools.count(1)

    def handle(visit: Visit) -> None:
        while request := visit.request():
            method, path = request.split()[:2]
            if method == b"POST":
                visit.send(created({"id": f"job-{next(numbers)}"}))
                continue
            together.wait(HANG)
            info = {"id": path.decode().rpartition("/")[2], "status": "done", **more}
            visit.send(response(json.dumps(info).encode()))

    with RawServer(handle, self_signed().server_context()) as server:
        jobs = json.dumps([{"name": f"j{n}", "scriptName": "x"} for n in range(8)])
        ended = run(tmp_path, "apply", "m.yaml", "-j", "8", server=server, jobs=jobs)
    assert ended.code == 0, ended.err.decode()
    assert ended.peak < 2 * LIMIT, f"{ended.peak} KiB"


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_not_followed_anywhere(status: str, tmp_path: Path) -> None:
    """Neither to another port, nor down to http: nobody connects there, so no key goes there."""
    with RawServer(always(response())) as plain, serve(lambda _: None) as other:
        for target in (other.url, plain.url):
            answer = response(b"", status, f"Location: {target}/v1/jobs")
            with RawServer(always(answer), self_signed().server_context()) as server:
                ended = run(tmp_path, "apply", "m.yaml", server=server)
                assert ended.code == (1 if status[:3] in ("307", "308") else 6)
                assert "redirect" in ended.err.decode()
        assert plain.connections == other.connections == 0
    harmless(ended, tmp_path)


def test_with_a_wrong_pin_no_byte_of_http_leaves(tmp_path: Path) -> None:
    """The server sees a handshake and nothing after it, at `apply`, `status` and `doctor` alike."""
    with serve(lambda v: v.send(response())) as server:
        for arguments in (("apply", "m.yaml"), ("status", "7", "-m", "m.yaml"), ("doctor", "m.yaml")):
            ended = run(tmp_path, *arguments, "--fingerprint", "sha256:" + "ab" * 32, server=server)
            assert ended.code == 3
        assert server.connections >= 3
        assert server.received == b""


def test_cookies_are_not_kept_and_ids_never_become_paths(tmp_path: Path) -> None:
    """`Set-Cookie` is forgotten; an id with slashes, dots and question marks is one quoted segment."""
    job_id = "/../../v1/jobs?x=1#../%2e%2e\\\u202e"
    done = {"id": job_id[:-1], "status": "succeeded", "exitCode": 0}
    answers = [created({"id": job_id[:-1]}, "Set-Cookie: session=abc; Path=/"), response(json.dumps(done).encode())]
    with RawServer(always(*answers), self_signed().server_context()) as server:
        ended = run(tmp_path, "apply", "m.yaml", server=server)
        assert ended.code == 0, ended.err.decode()
        second = server.requests[1].decode()
    assert "cookie" not in second.lower()
    path = second.split(" ")[1]
    assert path.startswith("/v1/adm/jobs/")
    assert path.removeprefix("/v1/adm/jobs/") == "%2F..%2F..%2Fv1%2Fjobs%3Fx%3D1%23..%2F%252e%252e%5C"
    harmless(ended, tmp_path)


def test_http_1_0_without_a_length_is_understood(tmp_path: Path) -> None:
    """An old server that ends its answers by closing is odd, not hostile."""
    info = json.dumps({"id": 7, "status": "succeeded", "exitCode": 0}).encode()

    def handle(visit: Visit) -> None:
        visit.request()
        visit.send(b"HTTP/1.0 201 Created\r\nContent-Type: text/plain\r\n\r\n" + info)

    with RawServer(handle, self_signed().server_context()) as server:
        ended = run(tmp_path, "apply", "m.yaml", server=server)
    assert ended.code == 0, ended.err.decode()
    harmless(ended, tmp_path)


def test_messages_of_a_job_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    """State and message of a job info, in progress, table, report and `status --raw`."""
    info = {"id": "7", "status": f"Failed{ESC}", "error": f"no{ESC}\nsecond line", ESC: ESC}
    answers = [created({"id": "7"}), response(json.dumps(info).encode())]
    with RawServer(always(*answers), self_signed().server_context()) as server:
        ended = run(tmp_path, "apply", "m.yaml", "-vv", "--timeout", "300ms", server=server)
        assert ended.code == 6, ended.err.decode()
        harmless(ended, tmp_path)
        for output in ("table", "json"):
            shown = run(tmp_path, "status", "7", "-m", "m.yaml", "--raw", "-o", output, server=server)
            assert shown.code == 6
            harmless(shown, tmp_path)


def test_the_measure_measures(tmp_path: Path) -> None:
    """The peak that a child leaves behind is its own: more than nothing, less than the limit for doing nothing."""
    subprocess.run([sys.executable, "-c", CHILD, "--version"], cwd=tmp_path, env=clean_environ(), check=True)
    assert 1024 < int((tmp_path / "peak").read_text()) < LIMIT // 2
    assert os.path.getsize(tmp_path / "peak") < 10  # noqa: PTH202  # as short as it gets
