"""A job's matrix → its combinations."""

from __future__ import annotations

import itertools
import math

from aftrun.domain.text import brief, did_you_mean
from aftrun.manifest.build.fields import Fields
from aftrun.manifest.parse.nodes import ListNode, MapNode, Node

MAX_COPIES = 10_000
"""Copies of one job."""

Combination = tuple[tuple[str, str], ...]
"""Axis and value, in the order of the axes."""

NO_MATRIX: tuple[Combination, ...] = ((),)


def _values(axis: str, node: Node, fields: Fields) -> tuple[str, ...]:
    found: dict[str, Node] = {}
    for item in node.items if isinstance(node, ListNode) else ():
        text = fields.fixed(item, "a matrix")
        if text is None:
            continue
        if text in found:
            message = f"the axis {brief(axis)!r} holds {brief(text)!r} twice"
            fields.findings.error(item, "AFT059", message, "remove one of the two")
        found[text] = item
    return tuple(found)


def _excluded(
    node: Node | None, axes: dict[str, tuple[str, ...]], fields: Fields
) -> dict[tuple[str, ...], set[tuple[str, ...]]]:
    """The excluded values, by the axes that an entry names: few groups, so that each combination asks few sets."""
    result: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for entry in node.items if isinstance(node, ListNode) else ():
        if not isinstance(entry, MapNode):
            continue
        wanted: dict[str, str] = {}
        for key, value in entry.pairs():
            text = fields.fixed(value, "a matrix")
            if key.text not in axes:
                hint = did_you_mean(key.text, axes) or "its axes are " + ", ".join(axes)
                fields.findings.error(key, "AFT059", f"the matrix has no axis {brief(key.text)!r}", hint)
            elif text is not None and text not in axes[key.text]:
                message = f"the axis {brief(key.text)!r} has no value {brief(text)!r}, so this excludes nothing"
                fields.findings.error(value, "AFT059", message, did_you_mean(text, axes[key.text]))
            elif text is not None:
                wanted[key.text] = text
        if wanted and len(wanted) == len(entry.keys):
            names = tuple(axis for axis in axes if axis in wanted)
            result.setdefault(names, set()).add(tuple(wanted[axis] for axis in names))
    return result


def combinations(node: Node | None, fields: Fields) -> tuple[Combination, ...]:
    """The combinations of a matrix, the last axis fastest; `NO_MATRIX` where there is none or it is unusable."""
    if not isinstance(node, MapNode):
        return NO_MATRIX
    for key in node.keys:
        fields.unexpanded(key, "an axis of the matrix")
    axes = {key.text: _values(key.text, value, fields) for key, value in node.pairs() if key.text != "exclude"}
    if not axes:
        fields.findings.late_error(node, "AFT059", "the matrix has no axis", "write a list: matrix: {region: [eu, us]}")
        return NO_MATRIX
    if not all(axes.values()):
        return NO_MATRIX  # the schema has said that an axis is empty or no list
    count = math.prod(len(values) for values in axes.values())
    if count > MAX_COPIES:
        message = f"the matrix makes {count:,} copies of the job; at most {MAX_COPIES:,} are possible"
        fields.findings.error(node, "AFT059", message, "use shorter lists, or several jobs")
        return NO_MATRIX
    excluded = _excluded(node.get("exclude"), axes, fields)
    positions = {axis: at for at, axis in enumerate(axes)}
    kept = tuple(
        tuple(zip(axes, values, strict=True))
        for values in itertools.product(*axes.values())
        if not any(tuple(values[positions[axis]] for axis in names) in gone for names, gone in excluded.items())
    )
    if not kept:
        fields.findings.error(node.key("exclude") or node, "AFT059", "exclude leaves no combination of the matrix")
        return NO_MATRIX
    return kept


def copy_name(name: str, combination: Combination) -> str:
    """`load[eu,2026]`; the name itself outside a matrix."""
    if not combination:
        return name
    return f"{name}[{','.join(value for _, value in combination)}]"
