"""JMESPath within bounds: an expression of two hundred characters can ask for more than any machine has.

The one way in which expressions are read and evaluated; whoever asks catches `JMESPathError`.
"""

from __future__ import annotations

import functools
from typing import Any

from aftrun.domain.model import Json

MAX_LENGTH = 4_000
"""Characters of an expression."""
MAX_STEPS = 300_000
"""Parts of an expression that are evaluated, each element of a list anew; elements of lists that it makes count too."""
MAX_NODES = 300_000
"""Values in what it comes to, each counted where it stands."""


@functools.cache
def _interpreter() -> type[Any]:
    import jmespath.exceptions  # noqa: PLC0415  # most runs use no expression
    from jmespath.visitor import TreeInterpreter  # noqa: PLC0415  # the same

    class Bounded(TreeInterpreter):
        """Counts its steps, and stops."""

        def __init__(self) -> None:
            super().__init__()
            self._steps = 0

        def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
            found = super().visit(node, *args, **kwargs)
            self._steps += 1 + (len(found) if isinstance(found, list) else 0)
            if self._steps > MAX_STEPS:
                raise jmespath.exceptions.JMESPathError(f"the expression takes more than {MAX_STEPS:,} steps")
            return found

    return Bounded


def parsed(text: str) -> Any:
    """The expression's tree.

    Raises:
        jmespath.exceptions.JMESPathError: it is none, or too long, or calls a function as it cannot be called.
        RecursionError: it is nested too deep.
    """
    import jmespath  # noqa: PLC0415  # as above

    if len(text) > MAX_LENGTH:
        raise jmespath.exceptions.JMESPathError(f"the expression is longer than {MAX_LENGTH:,} characters")
    tree = jmespath.compile(text)
    _check_calls(tree.parsed)
    return tree


def functions() -> tuple[str, ...]:
    """The names of JMESPath's functions."""
    import jmespath.functions  # noqa: PLC0415  # as above

    return tuple(jmespath.functions.Functions.FUNCTION_TABLE)


def _check_calls(tree: Any) -> None:
    """Every call is of a function that exists, with as many arguments as it takes.

    JMESPath itself looks only when it comes to the call: once the job has run, and in a branch, perhaps never.
    """
    import jmespath.functions  # noqa: PLC0415  # as above

    known = jmespath.functions.Functions.FUNCTION_TABLE
    left = [tree]
    while left:
        node = left.pop()
        if not isinstance(node, dict):
            continue
        given = node.get("children", ())
        left.extend(given)
        if node.get("type") != "function_expression":
            continue
        name = node["value"]
        if name not in known:
            raise jmespath.exceptions.UnknownFunctionError(f"Unknown function: {name}()")
        taken = known[name]["signature"]
        if taken and taken[-1].get("variadic"):
            if len(given) < len(taken):
                raise jmespath.exceptions.VariadictArityError(len(taken), len(given), name)
        elif len(given) != len(taken):
            raise jmespath.exceptions.ArityError(len(taken), len(given), name)


def search(text: str, value: Json) -> Json:
    """What an expression finds in a value.

    Raises:
        jmespath.exceptions.JMESPathError: it is none, goes wrong, takes too many steps or comes to too much.
    """
    import jmespath  # noqa: PLC0415  # as above

    try:
        found: Json = _interpreter()().visit(parsed(text).parsed, value)
    except RecursionError:
        raise jmespath.exceptions.JMESPathError("the expression is nested too deep") from None
    if not _is_bearable(found):
        raise jmespath.exceptions.JMESPathError(f"the expression comes to more than {MAX_NODES:,} values")
    return found


def grows(text: str) -> bool:
    """Whether an expression comes to more than it may whatever it is given: it doubles what it has, again and again."""
    import jmespath  # noqa: PLC0415  # as above

    samples: tuple[Json, ...] = (1, [1], {"a": 1})
    for sample in samples:
        try:
            search(text, sample)
        except jmespath.exceptions.JMESPathError as error:
            if "more than" in str(error):
                return True
    return False


def _is_bearable(value: Json) -> bool:
    left, level = MAX_NODES, [value]
    while level:
        one = level.pop()
        if isinstance(one, dict | list):
            left -= len(one)
            if left < 0:
                return False
            level.extend(one.values() if isinstance(one, dict) else one)
    return True
