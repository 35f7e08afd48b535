"""The client over real sockets: what it sends, and what it makes of every kind of answer."""

from __future__ import annotations

import gzip
import json
import threading
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aftrun import __version__
from aftrun.client import body as bodies
from aftrun.client.client import AftClient, retry_after
from aftrun.domain.errors import UsageError
from aftrun.domain.model import Answer, Endpoint, Failure, FailureKind, JobInfoMap, State
from aftrun.domain.secrets import Scrubber
from tests.unit.servers import RawServer, Visit, always, issued, response
from tests.waiting import HANG

KEY = "aft-key-0123456789"
CREATED = response(b'{"id": 42, "status": "queued"}', "201 Created")
NO_ENVIRONMENT: Mapping[str, str] = {}


def door(server: RawServer, **changes: Any) -> AftClient:
    """A client of a plain HTTP server."""
    endpoint = Endpoint(url=server.url, api_key=KEY, connect_timeout=HANG, read_timeout=HANG)
    options = {name: changes.pop(name) for name in ("scrubber", "clock", "connections", "environ") if name in changes}
    return AftClient(replace(endpoint, **changes), **{"environ": NO_ENVIRONMENT, **options})


def answered(payload: bytes, method: str = "GET", **changes: Any) -> Answer:
    """What the client makes of an answer."""
    with RawServer(always(payload)) as server:
        client = door(server, **changes)
        reply = client.submit({"scriptName": "x"}) if method == "POST" else client.status("1")
        client.close()
    assert isinstance(reply, Answer), reply
    return reply


def test_submit_sends_what_the_api_documents() -> None:
    """One POST, with key and JSON body, and nothing that was not asked for."""
    with RawServer(always(CREATED)) as server:
        client = door(server, headers=(("X-Tenant", "blue"), ("accept", "application/vnd.aft+json")))
        reply = client.submit({"scriptName": 'Jörg\'s "job"', "params": {"a": "1.10"}})
        client.close()
    head, _, content = server.requests[0].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    assert first == "POST /v1/jobs HTTP/1.1"
    assert dict(line.split(": ", 1) for line in lines) == {
        "Host": f"127.0.0.1:{server.port}",
        "X-API-Key": KEY,
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        "accept": "application/vnd.aft+json",
        "Accept-Encoding": "identity",
        "User-Agent": f"aftrun/{__version__}",
        "X-Tenant": "blue",
    }
    assert json.loads(content) == {"scriptName": 'Jörg\'s "job"', "params": {"a": "1.10"}}
    assert b", " not in content
    assert reply == Answer(201, info=reply.info) if isinstance(reply, Answer) else False
    assert isinstance(reply, Answer)
    assert reply.info is not None
    assert (reply.info.id, reply.info.state) == ("42", State.QUEUED)


@pytest.mark.parametrize(
    ("job_id", "path"),
    [
        ("42", "/v1/adm/jobs/42"),
        ("a/b?c#d%e", "/v1/adm/jobs/a%2Fb%3Fc%23d%25e"),
        ("%2E%2E", "/v1/adm/jobs/%252E%252E"),
        ("jö+b", "/v1/adm/jobs/j%C3%B6%2Bb"),
        ("{id}", "/v1/adm/jobs/%7Bid%7D"),
    ],
)
def test_status_path(job_id: str, path: str) -> None:
    """An id cannot leave its place in the path."""
    with RawServer(always(CREATED)) as server:
        door(server).status(job_id)
    head = server.requests[0].split(b"\r\n")
    assert head[0].decode() == f"GET {path} HTTP/1.1"
    assert not any(line.lower().startswith((b"content-", b"transfer-")) for line in head)


@pytest.mark.parametrize("job_id", ["", "..", ".", "../", "/", "a b", "1\r\nX: y", "x" * 513])
def test_what_is_no_id_is_not_sent(job_id: str) -> None:
    """Whoever hands it over, an old record say: the request would go to another address."""
    with RawServer(always(CREATED)) as server:
        reply = door(server).status(job_id)
    assert isinstance(reply, Failure)
    assert not reply.sent
    assert "is not the id of a job" in reply.message
    assert server.connections == 0


def test_base_path_and_own_paths() -> None:
    """A URL with a path is a prefix; the paths of the endpoint are used as they are."""
    with RawServer(always(CREATED)) as server:
        client = door(server, url=server.url + "/aft/", submit_path="/j?wait=0", status_path="s/{id}/x/{id}")
        client.submit({})
        client.status("7")
        client = door(server, submit_path="//evil.example/v1")
        client.submit({})
    firsts = [request.split(b" ")[1].decode() for request in server.requests]
    assert firsts == ["/aft/j?wait=0", "/aft/s/7/x/7", "/evil.example/v1"]


def test_answer_to_a_submission_never_reads_as_succeeded() -> None:
    """`success` in the answer to a POST is about the request."""
    reply = answered(response(b'{"status": "success", "jobId": "42"}', "201 Created"), "POST")
    assert reply.info is not None
    assert (reply.info.id, reply.info.state, reply.info.status) == ("42", State.MISSING, "success")


def test_id_from_location() -> None:
    """The Location header names the job where the body does not; only after a POST."""
    payload = response(b"{}", "201 Created", "Location: /v1/adm/jobs/a%2Fb")
    posted, read = answered(payload, "POST"), answered(payload)
    assert posted.info is not None
    assert posted.info.id == "a/b"
    assert read.info is not None
    assert read.info.id is None


@pytest.mark.parametrize("kind", ["text/html", "", "application/json; charset=utf-16"])
def test_content_type_does_not_matter(kind: str) -> None:
    """What is JSON is read as JSON."""
    reply = answered(response(b'\xef\xbb\xbf{"id": "1", "status": "done"}', "200 OK", f"Content-Type: {kind}"))
    assert reply.info is not None
    assert reply.info.state is State.SUCCEEDED


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"   ", "empty"),
        (b"\xff\xfe{}", "UTF-8"),
        (b'{"id": NaN}', "NaN"),
        (b'{"id": 1e999}', "too large"),
        (b'{"id": ' + b"9" * 5000 + b"}", "too large"),
        (b"[" * 10_000 + b"]" * 10_000, "nested too deeply"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested too deeply"),
        (b"[" * 150 + b"]" * 150, "nested too deeply"),
        (b"<html><title>Log\nin</title>", "not JSON"),
        (b'{"id": 1', "not JSON"),
        (b'{"id": "1', "not JSON: Unterminated string at line 1, column 8"),
        (b'{"status": "failed", "status": "success"}', "twice"),
        (b'{"id": "\\ud800"}', "surrogate"),
        (b"[" + b"[]," * 45_000, "not JSON"),
        (b"[" + b"[]," * 60_000, "more than 100,000 values"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_unreadable_bodies(content: bytes, words: str) -> None:
    """A body that is no JSON is a problem, not an exception, and no job info."""
    reply = answered(response(content))
    assert words in reply.problem
    assert reply.info is None
    assert reply.status == 200


def test_body_that_is_json_but_no_object() -> None:
    """Valid JSON of another kind is no problem, and no job info."""
    reply = answered(response(b'"done"'))
    assert (reply.info, reply.problem) == (None, "")


def test_same_key_twice_with_one_value() -> None:
    """Repeating oneself is no contradiction."""
    reply = answered(response(b'{"id": "1", "status": "done", "status": "done"}'))
    assert reply.info is not None
    assert reply.info.state is State.SUCCEEDED


@pytest.mark.parametrize(
    ("status", "content", "message"),
    [
        (
            "401 Unauthorized",
            b'{"message": "bad key", "errors": [{"humanReadable": "not from here"}]}',
            "bad key: not from here",
        ),
        ("404 Not Found", b"404 page not found\n", "404 page not found"),
        ("502 Bad Gateway", b"<html><head><title>502 Bad\n Gateway</title></head>", "502 Bad Gateway"),
        ("500 Oops", b"<p>it <b>broke</b><script>x()</script></p>", "it broke"),
        ("500 Oops", b"", ""),
        ("500 Oops", b'{"status": "success", "id": "1"}', ""),
    ],
)
def test_error_answers(status: str, content: bytes, message: str) -> None:
    """What the server says about an error, in whatever form; never a job info."""
    reply = answered(response(content, status))
    assert reply.status == int(status[:3])
    assert reply.message == message
    assert reply.info is None


def test_texts_are_scrubbed_cut_and_harmless() -> None:
    """Neither the key nor another secret, nor an escape sequence, gets through; long texts are cut."""
    said = (
        f"key {KEY[:3]}\x1b[1m{KEY[3:]}, param hunter2-\x1b]0;x\x07param, \x1b]0;title\x07\u202e\x9b31m " + "x" * 5000
    )
    scrubber = Scrubber(["hunter2-param"])
    reply = answered(response(json.dumps({"error": said}).encode(), "400 Bad Request"), scrubber=scrubber)
    assert reply.message.startswith("key ***, param ***, \\u202e xxx")
    assert len(reply.message) == 2000
    reply = answered(response(json.dumps({"id": KEY, "status": "done"}).encode()), scrubber=scrubber)
    assert (reply.info, KEY in reply.problem) == (None, False)
    assert "holds a secret" in reply.problem
    info = answered(response(json.dumps({"id": "7", "status": KEY, "message": said}).encode()), scrubber=scrubber).info
    assert info is not None
    assert info.status == "***"
    assert KEY not in info.message
    assert "hunter2" not in info.message


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Fri, 02 Jan 2026 03:04:15 GMT", 10.0),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0.0),
        ("9" * 400, 1e9),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Fri, 99 Jan 2026 03:00:00 GMT", None),
        ("", None),
        (None, None),
        ("١٢", None),
    ],
)
def test_retry_after(value: str | None, expected: float | None) -> None:
    """Seconds or a date, as a distance from now that is never negative."""
    assert retry_after(value, 1767323045.0) == expected


def test_retry_after_uses_the_clock() -> None:
    """The date is measured against the clock that was passed in."""
    payload = response(b"{}", "503 Service Unavailable", "Retry-After: Fri, 02 Jan 2026 03:04:15 GMT")
    assert answered(payload, clock=lambda: 1767323045.0).retry_after == 10.0


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
@pytest.mark.parametrize(
    ("content", "location", "job_id"),
    [
        (b'{"id": "17", "status": "queued"}', "", "17"),
        (b'{"job": {"id": 17, "state": "Running"}}', "", "17"),
        (b"", "/v1/adm/jobs/17", "17"),
        (b'{"id": "e-1", "status": "error"}', "/v1/jobs/17", "17"),
        (b"<html>busy</html>", "/v1/jobs/17", "17"),
        (b'{"id": "e-1", "message": "busy"}', "", None),
        (b'{"id": "e-1", "status": 429}', "", None),
        (b'{"status": "queued"}', "/busy", None),
        (b"", "", None),
    ],
)
def test_an_answer_that_puts_off_may_name_a_job(status: str, content: bytes, location: str, job_id: str | None) -> None:
    """Its address, or an id with a state that only a job has; errors have ids, too. A read is no submission."""
    payload = response(content, status, "Retry-After: 1", *([f"Location: {location}"] if location else []))
    info = answered(payload, "POST").info
    assert (info.id if info is not None and info.id else None) == job_id
    assert answered(payload).info is None


def test_redirects_are_not_followed() -> None:
    """A redirect is an answer; nobody else hears of the request."""
    with RawServer(always(CREATED)) as other:
        for status in ("301 Moved", "302 Found", "307 Temporary", "308 Permanent"):
            target = f"http://127.0.0.1:{other.port}/v1/jobs/9"
            reply = answered(response(b'{"id": "1"}', status, f"Location: {target}"), "POST")
            assert (reply.status, reply.info) == (int(status[:3]), None)
            assert target in reply.message
            assert "redirect" in reply.message
    assert other.connections == 0


def test_no_cookies_no_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered from an answer, and no password file is read."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with RawServer(always(response(b"{}", "200 OK", "Set-Cookie: a=b; Path=/"))) as server:
        client = door(server)
        client.status("1")
        client.status("1")
        client.close()
    assert len(server.requests) == 2
    assert b"cookie" not in bytes(server.received).lower()
    assert b"authorization" not in bytes(server.received).lower()


@pytest.mark.parametrize(
    ("coding", "content"),
    [
        ("gzip", gzip.compress(b'{"id": "1"}', mtime=0)),
        ("x-gzip", gzip.compress(b'{"id":', mtime=0) + gzip.compress(b' "1"}', mtime=0)),
        ("deflate", zlib.compress(b'{"id": "1"}')),
        ("deflate", zlib.compress(b'{"id": "1"}')[2:-4]),
        ("identity", b'{"id": "1"}'),
    ],
)
def test_compressed_answers(coding: str, content: bytes) -> None:
    """Compressed answers are read although they were not asked for."""
    reply = answered(response(content, "200 OK", f"Content-Encoding: {coding}"))
    assert reply.info is not None
    assert reply.info.id == "1"


@pytest.mark.parametrize(
    ("coding", "content", "words"),
    [
        ("gzip", gzip.compress(b"0" * (9 * 1024 * 1024), 9, mtime=0), "larger than 8 MiB"),
        ("deflate", zlib.compress(b"0" * (9 * 1024 * 1024), 9), "larger than 8 MiB"),
        ("gzip", b"not gzip at all", "does not decompress"),
        ("br", b"???", "'br'"),
        ("gzip, gzip", b"???", "'gzip, gzip'"),
        ("gzip", b"", "empty"),
    ],
)
def test_bad_compression(coding: str, content: bytes, words: str) -> None:
    """A bomb, garbage, or a coding nobody asked for: a problem."""
    assert words in answered(response(content, "200 OK", f"Content-Encoding: {coding}")).problem


def test_bomb_is_never_unpacked_beyond_the_limit() -> None:
    """No more than the limit and a step is ever held."""
    bomb = gzip.compress(b"0" * (64 * 1024 * 1024), 9, mtime=0)
    taken = 0
    for piece in bodies._inflate([bomb], "gzip"):
        assert len(piece) <= bodies.STEP
        taken += len(piece)
        if taken > bodies.LIMIT:
            break
    with pytest.raises(bodies.Unreadable):
        bodies.collect([bomb], "gzip")


def test_compressed_answer_cut_short_is_a_failure() -> None:
    """Half a gzip stream is half an answer."""
    half = gzip.compress(json.dumps({"id": "1", "x": list(range(1000))}).encode())[:200]
    with RawServer(always(response(half, "200 OK", "Content-Encoding: gzip"))) as server:
        reply = door(server).status("1")
    assert isinstance(reply, Failure)
    assert (reply.kind, reply.sent) == (FailureKind.LOST, True)


def test_one_gibibyte_is_announced() -> None:
    """A body over the limit is not even begun."""

    def handle(visit: Visit) -> None:
        visit.request()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n{")
        visit.stall()

    with RawServer(handle) as server:
        reply = door(server).status("1")
    assert isinstance(reply, Answer)
    assert "larger than 8 MiB" in reply.problem


@pytest.mark.parametrize("chunk", [b"10000\r\n" + b" " * 65536 + b"\r\n", b"0" * 65536, b"1;" + b"x" * 65536])
def test_endless_bodies(chunk: bytes) -> None:
    """A body, a chunk size or a chunk extension without end stops at a limit, long before the timeout."""

    def handle(visit: Visit) -> None:
        visit.request()
        visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            visit.send(chunk)

    with RawServer(handle) as server:
        reply = door(server).status("1")
    if chunk.startswith(b"10000"):
        assert isinstance(reply, Answer)
        assert "larger than 8 MiB" in reply.problem
    elif isinstance(reply, Failure):  # newer versions of urllib3 have a limit of their own for these
        assert (reply.kind, reply.sent) == (FailureKind.LOST, True)
    else:
        assert reply.problem


def test_endless_headers() -> None:
    """Headers without end are a failure, soon."""

    def handle(visit: Visit) -> None:
        visit.request()
        visit.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            visit.send(b"X-Again: and again\r\n" * 1000)

    with RawServer(handle) as server:
        reply = door(server).submit({})
    assert isinstance(reply, Failure)
    assert (reply.kind, reply.sent) == (FailureKind.LOST, True)


def test_interim_answers_are_passed_over() -> None:
    """100, 102 and 103 are not the answer, and do not shift the next one."""
    early = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    )
    with RawServer(always(early + CREATED, response(b'{"id": "2"}'))) as server:
        client = door(server)
        first, second = client.status("1"), client.status("2")
        client.close()
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert first.status == 201
    assert second.info is not None
    assert second.info.id == "2"
    assert server.connections == 1


def test_http_1_0_without_length() -> None:
    """An answer that ends with its connection is complete."""

    def handle(visit: Visit) -> None:
        visit.request()
        visit.send(b'HTTP/1.0 201 Created\r\n\r\n{"id": "7"}')

    with RawServer(handle) as server:
        reply = door(server).submit({})
    assert isinstance(reply, Answer)
    assert reply.info is not None
    assert reply.info.id == "7"


def test_threads_share_a_door() -> None:
    """Requests of many threads do not mix up their answers, and connections are reused."""

    def handle(visit: Visit) -> None:
        while request := visit.request():
            name = request.split(b" ")[1].rpartition(b"/")[2]
            visit.send(response(b'{"id": "' + name + b'"}'))

    wrong: list[str] = []
    with RawServer(handle) as server:
        client = door(server, connections=4)

        def work(number: int) -> None:
            for index in range(25):
                reply = client.status(f"{number}-{index}")
                if not isinstance(reply, Answer) or reply.info is None or reply.info.id != f"{number}-{index}":
                    wrong.append(str(reply))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()
    assert wrong == []
    assert server.connections <= 4


def test_calls_after_close_open_new_connections() -> None:
    """Closing gives connections up; it does not break the object."""
    with RawServer(always(CREATED)) as server:
        client = door(server)
        client.status("1")
        client.close()
        assert isinstance(client.status("1"), Answer)
        client.close()
    assert server.connections == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "ftp://h"},
        {"url": "127.0.0.1:44399"},
        {"url": "https://"},
        {"url": "https://h:99999"},
        {"url": "https://h:0"},
        {"url": "https://user:hunter2@h"},
        {"url": "https://h/?a=b"},
        {"url": "https://[::1"},
        {"url": "https://" + "ä" * 80},
        {"api_key": KEY + "\n"},
        {"api_key": " " + KEY},
        {"api_key": "schlüssel"},
        {"headers": (("X-A", "b\r\nX-C: hunter2"),)},
        {"headers": (("X A", "b"),)},
        {"headers": (("Content-Length", "5"),)},
        {"headers": (("transfer-encoding", "chunked"),)},
        {"job_info": JobInfoMap(id="a[")},
    ],
    ids=str,
)
def test_impossible_endpoints(changes: dict[str, Any]) -> None:
    """What cannot work is refused at once, without showing a value that may be secret."""
    with pytest.raises(UsageError) as caught:
        AftClient(replace(Endpoint(api_key=KEY), **changes), environ=NO_ENVIRONMENT)
    shown = "\n".join(caught.value.diagnostics())
    assert KEY not in shown
    assert "hunter2" not in shown


def test_secret_headers_are_scrubbed() -> None:
    """A bearer token among the endpoint's headers is hidden when the server echoes it."""
    payload = response(b'{"message": "no good: tok-12345"}', "403 Forbidden")
    assert answered(payload, headers=(("Authorization", "Bearer tok-12345"),)).message == "no good: ***"


def test_nothing_is_warned_about() -> None:
    """An unverified connection gives no warning: what the manifest says is what the user wants."""
    with RawServer(always(CREATED), issued().server_context()) as server, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        reply = door(server, insecure=True).submit({})
        assert isinstance(reply, Answer)
    assert [str(warning.message) for warning in seen if "urllib3" in str(warning.category)] == []


PEM = "-----BEGIN PRIVATE KEY-----\nMIIBVAIBADANBgkq\n+/a9hkiG9w0BAQ==\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "content",
    [
        "x" * 290 + " " + "Sek&ret<Wert>'77",  # the cut goes through it
        "<html><p>" + "x" * 280 + " Sek&amp;ret&lt;Wert&gt;&#x27;77</p></html>",
        "<title>Sek&amp;ret&lt;Wert&gt;&#39;77</title>",
        "x " * 45_000 + "Sek&ret<Wert>'77" * 2000,
        "oops " + PEM + " here",
        "<pre>" + PEM.replace("\n", "<br>\n") + "</pre>",
        "oops " + PEM.replace("\n", " ") + "x" * 400,
    ],
)
def test_secrets_in_answers_that_are_not_json(content: str) -> None:
    """They are hidden before tags, blanks and the end are taken away, and again after."""
    reply = answered(response(content.encode(), "500 Oops"), scrubber=Scrubber(["Sek&ret<Wert>'77", PEM]))
    for part in ("Sek", "Wert", "MIIB", "kiG9"):
        assert part not in reply.message
    assert reply.message


def test_secret_as_a_key_that_is_there_twice() -> None:
    """The key of a duplicate is named whole, so that it can be hidden whole."""
    secret = "s3cret-" * 12
    reply = answered(response(f'{{"{secret}": 1, "{secret}": 2}}'.encode()), scrubber=Scrubber([secret]))
    assert "s3cret" not in reply.problem
    assert "***" in reply.problem


@pytest.mark.parametrize("content", [b"", b"Created", b"<html>ok</html>", b"null", b"[]"])
def test_location_names_the_job_where_the_body_says_nothing(content: bytes) -> None:
    """An accepted submission without a readable body is known by its address."""
    payload = response(content, "201 Created", "Location: /v1/adm/jobs/a%2F77")
    info = answered(payload, "POST").info
    assert info is not None
    assert (info.id, info.state) == ("a/77", State.MISSING)
    assert answered(payload).info is None
    assert answered(response(content, "500 Oops", "Location: /v1/adm/jobs/77"), "POST").info is None
    for elsewhere in ("/v1/jobs", "/login", "/", ""):
        reply = answered(response(content, "201 Created", f"Location: {elsewhere}"), "POST")
        assert reply.info is None or reply.info.id is None
        assert elsewhere in reply.problem


@pytest.mark.parametrize("content", [b"{}", b'{"id": "7"}', b'{"number": null}'])
def test_an_id_that_is_not_where_the_manifest_says(content: bytes) -> None:
    """The message names the key that was wrong, and does not blame an address that is one of a job."""
    payload = response(content, "201 Created", "Location: /v1/adm/jobs/77")
    reply = answered(payload, "POST", job_info=JobInfoMap(id="number"))
    assert reply.info is None or reply.info.id is None
    assert "`server.jobInfo.id`" in reply.problem
    assert "is not the address" not in reply.problem
