"""Why there was no answer, in plain words, and whether anything can have been sent."""

from __future__ import annotations

import http.client
import socket
import ssl

from aftrun.client import tls
from aftrun.client.transport import Oversize, Phase
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Failure, FailureKind

_ABOUT_OUR_CERTIFICATE = (
    "CERTIFICATE_REQUIRED",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_UNKNOWN_CA",
    "ALERT_CERTIFICATE_EXPIRED",
    "ALERT_CERTIFICATE_REVOKED",
    "ALERT_CERTIFICATE_UNKNOWN",
    "ALERT_UNSUPPORTED_CERTIFICATE",
    "ALERT_ACCESS_DENIED",
)
"""Alerts by which a server refuses the client's certificate, or the lack of one."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """One request without an answer: what was tried, and how far it got. Times in seconds."""

    host: str
    port: int
    phase: Phase
    sent: bool
    error: BaseException
    connect_timeout: float
    read_timeout: float
    proxy: str = ""
    """Its address, where one was in use."""
    reused: bool = False
    has_client_certificate: bool = False
    secure: bool = False
    """Over TLS."""

    @property
    def place(self) -> str:
        """`HOST:PORT` of the server."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _seconds(value: float) -> str:
    return f"{value:g} s"


def _cause(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:  # its text names files and lines of Python's own
        return error.reason.replace("_", " ").lower()
    if isinstance(error, socket.gaierror | OSError) and error.strerror:
        return str(error.strerror).strip().rstrip(".").lower()
    return str(error).strip() or type(error).__name__


def certificate_refused(error: BaseException) -> bool:
    """Whether it was we who refused the server's certificate, for another reason than a pinned fingerprint."""
    return isinstance(error, ssl.SSLCertVerificationError)


def client_certificate_refused(attempted: Attempted) -> bool:
    """Whether the server ended the handshake over our certificate.

    In TLS 1.3 a client may send its request before the server has looked at the client's certificate, so the
    refusal arrives as the answer. It proves that the request was not processed, even though bytes of it left.
    """
    reason = attempted.error.reason if isinstance(attempted.error, ssl.SSLError) else ""
    return not attempted.reused and any(word in (reason or "") for word in _ABOUT_OUR_CERTIFICATE)


def failure(attempted: Attempted, seen: tls.PeerCertificate | None = None, pins: tuple[bytes, ...] = ()) -> Failure:
    """The failure to report. `seen` is the certificate the server shows, where it is known."""
    if attempted.phase in (Phase.NAME, Phase.CONNECT, Phase.PROXY):
        found = _no_connection(attempted)
    elif isinstance(attempted.error, tls.WrongFingerprint | ssl.SSLCertVerificationError):
        found = _refused_certificate(attempted, seen, pins)
    elif client_certificate_refused(attempted):
        found = _refused_by_server(attempted)
    elif attempted.phase is Phase.HANDSHAKE:
        found = _no_handshake(attempted)
    else:
        found = _no_answer(attempted)
    if not attempted.proxy or attempted.proxy in found.message:
        return found
    return Failure(found.kind, found.sent, f"{found.message} (through the proxy {attempted.proxy})", found.hint)


_PROXY_HINT = "the proxy comes from the environment; name the server in NO_PROXY to go without it"


def _no_connection(attempted: Attempted) -> Failure:
    place, error, proxy = attempted.place, attempted.error, attempted.proxy
    if attempted.phase is Phase.PROXY:
        text = _cause(error).removeprefix("Tunnel connection failed: ")
        if isinstance(error, TimeoutError):
            text = f"no answer within {_seconds(attempted.connect_timeout)}"
        return Failure(
            FailureKind.CONNECT, False, f"the proxy {proxy} gave no connection to {place}: {text}", _PROXY_HINT
        )
    target = f"the proxy {proxy}" if proxy else place
    hint = _PROXY_HINT if proxy else ""
    if attempted.phase is Phase.NAME:
        name = proxy or attempted.host
        return Failure(
            FailureKind.NAME,
            False,
            f"the host name of {'the proxy ' if proxy else ''}{name} was not found: {_cause(error)}",
            hint or "check the host in `server.url`, and that this machine can resolve names",
        )
    if isinstance(error, TimeoutError):
        return Failure(
            FailureKind.CONNECT,
            False,
            f"no connection to {target} within {_seconds(attempted.connect_timeout)}",
            hint or "check host and port in `server.url`, and the firewalls in between",
        )
    if isinstance(error, ConnectionRefusedError):
        return Failure(
            FailureKind.CONNECT,
            False,
            f"nothing listens at {target}: connection refused",
            hint
            or "check that the AFT! service runs, its bind address (it may listen on its own machine only), and host "
            "and port in `server.url`",
        )
    return Failure(FailureKind.CONNECT, False, f"no connection to {target}: {_cause(error)}", hint)


def _no_handshake(attempted: Attempted) -> Failure:
    place, error = attempted.place, attempted.error
    if isinstance(error, TimeoutError):
        return Failure(
            FailureKind.CONNECT,
            False,
            f"{place} accepted the connection, but no TLS handshake within {_seconds(attempted.connect_timeout)}",
            "check that this port speaks HTTPS, and that the server is not overloaded",
        )
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError) or not isinstance(
        error, ssl.SSLError
    ):
        return Failure(
            FailureKind.LOST,
            False,
            f"{place} closed the connection during the TLS handshake: {_cause(error)}",
            "check that this port speaks HTTPS; a server that is just starting does this too, and "
            + (
                "one that does not accept our client certificate (`tls.certFile`)"
                if attempted.has_client_certificate
                else "one that wants a client certificate (`tls.certFile` and `tls.keyFile`)"
            ),
        )
    reason = error.reason or str(error)
    words = _cause(error)
    if "PROTOCOL_VERSION" in reason or "UNSUPPORTED_PROTOCOL" in reason:
        text, hint = "it offers no TLS 1.2 or newer", "aftrun needs TLS 1.2 or newer; enable it on the server"
        return Failure(FailureKind.TLS, False, f"no TLS connection to {place}: {text}", hint)
    # Everything else may pass: a server or proxy that is restarting answers with plain HTTP, or any alert at all.
    if any(word in reason for word in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER")):
        text, hint = "it does not speak TLS on this port", "if it is plain HTTP, write `http://` in `server.url`"
    elif "HANDSHAKE_FAILURE" in reason:
        text = f"it ended the TLS handshake ({words})"
        hint = "it may ask for a client certificate: `tls.certFile` and `tls.keyFile`"
    else:
        text, hint = f"the TLS handshake failed ({words})", "`aftrun doctor` checks it step by step"
    hint = f"it may be restarting; {hint}"
    return Failure(FailureKind.CONNECT, False, f"no TLS connection to {place}: {text}", hint)


def _refused_by_server(attempted: Attempted) -> Failure:
    if attempted.has_client_certificate:
        text = "did not accept our client certificate"
        hint = "check `tls.certFile` and `tls.keyFile`: whether the server trusts it, and whether it has expired"
    else:
        text = "asks for a client certificate"
        hint = "give one with `tls.certFile` and `tls.keyFile`"
    return Failure(FailureKind.TLS, False, f"{attempted.place} {text} ({_cause(attempted.error)})", hint)


def _no_answer(attempted: Attempted) -> Failure:
    place, error, sent = attempted.place, attempted.error, attempted.sent
    hint = ""
    if isinstance(error, TimeoutError):
        return Failure(
            FailureKind.TIMEOUT,
            sent,
            f"no complete answer from {place} within {_seconds(attempted.read_timeout)}",
            "`server.readTimeout` sets how long aftrun waits for an answer",
        )
    if isinstance(error, Oversize):
        text = f"{place} sent more than any answer can be"
    elif isinstance(error, http.client.RemoteDisconnected | ConnectionError | ssl.SSLEOFError):
        when = "before it answered" if sent else "before the request was sent"
        text = f"{place} closed the connection {when}"
        if attempted.secure and not attempted.reused and not attempted.has_client_certificate:
            # In TLS 1.3 a server looks for the client's certificate only after the client takes the handshake as done.
            hint = "if every request ends so, the server may want a client certificate: `tls.certFile`, `tls.keyFile`"
    elif isinstance(error, http.client.IncompleteRead):
        text = f"{place} closed the connection in the middle of its answer"
    elif isinstance(error, ssl.SSLError):
        text = f"the TLS connection to {place} broke: {_cause(error)}"
    elif isinstance(error, http.client.HTTPException | ValueError):
        text = f"what {place} answered is not HTTP: {_cause(error) or type(error).__name__}"
    else:
        text = f"the connection to {place} broke: {_cause(error)}"
    return Failure(FailureKind.LOST, sent, text, hint)


def _refused_certificate(attempted: Attempted, seen: tls.PeerCertificate | None, pins: tuple[bytes, ...]) -> Failure:
    error, place = attempted.error, attempted.place
    if isinstance(error, tls.WrongFingerprint):
        seen = tls.describe(error.der)
        expected = " or ".join(f"sha256:{pin.hex()}" for pin in pins)
        text = f"it shows the fingerprint {seen.fingerprint}, and {expected} was expected"
        first = "either the server has a new certificate, or somebody is in between"
    else:
        text = why(error, attempted.host, seen)
        first = ""
    return Failure(
        FailureKind.TLS, False, f"the certificate of {place} is not accepted: {text}", _pin_hint(attempted, seen, first)
    )


def _pin_hint(attempted: Attempted, seen: tls.PeerCertificate | None, first: str) -> str:
    lead = f"{first}; " if first else ""
    check = f"`aftrun trust https://{attempted.place}` shows it; on the server, run `{_OPENSSL}`"
    if seen is None:
        return f"{lead}{check}; if both say the same, pin that fingerprint under `server.tls`"
    same = "if it prints the same (colons and case aside)"
    return f"{lead}{check}; {same}, put this line under `server.tls`: fingerprint: {seen.fingerprint}"


_OPENSSL = "openssl x509 -in cert.pem -noout -fingerprint -sha256"


def why(error: BaseException, host: str, seen: tls.PeerCertificate | None) -> str:
    """Why OpenSSL refuses a certificate, in a clause that begins with "it", "its" or "this", or in its own words."""
    code = getattr(error, "verify_code", 0)
    issuer = f" ({seen.issuer})" if seen is not None and seen.issuer else ""
    if code == 10:
        return f"it expired on {tls.day(seen.not_after)}" if seen is not None and seen.not_after else "it has expired"
    if code == 9:
        since = f" before {tls.day(seen.not_before)}" if seen is not None and seen.not_before else " yet"
        return f"it is not valid{since}; check the clocks of both machines"
    if code in (62, 64):
        if seen is not None and host in seen.names:  # and yet refused: it stands there as another kind of name
            kind, entry = ("a DNS name", "an IP address entry") if code == 64 else ("its common name", "a DNS entry")
            return f"it has {host} only as {kind}; it needs {entry} (subjectAltName), unless it is pinned instead"
        names = (
            f"it is for {', '.join(seen.names[:10])}" if seen is not None and seen.names else "it is for another name"
        )
        return f"{names}, not for {host}"
    if code == 18:
        return "it is self-signed, and nothing here says that it is to be trusted"
    if code == 19:
        return f"its chain ends in a self-signed certificate that this machine does not know{issuer}"
    if code in (2, 20, 21, 27):
        return f"this machine does not know its issuer{issuer}"
    if code == 23:
        return "it has been revoked"
    return str(getattr(error, "verify_message", "") or error)
