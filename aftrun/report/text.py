r"""Text of strangers (names, messages of a server) made harmless and legible, before a format escapes it its own way.

Colour codes are dropped. What a reader would not see, or what could make text read differently from what it says
(control characters, marks that reverse the writing direction), is written out: `\u202e`. `report.json` alone keeps
every byte.
"""

from __future__ import annotations

import re

_ANSI = re.compile(
    r"\x1b\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)"  # OSC: window titles and links
    r"|(?:\x1b\[|\x9b)[0-9:;<=>?]*[ -/]*[@-~]"  # CSI: colours and movements
    r"|\x1b[ -/]*[0-~]"  # the other escapes
)
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad"  # controls but for tab and newline; the soft hyphen
    "\u061c\u180e\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # direction and the like
    "\ud800-\udfff\ufffe\uffff\U000e0000-\U000e007f]"  # halves of pairs, non-characters, tags
)
_BLANKS = re.compile(r"\s+")


def _written_out(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def clean(text: str) -> str:
    r"""Text of one or several lines with nothing in it that is not seen. Newlines are `\n`; tabs are kept."""
    if text.isascii() and text.isprintable():
        return text  # nearly always so, and reports hold many texts
    text = _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _UNSEEN.sub(_written_out, text)


def one_line(text: str, limit: int = 0) -> str:
    """The same on one line, cut with an ellipsis to `limit` characters where a limit is given."""
    return clip(_BLANKS.sub(" ", clean(text)).strip(), limit)


def joined(message: str) -> str:
    """A message of several lines (cause, then remedy) as one, whose parts do not read as one sentence."""
    return "; ".join(filter(None, map(str.strip, message.splitlines())))


def clip(text: str, limit: int) -> str:
    """The text, cut with an ellipsis to `limit` characters; 0 is no limit."""
    return text if not limit or len(text) <= limit else text[: limit - 1] + "…"
