"""`aftrun trust URL`: the certificate that a server shows, and the lines that pin it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from aftrun.cli.boundary import Form, emit, say
from aftrun.cli.choices import TextFormat
from aftrun.cli.flags import argument, flag
from aftrun.cli.serverflags import full_url
from aftrun.domain.durations import parse_duration
from aftrun.domain.errors import Unreachable, UsageError
from aftrun.domain.model import Endpoint
from aftrun.domain.text import dumps
from aftrun.domain.urls import parse_url

if TYPE_CHECKING:
    from aftrun.client.probe import Trust
    from aftrun.client.tls import PeerCertificate
    from aftrun.domain.urls import ServerUrl


def trust(
    url: Annotated[
        str, argument(help="The server: https://HOST:PORT, or HOST or HOST:PORT.", metavar="URL")
    ] = "https://127.0.0.1:44399",
    pem: Annotated[bool, flag("--pem", help="Print the certificate itself, for a `caFile`.")] = False,
    form: Annotated[TextFormat, flag("--format", help="How to show it.")] = TextFormat.TEXT,
    cert: Annotated[Path | None, flag("--cert", help="Our own certificate, where the server asks for one.")] = None,
    key: Annotated[Path | None, flag("--key", help="The key of our own certificate.")] = None,
    timeout: Annotated[str, flag("--timeout", help="How long to wait for the server.", metavar="D")] = "10s",
) -> int:
    """Show the certificate of a server, and the lines that pin it.

    It shows what is there now; whether that is your server is for you to check, as it says. Sends no request and no
    key. Exit codes: 0 there is a certificate; 3 there is none, or no server.
    """
    from aftrun.client import probe

    url = full_url(url)
    place = parse_url(url)
    if not place.secure:
        raise UsageError(f"{url} is plain HTTP, which has no certificate", hint="try https:// instead")
    try:
        seconds = parse_duration(timeout)
    except ValueError as error:
        raise UsageError(f"--timeout: {error}") from error
    endpoint = Endpoint(
        url=url,
        connect_timeout=max(0.1, seconds),
        cert_file=None if cert is None else str(cert),
        key_file=None if key is None else str(key),
    )
    found = probe.trust(place, endpoint)
    if found.certificate is None:
        raise Unreachable(found.error, hint=f"`aftrun doctor --server {url}` checks it step by step")
    if pem:
        import ssl  # only for this output

        emit(ssl.DER_cert_to_PEM_cert(found.certificate.der))
        say(f"this is what {place.netloc} shows; compare before you trust it: {found.certificate.fingerprint}")
    elif form is TextFormat.JSON:
        emit(_as_json(url, found, found.certificate), Form.JSON)
    else:
        emit(_as_text(url, place, found, found.certificate, time.time()))
    return 0


def _as_json(url: str, found: Trust, certificate: PeerCertificate) -> str:
    import ssl  # only for this output

    from aftrun.domain.events import instant

    data = {
        "url": url,
        "fingerprint": certificate.fingerprint,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "names": list(certificate.names),
        "notBefore": instant(certificate.not_before) if certificate.not_before else None,
        "notAfter": instant(certificate.not_after) if certificate.not_after else None,
        "selfSigned": certificate.self_signed,
        "trustedByThisMachine": found.accepted,
        "namesTheHost": found.fits_host,
        "pem": ssl.DER_cert_to_PEM_cert(certificate.der),
    }
    return dumps(data) + "\n"


def _as_text(url: str, place: ServerUrl, found: Trust, certificate: PeerCertificate, now: float) -> str:
    from aftrun.client import probe, tls  # only for this output

    validity = probe.expiry(certificate, now)
    issuer = f"{certificate.issuer or '?'}{' (self-signed)' if certificate.self_signed else ''}"
    facts = {
        "subject": certificate.subject or "-",
        "issuer": issuer,
        "names": ", ".join(certificate.names[:20]) or "-",
        "valid": f"from {tls.day(certificate.not_before)} {validity.detail}" if validity.detail else "",
        "warning": validity.error,
        "fingerprint": certificate.fingerprint,
    }
    lines = [f"{place.netloc} shows this certificate:", ""]
    lines += [f"  {name:<12} {value}" for name, value in facts.items() if value]
    lines.append("")
    if found.accepted:
        lines.append("This machine trusts it already, so it needs no pin. A pin would still work, until it is renewed.")
    else:
        lines.append(f"This machine does not trust it: {found.error}.")
        if certificate.self_signed:
            lines.append("That is usual for a local AFT! installation, which makes its own certificate.")
    lines += [
        "",
        "This only shows what is there now: somebody in between could show another one. So compare first. On the",
        "server itself, with the certificate file that AFT! uses:",
        "",
        "  openssl x509 -in cert.pem -noout -fingerprint -sha256",
        "",
        "or run this same command there, where nobody is in between:",
        "",
        f"  aftrun trust https://127.0.0.1:{place.port}",
        "",
        "If the fingerprint is the same (colons and upper case make no difference), put these lines into the manifest:",
        "",
        "server:",
        f"  url: {url}",
        "  tls:",
        f"    fingerprint: {certificate.fingerprint}",
        "",
        f"or give the flag: --fingerprint {certificate.fingerprint}",
        "",
        "Before the certificate is renewed, list the next one beside it: fingerprint: [sha256:…, sha256:…]",
    ]
    if not found.fits_host:
        lines.append(f"It does not name {place.host}. A pin makes that unimportant; a caFile would refuse it.")
    return "\n".join(lines) + "\n"
