"""Server certificates for the sandbox: a self-signed one, as a fresh AFT! has, or one from a private authority."""

from __future__ import annotations

import contextlib
import hashlib
import os
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path
from types import ModuleType

from aftrun.domain.errors import UsageError
from aftrun.domain.frozen import dataclass

HOSTS = ("localhost", "127.0.0.1", "::1")
REMEDY = 'pip install "aftrun[sandbox]"'


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server certificate with its key."""

    chain_pem: bytes
    """The server's own certificate first."""
    key_pem: bytes = field(repr=False)
    ca_pem: bytes
    """What a client must trust for it to verify."""

    @property
    def fingerprint(self) -> str:
        """`sha256:` and 64 hex digits: the hash of the server certificate's DER form."""
        leaf = self.chain_pem.decode("ascii").partition("-----END")[0] + "-----END CERTIFICATE-----\n"
        return "sha256:" + hashlib.sha256(ssl.PEM_cert_to_DER_cert(leaf)).hexdigest()

    def context(self, client_ca: bytes | None = None) -> ssl.SSLContext:
        """A server's TLS settings. With `client_ca` (PEM), clients must show a certificate issued by it."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        with _file(self.chain_pem + b"\n" + self.key_pem) as path:
            context.load_cert_chain(path)
        if client_ca is not None:
            context.load_verify_locations(cadata=client_ca.decode("ascii"))
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[Path]:
    """A file of the owner's only, as long as needed: `ssl` reads keys from files and from nothing else."""
    handle, name = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        yield Path(name)
    finally:
        Path(name).unlink()


def self_signed(hosts: Sequence[str] = HOSTS, *, days: float = 365.0) -> Certificate:
    """A fresh certificate that vouches for itself, valid for `days` from now; negative: it has expired.

    Raises:
        UsageError: the extra `sandbox` is not installed.
    """
    return Certificate(*_signing().self_signed(hosts, days))


def issued(hosts: Sequence[str] = HOSTS) -> Certificate:
    """A fresh certificate from a fresh private authority, as a company's own would be.

    Raises:
        UsageError: the extra `sandbox` is not installed.
    """
    return Certificate(*_signing().issued(hosts))


def missing(error: ImportError) -> UsageError:
    """The error for a package of the extra that is not there."""
    return UsageError(f'the sandbox needs the package "{error.name}", which is not installed', hint=REMEDY)


def _signing() -> ModuleType:
    try:
        from aftrun.sandbox import signing  # noqa: PLC0415 - its packages come with an extra
    except ImportError as error:
        raise missing(error) from error
    return signing
