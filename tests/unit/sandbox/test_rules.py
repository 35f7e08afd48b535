"""What the sandbox accepts as a submission, and how it refuses the rest."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftrun.sandbox.jobs import Submission
from aftrun.sandbox.rules import Answer, read_submission

JSON = "application/json"


@pytest.mark.parametrize(
    ("body", "submission"),
    [
        (
            '{"scriptName": "My Backup Job", "params": {"a": "b", "n": 1, "x": true}}',
            ("scriptName", "My Backup Job", {"a": "b", "n": 1, "x": True}),
        ),
        ('{"scriptId": "42"}', ("scriptId", "42", {})),
        ('{"filePath": "/opt/a.syncjs", "params": {}}', ("filePath", "/opt/a.syncjs", {})),
    ],
)
def test_accepts_each_selector(body: str, submission: tuple[str, str, dict[str, object]]) -> None:
    """Exactly one selector, and flat params or none."""
    found = read_submission("application/json; charset=utf-8", body.encode(), None)
    assert isinstance(found, Submission)
    assert (found.selector, found.value, found.params) == submission
    assert found.body == json.loads(body)


@pytest.mark.parametrize(
    ("body", "kind", "part"),
    [
        ("{", "INVALID_JSON", "not valid JSON"),
        ("[" * 100_000, "INVALID_JSON", "not valid JSON"),
        ('["scriptName"]', "INVALID_BODY", "JSON object"),
        ("{}", "INVALID_SELECTOR", "found none"),
        ('{"params": {}}', "INVALID_SELECTOR", "found none"),
        ('{"scriptName": "a", "filePath": "b"}', "INVALID_SELECTOR", "found scriptName and filePath"),
        ('{"scriptName": "a", "scriptId": null}', "INVALID_SELECTOR", "found scriptName and scriptId"),
        ('{"scriptName": null}', "INVALID_SELECTOR", "must be a text"),
        ('{"scriptId": 42}', "INVALID_SELECTOR", "must be a text"),
        ('{"scriptName": " "}', "INVALID_SELECTOR", "not empty"),
        ('{"jobType": "SCRIPT", "scriptId": "42"}', "UNKNOWN_FIELD", '"jobType"'),
        ('{"scriptName": "a", "params": [{"name": "k", "value": "v"}]}', "INVALID_PARAMS", "object of names"),
        ('{"scriptName": "a", "params": null}', "INVALID_PARAMS", "object of names"),
        ('{"scriptName": "a", "params": {"k": null}}', "INVALID_PARAMS", '"k"'),
        ('{"scriptName": "a", "params": {"k": {"deep": 1}}}', "INVALID_PARAMS", '"k"'),
        ('{"scriptName": "a", "params": {"k": ["v"]}}', "INVALID_PARAMS", '"k"'),
    ],
)
def test_refuses_with_400_and_says_why(body: str, kind: str, part: str) -> None:
    """Each broken rule has its own error, in the sister product's shape."""
    answer = read_submission(JSON, body.encode(), None)
    assert isinstance(answer, Answer)
    assert answer.status == 400
    assert isinstance(answer.body, dict)
    assert part in str(answer.body["message"])
    errors = answer.body["errors"]
    assert isinstance(errors, list)
    detail = errors[0]
    assert isinstance(detail, dict)
    assert detail["errorType"] == kind
    assert set(detail) == {"errorType", "data", "reason", "causedBy", "humanReadable"}


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_wants_json(content_type: str) -> None:
    """Another content type is 415."""
    answer = read_submission(content_type, b'{"scriptName": "a"}', None)
    assert isinstance(answer, Answer)
    assert answer.status == 415


@pytest.mark.parametrize(
    ("body", "known"),
    [
        ({"scriptName": "MY BACKUP JOB"}, True),
        ({"scriptName": "My Backup"}, False),
        ({"scriptId": "Ab1"}, True),
        ({"scriptId": "ab1"}, False),
        ({"filePath": "/opt/a.syncjs"}, True),
        ({"filePath": "/opt/b.syncjs"}, False),
    ],
)
def test_knows_only_the_scripts_it_was_given(body: dict[str, str], known: bool) -> None:
    """Names match without case, ids and paths as they are; the rest is 404."""
    found = read_submission(JSON, json.dumps(body).encode(), ["My Backup Job", "Ab1", "/opt/a.syncjs"])
    assert isinstance(found, Submission) is known
    if isinstance(found, Answer):
        assert found.status == 404


@given(st.binary(max_size=40))
def test_any_bytes_get_an_answer(body: bytes) -> None:
    """Whatever is sent, it is a submission or a refusal, never a crash."""
    assert isinstance(read_submission(JSON, body, None), Submission | Answer)
