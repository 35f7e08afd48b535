"""Which `Location` headers name a job."""

from __future__ import annotations

import pytest

from aftrun.client.jobinfo.location import id_of

USUAL = ("/v1/jobs", "/v1/adm/jobs/{id}")


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/v1/adm/jobs/77", "77"),
        ("/v1/adm/jobs/a%2Fb", "a/b"),
        ("https://h/v1/adm/jobs/a%2Fb/?x=1#y", "a/b"),
        ("https://gateway/aft/v1/adm/jobs/77", "77"),
        ("//other/v1/jobs/77", "77"),
        ("/v1/jobs/77", "77"),
        ("jobs/77", "77"),
        (" /v1/jobs/77 ", "77"),
    ],
)
def test_the_address_of_a_job(location: str, expected: str) -> None:
    """Where jobs are read, or below where they are submitted; whatever stands before it."""
    assert id_of(location, *USUAL) == expected


@pytest.mark.parametrize(
    "location",
    [
        *("", "/", "/login", "https://sso.example/login", "/login?next=/v1/adm/jobs/77", "/login#/v1/jobs/77", "77"),
        *("/v1/jobs", "/v1/jobs/", "/v1/adm/jobs", "/v1/adm/jobs/", "/v1/adm/jobs/77/log", "/v1/login"),
        *("/myv1/jobs/77", "javascript:x"),
        *("/v1/adm/jobs/..", "/v1/adm/jobs/%2e%2e", "/v1/adm/jobs/a%20b", "/v1/adm/jobs/a%0Ab", "http://["),
    ],
)
def test_what_is_no_address_of_a_job(location: str) -> None:
    """A log-in page, the list of all jobs, a part of a job, what cannot be an id."""
    assert id_of(location, *USUAL) is None


@pytest.mark.parametrize(
    ("paths", "location", "expected"),
    [
        (("/j?wait=0", "/s?id={id}&x=1"), "/s?id=4&x=1", "4"),
        (("/j?wait=0", "/s?id={id}"), "/j/4", "4"),
        (("/j?wait=0", "/s?id={id}"), "/s?id=", None),
        (("/j", "/s/{id}/x/{id}"), "/aft/s/4/x/4", "4"),
        (("/j", "/s/{id}/x/{id}"), "/s/4/x/5", None),
        (("/j", "s/{id}/info"), "/s/4/info", "4"),
        (("/", "/s/{id}"), "/login", None),
        (("/j", "/s.x/{id}"), "/sax/4", None),
    ],
)
def test_paths_of_a_manifest(paths: tuple[str, str], location: str, expected: str | None) -> None:
    """`server.paths` say where jobs are."""
    assert id_of(location, *paths) == expected
