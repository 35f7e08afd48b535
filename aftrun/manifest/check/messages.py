"""Schema errors → our own messages. The instance is never shown: it may hold secrets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aftrun.domain.text import brief, did_you_mean
from aftrun.manifest.check import habits
from aftrun.manifest.check.diagnostics import Findings
from aftrun.manifest.check.keys import SELECTORS, misspelt_selector, unknown_keys
from aftrun.manifest.check.layout import Schema, unfold
from aftrun.manifest.check.masking import looks_secret
from aftrun.manifest.parse import scalars
from aftrun.manifest.parse.nodes import ListNode, MapNode, Node, ScalarNode

_TYPES = {
    "object": "a mapping (key: value)",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}
_SINGLE = "a single value: text, a number, true or false"
_PLURALS = {_TYPES["object"]: "mappings", _TYPES["string"]: "texts", _SINGLE: "single values"}
_LONGEST_MENDED = 5


def job_title(job: Node, number: int) -> str:
    """How messages call a job: by its name, its script, or its number."""
    if isinstance(job, MapNode):
        for key in ("name", *SELECTORS):
            value = job.get(key)
            if isinstance(value, ScalarNode) and value.text:
                return f"job {brief(value.text)!r}"
    return f"job {number}"


def no_script(node: Node, title: str, findings: Findings, also: str = "") -> None:
    """A job without any of the three ways to name its script."""
    where: Node = node
    if isinstance(node, MapNode) and node.keys:
        where = node.key("name") or node.keys[0]
    others = ", ".join(SELECTORS)
    findings.error(where, "AFT023", f"{title} names no script: give one of {others}{also}")


def _selectors(node: MapNode, title: str, findings: Findings) -> None:
    found = [key for key in node.keys if key.text in SELECTORS]
    if not found and misspelt_selector(node) is not None:
        return  # said of the unknown key
    if not found:
        no_script(node, title or "the job", findings)
        return
    names = " and ".join(f"{key.text} (line {key.line})" for key in found)
    message = f"{title or 'the job'} must have exactly one of {', '.join(SELECTORS)}; found {names}"
    findings.error(found[1], "AFT024", message, "keep one; scriptName is the one for scripts stored on the server")


def _find(node: Node, path: Iterable[str | int]) -> tuple[Node, ScalarNode | None, str]:
    """The node at a path, the key it stands under, and its name for messages."""
    key: ScalarNode | None = None
    name = ""
    for step in path:
        if isinstance(node, MapNode) and isinstance(step, str):
            found, value = node.key(step), node.get(step)
            if found is None or value is None:
                break
            key, node, name = found, value, step
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
            node, key = node.items[step], None
    return node, key, name


def _expected(schema: Schema, defs: Schema) -> list[str]:
    """What a schema asks for, in words, alternatives apart."""
    schema = unfold(schema, defs)
    if schema.get("title") == "Reference":
        return []
    if schema.get("title") == "Duration":
        return [scalars.DURATION]
    if schema.get("title") == "Finish by":
        return [scalars.FINISH_BY]
    if "const" in schema:
        return [str(schema["const"])]
    if "enum" in schema:
        return ["one of " + ", ".join(map(str, schema["enum"]))]
    if "allOf" in schema and "type" not in schema:
        return _expected(schema["allOf"][0], defs)
    if "anyOf" in schema and "properties" not in schema:
        return [text for part in schema["anyOf"] for text in _expected(part, defs)]
    return [_expected_type(schema, defs)]


def _expected_type(schema: Schema, defs: Schema) -> str:
    kind = schema.get("type")
    if kind == "array":
        return "a list of " + _PLURALS.get(" or ".join(_expected(schema["items"], defs)), "values")
    if kind in ("integer", "number") and "minimum" in schema:
        bounds = f"from {schema['minimum']} to {schema['maximum']}" if "maximum" in schema else f"≥ {schema['minimum']}"
        return f"{_TYPES[kind]} {bounds}"
    if isinstance(kind, list) and "object" in kind:
        return _TYPES["object"]
    return _SINGLE if isinstance(kind, list) else _TYPES.get(str(kind), "another value")


def report(error: Any, root: Node, findings: Findings, title: str, defs: Schema) -> None:
    """Put one error of the validator in words, at its place."""
    path = list(error.absolute_path)
    node, _, _ = _find(root, path)
    keyword = error.validator
    if keyword == "additionalProperties" and isinstance(node, MapNode):
        unknown_keys(node, error.schema, title, findings, defs)
    elif keyword == "oneOf" and isinstance(node, MapNode):
        _selectors(node, title, findings)
    elif keyword == "dependentRequired" and isinstance(node, MapNode):
        have, want = ("certFile", "keyFile") if node.key("certFile") else ("keyFile", "certFile")
        findings.error(node.key(have) or node, "AFT022", f"{have!r} needs {want!r} beside it")
    elif keyword == "anyOf" and "properties" in error.schema:
        return  # a manifest without any content: said elsewhere
    elif keyword == "required":
        _missing(error, node, root, findings, title)
    elif keyword in ("const", "not") and "description" in error.schema and path[-1:] != ["version"]:
        _impossible(error, root, findings, title)
    elif keyword == "const":
        what = title.removeprefix("the ") if title in ("the policy", "the scenario") else "manifest"
        message, hint = f"unknown version of the {what} format", "this aftrun knows version 1"
        if isinstance(node, ScalarNode) and not node.plain and node.text.strip() == "1":
            message, hint = "version must be the number 1, without quotes", "write version: 1"
        findings.error(node, "AFT031", message, hint)
    else:
        _wrong_value(error, root, findings, title, defs)


def _missing(error: Any, node: Node, root: Node, findings: Findings, title: str) -> None:
    """A key that must be there. Of several, jsonschema reports each on its own."""
    name = next(name for name in error.validator_value if name not in error.instance and repr(name) in error.message)
    _, key, under = _find(root, error.absolute_path)
    where: Node = key if key is not None else node
    if key is None and isinstance(node, MapNode) and node.keys:
        where = node.keys[0]
    described = error.schema.get("properties", {}).get(name, {})
    words = ", ".join(map(str, described.get("enum", ())))
    hint = f"write one of: {words}" if words else described.get("description", f"write {name}: …")
    findings.error(where, "AFT022", f"{_subject(under, title, node, key)} needs {name!r}", hint)


def _impossible(error: Any, root: Node, findings: Findings, title: str) -> None:
    """A value or key that cannot stand beside the others. The schema says why, as its description."""
    node, key, name = _find(root, error.absolute_path)
    where = key if key is not None else node
    message = f"{_subject(name, title, node, key)} is not possible here"
    findings.error(where, "AFT025", message, error.schema["description"])


def _subject(name: str, title: str, node: Node, key: ScalarNode | None) -> str:
    what = f"{brief(name)!r}" if name else title or "the manifest"
    return what if key is not None or not name else f"each item of {what}"


def _wrong_value(error: Any, root: Node, findings: Findings, title: str, defs: Schema) -> None:
    path = list(error.absolute_path)
    node, key, name = _find(root, path)
    if path[-3:-1] == ["matrix", "include"]:
        message = "a matrix has no include: each key is a list of values, and a job runs for each combination"
        findings.error(node, "AFT020", message, "write that combination as a job of its own, or use exclude")
        return
    if len(path) > 1 and path[-2] == "params":
        _param(node, key, findings)
        return
    if name == "params" and isinstance(node, ListNode):
        _v3_params(node, findings)
        return
    if error.validator == "anyOf" and isinstance(node, ListNode | MapNode):
        # The alternative that at least has the right shape knows best what is wrong.
        kind = "array" if isinstance(node, ListNode) else "object"
        inner = [each for each in error.context if each.relative_path or each.schema.get("type") == kind]
        inner = [each for each in inner if not (each.validator == "type" and not each.relative_path)]
        if inner:
            for each in inner:
                report(each, root, findings, title, defs)
            return
    subject = _subject(name, title, node, key)
    if len(path) > 1 and path[-2] == "matrix" and key is not None and name != "exclude":
        subject = f"the matrix axis {brief(name)!r}"
    expected = " or ".join(dict.fromkeys(_expected(error.schema, defs)))
    empty = isinstance(node, ScalarNode) and not node.text and not node.plain and "minLength" in _keywords(error)
    if empty or error.validator in ("minItems", "minProperties", "minLength"):
        findings.error(node, "AFT030", f"{subject} must not be empty")
        return
    if isinstance(node, ScalarNode) and node.is_null:
        where: Node = key if key is not None else node
        hint = "give it a value, or remove the key"
        findings.error(where, "AFT020", f"{subject} has no value; it must be {expected}", hint)
        return
    code = {"enum": "AFT025", "pattern": "AFT026", "minimum": "AFT027", "maximum": "AFT027"}.get(
        error.validator, "AFT020"
    )
    if error.validator == "pattern":
        expected = _PATTERNS.get(name, expected)
    if error.validator == "anyOf" and isinstance(node, ScalarNode):
        code = _code_of_alternatives(error, code)
    of_server = not isinstance(node, ScalarNode) or expected == _TYPES["object"]
    hint = (of_server and habits.server_hint(path, node)) or _hint(node, name, error, expected)
    findings.error(node, code, f"{subject} must be {expected}", hint)


_PATTERNS = {"submit": "a path that begins with /", "status": "a path that begins with / and holds {id}"}


def _code_of_alternatives(error: Any, code: str) -> str:
    kinds = {each.validator for each in error.context}
    if "enum" in kinds:
        return "AFT025"
    if kinds & {"minimum", "maximum"}:
        return "AFT027"
    return "AFT026" if kinds == {"pattern"} else code


def _hint(node: Node, name: str, error: Any, expected: str) -> str:
    if name == "jobs" and isinstance(node, MapNode) and any(isinstance(each, ScalarNode) for each in node.values):
        return f'write "- {brief(node.names[0])}: …", with a dash before the first key of each job'
    if name == "jobs" and isinstance(node, MapNode) and node.names:
        return f'write "- name: {brief(node.names[0])}" and below it "scriptName: …"'
    if not isinstance(node, ScalarNode):
        return ""
    if expected == "text" or expected.startswith("text or"):
        return (
            f'put it in quotes: "{node.text}"'
            if len(node.text) <= 40 and not looks_secret(name)
            else "put it in quotes"
        )
    if expected.startswith(scalars.DURATION) and node.text.isdecimal() and len(node.text) < 10:
        return f"write the unit too: {node.text}s"
    if "enum" in _keywords(error):
        return did_you_mean(node.text, expected.removeprefix("one of ").split(" or ")[0].split(", "))
    if expected == _TYPES["boolean"] or expected.startswith(("a number", "a whole number")):
        word = node.text.lower() if expected == _TYPES["boolean"] else ""
        if word in ("yes", "on", "y", "true") or word in ("no", "off", "n", "false"):
            return f"write {'true' if word in ('yes', 'on', 'y', 'true') else 'false'}, without quotes"
        return "write it without quotes" if not node.plain and node.text and "$" not in node.text else ""
    return ""


def _keywords(error: Any) -> set[str]:
    return {error.validator, *(each.validator for each in error.context or ())}


def _param(node: Node, key: ScalarNode | None, findings: Findings) -> None:
    """A param that is no scalar: what to do depends on what it is."""
    name = brief(key.text) if key is not None else "the param"
    if isinstance(node, ListNode):
        message = f"param {name!r} is a list, but AFT! takes flat text only"
        hint = (
            'join it to one text (for example "a,b,c") and split it in the script, or use matrix to run once for each'
        )
    elif isinstance(node, MapNode):
        message = f"param {name!r} is a mapping, but AFT! takes flat params only"
        hint = f"give each part a name of its own ({name}_x: …), or write the whole as JSON text in quotes"
    else:
        message = f"param {name!r} has no value"
        hint = f'write {name}: "" for empty text, or remove it'
    findings.error(key if key is not None and isinstance(node, ScalarNode) else node, "AFT029", message, hint)


def _mended(name: str, value: str) -> str:
    shown = (
        "${" + "".join(char if char.isalnum() else "_" for char in name).upper() + "}" if looks_secret(name) else value
    )
    return f'{name}: "{shown}"'


def _v3_params(node: ListNode, findings: Findings) -> None:
    """`[{name: k, value: v}]`, as the command line of AFT! v3 took it."""
    pairs: list[str] = []
    for item in node.items[:_LONGEST_MENDED]:
        name = item.get("name") if isinstance(item, MapNode) else None
        value = item.get("value") if isinstance(item, MapNode) else None
        if isinstance(name, ScalarNode) and isinstance(value, ScalarNode):
            pairs.append(_mended(brief(name.text), brief(value.text)))
    more = ", …" if len(node.items) > len(pairs) else ""
    if pairs:
        message = "'params' is a list of name and value, as in AFT! v3; now it is a flat mapping"
        findings.error(node, "AFT028", message, f"write params: {{{', '.join(pairs)}{more}}}")
    else:
        findings.error(node, "AFT020", "'params' must be a mapping (key: value)", "write params: {name: value}")
