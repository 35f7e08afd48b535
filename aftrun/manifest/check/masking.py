"""Literal secrets in a manifest: names that give them away, and lines shown without them."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
_SECRET_DEFAULT = re.compile(
    rf"(?ix) \$\{{ (?P<name> [^}}:\s]{{0,200}} (?: {_SECRET_WORDS} | key ) [^}}:\s]{{0,200}} ) :- (?P<value> [^}}]* )"
)
_OPENS = re.compile(r"""(?:[|>][-+0-9]{0,3}\s*(?:\#.*)?|[&!]\S+\s*|["'].*)?$""")
"""What may follow a key whose value stands on the lines below."""
_LOOK_BACK = 200
"""Lines before one that are looked at, for the key whose value it may be a part of."""
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
    line = _SECRET_DEFAULT.sub(lambda match: f"${{{match['name']}:-{stars(match['value'])}", line)
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


def continues_secret(line: str, before: Sequence[str]) -> bool:
    """Whether a line belongs to the value of a key that is given to secrets, which stands on a line before it.

    `before` are the lines before it, the nearest first. Also in text that is no YAML: the file may be broken.
    """
    indent = len(line) - len(line.lstrip())
    for each in before[:_LOOK_BACK]:
        match = next(reversed(list(_AFTER_SECRET_KEY.finditer(each))), None)
        if match is not None and _unfinished(each[match.end() :]):
            return True
        if each.strip() and len(each) - len(each.lstrip()) < indent:
            if match is not None or not re.match(r"\s*[-?#\w\"']", each):
                return False
            indent = len(each) - len(each.lstrip())
            if re.search(r":(\s|$)", each):
                return False  # another key's
    return False


def _unfinished(rest: str) -> bool:
    """Whether a value goes on, or begins, on the next line."""
    if rest[:1] in ('"', "'"):
        return rest.find(rest[0], 1) < 0
    return _OPENS.fullmatch(rest) is not None
