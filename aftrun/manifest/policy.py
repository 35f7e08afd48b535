"""What manifests of somebody else may do: the rules of a policy, and the mistakes against them at their places.

A policy is never part of a manifest. It travels with the environment that values are taken from (`Governed`), so that
whoever reads a value or binds a manifest goes by it without having to think of it.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import unquote

from aftrun.domain import urls
from aftrun.domain.environment import Environment, name_key
from aftrun.domain.errors import Problem
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Job, Manifest
from aftrun.domain.text import brief
from aftrun.domain.values import Bindings, Inside, Lookup, Origin, Outside, Unbound, Value, nothing_inside, render

CODE = "AFT070"
Patterns = tuple[str, ...] | None
"""None allows all, an empty tuple nothing."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is allowed. `path` is the file that says so, for messages; empty: there is none, and all is allowed."""

    path: str = ""
    folder: str = ""
    """What `files` are relative to, links resolved."""
    servers: Patterns = None
    env: Patterns = None
    files: Patterns = None
    keyring: Patterns = None
    scripts: Patterns = None
    notify: Patterns = None

    @property
    def open(self) -> bool:
        """Whether it allows all."""
        return {self.servers, self.env, self.files, self.keyring, self.scripts, self.notify} == {None}

    def allows_value(self, reference: Outside) -> bool:
        """Whether a value from outside may be read. Links of files are resolved; nothing is opened."""
        match reference.source:
            case "env":
                return _any(reference.name, self.env, name_key)
            case "file":
                path = os.path.realpath(reference.name)
                return self.files is None or any(_is_file(path, self.folder, each) for each in self.files)
            case _:
                return _any(reference.name, self.keyring)

    def allows_server(self, url: str) -> bool:
        """Whether requests may go to a URL, which is one."""
        return self.servers is None or any(_is_server(url, pattern) for pattern in self.servers)

    def allows_script(self, text: str) -> bool:
        """Whether a script of that name, id or path may be started. A path with `..` in it fits no pattern."""
        patterns = self.scripts
        if patterns is not None and _leads_up(text):
            patterns = tuple(each for each in patterns if each in ("*", text))
        return _any(text, patterns)

    def allows_recipient(self, url: str) -> bool:
        """Whether a notice may go there."""
        return _any(url, self.notify)


OPEN = Policy()


class Governed(Environment):
    """Variables, and the policy that everything goes by that is read with them.

    `instead` are values that stand in for others, by `(source, name)`: those are not read at all.
    """

    def __init__(
        self, policy: Policy, *layers: Mapping[str, str], instead: Mapping[tuple[str, str], str] | None = None
    ) -> None:
        super().__init__(*layers)
        self.policy = policy
        self._under = layers
        self.instead = dict(instead or {})

    def over(self, variables: Mapping[str, str], instead: Mapping[tuple[str, str], str] | None = None) -> Governed:
        """The same with these variables before all others, and more values that stand in for others."""
        return Governed(self.policy, variables, *self._under, instead={**self.instead, **(instead or {})})


def policy_of(environ: Mapping[str, str] | None) -> Policy:
    """The policy that an environment brings along; one that allows all where it is just variables."""
    return environ.policy if isinstance(environ, Governed) else OPEN


def instead_of(environ: Mapping[str, str]) -> Mapping[tuple[str, str], str]:
    """The values that stand in for others."""
    return environ.instead if isinstance(environ, Governed) else {}


def _same(text: str) -> str:
    return text


def _any(text: str, patterns: Patterns, fold: Callable[[str], str] = _same) -> bool:
    return patterns is None or any(pattern == text or fnmatchcase(fold(text), fold(pattern)) for pattern in patterns)


def _is_server(url: str, pattern: str) -> bool:
    if pattern == "*":
        return True
    try:
        wanted, place = urls.parse_url(pattern), urls.parse_url(url)
    except ValueError:
        return False
    same = (place.scheme, place.port) == (wanted.scheme, wanted.port) and fnmatchcase(place.host, wanted.host)
    below = place.path.startswith(f"{wanted.path}/") and not (wanted.path and _leads_up(unquote(place.path)))
    return same and (place.path == wanted.path or below)


def _leads_up(path: str) -> bool:
    """Whether a path has `..` in it. The server's system is not known, so either slash counts."""
    return ".." in path.replace("\\", "/").split("/")


def _is_file(path: str, folder: str, pattern: str) -> bool:
    """Whether a path, links resolved, fits a pattern: `*` ends at the next slash, `**` is any folders, also none."""
    whole = os.path.normpath(os.path.join(glob.escape(folder), pattern))  # noqa: PTH118 - text in, text out
    return _fits(Path(os.path.normcase(path)).parts, Path(os.path.normcase(whole)).parts)


def _fits(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_fits(parts[number:], patterns[1:]) for number in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], patterns[0]) and _fits(parts[1:], patterns[1:])


def of_references(policy: Policy, references: Iterable[Outside]) -> Iterator[Problem]:
    """A problem for each value from outside that may not be read, at its place."""
    names = {"env": "the variable", "file": "the file", "keyring": "the keyring's entry"}
    keys = {"env": "env", "file": "files", "keyring": "keyring"}
    for each in references:
        if not policy.allows_value(each):
            also = ", which is the default of server.apiKey," if each.implied else ""
            what = f"{names[each.source]} {brief(each.name)}{also} may not be read"
            width = 0 if each.implied else len(each.text)
            yield _problem(policy, keys[each.source], what, each.origin, width)


def of_manifest(policy: Policy, manifest: Manifest, values: Bindings | None = None) -> Iterator[Problem]:
    """A problem for each server, script and recipient of a manifest that is not allowed, at its place.

    `values` are those from outside; None where they have not been read yet: what they are part of then waits.
    """
    for server in manifest.servers:
        url = _known(server.url, values)
        place = _origin(server.url) or server.url_origin or server.origin
        if url is None:
            if values is not None and policy.servers is not None:
                what = f"the server {brief(_shown(server.url))} is known only during the run, so it cannot be checked"
                yield _problem(policy, "servers", what, place)
        elif not urls.url_fault(url) and not policy.allows_server(url):
            what = f"requests may not go to {brief(_shown(server.url))}"
            yield _problem(policy, "servers", what, place)
    places = iter(manifest.notify.origins)
    for address in manifest.notify.urls:
        url, place = _known(address, values), next(places, manifest.origin)
        if url is not None and not policy.allows_recipient(url):
            shown = brief(_shown(address).partition("://")[0] + "://…")
            yield _problem(policy, "notify", f"notices may not go to {shown}", place)
    if policy.scripts is not None:
        for job in manifest.jobs:
            yield from _of_job(policy, manifest, job, values)


def script_of(manifest: Manifest, job: Job, values: Bindings | None = None) -> str | None:
    """The script that a job starts; None where it is not known yet."""
    axes, variables = dict(job.matrix), dict(manifest.vars)

    def inside(reference: Inside) -> str | None:
        scope, name = reference.path[0], reference.path[-1]
        if scope == "matrix":
            return axes.get(name)
        found = variables.get(name) if scope == "vars" else None
        return None if found is None else _known(found, values)

    return _known(job.script.value, values, inside)


def _of_job(policy: Policy, manifest: Manifest, job: Job, values: Bindings | None) -> Iterator[Problem]:
    script = job.script.value
    text = script_of(manifest, job, values)
    origin = _origin(script) or job.origin
    if text is None:
        # Where values from outside are all that is missing, it is known when they are.
        waits = values is None and not any(each.path[0] in ("run", "jobs") for each in _insides(script))
        if not waits and "*" not in (policy.scripts or ()):
            what = f"the script {brief(_shown(script))} is known only during the run, so it cannot be checked"
            yield _problem(policy, "scripts", what, origin)
    elif text and not policy.allows_script(text):
        yield _problem(policy, "scripts", f"the script {brief(_shown(script))} may not be started", origin)


def _known(value: Value, values: Bindings | None, inside: Lookup = nothing_inside) -> str | None:
    """A value with everything filled in; None where a part is not known yet."""
    if isinstance(value, str):
        return value
    if values is None and value.outsides():
        return None
    try:
        return render(value, values or {}, inside).value
    except Unbound:
        return None


def _insides(value: Value) -> tuple[Inside, ...]:
    return () if isinstance(value, str) else value.insides()


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else value.raw


def _origin(value: Value) -> Origin | None:
    if isinstance(value, str):
        return None
    return next((part.origin for part in value.parts if not isinstance(part, str) and part.origin is not None), None)


def _problem(policy: Policy, key: str, what: str, origin: Origin | None, width: int = 0) -> Problem:
    message = f"{what}: the policy {policy.path} does not allow it"
    hint = f"`{key}` of the policy lists what is allowed; the policy is changed by who is responsible for it"
    if origin is None:
        return Problem(CODE, message, "the command line", hint=hint)
    end = (origin.line, origin.column + width) if width else (0, 0)
    return Problem(CODE, message, origin.path, origin.line, origin.column, *end, hint=hint)
