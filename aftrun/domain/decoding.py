"""Text as its readers would decode it, with the place that each character came from.

Whoever echoes a secret escapes it in some way: JSON, URLs, HTML, shells, SQL, base64, hex, one in another. Instead of
looking for a secret in every spelling there is, text is decoded until there is nothing left to decode, and the secret
too; then both are the same. What may be lost on the way, such as quotes, backslashes and how many blanks there are, is
left out on both sides.
"""

from __future__ import annotations

import html.entities
import re
import unicodedata
from array import array
from collections.abc import Iterator

from aftrun.domain.frozen import dataclass

_ROUNDS = 6
"""How many spellings inside each other are undone."""
_CODED = re.compile(r"[\\%&]")
_TOKEN = re.compile(
    r"(?P<bytes>(?:\\+(?:x[0-9a-f]{2}|[0-3][0-7]{2}))+)"
    r"|\\+(?:u\{(?P<braced>[0-9a-f]{1,6})\}|(?-i:U)(?P<long>[0-9a-f]{8})|u(?P<unit>[0-9a-f]{4})|(?P<blank>[nrtfv]))?"
    r"|%(?:25)*u(?P<wide>[0-9a-f]{4})|(?P<percents>(?:%(?:25)*[0-9a-f]{2})+)"
    r"|&(?:amp;)*(?:#x0*(?P<hex>[0-9a-f]{1,6});?|#0*(?P<decimal>[0-9]{1,7});?|(?P<name>[a-z][a-z0-9]{1,30});)",
    re.IGNORECASE,
)
_BYTE = re.compile(r"\\+(?:x([0-9a-f]{2})|([0-3][0-7]{2}))", re.IGNORECASE)
_PERCENT = re.compile(r"%(?:25)*([0-9a-f]{2})", re.IGNORECASE)
_LOOSE = re.compile(
    "(?P<blank>\\s{2,}|[^\\S ])|(?P<lost>['\"`^\x00-\x08\x0e-\x1f\x7f\xad\u200b-\u200f\u2060\ufeff]+)"
    "|[\ud800-\udbff][\udc00-\udfff]|[^\x00-\x7f]"
)
"""Blanks, what may be lost, and characters beyond ASCII, those of two halves (see `_units`) as one."""
_HEX = re.compile(r"(?:(?:0x|x)?[0-9a-f]{2}[^0-9a-z]{0,6}){4,}", re.IGNORECASE)
_PAIR = re.compile(r"(?:0x|x)?([0-9a-f]{2})", re.IGNORECASE)
_SOFT = re.compile(r"=(?:([0-9A-F]{2})|[ \t]*\r?\n)")


@dataclass(frozen=True, slots=True)
class View:
    """A reading of a text. The character at `n` of `text` stands for the original from `starts[n]` to `ends[n]`."""

    text: str
    starts: array[int]
    ends: array[int]

    def mapped(self, pattern: re.Pattern[str], change: str = "") -> View:
        """The same with each match of a pattern made one character, or left out."""
        if pattern.search(self.text) is None:
            return self
        made = _Builder(self)
        for match in pattern.finditer(self.text):
            made.put(match.start(), match.end(), change)
        return made.view()

    def translated(self, text: str) -> View:
        """The same with another text of equal length."""
        return View(text, self.starts, self.ends)


class _Builder:
    """Copies a view, with some of its characters replaced."""

    __slots__ = ("_done", "_ends", "_parts", "_source", "_starts")

    def __init__(self, source: View) -> None:
        self._source = source
        self._parts: list[str] = []
        self._starts = array("q")
        self._ends = array("q")
        self._done = 0

    def put(self, start: int, end: int, text: str) -> None:
        """Replace what stands from `start` to `end`, behind all that was replaced before."""
        source, done = self._source, self._done
        if start > done:
            self._parts.append(source.text[done:start])
            self._starts.extend(source.starts[done:start])
            self._ends.extend(source.ends[done:start])
        if text:
            self._parts.append(text)
            self._starts.extend([source.starts[start]] * len(text))
            self._ends.extend([source.ends[end - 1]] * len(text))
        self._done = end

    def view(self) -> View:
        """All of it."""
        end = len(self._source.text)
        self.put(end, end, "")
        return View("".join(self._parts), self._starts, self._ends)


def raw(text: str) -> View:
    """The text as it is."""
    return View(text, array("q", range(len(text))), array("q", range(1, len(text) + 1)))


def decoded(view: View) -> View:
    """The text with all escapes undone, one inside another too; quotes and marks are gone.

    Runs of blanks are one blank, or one newline where there is a line's end among them.
    """
    for _ in range(_ROUNDS):
        if _CODED.search(view.text) is None:
            break
        before = view.text
        view = _round(view)
        if view.text == before:
            break
    return _folded(view)


def soft(view: View) -> View | None:
    """The text read as quoted-printable; None where nothing in it looks like that."""
    if _SOFT.search(view.text) is None:
        return None
    made = _Builder(view)
    for match in _SOFT.finditer(view.text):
        made.put(match.start(), match.end(), "" if match[1] is None else f"%{match[1]}")
    return made.view()


def digits(view: View) -> View:
    """The hex digits of a text that stand in pairs, at least four of them side by side, in lower case."""
    starts, ends, found = array("q"), array("q"), []
    for run in _HEX.finditer(view.text):
        for match in _PAIR.finditer(view.text, run.start(), run.end()):
            found.append(match[1].lower())
            for at in range(match.start(1), match.end(1)):
                starts.append(view.starts[at])
                ends.append(view.ends[at])
    return View("".join(found), starts, ends)


def numbers(view: View) -> View:
    """The bytes that a text lists as decimal numbers, `112, 97`, each as one character."""
    starts, ends, found = array("q"), array("q"), []
    for match in re.finditer(r"(?<![0-9])[0-9]{1,3}(?![0-9])", view.text):
        if (number := int(match.group())) < 256:
            found.append(chr(number))
            starts.append(view.starts[match.start()])
            ends.append(view.ends[match.end() - 1])
    return View("".join(found), starts, ends)


def _round(view: View) -> View:
    made = _Builder(view)
    for match in _TOKEN.finditer(view.text):
        if match["percents"] is not None or match["bytes"] is not None:
            for start, end, text in _bytes(match):
                made.put(start, end, text)
            continue
        if (found := _character(match)) is not None:
            made.put(match.start(), match.end(), found)
    return made.view()


def _character(match: re.Match[str]) -> str | None:
    """What an escape stands for; None where it is none."""
    kind, digits = match.lastgroup, match[match.lastgroup] if match.lastgroup else ""
    if kind is None:
        return ""  # bare backslashes
    if kind == "blank":
        return "\n" if digits in "nNrR" else " "
    if kind == "name":
        found = html.entities.html5.get(f"{digits};") or html.entities.html5.get(f"{digits.lower()};")
        return None if found is None else _units(found)
    code = int(digits, 10 if kind == "decimal" else 16)
    return _units(chr(code)) if code < 0x110000 else None


def _bytes(match: re.Match[str]) -> Iterator[tuple[int, int, str]]:
    r"""The characters of a run of `%XX`, which is UTF-8, or of `\xXX` and `\ooo`, which may be; each with its place."""
    percents = match["percents"] is not None
    found = list((_PERCENT if percents else _BYTE).finditer(match.string, match.start(), match.end()))
    data = bytes(int(each[1], 16) if each[1] is not None else int(each[2], 8) for each in found)
    at = 0
    for char in data.decode("utf-8", "surrogateescape"):
        length = len(char.encode("utf-8", "surrogateescape"))
        # What is no UTF-8 is a character of its own in the escapes of programming languages.
        whole = chr(data[at]) if "\udc80" <= char <= "\udcff" and not percents else char
        yield found[at].start(), found[at + length - 1].end(), _units(whole)
        at += length


def _units(text: str) -> str:
    """What lies beyond the 16 bits of JSON's escapes, as the two halves that JSON writes."""
    if text.isascii():
        return text
    return "".join(
        char
        if ord(char) < 0x10000
        else chr(0xD800 + (ord(char) - 0x10000 >> 10)) + chr(0xDC00 + (ord(char) - 0x10000 & 0x3FF))
        for char in text
    )


def _folded(view: View) -> View:
    if _LOOSE.search(view.text) is None:
        return view
    made = _Builder(view)
    for match in _LOOSE.finditer(view.text):
        text = match.group()
        if match["blank"] is not None:
            made.put(match.start(), match.end(), "\n" if "\n" in text or "\r" in text else " ")
        elif match["lost"] is not None:
            made.put(match.start(), match.end(), "")
        else:
            whole = text if len(text) == 1 else chr((ord(text[0]) - 0xD800 << 10) + ord(text[1]) - 0xDC00 + 0x10000)
            made.put(match.start(), match.end(), _base(whole))
    return made.view()


def _base(char: str) -> str:
    """A letter without its accents, which are written before, after or within it."""
    if unicodedata.combining(char):
        return ""
    plain = "".join(each for each in unicodedata.normalize("NFKD", char) if not unicodedata.combining(each))
    return _units(plain or char)


__all__ = ["View", "decoded", "digits", "numbers", "raw", "soft"]
