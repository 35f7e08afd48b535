"""Which changes of a published JSON Schema break somebody.

Of what people **write** (manifests, scenarios), everything that was valid must stay valid: the new schema must accept
all that the old one did. So these break: a property that is gone, one that became required, a type, enum, pattern or
bound that became narrower, a form (`anyOf`) that is gone. Adding properties, forms and words is fine.

Of what people **read** (reports, events), everything that they could count on must still hold: the old schema must
accept all that the new one lets through. So these break: a property that is gone or is no longer always there, a type
or enum that became wider (a reader has no case for it), a pattern or bound that became looser. Readers pass over
properties that they do not know, and over events of types that they do not know, so adding those is fine; and words
may be added where it was said from the beginning that they may (`open_words`).

Both are one question, asked in two directions: does schema B accept all that schema A accepts? It cannot be answered
for all schemas. This answers it keyword by keyword, and where it cannot tell, it says that the change breaks: who
changes a schema in such a way looks at it by hand. What it lets pass is safe; a property test holds it against
jsonschema. Words for people (titles, descriptions, examples, defaults) do not matter.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast

Schema = Mapping[str, Any] | bool

_FOR_PEOPLE = frozenset({"$schema", "$id", "$defs", "$comment", "title", "description", "examples", "default"})
_LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_SAME = ("pattern", "format", "multipleOf", "uniqueItems", "dependentRequired", "propertyNames", "prefixItems")
_KNOWN = frozenset({
    *_FOR_PEOPLE, *_LOWER_BOUNDS, *_UPPER_BOUNDS, *_SAME, "$ref", "type", "enum", "const", "properties", "required",
    "additionalProperties", "patternProperties", "items", "allOf", "anyOf", "oneOf", "not", "if", "then", "else",
})  # fmt: skip
_TYPES = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})


def breaking_for_writers(old: Schema, new: Schema) -> list[str]:
    """What of the change makes a document that was valid invalid, with its place; empty if nothing does."""
    return [str(each) for each in _Check(old, new).reasons(old, new, "")]


def breaking_for_readers(old: Schema, new: Schema, open_words: Collection[str] = ()) -> list[str]:
    """What of the change lets through what a reader could not expect, with its place; empty if nothing does.

    Args:
        old: the schema as it was published.
        new: the schema as it is now.
        open_words: names of properties whose words may be added to.
    """
    check = _Check(new, old, readers=True, open_words=open_words)
    return [str(each) for each in check.reasons(new, old, "")]


class _Check:
    """Asks whether `upper` accepts everything that `lower` accepts, both with references of their own documents."""

    def __init__(
        self, lower_root: Schema, upper_root: Schema, *, readers: bool = False, open_words: Collection[str] = ()
    ) -> None:
        self.lower_root = lower_root
        self.upper_root = upper_root
        self.readers = readers
        self.open_words = open_words
        self.under_way: set[tuple[int, int]] = set()

    def turned(self) -> _Check:
        """The same question the other way round, for what stands under `not`. There, nothing is passed over."""
        return _Check(self.upper_root, self.lower_root)

    # Schemas

    def conjuncts(self, schema: Schema, root: Schema) -> Iterator[Mapping[str, Any]]:
        """The schemas that must all hold: what `$ref` and `allOf` stand for, and the rest."""
        if schema is True:
            return
        if schema is False:
            yield {"not": {}}
            return
        plain = schema
        unknown = plain.keys() - _KNOWN
        if unknown:
            raise NotImplementedError(f"the comparison of schemas does not know {sorted(unknown)}")
        if "$ref" in plain:
            yield from self.conjuncts(_resolved(plain["$ref"], root), root)
        for each in plain.get("allOf", ()):
            yield from self.conjuncts(each, root)
        rest = {key: value for key, value in plain.items() if key not in _FOR_PEOPLE | {"$ref", "allOf"}}
        if rest:
            yield rest

    # The question

    def reasons(self, lower: Schema, upper: Schema, place: str) -> list[str]:
        """Why something that `lower` accepts may not be accepted by `upper`."""
        pair = (id(lower), id(upper))
        if pair in self.under_way:
            return []  # a schema that holds itself: that question is being answered
        self.under_way.add(pair)
        try:
            below = list(self.conjuncts(lower, self.lower_root))
            found: list[str] = []
            for wanted in self.conjuncts(upper, self.upper_root):
                found += self._implied(below, wanted, place)
            return list(dict.fromkeys(found))
        finally:
            self.under_way.discard(pair)

    def _implied(self, below: list[Mapping[str, Any]], wanted: Mapping[str, Any], place: str) -> list[str]:
        """Why `wanted` does not follow from all of `below` together; the shortest such list."""
        if any(each.get("not") == {} for each in below):
            return []  # nothing is accepted at all
        merged = _merged(below)
        best = self._keywords(merged, wanted, place) if merged is not None else None
        for each in below:
            if best == []:
                return best
            found = self._keywords(each, wanted, place)
            best = found if best is None or len(found) < len(best) else best
        for number, each in enumerate(below):  # cases: it follows if it follows from each of them
            if best == []:
                return best
            cases = each.get("anyOf") or each.get("oneOf")
            if cases:
                others = [*below[:number], _without(each, "anyOf", "oneOf"), *below[number + 1 :]]
                found = []
                for case in cases:
                    found += self._implied([*others, *self.conjuncts(case, self.lower_root)], wanted, place)
                best = found if best is None or len(found) < len(best) else best
        return self._keywords({}, wanted, place) if best is None else best

    def _keywords(self, below: Mapping[str, Any], wanted: Mapping[str, Any], place: str) -> list[str]:
        return [
            *self._values(below, wanted, place),
            *self._bounds(below, wanted, place),
            *self._object(below, wanted, place),
            *self._array(below, wanted, place),
            *self._cases(below, wanted, place),
        ]

    def _values(self, below: Mapping[str, Any], wanted: Mapping[str, Any], place: str) -> Iterator[str]:
        """Type, enum and const."""
        if "type" in wanted:
            extra = _types(below) - _accepted(wanted["type"])
            if extra:
                yield f"{place or '/'}: {' or '.join(sorted(extra))} beside {_listed(wanted['type'])}"
        words = _words(wanted)
        if words is not None and place.rpartition("/")[2] not in self.open_words:
            others = _words(below)
            if others is None:
                yield f"{place or '/'}: other values than {', '.join(map(str, words))}"
            else:
                extra_words = [word for word in others if not _contains(words, word)]
                if extra_words:
                    yield f"{place or '/'}: the values {', '.join(map(str, extra_words))}"

    def _bounds(self, below: Mapping[str, Any], wanted: Mapping[str, Any], place: str) -> Iterator[str]:
        words = _words(below)
        for name in (*_LOWER_BOUNDS, *_UPPER_BOUNDS):
            if name not in wanted or (words is not None and all(_within(word, name, wanted[name]) for word in words)):
                continue
            if not _concerns(name) & _types(below):
                continue
            limit = below.get(name)
            if limit is None or (limit < wanted[name] if name in _LOWER_BOUNDS else limit > wanted[name]):
                yield f"{place or '/'}: {name} {limit if limit is not None else 'unlimited'} beside {wanted[name]}"
        for name in _SAME:
            if name in wanted and wanted[name] != below.get(name) and _concerns(name) & _types(below):
                if name == "pattern" and words is not None and all(_matches(wanted[name], word) for word in words):
                    continue
                yield f"{place or '/'}: {name} {below.get(name)!r} beside {wanted[name]!r}"

    def _object(self, below: Mapping[str, Any], wanted: Mapping[str, Any], place: str) -> Iterator[str]:
        if "object" not in _types(below):
            return
        missing = set(wanted.get("required", ())) - set(below.get("required", ()))
        for name in sorted(missing):
            yield f"{place}/{name}: may be absent beside required"
        for name, schema in wanted.get("properties", {}).items():
            if self.readers and name not in below.get("properties", {}):
                yield f"{place}/{name}: is gone"
                continue
            for each in _property(below, name):
                yield from self.reasons(each, schema, f"{place}/{name}")
        patterns = wanted.get("patternProperties", {})
        for pattern, schema in patterns.items():
            known = below.get("patternProperties", {}).get(pattern)
            others = below.get("additionalProperties", True) if known is None else known
            yield from self.reasons(others, schema, f"{place}/<{pattern}>")
            for other, each in below.get("patternProperties", {}).items():
                if other != pattern:  # some names may fit both
                    yield from self.reasons(each, schema, f"{place}/<{other}>")
            for name, each in below.get("properties", {}).items():
                if re.search(pattern, name):
                    yield from self.reasons(each, schema, f"{place}/{name}")
        if "additionalProperties" in wanted and not (self.readers and wanted["additionalProperties"] is False):
            yield from self._others(below, wanted, place)

    def _others(self, below: Mapping[str, Any], wanted: Mapping[str, Any], place: str) -> Iterator[str]:
        """Properties that `wanted` does not name."""
        schema = wanted["additionalProperties"]
        named, patterns = wanted.get("properties", {}), wanted.get("patternProperties", {})
        for name, each in below.get("properties", {}).items():
            if name not in named and not any(re.search(pattern, name) for pattern in patterns):
                if schema is False and each is not False:
                    yield f"{place}/{name}: is not accepted"
                elif schema is not False:
                    yield from self.reasons(each, schema, f"{place}/{name}")
        for pattern, each in below.get("patternProperties", {}).items():
            if pattern not in patterns:
                yield from self.reasons(each, schema, f"{place}/<{pattern}>")
        yield from self.reasons(below.get("additionalProperties", True), schema, f"{place}/*")

    def _array(self, below: Mapping[str, Any], wanted: Mapping[str, Any], place: str) -> Iterator[str]:
        if "items" in wanted and "array" in _types(below):
            yield from self.reasons(below.get("items", True), wanted["items"], f"{place}/[]")

    def _cases(self, below: Mapping[str, Any], wanted: Mapping[str, Any], place: str) -> Iterator[str]:
        for name in ("anyOf", "oneOf"):
            if name in wanted:
                yield from self._alternatives(below, name, wanted[name], place)
        if "not" in wanted:
            unwanted = below.get("not", False)
            if wanted["not"] == {} or self.turned().reasons(wanted["not"], unwanted, place):
                yield f"{place or '/'}: what is excluded by not {wanted['not']}"
        if "if" in wanted:
            same = "if" in below and self._same(below["if"], wanted["if"])
            for name in ("then", "else"):
                if name in wanted:
                    lower = _without(below, "if", "then", "else") if not same else below.get(name, True)
                    yield from self.reasons(lower, wanted[name], place)

    def _alternatives(self, below: Mapping[str, Any], name: str, wanted: list[Schema], place: str) -> Iterator[str]:
        """One of several. Each case of `below` must be one of them, or be one that readers pass over."""
        cases = below.get("anyOf") or below.get("oneOf") or [_without(below, "anyOf", "oneOf")]
        if name == "oneOf" and not self._apart(wanted):
            # Two of them may fit at once, and then none does: only what stayed as it was is safe.
            if not (len(cases) == len(wanted) and "oneOf" in below and all(map(self._same, cases, wanted))):
                yield f"{place or '/'}: another oneOf, of which several cases may fit at once"
            return
        known = {kind for each in wanted for kind in self._kinds(each, self.upper_root)}
        for case in cases:
            found = [self.reasons(case, each, place) for each in wanted]
            kinds = self._kinds(case, self.lower_root)
            if [] in found or (self.readers and known and kinds and not known & kinds):
                continue
            yield from min(found, key=len)

    def _same(self, lower: Schema, upper: Schema) -> bool:
        """Whether both accept the same."""
        return not (
            _Check(self.lower_root, self.upper_root).reasons(lower, upper, "")
            or self.turned().reasons(upper, lower, "")
        )

    def _apart(self, wanted: list[Schema]) -> bool:
        """Whether nothing can fit two of these: they differ in type, or in a property that says what they are."""
        kinds = [self._kinds(each, self.upper_root) for each in wanted]
        if all(len(each) == 1 for each in kinds) and len(set().union(*kinds)) == len(wanted):
            return True
        seen: set[str] = set()
        for each in wanted:
            types = set(_TYPES)
            for conjunct in self.conjuncts(each, self.upper_root):
                types &= _types(conjunct)
            if types & seen:
                return False
            seen |= types | ({"number"} if "integer" in types else set())
        return True

    def _kinds(self, schema: Schema, root: Schema) -> set[str]:
        """What a property `type` that must be there says an object is."""
        found = (
            each.get("properties", {}).get("type", {})
            for each in self.conjuncts(schema, root)
            if "type" in each.get("required", ()) and _types(each) == {"object"}
        )
        return {kind["const"] for kind in found if isinstance(kind, Mapping) and "const" in kind}


def _resolved(reference: str, root: Schema) -> Schema:
    found: Any = root
    for part in reference.removeprefix("#").strip("/").split("/") if reference != "#" else ():
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return cast("Schema", found)


def _merged(schemas: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Schemas that hold together as one, where no keyword stands in two of them; None where one does."""
    if len(schemas) < 2:
        return None
    result: dict[str, Any] = {}
    for each in schemas:
        if result.keys() & each.keys() - {"required"}:
            return None
        required = [*result.get("required", ()), *each.get("required", ())]
        result.update(each)
        if required:
            result["required"] = required
    # What additionalProperties means depends on the keywords beside it.
    if "additionalProperties" in result and sum(
        "properties" in each or "patternProperties" in each for each in schemas
    ):
        homes = [each for each in schemas if {"properties", "patternProperties", "additionalProperties"} & each.keys()]
        return result if len(homes) == 1 else None
    return result


def _without(schema: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return {key: value for key, value in schema.items() if key not in names}


def _accepted(kinds: str | list[str]) -> set[str]:
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    return found | {"integer"} if "number" in found else found


def _types(schema: Mapping[str, Any]) -> set[str]:
    """The types that a schema lets through."""
    words = _words(schema)
    if words is not None:
        return {_type(word) for word in words}
    return _accepted(schema["type"]) if "type" in schema else set(_TYPES)


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float) and value.is_integer():
        return "integer"
    names = {int: "integer", float: "number", str: "string", list: "array", dict: "object", type(None): "null"}
    return names[type(value)]


def _words(schema: Mapping[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None


def _contains(words: list[Any], word: Any) -> bool:
    return any(each == word and isinstance(each, bool) == isinstance(word, bool) for each in words)


def _concerns(name: str) -> set[str]:
    """The types that a keyword says anything of."""
    if name.endswith(("imum", "Minimum", "Maximum")) or name == "multipleOf":
        return {"integer", "number"}
    if name in ("minLength", "maxLength", "pattern", "format"):
        return {"string"}
    return {"array"} if name in ("minItems", "maxItems", "uniqueItems", "prefixItems") else {"object"}


def _within(word: Any, name: str, limit: float) -> bool:
    if _type(word) not in _concerns(name):
        return True
    size = word if isinstance(word, int | float) else len(word)
    if name.startswith("exclusive"):
        return bool(size > limit if name in _LOWER_BOUNDS else size < limit)
    return bool(size >= limit if name in _LOWER_BOUNDS else size <= limit)


def _matches(pattern: str, word: Any) -> bool:
    return not isinstance(word, str) or re.search(pattern, word) is not None


def _property(schema: Mapping[str, Any], name: str) -> Iterator[Schema]:
    """What a schema asks of a property; any one of them suffices as a ground."""
    named = schema.get("properties", {}).get(name)
    matching = [each for pattern, each in schema.get("patternProperties", {}).items() if re.search(pattern, name)]
    if named is not None:
        yield named
    elif matching:
        yield matching[0]
    else:
        yield schema.get("additionalProperties", True)


def _listed(kinds: str | list[str]) -> str:
    return kinds if isinstance(kinds, str) else " or ".join(kinds)
