"""What a JSON Schema that ships with aftrun finds wrong with plain data. The only importer of `jsonschema`."""

from __future__ import annotations

import functools
import json
from typing import Any

from aftrun.domain.model import Json
from aftrun.domain.text import brief, did_you_mean
from aftrun.system.resources import schema_text


@functools.cache
def validator(name: str, part: str = "") -> Any:
    """The validator of a schema (`manifest`, `scenario`), or of one of its `$defs`.

    Raises:
        FileNotFoundError: there is no schema of that name.
    """
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - a tenth of a second that not every command spends

    schema = json.loads(schema_text(name))
    return Draft202012Validator(schema).evolve(schema=schema["$defs"][part] if part else schema)


def first_error(name: str, data: Json) -> tuple[str, str] | None:
    """The path and words of the error that says most, such as `jobs[0].name` and `3 is not of type 'string'`."""
    from jsonschema.exceptions import best_match  # noqa: PLC0415 - as above

    error = best_match(validator(name).iter_errors(data))
    if error is None:
        return None
    return error.json_path.removeprefix("$").removeprefix("."), _words(error)


def _words(error: Any) -> str:
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = next(name for name in error.instance if name not in known and not name.startswith("x-"))
        guess = did_you_mean(unknown, known)
        return f"unknown key {brief(unknown)!r}" + (f"; {guess}" if guess else "")
    if error.validator == "not":  # jsonschema would quote the schema; ours say why, as a description
        return str(error.schema.get("description", error.message))
    return str(error.message)
