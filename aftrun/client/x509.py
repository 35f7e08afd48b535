"""What people want to know of a certificate, read from its DER bytes.

The standard library shows the fields of a certificate only once it has been verified, and the one that was *not*
verified is the one to talk about. So this reads the few fields that messages need. It decides nothing: trust is
OpenSSL's business, or that of the fingerprint.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime

from aftrun.domain.frozen import dataclass
from aftrun.domain.instants import seconds
from aftrun.domain.text import one_line

_SEQUENCE = 0x30
_OCTETS = 0x04
_OID = 0x06
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18
_VERSION = 0xA0
_EXTENSIONS = 0xA3
_DNS_NAME = 0x82
_IP_ADDRESS = 0x87

_SUBJECT_ALT_NAME = bytes.fromhex("551d11")
_LABELS = {
    bytes.fromhex("550403"): "CN",
    bytes.fromhex("550406"): "C",
    bytes.fromhex("550407"): "L",
    bytes.fromhex("550408"): "ST",
    bytes.fromhex("55040a"): "O",
    bytes.fromhex("55040b"): "OU",
    bytes.fromhex("2a864886f70d010901"): "emailAddress",
}
_ENCODINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}


@dataclass(frozen=True, slots=True)
class Fields:
    """Subject and issuer as `CN=…, O=…`, the names it is for, its validity in epoch seconds."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: float
    not_after: float
    self_issued: bool


def _value(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Tag, content and end of the DER value that starts at `at`."""
    if at + 2 > len(data):
        raise ValueError("the certificate ends too early")
    tag, length, at = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4 or at + size > len(data):
            raise ValueError("the certificate has an impossible length")
        length = int.from_bytes(data[at : at + size])
        at += size
    if at + length > len(data):
        raise ValueError("the certificate ends too early")
    return tag, data[at : at + length], at + length


def _values(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        tag, content, at = _value(data, at)
        yield tag, content


def _inside(values: Iterator[tuple[int, bytes]], expected: int) -> bytes:
    tag, content = next(values, (None, b""))
    if tag != expected:
        raise ValueError("the certificate has an unexpected structure")
    return content


def _attributes(name: bytes) -> Iterator[tuple[str, str]]:
    for _, group in _values(name):
        for _, attribute in _values(group):
            parts = _values(attribute)
            label = _LABELS.get(_inside(parts, _OID))
            tag, content = next(parts, (0, b""))
            if label is not None and tag in _ENCODINGS:
                yield label, one_line(content.decode(_ENCODINGS[tag], "replace"), 200)


def _name(name: bytes) -> str:
    return ", ".join(f"{label}={text}" for label, text in _attributes(name))


def _instant(tag: int, content: bytes) -> float:
    text = content.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year; 50 and above are 19xx (RFC 5280)
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("the certificate's validity is no time")
    if len(text) != len("YYYYMMDDHHMMSSZ") or text[-1] != "Z":
        raise ValueError("the certificate's validity is not as RFC 5280 wants it")
    return seconds(datetime.fromisoformat(f"{text[:8]}T{text[8:]}"))


def _alternative_names(extensions: bytes) -> Iterator[str]:
    for _, extension in _values(_inside(_values(extensions), _SEQUENCE)):
        parts = list(_values(extension))
        if not parts or parts[0] != (_OID, _SUBJECT_ALT_NAME) or parts[-1][0] != _OCTETS:
            continue
        for tag, content in _values(_inside(_values(parts[-1][1]), _SEQUENCE)):
            if tag == _DNS_NAME:
                yield one_line(content.decode("ascii", "replace"), 200)
            elif tag == _IP_ADDRESS and len(content) in (4, 16):
                yield str(ipaddress.ip_address(content))


def read(der: bytes) -> Fields:
    """The fields of a certificate.

    Raises:
        ValueError: these bytes are no certificate.
    """
    certificate = _values(_inside(_values(der), _SEQUENCE))
    body = list(_values(_inside(certificate, _SEQUENCE)))
    if body and body[0][0] == _VERSION:
        del body[0]
    if len(body) < 6:
        raise ValueError("the certificate has an unexpected structure")
    issuer, validity, subject = body[2][1], list(_values(body[3][1])), body[4][1]
    if len(validity) != 2:
        raise ValueError("the certificate's validity is no time")
    names = [name for tag, content in body[6:] if tag == _EXTENSIONS for name in _alternative_names(content)]
    if not names:  # certificates without alternative names: the common name is the only one there is
        names = [text for label, text in _attributes(subject) if label == "CN"]
    return Fields(
        subject=_name(subject),
        issuer=_name(issuer),
        names=tuple(dict.fromkeys(names)),
        not_before=_instant(*validity[0]),
        not_after=_instant(*validity[1]),
        self_issued=issuer == subject,
    )
