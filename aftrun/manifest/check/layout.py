"""Which keys stand where in a manifest, read from its JSON Schema: no list of keys is kept by hand."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from aftrun.system.resources import schema_text

Schema = Mapping[str, Any]


@functools.cache
def schema() -> dict[str, Any]:
    """The manifest's JSON Schema, as it ships."""
    loaded: dict[str, Any] = json.loads(schema_text("manifest"))
    return loaded


def parts() -> Schema:
    """The schema's parts by name: `manifest`, `single`, `job`, `server` and so on."""
    found: Schema = schema()["$defs"]
    return found


def unfold(part: Schema, defs: Schema) -> Schema:
    """Follow `$ref`s to the schema that says something."""
    while "$ref" in part:
        target: Any = defs
        for step in str(part["$ref"]).removeprefix("#/$defs/").split("/"):
            target = target[step]
        part = target
    return part


@functools.cache
def keys(part: str) -> tuple[str, ...]:
    """The keys of a part, in order."""
    return tuple(parts()[part]["properties"])


def _required(choices: list[Schema]) -> tuple[str, ...]:
    return tuple(choice["required"][0] for choice in choices)


@functools.cache
def one_job() -> tuple[str, ...]:
    """The keys that make a document the one-job form."""
    return _required(schema()["if"]["anyOf"])


@functools.cache
def many_jobs() -> tuple[str, ...]:
    """The keys of which a manifest with a list of jobs holds one at least."""
    return _required(parts()["manifest"]["anyOf"])


@functools.cache
def mappings(part: str) -> frozenset[str]:
    """The keys of a part whose values are mappings, by whatever keys."""
    return frozenset(
        key for key, value in parts()[part]["properties"].items() if unfold(value, parts()).get("type") == "object"
    )


@functools.cache
def of_the_file() -> frozenset[str]:
    """The keys that say something of one file of a manifest: they are not merged into the file that includes it."""
    return frozenset(keys("manifest")) - mappings("manifest") - {"jobs"}


@functools.cache
def beside_the_job() -> frozenset[str]:
    """The keys of the one-job form that are not the job's."""
    job = "#/$defs/job/"
    return frozenset(key for key, value in parts()["single"]["properties"].items() if not _refers(value, job))


def _refers(value: Schema, to: str) -> bool:
    return str(value.get("$ref", "")).startswith(to)


@functools.cache
def of_many_jobs() -> frozenset[str]:
    """The keys of a job that have a meaning only beside other jobs."""
    return frozenset(keys("job")) - frozenset(keys("single"))


@functools.cache
def bounds(part: str, key: str) -> tuple[float, float]:
    """The least and the most that a number may be."""
    form = _written(part, key)
    return form["minimum"], form["maximum"]


@functools.cache
def words(part: str, key: str) -> tuple[str, ...]:
    """The words of which a value is one, or several."""
    return tuple(_written(part, key)["enum"])


def _written(part: str, key: str) -> Schema:
    """What is asked of a value that holds no reference; a list of such values may stand there as well."""
    form = unfold(parts()[part]["properties"][key], parts())
    return unfold(form["anyOf"][0], parts()) if "anyOf" in form else form


@functools.cache
def place(key: str, among: str) -> str:
    """Where a key stands that is none of a job (`among` is `job`) or of the manifest: `server.tls`. Empty: nowhere."""
    order = ("job", "manifest") if among == "job" else ("manifest", "job")
    return next((path for part in order for path, name in _below(part) if key in keys(name)), "")


@functools.cache
def _below(part: str) -> tuple[tuple[str, str], ...]:
    """The parts that stand below another, each with its path, the nearest first. Jobs are not below the manifest."""
    found = list(_inner(part, ""))
    for path, name in found:
        found += _inner(name, f"{path}.")
    return tuple(found)


def _inner(part: str, path: str) -> Iterator[tuple[str, str]]:
    for key, value in parts()[part]["properties"].items():
        name = str(value.get("$ref", "")).removeprefix("#/$defs/")
        if name in parts() and "properties" in parts()[name] and name != "defaults":
            yield f"{path}{key}", name
