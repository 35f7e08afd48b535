"""What a file is that holds no certificate or key as OpenSSL wants it, and the command that makes one of it."""

from __future__ import annotations

from pathlib import Path

from aftrun.system.shell import quoted

_START = 64 * 1024
_SEQUENCE, _INTEGER, _OID = 0x30, 0x02, 0x06


def what_it_is(path: str) -> tuple[str, str] | None:
    """What this file is, and what to do about it; None where that cannot be told."""
    if not Path(path).is_file():
        return None
    try:
        with Path(path).open("rb") as file:
            data = file.read(_START)
    except OSError:
        return None
    name = quoted(path)
    if data[:4] == b"\xfe\xed\xfe\xed":
        return "it is a Java keystore", f"`keytool -exportcert -rfc -keystore {name} -file aft.pem` writes a PEM file"
    if data[:1] == bytes([_SEQUENCE]):
        return _binary(data, name)
    if b"-----BEGIN PKCS7-----" in data:
        return "it is a PKCS #7 file (.p7b)", f"`openssl pkcs7 -in {name} -print_certs -out aft.pem` writes a PEM file"
    if b"CERTIFICATE REQUEST-----" in data:
        return "it is a request for a certificate", "name the certificate that the authority made of it"
    if b"PRIVATE KEY-----" in data and b"-----BEGIN CERTIFICATE-----" not in data:
        return "it holds a private key and no certificate", "name the file of the certificate; the key is `tls.keyFile`"
    return None


def _binary(data: bytes, name: str) -> tuple[str, str] | None:
    length = data[1] if len(data) > 1 else 0
    inner = data[2 + (length & 0x7F if length & 0x80 else 0) :][:3]
    if inner[:1] == bytes([_SEQUENCE]):
        make = f"`openssl x509 -inform DER -in {name} -out aft.pem` writes a PEM file"
        return "it is a certificate in binary form (DER)", make
    if inner[:1] == bytes([_OID]):
        make = f"`openssl pkcs7 -inform DER -in {name} -print_certs -out aft.pem` writes a PEM file"
        return "it is a PKCS #7 file (.p7b)", make
    if inner == bytes([_INTEGER, 1, 3]):
        make = f"`openssl pkcs12 -in {name} -nokeys -out cert.pem` writes its certificates as PEM, "
        make += f"`openssl pkcs12 -in {name} -nocerts -nodes -out key.pem` its key"
        return "it is a PKCS #12 file (.pfx, .p12)", make
    if inner[:1] == bytes([_INTEGER]):
        make = f"`openssl pkey -inform DER -in {name} -out key.pem` writes a PEM file"
        return "it is a key in binary form (DER)", make
    return None


def holds_key(path: str) -> bool:
    """Whether a PEM file holds a private key, alone or behind a certificate."""
    try:
        return b"PRIVATE KEY-----" in Path(path).read_bytes()
    except OSError:
        return False
