"""Each key of a job, as the schema names it, has a reader and a field of `Job`."""

from __future__ import annotations

from dataclasses import fields

import pytest

from aftrun.domain.model import Job
from aftrun.manifest.build import jobs
from aftrun.manifest.check import layout

KEYS = sorted(jobs.settled_keys())
READ = {"timeout", "queueTimeout", "wait", "allowFailure", "retry", "onAmbiguous", "expect", "outputs", "server"}
"""Keys that have a reader of their own."""


@pytest.mark.parametrize("key", KEYS)
def test_each_settled_key_sets_a_field(key: str) -> None:
    """A key of the schema for which a job has no field would be lost."""
    assert jobs.attribute(key) in {field.name for field in fields(Job)}


@pytest.mark.parametrize("key", [key for key in KEYS if key not in READ])
def test_a_key_without_a_reader_is_text(key: str) -> None:
    """All others are read as text that people see, so the schema may ask for nothing else."""
    assert layout.unfold(layout.parts()["job"]["properties"][key], layout.parts())["type"] == "string"
