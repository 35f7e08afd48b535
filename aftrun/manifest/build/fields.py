"""Nodes → values: the few ways in which fields are read, and which of them take references.

- *kept* fields (params, script selectors, servers' addresses and keys) stay templates until the run;
- *settled* fields (durations, numbers, switches) are expanded while loading;
- *shown* fields (descriptions, servers' names, expressions) are too, but take nothing from outside;
- *fixed* fields (names, needs, tags, conditions, matrix) take no references.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from typing import TypeVar

from aftrun.domain.text import brief, did_you_mean
from aftrun.domain.values import Inside, Origin, Outside, Template, Value
from aftrun.manifest import outside
from aftrun.manifest.build import expand
from aftrun.manifest.check import layout
from aftrun.manifest.check.diagnostics import Findings
from aftrun.manifest.parse import scalars
from aftrun.manifest.parse.nodes import ListNode, MapNode, Node, ScalarNode
from aftrun.system import expressions

T = TypeVar("T")

Axes = Mapping[str, str]
"""The combination of a matrix that a job stands for."""

RUN_NAMES = ("id", "date", "started")

_FUNCTIONS = "see https://jmespath.org/specification.html#built-in-functions"


class Fields:
    """Reads fields of one manifest. Mistakes go to `findings`; the field is then None."""

    def __init__(self, findings: Findings, environ: Mapping[str, str] | None) -> None:
        self.findings = findings
        self.environ = environ
        self.vars: dict[str, Value] = {}
        self.references: dict[Origin | Outside, Outside] = {}
        """Every reference to the outside that was met, also those that are expanded at once, by their places."""
        self.broken: Node | None = None
        """The last node in which a reference was malformed: what it comes to need not be looked at."""

    # Kept fields

    def value(self, node: Node | None) -> Value | None:
        """A kept field. References stay references; None where there is no scalar."""
        if not isinstance(node, ScalarNode) or node.is_null:
            return None
        if "$" not in node.text:
            return node.text
        return self._parsed(node)

    def _parsed(self, node: ScalarNode) -> Value:
        def report(offset: int, message: str, hint: str) -> None:
            self.findings.error_at(place(offset), "AFT040", message, hint)
            self.broken = node

        place = node.places()
        value = expand.parse(node.text, report, place, node.source.folder)
        if isinstance(value, Template):
            self.references |= {each.origin or each: each for each in value.outsides()}
        return value

    def kept_shown(self, node: Node | None, what: str) -> Value | None:
        """A kept field that people see: from outside it can come through `vars` alone, which says so."""
        value = self.value(node)
        return None if node is not None and self._shows_outside(value, node, what) else value

    def early(self, node: Node | None) -> Value | None:
        """A kept field that is needed before any job is at hand: `${{ vars.x }}` become what they stand for."""
        value = self.value(node)
        if not isinstance(value, Template):
            return value
        parts: list[str | Outside | Inside] = []
        for part in value.parts:
            known = self.vars.get(part.path[1]) if isinstance(part, Inside) and part.path[0] == "vars" else None
            parts += (part,) if known is None else (known,) if isinstance(known, str) else known.parts
        texts = [part for part in parts if isinstance(part, str)]
        return "".join(texts) if len(texts) == len(parts) else Template(tuple(parts), value.raw)

    def path(self, node: Node | None) -> Value | None:
        """A kept field that is a path on this machine, made relative to the file that it stands in.

        A path that begins with a reference is taken as it comes, relative to the working directory: whoever sets a
        variable does not know where manifests lie.
        """
        value = self.early(node)
        if value is None or node is None:
            return None
        folder = node.source.folder
        if isinstance(value, str):
            return os.path.join(folder, value)  # noqa: PTH118 - text in, text out: pathlib would rewrite ./x and x//
        first = value.parts[0]
        if not folder or not isinstance(first, str):
            return value
        return Template((os.path.join(folder, first), *value.parts[1:]), value.raw)  # noqa: PTH118 - as above

    # Fixed fields

    def fixed(self, node: Node | None, what: str) -> str | None:
        """A field that takes no references; `$$` is a literal `$` here too."""
        if not isinstance(node, ScalarNode) or node.is_null:
            return None
        if "$" not in node.text:
            return node.text
        at = expand.first_reference(node.text)
        if at >= 0:
            hint = "write the text itself; $$ is a literal $"
            self.findings.error_at(node.places()(at), "AFT041", f"{what} cannot hold a reference", hint)
            return None
        return node.text.replace("$$", "$")

    def fixed_list(self, node: Node | None, what: str) -> tuple[tuple[str, Node], ...]:
        """A list of fixed texts, or a single one, each beside its node."""
        items = node.items if isinstance(node, ListNode) else (node,) if node is not None else ()
        found = ((self.fixed(item, what), item) for item in items)
        return tuple((text, item) for text, item in found if text)

    def unexpanded(self, key: ScalarNode, what: str) -> None:
        """Refuse a key that looks as if it were expanded: keys never are."""
        if "$" in key.text and expand.first_reference(key.text) >= 0:
            hint = "write the name itself; only values can hold a reference"
            self.findings.error(key, "AFT041", f"{what} cannot hold a reference: keys are never expanded", hint)

    # Settled fields

    def shown(self, node: Node | None, what: str, axes: Axes | None = None) -> str | None:
        """A settled field whose text people see: from outside it can come through `vars` alone, which says so."""
        holds_reference = isinstance(node, ScalarNode) and "$" in node.text and not node.is_null
        if isinstance(node, ScalarNode) and holds_reference and self._shows_outside(self._parsed(node), node, what):
            return None
        return self.text(node, axes)

    def _shows_outside(self, value: Value | None, node: Node, what: str) -> bool:
        """Whether a field that is shown holds a reference to the outside, which is then reported."""
        outsides = value.outsides() if isinstance(value, Template) else ()
        for reference in outsides:
            message = f"{what} cannot hold a reference to the outside, since it is shown"
            hint = 'write the text itself; or declare what may be shown, vars: {x: "${…}"}, and write ${{ vars.x }}'
            origin = reference.origin or node.origin
            self.findings.error_at(origin, "AFT041", message, hint, width=len(reference.text))
        return bool(outsides)

    def text(self, node: Node | None, axes: Axes | None = None) -> str | None:
        """A settled field. None where it is absent, or not known while nothing from outside is."""
        if not isinstance(node, ScalarNode) or node.is_null:
            return None
        if "$" not in node.text:
            return node.text
        value = self._parsed(node)
        return value if isinstance(value, str) else self._expanded(value, node, axes or {})

    def _expanded(self, value: Template, node: Node, axes: Axes) -> str | None:
        found: list[str | None] = []
        for part in value.parts:
            if isinstance(part, str):
                found.append(part)
            elif isinstance(part, Outside):
                found.append(self._from_outside(part))
            else:
                found.append(self._from_inside(part, node, axes))
        if any(piece is None for piece in found):
            return None
        return "".join(piece for piece in found if piece is not None)

    def _from_outside(self, reference: Outside) -> str | None:
        if self.environ is None:
            return None
        value: str | None = None
        trouble: outside.Unavailable | None = None
        try:
            value = outside.fetch(reference, self.environ)
        except outside.Unavailable as error:
            trouble = error
        result = outside.settled(reference, {} if value is None else {reference.key: value}, trouble)
        if result is None:
            empty = value is not None
            said = (trouble.message, trouble.hint) if trouble else outside.missing(reference, empty=empty)
            self.findings.add(outside.problem(reference, *said))
        return result

    def _from_inside(self, reference: Inside, node: Node, axes: Axes) -> str | None:
        scope = reference.path[0]
        if scope in ("run", "jobs"):
            hint = "it can stand in params, the script's name or path, headers and addresses"
            message = f"{reference.text} is known only during the run, and this field is needed before"
            origin = reference.origin or node.origin
            self.findings.error_at(origin, "AFT042", message, hint, width=len(reference.text))
            return None
        if not self.check_scope(reference, axes):
            return None
        if scope == "matrix":
            return axes[reference.path[1]]
        value = self.vars[reference.path[1]]
        return value if isinstance(value, str) else self._expanded(value, node, axes)

    def check_scope(self, reference: Inside, axes: Axes) -> bool:
        """Whether `vars.x`, `matrix.x` and `run.x` exist; says so where they do not."""
        scope, name = reference.path[0], reference.path[1]
        known = {"vars": tuple(self.vars), "matrix": tuple(axes), "run": RUN_NAMES}.get(scope)
        if known is None:
            return True
        if name in known:
            if reference.format is not None and name == "id":
                self._unknown(reference, "run.id takes no format", "only run.date and run.started do")
                return False
            return True
        if "|" in name:
            what = "a variable's name" if scope == "vars" else "an axis of the matrix"
            hint = "write the value as it is to be: nothing is computed"
            self._unknown(reference, f"{brief(name)!r} is not {what}; there are no filters", hint)
            return False
        hint = did_you_mean(name, known)
        if scope == "matrix":
            hint = hint or ("its axes are " + ", ".join(known) if known else "the job has no matrix")
        elif scope == "run":
            hint = hint or "there are run.id, run.date and run.started"
        elif not hint:
            hint = "vars holds " + ", ".join(known) if 0 < len(known) <= 10 else f"declare it: vars: {{{name}: …}}"
        self._unknown(reference, f"there is no {scope}.{brief(name)}", hint)
        return False

    def _unknown(self, reference: Inside, message: str, hint: str) -> None:
        if reference.origin is not None:
            self.findings.error_at(reference.origin, "AFT042", message, hint, width=len(reference.text))

    def _fit(
        self,
        node: Node | None,
        axes: Axes | None,
        convert: Callable[[str], T | None],
        what: str,
        expected: str | Callable[[str], str],
    ) -> T | None:
        text = self.text(node, axes)
        if text is None or node is None:
            return None
        result = convert(text)
        if result is None:
            expanded = isinstance(node, ScalarNode) and "$" in node.text
            message = f"{what} must be {expected if isinstance(expected, str) else expected(text)}"
            if expanded:  # never show the value: it may be secret
                self.findings.error(node, "AFT047", f"{message}, and the expanded value is not")
            else:
                self.findings.late_error(node, "AFT026", message)
        return result

    def duration(self, node: Node | None, what: str, axes: Axes | None = None, *, zero: bool = False) -> float | None:
        """Seconds. Zero is refused unless it makes sense."""

        def convert(text: str) -> float | None:
            seconds = scalars.duration(text)
            return seconds if seconds or zero else None

        return self._fit(node, axes, convert, what, scalars.wanted_duration)

    def flag(self, node: Node | None, what: str, axes: Axes | None = None) -> bool | None:
        """A switch."""

        def convert(text: str) -> bool | None:
            value = scalars.resolve(text)
            return value if isinstance(value, bool) else None

        return self._fit(node, axes, convert, what, "true or false")

    def integer(self, node: Node | None, part: str, key: str, axes: Axes | None = None) -> int | None:
        """A whole number within the bounds that the schema sets for a key of a part."""
        least, most = layout.bounds(part, key)

        def convert(text: str) -> int | None:
            value = scalars.resolve(text)
            good = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
            return int(text, 0) if good and text[:2] in ("0x", "0o") else int(text) if good else None

        return self._fit(node, axes, convert, f"{key!r}", f"a whole number from {least} to {most}")

    def number(self, node: Node | None, part: str, key: str, axes: Axes | None = None) -> float | None:
        """A number within the bounds that the schema sets for a key of a part."""
        least, most = layout.bounds(part, key)

        def convert(text: str) -> float | None:
            value = scalars.resolve(text)
            if isinstance(value, bool) or not isinstance(value, int | float):
                return None
            return float(value) if least <= value <= most else None

        return self._fit(node, axes, convert, f"{key!r}", f"a number from {least:g} to {most:g}")

    def choice(self, node: Node | None, part: str, key: str, axes: Axes | None = None) -> str | None:
        """One of the words that the schema has for a key of a part."""
        words = layout.words(part, key)
        return self._fit(
            node, axes, lambda text: text if text in words else None, f"{key!r}", "one of " + ", ".join(words)
        )

    def finish_by(self, node: Node | None) -> str | None:
        """A time of day or an instant, as text."""
        return self._fit(
            node,
            None,
            lambda text: text if scalars.is_finish_by(text) else None,
            "'finishBy'",
            scalars.FINISH_BY,
        )

    def jmespath(self, node: Node | None, what: str, axes: Axes | None = None) -> str | None:
        """An expression, its syntax checked."""
        text = self.shown(node, what, axes)
        if text is None or node is None:
            return text
        from jmespath.exceptions import (  # noqa: PLC0415 - as above
            ArityError,
            JMESPathError,
            UnknownFunctionError,
            VariadictArityError,
        )

        try:
            with warnings.catch_warnings():
                # `text` between backticks that is no JSON: an old spelling of a text, which still works.
                warnings.simplefilter("ignore", PendingDeprecationWarning)
                if expressions.grows(text):
                    message = f"{what} is a JMESPath expression that comes to more than it may, whatever it is given"
                    self.findings.error(node, "AFT058", message, "it doubles what it has, again and again")
                    return None
        except UnknownFunctionError as error:
            name = str(error).rpartition(" ")[2].removesuffix("()")
            hint = did_you_mean(name, expressions.functions()) or _FUNCTIONS
            self.findings.error(node, "AFT058", f"{what} calls {brief(name)}(), which JMESPath does not have", hint)
            return None
        except ArityError as error:
            least = "at least " if isinstance(error, VariadictArityError) else ""
            takes = f"{least}{error.expected_arity}"
            self.findings.error(
                node,
                "AFT058",
                f"{what} calls {error.function_name}() with {error.actual_arity} values, and it takes {takes}",
                _FUNCTIONS,
            )
            return None
        except JMESPathError as error:
            if type(error) is JMESPathError:  # of `expressions`: well written, and cannot work all the same
                self.findings.error(node, "AFT058", f"{what} cannot work: {error}", _FUNCTIONS)
                return None
            at = getattr(error, "lex_position", None)
            where = f": unexpected text at character {at + 1}" if isinstance(at, int) and at < len(text) else ""
            hint = "numbers are written `0`, texts 'done'; see https://jmespath.org"
            self.findings.error(node, "AFT058", f"{what} is not a JMESPath expression{where}", hint)
            return None
        except RecursionError:
            self.findings.error(node, "AFT058", f"{what} is nested too deep for a JMESPath expression")
            return None
        return text


def mapping(node: Node | None) -> MapNode | None:
    """The node where it is a mapping; anything else has been reported by the schema."""
    return node if isinstance(node, MapNode) else None
