"""What jobs are called."""

from __future__ import annotations

import pytest

from aftrun.domain.jobnames import job_key, job_labels


@pytest.mark.parametrize(
    ("jobs", "labels"),
    [
        ([], ()),
        ([("m", "a"), ("m", "b")], ("a", "b")),
        ([("m", "a"), ("n", "a"), ("n", "b")], ("m/a", "n/a", "b")),
        ([("m", "load[eu]"), ("n", "load[us]")], ("load[eu]", "load[us]")),
    ],
)
def test_a_label_names_the_manifest_only_where_the_job_needs_it(
    jobs: list[tuple[str, str]], labels: tuple[str, ...]
) -> None:
    """The name alone where it is the only one; else the key."""
    assert job_labels(jobs) == labels
    assert all(label in (name, job_key(manifest, name)) for label, (manifest, name) in zip(labels, jobs, strict=True))
