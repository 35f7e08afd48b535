"""Schemas and their types as Markdown tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

NOTE = "<!-- Written by `python -m docs.generate`; change the {source}, not this page. -->"


def prose(text: str) -> str:
    """Text as a paragraph."""
    return re.sub(r"\s+", " ", text).replace("<", "&lt;").strip()


def cell(text: str) -> str:
    """Text that may stand in a cell of a table."""
    return prose(text).replace("|", "\\|")


def code(value: object) -> str:
    """A value as it would stand in a manifest, marked as code."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    mark = "``" if "`" in text else "`"
    pad = " " if "`" in text else ""
    return f"{mark}{pad}{text}{pad}{mark}".replace("|", "\\|") if text else '`""`'


def slug(title: str) -> str:
    """The anchor that both GitHub and the site give to a title."""
    return re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """The lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


class Reader:
    """Puts the types of one schema into words."""

    def __init__(self, schema: Schema, links: Mapping[str, str]) -> None:
        self._schema = schema
        self._links = links

    def find(self, reference: str) -> Schema:
        """What `#/$defs/job` stands for."""
        found: Any = self._schema
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert isinstance(found, dict), reference  # noqa: S101  # our own schemas
        return found

    def kind(self, schema: Schema) -> str:  # one line for each form of a schema
        """The type of a value."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            if name in self._links:
                return f"[{name}](#{self._links[name]})"
            return self.kind(self.find(schema["$ref"]))
        if "allOf" in schema:
            return self.kind(schema["allOf"][0])
        if "const" in schema:
            return code(schema["const"])
        if "enum" in schema:
            return ", ".join(code(each) for each in schema["enum"])
        if "anyOf" in schema:
            kinds = [self.kind(each) for each in schema["anyOf"] if not str(each.get("$ref")).endswith("/reference")]
            if len(kinds) == 2 and kinds[1] == f"list of {kinds[0]}" and "," in kinds[0]:
                return f"{kinds[0]}, or a list of these"
            return " or ".join(dict.fromkeys(kinds)).replace("any", "text" if schema.get("type") == "string" else "any")
        if schema.get("type") == "array":
            return f"list of {self.kind(schema.get('items', {}))}"
        if "properties" in schema or schema.get("type") == "object":
            inner = schema.get("additionalProperties")
            return f"map of {self.kind(inner)}" if isinstance(inner, Mapping) else "map"
        kind = schema.get("type", "any")
        names = [kind] if isinstance(kind, str) else list(kind)
        text = " or ".join("text" if name == "string" else name for name in names)
        return text + self._bounds(schema)

    @staticmethod
    def _bounds(schema: Schema) -> str:
        least, most = (
            bound if bound is not None and abs(bound) < 10**9 else None
            for bound in (schema.get("minimum"), schema.get("maximum"))
        )
        if least is None and most is None:
            return ""
        if most is None:
            return f" ≥ {least}"
        return f" {least} to {most:,}" if least is not None else f" ≤ {most:,}"

    def description(self, schema: Schema) -> str:
        """What it means: its own words, or those of what it refers to."""
        text = schema.get("description")
        if text is None and "$ref" in schema:
            text = self.find(schema["$ref"]).get("description")
        return cell(text or schema.get("title", ""))

    def rows(self, schema: Schema, *, defaults: bool) -> list[tuple[str, ...]]:
        """A row for each key of a mapping."""
        needed = set(schema.get("required", ()))
        found: list[tuple[str, ...]] = []
        for key, value in schema.get("properties", {}).items():
            if isinstance(value, bool):
                continue  # only says that the key may be there
            mark = f"`{key}`" if defaults or key in needed else f"`{key}` (optional)"
            words = [self.description(value)]
            if defaults and (examples := value.get("examples")) and not self._kept_apart(value):
                words.append(f"Example: {code(examples[0])}")
            default = code(value["default"]) if "default" in value else ""
            between = (default,) if defaults else ()
            found.append((mark, self.kind(value), *between, " ".join(filter(None, words))))
        return found

    def _kept_apart(self, schema: Schema) -> bool:
        """Whether the value is a mapping with a table of its own, where its example stands."""
        inner = schema.get("items") or schema.get("additionalProperties") or schema
        if not isinstance(inner, Mapping) or "$ref" not in inner:
            return False
        return "properties" in self.find(inner["$ref"])


def page(title: str, source: str, lines: Iterator[str]) -> str:
    """A whole page."""
    return "\n".join([f"# {title}", "", NOTE.format(source=source), "", *lines]).rstrip() + "\n"
