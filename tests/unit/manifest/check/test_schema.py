"""The JSON Schema itself, and how documents are measured by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # the schema must hold for other programs too

from aftrun.domain.errors import ManifestError
from aftrun.manifest import load_all
from aftrun.manifest.check import layout, schema

ROOT = layout.schema()


def _properties(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        for name, each in node.get("properties", {}).items() if isinstance(node.get("properties"), dict) else ():
            yield f"{path}/{name}", each
        for name, each in node.items():
            yield from _properties(each, f"{path}/{name}")
    elif isinstance(node, list):
        for number, each in enumerate(node):
            yield from _properties(each, f"{path}/{number}")


def test_is_a_schema() -> None:
    """It is a valid schema of its own draft."""
    Draft202012Validator.check_schema(ROOT)


def test_everything_is_explained() -> None:
    """Editors can say of every property what it is, with an example."""
    found = dict(_properties(ROOT["$defs"]))
    assert len(found) > 60
    bare = [path for path, each in found.items() if not {"title", "description", "examples"} <= set(each)]
    assert bare == []
    assert [name for name, each in ROOT["$defs"].items() if not {"title", "description", "examples"} <= set(each)] == []


def _follow(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target: Any = ROOT
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def test_examples_are_valid() -> None:
    """Every example fits what it is an example of."""
    for path, each in [*_properties(ROOT["$defs"]), *ROOT["$defs"].items()]:
        validator = Draft202012Validator(ROOT).evolve(schema=each)
        for example in each["examples"]:
            assert not list(validator.iter_errors(example)), path


def test_objects_are_closed() -> None:
    """Unknown keys are errors everywhere, except those of people's own."""
    for name, each in ROOT["$defs"].items():
        if "properties" in each and name != "matrix":
            assert each["additionalProperties"] is False, name
            assert "^x-" in each["patternProperties"], name


def test_free_fields_ask_for_text_only() -> None:
    """Jobs of one shape are validated once, which is right only while these fields ask for no more than text."""
    properties = ROOT["$defs"]["job"]["properties"]
    words = {"title", "description", "examples", "default", "$ref"}
    for name in schema.FREE_TEXT:
        assert set(properties[name]) - words <= {"type", "minLength"}, name
        assert properties[name]["type"] == "string"
        assert properties[name].get("minLength", 1) == 1
    for name in schema.FREE_LISTS:
        assert properties[name]["$ref"] == "#/$defs/words"
    assert _follow(properties["params"])["additionalProperties"] == {"$ref": "#/$defs/scalar"}


@pytest.mark.parametrize(
    "document",
    [
        {"scriptName": "x"},
        {"scriptName": "x", "params": {"a": 1}, "x-note": []},
        {"jobs": [{"scriptId": "x"}]},
        {"vars": {"a": "b"}},
        {"jobs": [{"scriptName": "x", "timeout": "${T}", "wait": "${W}"}]},
    ],
)
def test_accepts(document: Any) -> None:
    """The whole schema, as an editor uses it, accepts good documents."""
    assert list(Draft202012Validator(ROOT).iter_errors(document)) == []


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"version": 1},
        {"scriptName": "x", "filePath": "y"},
        {"params": {}},
        {"scriptName": "x", "jobs": [{"scriptName": "y"}]},
        {"jobs": [{}]},
        {"jobs": [{"scriptName": "x", "scriptId": "y"}]},
        {"jobs": [{"scriptName": "x", "nope": 1}]},
        {"scriptName": "x", "params": {"a": None}},
        {"scriptName": "x", "needs": ["y"]},
        {"jobs": [{"scriptName": "x", "timeout": 30}]},
    ],
)
def test_refuses(document: Any) -> None:
    """The whole schema refuses bad ones."""
    assert list(Draft202012Validator(ROOT).iter_errors(document)) != []


def test_a_bad_job_among_equals() -> None:
    """Jobs that only look like the good ones before them are still found."""
    good = "".join(f"- {{name: j{n}, scriptName: x, params: {{a: {n}}}, needs: []}}\n" for n in range(50))
    bad = (
        "- {name: 7, scriptName: x, params: {a: 1}, needs: []}\n- {name: a, scriptName: x, params: {a: ~}, needs: []}\n"
    )
    bad += (
        '- {name: "", scriptName: x, params: {a: 1}, needs: []}\n- {name: b, scriptName: x, params: {}, needs: [1]}\n'
    )
    with pytest.raises(ManifestError) as caught:
        load_all(["f.yaml"], read=lambda _: f"jobs:\n{good}{bad}".encode())
    assert [(problem.line, problem.code) for problem in caught.value.problems] == [
        (52, "AFT020"), (53, "AFT029"), (54, "AFT030"), (55, "AFT020"), (55, "AFT051"),
    ]  # fmt: skip
