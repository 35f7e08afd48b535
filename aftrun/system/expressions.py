"""JMESPath within bounds: an expression of two hundred characters can ask for more than any machine has.

The one way in which expressions are read and evaluated; whoever asks catches `JMESPathError`.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from typing import Any

from aftrun.domain.model import Json

MAX_LENGTH = 4_000
"""Characters of an expression."""
MAX_STEPS = 300_000
"""Parts of an expression that are evaluated, each element of a list anew; elements of lists that it makes count too."""
MAX_NODES = 300_000
"""Values in what it comes to, each counted where it stands."""

_HALF_SURROGATE = re.compile("[\ud800-\udfff]")


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
        jmespath.exceptions.JMESPathError: it is none, or too long, or cannot work whatever it is given.
        RecursionError: it is nested too deep.
    """
    import jmespath  # noqa: PLC0415  # as above

    if len(text) > MAX_LENGTH:
        raise jmespath.exceptions.JMESPathError(f"the expression is longer than {MAX_LENGTH:,} characters")
    tree = jmespath.compile(text)
    _check(tree.parsed)
    return tree


def functions() -> tuple[str, ...]:
    """The names of JMESPath's functions."""
    import jmespath.functions  # noqa: PLC0415  # as above

    return tuple(jmespath.functions.Functions.FUNCTION_TABLE)


def _check(tree: Any) -> None:
    """What can go wrong whatever the expression is given is found now.

    Every call is of a function that exists, with as many arguments as it takes, `&…` is one of these, no slice has
    steps of 0, and what stands there is JSON. JMESPath itself looks only when it comes to the call: once the job has
    run, and in a branch, perhaps never.
    """
    import jmespath.functions  # noqa: PLC0415  # as above

    known = jmespath.functions.Functions.FUNCTION_TABLE
    left: list[tuple[Any, Sequence[str]]] = [(tree, ())]
    while left:
        node, types = left.pop()
        if not isinstance(node, dict):  # a bound of a slice
            continue
        if node["type"] == "expref" and "expref" not in types:
            raise jmespath.exceptions.JMESPathError("& is for what functions such as sort_by() take: sort_by(@, &name)")
        if node["type"] == "literal" and (problem := _not_json(node["value"])):
            raise jmespath.exceptions.JMESPathError(f"it holds {problem}")
        given: Sequence[Any] = node.get("children", ())
        if node["type"] == "slice" and given[2] == 0:
            raise jmespath.exceptions.JMESPathError("the step of a slice cannot be 0")
        taken: Sequence[Any] = ()
        if node["type"] == "function_expression":
            name = node["value"]
            if name not in known:
                raise jmespath.exceptions.UnknownFunctionError(f"Unknown function: {name}()")
            taken = known[name]["signature"]
            if taken and taken[-1].get("variadic"):
                if len(given) < len(taken):
                    raise jmespath.exceptions.VariadictArityError(len(taken), len(given), name)
            elif len(given) != len(taken):
                raise jmespath.exceptions.ArityError(len(taken), len(given), name)
        left += [
            (each, taken[min(number, len(taken) - 1)]["types"] if taken else ()) for number, each in enumerate(given)
        ]


def search(text: str, value: Json) -> Json:
    """What an expression finds in a value.

    Raises:
        jmespath.exceptions.JMESPathError: it is none, goes wrong, takes too many steps or comes to too much.
    """
    return _found(_interpreter()(), parsed(text), value)


def _found(interpreter: Any, tree: Any, value: Json) -> Json:
    import jmespath  # noqa: PLC0415  # as above

    try:
        found: Json = interpreter.visit(tree.parsed, value)
    except RecursionError:
        raise jmespath.exceptions.JMESPathError("the expression is nested too deep") from None
    except jmespath.exceptions.JMESPathError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        # JMESPath's own functions check most of what they are given: contains('1', `1`) and floor(`1e999`) go wrong.
        raise jmespath.exceptions.JMESPathError(f"the expression goes wrong: {error}") from error
    problem = _not_json(found)
    if problem:
        raise jmespath.exceptions.JMESPathError(f"the expression comes to {problem}")
    return found


@functools.lru_cache(maxsize=4096)
def grows(text: str) -> bool:
    """Whether an expression comes to more than it may whatever it is given: it doubles what it has, again and again.

    Jobs of one making have the same expressions, so what was found is kept.

    Raises:
        jmespath.exceptions.JMESPathError, RecursionError: as `parsed`.
    """
    import jmespath  # noqa: PLC0415  # as above

    tree = parsed(text)
    samples: tuple[Json, ...] = (1, [1], {"a": 1})
    for sample in samples:
        try:
            _found(_interpreter()(), tree, sample)
        except jmespath.exceptions.JMESPathError as error:
            if "more than" in str(error):
                return True
    return False


def _not_json(value: Any) -> str:
    """What is in a value that cannot be taken down as JSON, or what it has too much of; empty: nothing."""
    left, level = MAX_NODES, [value]
    while level:
        one = level.pop()
        if isinstance(one, dict | list):
            left -= len(one)
            if left < 0:
                return f"more than {MAX_NODES:,} values"
            level.extend((*one, *one.values()) if isinstance(one, dict) else one)
        elif isinstance(one, float) and not math.isfinite(one):
            return "a number that is too large"
        elif isinstance(one, str) and not one.isascii() and _HALF_SURROGATE.search(one):
            return "text that is not Unicode (half a surrogate pair)"
    return ""
