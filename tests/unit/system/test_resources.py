"""The data files that ship with aftrun."""

from __future__ import annotations

import json

import jsonschema
import pytest

from aftrun.system.resources import schema_text

SCHEMAS = ("manifest", "report", "event", "scenario")


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_there_and_is_a_schema(name: str) -> None:
    """JSON, valid as a JSON Schema of the draft that it names."""
    schema = json.loads(schema_text(name))
    jsonschema.validators.validator_for(schema).check_schema(schema)
    assert schema["$schema"].startswith("https://json-schema.org/")


def test_an_unknown_schema_is_an_error() -> None:
    """No guessing."""
    with pytest.raises(FileNotFoundError):
        schema_text("nothing")
