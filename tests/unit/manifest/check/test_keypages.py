"""`aftrun explain KEY`: from the schema alone."""

from __future__ import annotations

import pytest

from aftrun.domain.errors import UsageError
from aftrun.manifest.check.keypages import keys, text


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("server.jobInfo", ("server.jobInfo: Job info (a mapping), in a manifest", "  states ", "keys:")),
        ("timeout", ("timeout: Timeout", "in a job", "default   24h")),
        ("JOBS.retry.limit", ("jobs.retry.limit: ", "default   0")),
        ("servers.eu.tls.fingerprint", ("servers.eu.tls.fingerprint: ",)),
        ("strategy.order", ("one of    sequential, parallel",)),
        ("jobs[0].scriptName", ("jobs.scriptName: ",)),
    ],
)
def test_a_key_is_explained_from_the_schema(path: str, said: tuple[str, ...]) -> None:
    """What it holds, its default, examples, the keys below."""
    page = text(path)
    for each in said:
        assert each in page


def test_every_key_that_is_offered_has_a_page() -> None:
    """TAB offers no dead ends, and each page says something."""
    for name, meaning in keys():
        assert meaning in text(name)


@pytest.mark.parametrize(("path", "hint"), [("jobinfo", "server.jobInfo"), ("tiemout", "timeout"), ("", "server")])
def test_a_key_that_is_none_gets_the_nearest(path: str, hint: str) -> None:
    """By where it stands, or by how it is spelled."""
    with pytest.raises(UsageError) as refused:
        text(path)
    assert hint in refused.value.hint
