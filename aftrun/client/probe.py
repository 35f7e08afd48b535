"""Looks at a server step by step, for `doctor` and `trust`: name, connection, certificate. Sends no request.

Each probe says what it saw and raises nothing: a broken server is what it is there for.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping

from aftrun.client import failures, text, tls
from aftrun.client import proxy as proxies
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Endpoint
from aftrun.domain.urls import ServerUrl

SOON = 30
"""Days before its end from which a certificate is worth a warning."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one probe saw. `error` is empty where it went well."""

    detail: str = ""
    error: str = ""


def name(place: ServerUrl) -> Seen:
    """Whether the host's name resolves."""
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Seen(error=f"the name {place.host} was not found: {reason}")
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    return Seen(", ".join(addresses[:4]) + (", …" if len(addresses) > 4 else ""))


def connection(place: ServerUrl, timeout: float, proxy: proxies.Proxy | None = None) -> Seen:
    """Whether something accepts connections there (or a proxy lets us through); `timeout` in seconds."""
    began = time.monotonic()
    through = _through(proxy)
    try:
        if proxy is None:
            sock = socket.create_connection((place.host, place.port), timeout)
        else:
            sock = proxies.tunnel(proxy, place.host, place.port, timeout)
        sock.close()
    except TimeoutError:
        return Seen(error=f"no connection to {place.netloc}{through} within {timeout:g} s")
    except OSError as error:
        return Seen(error=f"no connection to {place.netloc}{through}: {_words(error)}")
    return Seen(f"{place.netloc} answers in {max(1, round((time.monotonic() - began) * 1000))} ms{through}")


def _through(proxy: proxies.Proxy | None) -> str:
    return "" if proxy is None else f" through the proxy {proxy.place}"


def _words(error: OSError) -> str:
    """What the system says, or the proxy's refusal as it stands."""
    return error.strerror.lower() if error.strerror else str(error)


@dataclass(frozen=True, slots=True)
class Trust:
    """The certificate a server shows, and whether our settings accept it."""

    certificate: tls.PeerCertificate | None = None
    accepted: bool = False
    by: str = ""
    """What accepts it: `fingerprint`, `caFile`, `insecure`, or `this machine` (its own store)."""
    error: str = ""
    """Why it is not accepted, or why there is none."""
    fits_host: bool = True
    """Whether it names the host. A pin makes this unimportant; `caFile` and the machine's store insist on it."""


def trust(place: ServerUrl, endpoint: Endpoint, environ: Mapping[str, str] | None = None) -> Trust:
    """Look at a server's certificate, and hold it against the settings of an endpoint.

    Raises:
        UsageError: the settings name files that cannot be read.
    """
    proxy = proxies.find("https", place.host, place.port, environ)
    through = _through(proxy)
    timeout = endpoint.connect_timeout
    try:
        shown = tls.peer_certificate(
            place.host,
            place.port,
            timeout,
            proxy=proxy,
            cert_file=endpoint.cert_file,
            key_file=endpoint.key_file,
        )
    except ssl.SSLError as error:
        words = (error.reason or str(error)).replace("_", " ").lower()
        hint = "; it seems to speak plain HTTP" if "wrong version" in words or "record layer" in words else ""
        return Trust(error=f"no TLS connection to {place.netloc}{through}: {words}{hint}")
    except TimeoutError:
        return Trust(error=f"no TLS handshake with {place.netloc}{through} within {timeout:g} s")
    except OSError as error:
        return Trust(error=f"no TLS connection to {place.netloc}{through}: {_words(error)}")
    fits = names(shown, place.host)
    if endpoint.insecure:
        return Trust(shown, accepted=True, by="insecure", fits_host=fits)
    if endpoint.fingerprints:
        try:
            tls.check_pins(shown.der, tls.pins(endpoint))
        except tls.WrongFingerprint:
            expected = " or ".join(endpoint.fingerprints)
            return Trust(shown, error=f"it is not the pinned one ({expected})", fits_host=fits)
        return Trust(shown, accepted=True, by="fingerprint", fits_host=fits)
    by = "caFile" if endpoint.ca_file else "this machine"
    refused = _verify(place, endpoint, proxy, environ, shown)
    return Trust(shown, accepted=not refused, by="" if refused else by, error=refused, fits_host=fits)


def _verify(
    place: ServerUrl,
    endpoint: Endpoint,
    proxy: proxies.Proxy | None,
    environ: Mapping[str, str] | None,
    shown: tls.PeerCertificate,
) -> str:
    """Why OpenSSL refuses the certificate; empty: it accepts it."""
    context = tls.context(endpoint, environ)
    timeout = endpoint.connect_timeout
    try:
        if proxy is None:
            sock = socket.create_connection((place.host, place.port), timeout)
        else:
            sock = proxies.tunnel(proxy, place.host, place.port, timeout)
        with sock, context.wrap_socket(sock, server_hostname=place.host):
            return ""
    except ssl.SSLCertVerificationError as error:
        return text.shortened(failures.why(error, place.host, shown)).rstrip(".")
    except OSError as error:
        return text.shortened(error.strerror or str(error)).lower()


def names(certificate: tls.PeerCertificate, host: str) -> bool:
    """Whether a certificate is for this host. Wildcards stand for one label, as in RFC 6125."""
    host = host.lower().rstrip(".")
    for each in certificate.names:
        pattern = each.lower().rstrip(".")
        if pattern == host:
            return True
        if pattern.startswith("*.") and "." in host and host.partition(".")[2] == pattern[2:]:
            return True
    return not certificate.names and not certificate.subject  # one that cannot be read proves nothing either way


def days_left(certificate: tls.PeerCertificate, now: float) -> int | None:
    """Whole days until a certificate ends, negative when it has; None where that could not be read."""
    if not certificate.not_after:
        return None
    return int((certificate.not_after - now) // 86_400)


def expiry(certificate: tls.PeerCertificate, now: float) -> Seen:
    """What is to be said of a certificate's validity: in `error` where it has ended or soon will, or not begun."""
    left = days_left(certificate, now)
    if left is None:
        return Seen("its validity cannot be read")
    end = tls.day(certificate.not_after)
    if certificate.not_before and now < certificate.not_before:
        return Seen(error=f"it is not valid before {tls.day(certificate.not_before)}; is a clock wrong?")
    if certificate.not_after <= now:
        return Seen(error=f"it expired on {end}")
    if left < SOON:
        return Seen(error=f"it expires on {end}, in {left} day{'' if left == 1 else 's'}")
    return Seen(f"until {end} ({left} days from now)")
