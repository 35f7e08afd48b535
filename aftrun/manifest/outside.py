"""Values from outside: what `${…}` refers to, fetched when it is needed and never before."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from aftrun.domain.environment import Environment
from aftrun.domain.errors import ManifestError, Problem
from aftrun.domain.model import DEFAULT_KEY_VARIABLE, Manifest, ServerSpec
from aftrun.domain.values import Bindings, Outside, Template, Value, bound
from aftrun.manifest.check.masking import looks_secret
from aftrun.manifest.policy import Governed, instead_of, policy_of
from aftrun.system.inputs import decoded, read_input
from aftrun.system.shell import command, setting

_LARGEST_FILE = 1024 * 1024


def _key_hint() -> str:
    """What to do where nobody has set a key up yet."""
    return (
        "create a key in AFT!'s web UI under Settings > API Keys, add this machine's address to its allow-list, "
        f"then: {setting(DEFAULT_KEY_VARIABLE)}"
    )


class Unavailable(Exception):
    """There is a reason, other than absence, why a value cannot be had. Message and remedy are for people."""

    def __init__(self, message: str, hint: str, *, nowhere: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.nowhere = nowhere
        """Whether there is nothing that could hold it, such as no keyring: a default serves as for an absent value.

        Where something holds it and will not give it (a file that may not be read, a locked keyring), none does: the
        job would run with another value than the one that was put there for it.
        """


def _from_file(name: str) -> str | None:
    """The text of a file without one trailing newline; None where there is no such file."""
    try:
        data = read_input(name, _LARGEST_FILE)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise Unavailable(f"the file {name} cannot be read: {reason}", "check the path and its permissions") from None
    if len(data) > _LARGEST_FILE:
        raise Unavailable(f"the file {name} is larger than 1 MiB", "a value this large is hardly meant") from None
    try:
        text = decoded(data)
        return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")
    except UnicodeDecodeError:
        raise Unavailable(f"the file {name} is not UTF-8 text", "store the value as UTF-8 text") from None


def _from_keyring(name: str) -> str | None:
    service, _, user = name.rpartition("/")
    try:
        keyring: Any = importlib.import_module("keyring")
    except ImportError:
        raise Unavailable(
            "values from a keyring need the package 'keyring', which is not installed",
            'install it: pip install "aftrun[keyring]"',
            nowhere=True,
        ) from None
    try:
        value = keyring.get_password(service, user)
    except keyring.errors.KeyringError as error:
        # The message of a back end is not ours and may say anything; its kind says enough.
        raise Unavailable(
            f"the keyring could not be read ({type(error).__name__})",
            "unlock it, or use an environment variable",
            nowhere=isinstance(error, keyring.errors.NoKeyringError),
        ) from None
    return None if value is None else str(value)


class Noted(Governed):
    """An environment that notes what was fetched with it, from wherever."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(policy_of(environ), environ, instead=instead_of(environ))
        self.used: dict[tuple[str, str], str | None] = {}
        """Values by `(source, name)`; None where there was none."""


def fetch(reference: Outside, environ: Mapping[str, str]) -> str | None:
    """The value of a reference, without regard to its default; None where there is none.

    Raises:
        Unavailable: it is there, or may be, but cannot be had.
    """
    instead = instead_of(environ)
    if reference.key in instead:
        value: str | None = instead[reference.key]
    elif not policy_of(environ).allows_value(reference):  # whoever checked it before, it is not read
        raise Unavailable(f"{reference.text} may not be read: the policy does not allow it", "see `aftrun policy`")
    elif reference.source == "env":
        value = Environment(environ).get(reference.name)
    elif reference.source == "file":
        value = _from_file(reference.name)
    else:
        value = _from_keyring(reference.name)
    if isinstance(environ, Noted):
        environ.used[reference.key] = value
    return value


def settled(reference: Outside, values: Bindings, trouble: Unavailable | None) -> str | None:
    """The value of a reference or its default; None where it has neither, or what holds its value will not give it."""
    if trouble is not None and not trouble.nowhere:
        return None
    return bound(reference, values)


def missing(reference: Outside, *, empty: bool = False) -> tuple[str, str]:
    """What to say of a reference without value and default, or of one whose value is empty: message and remedy."""
    name = reference.name
    if reference.source == "env":
        message = f"the environment variable {name} is {'empty' if empty else 'not set'}"
        hint = f"set it before aftrun starts, put it in a file for --env-file, or give a default: ${{{name}:-…}}"
        if reference.key == ("env", DEFAULT_KEY_VARIABLE):
            hint = _key_hint()
    elif reference.source == "file":
        message = f"the file {name} {'is empty' if empty else 'does not exist'}"
        hint = f"{'fill' if empty else 'create'} it, or give a default with :-"
    else:
        service, _, user = name.rpartition("/")
        message = (
            f"the keyring holds {'an empty value' if empty else 'nothing'} for service {service!r} and user {user!r}"
        )
        hint = f"store it: {command('keyring', 'set', service, user)}"
    if reference.message is not None:
        return f"{message}: {reference.message}" if reference.message else message, hint
    return message, hint


def problem(reference: Outside, message: str, hint: str, also: int = 0) -> Problem:
    """A problem at the place of a reference; `also` counts the other places that use it."""
    if also:
        message += f" (used in {also} more place{'' if also == 1 else 's'})"
    origin = reference.origin
    if origin is None:
        return Problem("AFT046", message, "", hint=hint)
    if reference.implied:
        message += ", which is the default of server.apiKey"
    end = origin.column + (1 if reference.implied else len(reference.text))
    return Problem("AFT046", message, origin.path, origin.line, origin.column, origin.line, end, hint=hint)


def of_server(server: ServerSpec) -> Iterator[Value]:
    """The values of a server that may hold references."""
    yield server.url
    yield server.api_key
    tls = server.tls
    for value in (tls.ca_file, tls.cert_file, tls.key_file):
        if value is not None:
            yield value
    yield from tls.fingerprints
    for _, value in server.headers:
        yield value


def _values(manifest: Manifest) -> Iterator[Value]:
    for server in manifest.servers:
        yield from of_server(server)
    for _, value in manifest.vars:
        yield value
    for job in manifest.jobs:
        yield from job.values()
    yield from manifest.notify.urls


def all_references(manifests: Sequence[Manifest]) -> Iterator[Outside]:
    """Every reference to the outside at every place, in the order of the manifests."""
    for manifest in manifests:
        for value in _values(manifest):
            if not isinstance(value, str):
                yield from value.outsides()


def references(manifests: Sequence[Manifest]) -> tuple[Outside, ...]:
    """The references to the outside that are still in the manifests, each place and form once."""
    found: dict[tuple[Outside, object], Outside] = {}
    for reference in all_references(manifests):
        found.setdefault((reference, reference.origin), reference)
    return tuple(found.values())


def keys_of(manifests: Iterable[Manifest]) -> dict[tuple[str, str], str]:
    """The values from outside that serve as keys of servers, by `(source, name)`, and what for."""
    found: dict[tuple[str, str], str] = {}
    for manifest in manifests:
        for server in manifest.servers:
            secret = [(name, value) for name, value in server.headers if looks_secret(name)]
            headers = [(f"the header {name} of a server", value) for name, value in secret]
            for what, value in (*headers, ("the API key of a server", server.api_key)):
                for each in value.outsides() if isinstance(value, Template) else ():
                    found[each.key] = what
    return found


def without_keys(environ: Mapping[str, str], manifests: Iterable[Manifest], instead: str) -> Governed:
    """The same environment with another key in the place of all keys of these manifests' servers: none is read."""
    given = dict.fromkeys(keys_of(manifests), instead)
    if isinstance(environ, Governed):
        return environ.over({}, given)
    return Governed(policy_of(environ), environ, instead=given)


def shown_names(manifests: Sequence[Manifest]) -> frozenset[tuple[str, str]]:
    """The keys of references used in `vars`, which declares their values fit to be shown."""
    return frozenset(
        reference.key
        for manifest in manifests
        for _, value in manifest.vars
        if not isinstance(value, str)
        for reference in value.outsides()
    )


def fetch_all(manifests: Sequence[Manifest], environ: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """The values of all references still in the manifests, by `(source, name)`; absent where a default serves.

    Raises:
        ManifestError: at least one has neither value nor default; names each variable once, with its first place.
    """
    values: dict[tuple[str, str], str] = {}
    troubles: dict[tuple[str, str], Unavailable] = {}
    absent: set[tuple[str, str]] = set()
    wanting: dict[tuple[str, str], dict[object, Outside]] = {}
    for reference in all_references(manifests):
        key = reference.key
        if key not in values and key not in absent and key not in troubles:
            try:
                value = fetch(reference, environ)
            except Unavailable as error:
                troubles[key] = error
            else:
                if value is None:
                    absent.add(key)
                else:
                    values[key] = value
        if settled(reference, values, troubles.get(key)) is None:
            wanting.setdefault(key, {}).setdefault(reference.origin, reference)
    problems: list[Problem] = []
    for key, places in wanting.items():
        first, *others = sorted(places.values(), key=lambda reference: reference.message is None)
        trouble = troubles.get(key)
        message, hint = (trouble.message, trouble.hint) if trouble else missing(first, empty=key in values)
        problems.append(problem(first, message, hint, len(others)))
    if problems:
        raise ManifestError(problems)
    return values
