"""Finds secret values in text that came from elsewhere and puts a mark in their place.

What aftrun itself writes never holds a secret, since manifests hold references (see `values`). This module is
for text that a server, a library or the operating system wrote, and that may echo what was sent to it.

Text is read in a few ways (`decoding`), and each secret is looked for in the form that it has there. Looking costs the
length of the text, however many secrets there are: what begins as one does is found by its first characters, and then
compared as a whole.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import TypeVar
from urllib.parse import quote, quote_plus

from aftrun.domain import decoding
from aftrun.domain.decoding import View
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Json
from aftrun.domain.text import one_line, without_escapes

_T = TypeVar("_T")
MARK = "***"

_MIN_LENGTH = 4
"""Shorter values are left alone inside longer text: hiding every "a" would hide nothing and ruin the text."""
_SURE_LENGTH = 8
"""From here on a secret is found in any case of its letters, and each of its lines counts as one."""
_ANCHOR = 64
"""Longer forms are found by so many of their first characters, and only then looked for as a whole."""
_STRETCH = 1024
"""Characters that are looked at in one go."""
_ARMOUR = re.compile(r"-----[A-Z ]+-----")
_BLANKS = re.compile(r" {2,}")
_LINE_END = re.compile(r" *\n *|(?<=[\w+/-]{40}) +")
"""What lines of base64 or hex are joined at: a line's end, or the blank that a header or a log has in its place."""
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_BASE32 = re.compile(r"[A-Z2-7]{6}|[a-z2-7]{6}")
_SHORT = 256
"""Characters of a text that is worth remembering."""
_REMEMBERED = 512
"""Texts that are remembered at once."""


@dataclass(frozen=True, slots=True)
class _Forms:
    """What is looked for in one reading of a text."""

    by_start: dict[str, set[int]] = field(default_factory=dict)
    """First four characters of forms, with the lengths of what is compared."""
    keys: set[tuple[str, ...]] = field(default_factory=set)
    """The same characters, one by one."""
    short: set[str] = field(default_factory=set)
    """What is compared: whole forms, or the beginnings of long ones."""
    long: dict[str, set[str]] = field(default_factory=dict)
    """Long forms, by their beginnings."""
    exact: dict[str, set[str]] = field(default_factory=dict)
    """Short forms as they are written, by their lower case: others are taken in any case."""

    def add(self, form: str, written: str = "") -> None:
        """Look for a form; `written` is what it has to be in upper and lower case, where that matters."""
        if len(form) < _MIN_LENGTH:
            return
        start = form[:_ANCHOR]
        if len(form) > _ANCHOR:
            self.long.setdefault(start, {start} if start in self.short else set()).add(form)
        elif start in self.long:
            self.long[start].add(form)
        if written:
            self.exact.setdefault(start, set()).add(written)
        self.short.add(start)
        self.by_start.setdefault(form[:_MIN_LENGTH], set()).add(len(start))
        self.keys.add(tuple(form[:_MIN_LENGTH]))

    def _candidates(self, text: str) -> Iterator[int]:
        """Where the first four characters of a form stand. Stretches without any are passed over at C's speed."""
        by_start, keys = self.by_start, self.keys
        for begin in range(0, len(text) - _MIN_LENGTH + 1, _STRETCH):
            some = text[begin : begin + _STRETCH + _MIN_LENGTH - 1]
            if not keys.isdisjoint(zip(some, some[1:], some[2:], some[3:], strict=False)):
                for at in range(len(some) - _MIN_LENGTH + 1):
                    if some[at : at + _MIN_LENGTH] in by_start:
                        yield begin + at

    def found(self, view: View, original: str = "") -> Iterator[tuple[int, int]]:
        """Where forms stand, as places in the original text. `original` is the reading in its own case."""
        text, starts, ends = view.text, view.starts, view.ends
        short = self.short
        long: set[str] = set()
        for at in self._candidates(text):
            for length in self.by_start[text[at : at + _MIN_LENGTH]]:
                piece = text[at : at + length]
                if piece not in short or len(piece) != length:
                    continue
                if piece in self.exact and original and original[at : at + length] not in self.exact[piece]:
                    continue
                forms = self.long.get(piece)
                if forms is None:
                    yield starts[at], ends[at + length - 1]
                else:
                    long |= forms
        for form in long:
            at = text.find(form)
            while at >= 0:
                yield starts[at], ends[at + len(form) - 1]
                at = text.find(form, at + len(form))


def _base64_forms(raw: bytes) -> Iterator[str]:
    """The base64 spellings of `raw`, wherever it starts inside a longer encoded text.

    Base64 encodes three bytes at a time, so a value that starts at offset 1 or 2 of a group looks different.
    For each offset we keep only the characters that depend on nothing but the value.
    """
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode("ascii")
        yield encoded[(0, 2, 3)[offset] : (offset + len(raw)) * 8 // 6]


def _base32_forms(raw: bytes) -> Iterator[str]:
    """The same for base32, five bytes at a time."""
    for offset in range(5):
        encoded = base64.b32encode(b"\0" * offset + raw).decode("ascii")
        yield encoded[(0, 2, 4, 5, 7)[offset] : (offset + len(raw)) * 8 // 5]


def _spellings(secret: str) -> Iterator[str]:
    """The usual spellings of a secret.

    What stands beside it may change how it is decoded (`ab%` before `41`, `000` behind a backslash), and decoding may
    leave too little to look for (of `ab"'`).
    """
    in_json = json.dumps(secret)[1:-1]
    for quoted in (in_json, json.dumps(secret, ensure_ascii=False)[1:-1]):
        yield from (quoted, quoted.replace("/", "\\/"))
    yield from (json.dumps(in_json)[1:-1], html.escape(secret), html.escape(secret, quote=False))
    yield "".join(f"&#{ord(char)};" for char in secret)
    whole = "".join(f"%{byte:02x}" for byte in _bytes(secret))
    for url in (*(quote(_bytes(secret), safe=safe) for safe in ("", "/", "!'()~")), quote_plus(_bytes(secret)), whole):
        yield from (
            url,
            _PERCENT.sub(lambda found: found[0].lower(), url),
            _PERCENT.sub(lambda found: found[0].upper(), url),
        )


def _readings(text: str) -> Iterator[tuple[str, View, str]]:
    """The ways to read a text, by name; with the plain ones, the same in the case that it is written in."""
    whole = decoding.raw(text)
    readings = [decoding.decoded(whole)]
    yield "raw", whole, ""  # what stands before a secret may change how its beginning is decoded
    if (soft := decoding.soft(whole)) is not None:
        readings.append(decoding.decoded(soft))
    for view in readings:
        plain = _spaced(view)
        yield "plain", plain.translated(_lower(plain.text)), plain.text
        packed = view.mapped(_LINE_END)
        yield "base64", packed.translated(packed.text.replace("-", "+").replace("_", "/")), ""
        if _BASE32.search(packed.text) is not None:
            yield "base32", packed.translated(packed.text.upper() if packed.text.isascii() else packed.text), ""
        yield "hex", decoding.digits(packed), ""
        yield "numbers", decoding.numbers(view), ""


def _spaced(view: View) -> View:
    """With a blank for each newline and `+`, which forms write for a blank; of several side by side one is left."""
    return view.translated(view.text.replace("+", " ").replace("\n", " ")).mapped(_BLANKS, " ")


def _lower(text: str) -> str:
    """In lower case, and as long as it was."""
    lower = text.lower()
    return (
        lower if len(lower) == len(text) else "".join(char.lower() if len(char.lower()) == 1 else char for char in text)
    )


def _lines(secret: str) -> Iterator[str]:
    """The lines of a secret of several: a key file that is shown line by line is shown all the same."""
    lines = secret.splitlines()
    if len(lines) > 1:
        for line in lines:
            if len(line.strip()) >= _SURE_LENGTH and _ARMOUR.fullmatch(line.strip()) is None:
                yield line.strip()


class Foreign:
    """Text from outside that a scrubber has not seen yet. It cannot be shown, cut or put into other text.

    Who cuts before the scrubber has looked leaves half a secret, which nothing finds any more. `Scrubber.show` does
    both, in the right order.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        raise TypeError("text from outside is shown by a scrubber: scrubber.show(text)")

    __format__ = __len__ = __getitem__ = None  # type: ignore[assignment]  # on purpose: nothing but `show` works

    def __repr__(self) -> str:
        return "Foreign(…)"


class Scrubber:
    """Replaces secrets in text by `***`."""

    __slots__ = ("_forms", "_held", "_known", "_words")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: dict[str, str] = {}
        """What short texts came to: thousands of jobs say the same."""
        self._held: dict[str, bool] = {}
        """Whether short texts hold a secret: a job's id comes with every answer about it."""
        self._forms: dict[str, _Forms] = {}
        words: set[str] = set()
        known = {secret for secret in secrets if secret.strip()}
        for secret in known | {line for each in known for line in _lines(each)}:
            if len(secret) < _MIN_LENGTH:
                words.add(secret)
            else:
                self._add(secret)
        ordered = sorted(words, key=lambda each: (-len(each), each))
        either = "|".join(map(re.escape, ordered))
        self._words = re.compile(rf"(?<![\w-])(?:{either})(?![\w-])") if ordered else None

    def _add(self, secret: str) -> None:
        def forms(name: str) -> _Forms:
            return self._forms.setdefault(name, _Forms())

        forms("raw").add(secret)
        plain = _spaced(decoding.decoded(decoding.raw(secret))).text.strip()
        if len(plain) >= _MIN_LENGTH:
            forms("plain").add(_lower(plain), plain if len(plain) < _SURE_LENGTH else "")
        for form in set(_spellings(secret)):
            forms("raw").add(form)
        data = _bytes(secret)
        wide = secret.encode("utf-16-le", "surrogatepass")
        for each in (data, wide):
            for form in _base64_forms(each):
                forms("base64").add(form)
        for form in _base32_forms(data):
            forms("base32").add(form)
        for each in (data, wide, secret.encode("utf-16-be", "surrogatepass")):
            forms("hex").add(each.hex())
        forms("numbers").add(data.decode("latin-1"))

    def scrub(self, text: str) -> str:
        """The text without any secret in it. Values under four characters are hidden only as whole words."""
        clean = self._known.get(text)
        if clean is None:
            clean = _marked(text, self._spans(text))
            clean = clean if self._words is None else self._words.sub(MARK, clean)
            _remember(self._known, text, clean)
        return clean

    def show(self, text: Foreign, limit: int = 0) -> str:
        """Text from outside as it may be shown: without secrets, on one line, and then cut to a length, if any."""
        return one_line(self.scrub(without_escapes(text._text)), limit)  # noqa: SLF001  # the one way out

    def holds(self, text: str) -> bool:
        """Whether a text is a secret, or holds one that is too long to stand there by chance, as in a job's id."""
        held = self._held.get(text)
        if held is None:
            spans = self._spans(text)
            held = any(end - start >= _SURE_LENGTH or (start, end) == (0, len(text)) for start, end in spans)
            _remember(self._held, text, held)
        return held

    def _spans(self, text: str) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        if self._forms and len(text) >= _MIN_LENGTH:
            for name, view, original in _readings(text):
                forms = self._forms.get(name)
                spans += () if forms is None else forms.found(view, original)
        return spans

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


def _remember(known: dict[str, _T], text: str, what: _T) -> None:
    if len(text) <= _SHORT:
        if len(known) >= _REMEMBERED:
            known.clear()
        known[text] = what


def _bytes(secret: str) -> bytes:
    try:
        return secret.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return secret.encode("utf-8", "surrogatepass")


def _marked(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with a mark for each span; those that overlap are one."""
    parts: list[str] = []
    done = 0
    for start, end in sorted(spans):
        if start >= done:
            parts += (text[done:start], MARK)
        done = max(done, end)
    return text if not parts else "".join((*parts, text[done:]))


NOTHING_SECRET = Scrubber()
