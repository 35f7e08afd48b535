"""Each fault of the sandbox: what the client sees, what the ledger holds, whether a job was created."""

from __future__ import annotations

import asyncio
import email.utils
import gzip
import http.client
import json
import logging
import socket
import ssl
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from aftrun.domain.model import Json
from aftrun.sandbox import fault_injection
from aftrun.sandbox.clock import Clock
from aftrun.sandbox.ledger import Entry
from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from aftrun.sandbox.shapes import TRAITS, Kind
from aftrun.system.resources import schema_text
from tests.clocks import HandClock
from tests.waiting import HANG, until

BODY = json.dumps({"scriptName": "My Backup Job", "params": {"destination": "/archive/2026"}})


def sandbox(*faults: Json, clock: Clock | None = None) -> Sandbox:
    """A sandbox whose every job is done at once and suffers `faults`."""
    defaults: dict[str, Json] = {"queue": "0s", "duration": "0s", "faults": list(faults)}
    return Sandbox(parse({"defaults": defaults}), clock=clock)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever goes wrong on purpose, the server itself has nothing to complain about."""
    yield
    complaints = [record for record in caplog.get_records("call") if record.levelno >= logging.WARNING]
    # aiohttp 3 may mark a request as handled that a client's going away has cancelled just then; nobody notices.
    races = [each for each in complaints if each.exc_info and isinstance(each.exc_info[1], asyncio.InvalidStateError)]
    assert [each for each in complaints if each not in races] == []


def connect(server: Sandbox, timeout: float = HANG) -> http.client.HTTPConnection:
    """An open connection that trusts the sandbox's certificate and nothing else; `timeout` is for its answers."""
    context = ssl.create_default_context(cadata=server.ca_pem.decode())
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=HANG, context=context)
    connection.connect()
    connection.sock.settimeout(timeout)
    return connection


def send(connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None) -> None:
    """Send a request with the sandbox's key."""
    connection.request(method, path, body, {"X-API-Key": "sandbox-key", "Content-Type": "application/json"})


def post(server: Sandbox, timeout: float = HANG) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Submit a job on a connection of its own: status, headers, body."""
    with closing(connect(server, timeout)) as connection:
        send(connection, "POST", "/v1/jobs", BODY)
        response = connection.getresponse()
        return response.status, response.headers, response.read()


def get(server: Sandbox, job_id: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Read a job's status on a connection of its own: status, headers, body."""
    with closing(connect(server)) as connection:
        send(connection, "GET", f"/v1/adm/jobs/{job_id}")
        response = connection.getresponse()
        return response.status, response.headers, response.read()


def last(server: Sandbox) -> Entry:
    """The newest entry of the ledger."""
    return server.ledger()[-1]


@pytest.mark.parametrize(("strikes", "jobs"), [(None, 0), ("before", 0), ("after", 1)])
@pytest.mark.parametrize("kind", ["reset", "close", "hang"])
def test_no_answer_with_and_without_effect(kind: str, strikes: str | None, jobs: int) -> None:
    """A reset, a close and a hang leave the client without an answer; only `strikes: after` leaves a job behind."""
    fault: dict[str, Json] = {"on": "submit", "kind": kind}
    if strikes:
        fault["strikes"] = strikes
    seen: dict[str, type[Exception] | tuple[type[Exception], ...]] = {
        "reset": ConnectionResetError,
        "close": (http.client.RemoteDisconnected, ssl.SSLEOFError),
        "hang": TimeoutError,
    }
    with sandbox(fault) as server:
        with pytest.raises(seen[kind]):
            # What hangs would never answer: any wait shows it, once the request has arrived.
            post(server, timeout=0.1 if kind == "hang" else HANG)
        until(server.ledger)
        assert len(server.jobs()) == jobs
        entry = last(server)
        assert (entry.status, entry.fault, entry.effect) == (None, kind, bool(jobs))
        assert entry.job_id == (server.jobs()[0].id if jobs else None)
        assert entry.parsed == json.loads(BODY)
        assert post(server)[0] == 201  # once only


def test_reset_without_tls_is_a_real_rst() -> None:
    """On a bare socket the reset shows as ECONNRESET, not as an end of file."""
    scenario = parse({"defaults": {"faults": [{"on": "submit", "kind": "reset"}]}})
    with Sandbox(scenario, tls=False) as server, socket.create_connection(("127.0.0.1", server.port), HANG) as client:
        head = f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nX-API-Key: sandbox-key\r\nContent-Length: {len(BODY)}\r\n"
        client.sendall(f"{head}Content-Type: application/json\r\n\r\n{BODY}".encode())
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert last(server).fault == "reset"


@pytest.mark.parametrize(("strikes", "jobs"), [("before", 0), ("after", 1)])
def test_status_with_body_and_retry_after(strikes: str, jobs: int) -> None:
    """Any code, with a JSON body and Retry-After in seconds, before or after the effect."""
    with sandbox(
        {
            "on": "submit",
            "kind": "status",
            "code": 503,
            "body": {"message": "busy"},
            "retryAfter": 7,
            "strikes": strikes,
        }
    ) as server:
        status, headers, body = post(server)
        assert (status, headers["Retry-After"], json.loads(body)) == (503, "7", {"message": "busy"})
        assert len(server.jobs()) == jobs
        assert (last(server).status, last(server).fault, last(server).effect) == (503, "status", bool(jobs))


def test_retry_after_as_date_and_as_nonsense() -> None:
    """Retry-After may be an HTTP date ahead of now, or any text; a text body is sent as it is."""
    with sandbox(
        {"on": "submit", "kind": "status", "code": 429, "retryAfter": {"date": "60s"}},
        {"on": "submit", "kind": "status", "code": 503, "retryAfter": {"text": "soon"}, "body": "gone fishing"},
        clock=HandClock(),
    ) as server:
        at = email.utils.parsedate_to_datetime(post(server)[1]["Retry-After"]).timestamp()
        assert at == HandClock().now() + 60
        _, headers, body = post(server)
        assert (headers["Retry-After"], body) == ("soon", b"gone fishing")


@pytest.mark.parametrize("strikes", ["before", "after"])
def test_slow_answers_late_but_well(strikes: str) -> None:
    """`slow` delays the answer; `strikes` says whether the job is created at once or only after the delay."""
    clock = HandClock()
    fault: Json = {"on": "submit", "kind": "slow", "delay": "200ms", "strikes": strikes}
    with ThreadPoolExecutor(1) as pool, sandbox(fault, clock=clock) as server:
        answer = pool.submit(post, server)
        clock.until_asleep()
        assert len(server.jobs()) == (strikes == "after")
        clock.advance(0.19)
        clock.until_asleep()  # still
        assert not answer.done()
        clock.advance(0.02)
        status, _, body = answer.result(HANG)
        job = server.jobs()[0]
        assert (status, job.id) == (201, json.loads(body)["id"])
        assert job.created_at - last(server).time == pytest.approx(0.21 if strikes == "before" else 0.0)
        assert (last(server).fault, last(server).effect) == ("slow", True)


def test_slow_before_still_works_for_a_client_that_left() -> None:
    """A client that gives up during the delay gets its job all the same: the trap of a read timeout."""
    clock = HandClock()
    with sandbox({"on": "submit", "kind": "slow", "delay": "200ms", "strikes": "before"}, clock=clock) as server:
        with closing(connect(server)) as client:
            send(client, "POST", "/v1/jobs", BODY)
            clock.until_asleep()
        assert server.jobs() == ()
        clock.advance(0.21)
        until(server.jobs)
        assert len(server.jobs()) == 1


def test_trickle_never_ends() -> None:
    """Byte after byte arrives, and never an end."""
    with sandbox({"on": "submit", "kind": "trickle", "delay": "5ms"}) as server, closing(connect(server)) as client:
        send(client, "POST", "/v1/jobs", BODY)
        response = client.getresponse()
        assert response.status == 201
        assert response.read(6) == b"{     "
        assert len(server.jobs()) == 1


def test_truncate_breaks_the_promise_of_its_length() -> None:
    """Half of the announced body arrives, then the connection closes."""
    with sandbox({"on": "submit", "kind": "truncate"}) as server:
        with pytest.raises(http.client.IncompleteRead) as caught:
            post(server)
        assert caught.value.partial.startswith(b'{"id": "')
        assert (last(server).status, last(server).effect) == (201, True)


def test_garbage_is_no_http() -> None:
    """The answer does not even begin with HTTP, and no job is created."""
    with sandbox({"on": "submit", "kind": "garbage"}) as server:
        with pytest.raises(http.client.BadStatusLine):
            post(server)
        assert (last(server).status, last(server).fault, server.jobs()) == (None, "garbage", ())


def test_html_with_the_usual_status_or_another() -> None:
    """A sign-in page in place of the job info, with the status that the answer would have had or a given one."""
    with sandbox({"on": "submit", "kind": "html"}, {"on": "submit", "kind": "html", "code": 200}) as server:
        first, second = post(server), post(server)
        assert (first[0], second[0]) == (201, 200)
        assert first[1]["Content-Type"].startswith("text/html")
        assert first[2].startswith(b"<!doctype html>")
        assert [entry.status for entry in server.ledger()] == [201, 200]
        assert len(server.jobs()) == 2


def test_bad_json() -> None:
    """The body claims to be JSON, ends in the middle, and its length is right."""
    with sandbox({"on": "submit", "kind": "badJson"}) as server:
        status, headers, body = post(server)
        assert (status, headers["Content-Type"]) == (201, "application/json")
        with pytest.raises(json.JSONDecodeError):
            json.loads(body)
        assert len(server.jobs()) == 1


@pytest.mark.parametrize("dialect", ["default", "nested", "location", "numeric"])
def test_no_id(dialect: str) -> None:
    """The job was created, and nothing in the answer says which it is, whatever the dialect."""
    scenario = parse({"defaults": {"dialect": dialect, "faults": [{"on": "submit", "kind": "noId"}]}})
    with Sandbox(scenario) as server:
        status, headers, body = post(server)
        assert status == 201
        assert server.jobs()[0].id not in body.decode()
        assert "Location" not in headers


def test_huge_body() -> None:
    """So many MiB are streamed, valid JSON to the last byte."""
    with sandbox({"on": "submit", "kind": "huge", "size": 3}) as server:
        status, headers, body = post(server)
        assert (status, headers["Content-Length"]) == (201, None)
        assert 3 << 20 < len(body) < 4 << 20
        assert json.loads(body)["id"] == server.jobs()[0].id


def test_huge_body_left_half_way() -> None:
    """A client that hangs up in the middle does the server no harm."""
    with sandbox({"on": "submit", "kind": "huge", "size": 64}) as server:
        with closing(connect(server)) as client:
            send(client, "POST", "/v1/jobs", BODY)
            assert len(client.getresponse().read(1 << 20)) == 1 << 20
        assert post(server)[0] == 201


def test_gzip_bomb() -> None:
    """Few bytes on the wire, many once unpacked, and a valid gzip stream of valid JSON."""
    with sandbox({"on": "submit", "kind": "gzipBomb", "size": 8}) as server:
        status, headers, body = post(server)
        assert (status, headers["Content-Encoding"]) == (201, "gzip")
        assert len(body) < 64 << 10
        assert json.loads(gzip.decompress(body))["id"] == server.jobs()[0].id
        assert len(zlib.decompress(body, wbits=31)) > 8 << 20


def test_redirect() -> None:
    """A Location elsewhere, with a status that tells clients to repeat the POST there."""
    with sandbox({"on": "submit", "kind": "redirect", "to": "https://example.invalid/v1/jobs"}) as server:
        status, headers, _ = post(server)
        assert (status, headers["Location"]) == (307, "https://example.invalid/v1/jobs")
        assert (last(server).status, server.jobs()) == (307, ())


def test_echo_key() -> None:
    """The error holds the key and the params in several spellings; the ledger still does not hold the key."""
    with sandbox({"on": "submit", "kind": "echoKey", "code": 422}) as server:
        status, _, body = post(server)
        assert status == 422
        for part in (b"sandbox-key", b"/archive/2026", b"%2Farchive%2F2026"):
            assert part in body
        assert "sandbox-key" not in json.dumps([entry.to_json() for entry in server.ledger()])


@pytest.mark.parametrize("strikes", ["before", "after"])
def test_cut_ends_connections_before_any_request(strikes: str) -> None:
    """The first connections end before or after the handshake; the ledger has them without a method."""
    with sandbox({"kind": "cut", "times": 2, "strikes": strikes}) as server:
        for _ in range(2):
            with pytest.raises((ConnectionError, ssl.SSLError)):
                post(server)
        assert post(server)[0] == 201
        cuts = server.ledger()[:2]
        assert [(cut.method, cut.fault, cut.status, cut.effect) for cut in cuts] == [("", "cut", None, False)] * 2
        assert [cut.connection for cut in cuts] == [1, 2]
        assert len(server.jobs()) == 1


def test_not_found_at_first() -> None:
    """A fresh job is unknown for its first reads, each job on its own."""
    with sandbox({"kind": "notFound", "times": 2}) as server:
        ids = [json.loads(post(server)[2])["id"] for _ in range(2)]
        assert [[get(server, each)[0] for _ in range(3)] for each in ids] == [[404, 404, 200]] * 2
        assert [entry.fault for entry in server.ledger()][2:5] == ["notFound", "notFound", None]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", ConnectionResetError),
        ("close", (http.client.RemoteDisconnected, ssl.SSLEOFError)),
        ("truncate", http.client.IncompleteRead),
        ("garbage", http.client.BadStatusLine),
        ("badJson", json.JSONDecodeError),
    ],
)
def test_faults_on_status_leave_the_job_alone(kind: str, error: type[Exception]) -> None:
    """Reads can go wrong in the same ways; the job is there, and the next read is well."""
    with sandbox({"on": "status", "kind": kind}) as server:
        job_id = json.loads(post(server)[2])["id"]
        with pytest.raises(error):
            json.loads(get(server, job_id)[2])
        assert (last(server).fault, last(server).job_id, last(server).effect) == (kind, job_id, False)
        assert json.loads(get(server, job_id)[2])["status"] == "Succeeded"


def test_after_and_times_count_requests() -> None:
    """`after` lets requests pass, `times` says how many are struck, and rules take their turns."""
    with sandbox(
        {"on": "submit", "kind": "status", "code": 500, "after": 1, "times": 2},
        {"on": "submit", "kind": "status", "code": 502, "after": 1},
    ) as server:
        assert [post(server)[0] for _ in range(5)] == [201, 500, 500, 502, 201]


def test_always() -> None:
    """`times: always` has no end: a key that may submit but not read."""
    with sandbox({"on": "status", "kind": "status", "code": 403, "times": "always"}) as server:
        job_id = json.loads(post(server)[2])["id"]
        assert [get(server, job_id)[0] for _ in range(3)] == [403] * 3


def test_a_client_that_leaves_in_the_middle_of_its_body(caplog: pytest.LogCaptureFixture) -> None:
    """Half a request has no effect, leaves no entry, and does the server no harm."""
    with sandbox() as server:
        with closing(connect(server)) as client:
            client.putrequest("POST", "/v1/jobs")
            client.putheader("Content-Length", "1000")
            client.endheaders(b"{")
        assert post(server)[0] == 201
        assert len(server.ledger()) == 1


def test_each_kind_is_known_everywhere() -> None:
    """The scenario's schema, what is so of the kind, and what it does: one that was forgotten would strike nobody."""
    kinds = set(Kind)
    schema = json.loads(schema_text("scenario"))["$defs"]["fault"]["properties"]["kind"]["enum"]
    assert set(schema) == set(TRAITS) == set(fault_injection.ACTS) == kinds
