"""What a job says of itself reaches every event and report as it is."""

from __future__ import annotations

import json
from dataclasses import fields

from aftrun.domain.events import JobHeader
from aftrun.domain.model import About, Job, JobResult
from aftrun.domain.text import camel
from aftrun.manifest.check import layout
from aftrun.system.resources import schema_text

NAMES = [field.name for field in fields(About)]


def test_all_that_carry_it_have_it_from_one_class() -> None:
    """Whoever listed its fields by hand would forget one."""
    for kind in (Job, JobHeader, JobResult):
        assert issubclass(kind, About)
        assert not set(NAMES) & set(vars(kind)["__annotations__"])


def test_every_schema_names_it() -> None:
    """Manifests, events and reports know each of its fields, by the same key."""
    report = json.loads(schema_text("report"))["$defs"]["job"]["properties"]
    event = json.loads(schema_text("event"))["$defs"]["header"]["properties"]
    for name in map(camel, NAMES):
        assert name in layout.keys("job")
        assert name in layout.keys("single")
        assert name in layout.keys("defaults")
        assert name in report
        assert name in event
