"""Scripts as trees (tree-sitter, extra `import`), and the variables that are plainly assigned in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from aftrun.domain.errors import UsageError

if TYPE_CHECKING:
    from tree_sitter import Node as Node  # noqa: PLC0414  # its other readers take it from here

DEEPEST = 60
"""Levels of statements inside statements. Nobody writes more."""


def parse(language: str, text: str) -> Node:
    """The root of a text's tree.

    Raises:
        UsageError: tree-sitter is not installed.
    """
    try:
        import tree_sitter  # noqa: PLC0415  # an extra

        if language == "bash":
            import tree_sitter_bash as grammar  # noqa: PLC0415  # the same
        else:
            import tree_sitter_powershell as grammar  # type: ignore[no-redef]  # noqa: PLC0415  # the same
    except ImportError:
        raise UsageError('import needs: pip install "aftrun[import]"') from None
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    return parser.parse(text.encode("utf-8", "replace")).root_node


def text_of(node: Node) -> str:
    """The node as it was written."""
    return (node.text or b"").decode("utf-8", "replace")


def below(node: Node, *, into: Callable[[Node], bool] = lambda _: True) -> Iterator[Node]:
    """The nodes below one, in order, without recursion; `into` says whether to go on below a node."""
    waiting = list(reversed(node.named_children))
    while waiting:
        each = waiting.pop()
        yield each
        if into(each):
            waiting += reversed(each.named_children)


def merged(ways: Sequence[dict[str, Any]], unknown: Callable[[str], Any]) -> dict[str, Any]:
    """The variables after several ways through a script: what differs is unknown, of maps and lists only the part."""
    result = dict(ways[0])
    for name in dict.fromkeys(name for way in ways for name in way):
        values = [way.get(name, _ABSENT) for way in ways]
        if any(value != values[0] for value in values[1:]):
            result[name] = _joined(name, values, unknown)
    return result


def _joined(name: str, values: list[Any], unknown: Callable[[str], Any]) -> Any:
    if all(isinstance(value, dict) for value in values):
        return merged(values, unknown)
    if all(isinstance(value, list) for value in values):
        same = [items[0] for items in zip(*values, strict=False) if all(item == items[0] for item in items)]
        if all(value[: len(same)] == same for value in values):
            return [*same, unknown(name)]
    return unknown(name)


_ABSENT: Any = object()
