"""What was promised is kept: documents of published versions are replayed against today's code and schemas.

`tests/data/published/VERSION` holds the schemas and names as they were published, manifests with the plans that they
made, scenarios, and a stream of events; `tests/data/state/VERSION` the reports. What people **write** (manifests,
scenarios) must still be read, and mean the same. What people **read** (reports, events): all that comes out today
must fit the schema that they were given, and hold every property that it names.

Documents written by hand leave gaps, so more are made of the schemas: for each property every word, bound and example.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest

import aftrun
from aftrun.cli.main import MOVED
from aftrun.domain import events
from aftrun.domain.errors import ExitCode
from aftrun.domain.model import Json
from aftrun.manifest import load_all
from aftrun.manifest.check.diagnostics import CODES
from aftrun.manifest.check.scenario import read
from aftrun.report import json as report_json
from aftrun.report.ndjson import line
from aftrun.sandbox.scenario import parse
from aftrun.system.resources import schema_text
from tests.conftest import ROOT
from tests.effort import alike
from tests.unit.manifest.test_corpus import ENVIRON, planned
from tests.unit.report.test_ndjson import ALL
from tests.unit.report_samples import nasty, sample
from tools.commands import commands

VERSIONS = sorted((ROOT / "tests" / "data" / "published").iterdir())
"""A folder for each version that published something new; what is in them is never changed."""
STATES = ROOT / "tests" / "data" / "state"

OPEN_WORDS = {"reason"}
"""Definitions of words to which more may be added, as docs/versioning.md says."""

NEW_WORDS = {"upToDate"}
"""Outcomes that come out only where a manifest says `once`, which manifests of published versions do not."""

UNLISTED_WORDS = {"stopped"}
"""What `show --format json` has always said of a run that was killed, though no schema listed it."""

Schema = dict[str, Any]

published = pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)


def now(name: str) -> Schema:
    """A schema as it is now."""
    found: Schema = json.loads(schema_text(name))
    return found


def then(folder: Path, name: str) -> Schema:
    """A schema as it was published."""
    found: Schema = json.loads((folder / f"{name}.schema.json").read_text(encoding="utf-8"))
    return found


# Documents made of a schema

_TEXTS = ("x", "500ms", "/x/{id}", "${X}", "2026-01-02T03:00:00.000Z", "06:00", "0" * 64, "https://h", "r-1")
"""Texts of which one fits each pattern."""


def _resolved(schema: Any, root: Schema) -> Any:
    while isinstance(schema, dict) and "$ref" in schema:
        found: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def instances(schema: Any, root: Schema) -> Iterator[Json]:
    """Values for a schema, a first plain one, then one more for each thing that it allows. Not all of them fit it."""
    schema = _resolved(schema, root)
    if schema is True:
        yield "x"
    if not isinstance(schema, dict):
        return
    yield from (schema["const"],) if "const" in schema else schema.get("enum", ())
    for name in ("anyOf", "oneOf", "allOf", "then", "else"):
        parts = schema.get(name, ())
        for part in parts if isinstance(parts, list) else (parts,):
            yield from instances(part, root)
    yield from schema.get("examples", ())
    kinds = schema.get("type", "object" if "properties" in schema else ())
    for kind in (kinds,) if isinstance(kinds, str) else kinds:
        yield from _of_type(kind, schema, root)


def _of_type(kind: str, schema: Schema, root: Schema) -> Iterator[Json]:
    bounds = [schema[name] for name in ("minimum", "maximum") if name in schema]
    match kind:
        case "object":
            yield from _objects(schema, root)
        case "array":
            yield from ([item] for item in instances(schema.get("items", True), root))
            yield []
        case "string":
            yield from _TEXTS if "pattern" in schema else ("x",)
            if not schema.get("minLength"):
                yield ""
        case "integer" | "number":
            yield from (*bounds, 1, *((0.5,) if kind == "number" else ()))
        case "boolean":
            yield from (True, False)
        case "null":
            yield None


def _objects(schema: Schema, root: Schema) -> Iterator[Json]:
    """The least object, and for each property each of its values beside what is needed; for each form of `oneOf`."""
    properties = schema.get("properties", {})
    validator = jsonschema.Draft202012Validator(root)

    def first(name: str) -> Json:
        part = properties.get(name, schema.get("additionalProperties", True))
        check = validator.evolve(schema=part)
        return next(value for value in instances(part, root) if check.is_valid(value))

    forms = schema.get("oneOf") or schema.get("anyOf") or ()
    wanted = [each["required"] for each in forms if isinstance(each, dict) and "required" in each] or [[]]
    for names in wanted:
        least = {name: first(name) for name in (*schema.get("required", ()), *names)}
        yield least
        for name, part in properties.items():
            also = {each: first(each) for each in schema.get("dependentRequired", {}).get(name, ())}
            yield from ({**least, **also, name: value} for value in instances(part, root))
        if "patternProperties" in schema:
            yield {**least, "x-own": 1}
        if isinstance(schema.get("additionalProperties"), dict):
            yield from ({**least, "own": value} for value in instances(schema["additionalProperties"], root))


@functools.cache
def _documents(text: str) -> list[Json]:
    schema: Schema = json.loads(text)
    check = jsonschema.Draft202012Validator(schema)
    found = {json.dumps(each, sort_keys=True): each for each in instances(schema, schema)}
    return [each for each in found.values() if check.is_valid(each)]


def documents(schema: Schema) -> list[Json]:
    """The documents made of a schema that fit it, each once."""
    return _documents(json.dumps(schema))


def properties(schema: Schema) -> set[str]:
    """The paths of all properties that a schema names, such as `/run/id` and `/jobs/[]/name`."""
    found: set[str] = set()

    def walk(part: Any, path: str) -> None:
        part = _resolved(part, schema)
        if not isinstance(part, dict):
            return
        if "oneOf" in part and "const" in part.get("properties", {}).get("type", {}):
            path = f"{path}({part['properties']['type']['const']})"
        for name, each in part.get("properties", {}).items():
            below = f"{path}/{name}"
            found.add(below)
            walk(each, below)
        if "items" in part:
            walk(part["items"], f"{path}/[]")
        for keyword in ("anyOf", "oneOf", "allOf"):
            for each in part.get(keyword, ()):
                kind = _resolved(each, schema)
                mark = kind.get("properties", {}).get("type", {}).get("const") if isinstance(kind, dict) else None
                walk(each, f"{path}({mark})" if mark else path)

    walk(schema, "")
    return found


def of_reader(schema: Schema) -> Schema:
    """A published schema as readers use it: they pass over properties that they do not know, and over new words."""
    relaxed = copy.deepcopy(schema)

    def relax(part: Any) -> None:
        if isinstance(part, dict):
            if part.get("additionalProperties") is False:
                del part["additionalProperties"]
            for name in OPEN_WORDS & part.keys():
                if isinstance(part[name], dict):
                    part[name].pop("enum", None)
            if "submitted" in part.get("enum", ()):
                part["enum"] += NEW_WORDS
            if "stateError" in part.get("enum", ()):
                part["enum"] += UNLISTED_WORDS
        for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            relax(each)

    relax(relaxed)
    return relaxed


# The promises


def refused(old: Schema, new: Schema) -> Iterator[Json]:
    """Documents that the old schema allows, and the new one does not."""
    check = jsonschema.Draft202012Validator(new)
    return (each for each in documents(old) if not check.is_valid(each))


def surprises(old: Schema, new: Schema) -> list[Json]:
    """What comes out by the new schema and does not fit the old one, or what the old one names and is gone."""
    check = jsonschema.Draft202012Validator(of_reader(old))
    known = {path.partition(")")[0].removeprefix("(") for path in properties(old) if path.startswith("(")}

    def passed_over(each: Json) -> bool:
        """An event of a type that the reader has no case for."""
        return (
            bool(known) and isinstance(each, dict) and isinstance(each.get("type"), str) and each["type"] not in known
        )

    found = [each for each in documents(new) if not check.is_valid(each) and not passed_over(each)]
    return [*found, *sorted(properties(old) - properties(new))]


@published
@pytest.mark.parametrize("name", ["manifest", "scenario"])
def test_what_was_valid_stays_valid(folder: Path, name: str) -> None:
    """Every key, word and bound that people were told of."""
    assert len(documents(then(folder, name))) > 100
    assert list(refused(then(folder, name), now(name))) == []


@published
@pytest.mark.parametrize("name", ["report", "event"])
def test_what_readers_count_on_stays(folder: Path, name: str) -> None:
    """Reports and events that other people's programs read."""
    assert len(documents(now(name))) > 50
    assert surprises(then(folder, name), now(name)) == []


def _manifests() -> Iterator[tuple[Path, str]]:
    for folder in VERSIONS:
        for path in sorted((folder / "manifests").glob("*.yaml")):
            yield folder, path.stem


@pytest.mark.parametrize(("folder", "name"), list(_manifests()), ids=lambda each: getattr(each, "name", each))
def test_a_manifest_keeps_its_meaning(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It loads, sends the same requests to the same addresses in the same order, and has lost no warning."""
    monkeypatch.chdir(folder / "manifests")
    loaded = load_all([f"{name}.yaml"], environ=ENVIRON, insecure_http=True)  # which had no flag then
    expected = json.loads((folder / "plans.json").read_text(encoding="utf-8"))[name]
    assert json.loads(json.dumps(planned(loaded.manifests))) == expected["plan"]
    assert set(expected["warnings"]) <= {f"{p.line}:{p.column} {p.code}" for p in loaded.warnings}


@published
def test_scenarios_are_read(folder: Path) -> None:
    """By the sandbox and by the schema; between them they show every word that the published schema has."""
    paths = sorted((folder / "scenarios").glob("*.yaml"))
    assert len(paths) > 5
    for path in paths:
        parse(read(str(path), path.read_bytes()))
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    words = {word for part in then(folder, "scenario")["$defs"].values() for word in _words(part)}
    assert {word for word in words if word not in text} == set()


def _words(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (word for word in part.get("enum", ()) if isinstance(word, str))
        for each in part.values():
            yield from _words(each)
    for each in part if isinstance(part, list) else ():
        yield from _words(each)


def holds(new: Json, old: Json) -> bool:
    """Whether everything in the old document is in the new one, which may have more keys."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(key in new and holds(new[key], value) for key, value in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(holds, new, old))
    return old == new


@published
def test_events_are_read(folder: Path) -> None:
    """A stream of every type of event, as that version wrote it, is read, fits the schema, and stays as it is."""
    check = jsonschema.Draft202012Validator(now("event"))
    lines = (folder / "events.ndjson").read_text(encoding="utf-8").splitlines()
    names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    assert {json.loads(each)["type"] for each in lines} == {"stream", *names["events"]}
    for each in lines:
        check.validate(json.loads(each))
    for each in lines[1:]:
        again = json.loads(line(events.from_json(json.loads(each))))
        assert holds(again, json.loads(each)), each


@published
def test_events_of_today_fit_what_readers_were_given(folder: Path) -> None:
    """Every type of event that the version knew, as it is written today."""
    names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    check = jsonschema.Draft202012Validator(of_reader(then(folder, "event")))
    written = [json.loads(line(event)) for event in ALL]
    assert {each["type"] for each in written} >= set(names["events"])
    for each in written:
        if each["type"] in names["events"]:
            check.validate(each)


@published
def test_reports_fit_both_schemas(folder: Path) -> None:
    """Reports of that version fit today's schema; today's reports fit that version's."""
    paths = sorted((STATES / folder.name).glob("*/runs/*/report.json"))
    assert len(paths) > 3
    for path in paths:
        jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), now("report"))
    check = jsonschema.Draft202012Validator(of_reader(then(folder, "report")))
    for report in (sample(), nasty()):
        check.validate(json.loads(report_json.render(report)))


@published
def test_names_stay(folder: Path) -> None:
    """Exit codes keep their numbers; events, flags with their variables, diagnostics and public names stay."""
    names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    current = names_now()
    assert names["exitCodes"].items() <= current["exitCodes"].items()
    for kind in ("events", "diagnostics", "library"):
        assert set(names[kind]) <= set(current[kind]), kind
    for command, flags in names["flags"].items():
        if command in MOVED:  # the tests of its new home hold it to its flags
            continue
        assert flags.items() <= current["flags"][command].items(), command


def names_now() -> dict[str, Any]:
    """What `names.json` holds. For a new version write it with: python -m tests.unit.test_published > …/names.json."""
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


# The replay itself: breaks that are planted are found


def _at(schema: Any, *path: str | int) -> Any:
    for part in path:
        schema = schema[part]
    return schema


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


Change = Callable[[Schema], object]

BREAKS_WRITERS: dict[str, Change] = {
    "a property of jobs is gone": lambda s: _at(s, "$defs", "job", "properties").pop("needs"),
    "a property became required": lambda s: _at(s, "$defs", "job").setdefault("required", []).append("name"),
    "a word of an enum is gone": lambda s: _enum_of(s, "parallel").remove("parallel"),
    "a form is gone": lambda s: _at(s, "$defs", "flag", "anyOf").pop(),
    "a pattern became narrower": lambda s: _at(s, "$defs", "duration", "anyOf", 0).update(pattern="^[0-9]+s$"),
    "a text must be longer": lambda s: _at(s, "$defs", "text").update(minLength=2),
    "free keys are refused": lambda s: _at(s, "$defs", "job").pop("patternProperties"),
    "a bound became narrower": lambda s: _at(s, "$defs", "poll", "properties", "fraction")["anyOf"][0].update(
        maximum=0.9
    ),
    "one form is refused": lambda s: s.update({"then": False}),
}

BREAKS_READERS: dict[str, tuple[str, Change]] = {
    "a property is gone": ("report", lambda s: _at(s, "properties", "run", "properties").pop("id")),
    "an optional property is gone": ("event", lambda s: _at(s, "$defs", "attemptEnded", "properties").pop("message")),
    "a property may be absent": ("report", lambda s: _at(s, "required").remove("summary")),
    "a number became text": (
        "event",
        lambda s: _at(s, "$defs", "submitDeferred", "properties").update(retryIn={"type": "string"}),
    ),
    "a value may be null": (
        "event",
        lambda s: _at(s, "$defs", "accepted", "properties", "jobId").update(type=["string", "null"]),
    ),
    "a new outcome": ("event", lambda s: _at(s, "$defs", "outcome", "enum").append("lost")),
    "another version": ("report", lambda s: _at(s, "properties", "version").update(const=2)),
    "an instant of another form": ("event", lambda s: _at(s, "$defs", "instant").pop("pattern")),
    "a count below zero": ("event", lambda s: _at(s, "$defs", "attempt").update(minimum=0)),
}


@pytest.mark.parametrize("what", alike(BREAKS_WRITERS, every=5))
def test_a_planted_break_for_writers_is_found(what: str) -> None:
    """Some document is refused then."""
    changed = now("manifest")
    BREAKS_WRITERS[what](changed)
    assert changed != now("manifest")
    assert next(refused(now("manifest"), changed), None) is not None


@pytest.mark.parametrize("what", alike(BREAKS_READERS, every=5))
def test_a_planted_break_for_readers_is_found(what: str) -> None:
    """Something comes out then that readers were not told of, or does not any more."""
    name, change = BREAKS_READERS[what]
    changed = now(name)
    change(changed)
    assert changed != now(name)
    assert surprises(now(name), changed)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("report", lambda s: _at(s, "properties", "run", "properties").update(host={"type": "string"})),
        ("event", lambda s: _at(s, "$defs", "reason", "enum").append("moon")),
        ("event", lambda s: _at(s, "$defs", "attempt").update(minimum=2)),
        (
            "event",
            lambda s: _at(s, "oneOf").append(
                {"type": "object", "required": ["type"], "properties": {"type": {"const": "paused"}}}
            ),
        ),
    ],
    ids=["a new property", "a new reason", "a narrower number", "a new type of event"],
)
def test_what_breaks_no_reader_passes(name: str, change: Change) -> None:
    """Readers pass over what they do not know."""
    changed = now(name)
    change(changed)
    assert changed != now(name)
    assert surprises(now(name), changed) == []


if __name__ == "__main__":
    print(json.dumps(names_now(), indent=1, sort_keys=True))  # noqa: T201 - it is a program then
