"""Every event becomes JSON and comes back equal."""

from __future__ import annotations

import json
import typing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aftrun.domain.errors import StateError
from aftrun.domain.events import (
    Accepted,
    Action,
    AttemptEnded,
    Converged,
    Event,
    Interrupted,
    JobEnded,
    JobHeader,
    LookFailed,
    Once,
    Reason,
    RetryPlanned,
    RunEnded,
    RunResumed,
    RunStarted,
    Settled,
    Source,
    StateSeen,
    SubmitDeferred,
    SubmitIntended,
    Warned,
    from_json,
    to_json,
)
from aftrun.domain.model import Json, Outcome
from aftrun.run.store.record import Log
from tests.effort import effort

TEXT = st.text(max_size=12)
ANY_TEXT = st.text(st.characters(), max_size=12)
"""With half surrogate pairs, which JSON of a server can hold."""
AT = st.integers(0, 4_000_000_000_000).map(lambda ms: ms / 1000)
MAYBE_AT = st.one_of(st.none(), AT)
COUNT = st.integers(0, 2**40)
FLOAT = st.floats(0, 1e9)
JSON: st.SearchStrategy[Json] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), ANY_TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(ANY_TEXT, inner, max_size=3)),
    max_leaves=8,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
HEADERS = st.builds(
    JobHeader,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    COUNT,
    COUNT,
    OBJECT,
    TEXTS,
    TEXT,
    st.booleans(),
    st.booleans(),
    tags=TEXTS,
    description=TEXT,
)
SOURCES = st.builds(Source, TEXT, TEXT, TEXT)
OUTCOME = st.sampled_from(Outcome)
REASON = st.sampled_from(Reason)
ONCE = st.builds(
    Once, TEXT, TEXT, TEXT, TEXT, COUNT, st.dictionaries(TEXT, TEXT, max_size=3), st.sampled_from([None, True])
)
RUN = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,9}[A-Za-z0-9]", fullmatch=True)
MAYBE_TEXT = st.one_of(st.none(), TEXT)

BUILDERS: dict[type[typing.Any], st.SearchStrategy[Event]] = {
    RunStarted: st.builds(
        RunStarted,
        AT,
        RUN,
        st.lists(HEADERS, max_size=3).map(tuple),
        st.lists(SOURCES, max_size=2).map(tuple),
        TEXT,
        OBJECT,
        st.booleans(),
    ),
    RunResumed: st.builds(RunResumed, AT, COUNT, TEXT),
    SubmitIntended: st.builds(SubmitIntended, AT, TEXT, COUNT, OBJECT),
    Converged: st.builds(
        Converged,
        *(AT, TEXT, COUNT, st.sampled_from(Action), RUN, COUNT, ONCE, MAYBE_TEXT, MAYBE_TEXT, MAYBE_AT),
        *(st.one_of(st.none(), OUTCOME), MAYBE_AT, OBJECT, st.one_of(st.none(), TEXTS)),
    ),
    Settled: st.builds(Settled, AT, TEXT, OUTCOME, TEXT, TEXT, MAYBE_TEXT, MAYBE_TEXT, st.one_of(st.none(), COUNT)),
    SubmitDeferred: st.builds(SubmitDeferred, AT, TEXT, COUNT, ANY_TEXT, FLOAT),
    Accepted: st.builds(Accepted, AT, TEXT, COUNT, TEXT, TEXT),
    StateSeen: st.builds(StateSeen, AT, TEXT, COUNT, TEXT, TEXT),
    LookFailed: st.builds(LookFailed, AT, TEXT, COUNT, ANY_TEXT),
    AttemptEnded: st.builds(
        AttemptEnded,
        AT,
        TEXT,
        COUNT,
        OUTCOME,
        REASON,
        ANY_TEXT,
        st.one_of(st.none(), st.integers()),
        TEXT,
        MAYBE_AT,
        MAYBE_AT,
        OBJECT,
    ),
    RetryPlanned: st.builds(RetryPlanned, AT, TEXT, COUNT, FLOAT, TEXT),
    JobEnded: st.builds(JobEnded, AT, TEXT, OUTCOME, REASON, ANY_TEXT),
    Warned: st.builds(Warned, AT, ANY_TEXT, TEXT),
    Interrupted: st.builds(Interrupted, AT, COUNT, TEXT),
    RunEnded: st.builds(RunEnded, AT, TEXT, COUNT),
}


def test_no_event_is_forgotten() -> None:
    """A new event needs a line here."""
    assert set(BUILDERS) == set(typing.get_args(Event))


@pytest.mark.parametrize("cls", BUILDERS)
@settings(max_examples=effort(quick=20, usual=50, long=2000))
@given(data=st.data())
def test_events_come_back_equal(cls: type[typing.Any], data: st.DataObject) -> None:
    """Through JSON text, as the state file and `--events` write it; and nothing but JSON is in it."""
    event = data.draw(BUILDERS[cls])
    if isinstance(event, SubmitIntended):
        event = replace(event, once=data.draw(st.one_of(st.none(), ONCE)))
    text = json.dumps(to_json(event), allow_nan=True)
    back = from_json(json.loads(text))
    assert back == event
    assert type(back) is cls
    assert to_json(back) == to_json(event)


@settings(max_examples=effort(quick=20, usual=50, long=2000))
@given(events=st.lists(st.one_of(*(each for cls, each in BUILDERS.items() if cls is not RunStarted)), max_size=8))
def test_a_log_gives_back_what_it_took(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Through SQLite too, whatever the text holds."""
    start = RunStarted(0.0, "r", ())
    with Log(tmp_path_factory.mktemp("log")) as log:
        log.begin(start, [], [], {})
        log.append("r", events)
        assert log.events("r") == [start, *events]


@given(
    st.recursive(
        st.one_of(st.none(), st.integers(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner), st.dictionaries(st.sampled_from(["type", "at", "job", "jobs", "outcome", "reason"]), inner)
        ),
    )
)
def test_nothing_else_is_taken_for_an_event(data: typing.Any) -> None:
    """Any JSON: an event, or the error that says that it is none."""
    if isinstance(data, dict) and isinstance(data.get("type"), str):
        data["type"] = "jobEnded"
    with pytest.raises(StateError):
        from_json(data)
