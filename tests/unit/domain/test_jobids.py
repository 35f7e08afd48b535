"""What can be the id of a job, and which answers are about it."""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftrun.client.jobinfo import info as jobinfo
from aftrun.domain import jobids
from aftrun.domain.errors import UsageError
from aftrun.domain.model import JobInfoMap

PLAIN = JobInfoMap()
UUID = "6F9619FF-8B86-D011-B42D-00C04FC964FF"

USABLE = [
    "1",
    "-1",
    "0",
    "a-b_c.d",
    "a/b",
    "a/",
    "a/../b",
    "../../v1/jobs",
    "1?x=1#y",
    "%2e%2e",
    "a..b",
    "Zahl-ä",
    UUID,
    "{" + UUID + "}",
    "x" * 512,
]
UNUSABLE = [
    *("", " ", "\t", "a b", " 1", "1 ", "1\u00a0", "1\u2003"),
    *("1\n", "1\r", "1\r\nX: y", "\x00", "\x1b[31m", "1\u200b", "\u202e1", "\ud800", "1\u2028"),
    *(".", "..", "...", "/", "//", "./", "../", "/..", "..\\..", "\\"),
    "x" * 513,
]


@pytest.mark.parametrize("text", USABLE)
def test_what_can_be_an_id(text: str) -> None:
    """Anything that can be seen, and that stays one segment of a path."""
    assert jobids.flaw(text) == ""
    assert jobids.checked(text) is text
    assert jobids.of_value(text) == text


@pytest.mark.parametrize("text", UNUSABLE, ids=ascii)
def test_what_cannot_be_an_id(text: str) -> None:
    """An error that says why and fits on a line, whoever the id comes from."""
    assert jobids.of_value(text) is None
    with pytest.raises(UsageError) as caught:
        jobids.checked(text)
    message = caught.value.message
    assert message.isprintable()
    assert message.isascii()
    assert len(message) < 200
    assert "is not the id of a job: " in message


@given(st.text())
def test_an_id_is_one_segment_of_a_path(text: str) -> None:
    """It is neither empty nor only dots, which clients and servers take for another path."""
    if jobids.flaw(text):
        return
    quoted = urllib.parse.quote(text, safe="")
    assert quoted.isascii()
    assert "/" not in quoted
    assert quoted.strip(".")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "1"),
        (0, "0"),
        (-7, "-7"),
        (2**63, str(2**63)),
        ("01", "01"),
        (10**64, None),
        (True, None),
        (1.0, None),
        (None, None),
        ([1], None),
        ({"$oid": "1"}, None),
    ],
)
def test_values_that_are_ids(value: Any, expected: str | None) -> None:
    """Text and whole numbers."""
    assert jobids.of_value(value) == expected


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (UUID, UUID.lower(), True),
        ("{" + UUID + "}", "{" + UUID.lower() + "}", True),
        (UUID.replace("-", ""), UUID.replace("-", "").lower(), True),
        (UUID, "{" + UUID + "}", False),
        ("Job-1", "job-1", False),
        ("ABCDEF", "abcdef", False),
        ("1", "01", False),
        ("1", "1.0", False),
        ("straße", "STRASSE", False),
    ],
)
def test_when_two_ids_are_the_same(first: str, second: str, *, same: bool) -> None:
    """Exactly; only the digits of a UUID have no case."""
    assert (jobids.canonical(first) == jobids.canonical(second)) is same


DONE: dict[str, Any] = {"status": "Succeeded", "exitCode": 0}
"""Fields of a job that went well."""

ABOUT_1: list[Any] = [
    {"id": "1", **DONE},
    {"id": 1, **DONE},
    {"ID": 1, **DONE},
    {"jobId": "1", **DONE},
    {"id": "9", "jobId": 1, **DONE},
    {"id": 1, "uuid": UUID, **DONE},
    {"data": {"id": 1, **DONE}},
    {"id": "request-9", "data": {"id": 1, **DONE}},
    {"job": {"id": 1}, "status": "success"},
    {"id": 1, **DONE, "result": {"id": "file-2"}},
    {"id": 1, **DONE, "steps": [{"id": 2, "status": "Succeeded"}]},
    {"id": 1, **DONE, "jobs": [{"id": 2, "status": "Succeeded"}]},
    [{"id": 1, **DONE}],
    {"data": [{"id": 1, **DONE}]},
    # no id anywhere: the URL has said it
    DONE,
    {"id": None, **DONE},
    {"id": "", **DONE},
    {"data": DONE},
    {**DONE, "attempt": 2, "files": [{"name": "a"}]},
    {**DONE, "steps": [{"name": "a", "status": "Succeeded"}]},
]

NOT_ABOUT_1: list[Any] = [
    {"id": "2", **DONE},
    {"id": 2, "attempt": 1, **DONE},
    {"id": 2, "exitCode": 1, "status": "Failed"},
    {"id": 2, "params": {"job_id": "1"}, **DONE},
    {"id": 2, "parent": {"id": 1}, **DONE},
    {"id": 2, "needs": [1], **DONE},
    {"id": 2, "links": {"self": "/v1/adm/jobs/1"}, **DONE},
    {"id": 2, "1": 1, "message": "1", **DONE},
    {"id": "01", **DONE},
    {"id": "1 ", **DONE},
    {"id": "+1", **DONE},
    {"id": 1.5, **DONE},
    {"id": 1.0, **DONE},
    {"id": True, **DONE},
    {"id": [1], **DONE},
    {"id": {"value": 1}, **DONE},
    {"id": "1\n", **DONE},
    {"id": 11, **DONE},
    {"jobId": 2, **DONE},
    {"uuid": UUID, **DONE},
    {"id": 1, "job": {"id": 2, **DONE}},
    {"id": 1, **DONE, "job": {"id": 2, **DONE}},
    {"data": {"id": 2, **DONE}},
    {"data": {"id": 2, **DONE}, "attempt": 1},
    # lists
    [{"id": 2, **DONE}],
    [DONE],
    [{"id": 2, "attempt": 1, **DONE}],
    {"data": [DONE]},
    {"data": [{"id": 2, **DONE}]},
    {**DONE, "jobs": []},
    {**DONE, "jobs": [{"id": 2, **DONE}], "total": 1},
    {**DONE, "jobs": [{"id": 1, **DONE}], "total": 1},
    {**DONE, "items": [{"id": 1, **DONE}, {"id": 2, **DONE}]},
]


@pytest.mark.parametrize("body", ABOUT_1, ids=json.dumps)
def test_answers_that_are_about_job_1(body: Any) -> None:
    """Its id stands where ids stand, in the object that the state is read from, or no id stands there at all."""
    info = jobinfo.read(body, PLAIN)
    assert info is not None
    assert jobids.mismatch(info, "1") == ""


@pytest.mark.parametrize("body", NOT_ABOUT_1, ids=json.dumps)
def test_answers_that_are_not_about_job_1(body: Any) -> None:
    """Another id, an id that cannot be one, or a list: a 1 that merely stands somewhere is no id."""
    info = jobinfo.read(body, PLAIN)
    assert info is not None
    assert "the server answered with" in jobids.mismatch(info, "1")


@pytest.mark.parametrize(
    ("body", "mapping", "about"),
    [
        ({"key": 1, "id": 2, **DONE}, JobInfoMap(id="key"), True),
        ({"key": 2, "id": 1, **DONE}, JobInfoMap(id="key"), False),
        ({"key": [1], "id": 1, **DONE}, JobInfoMap(id="key"), False),
        ({"key": None, "id": 1, **DONE}, JobInfoMap(id="key"), True),
        ({"key": None, "id": 2, **DONE}, JobInfoMap(id="key"), False),
        ({"key": None, **DONE}, JobInfoMap(id="key"), True),
        ([{"id": 2, **DONE}, {"id": 1, **DONE}], JobInfoMap(id="[1].id", status="[1].status"), True),
        ([{"id": 2, **DONE}, {"id": 1, **DONE}], JobInfoMap(id="[0].id", status="[0].status"), False),
        ([{"id": 2, **DONE}, {"id": 3, **DONE}], JobInfoMap(status="[0].status"), False),
        ({"payload": {"id": 2, "state": "Done"}}, JobInfoMap(status="payload.state"), False),
        ({"payload": {"id": 1, "state": "Done"}}, JobInfoMap(status="payload.state"), True),
        ({"payload": {"state": "Done"}}, JobInfoMap(status="payload.state"), True),
        ({"id": 1, "progress": {"id": 2, "state": "Done"}}, JobInfoMap(status="progress.state"), True),
    ],
)
def test_a_mapped_id_is_the_id(body: Any, mapping: JobInfoMap, *, about: bool) -> None:
    """What the manifest says about the id counts; where it finds nothing, the default reading does."""
    info = jobinfo.read(body, mapping)
    assert info is not None
    assert (jobids.mismatch(info, "1") == "") is about


@pytest.mark.parametrize(
    ("created", "seen", "about"),
    [
        ({"id": 1, "jobId": 2}, {"id": 2, "jobId": 1}, False),
        ({"id": 1, "jobId": 7}, {"id": 3, "jobId": 1}, False),
        ({"id": 1, "jobId": 7}, {"ID": 1, "job_id": 8}, True),
        ({"id": 1, "jobId": 7}, {"jobId": 1}, True),
        ({"id": 1, "uuid": UUID}, {"id": 1, "uuid": UUID.lower()}, True),
        ({"id": 1, "jobId": 7}, {}, True),
        ({"id": 1}, {"id": 9, "jobId": 1}, False),
        ({"jobId": 1}, {"id": 9, "jobId": 1}, True),
        ({"id": 1}, {"id": 1, "ID": 2}, False),
        ({"id": 1}, {"Id": 2, "ID": 1}, False),
        ({"id": 1}, {"id": 1, "ID": "1"}, True),
        ({"jobId": 1}, {"jobId": 1, "job_id": 2}, False),
    ],
    ids=json.dumps,
)
def test_of_several_ids_the_one_of_the_field_that_the_submission_told(
    created: dict[str, Any], seen: dict[str, Any], *, about: bool
) -> None:
    """Two jobs' infos may hold each other's numbers, in other fields."""
    first, then = jobinfo.read(created, PLAIN), jobinfo.read({**DONE, **seen}, PLAIN)
    assert first is not None
    assert then is not None
    assert (jobids.mismatch(then, "1", jobids.field_of(first)) == "") is about


@pytest.mark.parametrize(
    ("created", "job_id"),
    [
        ({"id": 1, "ID": 2}, None),
        ({"jobId": "1", "job_id": "2"}, None),
        ({"job": {"id": 1, "Id": 2}}, None),
        ({"id": 1, "ID": "1"}, "1"),
        ({"id": UUID, "ID": UUID.lower()}, UUID),
        ({"id": 1, "jobId": 2}, "1"),
    ],
    ids=json.dumps,
)
def test_one_field_in_two_spellings_that_differ_names_no_job(created: dict[str, Any], job_id: str | None) -> None:
    """As with a key that stands twice: nobody knows which counts, and the wrong one is another job's."""
    info = jobinfo.read(created, PLAIN)
    assert (None if info is None else info.id) == job_id
    located = jobinfo.read({"id": 1, "ID": 2}, PLAIN, "2")
    assert located is not None
    assert located.id == "2"  # the server says which with its own URL


def test_a_uuid_in_another_case_is_the_same() -> None:
    """Servers that store UUIDs print them as they like."""
    info = jobinfo.read({"id": UUID, **DONE}, PLAIN)
    assert info is not None
    assert jobids.mismatch(info, UUID.lower()) == ""


def test_the_reason_names_what_was_found_and_is_short() -> None:
    """A person must see whose job info it is."""
    info = jobinfo.read({"id": "x" * 500, "jobId": 7, **DONE}, PLAIN)
    assert info is not None
    why = jobids.mismatch(info, "1")
    assert "another job (" + "x" * 60 + "..., 7)" in why
