"""What all readers of command lines share: places, references inside text, and what was found."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
"""Noncharacters of Unicode: no text holds them. Between them, in hex, so that no parser minds, is a reference."""

_MARKED = re.compile(f"{_OPEN}([0-9a-f]*){_CLOSE}")
Scalar = str | int | float | bool


class Trouble(Exception):
    """Something cannot be read. `offset` is where, in the text that was given."""

    def __init__(self, message: str, offset: int, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.hint = hint


class Pasted:
    """The text that was given, and which line each offset is on."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column, from 1."""
        line = bisect_right(self._starts, min(offset, len(self.text)))
        return line, min(offset, len(self.text)) - self._starts[line - 1] + 1

    def line(self, offset: int) -> int:
        """The line, from 1."""
        return self.place(offset)[0]


def is_clean(text: str) -> bool:
    """Whether a text is free of what stands for references here."""
    return _OPEN not in text and _CLOSE not in text


def reference(text: str) -> str:
    """A reference of a manifest, `${VAR}` say, as it travels inside text."""
    return _OPEN + text.encode().hex() + _CLOSE


def variable(name: str) -> str:
    """`${NAME}` as it travels inside text."""
    return reference("${" + name + "}")


def unknown(why: str) -> str:
    """What only running the script would tell, as it travels inside text; no trouble until somebody needs it."""
    return reference("?" + why)


def why_unknown(text: str) -> str:
    """Why a part of a text is not known; empty where all of it is."""
    return next((found[1:] for found in map(_back, _MARKED.finditer(text)) if found.startswith("?")), "")


def _back(match: re.Match[str]) -> str:
    return bytes.fromhex(match.group(1)).decode()


def has_reference(text: str) -> bool:
    """Whether a text holds one."""
    return _MARKED.search(text) is not None


def sole_reference(text: str) -> str:
    """The reference that is the whole text, as a manifest writes it; empty where the text is anything else."""
    match = _MARKED.fullmatch(text)
    return _back(match) if match else ""


def only_references(text: str) -> bool:
    """Whether nothing but references, blanks and the like is in a text, so that it holds no secret of its own."""
    return has_reference(text) and re.fullmatch(r"[\s:/]*", _MARKED.sub("", text)) is not None


def as_manifest(text: str) -> str:
    """The text as a manifest writes it: references in place, every other `$` doubled."""
    parts: list[str] = []
    done = 0
    for match in _MARKED.finditer(text):
        parts += [text[done : match.start()].replace("$", "$$"), _back(match)]
        done = match.end()
    return "".join(parts) + text[done:].replace("$", "$$")


def quote_bare(json_text: str) -> str:
    """JSON in which references that stand where a value does have quotes around them."""
    pattern = re.compile(rf'("(?:[^"\\]|\\.)*")|({_OPEN}[0-9a-f]*{_CLOSE})', re.DOTALL)
    return pattern.sub(lambda match: match.group(1) or f'"{match.group(2)}"', json_text)


@dataclass(frozen=True, slots=True)
class Word:
    """One argument, quotes gone, references inside."""

    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class Tls:
    """What a command says about certificates."""

    insecure: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request that a command would send."""

    method: str
    url: Word
    headers: tuple[tuple[str, Word], ...] = ()
    body: Word | None = None
    tls: Tls = Tls()
    connect_timeout: str = ""
    read_timeout: str = ""


@dataclass(frozen=True, slots=True)
class FoundJob:
    """One job that a command would start. Text may hold references."""

    offset: int
    url: str
    selector: str
    script: str
    params: tuple[tuple[str, Scalar], ...] = ()
    api_key: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    tls: Tls = Tls()
    connect_timeout: str = ""
    read_timeout: str = ""
    notes: tuple[str, ...] = ()
    """What a person should know about this job."""


@dataclass(slots=True)
class Notebook:
    """What is found while reading: jobs, remarks, problems. `read` gives the bytes of a file that a command names."""

    pasted: Pasted
    read: Callable[[str], bytes]
    jobs: list[FoundJob] = field(default_factory=list)
    remarks: dict[str, None] = field(default_factory=dict)
    schedule: str = ""
    """When the command under way would run."""

    def remark(self, offset: int, text: str) -> None:
        """A remark about a line, each once."""
        self.remarks[f"line {self.pasted.line(offset)}: {text}"] = None

    def file(self, path: str, offset: int) -> str:
        """The text of a file that a command names.

        Raises:
            Trouble: it cannot be read.
        """
        if has_reference(path):
            raise Trouble("the name of the file holds a variable", offset, "write the file's name out")
        try:
            return self.read(path).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8 text"
            hint = "run the import in the folder that the command runs in"
            raise Trouble(f"the file {path} that the command names cannot be read: {why}", offset, hint) from None


def basename(word: str) -> str:
    r"""`/usr/bin/curl` and `C:\aft\AFT.EXE` are `curl` and `aft`."""
    return re.split(r"[/\\]", word)[-1].lower().removesuffix(".exe")


def is_unicode(text: str) -> bool:
    """Whether a text can be written down: no half of a surrogate pair is in it."""
    return re.search("[\ud800-\udfff]", text) is None


def must_be_known(words: Iterable[Word]) -> None:
    """Refuse words that only running the script would tell.

    Raises:
        Trouble: there is one.
    """
    for word in words:
        why = why_unknown(word.text)
        if why:
            hint = "write the value out, or put it into an environment variable of its own"
            raise Trouble(f"a value here is not known: {why}", word.offset, hint)
        if not is_unicode(word.text):
            raise Trouble("this holds half of a character", word.offset)


def strip_user_words(words: Sequence[Word]) -> list[Word]:
    """The words without what only changes how a command is run: `sudo -u x`, `nohup`, `timeout 60`, `env A=B`."""
    rest = list(words)
    while rest:
        name = basename(rest[0].text)
        if name in ("nohup", "time", "exec", "command", "then", "do", "call", "start"):
            if name == "start" and not (len(rest) > 1 and rest[1].text.startswith(("/", '"'))):
                return rest
            rest = rest[1:]
        elif name in ("sudo", "nice", "ionice", "timeout", "env", "stdbuf", "flock"):
            rest = rest[1:]
            takes = {"sudo": "ugh", "nice": "n", "ionice": "cn", "timeout": "sk", "env": "u"}.get(name, "")
            while rest and (rest[0].text.startswith("-") or (name == "env" and "=" in rest[0].text)):
                with_value = len(rest[0].text) == 2 and rest[0].text[1] in takes
                rest = rest[2 if with_value else 1 :]
            if name in ("timeout", "flock"):
                rest = rest[1:]
        else:
            return rest
    return rest
