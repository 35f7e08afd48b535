"""PowerShell's expressions: variables, maps, lists, members, text in all its quotes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aftrun.importer.found import Notebook, Number, words
from aftrun.importer.marks import first_unknown, has_mark, reference, unknown, variable
from aftrun.importer.trees import below, text_of
from aftrun.importer.walk import Walker

if TYPE_CHECKING:
    from aftrun.importer.trees import Node

NAME = re.compile(r"[A-Za-z_]\w*")
_CONSTANTS = {"true": True, "false": False, "null": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b"}
_DATE = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "hh": "%I", "mm": "%M", "ss": "%S", "T": "T"}
_AUTOMATIC = words(
    "_ args psitem lastexitcode error home host pid pwd psscriptroot pscommandpath myinvocation matches input this "
    "psboundparameters profile pshome psversiontable ofs stacktrace foreach switch ? $ ^"
)
_TOKEN = re.compile(r"\$(?:\{[^}]+\}|(?:env|script|global|local|private):\w+|\w+)", re.IGNORECASE)
_DECIMAL = 2**96
"""From here on PowerShell's whole numbers are doubles."""
STEPS = tuple(f"{when}_{what}_expression" for when in ("pre", "post") for what in ("increment", "decrement"))
"""`$n++` and the like."""
_SIZES = {"kb": 1, "mb": 2, "gb": 3}


class _Now:
    """`Get-Date`, before anybody has formatted it."""


def as_text(value: Any) -> str:
    """A value as PowerShell puts it into text; what is no scalar becomes what a person fills in."""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, Number):
        return value.text if value.exact else value.text.removesuffix(".0")
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(map(as_text, value))
    return "" if value is None else unknown("VALUE", "it is no text", 0)


def as_json(value: Any) -> str:
    """What `ConvertTo-Json` makes of a value; numbers keep their digits."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{json.dumps(str(key), ensure_ascii=False)}: {as_json(value[key])}" for key in value) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(as_json, value)) + "]"
    if isinstance(value, str | bool) or value is None:
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(unknown("VALUE", "it is not written out", 0))


def date_reference(form: Any, line: int, notebook: Notebook) -> str:
    """`${{ run.date:… }}` for a .NET date format; what a person fills in where it has parts that are not known here."""
    parts: list[str] = []
    for token in re.findall(r"([a-zA-Z])(\1*)|([^a-zA-Z]+)", form) if isinstance(form, str) else ():
        if token[2] and not re.search(r"[%}'\"\\\ufdd0]", token[2]):
            parts.append(token[2])
        elif token[0] + token[1] in _DATE:
            parts.append(_DATE[token[0] + token[1]])
        else:
            return unknown("DATE", "this format of a date is not known here", line)
    if not parts or not parts[-1].strip():
        return unknown("DATE", "this format of a date is not known here", line)
    text = "${{ run.date:" + "".join(parts) + " }}"
    notebook.remark(line, f"the date became {text}, the day and time at which a run begins")
    return reference(text)


class Expressions(Walker):
    """Values of expressions. Statements and commands inside them are for the subclass."""

    def __init__(self, notebook: Notebook, text: str, line: int) -> None:
        super().__init__(notebook, "powershell", text, line)
        self._scripts: set[str] = set()
        self._now = _Now()
        self._kinds: dict[str, Callable[[Node], Any]] = {
            "command": lambda node: self._command(node, None),
            "pipeline": self._last,
            "pipeline_chain": self._chain,
            "assignment_expression": self._assigned_value,
            "string_literal": lambda node: self._string(node.named_children[0]),
            "variable": lambda node: self._variable(text_of(node).strip(), node),
            "hash_literal_expression": self._map,
            "comparison_expression": self._compared,
            "format_expression": self._formatted,
            "additive_expression": self._sum,
            **dict.fromkeys(("array_expression", "array_literal_expression"), self._list),
            **dict.fromkeys(("parenthesized_expression", "sub_expression", "statement_list"), self._children),
            **dict.fromkeys(("script_block_expression", "script_block"), self._children),
            **dict.fromkeys(
                ("integer_literal", "decimal_integer_literal", "hexadecimal_integer_literal"), self._literal
            ),
            "real_literal": self._literal,
            **dict.fromkeys(("member_access", "element_access", "invokation_expression"), self._accessed),
            **dict.fromkeys(("expression_with_unary_operator", "cast_expression"), self._unary),
            **dict.fromkeys(STEPS, self._stepped),
            **dict.fromkeys(("if_statement", "try_statement", "switch_statement"), self._statement),
        }
        self._skips_certificates = False

    def _at(self, node: Node) -> int:
        leading = len(text_of(node)) - len(text_of(node).lstrip())
        return self._line or node.start_point.row + 1 + text_of(node)[:leading].count("\n")

    def _children(self, node: Node) -> Any:
        raise NotImplementedError

    def _command(self, node: Node, piped: Any) -> Any:
        raise NotImplementedError

    def _statement(self, node: Node) -> Any:
        raise NotImplementedError

    def _value(self, node: Node) -> Any:
        """The value of an expression."""
        while node.child_count == 1 and node.named_child_count == 1 and node.type != "array_expression":
            if node.type in ("command", "command_name", "string_literal", "variable", "statement_list", "script_block"):
                break
            node = node.named_children[0]
        evaluate = self._kinds.get(node.type.replace("_argument_expression", "_expression"))
        if evaluate is not None:
            return evaluate(node)
        if node.type == "ERROR" or node.type.endswith(("_expression", "_statement", "_condition", "_block")):
            for child in node.named_children:
                self._value(child)
            return self._unknown("VALUE", "it is worked out while the script runs", node)
        return text_of(node)

    def _last(self, node: Node) -> Any:
        value: Any = None
        for child in node.named_children:
            value = self._value(child)
        for each in below(node) if re.search(r"\+\+|--", text_of(node)) else ():
            if each.type in STEPS:  # in the midst of what is not looked into, such as a comparison
                self._stepped(each)
        return value

    def _list(self, node: Node) -> list[Any]:
        if node.type == "array_literal_expression":
            return [self._value(child) for child in node.named_children if child.type != "comment"]
        value = self._children(node)
        return value if isinstance(value, list) else [] if value is None else [value]

    def _literal(self, node: Node) -> Any:
        raw = text_of(node).strip()
        number = _number(raw)
        if number is None:
            return self._unknown("NUMBER", "it is a number of its own kind", node)
        if re.search(r"[.eE]", raw) and number.text not in (raw, f"{raw}.0") and not number.exact:
            self._notebook.remark(
                self._at(node), f"PowerShell sends the number {raw} as {number.text}, and so it stands here"
            )
        return number

    def _argument(self, node: Node) -> Any:
        """The value of a command's argument: a bare word is text, with variables in it."""
        if node.type in ("generic_token", "command_argument", "stop_parsing"):
            raw = re.sub(r"`(.)", r"\1", text_of(node))
            return _TOKEN.sub(lambda match: as_text(self._variable(match.group(), node)), raw)
        return self._value(node)

    def _chain(self, node: Node) -> Any:
        value: Any = None
        operator = ""
        for child in node.children:
            if not child.is_named:
                operator = child.type
            elif child.type == "command" and operator == "|":
                value = self._command(child, value)
            elif child.type not in ("redirections", "comment"):
                kind = "behind ||, so it ran only where the command before it failed" if operator == "||" else ""
                with self._notebook.inside(kind):
                    value = self._value(child)
        return value

    def _stepped(self, node: Node) -> Any:
        self._forget(self._sets(node.parent or node), node, "it is set while the script runs")
        return self._unknown("VALUE", "it is set while the script runs", node)

    # --- assignments ----------------------------------------------------------------------------------------------

    def _assigned_value(self, node: Node) -> None:
        target = node.named_children[0]
        source = node.child_by_field_name("value") or node.named_children[-1]
        operator = next((text_of(c).strip() for c in node.named_children if c.type == "assignement_operator"), "=")
        value = self._value(source)
        while target.named_child_count == 1 and target.type not in ("variable", "member_access", "element_access"):
            target = target.named_children[0]
        if target.type == "cast_expression" or "cast_expression" in {child.type for child in target.named_children}:
            cast = target if target.type == "cast_expression" else target.named_children[0]
            value = self._cast(text_of(cast.named_children[0]), value, node)
            target = cast.named_children[-1]
            while target.named_child_count == 1 and target.type not in ("variable", "member_access", "element_access"):
                target = target.named_children[0]
        if target.type == "variable":
            self._store(text_of(target).strip(), value, operator, node)
        elif target.type in ("member_access", "element_access"):
            self._store_member(target, value, operator, node)
        else:
            for child in target.named_children:
                if child.type == "variable":
                    self._store(text_of(child), self._unknown(text_of(child), "it is one of several", node), "=", node)

    def _store(self, text: str, value: Any, operator: str, node: Node) -> None:
        name = text.lstrip("$").strip("{}")
        scope, _, rest = name.rpartition(":")
        key = name.lower() if scope.lower() == "env" else rest.lower()
        if scope.lower() in ("script", "global"):
            self._scripts.add(key)
        if operator == "+=":
            value = self._added(self._variable(f"${name}", node), value, node)
        elif operator != "=":
            value = self._unknown(rest, "it is worked out while the script runs", node)
        self._variables[key] = value

    def _store_member(self, target: Node, value: Any, operator: str, node: Node) -> None:
        static = text_of(target).lower()
        if "servercertificatevalidationcallback" in static or "certificatepolicy" in static:
            self._skips_certificates = True
            return
        if len(target.named_children) < 2:  # a thing and its member
            return
        of, key = target.named_children[0], self._member_name(target.named_children[1])
        holder = self._value(of)
        if isinstance(holder, dict):
            known = next((each for each in holder if each.lower() == key.lower()), key)
            new = value if operator == "=" else self._added(holder.get(known), value, node)
            self._put(of, {**holder, known: new}, node)

    def _put(self, target: Node, value: dict[str, Any], node: Node) -> None:
        """A map with a change in it takes the place of what it was; maps themselves never change."""
        while target.named_child_count == 1 and target.type != "variable":
            target = target.named_children[0]
        if target.type == "variable":
            self._store(text_of(target).strip(), value, "=", node)
        elif target.type in ("member_access", "element_access"):
            self._store_member(target, value, "=", node)

    def _member_name(self, node: Node) -> str:
        inner = node
        while inner.named_child_count == 1 and inner.type not in ("string_literal", "variable"):
            inner = inner.named_children[0]
        return text_of(inner).strip() if inner.type in ("simple_name", "member_name") else as_text(self._value(inner))

    # --- parts ----------------------------------------------------------------------------------------------------

    def _variable(self, text: str, node: Node) -> Any:
        name = text.lstrip("$@").strip("{}")
        scope, _, rest = name.rpartition(":")
        if scope.lower() == "env":
            return self._variables.get(name.lower(), variable(rest, self._at(node)))
        lower = rest.lower()
        if lower in self._variables:
            return self._variables[lower]
        if lower in _CONSTANTS:
            return _CONSTANTS[lower]
        if lower in _AUTOMATIC or not NAME.fullmatch(rest):
            return self._unknown(rest, "it is there only while the script runs", node)
        self._notebook.remark(self._at(node), f"${rest} is set nowhere here; it is taken from the environment")
        return variable(rest, self._at(node))

    def _string(self, node: Node) -> str:
        raw = text_of(node).lstrip()
        if node.type == "verbatim_string_characters":
            return raw[1:-1].replace("''", "'")
        if node.type == "verbatim_here_string_characters":
            return re.sub(r"^@'[ \t]*\n|\n?'@$", "", raw)
        here = node.type == "expandable_here_string_literal"
        source, start = node.text or b"", node.start_byte
        parts: list[str] = []
        done = 0
        for child in node.named_children:
            if child.type not in ("variable", "sub_expression"):
                continue
            parts.append(source[done : child.start_byte - start].decode("utf-8", "replace"))
            parts.append("\0" + as_text(self._value(child)) + "\0")
            done = child.end_byte - start
        parts.append(source[done:].decode("utf-8", "replace"))
        text = "".join(parts).lstrip(" \t\r\n")
        text = re.sub(r'^@"[ \t]*\n|\n?"@$', "", text) if here else text[1:-1]
        kept = text.split("\0")
        return "".join(each if number % 2 else _unescaped(each, here=here) for number, each in enumerate(kept))

    def _map(self, node: Node) -> dict[str, Any]:
        result: dict[str, Any] = {}
        entries = [entry for body in node.named_children for entry in body.named_children if entry.type == "hash_entry"]
        for entry in entries:
            parts = [child for child in entry.named_children if child.type != "comment"]
            if len(parts) == 2:  # a key and its value
                result[self._member_name(parts[0])] = self._value(parts[1])
        return result

    def _unary(self, node: Node) -> Any:
        first = node.named_children[0] if node.named_children else node
        raw = text_of(node).lstrip()
        if node.type == "expression_with_unary_operator" and first.type == "cast_expression":
            return self._unary(first)
        if first.type in STEPS:
            return self._stepped(first)
        if node.type == "cast_expression" and text_of(first).lower() == "[ref]":
            return self._stepped(node)
        if node.type == "cast_expression":
            return self._cast(text_of(first), self._value(node.named_children[-1]), node)
        value = self._value(node.named_children[-1])
        if raw.startswith("-") and isinstance(value, Number) and not value.text.startswith("-"):
            return Number(f"-{value.text}")
        if raw.lower().startswith("-join") and isinstance(value, list):
            return "".join(map(as_text, value))
        return self._unknown("VALUE", "it is worked out while the script runs", node)

    def _cast(self, kind: str, value: Any, node: Node) -> Any:
        kind = kind.strip("[] \n").lower().rpartition(".")[2]
        if kind in ("int", "long", "int32", "int64", "double", "decimal", "float", "single"):
            text = as_text(value).strip() if isinstance(value, str | Number) else ""
            if has_mark(text):
                return value
            whole = re.fullmatch(r"-?[0-9]+", text) is not None
            fraction = kind in ("double", "decimal") and re.fullmatch(r"-?[0-9]+\.[0-9]+", text)
            exact = "d" if kind == "decimal" else ""
            return _number(text + exact) if whole or fraction else self._unknown("NUMBER", f"[{kind}] rounds it", node)
        if kind in ("string", "char", "securestring"):
            return as_text(value)
        if kind in ("datetime", "guid", "bool", "switch", "xml", "byte", "regex") and not isinstance(value, bool):
            return self._unknown("VALUE", f"[{kind}] makes something else of it", node)
        return value

    def _sum(self, node: Node) -> Any:
        parts = [child for child in node.named_children if child.type != "comment"]
        if any(child.type == "-" for child in node.children) or len(parts) != 2:  # left and right
            return self._unknown("VALUE", "it is worked out while the script runs", node)
        return self._added(self._value(parts[0]), self._value(parts[1]), node)

    def _added(self, first: Any, second: Any, node: Node) -> Any:
        if isinstance(first, dict) and isinstance(second, dict):
            return {**first, **second}
        if isinstance(first, list):
            return [*first, *(second if isinstance(second, list) else [second])]
        if isinstance(first, str):
            return first + as_text(second)
        return self._unknown("VALUE", "it is worked out while the script runs", node)

    def _formatted(self, node: Node) -> Any:
        parts = [child for child in node.named_children if child.type != "format_operator"]
        form, given = self._value(parts[0]), self._value(parts[-1])
        values = given if isinstance(given, list) else [given]

        def fill(match: re.Match[str]) -> str:
            if match.group() in ("{{", "}}"):
                return match.group()[0]
            number = match.group(1)
            if number is None or int(number) >= len(values):
                return self._unknown("VALUE", "its format is not known here", node)
            value = values[int(number)]
            form = match.group(2) or ""
            if isinstance(value, _Now):
                return date_reference(form[1:], self._at(node), self._notebook)
            return as_text(value) if not form else self._unknown("VALUE", "its format is not known here", node)

        return re.sub(r"\{\{|\}\}|\{(\d+)(:[^{}]*)?\}|\{", fill, as_text(form))

    def _compared(self, node: Node) -> Any:
        operator = next(
            (text_of(c).strip().lower() for c in node.named_children if c.type == "comparison_operator"), ""
        )
        left, right = self._value(node.named_children[0]), self._value(node.named_children[-1])
        if operator == "-join" and isinstance(left, list):
            return as_text(right).join(map(as_text, left))
        if operator in ("-replace", "-ireplace", "-creplace") and isinstance(left, str) and isinstance(right, list):
            return self._replaced(
                left, as_text(right[0]), as_text(right[1]) if len(right) > 1 else "", node, plain=False
            )
        return self._unknown("VALUE", "it is worked out while the script runs", node)

    def _replaced(self, text: str, old: str, new: str, node: Node, *, plain: bool) -> str:
        if has_mark(text) or not old or (not plain and (re.search(r"[\\.*+?\[\](){}^$|]", old) or "$" in new)):
            return self._unknown("VALUE", "it is replaced while the script runs", node)
        return text.replace(old, new) if plain else re.sub(re.escape(old), lambda _: new, text, flags=re.IGNORECASE)

    # --- members --------------------------------------------------------------------------------------------------

    def _accessed(self, node: Node) -> Any:
        children = node.named_children
        name = self._member_name(children[1]) if len(children) > 1 and node.type != "element_access" else ""
        if node.type == "invokation_expression":
            given = [self._value(each) for child in children if child.type == "argument_list" for each in _given(child)]
            if children[0].type == "type_literal":
                return self._static(text_of(children[0]).lower(), name.lower(), given, node)
            return self._called(children[0], name.lower(), given, node)
        if children[0].type == "type_literal":
            kind = text_of(children[0]).lower()
            now = "datetime" in kind and name.lower() in ("now", "today")
            return self._now if now else name if "encoding" in kind else self._unknown(name, "it is .NET's", node)
        holder = self._value(children[0])
        key: Any = name or (self._value(children[1]) if len(children) > 1 else "")
        if isinstance(holder, dict):
            found = [item for each, item in holder.items() if each.lower() == as_text(key).lower()]
            return found[0] if found else None
        if isinstance(holder, list) and isinstance(key, Number) and re.fullmatch(r"-?\d+", key.text):
            number = int(key.text)
            return holder[number] if -len(holder) <= number < len(holder) else None
        return self._unknown(as_text(key) if not has_mark(as_text(key)) else "VALUE", _why(holder), node)

    def _static(self, kind: str, name: str, given: list[Any], node: Node) -> Any:
        if name == "new" and re.search(r"dictionary|hashtable", kind):
            return {}
        if name == "getenvironmentvariable" and given and isinstance(given[0], str) and not has_mark(given[0]):
            return variable(given[0], self._at(node))
        if name == "escapedatastring" or not given:
            return self._unknown(name, f".NET's {name} makes it", node)
        return self._unknown("VALUE", f".NET's {name} makes it", node)

    def _called(self, of: Node, method: str, given: list[Any], node: Node) -> Any:
        value = self._value(of)
        if isinstance(value, dict) and method == "add" and len(given) == 2:  # a key and its value
            self._put(of, {**value, as_text(given[0]): given[1]}, node)
            return None
        if isinstance(value, dict) and method == "remove" and given:
            self._put(of, {key: item for key, item in value.items() if key != as_text(given[0])}, node)
            return None
        if isinstance(value, _Now) and method == "tostring" and given:
            return date_reference(given[0], self._at(node), self._notebook)
        if method == "getbytes" and given:
            return given[0]
        if method == "tostring" and not given and isinstance(value, str | Number | bool):
            return as_text(value)
        if (
            isinstance(value, str)
            and method in ("trim", "trimend", "trimstart")
            and not has_mark(value[:1] + value[-1:])
        ):
            chars = as_text(given[0]) if given else None
            strip = {"trim": value.strip, "trimend": value.rstrip, "trimstart": value.lstrip}[method]
            return strip(chars)
        if isinstance(value, str) and method.startswith("trim") and not given:
            return value
        if isinstance(value, str) and method == "replace" and len(given) == 2:  # old and new
            return self._replaced(value, as_text(given[0]), as_text(given[1]), node, plain=True)
        return self._unknown("VALUE", f"it is what .{method}() returns" if method.isalpha() else _why(value), node)


def _given(node: Node) -> list[Node]:
    return [child for each in node.named_children for child in each.named_children if child.type != "comment"]


def _why(value: Any) -> str:
    mark = first_unknown(value) if isinstance(value, str) else None
    return mark.why if mark else "it is worked out while the script runs"


def _number(text: str) -> Number | None:
    """A number literal as PowerShell sends it: one with a point is a double, whose digits are its shortest."""
    match = re.fullmatch(
        r"(-?)0*([0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?)(l?d?)|(0x[0-9a-f]+)|([0-9]+)(kb|mb|gb)", text, re.IGNORECASE
    )
    if match is None:
        return None
    if match[6]:
        return Number(str(int(match[6], 16)))
    if match[7]:
        return Number(str(int(match[7]) * 1024 ** _SIZES[match[8].lower()]))
    digits = match[1] + match[2]
    if match[5].lower() == "d" and not match[4]:
        return Number(digits, exact=True)
    if not (match[3] or match[4] or abs(int(digits)) >= _DECIMAL):
        return Number(digits)
    number = float(digits)
    return None if match[5] or math.isinf(number) else Number(_double(number))


def _double(number: float) -> str:
    """A double as .NET writes it into JSON; from 10¹⁵ on with an exponent."""
    text = repr(number)
    if "e" in text or abs(number) < 1e15:  # .NET's bound
        return text.replace("e", "E")
    digits = text.removesuffix(".0").lstrip("-")
    fraction = digits[1:].rstrip("0")
    return f"{'-' if number < 0 else ''}{digits[0]}{'.' if fraction else ''}{fraction}E+{len(digits) - 1}"


def _unescaped(text: str, *, here: bool) -> str:
    text = re.sub(r"`(\n|.)", lambda match: _ESCAPES.get(match[1], match[1]), text, flags=re.DOTALL)
    return text if here else text.replace('""', '"')
