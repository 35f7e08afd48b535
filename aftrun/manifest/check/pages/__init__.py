"""A page for each code, in `CODE.md` beside this file: the source of `aftrun explain` and of docs/diagnostics.md.

A page is Markdown: what the code means, a whole manifest that has the problem, how to fix it, the manifest fixed.
"""

from __future__ import annotations

from importlib import resources

from aftrun.domain.errors import Severity
from aftrun.domain.frozen import dataclass
from aftrun.manifest.check.diagnostics import CODES

_BEGIN, _END = "\n\n```yaml\n", "\n```\n"


@dataclass(frozen=True, slots=True)
class Page:
    """One code, for people."""

    what: str
    example: str
    """A whole manifest, called `manifest.yaml`, that has the problem."""
    fix: str
    fixed: str
    """The same manifest without the problem."""


def severity(code: str) -> Severity:
    """How bad a code is: its number tells."""
    return Severity.WARNING if code >= "AFT100" else Severity.ERROR


def markdown(code: str) -> str:
    """The page of one code as it is written, without a heading.

    Raises:
        FileNotFoundError: the code has no page. A test holds the pages to the table of codes.
    """
    return resources.files(__name__).joinpath(f"{code}.md").read_text(encoding="utf-8")


def page(code: str) -> Page:
    """The page of one code, in its four parts.

    Raises:
        FileNotFoundError: as for `markdown`.
        ValueError: the file has not the form of a page.
    """
    what, example, rest = _first_block(code, markdown(code))
    fix, fixed, nothing = _first_block(code, rest.removeprefix("\n"))
    if nothing:
        raise ValueError(f"the page of {code} goes on after its second manifest")
    return Page(what, example, fix, fixed)


def _first_block(code: str, text: str) -> tuple[str, str, str]:
    """The text before the first block of YAML, what is in the block, and what follows it."""
    before, begin, rest = text.partition(_BEGIN)
    block, end, after = rest.partition(_END)
    if not (before and begin and block and end):
        raise ValueError(f"the page of {code} is not: text, a block of YAML, text, a block of YAML")
    return before, block, after


def text(code: str) -> str:
    """The page of one code for a terminal."""

    def indented(example: str) -> str:
        return "\n".join(f"    {line}".rstrip() for line in example.splitlines())

    found = page(code)
    heading = f"{code}: {CODES[code]} ({severity(code)})"
    return "\n\n".join([heading, found.what, indented(found.example), found.fix, indented(found.fixed)]) + "\n"
