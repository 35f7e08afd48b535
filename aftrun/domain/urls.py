"""URLs of servers, origins, "is it this machine", header values, certificate fingerprints: the one home of each rule.

Everything here is pure: text in, facts or a plain sentence about the fault out. No value is ever part of a fault, since
a value may be secret; callers that may show it do so.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import urllib.parse

from aftrun.domain.frozen import dataclass

DEFAULT_PORT = 44399
"""AFT!'s own port."""

URL_FORM = "the form is https://HOST:PORT, for example https://127.0.0.1:44399"
"""How to put it right, wherever a URL is refused."""

FINGERPRINT_FORM = "the form is sha256: and 64 hexadecimal digits; aftrun trust URL prints it"
"""The same for fingerprints."""

_PORTS = {"http": 80, "https": 443}
_BARE = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.%]+\])(?::[0-9]{1,5})?")
_LITERAL_HOST = re.compile(r"(https?)://(\[[^\]/]*\]|[^\[\]/:?#@]*)(?=[/:?#])", re.IGNORECASE)
_ENDPOINT = re.compile(r"/v[0-9]+(?:/.*)?$", re.IGNORECASE)
"""The beginning of the API's own addresses, as in the vendor's examples: `/v1/jobs`, `/v1/adm/jobs/ID`."""
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PIN = re.compile(r"(?:sha-?256(?:\s+fingerprint)?\s*[:=/]\s*)?([0-9a-f:\s]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """A server's URL, taken apart. `host` is in lower case, without brackets or a dot at its end."""

    scheme: str
    host: str
    port: int
    path: str
    """Without a slash at its end: empty, or a prefix such as `/aft`."""

    @property
    def secure(self) -> bool:
        """Whether TLS protects what is sent."""
        return self.scheme == "https"

    @property
    def loopback(self) -> bool:
        """Whether the server is this machine."""
        return is_loopback(self.host)

    @property
    def netloc(self) -> str:
        """`HOST:PORT`, the port always written out."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """`https://HOST:PORT`: equal for two spellings of one server (RFC 6454, section 4)."""
        return f"{self.scheme}://{self.netloc}"


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine: an address in 127/8, ::1 (in brackets or not), or localhost (RFC 6761, 6.3).

    A name that only begins like an address (`127.evil.example`) is somebody else's.
    """
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def parse_url(text: str, *, as_spelled: bool = False) -> ServerUrl:
    """The parts of a server's URL. `as_spelled` leaves an address of IPv6 as it was written, but for its case.

    Raises:
        ValueError: it is none that requests can be sent to; says why in a clause that begins with "it".
    """
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError("its host or port cannot be read") from error
    if parts.scheme not in _PORTS:
        raise ValueError("it must begin with https:// (or http://)")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it must not hold a user name or password, which the API does not use")
    if not parts.hostname or re.search(r"[\s\\\x00-\x20\x7f-\x9f]", text) or port == 0:
        raise ValueError("it needs a host, and a port from 1 to 65535 if any")
    if "?" in text or "#" in text:
        raise ValueError("it must end before any ? or #")
    host = parts.hostname.rstrip(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise ValueError("its host is not a name that DNS can hold") from error
    host = host if as_spelled else _one_spelling(host)
    return ServerUrl(parts.scheme, host, port or _PORTS[parts.scheme], parts.path.rstrip("/"))


def _one_spelling(host: str) -> str:
    """An address of IPv6 as RFC 5952 writes it: `2001:db8::1` for `2001:DB8:0:0:0:0:0:1`. Any other host as it is."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:  # an address of a version to come (`v1.x`), which no system here connects to
        return host
    if address.ipv4_mapped is None:
        return str(address)
    _, percent, scope = host.partition("%")
    return f"::ffff:{address.ipv4_mapped}{percent}{scope}"  # Python writes digits of IPv4 since 3.13 only


def url_fault(text: str) -> str:
    """What is wrong with a server's URL; empty: nothing."""
    try:
        parse_url(text)
    except ValueError as error:
        return str(error)
    return ""


def path_doubt(url: str) -> tuple[str, str]:
    """What is probably wrong with the path of a server's URL, and the remedy; empty: it has none.

    A path may be right, where a proxy puts AFT! below one. Mostly it is an endpoint that somebody pasted, and then
    requests go to an address that nothing serves.
    """
    place = parse_url(url)
    if not place.path:
        return "", ""
    host = url[: len(url.rstrip("/")) - len(place.path)] if url.rstrip("/").endswith(place.path) else place.origin
    endpoint = _ENDPOINT.search(place.path)
    if endpoint is not None:
        better = host + place.path[: endpoint.start()]
        return f"the URL of the server ends in {endpoint.group()}, which aftrun adds by itself", f"write {better}"
    remedy = f"write {host}, unless a proxy serves AFT! below {place.path}"
    return f"the URL of the server has a path, {place.path}: jobs are started at {place.path}/v1/jobs", remedy


def in_clear(url: str) -> bool:
    """Whether requests to this URL, which is one, leave this machine unencrypted, the key with them."""
    place = parse_url(url)
    return not (place.secure or place.loopback)


IN_CLEAR = "http:// sends the API key and all params unencrypted: anyone on the way can read them, and change what runs"
"""What is said of such a URL."""

PLAIN_HINT = (
    "use https://, and pin a self-signed certificate: aftrun trust URL; if it must be http://, say so with "
    "--insecure-http, or server.tls: {plain: true}"
)
"""How to put it right, and how to insist."""


def full_url(text: str) -> str:
    """A server as people name it: a URL, or `HOST` or `HOST:PORT` as `aft start --host` takes it, as a URL.

    Raises:
        ValueError: it is none of these; says why.
    """
    text = text.strip().rstrip("/")
    if "://" not in text:
        if not _BARE.fullmatch(text):
            raise ValueError("it is not the address of a server")
        text = f"https://{text}" if re.search(r":[0-9]+$", text) else f"https://{text}:{DEFAULT_PORT}"
    parse_url(text)
    return text


def literal_host(beginning: str) -> tuple[str, str] | None:
    """Scheme and host of a URL of which only the beginning is known (`http://127.0.0.1:${PORT}`); None: still open."""
    match = _LITERAL_HOST.match(beginning)
    return (match.group(1).lower(), match.group(2)) if match else None


def is_header_name(text: str) -> bool:
    """Whether it is a token, which a header's name must be (RFC 9110, 5.1)."""
    return _HEADER_NAME.fullmatch(text) is not None


def header_value_fault(text: str) -> str:
    """What keeps a text from being a header's value; empty: nothing. Only visible ASCII and inner blanks pass.

    RFC 9110 (5.5) lets bytes above 127 through, but says that nobody agrees on what they mean: so they are refused.
    """
    if any(char in "\r\n" for char in text):
        return "it holds a line break"
    if not all(" " <= char <= "~" or char == "\t" for char in text):
        return "it holds a control character or one that is not ASCII"
    return "it begins or ends with a blank" if text != text.strip() else ""


def fingerprint(der: bytes) -> str:
    """``sha256:`` and the hex digits of a certificate's hash. `der` is the whole certificate."""
    return "sha256:" + hashlib.sha256(der).hexdigest()


def parse_fingerprint(text: str) -> bytes:
    """The 32 bytes of a fingerprint, as `sha256:…` or as openssl prints it (`SHA256 Fingerprint=AA:BB:…`).

    Raises:
        ValueError: it is not the SHA-256 of a certificate.
    """
    match = _PIN.fullmatch(text.strip())
    digits = re.sub(r"[:\s]", "", match.group(1)) if match else ""
    if len(digits) != 64:
        raise ValueError("it is no SHA-256 fingerprint")
    return bytes.fromhex(digits)
