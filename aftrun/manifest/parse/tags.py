"""YAML tags: which ones are known, and what they make of a scalar."""

from __future__ import annotations

from aftrun.domain.model import ParamKind
from aftrun.manifest.parse import scalars

_CORE = "tag:yaml.org,2002:"
_KINDS = {
    "int": (ParamKind.INTEGER,),
    "float": (ParamKind.INTEGER, ParamKind.NUMBER),
    "bool": (ParamKind.BOOLEAN,),
}


def _short(tag: str) -> str:
    return "!!" + tag.removeprefix(_CORE) if tag.startswith(_CORE) else tag


def kind_of_scalar(tag: str | None, is_plain: bool, text: str) -> tuple[bool, str]:
    """Whether a scalar may mean more than text, and what is wrong with its tag (empty: nothing)."""
    if tag is None:
        return is_plain, ""
    name = tag.removeprefix(_CORE)
    if tag in ("!", _CORE + "str"):
        return False, ""
    if tag == _CORE + "null":
        return True, "" if scalars.is_null(text) else "the tag !!null needs an empty value"
    if tag.startswith(_CORE) and name in _KINDS:
        fits = scalars.kind(text) in _KINDS[name]
        return fits, "" if fits else f"the value does not fit its tag !!{name}"
    return False, f"unknown tag {_short(tag)}: only YAML's own simple types are known"


def wrong_collection_tag(tag: str | None) -> str:
    """What is wrong with the tag of a mapping or sequence; empty: nothing."""
    if tag is None or tag in ("!", _CORE + "map", _CORE + "seq"):
        return ""
    return f"unknown tag {_short(tag)}: only YAML's own simple types are known"
