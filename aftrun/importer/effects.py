"""What bash's commands do to variables and to standard output, as far as their words alone tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aftrun.importer.found import words
from aftrun.importer.trees import text_of

if TYPE_CHECKING:
    from aftrun.importer.trees import Node

_PRINTS_NOTHING = words("cd : true false set shift export umask ulimit shopt mkdir rm sleep wait test [ read let")
_READS = ("read", "mapfile", "readarray", "getopts")
_CALCULATED = re.compile(r"([A-Za-z_]\w*)\s*(?:\+\+|--|(?:[-+*/%&^|]|<<|>>)?=(?!=))|(?:\+\+|--)\s*([A-Za-z_]\w*)")
"""What arithmetic sets."""
ALWAYS_SUCCEED = ("variable_assignment", "variable_assignments", "declaration_command")


def prints_nothing(node: Node) -> bool:
    """Whether a statement prints nothing, whatever it is given."""
    name = node.child_by_field_name("name") if node.type == "command" else None
    if name is not None:
        return text_of(name) in _PRINTS_NOTHING
    return node.type in (*ALWAYS_SUCCEED, "comment", "unset_command", "function_definition", "test_command")


def takes_output(redirect: Node) -> bool:
    """Whether standard output goes elsewhere: `>file`, `>&2`, `&>file`, but not `2>…` nor `<…`."""
    return re.match(r"1?>|&>", text_of(redirect)) is not None


def chain(node: Node) -> list[tuple[str, Node]]:
    """The commands of `a && b || c` in order, each with the operator before it. The grammar nests them."""
    nested = [node]
    while nested[-1].named_children[0].type == "list":
        nested.append(nested[-1].named_children[0])
    found = [("", nested[-1].named_children[0])]
    for each in reversed(nested):
        operator = ""
        for child in each.children[1:]:
            if child.is_named and child.type != "comment":
                found.append((operator, child))
            elif not child.is_named:
                operator = child.type
    return found


def calculated(node: Node) -> set[str]:
    """The variables that arithmetic sets."""
    start, _, header = text_of(node).split("))")[0].partition("((")
    if start.strip() not in ("", "$", "for"):
        return set()
    return {match[1] or match[2] for match in _CALCULATED.finditer(header)}


def set_by(texts: Sequence[str]) -> set[str]:
    """The variables that a command sets; `@` stands for the arguments."""
    program, rest = texts[0] if texts else "", texts[1:]
    if program in _READS:
        return {each for each in rest if re.fullmatch(r"[A-Za-z_]\w*", each)} | (
            {"REPLY"} if program == "read" else set()
        )
    if program == "printf" and rest[:1] == ["-v"]:
        return set(rest[1:2])
    if program == "let":
        return {match[1] or match[2] for each in rest for match in _CALCULATED.finditer(each)}
    if program == "eval":
        return set(re.findall(r"(?<![\w$-])([A-Za-z_]\w*)\+?=", " ".join(rest)))
    return {"@"} if program == "shift" or (program == "set" and "--" in rest) else set()
