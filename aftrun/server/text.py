"""Text that a server wrote, made fit to show: no control characters, no terminal escapes, no endless lines."""

from __future__ import annotations

import re
from collections.abc import Callable

LIMIT = 2000
"""Longest text of a server that is kept, in characters. Enough for any message, too little to flood a log."""

_BLANKS = re.compile(r"[\s\x1c-\x1f\x85\u2028\u2029]+")
"""Line ends and tabs become blanks too: one message is one line, so that no text can forge a second one."""

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 (ESC starts terminal sequences), DEL, C1 (CSI as one character)
    "\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"  # invisible, or turns the direction of what follows
    "\ud800-\udfff]"  # half a surrogate pair: no encoder takes it
)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_EXCERPT = 300
_LOOK = 20_000
_WINDOW = 100_000


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def cut(text: str, limit: int = LIMIT) -> str:
    """The text, cut to `limit` characters with `…` as the last where it was longer."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clean(text: str, limit: int = LIMIT) -> str:
    """One line of at most `limit` characters, in which everything a terminal could act upon is spelled out."""
    # Escapes only lengthen the text, so what lies beyond twice the limit can matter only where blanks shrink it.
    text = _BLANKS.sub(" ", text[: limit * 20]).strip()
    return cut(_UNSAFE.sub(_escape, text[: limit + 1]), limit)


def hide(text: str, scrub: Callable[[str], str]) -> str:
    """The text without its secrets, and never with half of one: what a cut may have gone through is left out.

    Only about the first 100 000 characters are looked at; the second half of what is left of more is dropped.
    """
    if len(text) <= _WINDOW:
        return scrub(text)
    return scrub(text[:_WINDOW])[: -_WINDOW // 2]


def excerpt(text: str, scrub: Callable[[str], str]) -> str:
    """The gist of a body that is no JSON: the title of an HTML page, or its first words.

    `scrub` sees the text as it was sent, since taking out tags and blanks may hide a secret from it, and again
    before the cut, since a secret may have become one only then.
    """
    text = hide(text, scrub)[:_LOOK]
    head = text.lstrip()[:200].lower()
    if head.startswith("<"):
        title = _TITLE.search(text)
        has_title = title is not None and title.group(1).strip()
        text = title.group(1) if title is not None and has_title else _MARKUP.sub(" ", text)
    return clean(scrub(_BLANKS.sub(" ", text)), _EXCERPT)
