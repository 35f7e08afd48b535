"""A page for each code: what it means, an example, how to mend it. The source of `aftrun explain` and of the docs."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from aftrun.domain.errors import Severity
from aftrun.manifest.check.diagnostics import CODES


@dataclass(frozen=True, slots=True)
class Page:
    """One code, for people."""

    what: str
    example: str
    """A whole manifest, called `manifest.yaml`, that has the problem."""
    mend: str
    mended: str
    """The same manifest without the problem."""


def severity(code: str) -> Severity:
    """How bad a code is: its number tells."""
    return Severity.WARNING if code >= "AFT100" else Severity.ERROR


@functools.cache
def pages() -> Mapping[str, Page]:
    """All pages by code, in order."""
    # Three files of mere text, imported by those who want to read it.
    from aftrun.manifest.check.pages_advice import ADVICE  # noqa: PLC0415 - as above
    from aftrun.manifest.check.pages_form import FORM  # noqa: PLC0415 - as above
    from aftrun.manifest.check.pages_meaning import MEANING  # noqa: PLC0415 - as above

    found = {**FORM, **MEANING, **ADVICE}
    return {code: Page(*(text.strip("\n") for text in found[code])) for code in sorted(found)}


def _yaml(text: str) -> str:
    return f"```yaml\n{text}\n```"


def markdown(code: str) -> str:
    """The page of one code."""
    page = pages()[code]
    kind = severity(code)
    parts = [f"## {code}", f"**{CODES[code]}** ({kind})", page.what, _yaml(page.example), page.mend, _yaml(page.mended)]
    return "\n\n".join(parts) + "\n"


def text(code: str) -> str:
    """The page of one code for a terminal."""

    def indented(example: str) -> str:
        return "\n".join(f"    {line}".rstrip() for line in example.splitlines())

    page = pages()[code]
    parts = [
        f"{code}: {CODES[code]} ({severity(code)})",
        page.what,
        indented(page.example),
        page.mend,
        indented(page.mended),
    ]
    return "\n\n".join(parts) + "\n"


def document() -> str:
    """All pages as one document."""
    intro = (
        "# Diagnostics\n\n"
        "What `aftrun validate` says, code by code. `aftrun explain CODE` prints the same page. Codes are stable: they "
        "keep their meaning, and one that is no longer used is not given to anything else. From AFT100 on they are "
        "warnings, which `--strict` takes for errors.\n\n"
        "| code | what it is |\n|---|---|\n"
    )
    table = "".join(f"| [{code}](#{code.lower()}) | {title} |\n" for code, title in CODES.items())
    return intro + table + "\n" + "\n".join(markdown(code) for code in pages())
