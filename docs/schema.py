"""What of the manifest's schema follows from the rest of it: the keys of a job, where else they may stand.

A key of a job is written once, in `$defs/job`. Editors want closed mappings, so `single` and `defaults` name each key
again; these lines are made here.
"""

from __future__ import annotations

import json
from typing import Any

from aftrun.domain.model import Selector
from aftrun.system.resources import schema_text

_SCRIPT = [selector.value for selector in Selector]
_WITHOUT = {"single": ["server", "needs", "when", "matrix"], "defaults": ["name", "needs", *_SCRIPT]}
"""The keys of a job that have no meaning there."""
_COPIED = ("title", "description", "default", "examples")


def manifest() -> str:
    """The text of the manifest's schema."""
    schema: dict[str, Any] = json.loads(schema_text("manifest"))
    job = schema["$defs"]["job"]["properties"]
    for part, without in _WITHOUT.items():
        properties = schema["$defs"][part]["properties"]
        own = {key: value for key, value in properties.items() if "job/properties" not in value.get("$ref", "")}
        copies = {key: _copy(key, value) for key, value in job.items() if key not in without}
        schema["$defs"][part]["properties"] = own | copies
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _copy(key: str, value: dict[str, Any]) -> dict[str, Any]:
    """What an editor shows of the key, and where its form stands."""
    shown = {name: value[name] for name in _COPIED if name in value}
    examples = shown.pop("examples")
    return {**shown, "$ref": f"#/$defs/job/properties/{key}", "examples": examples}
