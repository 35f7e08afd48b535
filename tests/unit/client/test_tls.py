"""Certificates: whom the client trusts, and that nothing leaves before it does."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import socket
import ssl
import struct
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import given
from hypothesis import strategies as st

from aftrun.client import failures, proxy, tls, x509
from aftrun.client.client import AftClient
from aftrun.client.transport import Phase
from aftrun.domain import urls
from aftrun.domain.errors import UsageError
from aftrun.domain.model import Answer, Endpoint, Failure, FailureKind, Reply
from tests.unit.servers import Identity, RawServer, Visit, always, ca_file, issued, response, self_signed
from tests.waiting import HANG

KEY = "aft-key-0123456789"
WRONG = "sha256:" + "ab" * 32
OK = response(b'{"id": "1"}')


def ask(server: RawServer, environ: Mapping[str, str] | None = None, **changes: Any) -> Reply:
    """One submission, with whatever TLS settings."""
    base = Endpoint(url=server.url, api_key=KEY, connect_timeout=HANG, read_timeout=HANG)
    client = AftClient(replace(base, **changes), environ=environ or {}, monotonic=lambda: 0.0)
    try:
        return client.submit({"scriptName": "x"})
    finally:
        client.close()


def refused(
    identity: Identity, host: str = "127.0.0.1", environ: Mapping[str, str] | None = None, **changes: Any
) -> Failure:
    """A submission that must end with the certificate refused and not one byte of it on the wire."""
    with RawServer(always(OK), identity.server_context()) as server:
        url = server.url.replace("127.0.0.1", host)
        reply = ask(server, environ, url=url, **changes)
        server.settle()
    assert isinstance(reply, Failure), reply
    assert (reply.kind, reply.sent) == (FailureKind.TLS, False)
    assert bytes(server.received) == b""
    assert f"{host}:{server.port}" in reply.message
    return reply


@pytest.mark.parametrize(
    "changes",
    [
        {"ca_file": ca_file()},
        {"fingerprints": (issued().pin,)},
        {"fingerprints": (WRONG, issued().pin.upper().replace("SHA256:", "sha256 Fingerprint="))},
        {"insecure": True},
    ],
    ids=["ca", "pin", "pins", "insecure"],
)
def test_accepted(changes: dict[str, Any]) -> None:
    """The ways to say that a server is the right one."""
    with RawServer(always(OK), issued().server_context()) as server:
        assert isinstance(ask(server, **changes), Answer)
    assert KEY.encode() in bytes(server.received)


def test_host_name_does_not_matter_with_a_pin() -> None:
    """A pinned certificate is accepted whatever names it has; a self-signed one too."""
    for identity in (issued("other.example"), issued(days=-5), self_signed()):
        with RawServer(always(OK), identity.server_context()) as server:
            assert isinstance(ask(server, fingerprints=(identity.pin,)), Answer)


def test_own_certificate_as_ca_file() -> None:
    """The server's own certificate may stand in for its authority's, self-signed or not."""
    for identity in (self_signed(), issued()):
        with RawServer(always(OK), identity.server_context()) as server:
            assert isinstance(ask(server, ca_file=identity.cert), Answer)


def test_wrong_pin_keeps_everything_back() -> None:
    """With a wrong pin not a byte of HTTP leaves; both fingerprints are named."""
    reply = refused(issued(), fingerprints=(WRONG,))
    assert issued().pin in reply.message
    assert WRONG in reply.message
    assert f"fingerprint: {issued().pin}" in reply.hint
    assert "openssl x509" in reply.hint
    assert "server.tls" in reply.hint


def test_pin_is_checked_on_every_connection() -> None:
    """A server that changes its certificate between two connections gets nothing on the second."""
    contexts = [issued().server_context(), self_signed().server_context()]

    def once(visit: Visit) -> None:
        visit.request()
        visit.send(OK)

    with RawServer(once, contexts[0]) as server:
        client = AftClient(Endpoint(url=server.url, api_key=KEY, fingerprints=(issued().pin,)), environ={})
        assert isinstance(client.submit({}), Answer)
        server.settle()
        count = len(server.received)
        server.context = contexts[1]
        reply = client.submit({})
        server.settle()
    assert isinstance(reply, Failure)
    assert reply.kind is FailureKind.TLS
    assert len(server.received) == count


@pytest.mark.parametrize(
    ("identity", "changes", "words"),
    [
        (self_signed(), {}, "self-signed"),
        (self_signed(), {"ca_file": ca_file()}, "self-signed"),
        (issued(), {}, "does not know its issuer"),
        (issued(), {"ca_file": ca_file("other")}, "does not know its issuer"),
        (issued(days=-5), {"ca_file": ca_file()}, "expired on 20"),
        (
            issued("other.example", "*.more.example"),
            {"ca_file": ca_file()},
            "other.example, *.more.example, not for 127.0.0.1",
        ),
    ],
    ids=["self-signed", "self-signed-ca", "unknown", "wrong-ca", "expired", "wrong-host"],
)
def test_refused(identity: Identity, changes: dict[str, Any], words: str) -> None:
    """Why a certificate is refused is said in words; the line that would pin it is there to paste."""
    reply = refused(identity, **changes)
    assert words in reply.message
    assert reply.hint.endswith(f"fingerprint: {identity.pin}")
    assert "openssl x509 -in cert.pem -noout -fingerprint -sha256" in reply.hint


def test_not_yet_valid() -> None:
    """A certificate from the future points to the clocks."""
    text = tls.describe(issued().der)
    error = ssl.SSLCertVerificationError()
    error.verify_code = 9
    assert "clocks" in failures.why(error, "h", text)
    assert tls.day(text.not_before) in failures.why(error, "h", text)


def test_host_name_is_checked_with_a_ca() -> None:
    """The same certificate is fine under a name it has, and refused under another."""
    with RawServer(always(OK), issued("localhost").server_context()) as server:
        assert isinstance(ask(server, url=server.url.replace("127.0.0.1", "localhost"), ca_file=ca_file()), Answer)
    assert "not for 127.0.0.1" in refused(issued("localhost"), ca_file=ca_file()).message


def test_refused_certificate_is_looked_at_once() -> None:
    """The second handshake, which shows the fingerprint, happens once in the life of a client."""
    with RawServer(always(OK), self_signed().server_context()) as server:
        client = AftClient(Endpoint(url=server.url, api_key=KEY), environ={})
        replies = [client.submit({}) for _ in range(3)]
    assert server.connections == 4
    assert bytes(server.received) == b""
    assert all(isinstance(reply, Failure) and self_signed().pin in reply.hint for reply in replies)


@pytest.mark.parametrize("variable", tls.CA_VARIABLES)
def test_environment_serves_where_nothing_is_said(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual variables name the authorities, unless the endpoint says something itself."""
    with RawServer(always(OK), issued().server_context()) as server:
        assert isinstance(ask(server, {variable: ca_file()}), Answer)
        assert isinstance(ask(server, {variable: str(Path(ca_file()).parent / "gone.pem")}, ca_file=ca_file()), Answer)
    monkeypatch.setenv(variable, ca_file())
    refused(issued(), environ={variable: ca_file()}, ca_file=ca_file("other"))
    refused(issued(), environ={variable: ca_file()}, fingerprints=(WRONG,))


def test_first_variable_wins() -> None:
    """REQUESTS_CA_BUNDLE comes before CURL_CA_BUNDLE."""
    refused(issued(), environ={"REQUESTS_CA_BUNDLE": ca_file("other"), "CURL_CA_BUNDLE": ca_file()})


def test_missing_bundle_is_named() -> None:
    """A variable that names a file that is not there: variable and file are in the message."""
    with pytest.raises(UsageError, match=r"/gone\.pem \(CURL_CA_BUNDLE\).*[Nn]o such file"):
        AftClient(Endpoint(), environ={"CURL_CA_BUNDLE": "/gone.pem"})


def test_system_store_is_the_last_resort() -> None:
    """With nothing said anywhere there are authorities all the same, and TLS 1.2 is the least."""
    context = tls.verifying_context({})
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_certifi_fills_an_empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without certificates of its own uses those of certifi."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    context = tls.verifying_context({})
    assert context.cert_store_stats()["x509_ca"] > 50


def client_server(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A server that asks for a client certificate."""
    context = issued().server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=ca_file("clients"))
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_certificate(version: ssl.TLSVersion) -> None:
    """The client certificate is shown, in every mode."""
    mine = issued("me.example", ca="clients")
    for changes in ({"ca_file": ca_file()}, {"fingerprints": (issued().pin,)}, {"insecure": True}):
        with RawServer(always(OK), client_server(version)) as server:
            assert isinstance(ask(server, cert_file=mine.cert, key_file=mine.key, **changes), Answer)


@pytest.mark.parametrize("mine", [None, issued("me.example", ca="strangers")], ids=["none", "stranger"])
def test_client_certificate_refused(mine: Identity | None) -> None:
    """A server that refuses our certificate, or misses one: nothing was processed, and the remedy is named."""
    changes: dict[str, Any] = {} if mine is None else {"cert_file": mine.cert, "key_file": mine.key}
    with RawServer(always(OK), client_server(ssl.TLSVersion.TLSv1_2)) as server:
        reply = ask(server, ca_file=ca_file(), **changes)
    assert isinstance(reply, Failure)
    assert (reply.kind, reply.sent) == (FailureKind.TLS if mine else FailureKind.CONNECT, False)
    assert "certFile" in reply.hint
    assert bytes(server.received) == b""


def test_client_certificate_refused_after_the_request_left() -> None:
    """In TLS 1.3 the refusal may come late; where it is readable, it proves that nothing was processed."""
    with RawServer(always(OK), client_server(ssl.TLSVersion.TLSv1_3)) as server:
        reply = ask(server, ca_file=ca_file())
    assert isinstance(reply, Failure)
    assert bytes(server.received) == b""
    # The server may also reset the connection before its alert is read: then nobody can tell.
    assert (reply.kind, reply.sent) in ((FailureKind.TLS, False), (FailureKind.LOST, True), (FailureKind.LOST, False))


def test_old_tls_only() -> None:
    """A server without TLS 1.2 is refused, with the reason."""

    def old(visit: Visit) -> None:
        visit.sock.recv(65536)
        visit.send(bytes.fromhex("15030100020246"))  # fatal alert 70: protocol version

    with RawServer(old) as server:
        reply = ask(server, url=server.url.replace("http:", "https:"), insecure=True)
    assert isinstance(reply, Failure)
    assert reply.kind is FailureKind.TLS
    assert "TLS 1.2" in reply.message


def test_unusable_files(tmp_path: Path) -> None:
    """Every file that cannot be used is named, with the cause, when the client is made."""
    mine = issued("me.example", ca="clients")
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("not a certificate")
    locked = tmp_path / "locked.key"
    key = serialization.load_pem_private_key(Path(mine.key).read_bytes(), None)
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
    )
    for changes, words in (
        ({"ca_file": "/gone/ca.pem"}, "/gone/ca.pem"),
        ({"ca_file": str(garbage)}, "garbage.pem"),
        ({"cert_file": "/gone/me.pem"}, "/gone/me.pem"),
        ({"cert_file": mine.cert, "key_file": "/gone/me.key"}, "/gone/me.key"),
        ({"cert_file": str(garbage), "key_file": mine.key}, "garbage.pem"),
        ({"cert_file": mine.cert, "key_file": issued().key}, "does not belong"),
        ({"cert_file": mine.cert, "key_file": str(locked)}, "encrypted"),
        ({"key_file": mine.key}, "certFile"),
        ({"ca_file": ca_file(), "insecure": True}, "not several"),
        ({"fingerprints": ("sha256:12",)}, "64 hexadecimal digits"),
        ({"fingerprints": ("sha256//" + "A" * 43 + "=",)}, "it is no SHA-256 fingerprint"),
    ):
        with pytest.raises(UsageError) as caught:
            AftClient(Endpoint(**changes), environ={})
        assert words in "\n".join(caught.value.diagnostics())


@pytest.mark.parametrize(("mark", "encoding"), [(b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le")])
def test_certificates_as_windows_saves_them(tmp_path: Path, mark: bytes, encoding: str) -> None:
    """`aftrun trust --pem > aft.pem` in PowerShell 5.1 is UTF-16. A key in such a file is refused, with the cause."""
    identity = self_signed()
    saved = tmp_path / "aft.pem"
    pem = ssl.DER_cert_to_PEM_cert(identity.der).replace("\n", "\r\n")
    saved.write_bytes(mark + pem.encode(encoding))
    with RawServer(always(OK), identity.server_context()) as server:
        assert isinstance(ask(server, ca_file=str(saved)), Answer)
    with pytest.raises(UsageError, match=r"aft\.pem \(certFile\) begins with a byte order mark"):
        AftClient(Endpoint(cert_file=str(saved), key_file=str(saved)), environ={})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes in folders")
def test_a_named_pipe_is_no_reason_to_wait(tmp_path: Path) -> None:
    """As a caFile it is read where somebody writes to it; as a key, which OpenSSL opens more than once, never."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"ca_file": str(pipe)}, r"pipe \(caFile\) could not be read: it is a named pipe, and nobody writes to it"),
        ({"cert_file": str(pipe)}, r"pipe \(certFile\) is a named pipe"),
        ({"cert_file": issued().cert, "key_file": str(pipe)}, r"pipe \(keyFile\) is a named pipe"),
    ]
    for changes, words in wrong:
        with pytest.raises(UsageError, match=words):
            AftClient(Endpoint(**changes), environ={})
    identity = self_signed()
    with RawServer(always(OK), identity.server_context()) as server:
        keeper = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # what was written stays while there is a reader
        pipe.write_text(ssl.DER_cert_to_PEM_cert(identity.der), encoding="ascii")
        assert isinstance(ask(server, ca_file=str(pipe)), Answer)
        os.close(keeper)


def test_peer_certificate() -> None:
    """What a server shows, without trusting it and without sending anything."""
    with RawServer(always(OK), self_signed().server_context()) as server:
        seen = tls.peer_certificate("127.0.0.1", server.port, 2.0)
        server.settle()
    assert bytes(server.received) == b""
    assert urls.fingerprint(seen.der) == seen.fingerprint
    assert replace(seen, der=b"") == tls.PeerCertificate(
        fingerprint=self_signed().pin,
        subject="CN=aft.example, O=Tests",
        issuer="CN=aft.example, O=Tests",
        names=("aft.example", "127.0.0.1"),
        not_before=1577934245.0,
        not_after=2840238245.0,
        self_signed=True,
    )
    assert not tls.describe(issued().der).self_signed


def test_peer_certificate_without_tls() -> None:
    """No TLS, or nobody there, is an OSError."""
    with RawServer(always(OK)) as server, pytest.raises(OSError, match=r"."):
        tls.peer_certificate("127.0.0.1", server.port, 0.2)


def test_unreadable_certificate_keeps_its_fingerprint() -> None:
    """The fingerprint does not depend on understanding the certificate."""
    assert tls.describe(b"nonsense").fingerprint.startswith("sha256:")
    assert tls.describe(b"nonsense").names == ()


@given(st.integers(0, 2000), st.binary(max_size=6))
def test_damaged_certificates(at: int, patch: bytes) -> None:
    """A damaged certificate is read or refused, nothing else."""
    der = self_signed().der
    damaged = der[:at] + patch + der[at + len(patch) :]
    with contextlib.suppress(ValueError):
        assert x509.read(damaged).not_after is not None


class Tunnel:
    """What a CONNECT proxy does; it keeps what it was told."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        self.answer = answer
        self.heads: list[bytes] = []

    def __call__(self, visit: Visit) -> None:
        """Let a client through, or answer what was asked for."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += visit.sock.recv(1)
        self.heads.append(head)
        visit.send(self.answer)
        if b" 200 " not in self.answer:
            return
        port = int(head.split(b" ")[1].rpartition(b":")[2])
        with socket.create_connection(("127.0.0.1", port)) as target:
            visit.sock.setblocking(False)
            target.setblocking(False)
            while pump(visit.sock, target) and pump(target, visit.sock):
                if visit.server.over.wait(0.001):
                    return


def pump(source: socket.socket, target: socket.socket) -> bool:
    """Pass on what is there; False at the end."""
    try:
        data = source.recv(65536)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    target.sendall(data)
    return data != b""


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `127.0.0.1` a place that needs a proxy, for tests that have only loopback."""
    monkeypatch.setattr(urls, "is_loopback", lambda host: False)


@pytest.mark.usefixtures("away")
def test_through_a_proxy() -> None:
    """The key goes through the tunnel only; pins hold inside it; the proxy gets its own password only."""
    tunnel = Tunnel()
    with RawServer(tunnel) as middle, RawServer(always(OK), issued().server_context()) as server:
        environ = {"https_proxy": f"http://me:hunter2@127.0.0.1:{middle.port}"}
        assert isinstance(ask(server, environ, ca_file=ca_file()), Answer)
        assert isinstance(ask(server, environ, fingerprints=(issued().pin,)), Answer)
        count = len(server.received)
        wrong = ask(server, environ, fingerprints=(WRONG,))
        unknown = ask(server, environ)
        assert len(server.received) == count
    for reply in (wrong, unknown):
        assert isinstance(reply, Failure)
        assert (reply.kind, reply.sent) == (FailureKind.TLS, False)
        assert issued().pin in reply.hint
        assert f"127.0.0.1:{middle.port}" in reply.message
        assert "hunter2" not in reply.message
    assert all(head.startswith(f"CONNECT 127.0.0.1:{server.port} ".encode()) for head in tunnel.heads)
    assert all(b"Proxy-Authorization: Basic bWU6aHVudGVyMg==" in head for head in tunnel.heads)
    assert KEY.encode() not in b"".join(tunnel.heads)
    assert b"roxy-" not in bytes(server.received)


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"HTTP/1.1 403 No\r\n\r\n", b""]
)
def test_proxy_refuses(answer: bytes) -> None:
    """A proxy that does not let us through: provably not sent, and the proxy is named."""
    with RawServer(Tunnel(answer)) as middle, RawServer(always(OK), issued().server_context()) as server:
        reply = ask(server, {"HTTPS_PROXY": f"http://127.0.0.1:{middle.port}"}, ca_file=ca_file())
    assert isinstance(reply, Failure)
    assert (reply.kind, reply.sent) == (FailureKind.CONNECT, False)
    assert f"the proxy 127.0.0.1:{middle.port}" in reply.message
    assert "NO_PROXY" in reply.hint
    assert server.connections == 0


@pytest.mark.usefixtures("away")
def test_proxy_with_tls() -> None:
    """An https proxy is verified by the environment's authorities, whatever the endpoint says of its own server."""
    with (
        RawServer(Tunnel(), issued().server_context()) as middle,
        RawServer(always(OK), self_signed().server_context()) as server,
    ):
        place = {"https_proxy": f"https://127.0.0.1:{middle.port}"}
        good = ask(server, {**place, "SSL_CERT_FILE": ca_file()}, fingerprints=(self_signed().pin,))
        bad = ask(server, {**place, "SSL_CERT_FILE": ca_file("other")}, insecure=True)
    assert isinstance(good, Answer)
    assert isinstance(bad, Failure)
    assert (bad.kind, bad.sent) == (FailureKind.CONNECT, False)
    assert server.connections == 1


@pytest.mark.usefixtures("away")
def test_what_a_proxy_with_tls_needs_is_loaded_with_the_client(tmp_path: Path) -> None:
    """Once a POST may leave, the file of authorities can be gone."""
    authorities = tmp_path / "ca.pem"
    authorities.write_bytes(Path(ca_file()).read_bytes())
    with (
        RawServer(Tunnel(), issued().server_context()) as middle,
        RawServer(always(OK), self_signed().server_context()) as server,
    ):
        environ = {"https_proxy": f"https://127.0.0.1:{middle.port}", "SSL_CERT_FILE": str(authorities)}
        endpoint = Endpoint(url=f"https://127.0.0.1:{server.port}", api_key=KEY, fingerprints=(self_signed().pin,))
        client = AftClient(endpoint, environ=environ)
        authorities.unlink()
        with contextlib.closing(client):
            assert isinstance(client.submit({}), Answer)


def test_loopback_needs_no_proxy() -> None:
    """Requests to this machine never leave it, whatever the environment says."""
    with RawServer(always(OK)) as middle, RawServer(always(OK)) as server:
        environ = {"http_proxy": f"http://127.0.0.1:{middle.port}", "all_proxy": "http://127.0.0.1:1"}
        assert isinstance(ask(server, environ), Answer)
    assert middle.connections == 0


@pytest.mark.usefixtures("away")
def test_plain_http_goes_through_a_forwarding_proxy() -> None:
    """Plain HTTP is handed to the proxy with the full address."""
    with RawServer(always(OK)) as middle:
        client = AftClient(
            Endpoint(url="http://aft.example:8080", api_key=KEY, plain=True),
            environ={"http_proxy": f"127.0.0.1:{middle.port}"},
        )
        assert isinstance(client.submit({}), Answer)
        client.close()
    assert middle.requests[0].startswith(b"POST http://aft.example:8080/v1/jobs HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("host", "environ", "expected"),
    [
        ("aft.example", {}, None),
        ("aft.example", {"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "p:1"),
        ("aft.example", {"HTTPS_PROXY": "q:1"}, "q:1"),
        ("aft.example", {"http_proxy": "http://p:1"}, None),
        ("aft.example", {"ALL_PROXY": "http://[::1]:1"}, "[::1]:1"),
        ("aft.example", {"https_proxy": "http://p:1", "no_proxy": "*"}, None),
        ("aft.example", {"https_proxy": "http://p:1", "no_proxy": "x, example"}, None),
        ("aft.example", {"https_proxy": "http://p:1", "no_proxy": ".example"}, None),
        ("aft.example", {"https_proxy": "http://p:1", "no_proxy": "ft.example"}, "p:1"),
        ("aft.example", {"https_proxy": "http://p:1", "NO_PROXY": "aft.example:44399"}, None),
        ("aft.example", {"https_proxy": "http://p:1", "NO_PROXY": "aft.example:1"}, "p:1"),
        ("10.1.2.3", {"https_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, None),
        ("10.1.2.3", {"https_proxy": "http://p:1", "no_proxy": "10.1.2.3:44399"}, None),
        ("11.1.2.3", {"https_proxy": "http://p:1", "no_proxy": "10.0.0.0/8,x"}, "p:1"),
        ("127.9.9.9", {"https_proxy": "http://p:1"}, None),
        ("127.evil.example", {"https_proxy": "http://p:1"}, "p:1"),
        ("::1", {"https_proxy": "http://p:1"}, None),
        ("::ffff:127.0.0.1", {"https_proxy": "http://p:1"}, None),
        ("LocalHost.", {"https_proxy": "http://p:1"}, None),
    ],
)
def test_which_proxy(host: str, environ: dict[str, str], expected: str | None) -> None:
    """Which proxy the environment asks for."""
    found = proxy.find("https", host, 44399, environ)
    assert (found.place if found else None) == expected


def test_cgi_and_impossible_proxies() -> None:
    """A CGI's HTTP_PROXY is ignored; what cannot be used is refused without showing a password."""
    assert proxy.find("http", "h", 80, {"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}) is None
    for value in ("socks5://u:hunter2@p:1", "http://u:hunter2@:1", "http://u:hunter2@p:x"):
        with pytest.raises(UsageError) as caught:
            proxy.find("https", "h", 443, {"https_proxy": value})
        assert "hunter2" not in str(caught.value)


def test_real_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a stand-in the process' own environment counts."""
    monkeypatch.setenv("https_proxy", "http://p:1")
    monkeypatch.setenv("no_proxy", "other")
    found = proxy.find("https", "aft.example", 443)
    assert found is not None
    assert (found.place, found.variable) == ("p:1", "https_proxy")


@pytest.mark.usefixtures("away")
def test_proxy_that_is_not_there() -> None:
    """A proxy nobody listens at, or whose name is unknown: the proxy is named, not the server."""
    with RawServer(always(OK), issued().server_context()) as server:
        dead = ask(server, {"https_proxy": "http://127.0.0.1:1"}, insecure=True)
        lost = ask(server, {"https_proxy": "http://no-such-proxy.invalid:1"}, insecure=True)
    assert isinstance(dead, Failure)
    assert isinstance(lost, Failure)
    assert (dead.kind, dead.sent, lost.kind, lost.sent) == (FailureKind.CONNECT, False, FailureKind.NAME, False)
    assert "the proxy 127.0.0.1:1" in dead.message
    assert "the proxy no-such-proxy.invalid:1" in lost.message


@pytest.mark.usefixtures("away")
def test_silent_proxy() -> None:
    """A proxy that never answers is given up after the connect timeout."""

    def silent(visit: Visit) -> None:
        visit.stall()

    with RawServer(silent) as middle, RawServer(always(OK), issued().server_context()) as server:
        reply = ask(server, {"https_proxy": f"http://127.0.0.1:{middle.port}"}, insecure=True, connect_timeout=0.2)
    assert isinstance(reply, Failure)
    assert (reply.kind, reply.sent) == (FailureKind.CONNECT, False)
    assert "no answer within 0.2 s" in reply.message


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (19, "self-signed certificate that this machine does not know (CN=aft.example, O=Tests)"),
        (20, "does not know its issuer (CN=aft.example, O=Tests)"),
        (23, "revoked"),
        (66, "too small"),
    ],
)
def test_other_reasons(code: int, words: str) -> None:
    """Each reason of OpenSSL has words of its own, or OpenSSL's."""
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    error.verify_message = "EE certificate key too small"
    assert words in failures.why(error, "h", tls.describe(self_signed().der))


def attempted(error: BaseException, phase: Phase, **changes: Any) -> failures.Attempted:
    """An attempt that ended so."""
    base = failures.Attempted("h", 1, phase, sent=True, error=error, connect_timeout=1.0, read_timeout=1.0)
    return replace(base, **changes)


def alert(reason: str) -> ssl.SSLError:
    """An alert of the server."""
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


def test_alert_about_our_certificate_proves_that_nothing_was_processed() -> None:
    """On a new connection only: on a used one the handshake is long over."""
    error = alert("TLSV13_ALERT_CERTIFICATE_REQUIRED")
    fresh = failures.failure(attempted(error, Phase.ANSWER))
    used = failures.failure(attempted(error, Phase.ANSWER, reused=True))
    assert (fresh.kind, fresh.sent) == (FailureKind.TLS, False)
    assert (used.kind, used.sent) == (FailureKind.LOST, True)


@pytest.mark.parametrize(
    ("error", "phase", "kind", "words"),
    [
        (alert("SSLV3_ALERT_HANDSHAKE_FAILURE"), Phase.HANDSHAKE, FailureKind.CONNECT, "handshake failure"),
        (alert("DH_KEY_TOO_SMALL"), Phase.HANDSHAKE, FailureKind.CONNECT, "dh key too small"),
        (alert("TLSV1_ALERT_INTERNAL_ERROR"), Phase.HANDSHAKE, FailureKind.CONNECT, "internal error"),
        (alert("TLSV1_UNRECOGNIZED_NAME"), Phase.HANDSHAKE, FailureKind.CONNECT, "unrecognized name"),
        (alert("WRONG_VERSION_NUMBER"), Phase.HANDSHAKE, FailureKind.CONNECT, "does not speak TLS"),
        (alert("TLSV1_ALERT_PROTOCOL_VERSION"), Phase.HANDSHAKE, FailureKind.TLS, "no TLS 1.2"),
        (alert("TLSV1_ALERT_UNKNOWN_CA"), Phase.HANDSHAKE, FailureKind.TLS, "client certificate"),
        (alert("BAD_RECORD_MAC"), Phase.ANSWER, FailureKind.LOST, "bad record mac"),
        (OSError(113, "No route to host"), Phase.CONNECT, FailureKind.CONNECT, "no route to host"),
        (OSError(113, "No route to host"), Phase.ANSWER, FailureKind.LOST, "no route to host"),
    ],
)
def test_other_failures(error: BaseException, phase: Phase, kind: FailureKind, words: str) -> None:
    """What is rare is put into words too; only a request that was under way counts as sent."""
    reply = failures.failure(attempted(error, phase, sent=phase is Phase.ANSWER, host="::1"))
    assert (reply.kind, reply.sent) == (kind, phase is Phase.ANSWER)
    assert words in reply.message
    assert "[::1]:1" in reply.message


def test_certificate_that_cannot_be_looked_at() -> None:
    """Where the second handshake fails too, the hint names the command that shows the fingerprint."""
    served = [issued().server_context()]

    with RawServer(always(OK), served[0]) as server:
        client = AftClient(Endpoint(url=server.url, connect_timeout=HANG), environ={})
        client._looked = True  # as after a look that failed
        reply = client.submit({})
    assert isinstance(reply, Failure)
    assert "aftrun trust" in reply.hint


@pytest.mark.parametrize("answer", [b"HTTP/1.1 403 No\r\n\r\n", b"HTTP/1.1", b"x" * 20_000])
def test_tunnel_refused(answer: bytes) -> None:
    """A look at a certificate through a proxy that will not have it is an OSError."""

    def handle(visit: Visit) -> None:
        visit.request()
        visit.send(answer)

    with RawServer(handle) as middle:
        found = proxy.find("https", "aft.example", 1, {"https_proxy": f"http://127.0.0.1:{middle.port}"})
        with pytest.raises(OSError, match="proxy"):
            tls.peer_certificate("aft.example", 1, HANG, proxy=found)
    with pytest.raises(OSError, match="https proxy"):
        tls.peer_certificate("h", 1, HANG, proxy=proxy.find("https", "h", 1, {"https_proxy": "https://127.0.0.1:1"}))


def test_a_proxy_that_answers_a_byte_at_a_time_is_not_heard_to_the_end() -> None:
    """Its time does not begin anew with each byte."""
    seconds = itertools.count()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000)
        with pytest.raises(TimeoutError):
            proxy._expect_200(ours, 10.0, lambda: float(next(seconds)))
    assert next(seconds) == 11


def test_a_connection_that_was_reset_before_tls_began_is_closed() -> None:
    """`ssl` itself raises, or begins no TLS at all, and leaves it to the garbage collector."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        select.select([ours], [], [], HANG)
        number = ours.fileno()
        with pytest.raises(ConnectionResetError):
            tls.unverified_context().wrap_socket(ours, server_hostname="aft.example")
        with pytest.raises(OSError, match=r"[Bb]ad file"):
            os.fstat(number)


def test_proxy_of_the_operating_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment says nothing, the settings of Windows or macOS count, exceptions included."""
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"https": "http://p:1"})
    monkeypatch.setattr(urllib.request, "proxy_bypass", lambda host: host == "inside")
    found = proxy.find("https", "outside", 443)
    assert found is not None
    assert (found.place, found.variable) == ("p:1", "system")
    assert proxy.find("https", "inside", 443) is None


def test_an_address_as_a_name_is_explained() -> None:
    """It looks as if it named the host: what it lacks is said, and the pin stands there to paste."""
    error = ssl.SSLCertVerificationError()
    error.verify_code = 64
    seen = replace(tls.describe(issued().der), names=("127.0.0.1",))
    text = failures.why(error, "127.0.0.1", seen)
    assert "only as a DNS name" in text
    assert "IP address entry" in text
    assert "not for" not in text


@pytest.mark.parametrize(("mine", "words"), [(False, "wants a client certificate"), (True, "does not accept our")])
def test_a_server_that_closes_may_want_a_client_certificate(mine: bool, words: str) -> None:
    """Some send no alert and just close."""
    tried = attempted(ConnectionResetError(104, "reset"), Phase.HANDSHAKE)
    reply = failures.failure(replace(tried, has_client_certificate=mine))
    assert (reply.kind, reply.sent) == (FailureKind.LOST, False)
    assert words in reply.hint


def test_files_of_other_kinds_are_named(tmp_path: Path) -> None:
    """Each kind of file that is no PEM has its name, and the command that makes one of it."""
    mine = issued("me.example", ca="clients")
    key = serialization.load_pem_private_key(Path(mine.key).read_bytes(), None)
    certificate = load_pem_x509_certificate(Path(mine.cert).read_bytes())
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    pfx = tmp_path / "me.pfx"
    pfx.write_bytes(pkcs12.serialize_key_and_certificates(b"me", key, certificate, None, serialization.NoEncryption()))
    der, der_key, bare = tmp_path / "me.der", tmp_path / "key.der", tmp_path / "bare.pem"
    der.write_bytes(mine.der)
    der_key.write_bytes(
        key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    bare.write_text(ssl.DER_cert_to_PEM_cert(mine.der))
    cases: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({"ca_file": str(tmp_path)}, "it is a folder", "PEM file"),
        ({"ca_file": str(pfx)}, "PKCS #12", "openssl pkcs12 -in"),
        ({"cert_file": str(pfx)}, "PKCS #12", "-nocerts -nodes"),
        ({"ca_file": str(der)}, "binary form", "openssl x509 -inform DER"),
        ({"ca_file": mine.key}, "private key and no certificate", "keyFile"),
        ({"cert_file": mine.cert, "key_file": str(der_key)}, "key in binary form", "openssl pkey"),
        ({"cert_file": str(bare)}, "holds no private key", "keyFile"),
    )
    for changes, words, remedy in cases:
        with pytest.raises(UsageError) as caught:
            AftClient(Endpoint(**changes), environ={})
        assert words in caught.value.message, changes
        assert remedy in caught.value.hint, changes
    both = tmp_path / "both.pem"
    both.write_text(bare.read_text() + Path(mine.key).read_text())
    AftClient(Endpoint(cert_file=str(both)), environ={})


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"secure": True}, True), ({}, False), ({"secure": True, "reused": True}, False)],
)
def test_a_server_may_close_after_the_handshake(changes: dict[str, Any], said: bool) -> None:
    """TLS 1.3 tells of a missing client certificate late; what was sent stays in doubt all the same."""
    reply = failures.failure(replace(attempted(ConnectionResetError(104, "reset"), Phase.ANSWER), **changes))
    assert (reply.kind, reply.sent) == (FailureKind.LOST, True)
    assert ("client certificate" in reply.hint) is said


def test_a_timeout_is_set_only_where_it_makes_a_difference() -> None:
    """Never later than asked for by more than a hundredth; no wait and endless ones are set as they are."""
    context = tls.context(Endpoint(insecure=True), {})
    ours, theirs = socket.socketpair()
    with theirs, context.wrap_socket(ours, do_handshake_on_connect=False) as secure:
        for asked, got in (
            (10.0, 10.0),
            (9.95, 10.0),
            (9.8, 9.8),
            (9.81, 9.81),
            (0.0, 0.0),
            (0.001, 0.001),
            (None, None),
            (5.0, 5.0),
        ):
            secure.settimeout(asked)
            assert secure.gettimeout() == got
