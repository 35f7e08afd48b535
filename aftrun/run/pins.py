"""What a run was begun with, and whether it still is: servers, values from outside, time zone.

A value from outside is never stored. What is stored is its HMAC-SHA256 under a key that each state folder makes for
itself: without that key nobody can try out guesses, and equal values in two folders look different.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from aftrun.domain import zones
from aftrun.domain.errors import StateError
from aftrun.domain.events import Accepted, Converged, Event, RunResumed, RunStarted
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Json
from aftrun.system.files import make_once, read_regular

KEY_FILE = "digest.key"
_LENGTH = 32


def read_key(state_dir: Path) -> bytes | None:
    """The folder's key; None where there is none, or none that can be used.

    Raises:
        StateError: it is there and cannot be read.
    """
    key = _read(state_dir / KEY_FILE)
    return key if key is not None and len(key) == _LENGTH else None


def _read(path: Path) -> bytes | None:
    try:
        return read_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror or error}", hint="make it readable") from error


def make_key(state_dir: Path) -> bytes:
    """The folder's key, made now if there is none: whole or not at all, and for its owner's eyes only.

    Raises:
        StateError: it cannot be read or written.
    """
    path = state_dir / KEY_FILE
    try:
        found = make_once(path, secrets.token_bytes(_LENGTH))  # a damaged one pinned what cannot be compared any more
    except OSError as error:
        raise StateError(f"cannot write {path}: {error.strerror or error}", hint="make it writable") from error
    if len(found) != _LENGTH:
        raise StateError(f"cannot use {path}: it is damaged", hint="remove it")
    return found


def keyed(key: bytes, *parts: str) -> str:
    """The keyed digest of some texts, hex."""
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hmac.digest(key, text, "sha256").hex()


def reference(source: str, name: str) -> str:
    """How a value from outside is called: `AFT_URL`, `file:PATH`, `keyring:SERVICE/USER`."""
    return name if source == "env" else f"{source}:{name}"


def pins(key: bytes, values: Mapping[tuple[str, str], str | None], urls: Sequence[str]) -> dict[str, Json]:
    """The digests of values from outside, by reference (null where a default served), and of the servers' URLs."""
    found: dict[str, Json] = {
        reference(*place): None if value is None else keyed(key, *place, value)
        for place, value in sorted(values.items(), key=lambda item: item[0])
    }
    return {"key": keyed(key, "aftrun"), "values": found, "servers": [keyed(key, "server", url) for url in urls]}


def changes(
    start: RunStarted,
    *,
    key: bytes | None,
    values: Mapping[tuple[str, str], str | None],
    urls: Sequence[str],
    shown_urls: Sequence[str],
    zone: str,
) -> tuple[str, ...]:
    """What is not as it was when the run began, one sentence each. Values from outside are named and never shown.

    `values`, `urls` (and how they may be shown) and `zone` are those of now.
    """
    found: list[str] = []
    same = _same_servers(start, key, urls)
    for number, then in enumerate(start.servers or ()):
        now = shown_urls[number] if number < len(shown_urls) else "none"
        if number >= len(same) or not same[number]:
            found.append(f"the server {then} is another one" if then == now else f"the server {then} is now {now}")
    if start.pins is not None:
        found += _values(start.pins, key, values)
    if start.zone is not None and not _same_zone(start.zone, zone, start.at):
        found.append(f"the time zone was {start.zone}, and is now {zone}")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A job's newest acceptance, by a server that is at another URL now."""

    job: str
    """Its key."""
    attempt: int
    job_id: str
    server: int
    """Number of the server in the plan."""
    url: str | None
    """Where it was; None where the URL came from outside, so that only its digest is known."""


def elsewhere(
    events: Iterable[Event], key: bytes | None, urls: Sequence[str], servers: Mapping[str, int]
) -> tuple[Elsewhere, ...]:
    """The jobs, in the order of their acceptance, that have to be asked for at another URL than their server's of now.

    Each process of a run may have gone by other servers, where a person accepted that. `servers` are the numbers of the
    servers in the plan, by job.
    """
    began: RunStarted | None = None
    current: RunStarted | RunResumed | None = None
    newest: dict[str, tuple[str, int, str, RunStarted | RunResumed | None]] = {}
    for event in events:
        if isinstance(event, RunStarted):
            began = current = event
        elif isinstance(event, RunResumed):
            current = began if event.servers is None else event
        elif isinstance(event, Accepted | Converged) and event.job_id is not None:
            newest.pop(event.job, None)
            newest[event.job] = (event.job, event.attempt, event.job_id, current)
    found: list[Elsewhere] = []
    for job, attempt, job_id, then in newest.values():
        number = servers[job]
        if then is None or then.servers is None or number >= len(then.servers):
            continue  # of an older aftrun, which kept no servers
        if not _same_servers(then, key, urls)[number]:
            shown = then.servers[number]
            found.append(Elsewhere(job, attempt, job_id, number, None if "${" in shown else shown))
    return tuple(found)


def _same_servers(then: RunStarted | RunResumed, key: bytes | None, urls: Sequence[str]) -> tuple[bool, ...]:
    """Of each server, whether it is at the URL that it had in that process."""
    pinned = then.pins or {}
    digests = pinned.get("servers")
    if not isinstance(digests, list) or key is None or keyed(key, "aftrun") != pinned.get("key"):
        return tuple(url == shown for url, shown in zip(urls, then.servers or urls, strict=False))
    return tuple(keyed(key, "server", url) == digest for url, digest in zip(urls, digests, strict=False))


def _values(pinned: Mapping[str, Json], key: bytes | None, values: Mapping[tuple[str, str], str | None]) -> list[str]:
    then, mark = pinned.get("values"), pinned.get("key")
    if not isinstance(then, Mapping) or not then:
        return []
    if key is None or keyed(key, "aftrun") != mark:
        return [f"{KEY_FILE} of the state folder is missing or another one, so no value from outside can be compared"]
    found = []
    for place, value in sorted(values.items(), key=lambda item: item[0]):
        name = reference(*place)
        if name not in then:
            continue  # a reference of a field that this version reads and the one that began the run did not
        digest = then[name]
        if value is None and digest is not None:
            found.append(f"${{{name}}} had a value, and now has none: its default would serve")
        elif value is not None and digest is None:
            found.append(f"${{{name}}} had no value, so that its default served, and now has one")
        elif value is not None and not hmac.compare_digest(str(digest), keyed(key, *place, value)):
            found.append(f"${{{name}}} has another value")
    return found


def _same_zone(then: str, now: str, at: float) -> bool:
    try:
        return then == now or zones.same_rules(then, now, at)
    except ValueError:
        return False
