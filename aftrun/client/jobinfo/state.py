"""The default reading of a job info: which object is the job, and what state it names.

Two rules:

* **One object.** Id, state and exit code come from the same object. In `{"status": "success", "data": {"id": "1",
  "status": "running"}}` the outer word is about the request; the job is running.
* **In doubt, no success.** Where two fields of one object disagree, the less hopeful one counts: a state that is
  not listed beats success, and a definite other state beats both. The objects around the job and inside it may
  deny its success, and never prove it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aftrun.client.jobinfo import keys, messages
from aftrun.client.jobinfo import words as states
from aftrun.client.jobinfo.fields import ExitCode, View, exit_code_of, first_instant, word_of
from aftrun.domain import jobids
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import State


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that is the job, perhaps a second one that must not contradict it, and the one around it."""

    source: Mapping[str, Any]
    witness: Mapping[str, Any] | None = None
    around: Mapping[str, Any] | None = None
    listed: bool = False
    """It stood in a list, or the answer is a list from which no job can be picked."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A state, and the server's word for it."""

    state: State
    word: str = ""


MISSING = Reading(State.MISSING)


def sole(value: Any) -> dict[str, Any] | None:
    """An object, or the only one of a list."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) else None


def ids(source: Mapping[str, Any]) -> list[str]:
    """Everything in an object that may be the job's id, the likeliest first."""
    return [found for found in map(jobids.of_value, View(source).all(keys.IDS)) if found is not None]


def names(source: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Everything in an object that is said to be its id, as field and text: also what cannot be the id of a job."""
    view = View(source)
    named = ((field, value) for field in keys.IDS for value in view.all((field,)))
    return tuple((field, name(value)) for field, value in named if not (isinstance(value, str) and not value.strip()))


def name(value: Any) -> str:
    """A value that is said to be an id, as text; what cannot be one is told by its JSON, which is no id either."""
    return jobids.of_value(value) or json.dumps(value)[:100]


def _is_listing(top: Mapping[str, Any]) -> bool:
    """Whether an object without an id is the answer of a list's address: one that holds jobs."""
    if any(isinstance(value, list) for value in View(top).all(keys.LISTS)):
        return True
    inside = (item for value in top.values() if isinstance(value, list) for item in value[:100])
    return any(isinstance(item, dict) and names(item) and _has_state(item) for item in inside)


def _has_state(source: Mapping[str, Any]) -> bool:
    return any(True for _ in View(source).all(keys.STATUSES))


def subject(top: dict[str, Any]) -> Subject:
    """Which object is the job: the top one where it names an id, else the one in the envelope.

    An object that has an envelope's key and no id of its own is an envelope; its `status` is about the request.
    """
    view = View(top)
    listing = _is_listing(top)
    inner = [(name, each) for name in keys.ENVELOPES for each in map(sole, view.all((name,))) if each is not None]
    if not ids(top):
        candidates = [each for _, each in inner if ids(each)] or [each for _, each in inner if _has_state(each)]
        if candidates:
            listed = any(isinstance(each, list) and candidates[0] in each for each in view.all(keys.ENVELOPES))
            return Subject(candidates[0], around=top, listed=listing or listed)
        return Subject({} if any(view.has(name) for name in keys.ENVELOPES) else top, listed=listing)
    rivals = [(name, each) for name, each in inner if ids(each) and _has_state(each)]
    if not rivals:
        return Subject(top)
    # Both could be the job. `result` is more likely what the job brought forth than the job itself.
    name, rival = rivals[0]
    if not _has_state(top):
        return Subject(rival, around=top)
    return Subject(top, rival) if name == "result" else Subject(rival, top, around=top)


def state(found: Subject, words: states.Words, *, has_id: bool, exit_code: ExitCode | None = None) -> Reading:
    """The state of a job. `has_id` says that the object names an id, or the URL did.

    `exit_code` is the job's, where the manifest says where it is; None: as the object has it.
    """
    reading = _state(found.source, words, has_id=has_id, exit_code=exit_code)
    if found.witness is not None:
        reading = _weakest((reading, _state(found.witness, words, has_id=True)))
    over = reading.state is State.UNLISTED and words.is_over(reading.word)
    if reading.state is not State.SUCCEEDED and not over:
        return reading
    given = words.is_given(reading.word)
    denials = {_denied(each, words, given=given, outer=outer) for each, outer in others(found)}
    for denial in (State.FAILED, State.CANCELLED, State.RUNNING, State.UNLISTED):
        if denial in denials:
            return Reading(denial, reading.word)
    return reading


def others(found: Subject) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """The objects one level down and one level up (and what else that one holds), and whether it is the one above."""
    for each in (found.source, found.around):
        for value in View(each or {}).all(keys.INNER):
            for item in value if isinstance(value, list) else (value,):
                if isinstance(item, dict) and item is not found.source:
                    yield item, False
    if found.around is not None:
        yield found.around, True


def _denied(source: Mapping[str, Any], words: states.Words, *, given: bool, outer: bool) -> State | None:
    """What a success turns into in the light of another object; None where that has nothing against it."""
    view = View(source)
    exit_code = exit_code_of(view.all(keys.EXIT_CODES))
    if exit_code.code or exit_code.odd:
        return State.FAILED if exit_code.code else State.UNLISTED
    if given:
        return None
    by_code = _denied_by_code(view, words)
    if by_code is not None:
        return by_code
    if (
        any(map(messages.is_error, view.all(keys.ERRORS)))
        or view.says(keys.YES, flag=False)
        or view.says(keys.NO, flag=True)
    ):
        return State.FAILED
    if view.says(keys.CANCELLED, flag=True):
        return State.CANCELLED
    verdicts = (words.state(each) for each in view.all((*keys.VERDICTS, keys.PERHAPS_VERDICT)) if isinstance(each, str))
    # The word above may be about the request: only a bad end counts there.
    bad = {State.FAILED, State.CANCELLED} if outer else {State.FAILED, State.CANCELLED, State.RUNNING}
    said = (_state(source, words, has_id=True).state, *verdicts)
    return next((state for state in said if state in bad), None)


def _denied_by_code(view: View, words: states.Words) -> State | None:
    for value in view.all(keys.ERROR_CODES):
        code = exit_code_of((value,))
        if code.code:
            return State.UNLISTED if 100 <= code.code < 600 else State.FAILED  # as if it were an HTTP status
        if (
            code.odd
            and messages.is_error(value)
            and not (isinstance(value, str) and words.state(value) is State.SUCCEEDED)
        ):
            return State.UNLISTED
    return None


def _weakest(readings: Iterable[Reading]) -> Reading:
    """The reading that counts: a definite one that is no success, else an unlisted one, else success."""
    found = [reading for reading in readings if reading.state is not State.MISSING]
    for reading in found:
        if reading.state not in (State.SUCCEEDED, State.UNLISTED):
            return reading
    for reading in found:
        if reading.state is State.UNLISTED:
            return reading
    return found[0] if found else MISSING


def _state(
    source: Mapping[str, Any],
    words: states.Words,
    *,
    has_id: bool,
    nested: bool = False,
    exit_code: ExitCode | None = None,
) -> Reading:
    view = View(source)
    exit_code = exit_code_of(view.all(keys.EXIT_CODES)) if exit_code is None else exit_code
    backed = exit_code.code is not None or first_instant(view.all(keys.ENDS)) is not None
    values = list(view.all(keys.STATUSES))
    if nested and not values:
        values = [value for value in view.all(keys.LABELS) if isinstance(value, str)][:1]
    readings: list[Reading] = []
    for value in values:
        word = word_of(value)
        if isinstance(value, dict) and value and not nested:
            inner = _state(value, words, has_id=has_id, nested=True)
            readings.append(Reading(State.UNLISTED, word) if inner.state is State.MISSING else inner)
        elif word and value not in ({}, []):
            readings.append(_reading(word, words, exit_code, has_id=has_id, backed=backed))
    best = _weakest(readings)
    return Reading(_doubted(best, view, words, exit_code), best.word)


def _reading(word: str, words: states.Words, exit_code: ExitCode, *, has_id: bool, backed: bool) -> Reading:
    found = words.state(word)
    if words.is_over(word) and exit_code.code is not None:
        found = State.FAILED if exit_code.code else State.SUCCEEDED
    elif found is State.SUCCEEDED and not (backed or words.is_given(word)):
        found = State.UNLISTED if states.is_conditional(word, has_id=has_id) else found
    return Reading(found, word)


def _doubted(best: Reading, view: View, words: states.Words, exit_code: ExitCode) -> State:
    """The state in the light of the other fields, which may deny a success."""
    error = exit_code.code is None and any(map(messages.is_error, view.all(keys.ERRORS)))
    if best.state is State.UNLISTED and words.is_over(best.word) and error:
        return State.FAILED
    if best.state is not State.SUCCEEDED:
        return best.state
    if exit_code.code or exit_code.odd:
        return State.FAILED if exit_code.code else State.UNLISTED
    if words.is_given(best.word):
        return best.state  # the user has said what this very word means
    if view.says(keys.GOING_ON, flag=True) or view.says(keys.OVER, flag=False):
        return State.RUNNING
    if view.says(keys.CANCELLED, flag=True):
        return State.CANCELLED
    if view.says(keys.YES, flag=False) or view.says(keys.NO, flag=True) or (error and states.is_plain(best.word)):
        return State.FAILED
    if exit_code.code is None and any(map(messages.is_error, view.all(keys.OUTRIGHT))):
        return State.FAILED
    return _denied_by_code(view, words) or _verdict(view, words)


def _verdict(view: View, words: states.Words) -> State:
    for name in (*keys.VERDICTS, keys.PERHAPS_VERDICT):
        for verdict in view.all((name,)):
            if not isinstance(verdict, str) or not verdict.strip():
                continue
            found = words.state(verdict)
            if found in (State.FAILED, State.CANCELLED):
                return found
            if found is not State.SUCCEEDED and name != keys.PERHAPS_VERDICT:
                return State.UNLISTED
    return State.SUCCEEDED
