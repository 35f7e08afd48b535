"""`bind`: every value from outside, fetched and checked in its place, before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from aftrun.errors import ManifestError, Problem, UsageError
from aftrun.manifest.outside import fetch_all
from aftrun.manifest.servers import NOTIFY_HINT, notify_fault, url_fault
from aftrun.model import Manifest, ServerSpec
from aftrun.values import Bindings, Outside, Template, Value, nothing_inside, render

_PIN = re.compile(r"(?i)(?:sha-?256(?:\s+fingerprint)?\s*[:=/]\s*)?(?:[0-9a-f]{2}[:\s]*){32}")
_URL_HINT = "the form is https://HOST:PORT, for example https://127.0.0.1:44399"
_PIN_HINT = "the form is sha256: and 64 hexadecimal digits; aftrun trust URL prints it"

Fault = Callable[[str], str]
"""What is wrong with an expanded value, without showing it; empty: nothing."""


def bind(manifests: Sequence[Manifest], environ: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """The values of all references still in the manifests, by `(source, name)`; absent where a default serves.

    Raises:
        ManifestError: at least one has neither value nor default, or makes something that cannot be used; names each
            with file and line, and never shows a value.
        UsageError: the URL that a flag gave cannot be used.
    """
    values = fetch_all(manifests, environ)
    problems: dict[tuple[str, int, int, str], Problem] = {}
    for manifest in manifests:
        for server in manifest.servers:
            for problem in _of_server(server, values):
                problems.setdefault((problem.path, problem.line, problem.column, problem.message), problem)
        for url in manifest.notify.urls:
            for problem in _check(url, values, "the URL to notify", notify_fault, NOTIFY_HINT):
                problems.setdefault((problem.path, problem.line, problem.column, problem.message), problem)
    if problems:
        raise ManifestError(list(problems.values()))
    return values


def _of_server(server: ServerSpec, values: Bindings) -> Iterator[Problem]:
    if isinstance(server.url, str) and (fault := url_fault(server.url)):
        raise UsageError(f"the server's URL {server.url!r} is not usable: {fault}", hint=_URL_HINT)
    yield from _check(server.url, values, "the server's URL", url_fault, _URL_HINT)
    yield from _check(server.api_key, values, "the API key", _key_fault, "copy it again from AFT!, API Keys")
    for pin in server.tls.fingerprints:
        yield from _check(pin, values, "the fingerprint", _pin_fault, _PIN_HINT)
    for name, value in server.headers:
        yield from _check(value, values, f"the header {name}", _header_fault, "headers take one line of Latin-1 text")


def _check(value: Value, values: Bindings, what: str, fault_of: Fault, hint: str) -> Iterator[Problem]:
    """A problem where a value with references in it comes to something that cannot be used."""
    if not isinstance(value, Template) or value.insides():
        return  # what only the run knows cannot be checked now
    fault = fault_of(render(value, values, nothing_inside).value)
    if not fault:
        return
    references = value.outsides()
    names = " and ".join(dict.fromkeys(map(_name, references)))
    message = f"{what}, which comes from {names}, is not usable: {fault}"
    origin = references[0].origin
    if origin is None:
        yield Problem("AFT047", message, "", hint=hint)
    else:
        end = origin.column + len(references[0].text)
        yield Problem("AFT047", message, origin.path, origin.line, origin.column, origin.line, end, hint=hint)


def _name(reference: Outside) -> str:
    """The reference without its default, which may be what somebody should not have written there."""
    return f"${{{reference.name}}}" if reference.source == "env" else f"${{{reference.source}:{reference.name}}}"


def _pin_fault(text: str) -> str:
    return "" if _PIN.fullmatch(text.strip()) else "it is no SHA-256 fingerprint"


def _header_fault(text: str) -> str:
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        return "it holds a line break or control character"
    return "" if all(ord(char) < 256 for char in text) else "it holds a character that cannot stand in a header"


def _key_fault(text: str) -> str:
    if not text.strip():
        return "it is empty"
    return _header_fault(text) or ("it begins or ends with a blank" if text != text.strip() else "")
