"""Each key of a job, as the schema names it, has a reader and a field of `Job`."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from aftrun.domain.model import Job
from aftrun.domain.text import snake
from aftrun.manifest import load_all
from aftrun.manifest.build import jobs
from aftrun.manifest.check import keys, layout

KEYS = sorted(jobs.settled_keys())
READ = {"timeout", "queueTimeout", "wait", "allowFailure", "retry", "onAmbiguous", "expect", "outputs", "server"}
"""Keys that have a reader of their own."""


@pytest.mark.parametrize("key", KEYS)
def test_each_settled_key_sets_a_field(key: str) -> None:
    """A key of the schema for which a job has no field would be lost."""
    assert snake(key) in {field.name for field in fields(Job)}


@pytest.mark.parametrize("key", [key for key in KEYS if key not in READ])
def test_a_key_without_a_reader_is_text(key: str) -> None:
    """All others are read as text that people see, so the schema may ask for nothing else."""
    assert layout.unfold(layout.parts()["job"]["properties"][key], layout.parts())["type"] == "string"


@pytest.mark.parametrize("key", layout.keys("job"))
def test_each_example_of_a_key_makes_a_job(tmp_path: Path, key: str) -> None:
    """What the schema gives as an example is read, in a job and, where it may stand there, in `defaults`."""
    other = {"name": "extract", "scriptName": "x"}
    for number, example in enumerate(layout.parts()["job"]["properties"][key]["examples"]):
        job = {key: example} if key in keys.SELECTORS else {"scriptName": "y", key: example}
        document: dict[str, object] = {"jobs": [job] if key == "name" else [other, job]}
        if key == "server":
            document["servers"] = {example: {}}
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(document))
        loaded = load_all([str(path)], environ={})
        assert not [each for each in loaded.warnings if each.code < "AFT100"]
        if key in layout.keys("defaults"):
            path.write_text(json.dumps({**document, "jobs": [other], "defaults": {key: example}}))
            assert load_all([str(path)], environ={}).manifests
