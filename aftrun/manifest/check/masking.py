"""Literal secrets in a manifest: names that give them away, and lines shown without them."""

from __future__ import annotations

import re

_SECRET_WORDS = (  # words that secrets go by
    r"(?:api[-_]?key|token|passw(?:or)?d|passphrase|pwd|secret|credential|authorization|cookie|private[-_]?key)"  # noqa: S105 - no secret
)
# No quantifier without bounds stands before a word: a line may be megabytes long.
_AFTER_SECRET_KEY = re.compile(
    rf"""(?ix) (?: {_SECRET_WORDS} [\w.-]{{0,60}} ["']? \s{{0,9}} [:=] (?!\?)
               | \b name ["']? \s{{0,9}} : \s{{0,9}} ["']? [\w.-]{{0,60}} {_SECRET_WORDS} [\w.-]{{0,60}} ["']?
                 \s{{0,9}} , \s{{0,9}} ["']? value ["']? \s{{0,9}} :
               | ^ \s* ["']? value ["']? \s{{0,9}} : ) \s* """
)
_SECRET_NAME = re.compile(rf"(?i:{_SECRET_WORDS}|(?:^|[-_.])key$)|[a-z]Key$")
_HARMLESS_NAME = re.compile(
    r"(?i)(?:^|[-_.])(?:public|primary|foreign|sort|partition|object)[-_]?key$|(?:id|name|file|path|count|length)$"
)
_USERINFO = re.compile(r"(?<=://)[^\s/@\"']+(?=@)")
_HARMLESS_VALUE = re.compile(r"""["']?(?:\$\{|\$\$|[{\[|>&*]\s*$|$)""")


def looks_secret(name: str) -> bool:
    """Whether a name is one that people give to secrets: `token`, `dbPassword`, `api-key`."""
    return bool(_SECRET_NAME.search(name)) and not _HARMLESS_NAME.search(name)


def stars(text: str) -> str:
    """The text with all but blanks, quotes and brackets hidden."""
    return re.sub(r"""[^\s"',}\]]""", "*", text)


def masked(line: str) -> str:
    """The line without what looks like a literal secret. Nothing moves, so that the caret still fits."""
    line = _USERINFO.sub(lambda match: "*" * len(match.group()), line)
    done = 0
    while (match := _AFTER_SECRET_KEY.search(line, done)) is not None:
        done = match.end()
        rest = line[done:]
        if _HARMLESS_VALUE.match(rest):
            continue
        if rest[:1] in ('"', "'"):
            closing = rest.find(rest[0], 1)
            end = len(rest) if closing < 0 else closing + 1
            # An escaped quote would end the value too early; then hide all that is left.
            end = len(rest) if "\\" in rest[:end] or rest[end : end + 1] == rest[0] else end
        else:
            end = next((at for at, char in enumerate(rest) if char in ",}]"), len(rest))
            end = len(rest) if "{" not in line[:done] else end
        line = line[:done] + stars(rest[:end]) + rest[end:]
        done += end
    return line
