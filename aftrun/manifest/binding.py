"""`bind`: every value from outside, fetched and checked in its place, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from aftrun.domain import urls
from aftrun.domain.errors import ManifestError, Problem
from aftrun.domain.model import Manifest, ServerSpec
from aftrun.domain.values import Bindings, Outside, Template, Value, nothing_inside, render
from aftrun.manifest.build.servers import NOTIFY_HINT, notify_fault
from aftrun.manifest.outside import all_references, fetch_all
from aftrun.manifest.policy import Policy, of_manifest, of_references, policy_of

_HEADER_FORM = "headers take one line of ASCII text without blanks around it"

_KEY_LENGTH = 4
"""Shorter keys stand in other text by chance."""

Fault = Callable[[str], str]
"""What is wrong with an expanded value, without showing it; empty: nothing."""


def bind(manifests: Sequence[Manifest], environ: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """The values of all references still in the manifests, by `(source, name)`; absent where a default serves.

    Raises:
        ManifestError: at least one has neither value nor default, or makes something that cannot be used; names each
            with file and line, and never shows a value.
    """
    policy = policy_of(environ)
    _check_policy(policy, manifests)
    values = fetch_all(manifests, environ)
    _check_policy(policy, manifests, values)
    problems = [problem for manifest in manifests for problem in _of_manifest(manifest, values)]
    problems += _shown_keys(manifests, values)
    if problems:
        raise ManifestError(list(dict.fromkeys(problems)))
    return values


def _of_manifest(manifest: Manifest, values: Bindings) -> Iterator[Problem]:
    for server in manifest.servers:
        yield from _of_server(server, values)
    for job in manifest.jobs:
        yield from _check(job.script.value, values, f"'{job.script.selector}'", _script_fault, "it is to name a script")
    for url in manifest.notify.urls:
        yield from _check(url, values, "the URL to notify", notify_fault, NOTIFY_HINT)


def _shown_keys(manifests: Sequence[Manifest], values: Bindings) -> Iterator[Problem]:
    """Variables that declare as fit to be shown what is a server's key, under another name."""
    keys = {
        render(server.api_key, values, nothing_inside).value
        for manifest in manifests
        for server in manifest.servers
        if isinstance(server.api_key, str) or not server.api_key.insides()
    }
    keys = {key for key in keys if len(key) >= _KEY_LENGTH}
    for manifest in manifests:
        for name, value in manifest.vars:
            if isinstance(value, Template) and not value.insides():
                text = render(value, values, nothing_inside).value
                if any(key in text for key in keys):
                    message = f"vars declares {name} as fit to be shown, and it holds the API key of a server"
                    origin = value.outsides()[0].origin
                    place = ("", 1, 1) if origin is None else (origin.path, origin.line, origin.column)
                    yield Problem("AFT063", message, *place, hint="write the reference where it is used")


def _check_policy(policy: Policy, manifests: Sequence[Manifest], values: Bindings | None = None) -> None:
    """Hold manifests to the policy once more, as flags have changed them, and their values where they are known.

    Raises:
        ManifestError: something is not allowed.
    """
    if policy.open:
        return
    found = list(of_references(policy, all_references(manifests))) if values is None else []
    found += [problem for manifest in manifests for problem in of_manifest(policy, manifest, values)]
    if found:
        raise ManifestError(list(dict.fromkeys(found)))


def _of_server(server: ServerSpec, values: Bindings) -> Iterator[Problem]:
    if not server.tls.plain:
        yield from _check(server.url, values, "the server's URL", _clear_fault, urls.PLAIN_HINT, code="AFT062")
    yield from _check(server.url, values, "the server's URL", urls.url_fault, urls.URL_FORM)
    yield from _check(server.api_key, values, "the API key", _key_fault, "copy it again from AFT!, Settings > API Keys")
    for pin in server.tls.fingerprints:
        yield from _check(pin, values, "the fingerprint", _pin_fault, urls.FINGERPRINT_FORM)
    for name, value in server.headers:
        yield from _check(value, values, f"the header {name}", urls.header_value_fault, _HEADER_FORM)


def _clear_fault(url: str) -> str:
    return urls.IN_CLEAR if not urls.url_fault(url) and urls.in_clear(url) else ""


def _check(
    value: Value, values: Bindings, what: str, fault_of: Fault, hint: str, *, code: str = "AFT047"
) -> Iterator[Problem]:
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
        yield Problem(code, message, "", hint=hint)
    else:
        end = origin.column + len(references[0].text)
        yield Problem(code, message, origin.path, origin.line, origin.column, origin.line, end, hint=hint)


def _name(reference: Outside) -> str:
    """The reference without its default, which may be what somebody should not have written there."""
    return f"${{{reference.name}}}" if reference.source == "env" else f"${{{reference.source}:{reference.name}}}"


def _pin_fault(text: str) -> str:
    try:
        urls.parse_fingerprint(text)
    except ValueError as error:
        return str(error)
    return ""


def _script_fault(text: str) -> str:
    return "" if text else "it is empty"


def _key_fault(text: str) -> str:
    return urls.header_value_fault(text) if text.strip() else "it is empty"
