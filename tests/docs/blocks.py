"""Finds the fenced blocks of a page, and what the comment before each says of it.

A comment `<!-- block: … -->` just before a block holds words and `key=value` pairs:

- `skip reason="…"`: not run. The reason is for people, and the number of these blocks is held low by a test.
- `exit=N`: the exit code of the block's last command, where it is not 0.
- `background`: a server, which goes on running until the page ends.
- `output`: what the block before it prints.
- `job`, `jobs`, `top`, `under=server`: a part of a manifest, and where it stands.
- `warns=AFT101,…`, `problem=AFT021`: what `aftrun validate` says of it.
- `scenario`, `foreign`: YAML that is no manifest.

A title (```` ```yaml title="nightly.yaml" ````) makes the block a file of that name, for later blocks of the page.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt

_COMMENT = re.compile(r"<!-- block: (.*?) -->\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block. `line` counts from 1, and is that of the opening fence."""

    page: Path
    line: int
    language: str
    text: str
    words: frozenset[str] = frozenset()
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """`FILE:LINE`, for messages."""
        return f"{self.page.name}:{self.line}"

    @property
    def title(self) -> str:
        """The name of the file that the block is, or nothing."""
        return self.settings.get("title", "")


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    tokens = MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))
    for index, token in enumerate(tokens):
        if token.type != "fence" or token.map is None:
            continue
        language, _, rest = token.info.strip().partition(" ")
        before = tokens[index - 1] if index else None
        comment = _COMMENT.search(before.content) if before is not None and before.type == "html_block" else None
        words: set[str] = set()
        settings: dict[str, str] = {}
        for part in shlex.split(f"{comment.group(1) if comment else ''} {rest}"):
            key, equals, value = part.partition("=")
            if equals:
                settings[key] = value
            else:
                words.add(key)
        yield Block(page, token.map[0] + 1, language, token.content, frozenset(words), settings)


@dataclass(frozen=True)
class Command:
    """A command of a console block, and the lines that are shown after it. `line` counts from 0 within the block."""

    text: str
    output: tuple[str, ...]
    line: int


def commands(block: Block) -> list[Command]:
    """The commands of a block: those after `$ ` in a console block, the whole of a shell script."""
    if block.language != "console":
        return [Command(block.text, (), 0)]
    found: list[Command] = []
    for number, line in enumerate(block.text.splitlines()):
        if line.startswith("$ "):
            found.append(Command(line[2:], (), number))
        elif line.startswith("> ") and found and not found[-1].output:
            found[-1] = Command(f"{found[-1].text}\n{line[2:]}", (), found[-1].line)
        elif found:
            last = found[-1]
            found[-1] = Command(last.text, (*last.output, line), last.line)
        else:
            raise AssertionError(f"{block.place}: a console block begins with $ and a command")
    return found


_WAVERING = (
    (re.compile(r"\x1b\[[0-9;?]*[A-Za-z]"), ""),
    (re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b"), "RUN"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\bsha256:[0-9a-f]{8,64}"), "sha256:X"),
    (re.compile(r"\bsha256 [0-9a-f]{12}\b"), "sha256 X"),
    (re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z| ?[+-]\d{2}:?\d{2})?)?"), "DATE"),
    (re.compile(r"(?<![\d-])\d{2}-\d{2} \d{2}:\d{2}(?![\d:])"), "DATE"),
    (re.compile(r"\b\d{2}:\d{2}:\d{2}\b"), "TIME"),
    (re.compile(r"\bprocess \d+ on [\w.-]+"), "process N on HOST"),
    (re.compile(r"127\.0\.0\.1:\d{2,5}"), "127.0.0.1:PORT"),
    (re.compile(r"(?<![\w.])\d+(\.\d+)?(ms|s|m|h|d)( ?\d+(\.\d+)?(ms|s|m))*(?!\w)"), "SPAN"),
    (re.compile(r"\d+(\.\d+)? (ms|milliseconds|seconds|minutes|hours|days)"), "SPAN"),
    (re.compile(r"\bjust now\b|\bSPAN ago\b"), "LATELY"),
    (re.compile(r"[─-]{4,}"), "----"),
    (re.compile(r"[ \t]+"), " "),
)


def steady(text: str) -> str:
    """Text without what differs from one run to the next: ids, times, durations, ports, fingerprints, widths."""
    for pattern, stand_in in _WAVERING:
        text = pattern.sub(stand_in, text)
    lines = [line.strip() for line in text.strip().splitlines()]
    return "\n".join(_in_order([line for line in lines if not _PASSING.fullmatch(line)])).strip()


_PASSING = re.compile(r"TIME [^:]+: (Queued|Running)|bash: line \d+: .* Killed .*")
"""Lines that are there or not, as the clock has it."""


def _in_order(lines: list[str]) -> Iterator[str]:
    """Progress of jobs that run side by side, in an order that does not depend on the clock, without its counts."""
    news: list[str] = []
    for line in [*lines, ""]:
        if line and (news or line.startswith("TIME ")):
            news.append(re.sub(r" \[\d+/\d+\]", "", line))
        else:
            yield from sorted(_without_who_was_first(news))
            news.clear()
            yield line


_CAUSE = re.compile(r"(TIME .*?: \w+ in SPAN): (.*)")


def _without_who_was_first(news: list[str]) -> Iterator[str]:
    """A cause that several jobs share is said of the one that ended first, and of the others `as NAME`."""
    shared = any(re.search(r" in SPAN: as \S+$", line) for line in news)
    for line in news:
        found = _CAUSE.fullmatch(line) if shared else None
        if found is None:
            yield line
        else:
            yield found[1]
            yield re.sub(r"^as \S+$", "as another", found[2])


def agrees(shown: str, real: str) -> bool:
    """Whether a page shows what was printed. `…` on a line of its own is any lines, within a line any text."""
    wanted = [
        r"(?:.*\n)*?" if line == "…" else ".*".join(re.escape(part) for part in line.split("…")) + "\n"
        for line in steady(shown).splitlines()
    ]
    return re.fullmatch("".join(wanted), steady(real) + "\n") is not None
