"""From the decoded body of an answer to a `JobInfo`. Pure.

The object is not publicly documented, so how it is read is data: a `JobInfoMap` replaces any part of the default
reading (`reading`, `states`) by a JMESPath expression or a list of words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from aftrun.client import text
from aftrun.client.jobinfo import keys, messages
from aftrun.client.jobinfo import state as reading
from aftrun.client.jobinfo import words as states
from aftrun.client.jobinfo.fields import ExitCode, View, exit_code_of, first_instant, word_of
from aftrun.domain import jobids
from aftrun.domain.errors import UsageError
from aftrun.domain.model import JobInfo, JobInfoMap, Json, State
from aftrun.domain.text import one_line
from aftrun.system import expressions

STATUS_LIMIT = 200
"""Longest word for a state that is kept."""

_NAME = r'(?:\w+|"[^".\\]*")(?:\[-?\d+\])*'
_PATH = re.compile(rf"{_NAME}(?:\.{_NAME})*")
"""A plain way to a field: what stands before its last dot is the object that holds the field."""

_MAPPED = ("id", "status", "exit_code", "message", "started_at", "ended_at")

error_message = messages.error_message


def _same(words: str) -> str:
    return words


def search(expression: str, body: Json) -> Any:
    """What an expression of a mapping finds; None where that is nothing, or cannot be worked out."""
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415 -- as above

    try:
        return expressions.search(expression, body)
    except JMESPathError:
        return None  # a function met a type that it does not take, or it is too much: the field is not there


def check(mapping: JobInfoMap) -> None:
    """Compile the expressions of a mapping.

    Raises:
        UsageError: one of them is no JMESPath expression.
    """
    if not _is_mapped(mapping):
        return
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415 -- as above

    for name in _MAPPED:
        expression = getattr(mapping, name)
        try:
            if expression is not None:
                expressions.parsed(expression)
        except JMESPathError as error:
            key = re.sub(r"_(.)", lambda match: match.group(1).upper(), name)
            first = str(error).partition("\n")[0]
            raise UsageError(f"`server.jobInfo.{key}` is no JMESPath expression: {first}") from error


def _is_mapped(mapping: JobInfoMap) -> bool:
    return any(getattr(mapping, name) is not None for name in _MAPPED)


def read(
    body: Json, mapping: JobInfoMap, located: str | None = None, *, scrub: Callable[[str], str] = _same
) -> JobInfo | None:
    """The job info that a body is, or None where it is no object.

    `located` is the id that the `Location` header of the answer to a submission names: the job's where the body has
    none. `scrub` takes secrets out of `status` and `message`; `raw` and `id` stay as they came.
    Expressions see the whole body as it was sent, and must have passed `check`.
    """
    top = reading.sole(body)
    if top is None and not _is_mapped(mapping):
        return None
    words = states.Words(mapping)
    found = reading.subject(top) if top is not None else reading.Subject({})
    view = View(found.source)
    beside = _beside_state(body, mapping)
    inner = (value for value in (*view.all(keys.STATUSES), beside) if isinstance(value, dict))
    views = (view, *map(View, inner))

    def values(expression: str | None, names: Iterable[str]) -> Iterator[Any]:
        if expression is not None:
            value = search(expression, body)
            return iter(() if value is None else (value,))
        names = tuple(names)
        return (value for each in views for value in each.all(names))

    name = _id(body, mapping, found, located)
    named = _names(body, mapping, found)
    given = exit_code_of(values(mapping.exit_code, ()))  # where the manifest says, or else where others have it
    exit_code = exit_code_of(values(None, keys.EXIT_CODES)) if given == ExitCode() else given
    seen = _mapped_state(body, mapping.status, words) if mapping.status is not None else None
    if seen is None:
        seen = reading.state(found, words, has_id=name is not None, exit_code=None if given == ExitCode() else given)
    state = seen.state
    if mapping.status is not None and exit_code.code is not None and words.is_over(seen.word):
        state = State.SUCCEEDED
    if state is State.SUCCEEDED and (exit_code.code or exit_code.odd):
        state = State.FAILED if exit_code.code else State.UNLISTED
    bad = state in (State.FAILED, State.CANCELLED)
    names = (*keys.ERRORS, *keys.MESSAGES) if bad else (*keys.MESSAGES, *keys.ERRORS)
    message = next(filter(None, map(messages.words, values(mapping.message, names))), "")
    if bad and not message and mapping.message is None:  # what failed it may stand in an object around or inside it
        elsewhere = (value for each, _ in reading.others(found) for value in View(each).all(keys.ERRORS))
        message = next(filter(None, map(messages.words, elsewhere)), "")
    return JobInfo(
        id=name,
        state=state,
        status=one_line(text.hide(seen.word, scrub), STATUS_LIMIT),
        exit_code=exit_code.code,
        message=text.shortened(text.hide(message, scrub)),
        started_at=first_instant(values(mapping.started_at, keys.STARTS)),
        ended_at=first_instant(values(mapping.ended_at, keys.ENDS)),
        raw=body,
        ids=named,
        listed=found.listed or isinstance(body, list),
        doubted=state is State.UNLISTED and words.state(seen.word) is State.SUCCEEDED,
    )


def _id(body: Json, mapping: JobInfoMap, found: reading.Subject, located: str | None) -> str | None:
    if mapping.id is not None:
        return jobids.of_value(search(mapping.id, body))
    ids = reading.ids(found.source)
    if located is not None and (located in ids or not ids):
        return located  # of several ids, the one that the server itself puts into its URLs
    named = reading.names(found.source)
    spellings = {jobids.canonical(text) for field, text in named if field == named[0][0]}
    return ids[0] if ids and len(spellings) == 1 else None  # `id` and `ID` that differ: nobody knows which


def _names(body: Json, mapping: JobInfoMap, found: reading.Subject) -> tuple[tuple[str, str], ...]:
    """What the object that the state is read from names as its id."""
    if mapping.id is not None:
        value = search(mapping.id, body)
        if value is not None and value != "":
            return (("", reading.name(value)),)
    names = reading.names(found.source)
    return names or reading.names(_beside_state(body, mapping) or {})


def _beside_state(body: Json, mapping: JobInfoMap) -> dict[str, Any] | None:
    """The object that holds the state, where the manifest says by a plain way where the state is."""
    if mapping.status is None or not _PATH.fullmatch(mapping.status):
        return None
    place = search(mapping.status.rpartition(".")[0] or "@", body)
    return place if isinstance(place, dict) else None


def _mapped_state(body: Json, expression: str, words: states.Words) -> reading.Reading:
    value = search(expression, body)
    word = "" if value is None else word_of(value)
    return reading.Reading(words.state(word), word) if word else reading.MISSING
