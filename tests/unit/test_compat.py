"""What was promised is kept: schemas, exit codes, events, flags, codes and names, as they were published."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import aftrun
from aftrun.cli.main import MOVED
from aftrun.domain import events
from aftrun.domain.errors import ExitCode
from aftrun.manifest.check.diagnostics import CODES
from aftrun.system.resources import schema_text
from tests.conftest import ROOT
from tools.commands import commands
from tools.compat import breaking_for_readers, breaking_for_writers

PUBLISHED = sorted((ROOT / "tests" / "data" / "published").iterdir())
"""A folder for each version that published something new; what is in them is never changed."""

OPEN_WORDS = {"reason"}
"""Properties of reports and events to which words may be added, as docs/versioning.md says."""


def _schema(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def now(name: str) -> dict[str, Any]:
    """A schema as it is now."""
    return _schema(schema_text(name))


def then(folder: Path, name: str) -> dict[str, Any]:
    """A schema as it was published."""
    return _schema((folder / f"{name}.schema.json").read_text(encoding="utf-8"))


# The promises


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
@pytest.mark.parametrize("name", ["manifest", "scenario"])
def test_what_was_valid_stays_valid(folder: Path, name: str) -> None:
    """Manifests and scenarios that people have written."""
    assert breaking_for_writers(then(folder, name), now(name)) == []


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
@pytest.mark.parametrize("name", ["report", "event"])
def test_what_readers_count_on_stays(folder: Path, name: str) -> None:
    """Reports and events that other people's programs read."""
    assert breaking_for_readers(then(folder, name), now(name), OPEN_WORDS) == []


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_names_stay(folder: Path) -> None:
    """Exit codes keep their numbers; events, flags with their variables, diagnostics and public names stay."""
    published = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    current = names_now()
    assert published["exitCodes"].items() <= current["exitCodes"].items()
    for kind in ("events", "diagnostics", "library"):
        assert set(published[kind]) <= set(current[kind]), kind
    for command, flags in published["flags"].items():
        if command in MOVED:  # the tests of its new home hold it to its flags
            continue
        assert flags.items() <= current["flags"][command].items(), command


def names_now() -> dict[str, Any]:
    """What `names.json` holds. For a new version write it with: python -m tests.unit.test_compat > …/names.json."""
    return {
        "exitCodes": {code.name: int(code) for code in ExitCode},
        "events": sorted(kind.type for kind in get_args(events.Event)),
        "diagnostics": sorted(CODES),
        "library": sorted(aftrun.__all__),
        "flags": {
            command.name: {flag: each.variable for each in command.options for flag in (*each.flags, *each.opposites)}
            for command in commands()
        },
    }


# The comparison


def _at(schema: dict[str, Any], *path: str | int) -> Any:
    found: Any = schema
    for part in path:
        found = found[part]
    return found


Change = Callable[[dict[str, Any]], object]

BREAKS_WRITERS: dict[str, tuple[Change, str]] = {
    "a property of jobs is gone": (lambda s: _at(s, "$defs", "job", "properties").pop("needs"), "/needs"),
    "a property became required": (lambda s: _at(s, "$defs", "job").setdefault("required", []).append("name"), "/name"),
    "a word of an enum is gone": (lambda s: _enum_of(s, "parallel").remove("parallel"), "parallel"),
    "a form is gone": (lambda s: _at(s, "$defs", "flag", "anyOf").pop(), "flag"),
    "a pattern became narrower": (
        lambda s: _at(s, "$defs", "duration", "anyOf", 0).update(pattern="^[0-9]+s$"),
        "pattern",
    ),
    "a text must be longer": (lambda s: _at(s, "$defs", "text").update(minLength=2), "minLength 1 beside 2"),
    "free keys are refused": (lambda s: _at(s, "$defs", "job").pop("patternProperties"), "<^x-"),
    "a limit was added": (lambda s: _at(s, "$defs", "manifest", "properties", "jobs").update(maxItems=5), "maxItems"),
    "the other form is chosen by something else": (lambda s: s.update({"if": {"required": ["version"]}}), ""),
    "one form is refused": (lambda s: s.update({"then": False}), ""),
}

FINE_FOR_WRITERS: dict[str, Change] = {
    "a new property": lambda s: _at(s, "$defs", "job", "properties").update(priority={"type": "integer"}),
    "a new word": lambda s: _enum_of(s, "parallel").append("random"),
    "a new form": lambda s: _at(s, "$defs", "duration", "anyOf").append({"type": "integer"}),
    "no lower bound": lambda s: _at(s, "$defs", "text").pop("minLength"),
    "other words for people": lambda s: _at(s, "$defs", "job").update(description="A job.", title="J", examples=[]),
    "the same under another name": lambda s: _rename(s, "duration", "timeSpan"),
}

BREAKS_READERS: dict[str, tuple[str, Change, str]] = {
    "a property is gone": ("report", lambda s: _at(s, "properties", "run", "properties").pop("id"), "/run/id: is gone"),
    "a property may be absent": ("report", lambda s: _at(s, "required").remove("summary"), "/summary: may be absent"),
    "a number became text": (
        "event",
        lambda s: _at(s, "$defs", "submitDeferred", "properties").update(retryIn={"type": "string"}),
        "/retryIn: string beside number",
    ),
    "a value may be null": (
        "event",
        lambda s: _at(s, "$defs", "accepted", "properties", "jobId").update(type=["string", "null"]),
        "/jobId: null beside string",
    ),
    "a new outcome": ("event", lambda s: _at(s, "$defs", "outcome", "enum").append("lost"), "the values lost"),
    "any text instead of words": ("event", lambda s: _at(s, "$defs", "outcome").update(enum=["x"]), "the values x"),
    "another version": ("report", lambda s: _at(s, "properties", "version").update(const=2), "/version: the values 2"),
    "an instant of another form": ("event", lambda s: _at(s, "$defs", "instant").pop("pattern"), "pattern None beside"),
    "a count below zero": ("event", lambda s: _at(s, "$defs", "attempt").update(minimum=0), "minimum 0 beside 1"),
    "a type of event under another name": (
        "event",
        lambda s: _at(s, "$defs", "accepted", "required").remove("jobId"),
        "/jobId: may be absent",
    ),
    "an event without a type": ("event", lambda s: _at(s, "oneOf").append({"type": "object"}), ""),
}

FINE_FOR_READERS: dict[str, tuple[str, Change]] = {
    "a new property": ("report", lambda s: _at(s, "properties", "run", "properties").update(host={"type": "string"})),
    "always there now": (
        "report",
        lambda s: _at(s, "properties", "run").update(required=list(s["properties"]["run"]["properties"])),
    ),
    "a new reason": ("event", lambda s: _at(s, "$defs", "reason", "enum").append("moon")),
    "a narrower number": ("event", lambda s: _at(s, "$defs", "attempt").update(minimum=2)),
    "an outcome that does not come any more": ("event", lambda s: _at(s, "$defs", "outcome", "enum").remove("skipped")),
    "a new type of event": (
        "event",
        lambda s: _at(s, "oneOf").append(
            {"type": "object", "required": ["type"], "properties": {"type": {"const": "paused"}}}
        ),
    ),
}


def _enum_of(schema: Any, word: str) -> list[str]:
    """The list of words that has this one."""
    if isinstance(schema, dict):
        if word in schema.get("enum", ()):
            found: list[str] = schema["enum"]
            return found
        schema = list(schema.values())
    for each in schema if isinstance(schema, list) else ():
        below = _enum_of(each, word)
        if below:
            return below
    return []


def _rename(schema: dict[str, Any], old: str, new: str) -> None:
    text = json.dumps(schema).replace(f'"#/$defs/{old}"', f'"#/$defs/{new}"')
    schema.clear()
    schema.update(json.loads(text))
    schema["$defs"][new] = schema["$defs"].pop(old)


@pytest.mark.parametrize("what", BREAKS_WRITERS)
def test_a_planted_break_for_writers_is_found(what: str) -> None:
    """With the place and the reason."""
    changed = now("manifest")
    change, said = BREAKS_WRITERS[what]
    change(changed)
    assert changed != now("manifest")
    found = breaking_for_writers(now("manifest"), changed)
    assert found
    assert said in "\n".join(found) or said == "flag"


@pytest.mark.parametrize("what", FINE_FOR_WRITERS)
def test_what_breaks_no_writer_passes(what: str) -> None:
    """More may be written than before."""
    changed = now("manifest")
    FINE_FOR_WRITERS[what](changed)
    assert changed != now("manifest")
    assert breaking_for_writers(now("manifest"), changed) == []


@pytest.mark.parametrize("what", BREAKS_READERS)
def test_a_planted_break_for_readers_is_found(what: str) -> None:
    """With the place and the reason."""
    name, change, said = BREAKS_READERS[what]
    changed = now(name)
    change(changed)
    assert changed != now(name)
    found = breaking_for_readers(now(name), changed, OPEN_WORDS)
    assert found
    assert said in "\n".join(found)


@pytest.mark.parametrize("what", FINE_FOR_READERS)
def test_what_breaks_no_reader_passes(what: str) -> None:
    """Readers pass over what they do not know, and can count on more than before."""
    name, change = FINE_FOR_READERS[what]
    changed = now(name)
    change(changed)
    assert changed != now(name)
    assert breaking_for_readers(now(name), changed, OPEN_WORDS) == []


def test_a_keyword_that_is_not_known_is_no_pass() -> None:
    """Who uses a new keyword teaches the comparison first."""
    with pytest.raises(NotImplementedError, match="contains"):
        breaking_for_writers({"contains": {}}, {"contains": {}})


@pytest.mark.parametrize(
    ("old", "new", "breaks"),
    [
        ({}, True, False),
        ({}, False, True),
        (False, {"type": "string"}, False),
        ({"type": "integer"}, {"type": "number"}, False),
        ({"type": "number"}, {"type": "integer"}, True),
        ({"enum": [1, "a"]}, {"type": ["integer", "string"]}, False),
        ({"enum": [1]}, {"enum": [True]}, True),
        ({"const": 5}, {"minimum": 5}, False),
        ({"const": 5}, {"exclusiveMinimum": 5}, True),
        ({"const": "ab"}, {"pattern": "^a", "minLength": 2}, False),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": ["string", "null"]}, False),
        ({"type": "string"}, {"anyOf": [{"type": "integer"}, {"minLength": 0, "type": "string"}]}, True),
        ({"allOf": [{"type": "string"}, {"minLength": 2}]}, {"type": "string", "minLength": 1}, False),
        ({"not": {"type": "string"}}, {"not": {"type": "string", "minLength": 1}}, False),
        ({"not": {"type": "string", "minLength": 1}}, {"not": {"type": "string"}}, True),
        ({"oneOf": [{"type": "string"}]}, {"oneOf": [{"type": "string"}, {"type": "null"}]}, False),
        ({"oneOf": [{"type": "string"}]}, {"oneOf": [{"type": "string"}, {"minLength": 3}]}, True),
        ({"type": "array", "items": {"type": "string"}}, {"items": {"type": ["string", "null"]}}, False),
        ({"type": "array"}, {"items": {"type": "string"}}, True),
        ({"patternProperties": {"^x": {}}, "additionalProperties": False}, {"additionalProperties": False}, True),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"properties": {"a": {}, "b": False}}, False),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}, {}, False),
    ],
)
def test_small_comparisons(old: Any, new: Any, breaks: bool) -> None:
    """One keyword at a time."""
    assert bool(breaking_for_writers(old, new)) is breaks


def test_schemas_that_hold_themselves() -> None:
    """The question ends, and finds what changed inside."""
    tree: Any = {"$ref": "#/$defs/t", "$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}}}
    other = copy.deepcopy(tree)
    assert breaking_for_writers(tree, other) == []
    other["$defs"]["t"]["maxItems"] = 3
    assert breaking_for_writers(tree, other)[0] == "/: maxItems unlimited beside 3"


SCALARS = st.sampled_from([None, True, 0, 1, 2, 2.5, "", "a", "bb"])
INSTANCES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abx"), inner, max_size=2)
)


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    parts = {
        "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        "required": st.lists(st.sampled_from("ab"), unique=True, max_size=2),
        "additionalProperties": inner | st.booleans(),
        "patternProperties": st.dictionaries(st.sampled_from(["^x", "^a", "."]), inner, max_size=1),
        "items": inner,
        "anyOf": st.lists(inner, min_size=1, max_size=2),
        "oneOf": st.lists(inner, min_size=1, max_size=2),
        "allOf": st.lists(inner, min_size=1, max_size=2),
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
    }
    return st.fixed_dictionaries({}, optional=parts)


PLAIN = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "number", "object", "array", ["null", "boolean", "integer"]]),
        "enum": st.lists(SCALARS, min_size=1, max_size=2),
        "minimum": st.integers(0, 2),
        "maximum": st.integers(0, 2),
        "minLength": st.integers(0, 2),
        "maxItems": st.integers(0, 2),
        "minProperties": st.integers(0, 2),
    },
)
SCHEMAS = st.recursive(PLAIN | st.booleans(), _objects, max_leaves=5)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """A schema, and another that often is a little different from it."""
    old = draw(SCHEMAS)
    new = copy.deepcopy(old)
    if isinstance(new, dict) and draw(st.booleans()):
        for key in draw(st.lists(st.sampled_from(sorted(new) or ["x"]), max_size=2)):
            new.pop(key, None)
        extra = draw(SCHEMAS)
        new.update(extra if isinstance(extra, dict) and draw(st.booleans()) else {})
        return old, new
    return old, draw(SCHEMAS)


@given(pairs(), st.lists(INSTANCES, min_size=1, max_size=8))
def test_what_passes_is_safe(pair: tuple[Any, Any], instances: list[Any]) -> None:
    """Where no break is said to be, whatever was valid is valid, as jsonschema sees it."""
    old, new = pair
    if breaking_for_writers(old, new):
        return
    before, after = jsonschema.Draft202012Validator(old), jsonschema.Draft202012Validator(new)
    for instance in instances:
        assert after.is_valid(instance) or not before.is_valid(instance), instance


if __name__ == "__main__":
    print(json.dumps(names_now(), indent=1, sort_keys=True))  # noqa: T201 - it is a program then
