"""What a key of a manifest means, from its JSON Schema: `aftrun explain server.jobInfo`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from aftrun.domain.errors import UsageError
from aftrun.domain.text import did_you_mean
from aftrun.manifest.check import layout
from aftrun.manifest.check.layout import Schema

_ROOTS = ("manifest", "job")
"""The parts in which a path may begin, the first that has the key: `timeout` is a job's, `server` a manifest's."""
_KINDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}


def text(path: str) -> str:
    """The page of a key: where it stands, what it holds, its default, examples, and the keys below it.

    Args:
        path: keys with dots between them, such as `server.jobInfo` or `jobs.retry`; lists and names are passed over.

    Raises:
        UsageError: there is no such key.
    """
    found, form, where = _find(path)
    lines = [f"{'.'.join(found)}: {form.get('title', found[-1])} ({_kind(form)}), in {where}", ""]
    lines += [str(form["description"]), ""] if "description" in form else []
    facts = [
        ("default", form.get("default")),
        ("one of", ", ".join(map(str, _words(form))) or None),
        ("at least", form.get("minimum")),
        ("at most", form.get("maximum")),
    ]
    lines += [
        f"  {name:<9} {value if isinstance(value, str) else json.dumps(value)}"
        for name, value in facts
        if value is not None
    ]
    lines += [f"  example   {found[-1]}: {_flow(each)}" for each in form.get("examples", ())[:2]]
    inner = _inside(form)
    if inner:
        width = max(map(len, inner))
        lines += ["", "keys:", *(f"  {name:<{width}}  {_said(each)}" for name, each in inner.items())]
        lines += ["", f"`aftrun explain {'.'.join(found)}.{next(iter(inner))}` explains one of them"]
    return "\n".join(lines).rstrip() + "\n"


def keys() -> Iterator[tuple[str, str]]:
    """Every key that can be asked about, with a word on it: what TAB offers."""
    seen: set[str] = set()
    for root in _ROOTS:
        for name, form in layout.parts()[root]["properties"].items():
            if name in seen:
                continue  # the page is that of the part which comes first
            seen.add(name)
            yield name, _said(form)
            for inner, below in _inside(_opened(form)).items():
                yield f"{name}.{inner}", _said(below)


def _find(path: str) -> tuple[list[str], Schema, str]:
    steps = [step.partition("[")[0] for step in path.split(".") if step]
    for root in _ROOTS:
        form: Schema = layout.parts()[root]
        found: list[str] = []
        for step in steps:
            inner = _inside(form)
            name = next((each for each in inner if each.lower() == step.lower()), None)
            if name is None and _named(form) is not None:
                form = _opened(_named(form) or {})  # a name of the user's own, such as that of a server
                found.append(step)
                continue
            if name is None:
                break
            form = _opened(inner[name])
            found.append(name)
        if found and len(found) == len(steps):
            return found, form, "a job" if root == "job" else "a manifest"
    known = [name for name, _ in keys()]
    last = steps[-1] if steps else ""
    places = [each for each in known if each.lower().endswith(f".{last.lower()}")]
    hint = f"did you mean {places[0]}?" if places else did_you_mean(path, known)
    hint = hint or "`aftrun explain server` and `aftrun explain jobs` show keys"
    raise UsageError(f"there is no key {path or repr(path)}", hint=hint)


def _opened(form: Schema) -> Schema:
    """A form with what its references say, its own words first."""
    merged: dict[str, Any] = {}
    while True:
        merged = {**form, **merged}
        if "$ref" not in form:
            break
        target: Any = layout.parts()
        for step in str(form["$ref"]).removeprefix("#/$defs/").split("/"):
            target = target[step]
        form = target
    merged.pop("$ref", None)
    return merged


def _inside(form: Schema) -> dict[str, Schema]:
    """The keys of a mapping, or of each item of a list of mappings."""
    form = _opened(form)
    if form.get("type") == "array" and isinstance(form.get("items"), dict):
        return _inside(form["items"])
    return dict(form.get("properties", {}))


def _named(form: Schema) -> Schema | None:
    """What stands under names of the user's own, where a mapping takes such."""
    other = _opened(form).get("additionalProperties")
    return other if isinstance(other, dict) and ("$ref" in other or "properties" in other) else None


def _words(form: Schema) -> tuple[Any, ...]:
    forms = (form, *(_opened(each) for each in form.get("anyOf", ())))
    return next((tuple(each["enum"]) for each in forms if "enum" in each), ())


def _kind(form: Schema) -> str:
    kinds = [_KINDS.get(str(each.get("type")), "") for each in (form, *map(_opened, form.get("anyOf", ())))]
    return " or ".join(dict.fromkeys(filter(None, kinds))) or "a value"


def _said(form: Schema) -> str:
    return str(_opened(form).get("description", ""))


def _flow(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
