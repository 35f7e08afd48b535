"""Text that a server wrote, made fit to show: no control characters, no terminal escapes, no endless lines."""

from __future__ import annotations

import re
from collections.abc import Callable

from aftrun.domain.text import one_line, without_escapes

LIMIT = 2000
"""Longest text of a server that is kept, in characters. Enough for any message, too little to flood a log."""

_BLANKS = re.compile(r"[\s\x1c-\x1f\x85\u2028\u2029]+")
"""Line ends and tabs become blanks too: one message is one line, so that no text can forge a second one."""

_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_EXCERPT = 300
_LOOK = 20_000
_WINDOW = 100_000


def shortened(text: str) -> str:
    """One line, fit to show, of no more than is kept of any text of a server."""
    return one_line(text, LIMIT)


def hide(text: str, scrub: Callable[[str], str]) -> str:
    """The text without its secrets, and never with half of one: what a cut may have gone through is left out.

    Only about the first 100 000 characters are looked at; the second half of what is left of more is dropped.
    """
    whole = len(text) <= _WINDOW
    text = scrub(without_escapes(text[:_WINDOW]))
    return text if whole else text[: -_WINDOW // 2]


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
    return one_line(scrub(_BLANKS.sub(" ", text)), _EXCERPT)
