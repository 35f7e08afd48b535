"""Whom we talk to: TLS settings, fingerprints, and the certificate a server shows."""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import re
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from aftrun.client import pemfiles, x509
from aftrun.client import proxy as proxies
from aftrun.domain import urls
from aftrun.domain.errors import UsageError
from aftrun.domain.frozen import dataclass
from aftrun.domain.instants import at_utc
from aftrun.domain.model import Endpoint
from aftrun.system.inputs import decoded, is_named_pipe, mark_of, read_input

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Asked in this order, and only where the endpoint itself says nothing about its certificate."""
_LARGEST_FILE = 16 * 1024 * 1024
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""The names by which OpenSSL finds certificates in a folder."""
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """The certificate a server shows, trusted or not. Times are epoch seconds, 0 where it could not be read."""

    fingerprint: str
    """``sha256:`` and 64 lower-case hex digits: the SHA-256 of the whole certificate (DER)."""
    subject: str
    issuer: str
    names: tuple[str, ...]
    """The host names and addresses it is for."""
    not_before: float
    not_after: float
    self_signed: bool
    der: bytes = field(default=b"", repr=False)
    """The certificate itself."""


class WrongFingerprint(ssl.SSLError):
    """The certificate shown is none of the pinned ones. `der` is the one shown."""

    def __init__(self, der: bytes) -> None:
        super().__init__("the certificate is not the pinned one")
        self.der = der


def pins(endpoint: Endpoint) -> tuple[bytes, ...]:
    """The 32 bytes of each certificate that the endpoint pins.

    Raises:
        UsageError: one is not the SHA-256 of a certificate.
    """
    try:
        return tuple(urls.parse_fingerprint(text) for text in endpoint.fingerprints)
    except ValueError as fault:  # which one is not said: it may have come from outside
        raise UsageError(f"a pinned fingerprint is not usable: {fault}", hint=urls.FINGERPRINT_FORM) from fault


def check_pins(der: bytes, pins: tuple[bytes, ...]) -> None:
    """Compare a certificate with the pinned ones.

    Raises:
        WrongFingerprint: it is none of them.
    """
    seen = hashlib.sha256(der).digest()
    if not any(hmac.compare_digest(seen, expected) for expected in pins):
        raise WrongFingerprint(der)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        text = error.reason or str(error)
        if "PEM" in text or "no start line" in text.lower():
            return "it holds no certificate or key in PEM form"
        return text.replace("_", " ").lower()
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)


class _Socket(ssl.SSLSocket):
    """A connection that knows which session it offered."""

    offered: ssl.SSLSession | None = None
    ready = False
    """TLS has begun."""

    def getpeername(self) -> Any:
        """As every socket's. `ssl` asks before it begins, and would leave one that was reset by then open, unheeded."""
        try:
            return super().getpeername()
        except OSError as error:
            if self.ready or error.errno != errno.ENOTCONN:
                raise
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)) from error

    def settimeout(self, value: float | None, /) -> None:
        """Set it, unless it is that already or a hundredth more: each time, other threads have their turn first."""
        now = self.gettimeout()
        if not (value and now and value <= now <= value * 1.01):
            super().settimeout(value)


class _Context(ssl.SSLContext):
    """A context that several threads make connections to one server from, each resuming the session of the last.

    urllib3 sets the ALPN protocols anew for every connection. OpenSSL keeps them in memory that it frees and allocates
    again, while another thread may be copying them for a handshake of its own. So they are set once.
    """

    sslsocket_class = _Socket
    _protocols: tuple[str, ...] | None = None
    session: tuple[str | None, ssl.SSLSession] | None = None
    """The newest session that a server offered, after its certificate was accepted, and the server's name. The next
    connection resumes it, which saves the server's signature and our check of it: what makes a handshake dear."""
    resumed = 0
    """How many connections have resumed that one."""
    spent_at_once = False
    """The server lets a session be resumed once, and no more."""

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Set the protocols, unless they are these already."""
        wanted = tuple(alpn_protocols)
        if wanted != self._protocols:
            super().set_alpn_protocols(wanted)
            self._protocols = wanted

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """Begin TLS, with the session of an earlier connection to the same host where there is one."""
        known = self.session
        if known is not None and known[0] == kwargs.get("server_hostname"):
            kwargs.setdefault("session", known[1])
        made = super().wrap_socket(*args, **kwargs)
        if isinstance(made, _Socket):
            made.offered, made.ready = kwargs.get("session"), True
        return made


def keep_session(context: ssl.SSLContext | None, sock: object) -> None:
    """Have the next connection resume the session of this one, whose peer has been accepted.

    To be called once a connection: each look at a session takes some KiB for good, with Pythons and OpenSSLs of today.
    So the session that was resumed is kept, too, while the server takes it again.
    """
    if not isinstance(context, _Context) or not isinstance(sock, _Socket):
        return  # TLS in TLS (an https proxy) has no session to offer
    known = context.session
    if known is not None and known[0] == sock.server_hostname and known[1] is not sock.offered:
        return  # another connection has brought one meanwhile
    if sock.session_reused:
        context.resumed += 1
        if not context.spent_at_once:
            return
    elif context.resumed == 1:
        context.spent_at_once = True
    session = sock.session
    # In TLS 1.3 a session can be resumed only once its ticket has come.
    if session is not None and (session.has_ticket or (sock.version() == "TLSv1.2" and session.id)):
        context.session = sock.server_hostname, session
        context.resumed = 0


def forget_session(context: ssl.SSLContext | None) -> None:
    """Begin anew with the next connection."""
    if isinstance(context, _Context):
        context.session = None
        context.resumed = 0


def _new_context() -> ssl.SSLContext:
    """TLS 1.2 or newer, full verification, nobody trusted yet."""
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])  # what urllib3 asks for
    return context


def _load_authorities(context: ssl.SSLContext, path: str, what: str) -> None:
    try:
        if Path(path).is_dir():
            if not any(_HASHED.fullmatch(each.name) for each in Path(path).iterdir()):
                raise UsageError(
                    f"the certificates in {path} ({what}) could not be read: it is a folder",
                    hint="name a PEM file in it; or join several into one: cat FOLDER/*.pem > aft.pem",
                )
            context.load_verify_locations(capath=path)
        elif (text := _unlike_files(path)) is not None:
            context.load_verify_locations(cadata="\n".join(_CERTIFICATE.findall(text)))
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; ValueError: a NUL in the path
        known = pemfiles.what_it_is(path)
        reason, hint = known or (_reason(error), "it must be a PEM file: text that holds `-----BEGIN CERTIFICATE-----`")
        raise UsageError(f"the certificates in {path} ({what}) could not be read: {reason}", hint=hint) from error


def _unlike_files(path: str) -> str | None:
    """The text of what OpenSSL cannot be left alone with; None of all else, of which nothing is taken before it reads.

    A byte order mark it does not know, and at a named pipe to which nobody writes it would wait for ever.
    """
    if not Path(path).is_file() and not is_named_pipe(path):
        return None
    data = read_input(path, _LARGEST_FILE)
    return decoded(data) if mark_of(data) or is_named_pipe(path) else None


def _load_client_certificate(context: ssl.SSLContext, cert_file: str, key_file: str | None) -> None:
    def no_password() -> str:
        # Without this OpenSSL would ask on the terminal, and a job at night would hang.
        raise ValueError("the key is encrypted; aftrun has no password for it")

    for path, what in ((cert_file, "certFile"), (key_file, "keyFile")):
        try:
            if path is not None and is_named_pipe(path):
                raise UsageError(
                    f"{path} ({what}) is a named pipe, which OpenSSL would read more than once", hint="name a file"
                )
            if path is not None and _unlike_files(path) is not None:
                raise UsageError(
                    f"{path} ({what}) begins with a byte order mark, which OpenSSL does not read",
                    hint="save it again as plain UTF-8, without a mark; in PowerShell: Set-Content -Encoding ascii",
                )
            if path is not None:
                with Path(path).open("rb"):
                    pass
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} ({what}) could not be read: {_reason(error)}") from error
    try:
        context.load_cert_chain(cert_file, key_file, password=no_password)
    except (OSError, ValueError) as error:
        both = cert_file if key_file is None else f"{cert_file} and {key_file}"
        reason = _reason(error)
        if "key values mismatch" in reason:
            reason = "the key does not belong to the certificate"
        hint = "`tls.certFile` and `tls.keyFile` are PEM files; the key must not be encrypted"
        for path, what in ((cert_file, "certFile"), (key_file, "keyFile")):
            known = pemfiles.what_it_is(path) if path is not None else None
            if known is not None and not (what == "keyFile" and pemfiles.holds_key(path or "")):
                reason, hint = f"{path} ({what}): {known[0]}", known[1]
                break
        else:
            if key_file is None and not pemfiles.holds_key(cert_file) and "PEM form" in reason:
                reason = "it holds no private key"
                hint = "give the key's file as `tls.keyFile`, or one PEM file that holds both as `tls.certFile`"
        raise UsageError(
            f"the client certificate ({both}) could not be used: {reason}",
            hint=hint,
        ) from error


def _load_system_store(context: ssl.SSLContext) -> None:
    context.load_default_certs()
    if context.cert_store_stats()["x509_ca"]:
        return
    folder = ssl.get_default_verify_paths().capath  # OpenSSL reads this one only when it needs to
    if folder and any(Path(folder).iterdir()):
        return
    import certifi  # noqa: PLC0415 -- comes with requests; for machines without certificates of their own

    context.load_verify_locations(cafile=certifi.where())


def verifying_context(environ: Mapping[str, str] | None = None) -> ssl.SSLContext:
    """A context that trusts what the environment says, else the system's store.

    Raises:
        UsageError: a variable names a file that cannot be read.
    """
    context = _new_context()
    variables = os.environ if environ is None else environ
    for variable in CA_VARIABLES:
        if variables.get(variable):
            _load_authorities(context, variables[variable], variable)
            return context
    _load_system_store(context)
    return context


def unverified_context() -> ssl.SSLContext:
    """A context that takes any certificate. Who uses it must check the fingerprint, or send nothing that matters."""
    context = _new_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def context(endpoint: Endpoint, environ: Mapping[str, str] | None = None) -> ssl.SSLContext:
    """The context for an endpoint. With fingerprints, the caller must call `check_pins` after each handshake.

    Raises:
        UsageError: a file it names cannot be read, or its settings contradict each other.
    """
    said = [bool(endpoint.ca_file), bool(endpoint.fingerprints), endpoint.insecure]
    if sum(said) > 1:
        raise UsageError("give one of `tls.caFile`, `tls.fingerprint` and `tls.insecure`, not several")
    if endpoint.ca_file:
        result = _new_context()
        # The file may hold the server's own certificate rather than that of an authority above it.
        result.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        _load_authorities(result, endpoint.ca_file, "caFile")
    elif endpoint.fingerprints or endpoint.insecure:
        result = unverified_context()
    else:
        result = verifying_context(environ)
    if endpoint.cert_file:
        _load_client_certificate(result, endpoint.cert_file, endpoint.key_file)
    elif endpoint.key_file:
        raise UsageError("`tls.keyFile` needs `tls.certFile`: the certificate that the key belongs to")
    return result


def describe(der: bytes) -> PeerCertificate:
    """What can be said of a certificate; of one that cannot be read, the fingerprint alone."""
    try:
        fields = x509.read(der)
    except ValueError:
        return PeerCertificate(urls.fingerprint(der), "", "", (), 0.0, 0.0, self_signed=False, der=der)
    return PeerCertificate(
        urls.fingerprint(der),
        fields.subject,
        fields.issuer,
        fields.names,
        fields.not_before,
        fields.not_after,
        fields.self_issued,
        der,
    )


def peer_certificate(
    host: str,
    port: int,
    timeout: float,
    *,
    proxy: proxies.Proxy | None = None,
    cert_file: str | None = None,
    key_file: str | None = None,
) -> PeerCertificate:
    """The certificate a server shows, unverified. Sends nothing but a handshake (and CONNECT to a proxy).

    `timeout` is in seconds, for the connection and again for the handshake. The client certificate is for
    servers that break the handshake off without one.

    Raises:
        OSError: no connection, or no TLS there (`ssl.SSLError` is an `OSError`).
        UsageError: the client certificate cannot be read.
    """
    tls = unverified_context()
    if cert_file is not None:
        _load_client_certificate(tls, cert_file, key_file)
    if proxy is None:
        sock = socket.create_connection((host, port), timeout)
    else:
        sock = proxies.tunnel(proxy, host, port, timeout)
    with sock, tls.wrap_socket(sock, server_hostname=host.rstrip(".")) as secure:
        der = secure.getpeercert(binary_form=True)
    if not der:
        raise ssl.SSLError("the server showed no certificate")
    return describe(der)


def day(at: float) -> str:
    """Epoch seconds as a date, UTC."""
    return at_utc(at).date().isoformat()
