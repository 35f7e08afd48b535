"""Events as JSON."""

from __future__ import annotations

from typing import Any

import pytest

from aftrun.domain.errors import StateError
from aftrun.domain.events import (
    AttemptEnded,
    JobHeader,
    Reason,
    RunStarted,
    Source,
    from_json,
    instant,
    parse_instant,
    to_json,
)
from aftrun.domain.model import Outcome


def test_the_json_of_a_start() -> None:
    """`type` first, keys in camelCase, times as RFC 3339 in UTC, headers and sources as objects."""
    start = RunStarted(
        1_767_225_600.25,
        "r1",
        (
            JobHeader(
                "m/a", "a", "m", "https://s", "m.yaml", 2, 3, {"scriptName": "a"}, needs=("m/b",), allow_failure=True
            ),
        ),
        (Source("m.yaml", "ab", "m"),),
        "1.0",
        {"commit": "c"},
    )
    data = to_json(start)
    assert next(iter(data)) == "type"
    assert data == {
        "type": "runStarted",
        "at": "2026-01-01T00:00:00.250Z",
        "run": "r1",
        "jobs": [
            {
                "key": "m/a",
                "name": "a",
                "manifest": "m",
                "server": "https://s",
                "path": "m.yaml",
                "line": 2,
                "column": 3,
                "request": {"scriptName": "a"},
                "needs": ["m/b"],
                "when": "success",
                "wait": True,
                "allowFailure": True,
                "tags": [],
                "description": "",
            }
        ],
        "sources": [{"path": "m.yaml", "sha256": "ab", "name": "m"}],
        "aftrun": "1.0",
        "git": {"commit": "c"},
        "sandbox": False,
    }
    assert from_json(data) == start


def test_absent_values_are_left_out() -> None:
    """No nulls: what was not seen is not there, and comes back as not seen."""
    ended = AttemptEnded(1.0, "m/a", 1, Outcome.UNKNOWN, Reason.AMBIGUOUS)
    data = to_json(ended)
    assert not {"exitCode", "serverStartedAt", "serverEndedAt"} & set(data)
    assert (data["outcome"], data["reason"]) == ("unknown", "ambiguous")
    assert from_json(data) == ended


def test_unknown_keys_are_passed_over_and_missing_ones_take_their_defaults() -> None:
    """A later version may add keys; the number of the format says when that is not enough."""
    data = to_json(AttemptEnded(1.0, "m/a", 1, Outcome.FAILED, Reason.DONE))
    del data["message"]
    assert from_json({**data, "future": [1]}) == AttemptEnded(1.0, "m/a", 1, Outcome.FAILED, Reason.DONE)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"type": "future", "at": "2026-01-01T00:00:00Z"},
        {"type": "jobEnded"},
        {"type": "jobEnded", "at": "2026-01-01T00:00:00Z", "job": "a", "outcome": "fine", "reason": "done"},
        {"type": "runEnded", "at": "yesterday", "outcome": "x", "exitCode": 0},
        {"type": "runEnded", "at": 5, "outcome": "x", "exitCode": 0},
        {"type": "runStarted", "at": "2026-01-01T00:00:00Z", "run": "r", "jobs": [5]},
        {"type": "runStarted", "at": "2026-01-01T00:00:00Z", "run": "r", "jobs": 5},
        {"type": ["runEnded"]},
        [],
        None,
        "runEnded",
        7,
    ],
)
def test_what_is_no_event_is_an_error_for_people(data: Any) -> None:
    """Whatever stands there: never a traceback, never a guess."""
    with pytest.raises(StateError, match="cannot read"):
        from_json(data)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_767_225_600.0, "2026-01-01T00:00:00.000Z"),
        (1_767_225_600.999, "2026-01-01T00:00:00.999Z"),
        (1_767_225_600.001, "2026-01-01T00:00:00.001Z"),
    ],
)
def test_instants(at: float, text: str) -> None:
    """Milliseconds, and back."""
    assert instant(at) == text
    assert parse_instant(text) == at
