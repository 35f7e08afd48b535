"""The server's words for the states of a job: when two are the same, and what is added to those that are known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from aftrun.domain.frozen import replace
from aftrun.domain.model import JobInfoMap, Json, State

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_MEANT_OTHERWISE = ("true", "false", "null")


NOT_BORNE_OUT = (
    "which reads as success, but the rest of the job info does not bear it out (an exit code that is no number, say)"
)
"""What is said of a word where the job info is `doubted`."""


def normal(word: str) -> str:
    """A word as it is compared: without case, blanks, `-` and `_`."""
    return re.sub(r"[\s_-]+", "", word).casefold()


def in_yaml(text: str) -> str:
    """A word, or an expression, as a scalar of YAML that also stands within `[ ]`; quoted where it has to be."""
    if _PLAIN.fullmatch(text) and text.lower() not in _MEANT_OTHERWISE:
        return text
    return "'" + text.replace("'", "''") + "'"


STATES = (State.QUEUED, State.RUNNING, State.SUCCEEDED, State.FAILED, State.CANCELLED)
"""The states that words stand for, in the order in which a job goes through them."""

LESS_HOPEFUL_FIRST = (State.FAILED, State.CANCELLED, State.RUNNING, State.QUEUED, State.SUCCEEDED)
"""Where two lists hold the same word, the less hopeful one counts."""

EXPRESSIONS = {
    "id": "id",
    "status": "status",
    "exitCode": "exit_code",
    "message": "message",
    "startedAt": "started_at",
    "endedAt": "ended_at",
}
"""The keys of `jobInfo` that hold expressions, and what a `JobInfoMap` calls them."""


def to_plain(mapping: JobInfoMap) -> dict[str, Json]:
    """A mapping as a manifest writes it."""
    texts = {key: getattr(mapping, name) for key, name in EXPRESSIONS.items()}
    plain: dict[str, Json] = {key: text for key, text in texts.items() if text is not None}
    if mapping.states:
        plain["states"] = {state.value: list(words) for state, words in mapping.states}
    return plain


def is_plain(value: object) -> bool:
    """Whether a value has the form that `to_plain` gives."""
    if not isinstance(value, Mapping) or not set(value) <= {*EXPRESSIONS, "states"}:
        return False
    states = value.get("states", {})
    return all(isinstance(value[key], str) for key in EXPRESSIONS if key in value) and (
        isinstance(states, Mapping)
        and set(states) <= {state.value for state in STATES}
        and all(isinstance(words, list) and all(isinstance(word, str) for word in words) for words in states.values())
    )


def from_plain(plain: Mapping[str, Any]) -> JobInfoMap:
    """The mapping that `to_plain` made this of."""
    states = {State(name): tuple(words) for name, words in plain.get("states", {}).items()}
    fields = {name: plain[key] for key, name in EXPRESSIONS.items() if key in plain}
    return JobInfoMap(**fields, states=tuple(states.items()))


def with_learned(mapping: JobInfoMap, learned: JobInfoMap) -> JobInfoMap:
    """A mapping with what was learned later: its expressions win, and its words leave the lists they stood in."""
    fields = {name: getattr(learned, name) for name in EXPRESSIONS.values() if getattr(learned, name) is not None}
    lists = {state: list(words) for state, words in mapping.states}
    moved = {normal(word) for _, words in learned.states for word in words}
    for state, words in lists.items():
        lists[state] = [word for word in words if normal(word) not in moved]
    for state, new in learned.states:
        lists[state] = [*lists.get(state, ()), *new]
    return replace(mapping, **fields, states=tuple((state, tuple(words)) for state, words in lists.items()))


ANY = ""
"""The name under which stands what was learned of every server of which nothing else was."""


def of_server(learned: Mapping[str, JobInfoMap], name: str) -> JobInfoMap | None:
    """What was learned of a server, by its name in `servers` (empty for a manifest's only one)."""
    return learned.get(name, learned.get(ANY))


def unused(learned: Mapping[str, JobInfoMap], names: Iterable[str]) -> str:
    """What to say where a server of these names gets nothing of what was learned, which is of others; else nothing."""
    names = tuple(dict.fromkeys(names))
    others = sorted(learned.keys() - {*names, ANY})
    if not others or all(of_server(learned, name) is not None for name in names):
        return ""
    here = ", ".join(filter(None, names)) or "one without a name"
    return (
        f"--job-info-from: what it says of {', '.join(others)} is not used: "
        f"the name of the server is another here ({here})"
    )
