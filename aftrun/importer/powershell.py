"""A PowerShell script, walked over without running it: its statements, and the calls in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from aftrun.domain.frozen import replace
from aftrun.importer import rest
from aftrun.importer.bash import unread
from aftrun.importer.batch import argv
from aftrun.importer.calls import Calls
from aftrun.importer.found import Notebook, Word, words
from aftrun.importer.marks import has_mark, reference, unknown
from aftrun.importer.psvalues import NAME, STEPS, Expressions, as_json, as_text, date_reference
from aftrun.importer.trees import DEEPEST, below, text_of

if TYPE_CHECKING:
    from aftrun.importer.trees import Node

_REST = ("invoke-restmethod", "irm", "invoke-webrequest", "iwr")
_SETTING = re.compile(
    r"(?:\s-(?:out|error|warning|information|pipeline)variable|\s-(?:ov|ev|wv|iv|pv)"
    r"|^(?:(?:clear|remove)-variable|clv|rv)(?:\s+-name)?)[:\s]+\+?['\"]?(\w+)",
    re.IGNORECASE,
)
"""Commands, and parameters of any command, that set a variable by its name."""
_SWITCHES = words(
    "skipcertificatecheck usebasicparsing compress raw asarray passthru nonewline verbose debug wait nonewwindow "
    "force whatif confirm disablekeepalive skiphttperrorcheck skipheadervalidation noproxy resume followrellink utc "
    "usedefaultcredentials asjob allowunencryptedauthentication allowinsecureredirect "
    "preserveauthorizationonredirect preservehttpmethodonredirect proxyusedefaultcredentials loaduserprofile"
)


class PowerShell(Expressions):
    """Walks over one text. With `line` all of it stands at that line of what was given."""

    def __init__(self, notebook: Notebook, calls: Calls, text: str, line: int = 0) -> None:
        super().__init__(notebook, text, line)
        self._calls = calls
        self._functions: dict[str, Node] = {}
        self._used: set[str] = set()
        self._depth = 0
        self._visits: dict[str, Callable[[Node], Any]] = {
            "function_statement": self._define,
            "param_block": lambda node: self._parameters(node, None),
            "foreach_statement": self._foreach,
            "try_statement": self._try,
            "trap_statement": self._trap,
            **dict.fromkeys(("if_statement", "switch_statement"), self._branches),
            **dict.fromkeys(("while_statement", "do_statement"), self._loop),
            "for_statement": self._counted,
            **dict.fromkeys(("statement_list", "script_block"), self._children),
        }

    def read(self) -> None:
        """Note every job that the text starts."""
        before = len(self._notebook.jobs)
        self._children(self._root)
        for name, body in self._functions.items():
            if name not in self._used:
                with self._notebook.inside(f"in the function {name}, which nothing here calls"):
                    self._children(body)
        if self._skips_certificates:
            jobs = self._notebook.jobs
            jobs[before:] = [replace(job, tls=replace(job.tls, insecure=True)) for job in jobs[before:]]
        if self._root.has_error:
            unread(self._root, self._notebook, self._at)

    # --- statements -----------------------------------------------------------------------------------------------

    def _children(self, node: Node) -> Any:
        """The value of the last statement below a node."""
        value: Any = None
        for child in node.named_children:
            value = self._statement(child)
        return value

    def _statement(self, node: Node) -> Any:
        self._notebook.step()
        if self._depth > DEEPEST:
            self._notebook.remark(self._at(node), "this is nested too deeply to be read")
            return None
        self._depth += 1
        try:
            return self._visit(node)
        finally:
            self._depth -= 1

    def _visit(self, node: Node) -> Any:
        visit = self._visits.get(node.type)
        if visit is not None:
            return visit(node)
        if node.type in self._kinds or node.type.endswith("_expression"):
            return self._value(node)
        return None if node.type in ("comment", "function_name") else self._children(node)

    def _define(self, node: Node) -> None:
        name = next((text_of(child) for child in node.named_children if child.type == "function_name"), "")
        self._functions[name.lower().split(":")[-1]] = node

    def _trap(self, node: Node) -> None:
        with self._notebook.inside("in a trap, so it ran only after an error"):
            self._children(node)

    def _branches(self, node: Node) -> Any:
        kind = "if" if node.type == "if_statement" else "switch"
        blocks = [each for each in below(node, into=_between_blocks) if each.type == "statement_block"]
        for child in node.named_children:
            if child.type not in ("statement_block", "elseif_clauses", "else_clause", "switch_body"):
                self._value(child)
        before, ends, values = dict(self._variables), [], []  # what a condition sets is set in all branches
        for block in blocks:
            self._variables = dict(before)
            with self._notebook.inside(f"in a branch of the `{kind}` at line {self._at(node)}; now it always runs"):
                values.append(self._children(block))
            ends.append(self._variables)
        has_else = any(child.type == "else_clause" for child in node.named_children)
        ways = ends if has_else and ends else [before, *ends]
        self._merge(ways, node, f"differently in the branches of `{kind}`")
        if values and has_else and all(value == values[0] for value in values):
            return values[0]
        return self._unknown("VALUE", f"it differs between the branches of `{kind}`", node)

    def _try(self, node: Node) -> Any:
        value: Any = None
        for child in node.named_children:
            if child.type == "statement_block":
                value = self._children(child)
            elif child.type == "catch_clauses":
                before = dict(self._variables)
                with self._notebook.inside("in a catch, so it ran only after an error"):
                    self._children(child)
                self._merge([before, self._variables], node, "after an error")
            else:
                self._children(child)
        return value

    def _foreach(self, node: Node) -> None:
        children = [child for child in node.named_children if child.type != "comment"]
        name = next((text_of(child)[1:].lower() for child in children if child.type == "variable"), "")
        body = next((child for child in children if child.type == "statement_block"), None)
        of = [child for child in children if child.type not in ("statement_block", "foreach_parameter")]
        if body is not None:
            self._over(name, self._value(of[1]) if len(of) > 1 else None, body, node)

    def _over(self, name: str, items: Any, body: Node, node: Node) -> None:
        """A loop over a list, if it is one."""
        if not isinstance(items, list) or not items:
            single = isinstance(items, str) and not has_mark(items)
            self._variables[name] = items if single else self._unknown(name, "it is the variable of a loop", node)
            self._loop(body)
            return
        self._each(name, items, body, node)

    def _counted(self, node: Node) -> None:
        for child in node.named_children:
            if child.type == "for_initializer":
                self._children(child)
        self._forget(self._sets(node), node, "it is the variable of a loop")
        for child in node.named_children:
            if child.type == "statement_block":
                self._loop(child)

    def _sets(self, node: Node) -> Iterator[str]:
        for each in below(node):
            is_reference = each.type == "cast_expression" and text_of(each).lower().startswith("[ref]")
            if each.type in ("left_assignment_expression", *STEPS) or is_reference:
                match = re.search(r"\$(?:\{([^}]+)\}|(?:\w+:)?(\w+))", text_of(each))
                if match:
                    yield (match.group(1) or match.group(2)).lower()
            elif each.type == "command":
                yield from (match[1].lower() for match in _SETTING.finditer(text_of(each)))

    def _parameters(self, node: Node, given: tuple[dict[str, Any], list[Any]] | None) -> None:
        """`param(…)`: what a call gave, else the default; of a script's own, what the environment says."""
        named, plain = given or ({}, [])
        plain = list(plain)
        for each in below(node, into=lambda child: child.type != "script_parameter"):
            if each.type != "script_parameter":
                continue
            variable = next((child for child in each.named_children if child.type == "variable"), None)
            default = next((child for child in each.named_children if child.type == "script_parameter_default"), None)
            if variable is None:
                continue
            name = text_of(variable)[1:]
            value = self._value(default.named_children[0]) if default is not None and default.named_children else None
            if name.lower() in named:
                value = named[name.lower()]
            elif plain and given is not None:
                value = plain.pop(0)
            elif given is None and isinstance(value, str) and re.fullmatch(r"[^${}\\`\"'\n\ufdd0]+", value):
                self._notebook.remark(
                    self._at(each), f"ARG_{name.upper()} stands for the parameter ${name}, if it is set"
                )
                value = reference("${ARG_" + name.upper() + ":-" + value + "}") if NAME.fullmatch(name) else value
            elif given is None and value is None:
                value = unknown(name, f"${name} is a parameter of the script", self._at(each))
            self._variables[name.lower()] = value

    def _block(self, block: Node, *, apart: bool) -> Any:
        """The value of a script block; one that is called `apart` has variables of its own, but for the script's."""
        before = dict(self._variables)
        value = self._children(block)
        if apart:
            self._variables = before | {name: kept for name, kept in self._variables.items() if name in self._scripts}
        return value

    # --- commands -------------------------------------------------------------------------------------------------

    def _command(self, node: Node, piped: Any) -> Any:
        """The value of one command; calls are noted on the way."""
        self._notebook.step()
        head = next((child for child in node.named_children if child.type.startswith("command_name")), None)
        if head is None:
            return self._children(node)
        self._forget((match[1].lower() for match in _SETTING.finditer(text_of(node))), node, "a command sets it")
        block = next((child for child in below(head) if child.type == "script_block_expression"), None)
        if block is not None:
            return self._block(block, apart=text_of(node).startswith("&"))
        given = self._value(head.named_children[0]) if head.type == "command_name_expr" else text_of(head)
        name = as_text(given)
        plain, named, words = self._arguments(node)
        line = self._at(node)
        lower = name.lower()
        if lower in self._functions:
            return self._function(lower, named, plain)
        blocks = [item for item in plain if isinstance(item, _Block)]
        if lower in ("foreach-object", "%", "foreach") and blocks:
            self._over("_", piped, blocks[0].node, node)
            return self._unknown("VALUE", "it is what a loop gives", node)
        if blocks and lower not in ("where-object", "?", "register-argumentcompleter"):
            values = [self._children(each.node) for each in blocks]
            return values[-1]
        if lower in _REST or (lower in ("curl", "wget") and rest.is_cmdlet(named)):
            self._notebook.seen.add(line)
            self._calls.request(rest.request_of(line, plain, named, piped, self._notebook))
            return self._unknown("ANSWER", "it is what the server answers", node)
        if lower in ("start-process", "saps", "start"):
            self._start_process(plain, named, line)
            return None
        if lower in ("invoke-expression", "iex") and (plain or piped):
            text = as_text(plain[0] if plain else piped)
            if re.search(r"(?i)\b(curl|aft|irm|iwr|invoke-\w+)\b", text) and not has_mark(text):
                PowerShell(self._notebook, self._calls, text, line).read()
            return None
        found = [Word(name, line), *words]
        stdin = piped if isinstance(piped, str) else None
        if not self._calls.run(found, stdin) and has_mark(name) and words:
            texts = [word.text for word in words]
            program = "aft" if texts[0] in ("start", "run") else "curl" if any("/v1/jobs" in t for t in texts) else ""
            if program:
                self._notebook.remark(line, f"the program is in a variable; it was taken for {program}")
                self._calls.run([Word(program, line), *words], stdin)
        return self._known(lower, plain, named, piped, node)

    def _known(self, name: str, plain: list[Any], named: dict[str, Any], piped: Any, node: Node) -> Any:
        """The value of the few cmdlets whose value is plain."""
        first = plain[0] if plain else None
        if name == "convertto-json":
            return as_json(named.get("inputobject", piped if piped is not None else first))
        if name in ("get-content", "gc", "cat", "type"):
            path = named.get("path", named.get("literalpath", first))
            if isinstance(path, str) and not has_mark(path) and not re.search(r"[{}$\n]", path):
                return reference("${file:" + path + "}")
            return self._unknown("FILE", "it is what a file holds whose name is not known here", node)
        if name == "get-date":
            form = named.get("format", named.get("f"))
            return self._now if form is None and not named else date_reference(form, self._at(node), self._notebook)
        if name in ("write-output", "echo", "out-string", "write"):
            return piped if first is None else first
        if name in ("set-variable", "sv", "new-variable"):
            of = as_text(named.get("name", first)).lower()
            self._variables[of] = named.get("value", plain[1] if len(plain) > 1 else None)
            return None
        if name == "new-object":
            kind = as_text(named.get("typename", first)).lower()
            if "dictionary" in kind or "hashtable" in kind:
                return {}
            if kind in ("psobject", "pscustomobject"):
                return dict(named.get("property") or {})
        if name == "join-path" and len(plain) == 2 and all(isinstance(each, str) for each in plain):
            return "\\".join((as_text(plain[0]).rstrip("\\/"), as_text(plain[1])))
        shown = f"`{name}`" if re.fullmatch(r"[a-z][a-z-]{1,40}", name) else "a command"
        return self._unknown(name.rpartition("-")[2], f"it is what {shown} returns", node)

    def _function(self, name: str, named: dict[str, Any], plain: list[Any]) -> Any:
        if self._depth > DEEPEST // 2:
            return None
        self._used.add(name)
        function, before = self._functions[name], dict(self._variables)
        given = ({key.lower(): value for key, value in named.items()}, plain)
        self._variables["args"] = plain
        value: Any = None
        for child in function.named_children:
            if child.type == "function_parameter_declaration":
                self._parameters(child, given)
            elif child.type != "function_name":
                for each in child.named_children if child.type == "script_block" else [child]:
                    if each.type == "param_block":
                        self._parameters(each, given)
                    else:
                        value = self._statement(each)
        kept = {key: value for key, value in self._variables.items() if key in self._scripts}
        self._variables = {**before, **kept}
        return value

    def _start_process(self, plain: list[Any], named: dict[str, Any], line: int) -> None:
        program = as_text(named.get("filepath", plain[0] if plain else ""))
        given = named.get("argumentlist", named.get("args", plain[1] if len(plain) > 1 else []))
        texts = [as_text(each) for each in given] if isinstance(given, list) else [as_text(given)]
        words: list[str] = []
        for text in texts:
            if len(texts) > 1 and re.search(r"\s", text) and '"' not in text:
                said = "Start-Process passes an argument with a blank as several; it was taken as the one that is meant"
                self._notebook.remark(line, said)
                words.append(text)
            else:
                words += argv(text)
        self._calls.run([Word(program, line), *(Word(word, line) for word in words)])

    def _arguments(self, node: Node) -> tuple[list[Any], dict[str, Any], list[Word]]:
        """Arguments as a cmdlet sees them, plain and named, and as the words that a program sees."""
        plain: list[Any] = []
        named: dict[str, Any] = {}
        words: list[Word] = []
        waiting = ""
        for apart, each in _elements(node):
            raw, line = text_of(each), self._at(each)
            if each.type == "command_parameter":
                name = raw.lstrip("-–").rstrip(":").lower()
                named[name] = True
                words.append(Word(raw, line))
                waiting = "" if name in _SWITCHES and not raw.endswith(":") else name
            elif raw.startswith("@") and raw[1:].isidentifier():
                self._splatted(self._variables.get(raw[1:].lower()), plain, named, words, line)
            else:
                value = _Block(each) if _is_block(each) else self._argument(each)
                if waiting:
                    named[waiting] = value
                else:
                    plain.append(value)
                waiting = ""
                texts = [as_text(item) for item in value] if isinstance(value, list) else [as_text(value)]
                if not apart and words and texts:
                    words[-1] = Word(words[-1].text + texts.pop(0), words[-1].line)
                words += [Word(text, line) for text in texts]
        return plain, named, words

    def _splatted(self, value: Any, plain: list[Any], named: dict[str, Any], words: list[Word], line: int) -> None:
        if isinstance(value, dict):
            named.update({key.lower(): item for key, item in value.items()})
        elif isinstance(value, list):
            plain += value
            words += [Word(as_text(item), line) for item in value]
        else:
            self._notebook.remark(line, "the arguments that a variable brings are not known here: add what they say")


class _Block:
    """A script block among a command's arguments."""

    def __init__(self, node: Node) -> None:
        self.node = next((each for each in below(node) if each.type == "script_block"), node)


def _elements(node: Node) -> Iterator[tuple[bool, Node]]:
    """A command's arguments, each with whether a blank stands before it."""
    separated = True
    for child in node.named_children:
        for each in child.named_children if child.type == "command_elements" else ():
            if each.type == "command_argument_sep":
                separated = True
            elif each.type not in ("redirection", "redirections", "comment"):
                yield separated, each
                separated = False


def _is_block(node: Node) -> bool:
    while node.named_child_count == 1 and node.type != "script_block_expression":
        node = node.named_children[0]
    return node.type == "script_block_expression"


def _between_blocks(node: Node) -> bool:
    return node.type != "statement_block"
