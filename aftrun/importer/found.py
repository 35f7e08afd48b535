"""What all parts share: a call's words, its request, the job that this starts, and what was noted."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aftrun.domain.frozen import dataclass
from aftrun.importer.marks import has_mark
from aftrun.system.inputs import decoded


class Trouble(Exception):
    """A call cannot be read. The message ends a sentence and holds nothing out of the script but its own names."""


class Limit(Exception):
    """The text is larger or more tangled than a script is."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number with the digits that are sent. `exact`: with these in text, too, which PowerShell's others are not."""

    text: str
    exact: bool = False


Scalar = str | bool | Number


@dataclass(frozen=True, slots=True)
class Word:
    """One argument, quotes gone, marks inside. `bare`: it came of an unquoted variable, so it may be several."""

    text: str
    line: int
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Tls:
    """What a call says about certificates."""

    insecure: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request that a call would send."""

    line: int
    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    tls: Tls = Tls()
    connect_timeout: str = ""
    read_timeout: str = ""


@dataclass(frozen=True, slots=True)
class FoundJob:
    """One job that a call would start. Text may hold marks."""

    line: int
    url: str
    selector: str
    script: str
    params: tuple[tuple[str, Scalar], ...] = ()
    api_key: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    tls: Tls = Tls()
    connect_timeout: str = ""
    read_timeout: str = ""
    around: tuple[str, ...] = ()
    """What the call stood in, where that decided whether or how often it ran."""


@dataclasses.dataclass(slots=True)
class Notebook:
    """What is found while reading. `read` gives the bytes of a file that a command names, or raises OSError."""

    read: Callable[[str], bytes]
    jobs: list[FoundJob] = dataclasses.field(default_factory=list)
    remarks: dict[tuple[int, str], None] = dataclasses.field(default_factory=dict)
    secrets: set[str] = dataclasses.field(default_factory=set)
    """Literal secrets that have no place in a manifest at all: they are kept out of everything that is written."""
    seen: set[int] = dataclasses.field(default_factory=set)
    """Lines of calls that were looked at."""
    around: tuple[str, ...] = ()
    steps: int = 20_000
    """How many more statements are looked at, loops and functions written out."""

    def remark(self, line: int, text: str) -> None:
        """A remark about a line, each once."""
        self.remarks[line, text] = None

    def step(self) -> None:
        """Count one more statement.

        Raises:
            Limit: there have been too many.
        """
        self.steps -= 1
        if self.steps < 0:
            raise Limit("more happens in this script than can be read")

    @contextmanager
    def inside(self, what: str) -> Iterator[None]:
        """Jobs found meanwhile stood in `what`."""
        before = self.around
        self.around = (*before, what) if what and what not in before else before
        try:
            yield
        finally:
            self.around = before

    def job(self, job: FoundJob) -> None:
        """Keep a job, unless a loop around it has started the same before."""
        if not any(job == known for known in self.jobs if known.line == job.line and job.around):
            self.jobs.append(job)

    def file(self, path: str) -> str:
        """The text of a file that a command names.

        Raises:
            Trouble: it cannot be read.
        """
        if has_mark(path):
            raise Trouble("the name of its file is not known here")
        try:
            return decoded(self.read(path))
        except (OSError, UnicodeDecodeError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8 text"
            shown = path if re.fullmatch(r"[\w./\\: -]{1,80}", path) else "that it names"
            raise Trouble(
                f"the file {shown} cannot be read ({why}); run the import in the folder that the script runs in"
            ) from None


def words(text: str) -> frozenset[str]:
    """A set of words, written with blanks between them."""
    return frozenset(text.split())


def basename(word: str) -> str:
    r"""`/usr/bin/curl` and `C:\aft\AFT.EXE` are `curl` and `aft`."""
    return re.split(r"[/\\]", word)[-1].lower().removesuffix(".exe")


def is_unicode(text: str) -> bool:
    """Whether a text can be written down: no half of a surrogate pair is in it."""
    return re.search("[\ud800-\udfff]", text) is None
