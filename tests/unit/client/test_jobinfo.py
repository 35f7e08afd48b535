"""Reading job infos: no shape may turn into a false success."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftrun.client.jobinfo import info as jobinfo
from aftrun.client.jobinfo import words as states
from aftrun.client.jobinfo.explain import explain, state_words
from aftrun.domain.errors import UsageError
from aftrun.domain.events import Reason
from aftrun.domain.model import JobInfoMap, Json, State
from aftrun.domain.words import normal
from aftrun.run import policy

PLAIN = JobInfoMap()
Q, R, S, F, C, U, M = (
    State.QUEUED,
    State.RUNNING,
    State.SUCCEEDED,
    State.FAILED,
    State.CANCELLED,
    State.UNLISTED,
    State.MISSING,
)

_keys = st.sampled_from(
    [
        "id",
        "jobId",
        "status",
        "state",
        "exitCode",
        "data",
        "job",
        "result",
        "error",
        "message",
        "startedAt",
        "success",
        "x",
    ]
)
_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["done", "ok", "failed"])
)
_bodies = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=5), max_leaves=12
)

SHAPES: list[tuple[Any, str | None, State, int | None]] = [
    # spellings of id and state
    ({"id": "1", "status": "running"}, "1", R, None),
    ({"jobId": "a-b", "state": "Queued"}, "a-b", Q, None),
    ({"job_id": "x", "job_status": "SUCCEEDED"}, "x", S, None),
    ({"ID": 42, "Status": "Finished", "ExitCode": 0}, "42", S, 0),
    ({"uuid": "u", "jobState": "In Progress"}, "u", R, None),
    ({"GUID": "g", "phase": "in_progress"}, "g", R, None),
    ({"_id": "m", "state": "NOT-STARTED"}, "m", Q, None),
    ({"job-id": "k", "job-state": "timed_out"}, "k", F, None),
    ({"id": "1", "status": " \t"}, "1", M, None),
    ({"id": "1", "status": "\u00a0", "state": "running"}, "1", R, None),
    ({"id": "1", "status": {"name": " "}}, "1", U, None),
    # what is an id
    ({"id": True, "status": "done"}, None, S, None),
    ({"id": 42.0, "status": "done"}, None, S, None),
    ({"id": "", "status": "done"}, None, S, None),
    ({"id": "  ", "jobId": "7", "status": "done"}, "7", S, None),
    ({"id": None, "jobId": "7", "status": "done"}, "7", S, None),
    ({"id": ["1"], "status": "done"}, None, S, None),
    ({"id": "a\nb", "status": "done"}, None, S, None),
    ({"id": "\x1b[31m", "status": "done"}, None, S, None),
    # exit codes
    ({"id": "1", "status": "finished", "exitCode": 1}, "1", F, 1),
    ({"id": "1", "status": "Success", "exit_code": "3"}, "1", F, 3),
    ({"id": "1", "status": "success", "returnCode": -1}, "1", F, -1),
    ({"id": "1", "status": "success", "exitCode": "0"}, "1", S, 0),
    ({"id": "1", "status": "success", "exitCode": 0, "returnCode": 2}, "1", F, 2),
    ({"id": "1", "status": "success", "exitCode": "SIGKILL"}, "1", U, None),
    ({"id": "1", "status": "success", "exitCode": 0.5}, "1", U, None),
    ({"id": "1", "status": "success", "exitCode": None}, "1", S, None),
    ({"id": "1", "status": "success", "exitCode": True}, "1", U, None),
    ({"id": "1", "status": "success", "code": 7}, "1", S, None),
    ({"id": "1", "status": "running", "exitCode": 1}, "1", R, 1),
    ({"id": "1", "status": "ended", "exitCode": 0}, "1", S, 0),
    ({"id": "1", "status": "ended", "exitCode": 2}, "1", F, 2),
    ({"id": "1", "status": "exited"}, "1", U, None),
    ({"id": "1", "status": "ended", "exitCode": 0, "conclusion": "neutral"}, "1", U, 0),
    # envelopes: all from the same object
    ({"status": "success", "data": {"id": "1", "status": "running"}}, "1", R, None),
    ({"status": "ok", "job": {"id": 1}}, "1", M, None),
    ({"success": True, "data": {"id": "1"}}, "1", M, None),
    ({"success": True, "data": {"id": "1", "status": "failed"}}, "1", F, None),
    ({"exitCode": 0, "job": {"id": "1", "status": "done", "exitCode": 9}}, "1", F, 9),
    ({"status": "success", "result": {"jobInfo": {"id": "1", "status": "running"}}}, None, M, None),
    ({"status": "success", "data": None}, None, M, None),
    ({"status": "success", "data": []}, None, M, None),
    ({"status": "success", "data": {"progress": 50}}, None, M, None),
    ({"status": "success", "data": {"status": "running"}}, None, R, None),
    ({"data": [{"id": "1", "state": "queued"}]}, "1", Q, None),
    ({"data": [{"id": "1", "state": "done"}, {"id": "2", "state": "done"}]}, None, M, None),
    ({"job_info": {"JobId": "9", "Status": "Done"}}, "9", S, None),
    ({"id": "1", "data": {"status": "success"}}, "1", M, None),
    ({"id": "req", "status": "success", "data": {"id": "1", "status": "running"}}, "1", R, None),
    ({"id": "1", "status": "running", "result": {"id": "file", "status": "success"}}, "1", R, None),
    ({"id": "1", "status": "running", "job": {"id": "nightly"}}, "1", R, None),
    ([{"id": "1", "status": "done"}], "1", S, None),
    # nested states
    ({"id": "1", "status": {"name": "Running", "code": 2}}, "1", R, None),
    ({"id": "1", "status": {"phase": "Succeeded"}}, "1", S, None),
    ({"id": "1", "status": {"state": "finished", "exitCode": 1}}, "1", F, 1),
    ({"id": "1", "status": {"name": "Finished", "error": "disk full"}}, "1", F, None),
    ({"id": "1", "status": {"code": 3}}, "1", U, None),
    ({"id": "1", "status": {}}, "1", M, None),
    # numbers, booleans, nothing
    ({"id": "1", "status": 3}, "1", U, None),
    ({"id": "1", "status": "200"}, "1", U, None),
    ({"id": "1", "status": True}, "1", U, None),
    ({"id": "1", "finished": True}, "1", M, None),
    ({"id": "1", "success": True}, "1", M, None),
    ({"id": "1", "status": None}, "1", M, None),
    ({"id": "1", "status": ""}, "1", M, None),
    ({}, None, M, None),
    # contradictions: the less hopeful word counts
    ({"id": "1", "status": "success", "state": "running"}, "1", R, None),
    ({"id": "1", "status": "completed", "conclusion": "failure"}, "1", F, None),
    ({"id": "1", "status": "completed", "conclusion": "neutral"}, "1", U, None),
    ({"id": "1", "status": "completed", "result": "3 files"}, "1", S, None),
    ({"id": "1", "status": "completed", "result": "canceled"}, "1", C, None),
    ({"id": "1", "status": "finished", "success": False}, "1", F, None),
    ({"id": "1", "status": "finished", "failed": True}, "1", F, None),
    ({"id": "1", "status": "done", "cancelled": True}, "1", C, None),
    ({"id": "1", "status": "done", "running": True}, "1", R, None),
    ({"id": "1", "status": "done", "Status": "failed"}, "1", F, None),
    ({"id": "1", "status": "done", "state": "wobbly"}, "1", U, None),
    # errors beside a plain end
    ({"id": "1", "status": "finished", "error": "disk full"}, "1", F, None),
    ({"id": "1", "status": "done", "errorMessage": "no"}, "1", S, None),
    ({"id": "1", "status": "done", "errorMessage": "no such file"}, "1", F, None),
    ({"id": "1", "status": "completed", "errors": [{"reason": "x"}]}, "1", F, None),
    ({"id": "1", "status": "ended", "errors": ["x"]}, "1", F, None),
    ({"id": "1", "status": "finished", "errors": []}, "1", S, None),
    ({"id": "1", "status": "finished", "error": None}, "1", S, None),
    ({"id": "1", "status": "finished", "message": "disk full"}, "1", S, None),
    ({"id": "1", "status": "finished", "error": "warned", "exitCode": 0}, "1", S, 0),
    ({"id": "1", "status": "Succeeded", "error": "disk full"}, "1", F, None),
    ({"id": "1", "status": "success", "errors": ["x"]}, "1", F, None),
    ({"id": "1", "status": "succeeded", "errorMessage": "x"}, "1", F, None),
    ({"id": "1", "status": "succeeded", "error": "", "errors": [], "errorMessage": None}, "1", S, None),
    ({"id": "1", "status": "succeeded", "lastError": "first try"}, "1", S, None),
    # other objects may deny a success
    ({"data": {"id": "1", "status": "finished"}, "exitCode": 2}, "1", F, None),
    ({"job": {"id": "1", "status": "succeeded"}, "exitCode": 2}, "1", F, None),
    ({"job": {"id": "1", "status": "finished", "result": {"exitCode": 2}}}, "1", F, None),
    ({"job": {"id": "1", "status": "finished"}, "result": {"exitCode": 2}}, "1", F, None),
    *(
        ({"id": "1", "status": "succeeded", name: {"exitCode": 2}}, "1", F, None)
        for name in ("result", "data", "job", "execution")
    ),
    ({"id": "1", "status": "succeeded", "result": [{"exitCode": 0}, {"exitCode": 2}]}, "1", F, None),
    ({"id": "1", "status": "ended", "result": {"exitCode": 2}}, "1", F, None),
    ({"id": "1", "status": "ended", "result": {"exitCode": 0}}, "1", U, None),
    ({"data": {"id": "1", "status": "completed"}, "status": "error"}, "1", F, None),
    ({"data": {"id": "1", "status": "completed"}, "error": "boom"}, "1", F, None),
    ({"data": {"id": "1", "status": "completed"}, "success": False}, "1", F, None),
    ({"data": {"id": "1", "status": "completed"}, "cancelled": True}, "1", C, None),
    ({"data": {"id": "1", "status": "completed"}, "status": 200, "error": None}, "1", S, None),
    ({"data": {"id": "1", "status": "completed"}, "status": "accepted"}, "1", S, None),
    ({"data": {"id": "1", "status": "completed", "exitCode": 0}, "status": "success"}, "1", S, 0),
    ({"data": {"id": "1", "status": "running"}, "status": "error"}, "1", R, None),
    ({"id": "1", "status": "succeeded", "result": {"status": "failed"}}, "1", F, None),
    ({"id": "1", "status": "succeeded", "result": {"status": "running"}}, "1", R, None),
    ({"id": "1", "status": "succeeded", "result": {"success": False}}, "1", F, None),
    ({"id": "1", "status": "succeeded", "result": {"error": "boom"}}, "1", F, None),
    ({"id": "1", "status": "succeeded", "result": {"error": "", "success": True, "exitCode": 0}}, "1", S, None),
    ({"id": "1", "status": "succeeded", "result": {"exitCode": "SIGKILL"}}, "1", U, None),
    ({"id": "1", "status": "succeeded", "data": {"files": 3}}, "1", S, None),
    # other spellings of codes
    ({"id": "1", "status": "succeeded", "scriptExitCode": 4}, "1", F, 4),
    ({"id": "1", "status": "succeeded", "errorCode": 4}, "1", F, None),
    ({"id": "1", "status": "succeeded", "errorCode": 0, "resultCode": "0"}, "1", S, None),
    ({"id": "1", "status": "succeeded", "errorCode": "E_DISK"}, "1", U, None),
    ({"id": "1", "status": "succeeded", "resultCode": "SUCCESS"}, "1", S, None),
    ({"id": "1", "status": "succeeded", "resultCode": 200}, "1", U, None),
    ({"data": {"id": "1", "status": "succeeded"}, "resultCode": 7}, "1", F, None),
    # words that must not pass for a success
    ({"id": "1", "status": "completed with errors"}, "1", F, None),
    ({"id": "1", "status": "CompletedWithErrors"}, "1", F, None),
    ({"id": "1", "status": "partially_succeeded"}, "1", F, None),
    ({"id": "1", "status": "completed with warnings"}, "1", U, None),
    ({"id": "1", "status": "unsuccessful"}, "1", F, None),
    ({"id": "1", "status": "cancelling"}, "1", R, None),
    ({"id": "1", "status": "Stopping"}, "1", R, None),
    ({"id": "1", "status": "terminated"}, "1", C, None),
    ({"id": "1", "status": "Halted"}, "1", C, None),
    ({"id": "1", "status": "skipped"}, "1", U, None),
    ({"id": "1", "status": "unknown"}, "1", U, None),
    # words that are as often about the request
    ({"status": "success"}, None, U, None),
    ({"status": "success", "exitCode": 0}, None, S, 0),
    ({"id": "1", "status": "ok"}, "1", U, None),
    ({"id": "1", "status": "ok", "endedAt": "2026-01-02T03:04:05Z"}, "1", S, None),
    ({"id": "1", "status": "ok", "endedAt": "0001-01-01T00:00:00Z"}, "1", U, None),
]


@pytest.mark.parametrize(("body", "job_id", "state", "exit_code"), SHAPES, ids=lambda value: str(value)[:60])
def test_shapes(body: Json, job_id: str | None, state: State, exit_code: int | None) -> None:
    """The default reading of many shapes."""
    info = jobinfo.read(body, PLAIN)
    assert info is not None
    assert (info.id, info.state, info.exit_code) == (job_id, state, exit_code)
    assert info.raw is body


@pytest.mark.parametrize("body", [None, 1, "done", True, [], ["done"], [{"id": 1}, {"id": 2}]])
def test_no_object_is_no_job_info(body: Json) -> None:
    """Only an object, or a list of exactly one, is a job info."""
    assert jobinfo.read(body, PLAIN) is None


@pytest.mark.parametrize(
    ("body", "located", "expected"),
    [
        ({}, "77", "77"),
        ({"id": "1"}, "77", "1"),
        ({"id": "1", "jobId": "77"}, "77", "77"),
        ({"id": "1", "jobId": "77"}, None, "1"),
        ({}, None, None),
    ],
)
def test_location(body: Json, located: str | None, expected: str | None) -> None:
    """The Location header gives the id where the body does not, and settles which of several it is."""
    info = jobinfo.read(body, PLAIN, located)
    assert info is not None
    assert info.id == expected


def test_default_lists_are_disjoint() -> None:
    """No word stands for two states, and each reads as the state it is listed under (or waits for proof)."""
    seen: dict[str, State] = {}
    for state, words in states.DEFAULT_STATES.items():
        for word in words:
            assert seen.setdefault(normal(word), state) is state
            info = jobinfo.read({"id": "1", "status": word.upper(), "exitCode": 0}, PLAIN)
            assert info is not None
            assert info.state is state


def test_unlisted_word_is_kept() -> None:
    """The server's own spelling is kept, made harmless and cut."""
    info = jobinfo.read({"id": "1", "status": "Wob-bly \x1b[2J" + "x" * 500}, PLAIN)
    assert info is not None
    assert info.state is U
    assert info.status.startswith("Wob-bly xx")
    assert len(info.status) == 200


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-02T03:04:05Z", 1767323045.0),
        ("2026-01-02T04:04:05.678+01:00", 1767323045.678),
        ("2026-01-02T03:04:05.123456789Z", 1767323045.123),
        (1767323045, 1767323045.0),
        (1767323045678, 1767323045.678),
        ("1767323045", 1767323045.0),
        (1767323045678901, 1767323045.679),
        ("0001-01-01T00:00:00Z", None),
        ("2026-01-02T03:04:05", None),
        ("2026-13-02T03:04:05Z", None),
        (0, None),
        (-5, None),
        (1e300, None),
        (float("inf"), None),
        (float("nan"), None),
        (True, None),
        ("soon", None),
        ({}, None),
    ],
)
def test_times(value: Any, expected: float | None) -> None:
    """RFC 3339 with a zone, or a number since 1970 in a unit that is plain from its size."""
    info = jobinfo.read({"id": "1", "startedAt": value, "finished_at": value}, PLAIN)
    assert info is not None
    assert (info.started_at, info.ended_at) == (expected, expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"status": "done", "message": "3 files"}, "3 files"),
        ({"status": "done", "message": " ", "reason": "r"}, "r"),
        ({"status": "failed", "message": "m", "error": "e"}, "e"),
        ({"status": "running", "message": "m", "error": "e"}, "m"),
        ({"status": "failed", "error": {"message": "deep"}}, "deep"),
        ({"status": "failed", "errors": ["a", {"humanReadable": "b"}, "a"]}, "a; b"),
        ({"status": "failed", "message": "two\nlines\x1b[0m\u202e"}, "two lines\\u202e"),
        ({"status": "failed", "message": 5}, ""),
    ],
)
def test_messages(body: dict[str, Json], expected: str) -> None:
    """Where the message comes from: the error first when the job failed."""
    info = jobinfo.read({"id": "1", **body}, PLAIN)
    assert info is not None
    assert info.message == expected


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"id": "1", "status": "completed"}, "error": "boom"},
        {"id": "1", "status": "succeeded", "result": {"error": {"message": "boom"}}},
    ],
)
def test_message_of_another_object(body: Json) -> None:
    """What denied the success is told."""
    info = jobinfo.read(body, PLAIN)
    assert info is not None
    assert (info.state, info.message) == (F, "boom")


@given(st.dictionaries(_keys, _bodies, max_size=5))
def test_no_success_inside_or_around_a_bad_exit_code(body: dict[str, Any]) -> None:
    """An exit code that is not zero one level away rules out success."""
    inner = {**body, "id": "1", "data": None, "job": None, "result": None}
    shapes: list[Any] = [{"data": inner, "exitCode": 1}, {**inner, "result": {"exitCode": 1}}]
    for shape in shapes:
        info = jobinfo.read(shape, PLAIN)
        assert info is not None
        assert info.state is not State.SUCCEEDED


def test_given_word_stands_against_words_elsewhere() -> None:
    """A word that the user listed is denied by an exit code one level away, and by nothing else there."""
    mapping = JobInfoMap(states=((S, ("fine",)),))
    for around, state in (({"error": "x"}, S), ({"exitCode": 3}, F)):
        info = jobinfo.read({**around, "data": {"id": "1", "status": "fine"}}, mapping)
        assert info is not None
        assert info.state is state


def test_scrub_comes_before_the_cut() -> None:
    """A secret that straddles the cut leaves nothing behind."""
    info = jobinfo.read(
        {"id": "1", "status": "x" * 195 + "secretvalue"}, PLAIN, scrub=lambda words: words.replace("secretvalue", "***")
    )
    assert info is not None
    assert "secr" not in info.status


MAPPED = JobInfoMap(
    id="run.ref",
    status="run.verdict",
    exit_code="run.rc",
    message="run.notes[0]",
    started_at="run.t[0]",
    ended_at="run.t[1]",
    states=((S, ("grün",)), (R, ("7",))),
)


def test_mapping() -> None:
    """Each expression replaces one field."""
    body: Json = {
        "id": "no",
        "status": "failed",
        "run": {"ref": 5, "verdict": "GRÜN", "rc": 0, "notes": ["n"], "t": [1767323045, 1767323046]},
    }
    info = jobinfo.read(body, MAPPED)
    assert info is not None
    assert (info.id, info.state, info.exit_code, info.message) == ("5", S, 0, "n")
    assert (info.started_at, info.ended_at) == (1767323045.0, 1767323046.0)


@pytest.mark.parametrize(
    ("run", "state"),
    [
        ({"verdict": "grün", "rc": 1}, F),
        ({"verdict": "success"}, U),
        ({"verdict": "ended", "rc": 0}, U),
        ({"verdict": 7}, R),
        ({"verdict": "running"}, U),
        ({"verdict": "failed"}, F),
        ({"verdict": None}, M),
        ({}, M),
    ],
)
def test_given_states_replace_the_default_lists(run: dict[str, Json], state: State) -> None:
    """A list replaces the default one for its state; the others stay; the exit code counts all the same."""
    info = jobinfo.read({"run": run}, MAPPED)
    assert info is not None
    assert info.state is state


def test_given_word_wins_over_defaults_and_doubts() -> None:
    """A word that the user listed means what the user says, except against an exit code."""
    mapping = JobInfoMap(states=((S, ("failed", "ok", "0")),))
    for word in ("FAILED", "ok", 0):
        info = jobinfo.read({"id": "1", "status": word, "error": "x", "success": False}, mapping)
        assert info is not None
        assert info.state is S
    info = jobinfo.read({"id": "1", "status": "ok", "exitCode": 1}, mapping)
    assert info is not None
    assert info.state is F


def test_mapped_status_that_only_says_over() -> None:
    """`ended` in a mapped field is decided by the exit code, as by default."""
    for code, state in ((0, S), (3, F), (None, U)):
        info = jobinfo.read({"id": "1", "x": "ended", "rc": code}, JobInfoMap(status="x"))
        assert info is not None
        assert info.state is state


def test_word_in_two_given_lists_takes_the_worse() -> None:
    """A word listed as succeeded and as failed is failed."""
    info = jobinfo.read({"id": "1", "status": "x"}, JobInfoMap(states=((S, ("x",)), (F, ("X",)))))
    assert info is not None
    assert info.state is F


def test_expressions_see_lists_and_do_not_break() -> None:
    """Expressions work on the body as sent; one that does not fit this body finds nothing."""
    mapping = JobInfoMap(id="[1].id", status="length(@[0].id)")
    info = jobinfo.read([{"id": 1}, {"id": 2}], mapping)
    assert info is not None
    assert (info.id, info.state) == ("2", M)


def test_check() -> None:
    """A bad expression is named by its key."""
    jobinfo.check(MAPPED)
    jobinfo.check(PLAIN)
    with pytest.raises(UsageError, match=r"server\.jobInfo\.exitCode"):
        jobinfo.check(JobInfoMap(exit_code="a["))


def test_jmespath_is_not_loaded_without_need() -> None:
    """The default reading does not pay for importing JMESPath (or requests)."""
    code = (
        "import sys; from aftrun.client.jobinfo import info as jobinfo; from aftrun.domain.model import JobInfoMap;"
        "jobinfo.check(JobInfoMap()); jobinfo.read({'id': 1}, JobInfoMap());"
        "sys.exit(any(name in sys.modules for name in ('jmespath', 'requests', 'urllib3')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"message": "Refused", "errors": [{"errorType": "E", "humanReadable": "the script is gone"}]},
            "Refused: the script is gone",
        ),
        ({"message": "Refused", "errors": []}, "Refused"),
        ({"error": "bad key"}, "bad key"),
        ({"error": {"code": 3, "message": "bad key"}}, "bad key"),
        ({"error": "invalid_grant", "error_description": "expired"}, "invalid_grant: expired"),
        (
            {"type": "about:blank", "title": "Forbidden", "detail": "not from here", "status": 403},
            "Forbidden: not from here",
        ),
        ({"detail": "just this"}, "just this"),
        ({"errors": {"scriptName": ["is required", "is short"]}}, "scriptName: is required; is short"),
        ({"Message": "An error has occurred."}, "An error has occurred."),
        ("plain words", "plain words"),
        ([{"message": "a"}, {"message": "b"}], "a; b"),
        ({"message": "x", "errors": [{"reason": "x"}]}, "x"),
        ({"message": {"message": {"message": {"message": {"message": "deep"}}}}}, ""),
        ({"status": 500}, ""),
        (None, ""),
        (7, ""),
    ],
)
def test_error_message(body: Json, expected: str) -> None:
    """The usual shapes of an error body."""
    assert jobinfo.error_message(body) == expected


@given(_bodies, st.text(max_size=20))
def test_reading_never_raises(body: Any, location: str) -> None:
    """Whatever the body, reading it gives a job info or None."""
    info = jobinfo.read(body, PLAIN, location)
    assert info is None or info.status or info.state is M, "a state that nobody knows has a word to tell it by"
    assert isinstance(jobinfo.error_message(body), str)


@given(st.dictionaries(_keys, _bodies, max_size=5))
def test_no_success_beside_a_bad_exit_code(body: dict[str, Any]) -> None:
    """An exit code that is not zero in the job's own object rules out success."""
    info = jobinfo.read({**body, "id": "1", "exitCode": 1, "data": None, "job": None, "result": None}, PLAIN)
    assert info is not None
    assert info.state is not State.SUCCEEDED


@pytest.mark.parametrize(
    ("body", "mapping", "state", "code"),
    [
        ({"run": {"word": "done", "exitCode": 3}}, JobInfoMap(status="run.word"), F, 3),
        ({"run": {"word": "done", "rc": "3"}}, JobInfoMap(status="run.word"), F, 3),
        ({"a": [{"b": {"word": "done", "exit_code": 3}}]}, JobInfoMap(status="a[0].b.word"), F, 3),
        ({"the run": {"the-word": "done", "exitCode": 3}}, JobInfoMap(status='"the run"."the-word"'), F, 3),
        ({"run": {"word": "done", "exitCode": "SIGKILL"}}, JobInfoMap(status="run.word"), U, None),
        ({"run": {"word": "ended", "exitCode": 0}}, JobInfoMap(status="run.word"), S, 0),
        ({"run": {"word": "done", "exitCode": 0}}, JobInfoMap(status="run.word"), S, 0),
        ({"word": "done", "exitCode": 3}, JobInfoMap(status="word", exit_code="run.code"), F, 3),
        ({"status": "done", "exitCode": 3}, JobInfoMap(exit_code="run.code"), F, 3),
        ({"status": "done", "exitCode": 3}, JobInfoMap(exit_code="length(run)"), F, 3),
        ({"status": "done", "exitCode": 3, "run": {"code": 0}}, JobInfoMap(exit_code="run.code"), S, 0),
        ({"status": "done", "exitCode": "none", "run": {"code": 0}}, JobInfoMap(exit_code="run.code"), S, 0),
        ({"status": "done", "exitCode": 0, "run": {"code": 4}}, JobInfoMap(exit_code="run.code"), F, 4),
        ({"status": "done", "result": {"exitCode": 4}, "run": {"code": 0}}, JobInfoMap(exit_code="run.code"), F, 0),
    ],
)
def test_an_exit_code_is_found_beside_the_state(body: Any, mapping: JobInfoMap, state: State, code: int | None) -> None:
    """Where the manifest says, or, if nothing stands there, where others have it: a failure is never overlooked."""
    info = jobinfo.read({"id": "1", **body}, mapping)
    assert info is not None
    assert (info.state, info.exit_code) == (state, code)
    said = {each.name: each.given for each in explain({"id": "1", **body}, mapping, info) if each.value}
    assert said.get("exitCode", False) == (mapping.exit_code == "run.code" and "run" in body)


@pytest.mark.parametrize(
    ("body", "doubted"),
    [
        ({"status": "done", "exitCode": "SIGKILL"}, True),
        ({"status": "done", "errorCode": 404}, True),
        ({"status": "ok"}, True),
        ({"status": "Steeping", "exitCode": "SIGKILL"}, False),
        ({"status": "done", "phase": "Steeping"}, False),
        ({"status": "done"}, False),
        ({"status": "ended"}, False),
    ],
)
def test_a_known_word_is_not_called_unknown(body: Any, doubted: bool) -> None:
    """Where something else keeps it from being a success, that is what is said."""
    info = jobinfo.read({"id": "1", **body}, PLAIN)
    assert info is not None
    assert info.doubted == doubted
    assert ("does not bear it out" in state_words(info)) == doubted
    ran_out = policy.out_of_time(policy.Going(info), Reason.TIMEOUT, "the timeout of 2h")
    assert ("does not bear it out" in ran_out.message) == doubted
