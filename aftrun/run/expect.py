"""JMESPath on job infos: a job's own conditions (`expect`), and what it hands on (`outputs`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from aftrun.domain.model import Json
from aftrun.domain.secrets import NOTHING_SECRET, Foreign, Scrubber
from aftrun.run.plan import Plan
from aftrun.system import expressions

_LONGEST_VALUE = 80


def load(plan: Plan) -> None:
    """Load what judging the jobs of a plan will need, before any of them is sent."""
    if any(task.job.expect or task.job.outputs for task in plan.tasks):
        search("length(@)", 1)  # an expression that goes wrong loads what says so


def search(expression: str, raw: Json) -> tuple[Json, str]:
    """The value of a JMESPath expression, or None and what went wrong."""
    import jmespath  # noqa: PLC0415  # 10 ms at start-up for a feature that most runs do not use

    try:
        found = expressions.search(expression, raw)
    except jmespath.exceptions.JMESPathError as error:
        return None, str(error)
    return found, ""


def unmet(conditions: Iterable[str], raw: Json, scrubber: Scrubber = NOTHING_SECRET) -> str | None:
    """What to say of the first condition that does not hold, with the values that it looked at; None: all hold."""
    for condition in conditions:
        found, problem = search(condition, raw)
        if problem or found is None or found is False:
            seen = scrubber.show(Foreign(problem)) or ", ".join(_looked_at(condition, raw, scrubber))
            seen = seen or f"it is {json.dumps(found)}"
            return f"the job ended well by its state, but `expect` does not hold: {condition} ({seen})"
    return None


def _looked_at(condition: str, raw: Json, scrubber: Scrubber) -> list[str]:
    """The fields that a condition compares, with their values: `filesTransferred is 12`."""
    import jmespath  # noqa: PLC0415  # as above

    said: dict[str, None] = {}
    for name in _compared(jmespath.compile(condition).parsed):
        value, _ = search(name, raw)
        shown = scrubber.show(Foreign(json.dumps(value, ensure_ascii=False)), _LONGEST_VALUE + 1)
        said["there is no " + name if value is None else f"{name} is {shown}"] = None
    return list(said)


def _compared(node: Mapping[str, Any]) -> list[str]:
    """The paths of plain names on either side of comparisons."""
    children = node.get("children", ())
    if node["type"] == "comparator":
        return [name for child in children if (name := _name(child))]
    if node["type"] in ("and_expression", "or_expression", "not_expression"):
        return [name for child in children for name in _compared(child)]
    return []


def _name(node: Mapping[str, Any]) -> str:
    if node["type"] == "field":
        return json.dumps(node["value"]) if not str(node["value"]).isidentifier() else str(node["value"])
    if node["type"] == "subexpression":
        parts = [_name(child) for child in node["children"]]
        return ".".join(parts) if all(parts) else ""
    return ""
