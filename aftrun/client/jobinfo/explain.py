"""How a job info was read, for people: which field of the object each of our words came from. Pure.

`jobinfo.read` decides; this only looks for where its answers stand in the object, and checks by reading the object
once more with the expressions it proposes. What it cannot confirm it does not propose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from aftrun.client import text
from aftrun.client.jobinfo import info as jobinfo
from aftrun.client.jobinfo import keys, messages
from aftrun.client.jobinfo.fields import exit_code_of, first_instant, word_of
from aftrun.domain import jobids
from aftrun.domain.events import instant
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.model import JobInfo, JobInfoMap, Json, State
from aftrun.domain.words import NOT_BORNE_OUT, STATES, in_yaml, normal

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class FieldRead:
    """One of aftrun's words for a job, and where it came from."""

    name: str
    """As in `jobInfo`: `id`, `status`, `exitCode`, `message`, `startedAt`, `endedAt`."""
    value: str
    """Empty: the object has nothing of the kind."""
    source: str = ""
    """A JMESPath expression; empty where the value is not in the object itself."""
    given: bool = False
    """The manifest says where it is; aftrun did not have to guess."""


@dataclass(frozen=True, slots=True)
class _Kind:
    attribute: str
    name: str
    keys: tuple[str, ...]
    convert: Callable[[Any], Any]


_KINDS = (
    _Kind("id", "id", keys.IDS, jobids.of_value),
    _Kind("status", "status", keys.STATUSES, word_of),
    _Kind("exit_code", "exitCode", keys.EXIT_CODES, lambda value: exit_code_of((value,)).code),
    _Kind("message", "message", (*keys.MESSAGES, *keys.ERRORS), messages.words),
    _Kind("started_at", "startedAt", keys.STARTS, lambda value: first_instant((value,))),
    _Kind("ended_at", "endedAt", keys.ENDS, lambda value: first_instant((value,))),
)


def _step(key: str) -> str:
    return key if _PLAIN_NAME.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _walk(value: Any, path: str, depth: int) -> Iterator[tuple[str, str, Any]]:
    """Flat key, path and value of every field, the outer ones first."""
    if isinstance(value, list) and len(value) == 1:
        value, path = value[0], f"{path}[0]"
    if not isinstance(value, Mapping) or depth == 0:
        return
    for key, item in value.items():
        yield re.sub(r"[_\s-]", "", key).lower(), f"{path}.{_step(key)}".lstrip("."), item
    for key, item in value.items():
        yield from _walk(item, f"{path}.{_step(key)}".lstrip("."), depth - 1)


def _find(body: Json, kind: _Kind, wanted: Any) -> str:
    """The path of the field that `wanted` came from; empty where there is none."""
    found: list[tuple[int, int, str]] = []
    for key, path, value in _walk(body, "", _MAX_DEPTH):
        rank = kind.keys.index(key) if key in kind.keys else None
        if rank is None and kind.name == "status" and key in keys.LABELS:
            rank = len(kind.keys)
        if rank is None or value is None or isinstance(value, dict | list):
            continue
        converted = kind.convert(value)
        if (text.shortened(converted) if isinstance(converted, str) and kind.name != "id" else converted) == wanted:
            found.append((rank, len(found), path))
    return min(found)[2] if found else ""


def explain(body: Json, mapping: JobInfoMap, info: JobInfo) -> tuple[FieldRead, ...]:
    """Where each field of `info` stands in `body`, which it was read from with `mapping`.

    Values are as `info` has them, so they hold no secrets that it does not hold.
    """
    return tuple(_explained(kind, body, mapping, info) for kind in _KINDS)


def _explained(kind: _Kind, body: Json, mapping: JobInfoMap, info: JobInfo) -> FieldRead:
    value = getattr(info, kind.attribute)
    expression = getattr(mapping, kind.attribute)
    shown = "" if value is None else instant(value) if isinstance(value, float) else str(value)
    if expression is not None and (not shown or jobinfo.search(expression, body) is not None):
        return FieldRead(kind.name, shown, expression, given=True)
    return FieldRead(kind.name, shown, _find(body, kind, value) if shown else "")


def state_words(info: JobInfo) -> str:
    """The state in aftrun's own words, and what is to be said about it."""
    if info.doubted:
        return f"not listed: the server says {info.status!r}, {NOT_BORNE_OUT}"
    if info.state is State.UNLISTED:
        return f"not listed: aftrun does not know what {info.status!r} means, and takes it for no end"
    if info.state is State.MISSING:
        return "missing: the object names no state that aftrun can find"
    return info.state.value


def _same(first: JobInfo | None, second: JobInfo) -> bool:
    if first is None:
        return False
    state = first.state is second.state or second.state is State.UNLISTED
    return state and (first.id, first.exit_code) == (second.id, second.exit_code)


def suggest(body: Json, mapping: JobInfoMap, info: JobInfo, passed: Collection[str] = ()) -> str:
    """The `jobInfo:` lines that say what aftrun had to guess, for pasting under `server:`; empty: it guessed nothing.

    Reading the object again with these lines gives the same id, state and exit code. `passed` are words (as `normal`
    makes them) that another one followed: they are not offered as ends.
    """
    guessed = {each.name: each.source for each in explain(body, mapping, info) if each.source and not each.given}
    by_name = {kind.name: kind.attribute for kind in _KINDS}
    proposal = replace(mapping, **{by_name[name]: path for name, path in guessed.items()})  # type: ignore[arg-type]  # paths are text
    if not _same(jobinfo.read(body, proposal), info):
        # The state hangs on more than one field. Pinning one of them down would lose the caution of the others.
        guessed.pop("status", None)
    needs_state = info.state is State.UNLISTED and not _is_listed(mapping, info.status)
    if not guessed and not needs_state:
        return ""
    lines = ["jobInfo:", *(f"  {name}: {in_yaml(path)}" for name, path in guessed.items())]
    if needs_state:
        word = in_yaml(info.status)
        lines.append(f"  states: # what does {word} mean? keep one line, and add the words that mean the same")
        states = STATES[:2] if normal(info.status) in passed else STATES
        lines += [f"    # {state.value}: [{word}]" for state in states]
    return "\n".join(lines) + "\n"


def _is_listed(mapping: JobInfoMap, word: str) -> bool:
    return any(normal(word) in map(normal, words) for _, words in mapping.states)
