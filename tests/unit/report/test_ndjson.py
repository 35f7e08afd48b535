"""The stream of events: lines, schema, and what happens when nobody reads."""

from __future__ import annotations

import io
import json
import typing
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from aftrun.domain import events
from aftrun.domain.errors import StateError
from aftrun.domain.model import Outcome
from aftrun.report.ndjson import EventStream, header, line, open_events
from aftrun.system.resources import schema_text
from tests.unit.report_samples import NASTY, START

SCHEMA: dict[str, Any] = json.loads(schema_text("event"))
HEADER = events.JobHeader("m/a", "a", "m", "https://h", "m.yaml", 1, 1, {"scriptName": "S"}, ("m/b",), tags=("t",))
ONCE = events.Once("0" * 32, "2026-01-02", "https://h", "1" * 16, 2, {"script": "ab"}, again=True)
ALL: tuple[events.Event, ...] = (
    events.RunStarted(START, "r1", (HEADER,), (events.Source("m.yaml", "0" * 64, "m"),), "0.1.0", {"commit": "c"}),
    events.RunResumed(START, 7, "host"),
    events.SubmitIntended(START, "m/a", 1, {"scriptName": "S"}),
    events.SubmitIntended(START, "m/a", 1, {"scriptName": "S"}, ONCE),
    events.Converged(START, "m/a", 1, events.Action.DOUBT, "r0", 1, ONCE),
    events.Converged(
        at=START,
        job="m/a",
        attempt=1,
        action=events.Action.FOLLOW,
        run="r0",
        of_attempt=2,
        once=ONCE,
        job_id="42",
        id_field="id",
        accepted_at=START,
        outcome=Outcome.UNKNOWN,
        since=START,
        outputs={"n": 1},
        differs=("script",),
    ),
    events.SubmitDeferred(START, "m/a", 1, "no route", 0.25),
    events.Accepted(START, "m/a", 1, "42", "queued"),
    events.StateSeen(START, "m/a", 1, "Running", "running"),
    events.LookFailed(START, "m/a", 1, "HTTP 500"),
    events.AttemptEnded(START, "m/a", 1, Outcome.FAILED, events.Reason.DONE, "no", 3, "x", START, START, {"n": 1}),
    events.AttemptEnded(START, "m/a", 1, Outcome.SUCCEEDED, events.Reason.DONE),
    events.RetryPlanned(START, "m/a", 2, 10.0, "again"),
    events.JobEnded(START, "m/a", Outcome.SKIPPED, events.Reason.NEEDS, "no"),
    events.Settled(START, "m/a", Outcome.FAILED, "jo@box"),
    events.Settled(START, "m/a", Outcome.SUCCEEDED, "jo@box", "seen in the log", "4711", "succeeded", 0),
    events.Warned(START, "look"),
    events.Interrupted(START, 2),
    events.RunEnded(START, "failed", 1),
)


def validator() -> Any:
    """Checks objects against the schema."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


def test_every_kind_of_event_fits_the_schema() -> None:
    """None is missing, here or there."""
    assert {type(event) for event in ALL} == set(typing.get_args(events.Event))
    check = validator()
    check.validate(json.loads(header("0.1.0")))
    for event in ALL:
        check.validate(json.loads(line(event)))
        assert events.from_json(json.loads(line(event))) == event


def test_the_schema_names_every_word() -> None:
    """A new outcome or reason must be told to readers."""
    assert set(SCHEMA["$defs"]["outcome"]["enum"]) == set(Outcome)
    assert set(SCHEMA["$defs"]["reason"]["enum"]) == set(events.Reason)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "stream", "version": 2, "aftrun": "x"},
        {"type": "jobEnded", "at": "2026-01-02T03:00:00.000Z", "job": "m/a", "outcome": "fine", "reason": "done"},
        {"type": "accepted", "at": "yesterday", "job": "m/a", "attempt": 1, "jobId": "1", "state": ""},
        {"type": "somethingElse", "at": "2026-01-02T03:00:00.000Z"},
    ],
    ids=["version", "outcome", "instant", "type"],
)
def test_what_is_no_event_does_not_fit(wrong: dict[str, Any]) -> None:
    """The schema would notice."""
    with pytest.raises(jsonschema.ValidationError):
        validator().validate(wrong)


def test_the_stream_begins_with_its_version_and_is_one_line_an_event() -> None:
    """Whatever the texts hold."""
    file = io.StringIO()
    stream = EventStream(file, "0.1.0")
    for text in NASTY:
        stream(events.Warned(START, text), None)
    lines = file.getvalue().splitlines()  # at every kind of line end that there is
    assert lines[0] == '{"type":"stream","version":1,"aftrun":"0.1.0"}'
    assert [json.loads(each)["message"] for each in lines[1:]] == list(NASTY)
    assert file.getvalue().isascii()


def test_every_line_is_there_at_once(tmp_path: Path) -> None:
    """Another process reads along."""
    path = tmp_path / "events.ndjson"
    with open_events(str(path)) as file:
        stream = EventStream(file, "0.1.0")
        for count, event in enumerate(ALL, 2):
            stream(event, None)
            assert path.read_bytes().count(b"\n") == count
    assert b"\r" not in path.read_bytes()


def test_a_reader_that_goes_away_ends_the_stream_not_the_run() -> None:
    """The reason is kept for the end."""

    class Gone(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError(32, "Broken pipe")

    stream = EventStream(Gone(), "0.1.0", name="standard output")
    stream(ALL[0], None)
    assert stream.error is not None
    assert stream.error.message == "cannot write standard output: Broken pipe"


def test_a_file_that_cannot_be_opened_is_an_error_before_the_run(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(StateError, match="cannot write"):
        open_events(str(tmp_path / "missing" / "events"))
