"""Finds secret values in text that came from elsewhere and puts a mark in their place.

What aftrun itself writes never holds a secret, since manifests hold references (see `values`). This module is
for text that a server, a library or the operating system wrote, and that may echo what was sent to it.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Iterable

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


def _escapes(char: str) -> str:
    r"""A pattern for one character in every escaped form: JSON's (`\u00e9`, `\/`, `\n`) and the URL's (`%C3%A9`, `+`).

    Writers differ in what they escape and in the case of the digits, so a secret is looked for character by character.
    """
    if char.isascii() and char.isalnum():
        return char
    percent = "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
    units = char.encode("utf-16-be", "surrogatepass").hex()
    code = "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
    forms = [char, json.dumps(char)[1:-1], f"\\{char}", *("+" if char == " " else "")]
    return f"(?:{'|'.join(map(re.escape, forms))}|(?i:{re.escape(percent)}|{re.escape(code)}))"


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
        forms |= {secret: "".join(map(_escapes, secret)) for secret in long}
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


NOTHING_SECRET = Scrubber()
