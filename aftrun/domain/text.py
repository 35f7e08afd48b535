r"""Text that is safe to show: the one home of making it so, of cutting it, and of "did you mean".

Names and messages come from manifests and servers, so they may hold anything. Colour codes are dropped. What a reader
would not see, or what could make text read differently from what it says (control characters, marks that reverse the
writing direction), is written out: `\u202e`. What a CI server would take for a command gets a blank in its middle.
`report.json` alone keeps every byte.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable

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
_BLANKS = re.compile(r"[\s\x1c-\x1f\x85\u2028\u2029]+")
_COMMANDS = re.compile(r"^(\s*):(?=:)|#(?=#(?:\[|vso\[|teamcity\[))", re.MULTILINE | re.IGNORECASE)
_NAME = 60


def _written_out(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def without_escapes(text: str) -> str:
    """The text without colour codes and other terminal escapes.

    To be done before secrets are searched for: an escape in the middle of one would hide it from the search.
    """
    return _ANSI.sub("", text) if "\x1b" in text or "\x9b" in text else text


def clean(text: str) -> str:
    r"""Text of one or several lines with nothing in it that is not seen. Newlines are `\n`; tabs are kept."""
    if text.isascii() and text.isprintable():
        return text  # nearly always so
    text = without_escapes(text).replace("\r\n", "\n").replace("\r", "\n")
    return _UNSEEN.sub(_written_out, text)


def one_line(text: str, limit: int = 0) -> str:
    """The same on one line, cut with an ellipsis to `limit` characters where a limit is given."""
    if limit:
        text = text[: limit * 20]  # what lies beyond can matter only where blanks shrink it
    if text.isascii() and text.isprintable() and "  " not in text:
        return clip(text.strip(), limit)  # nearly always so, and reports hold many texts
    return clip(clean(_BLANKS.sub(" ", without_escapes(text)).strip()), limit)


def brief(text: str) -> str:
    """A name as it may stand in a message: on one line, and not too long to read."""
    return one_line(text, _NAME)


def in_place(text: str) -> str:
    """A line in which every character keeps its column, so that marks below it fit: what is not seen becomes `?`."""
    return "".join(char if char.isprintable() else " " if char == "\t" else "?" for char in text)


def dumps(value: object, *, indent: int | None = 2) -> str:
    """A value as JSON in which every character that a terminal or CI server could act upon is escaped.

    It reads back equal.
    """
    return escaped_json(json.dumps(value, indent=indent, ensure_ascii=False))


def json_fault(error: json.JSONDecodeError) -> str:
    """Why a text is no JSON, and where."""
    return f"{re.sub(' (starting )?at$', '', error.msg)} at line {error.lineno}, column {error.colno}"


def escaped_json(text: str) -> str:
    """JSON, with every character escaped that a terminal or CI server could act upon. It reads as it did before.

    Two `#` stand side by side only within strings, and no line of JSON begins with a colon that a string has in it.
    """
    if text.isascii() and "##" not in text and "\x7f" not in text:
        return text  # JSON has no raw control character in its strings
    return re.sub(r"#(?=#)", r"\\u0023", _UNSEEN.sub(_json_escape, text))


def escaped_markup(text: str) -> str:
    """XML or HTML, with references for what a terminal or CI server could act upon. It reads as it did before."""
    text = _UNSEEN.sub(lambda match: f"&#{ord(match.group())};", text)
    return _COMMANDS.sub(lambda match: f"{match.group()[:-1]}&#{ord(match.group()[-1])};", text)


def _json_escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x10000:
        return f"\\u{code:04x}"
    return "".join(f"\\u{half:04x}" for half in (0xD800 + (code - 0x10000 >> 10), 0xDC00 + (code & 0x3FF)))


def harmless(text: str) -> str:
    """The text with nothing in it that a CI server would take for a command.

    GitHub reads lines that begin with `::`, Azure Pipelines and TeamCity anything after `##vso[` or `##teamcity[`
    wherever it stands. A job's name or a server's message could say that; a blank in the middle takes its power.
    """
    if ":" not in text and "##" not in text:
        return text
    return _COMMANDS.sub(lambda match: f"{match.group()} ", text)


def camel(name: str) -> str:
    """A field's name as a key of files: `queue_timeout` is `queueTimeout`."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def snake(key: str) -> str:
    """A key of files as a field's name: `queueTimeout` is `queue_timeout`."""
    return re.sub("[A-Z]", lambda found: "_" + found.group().lower(), key)


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """`did you mean 'timeout'?`, or nothing where no known name is near."""
    names = list(known)
    folded = {candidate.casefold().replace("_", "").replace("-", ""): candidate for candidate in names}
    same = folded.get(wrong.casefold().replace("_", "").replace("-", ""))
    if same is None and len(wrong) <= 200:
        near = difflib.get_close_matches(wrong, names[:2000], n=1, cutoff=0.6)
        same = near[0] if near else None
    return f"did you mean {same!r}?" if same is not None else ""


def joined(message: str) -> str:
    """A message of several lines (cause, then remedy) as one, whose parts do not read as one sentence."""
    return "; ".join(filter(None, map(str.strip, message.splitlines())))


def clip(text: str, limit: int) -> str:
    """The text, cut with an ellipsis to `limit` characters; 0 is no limit."""
    return text if not limit or len(text) <= limit else text[: limit - 1] + "…"


_BY_NAME = {
    "\t": "a tab",
    "\n": "a line break",
    "\r": "a carriage return",
    "\b": "a backspace",
    "\f": "a form feed",
    "\x07": "a bell",
    "\x1b": "an escape",
    "\u00a0": "a no-break space",
    "\u202f": "a narrow no-break space",
    "\u2007": "a figure space",
    "\u200b": "a zero-width space",
    "\u200c": "a zero-width non-joiner",
    "\u200d": "a zero-width joiner",
    "\u2060": "a word joiner",
    "\ufeff": "a zero-width no-break space",
    "\u00ad": "a soft hyphen",
}
"""Characters that look like a blank, or like nothing, and make two texts differ that look the same."""


def unseen_names(text: str) -> tuple[str, ...]:
    """The characters of a text that nobody sees, by name, each once, in order."""
    if text.isascii() and text.isprintable():
        return ()
    return tuple(dict.fromkeys(_BY_NAME[char] for char in text if char in _BY_NAME))
