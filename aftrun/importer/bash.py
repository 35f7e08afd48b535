"""A shell script, walked over without running it: its commands' words, with variables that are plainly assigned."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from aftrun.importer.calls import Calls
from aftrun.importer.effects import (
    ALWAYS_SUCCEED,
    calculated,
    chain,
    prints_nothing,
    set_by,
    takes_output,
)
from aftrun.importer.found import Notebook, Word, basename
from aftrun.importer.marks import first_unknown, has_mark, only_marks, reference, sole, variable
from aftrun.importer.trees import DEEPEST, below, text_of
from aftrun.importer.walk import Walker

if TYPE_CHECKING:
    from aftrun.importer.trees import Node

Value = str | list[str]

_EXPANDS = ("simple_expansion", "expansion", "command_substitution", "arithmetic_expansion", "process_substitution")
_ANSI = {**{c: c for c in "\\'\"?"}, **dict(zip("ntrabfveE", "\n\t\r\a\b\f\v\x1b\x1b", strict=True))}
_NUMERIC = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([0-7]{1,3})|(.))", re.DOTALL)
_BRACES = re.compile(r"\$\{([A-Za-z_]\w*|[0-9]+|[@*#?!$-])(\[[^\]]*\])?((?::?[-=?+]|[#%/^,:@]).*)?\}", re.DOTALL)
_DATE = re.compile(r"(?:[^%}\\]|%[YmdHMSjFTyBbAaIpuVGge])+")
_PLAIN_DEFAULT = re.compile(r"[^${}\\`\"']*")
_SILENT = ("comment", "word", "variable_name", "heredoc_body", "string", "raw_string", "test_command")
"""Parts of statements that start nothing."""
_PASSES = ({"tee"}, {"jq", "."}, {"jq", "-c", "."}, {"jq", "-r", "."})


class Bash(Walker):
    """Walks over one text. With `line` all of it stands at that line of what was given."""

    def __init__(self, notebook: Notebook, calls: Calls, text: str, line: int = 0) -> None:
        super().__init__(notebook, "bash", text, line)
        self._calls = calls
        self._formed: set[str] = set()
        """Variables that `declare` gave a form, such as numbers or capitals, which values then take."""
        self._functions: dict[str, Node] = {}
        self._used: set[str] = set()
        self._depth = 0
        self._visits: dict[str, Callable[[Node], str | None]] = {
            "variable_assignment": self._assign,
            "declaration_command": self._declared,
            "unset_command": self._unset,
            "function_definition": self._define,
            "if_statement": self._branches,
            "case_statement": self._branches,
            "for_statement": self._for,
            "while_statement": self._loop,
            "c_style_for_statement": self._counted,
            "compound_statement": self._compound,
            "list": self._list,
            "subshell": self._subshell,
        }

    def read(self) -> None:
        """Note every job that the text starts."""
        self._children(self._root)
        for name, body in self._functions.items():
            if name not in self._used:
                with self._notebook.inside(f"in the function {name}, which nothing here calls"):
                    self._body(body)
        if self._root.has_error:
            _unread(self._root, self._notebook, self._at)

    # --- statements -----------------------------------------------------------------------------------------------

    def _children(self, node: Node) -> str | None:
        """Walk over the statements below a node; what they print together, where that is plain."""
        printed: str | None = None
        all_plain = True
        children = node.children
        for child, following in zip(children, [*children[1:], None], strict=False):
            if not child.is_named:
                continue
            apart = following is not None and following.type == "&"
            each = self._apart(child) if apart else self._statement(child)
            all_plain = all_plain and (each is not None or prints_nothing(child))
            printed = (printed or "") + each if each is not None else printed
        return printed if all_plain else None

    def _apart(self, node: Node, stdin: str | None = None) -> str | None:
        """Walk over a statement that runs in a process of its own, which changes no variable here."""
        before = dict(self._variables)
        printed = self._statement(node, stdin)
        self._variables = before
        return printed

    def _statement(self, node: Node, stdin: str | None = None, extra: Sequence[Node | str] = ()) -> str | None:
        """Walk over a statement; says what it prints, where that is plain."""
        self._notebook.step()
        if self._depth > DEEPEST:
            self._notebook.remark(self._at(node), "this is nested too deeply to be read")
            return None
        self._depth += 1
        try:
            return self._kinds(node, stdin, extra)
        finally:
            self._depth -= 1

    def _kinds(self, node: Node, stdin: str | None, extra: Sequence[Node | str]) -> str | None:
        if node.type == "command":
            return self._command(node, stdin, extra)
        if node.type == "redirected_statement":
            return self._redirected(node, stdin)
        if node.type == "pipeline":
            printed = stdin
            for child in node.named_children:
                printed = self._apart(child, printed)
            return printed
        visit = self._visits.get(node.type)
        if visit is not None:
            return visit(node)
        if node.type == "test_command":
            self._forget(self._sets(node), node, "the shell works it out")
        return None if node.type in _SILENT else self._children(node)

    def _declared(self, node: Node) -> None:
        flags = "".join(text_of(child) for child in node.named_children if text_of(child).startswith("-"))
        for child in node.named_children:
            if re.search("[ilun]", flags) and child.type in ("variable_assignment", "variable_name"):
                self._formed.add(re.split(r"[\[+=]", text_of(child))[0])
            if child.type == "variable_assignment":
                self._assign(child)

    def _unset(self, node: Node) -> None:
        for child in node.named_children:
            name, element, _ = text_of(child).strip("\"'").partition("[")
            self._variables[name] = self._unknown(name, "single elements of it are unset", node) if element else ""

    def _define(self, node: Node) -> None:
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name is not None and body is not None:
            self._functions[text_of(name)] = body

    def _subshell(self, node: Node) -> str | None:
        before = dict(self._variables)
        printed = self._children(node)
        self._variables = before
        return printed

    def _compound(self, node: Node) -> str | None:
        self._forget(calculated(node), node, "the shell works it out")
        return self._children(node)

    def _list(self, node: Node) -> None:
        """`a && b || c`: what stands behind an operator may not have run, unless only assignments stand before it."""
        first, *rest = chain(node)
        self._statement(first[1])
        certain = first[1].type in ALWAYS_SUCCEED
        before, ends = dict(self._variables), []
        for operator, child in rest:
            if operator == "||":
                ends.append(self._variables)
                self._merge([before, self._variables], node, "where a command before it ended well")
                leaves = re.search(r"\b(exit|return)\b", text_of(child)) is not None
                with self._notebook.inside("behind ||, so it ran only where the command before it failed"):
                    self._statement(child)
                if leaves:
                    self._variables, certain = ends.pop(), True
            else:
                self._statement(child)
                certain = certain and child.type in ALWAYS_SUCCEED
        if not certain or ends:
            self._merge([before, *ends, self._variables], node, "where a command before it ended well")

    def _branches(self, node: Node) -> None:
        before, ends = dict(self._variables), []
        kind = "if" if node.type == "if_statement" else "case"
        line = self._at(node)
        rest: list[Node] = []
        complete = False
        conditions = {child.id for child in node.children_by_field_name("condition")}
        for child in node.named_children:
            if child.id in conditions or (kind == "case" and child == node.child_by_field_name("value")):
                self._statement(child)
                before = dict(self._variables)
            elif child.type in ("elif_clause", "else_clause", "case_item"):
                ends.append(self._branch([child], before, kind, line))
            else:
                rest.append(child)
            if child.type == "else_clause" or (child.type == "case_item" and text_of(child).startswith(("*)", "(*)"))):
                complete = True
        if rest:
            ends.append(self._branch(rest, before, kind, line))
        self._merge(ends if complete and ends else [before, *ends], node, f"differently in the branches of `{kind}`")

    def _branch(self, nodes: Sequence[Node], before: dict[str, Value], kind: str, line: int) -> dict[str, Value]:
        self._variables = dict(before)
        with self._notebook.inside(f"in a branch of the `{kind}` at line {line}; now it always runs"):
            for node in nodes:
                if node.type in ("elif_clause", "else_clause", "case_item"):
                    values = {child.id for child in node.children_by_field_name("value")}
                    for child in node.named_children:
                        if child.id not in values:
                            self._statement(child)
                else:
                    self._statement(node)
        return self._variables

    def _for(self, node: Node) -> None:
        """A loop over words that are known is written out; jobs that are the same each time count once."""
        name = node.child_by_field_name("variable")
        words = [word.text for child in node.children_by_field_name("value") for word in self._words(child)]
        body = node.child_by_field_name("body")
        if name is None or body is None:
            self._children(node)
            return
        asks = text_of(node).startswith("select")
        if asks or not words or any(has_mark(word) or re.search(r"[*?{]", word) for word in words):
            self._variables[text_of(name)] = self._unknown(text_of(name), "it is the variable of a loop", node)
            self._loop(body)
            return
        self._each(text_of(name), words, body, node)

    def _counted(self, node: Node) -> None:
        body = node.child_by_field_name("body")
        self._forget(calculated(node), node, "it is the variable of a loop")
        if body is not None:
            self._loop(body)

    def _sets(self, node: Node) -> Iterator[str]:
        for each in below(node):
            if each.type == "variable_assignment" and each.named_children:
                yield re.split(r"\[", text_of(each.named_children[0]))[0]
            elif each.type == "command":
                yield from set_by([text_of(child) for child in each.named_children])
            elif each.type in ("arithmetic_expansion", "c_style_for_statement", "compound_statement"):
                yield from calculated(each)

    def _assign(self, node: Node) -> None:
        target, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if target is None:
            return
        new: Value = ""
        if value is not None and value.type == "array":
            new = [word.text for child in value.named_children for word in self._words(child)]
            if any(re.match(r"\[[^\]]+\]\+?=", text_of(child)) for child in value.named_children):
                new = self._unknown(text_of(target), "its elements are set by name", node)
        elif value is not None:
            new = self._whole(value, name=text_of(target))
        name = text_of(target)
        why = "single elements of it are set" if target.type == "subscript" else ""
        name = name.split("[")[0]
        if why or name in self._formed:
            self._variables[name] = self._unknown(name, why or "`declare` gives it another form", node)
            return
        old = self._variables.get(name)
        if any(child.type == "+=" for child in node.children):
            if isinstance(new, list):
                new = [*(old if isinstance(old, list) else [old] if old else []), *new]
            elif isinstance(old, list):
                new = self._unknown(name, "it is a list", node)
            else:
                new = (variable(name, self._at(node)) if old is None else old) + new
        self._variables[name] = new

    # --- commands -------------------------------------------------------------------------------------------------

    def _redirected(self, node: Node, stdin: str | None) -> str | None:
        body = node.child_by_field_name("body")
        extra: list[Node | str] = []
        following: list[tuple[bool, Node]] = []
        silent = False
        for redirect in node.children_by_field_name("redirect"):
            if redirect.type == "heredoc_redirect":
                stdin = self._document(redirect)
                extra += redirect.children_by_field_name("argument")
                failed = any(child.type == "||" for child in redirect.children)
                following += [(failed, each) for each in redirect.children_by_field_name("right")]
                following += [(False, each) for each in redirect.named_children if each.type == "pipeline"]
                for each in redirect.children_by_field_name("redirect"):
                    extra += each.children_by_field_name("destination")[1:]
            elif redirect.type == "herestring_redirect":
                words = redirect.named_children
                stdin = self._text(words[0]) + "\n" if words else stdin
                extra += words[1:]
            else:
                silent = silent or takes_output(redirect)
                targets = redirect.children_by_field_name("destination")
                if targets and any(child.type == "<" for child in redirect.children):
                    stdin = self._file_reference(self._text(targets[0]), redirect)
                extra += targets[1:]  # the grammar takes all that follows for the file's name
        if body is not None and body.next_sibling is not None:  # the grammar loses a lone - before <<
            gap = (node.text or b"")[body.end_byte - node.start_byte : body.next_sibling.start_byte - node.start_byte]
            extra[:0] = gap.decode("utf-8", "replace").split()
        printed = self._statement(body, stdin, extra) if body is not None else stdin
        printed = "" if silent else printed
        if body is None and extra:
            self._calls.run([word for child in extra for word in self._words(child)], stdin)
        for failed, each in following:
            with self._notebook.inside(
                "behind ||, so it ran only where the command before it failed" if failed else ""
            ):
                printed = self._statement(each, printed)
        return printed

    def _document(self, node: Node) -> str:
        start = next((text_of(child) for child in node.named_children if child.type == "heredoc_start"), "")
        body = next((child for child in node.named_children if child.type == "heredoc_body"), None)
        if body is None:
            return ""
        if re.search(r"['\"\\]", start):
            text = text_of(body)
        else:
            text = self._between(body, 0, 0, lambda raw: self._here(raw, body))
        if any(child.type == "<<-" for child in node.children):
            text = re.sub(r"(?m)^\t+", "", text)
        return text

    def _here(self, raw: str, node: Node) -> str:
        """Text of a here-document; the grammar does not see commands in backticks there."""

        def plain(match: re.Match[str]) -> str:
            return match[1].strip("\n") if match[1] else self._unknown("VALUE", "it is what a command prints", node)

        return re.sub(r"\\([$`\\\n])|`[^`]*`?", plain, raw)

    def _command(self, node: Node, stdin: str | None, extra: Sequence[Node | str]) -> str | None:
        name = node.child_by_field_name("name")
        if name is None:
            return self._children(node)
        for redirect in node.children_by_field_name("redirect"):
            if redirect.type == "herestring_redirect" and redirect.named_children:
                stdin = self._text(redirect.named_children[0]) + "\n"
        words = self._words(name.named_children[0] if name.named_children else name)
        for child in [*node.children_by_field_name("argument"), *extra]:
            words += self._words(child)
        if not words:
            return None
        words[0] = Word(words[0].text, self._at(node))
        first = words[0].text
        if first in self._functions:
            self._function(first, [word.text for word in words[1:]])
            return None
        texts = [word.text for word in words]
        self._forget(set_by(texts), node, f"`{first}` sets it")
        if first == "set" and "--" in texts:
            self._variables["@"] = texts[texts.index("--") + 1 :]
        elif first in ("source", ".") and len(words) > 1:
            said = f"`{first}` reads another file; variables that it sets are taken from the environment"
            self._notebook.remark(self._at(node), said)
        elif first in ("eval", "trap") and len(words) > 1 and not has_mark(words[1].text):
            with self._notebook.inside("in a trap, so it ran at the end" if first == "trap" else ""):
                self._nested(" ".join(word.text for word in words[1:]) if first == "eval" else words[1].text, node)
        elif not self._calls.run(words, stdin) and has_mark(first) and len(words) > 1:
            self._indirect(words, stdin)
        prefixed = any(child.type == "variable_assignment" for child in node.named_children)
        return None if prefixed else self._prints(texts, stdin, node)

    def _indirect(self, words: Sequence[Word], stdin: str | None) -> None:
        """`"$CURL" -d … https://…/v1/jobs`, `$AFT start -n …`: the arguments say which program is in the variable."""
        texts = [word.text for word in words[1:]]
        name = "aft" if texts[0] in ("start", "run") else "curl" if any("/v1/jobs" in text for text in texts) else ""
        if name:
            self._notebook.remark(words[0].line, f"the program is in a variable; it was taken for {name}")
            self._calls.run([Word(name, words[0].line), *words[1:]], stdin)

    def _nested(self, text: str, node: Node) -> None:
        if re.search(r"\b(curl|aft)\b", text):
            Bash(self._notebook, self._calls, text, self._at(node)).read()

    def _function(self, name: str, arguments: list[str]) -> None:
        if self._depth > DEEPEST // 2:
            return
        self._used.add(name)
        outer = self._variables.get("@")
        self._variables["@"] = arguments
        local = {
            re.split(r"[\[=]", text_of(child))[0]
            for each in below(self._functions[name])
            if each.type == "declaration_command" and text_of(each).startswith(("local", "declare", "typeset"))
            for child in each.named_children
        }
        kept = {each: self._variables[each] for each in local if each in self._variables}
        body = self._functions[name]
        self._statement(body)
        if any(each.type == "if_statement" and re.search(r"\breturn\b", text_of(each)) for each in below(body)):
            self._forget(set(self._sets(body)) - local, body, "the function that sets it may return before its end")
        self._variables.pop("@", None)
        if outer is not None:
            self._variables["@"] = outer
        for each in local:
            self._variables.pop(each, None)
        self._variables.update(kept)

    def _body(self, body: Node) -> None:
        self._variables.pop("@", None)
        self._statement(body)

    def _prints(self, words: list[str], stdin: str | None, node: Node) -> str | None:
        """What a command prints, where that is plain."""
        name = basename(words[0])
        if name == "cat" and len(words) == 1 and stdin is not None:
            return stdin
        if name == "cat" and len(words) == 2 and words[1] == "-":
            return stdin
        if name == "cat" and len(words) == 2:
            return self._file_reference(words[1], node)
        if name == "date" and len(words) == 2 and words[1].startswith("+") and "TZ" not in self._variables:
            return self._date(words[1][1:], node)
        if name == "echo":
            rest = words[2:] if words[1:2] in (["-n"], ["-e"]) else words[1:]
            return " ".join(rest) + "\n" if words[1:2] != ["-e"] or "\\" not in " ".join(rest) else None
        if name == "printf" and len(words) == 3 and words[1] in ("%s", "%s\\n"):
            return words[2]
        if name == "printf" and len(words) == 2 and not re.search(r"[%\\]", words[1]):
            return words[1]
        return stdin if set(words) in _PASSES or (name == "tee" and stdin is not None) else None

    def _date(self, form: str, node: Node) -> str | None:
        if not _DATE.fullmatch(form) or has_mark(form) or form.endswith(" "):
            return None
        text = "${{ run.date:" + form + " }}"
        self._notebook.remark(self._at(node), f"`date` became {text}, the day and time at which a run begins")
        return reference(text)

    def _file_reference(self, path: str, node: Node) -> str:
        home = reference("${HOME}")
        path = (
            f"~{path.removeprefix(home)}" if path.startswith(f"{home}/") else path
        )  # aftrun knows it by this name, too
        if has_mark(path) or re.search(r"[{}$\n]", path):
            return self._unknown("FILE", "it is what a file holds whose name is not known here", node)
        return reference("${file:" + path + "}")

    # --- words ----------------------------------------------------------------------------------------------------

    def _words(self, node: Node | str) -> list[Word]:
        """The words that one argument becomes: unquoted variables may be several, or none."""
        if isinstance(node, str):
            return [Word(node, 0)]
        line = self._at(node)
        if node.type in ("simple_expansion", "expansion", "command_substitution"):
            value = self._expansion(node, "") if node.type != "command_substitution" else self._substitution(node, "")
            texts = value if isinstance(value, list) else [value] if has_mark(value) else self._split(value, node)
            return [Word(text, line, bare=has_mark(text) and only_marks(text)) for text in texts]
        if node.type == "string" and len(node.named_children) == 1 and text_of(node)[1:-1].startswith(("${", "$@")):
            inner = node.named_children[0]
            if inner.type in ("simple_expansion", "expansion") and text_of(inner) == text_of(node)[1:-1]:
                value = self._expansion(inner, "")
                if isinstance(value, list):
                    return [
                        Word(text, line, bare=only_marks(text) and first_unknown(text) is not None) for text in value
                    ]
        return [Word(self._whole(node), line)]

    def _split(self, value: str, node: Node) -> list[str]:
        separators = self._variables.get("IFS", " \t\n")
        if not separators or not re.search(f"[{re.escape(separators)}]", value):
            return [value] if value else []
        if has_mark(separators) or not separators.isspace():
            return [self._unknown("VALUE", "IFS says how it is taken apart", node)]
        return [each for each in re.split(f"[{re.escape(separators)}]+", value) if each]

    def _whole(self, node: Node, name: str = "") -> str:
        """The text that a whole word becomes: `~` at its start is the home folder."""
        text = self._text(node, name)
        if node.type in ("word", "concatenation") and re.match(r"~(?=/|$)", text_of(node)):
            return variable("HOME", self._at(node)) + text[1:]
        return text

    def _text(self, node: Node, name: str = "") -> str:
        """The text that one word becomes. `name` is the variable that it goes to."""
        raw = text_of(node)
        match node.type:
            case "raw_string":
                return raw[1:-1]
            case "ansi_c_string":
                return _NUMERIC.sub(_ansi, raw[2:-1])
            case "string":
                return self._between(node, 1, 1, _unescaped, name)
            case "translated_string":
                return self._text(node.named_children[0], name) if node.named_children else ""
            case "concatenation":
                return "".join(self._text(child, name) for child in node.named_children)
            case "simple_expansion" | "expansion":
                value = self._expansion(node, name)
                return " ".join(value) if isinstance(value, list) else value
            case "command_substitution":
                return self._substitution(node, name)
            case "arithmetic_expansion" | "process_substitution":
                self._forget(calculated(node), node, "the shell works it out")
                return self._unknown(name or "VALUE", "the shell works it out", node)
            case _:
                return re.sub(r"\\(\n|.)", lambda match: match[1].strip("\n"), raw, flags=re.DOTALL)

    def _between(self, node: Node, left: int, right: int, plain: Callable[[str], str], name: str = "") -> str:
        """Text with variables in it: `plain` reads what is between them."""
        source, start = node.text or b"", node.start_byte
        parts, done = [], left
        for child in node.named_children:
            if child.type in _EXPANDS:
                parts.append(plain(source[done : child.start_byte - start].decode("utf-8", "replace")))
                parts.append(self._text(child, name))
                done = child.end_byte - start
        parts.append(plain(source[done : len(source) - right].decode("utf-8", "replace")))
        return "".join(parts)

    def _substitution(self, node: Node, name: str) -> str:
        raw = text_of(node)
        redirect = re.fullmatch(r"\$\(\s*<\s*([\w./~-]+)\s*\)", raw)
        if redirect:
            return self._file_reference(redirect.group(1), node)
        before = dict(self._variables)
        printed = self._children(node)
        self._variables = before
        if printed is not None:
            return printed.rstrip("\n")
        program = re.match(r"(?:\$\(|`)\s*([a-z][a-z0-9_.-]{0,20})(?=[\s)`])", raw)
        said = f"it is what `{program.group(1)}` prints" if program else "it is what a command prints"
        return self._unknown(name or (program.group(1) if program else "VALUE"), said, node)

    def _variable(self, name: str, node: Node) -> Value:
        if name in self._variables:
            known: Value = self._variables[name]
            return known
        arguments = self._variables.get("@")
        if re.fullmatch(r"[1-9][0-9]*", name) and not isinstance(arguments, str):
            if arguments is not None:
                return str(arguments[int(name) - 1]) if int(name) <= len(arguments) else ""
            return self._unknown(f"ARG_{name}", f"${name} is an argument of the script", node)
        if name == "*" and arguments is not None:
            return list(arguments) if isinstance(arguments, list) else str(arguments)
        if not re.fullmatch(r"[A-Za-z_]\w*", name) or name in ("RANDOM", "SECONDS", "LINENO", "BASHPID", "PPID"):
            return self._unknown("VALUE", f"${name} is there only while the script runs", node)
        return variable(name, self._at(node))

    def _expansion(self, node: Node, name: str) -> Value:
        raw = text_of(node)
        if node.type == "simple_expansion":
            return self._variable(raw[1:], node)
        match = _BRACES.fullmatch(raw)
        if match is None:
            return self._unknown(name or "VALUE", "the shell works it out", node)
        of, index, rest = match.group(1), match.group(2) or "", match.group(3) or ""
        value = self._variable(of, node)
        if index and isinstance(value, list):
            number = index[1:-1]
            if number not in ("@", "*"):
                known = number.isdigit() and int(number) < len(value)
                value = value[int(number)] if known else self._unknown(of, "it is one of a list", node)
        elif index and index != "[0]":
            value = self._unknown(of, "it is one of a list", node)
        elif isinstance(value, list) and of not in ("@", "*"):
            value = value[0] if value else ""
        if isinstance(value, list) and rest:
            return (
                value if value and rest.startswith((":-", "-")) else self._unknown(of, "it is a part of a list", node)
            )
        if not rest or isinstance(value, list):
            return value
        return self._operated(of, value, rest, node)

    def _operated(self, name: str, value: str, rest: str, node: Node) -> str:
        operator = re.match(r":?[-=?+]|##?|%%?|.", rest)
        sign = operator.group() if operator else ""
        word = rest[len(sign) :].strip("\"'")
        mark = sole(value)
        if sign in (":-", "-", ":=", "=") and mark and (mark.text == "${" + name + "}" or name.isdigit()):
            of = f"ARG_{name}" if name.isdigit() else name
            default = "".join(self._text(child) for child in node.named_children[1:])
            if has_mark(default) or not _PLAIN_DEFAULT.fullmatch(default) or "\n" in default:
                return self._unknown(of, "its default is worked out by the shell", node)
            if name.isdigit():
                self._notebook.remark(self._at(node), f"{of} stands for the script's argument ${name}, if it is set")
            found = reference("${" + of + ":-" + default + "}")
            self._variables.update({name: found} if sign.endswith("=") else {})
            return found
        if sign in (":-", "-", ":=", "="):
            return value if value or not sign.startswith(":") else "".join(map(self._text, node.named_children[1:]))
        if sign in (":?", "?"):
            return value
        if sign in ("%", "%%", "#", "##") and not has_mark(value) and not re.search(r"[*?\[$\\]", word):
            return value.removesuffix(word) if "%" in sign else value.removeprefix(word)
        return self._unknown(name, "the shell works it out", node)


def _unescaped(text: str) -> str:
    return re.sub(r'\\([$`"\\\n])', lambda match: match[1].strip("\n"), text)


def _ansi(match: re.Match[str]) -> str:
    code = match.group(1) or match.group(2) or match.group(3)
    if code or match.group(4):
        number = int(code, 16) if code else int(match.group(4), 8)
        return chr(number) if number < 0x110000 else "?"
    return _ANSI.get(match.group(5), match.group())


CALL = re.compile(
    r"(?i)(?<![\w./-])(?:curl(?:\.exe)?\s[^\n]*|(?:aft(?:\.exe)?\s+(?:start|run)|Invoke-RestMethod|Invoke-WebRequest|irm|iwr)\s)"
)


def _unread(root: Node, notebook: Notebook, at: Callable[[Node], int]) -> None:
    """Say which calls stand in what the grammar cannot read and were not found there."""
    for node in [root] if root.type == "ERROR" else [each for each in root.children if each.has_error]:
        for number, each in enumerate(text_of(node).splitlines()):
            line = at(node) + number
            if CALL.search(each) and not each.lstrip().startswith("#") and line not in notebook.seen:
                notebook.remark(
                    line, "a call here cannot be read (is a quote or bracket open?); write its job in by hand"
                )


unread = _unread
