"""Finds secret values in text that came from elsewhere and puts a mark in their place.

What aftrun itself writes never holds a secret, since manifests hold references (see `values`). This module is
for text that a server, a library or the operating system wrote, and that may echo what was sent to it.
"""

from __future__ import annotations

import base64
import html.entities
import json
import re
import urllib.parse
from collections.abc import Iterable

from aftrun.domain.model import Json

MARK = "***"

_MIN_LENGTH = 4
"""Shorter values are left alone inside longer text: hiding every "a" would hide nothing and ruin the text."""


def _base64_forms(raw: bytes) -> Iterable[str]:
    """The base64 spellings of `raw`, wherever it starts inside a longer encoded text.

    Base64 encodes three bytes at a time, so a value that starts at offset 1 or 2 of a group looks different.
    For each offset we keep only the characters that depend on nothing but the value.
    """
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode("ascii")
        start = (0, 2, 3)[offset]
        total_bits = (offset + len(raw)) * 8
        stable = encoded[start : total_bits // 6]
        yield stable
        yield stable.replace("+", "-").replace("/", "_")


def spellings(secret: str) -> set[str]:
    """Every form of a secret that is looked for: raw, JSON-escaped, URL-encoded and base64 at any offset."""
    if len(secret) < _MIN_LENGTH:
        return {secret} if secret else set()
    raw = secret.encode("utf-8", "surrogateescape")
    forms = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(secret)[1:-1].replace("/", "\\/"),
        repr(secret)[1:-1],
        urllib.parse.quote(raw, safe=""),
        urllib.parse.quote(raw),
        urllib.parse.quote_plus(raw),
        raw.hex(),
        *_base64_forms(raw),
    }
    return {form for form in forms if form}


_BACKSLASHES = r"\\{1,8}+"
"""JSON inside JSON doubles the backslashes each time. Bounded, so that no text costs its square."""

_ENTITIES = {**html.entities.codepoint2name, ord("'"): "apos"}
_BLANK = (
    rf"\s|{_BACKSLASHES}(?:[nrtfv\s]|(?i:u00(?:20|0[9a-d])))|(?i:%(?:20|0[9a-d])"
    r"|&(?:amp;){0,2}(?:nbsp|#(?:0*(?:9|1[0-3]|32)|x0*(?:20|[9a-d])));)"
)
_AFTER_BACKSLASH = "[nrtfv]|(?i:u00(?:20|0[9a-d]))|"
_RUNS = re.compile(r"\\+|\s+|[^\\\s]")
_SPELLED_OUT = 256
"""Letters and digits of longer secrets are looked for as they are: escaping those is rare, and the pattern large."""


def _coded(char: str) -> str:
    """A pattern for the URL's spelling of a character (`%C3%A9`) and HTML's (`&eacute;`, `&#233;`, `&#xe9;`)."""
    percent = "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
    name = f"{_ENTITIES[ord(char)]}|" if ord(char) in _ENTITIES else ""
    return f"(?i:{percent}|&(?:amp;){{0,2}}(?:{name}#(?:0*{ord(char)}|x0*{ord(char):x}));)"


def _escaped(char: str) -> str:
    """A pattern for what stands behind the backslashes where a character is escaped in JSON."""
    units = char.encode("utf-16-be", "surrogatepass").hex()
    code = _BACKSLASHES.join(f"(?i:u{units[at : at + 4]})" for at in range(0, len(units), 4))
    if char.isascii() and char.isalnum():
        return code
    short = json.dumps(char)[1:-1]
    more = f"|{short[1]}" if len(short) == 2 and short[1] != char else ""
    return f"{code}|{re.escape(char)}{more}"


def _character(char: str, *, behind: bool) -> str:
    """A pattern for one character in every spelling. `behind`: the backslashes before it are matched already."""
    escaped = _escaped(char)
    # Not the character itself once more: two ways to match each would be 2^n ways to match n.
    bare = f"|{escaped.replace(f'|{re.escape(char)}', '', 1)}" if behind else ""
    return f"(?:{re.escape(char)}|{_BACKSLASHES}(?:{escaped})|{_coded(char)}{bare})"


def _blanks(run: str, *, behind: bool) -> str:
    """A pattern for a run of blanks: any other run, since who shows a text in one line collapses them.

    `+` is a blank in forms only, so as many of them count as there are blanks. Atomic: trying all ways to split
    would take time without end.
    """
    others = "".join(f"|{_character(char, behind=False)}" for char in sorted(set(run) - set(" \t\n\r\f\v")))
    blank = f"(?:{_BLANK}{others})"
    first = f"(?:{_AFTER_BACKSLASH}{_BLANK}{others})" if behind else blank
    return rf"(?>{first}{blank}{{0,99}}+(?!\+)|(?:{blank}|\+){{{len(run)}}}|{first}{blank}{{0,99}}+)"


def _escapes(secret: str) -> str:
    r"""A pattern for a secret in every escaped form: JSON's (`\u00e9`, `\/`, `\n`), the URL's (`%C3%A9`, `+`), HTML's.

    Writers differ in what they escape and in the case of the digits, so a secret is looked for character by character.
    Blanks around it are left out: they get lost where a text is trimmed.
    """
    core = secret.strip()
    secret = core if len(core) >= _MIN_LENGTH else secret
    parts: list[str] = []
    behind = False
    for run in _RUNS.findall(secret):
        if run.startswith("\\"):
            code = rf"(?:{_BACKSLASHES}(?i:u005c)|{_coded(run[0])})"
            parts.append(rf"(?:\\{{{len(run)},{8 * len(run) + 7}}}+(?!(?i:u005c))|{code}{{{len(run)}}})")
        elif run.isspace():
            parts.append(_blanks(run, behind=behind))
        elif len(secret) > _SPELLED_OUT and run.isascii() and run.isalnum():
            parts.append(run)
        else:
            parts.append(_character(run, behind=behind))
        behind = run.startswith("\\")
    return "".join(parts)


_HUGE = 4096
"""Longer values, whole files say, are looked for as they are: a pattern of a megabyte takes minutes to compile."""


class Scrubber:
    """Replaces secrets in text by `***`. Longest first, so that a short one cannot break up a longer one."""

    __slots__ = ("_exact", "_long", "_pattern")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        short: set[str] = set()
        long: set[str] = set()
        for secret in secrets:
            if len(secret) < _MIN_LENGTH:
                short |= {secret} if secret.strip() else set()
            else:
                long.add(secret)
        self._exact = frozenset(short)
        huge = {secret for secret in long if len(secret) > _HUGE}
        self._long = tuple(sorted({form for secret in huge for form in spellings(secret)}, key=len, reverse=True))
        long -= huge
        forms = {form: re.escape(form) for secret in long for form in spellings(secret)}
        forms |= {secret: _escapes(secret) for secret in long}
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(forms[form] for form in ordered)) if ordered else None

    def scrub(self, text: str) -> str:
        """The text without any secret in it. Values under four characters are hidden only as whole words."""
        for form in self._long:
            if len(form) <= len(text):
                text = text.replace(form, MARK)
        if self._pattern is not None:
            text = self._pattern.sub(MARK, text)
        for secret in sorted(self._exact, key=len, reverse=True):
            text = re.sub(rf"(?<![\w-]){re.escape(secret)}(?![\w-])", MARK, text)
        return text

    def scrub_json(self, value: Json) -> Json:
        """The value without any secret in its keys, texts and numbers."""
        if isinstance(value, dict):
            return {self.scrub(key): self.scrub_json(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.scrub_json(item) for item in value]
        if isinstance(value, bool) or value is None:
            return value
        text = value if isinstance(value, str) else repr(value)
        clean = self.scrub(text)
        return value if clean == text else clean


NOTHING_SECRET = Scrubber()
