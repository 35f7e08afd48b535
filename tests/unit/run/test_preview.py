"""What `plan` shows."""

from __future__ import annotations

import json

import pytest

from aftrun.domain.model import Param, Retry, ServerSpec, When
from aftrun.domain.values import Inside, Origin, Outside, Template, nothing_inside
from aftrun.run.plan import make_plan
from aftrun.run.preview import _one_line, shown_headers, to_data, to_text, url_of
from tests.unit.world import job, manifest, parallel

KEY = Outside("env", "AFT_API_KEY", "${AFT_API_KEY}", origin=Origin("m.yaml", 3, 9))
SERVER = ServerSpec(
    url="https://aft:44399/",
    api_key=Template((KEY,), "${AFT_API_KEY}"),
    headers=(("X-Team", "ops"), ("X-Token", Template((Outside("env", "T", "${T}"),), "${T}"))),
)
ID = Inside(("jobs", "a", "id"), "${{ jobs.a.id }}")
MANIFESTS = (
    parallel(
        job("a", correlation="", params=(Param("k", Template(("x-", KEY), "x-${AFT_API_KEY}")),)),
        job(
            "b",
            correlation="",
            needs=("a",),
            when=When.ALWAYS,
            wait=False,
            allow_failure=True,
            params=(Param("up", Template((ID,), ID.text)),),
        ),
        job("c", correlation="", needs=("a",), when=When.FAILURE, timeout=90.0, retry=Retry(2)),
        max_parallel=3,
        finish_by="06:00",
        servers=(SERVER,),
    ),
    manifest(job("z", correlation=""), name="second", servers=(SERVER,)),
)
PLAN = make_plan(MANIFESTS)


def lookups(_: object) -> object:
    """Nothing is known before the run."""
    return nothing_inside


def test_the_request_is_shown_with_references_in_place() -> None:
    """URL, headers and body as they will be sent, secrets as `${VAR}`."""
    data = to_data(PLAN, MANIFESTS, lookups, (KEY,))  # type: ignore[arg-type]  # it knows nothing, of any type
    text = json.dumps(data)
    jobs = json.loads(text)["jobs"]
    assert jobs[0]["request"] == {
        "method": "POST",
        "url": "https://aft:44399/v1/jobs",
        "headers": {
            "X-API-Key": "${AFT_API_KEY}",
            "Content-Type": "application/json",
            "X-Team": "ops",
            "X-Token": "${T}",
        },
        "body": {"scriptName": "a", "params": {"k": "x-${AFT_API_KEY}"}},
    }
    assert jobs[1]["request"]["body"]["params"] == {"up": "${{ jobs.a.id }}"}
    assert [(each["name"], each["wave"]) for each in jobs] == [("a", 1), ("b", 2), ("c", 2), ("z", 1)]
    assert json.loads(text)["missingVariables"] == [
        {"name": "AFT_API_KEY", "source": "env", "text": "${AFT_API_KEY}", "where": "m.yaml:3:9"}
    ]


def test_the_manifests_are_shown_with_their_strategy() -> None:
    """Waves, slots, failFast and finishBy of each."""
    data = json.loads(json.dumps(to_data(PLAN, MANIFESTS, lookups, ())))  # type: ignore[arg-type]  # as above
    assert [(each["name"], each["order"], each["maxParallel"], each["failFast"]) for each in data["manifests"]] == [
        ("main", "parallel", 3, False),
        ("second", "sequential", 1, True),
    ]
    assert data["manifests"][0]["waves"] == [["a"], ["b", "c"]]
    assert [each["finishBy"] for each in data["manifests"]] == ["06:00", None]


def test_a_literal_key_is_not_shown() -> None:
    """It is a secret although it stands in the manifest."""
    assert shown_headers(ServerSpec(api_key="hunter2"))["X-API-Key"] == "***"
    assert "hunter2" not in str(shown_headers(ServerSpec(api_key="hunter2")))


def test_the_address_has_one_slash() -> None:
    """A slash at the end of the URL does not double the one of the path."""
    assert url_of(SERVER) == "https://aft:44399/v1/jobs"


def test_the_plan_for_people() -> None:
    """Order, requests, what is special about a job, what is not set, and that nothing was sent."""
    text = to_text(PLAN, MANIFESTS, lookups, (KEY,))  # type: ignore[arg-type]  # as above
    for line in (
        "main (main.yaml): 3 jobs, up to 3 at once, going on after a failure, until 06:00",
        "  1. a",
        "  2. b  (needs a; runs whatever happened before; is not waited for; may fail)",
        "  2. c  (needs a; runs only if a need failed; timeout 1m30s; up to 2 more attempts)",
        "second (second.yaml): 1 job, one after another, stopping at the first failure",
        "     POST https://aft:44399/v1/jobs",
        "     scriptName: a",
        "       k: x-${AFT_API_KEY}",
        "  ${AFT_API_KEY}  (m.yaml:3:9)",
        "4 requests would be sent; nothing has been.",
    ):
        assert line in text.splitlines()


@pytest.mark.parametrize(
    ("count", "line"),
    [(1, "1 request would be sent; nothing has been."), (0, "0 requests would be sent; nothing has been.")],
)
def test_singular_and_plural(count: int, line: str) -> None:
    """One request, no requests."""
    manifests = (manifest(*(job(f"j{n}") for n in range(count))),)
    assert to_text(make_plan(manifests), manifests, lookups, ()).splitlines()[-1] == line  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("C:\temp\new", '"C:\\temp\\new"  (holds a tab and a line break)'),
        ("a\u00a0b", '"a\u00a0b"  (holds a no-break space)'),
        ("plain", "plain"),
    ],
)
def test_the_plan_names_what_a_line_cannot_show(value: str, shown: str) -> None:
    """As JSON a tab looks like what somebody wrote who meant a path."""
    assert _one_line(value) == shown
