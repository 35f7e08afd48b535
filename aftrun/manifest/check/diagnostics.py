"""Problems → text, the table of all codes, and the collector that every stage reports to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from aftrun.domain.errors import Problem, Severity
from aftrun.domain.text import in_place
from aftrun.domain.values import Origin
from aftrun.manifest.check.masking import continues_secret, masked, stars
from aftrun.manifest.parse.nodes import Node, Source

CODES: Mapping[str, str] = MappingProxyType(
    {
        "AFT001": "not valid YAML",
        "AFT002": "not UTF-8",
        "AFT003": "control character",
        "AFT004": "tab as indentation",
        "AFT005": "key given twice",
        "AFT006": "unknown tag",
        "AFT007": "key is not text",
        "AFT008": "too large or too deep",
        "AFT009": "broken alias or merge",
        "AFT010": "no manifest in the file",
        "AFT020": "wrong type",
        "AFT021": "unknown key",
        "AFT022": "missing key",
        "AFT023": "no script named",
        "AFT024": "several scripts named",
        "AFT025": "value not allowed",
        "AFT026": "wrong form",
        "AFT027": "number out of range",
        "AFT028": "v3 form",
        "AFT029": "param value is not a scalar",
        "AFT030": "empty",
        "AFT031": "unknown manifest version",
        "AFT040": "malformed reference",
        "AFT041": "reference not allowed here",
        "AFT042": "unknown name in a reference",
        "AFT043": "reference to a job that is not needed",
        "AFT044": "reference to a matrix job as a whole",
        "AFT045": "unknown output of a job",
        "AFT046": "no value for a reference",
        "AFT047": "expanded value does not fit",
        "AFT050": "job name given twice",
        "AFT051": "unknown job in needs",
        "AFT052": "needs go in a circle",
        "AFT053": "unusable job name",
        "AFT054": "unknown server",
        "AFT055": "broken include",
        "AFT056": "contradictory TLS settings",
        "AFT057": "unusable URL",
        "AFT058": "not a JMESPath expression",
        "AFT059": "unusable matrix",
        "AFT060": "server and servers together",
        "AFT061": "unusable header",
        "AFT062": "unencrypted connection to another machine",
        "AFT063": "vars would show a secret",
        "AFT064": "a name that two manifests share, with once",
        "AFT070": "not allowed by the policy",
        "AFT101": "scriptId instead of scriptName",
        "AFT102": "filePath does not end in .syncjs",
        "AFT103": "API key in the manifest",
        "AFT104": "certificate not verified",
        "AFT105": "secret in the manifest",
        "AFT106": "need that is not waited for",
        "AFT107": "when: failure that nothing can trigger",
        "AFT108": "unencrypted connection",
        "AFT109": "manifest name given twice",
        "AFT110": "param filled twice",
        "AFT111": "job that can never run",
        "AFT112": "outputs of a job that is not waited for",
        "AFT113": "once key that is new in every run",
        "AFT114": "path in a server's URL",
        "AFT115": "escape in what looks like a path",
        "AFT116": "text that ends at a #",
        "AFT117": "character that is not seen",
        "AFT118": "typographic quotes",
        "AFT119": "word that stands under two states",
        "AFT120": "variable that is shown and looks like a secret",
        "AFT121": "maxParallel without effect",
    }
)
"""Every code with its title. Codes are stable; from AFT100 on they are warnings."""

_LINE_WIDTH = 160


_NEIGHBOURHOOD = 4_000
"""Characters either side of a place that are looked at: a minified file is one line of megabytes."""
_ABOUT_SECRETS = frozenset({"AFT103", "AFT105"})


def _excerpt(line: str, start: int, end: int, *, secret: bool) -> tuple[str, str]:
    """A line and the marks below it, from `start` to `end`, cut to a bearable width."""
    width = max(1, min(end, len(line)) - start)
    shift = max(0, start - _NEIGHBOURHOOD)
    near = masked(line[shift : start + _NEIGHBOURHOOD])
    if secret:  # the value may stand on a line of its own, without the key that gives it away
        near = near[: start - shift] + stars(near[start - shift :])
    near = in_place(near)
    if len(line) <= _LINE_WIDTH:
        return near.rstrip(), " " * start + "^" * width
    first = max(0, start - _LINE_WIDTH // 2)
    cut = near[first - shift : first - shift + _LINE_WIDTH]
    before, after = "…" if first else "", "…" if first + _LINE_WIDTH < len(line) else ""
    offset = start - first + len(before)
    return f"{before}{cut}{after}".rstrip(), " " * offset + "^" * min(width, _LINE_WIDTH - offset)


_BOLD, _RED, _YELLOW, _CYAN, _PLAIN = "1", "1;31", "1;33", "36", "0"


def _paint(text: str, style: str, *, colour: bool) -> str:
    return f"\x1b[{style}m{text}\x1b[{_PLAIN}m" if colour and text else text


def render(problems: Sequence[Problem], files: Iterable[tuple[str, bytes]] = (), *, colour: bool = False) -> str:
    """The problems as text for people: place, code, message, the line with a mark under the place, the remedy.

    `files` are the bytes of the files by path; a problem in another file is shown without its line. What looks like
    a literal secret in a line is hidden.
    """
    sources = {path: Source(path, data) for path, data in files}
    lines: list[str] = []
    for problem in problems:
        style = _RED if problem.severity is Severity.ERROR else _YELLOW
        kind = _paint(f"{problem.severity}[{problem.code}]", style, colour=colour)
        lines.append(f"{_paint(problem.place, _BOLD, colour=colour)}: {kind}: {problem.message}")
        source = sources.get(problem.path)
        text = source.line(problem.line) if source is not None else ""
        if source is not None and text.strip():
            start = problem.column - 1
            same = problem.end_line == problem.line and problem.end_column > problem.column
            end = problem.end_column - 1 if same else len(text) if problem.end_line > problem.line else start + 1
            number = str(problem.line)
            before = [source.line(each) for each in range(problem.line - 1, max(0, problem.line - 201), -1)]
            within = continues_secret(text, before)
            shown, marks = _excerpt(stars(text) if within else text, start, end, secret=problem.code in _ABOUT_SECRETS)
            lines.append(f"  {number} | {shown}")
            blank = marks[: len(marks) - len(marks.lstrip())]
            lines.append(f"  {' ' * len(number)} | {blank}{_paint(marks.lstrip(), style, colour=colour)}")
        if problem.hint:
            lines.append(f"  {_paint('hint:', _CYAN, colour=colour)} {problem.hint}")
    return "\n".join(lines)


class Findings:
    """Collects problems, each place and kind of mistake once, however many jobs share it."""

    __slots__ = ("_places", "_seen", "problems")

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._seen: set[tuple[str, str, int, int]] = set()
        self._places: set[tuple[str, int, int]] = set()

    def add(self, problem: Problem) -> None:
        """Keep a problem, unless one of its kind is known at its place."""
        key = (problem.code, problem.path, problem.line, problem.column)
        if key not in self._seen:
            self._seen.add(key)
            self._places.add(key[1:])
            self.problems.append(problem)

    def error(self, node: Node, code: str, message: str, hint: str = "") -> None:
        """Something that stops the run."""
        self.add(node.problem(code, message, hint))

    def error_at(self, origin: Origin, code: str, message: str, hint: str = "", *, width: int = 0) -> None:
        """Something that stops the run, at a place that is no node; `width` is that of the text in question."""
        end = (origin.line, origin.column + width) if width else (0, 0)
        self.add(Problem(code, message, origin.path, origin.line, origin.column, *end, hint=hint))

    def warning_at(self, origin: Origin, code: str, message: str, hint: str = "", *, width: int = 0) -> None:
        """Something to think about, at a place that is no node."""
        place = (origin.path, origin.line, origin.column, origin.line, origin.column + width)
        self.add(Problem(code, message, *place, Severity.WARNING, hint))

    def late_error(self, node: Node, code: str, message: str, hint: str = "") -> None:
        """An error that an earlier stage may have put in other words: only where the place is not known yet."""
        if (node.source.path, node.line, node.column) not in self._places:
            self.error(node, code, message, hint)

    def warning(self, node: Node, code: str, message: str, hint: str = "") -> None:
        """Something to think about."""
        self.add(node.problem(code, message, hint, Severity.WARNING))

    @property
    def failed(self) -> bool:
        """Whether there is an error among the problems."""
        return any(problem.severity is Severity.ERROR for problem in self.problems)
