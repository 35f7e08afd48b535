"""Text that is partly known: references travel inside it, in a form that no parser minds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from aftrun.domain.frozen import dataclass

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
"""Noncharacters of Unicode: no text holds them. Between them, in hex, is a `Mark`."""

_MARK = re.compile(f"{_OPEN}([0-9a-f]*){_CLOSE}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Mark:
    """A reference of a manifest, `${VAR}` say, in `text`; or, with `why`, what only running the script would tell."""

    text: str
    why: str = ""
    line: int = 0


def is_clean(text: str) -> bool:
    """Whether a text is free of what stands for references here."""
    return _OPEN not in text and _CLOSE not in text


def reference(text: str) -> str:
    """A reference of a manifest, `${VAR}` say, as it travels inside text."""
    return _OPEN + text.encode().hex() + _CLOSE


def variable(name: str, line: int) -> str:
    """`${NAME}` as it travels inside text; a name that no variable can have is an `unknown`."""
    if _VARIABLE.fullmatch(name):
        return reference("${" + name + "}")
    return unknown("VALUE", "it is in a variable that is set elsewhere", line)


def unknown(name: str, why: str, line: int) -> str:
    """What only running the script would tell. `name` is what a person may call it, `why` ends a sentence."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").upper() or "VALUE"
    return reference(f"?{line}?{name}?{why}")


def _mark(match: re.Match[str]) -> Mark:
    text = bytes.fromhex(match.group(1)).decode()
    if not text.startswith("?"):
        return Mark(text)
    line, name, why = text[1:].split("?", 2)
    return Mark(name, why, int(line))


def pieces(text: str) -> Iterator[str | Mark]:
    """The text's literal stretches and its marks, in order."""
    done = 0
    for match in _MARK.finditer(text):
        if match.start() > done:
            yield text[done : match.start()]
        yield _mark(match)
        done = match.end()
    if done < len(text):
        yield text[done:]


def has_mark(text: str) -> bool:
    """Whether something in the text is not literal."""
    return _OPEN in text


def first_unknown(text: str) -> Mark | None:
    """The first part that only running the script would tell; None where there is none."""
    return next((part for part in pieces(text) if isinstance(part, Mark) and part.why), None)


def sole(text: str) -> Mark | None:
    """The mark that is the whole text; None where the text is anything else."""
    match = _MARK.fullmatch(text)
    return _mark(match) if match else None


def only_marks(text: str) -> bool:
    """Whether nothing but marks, blanks and the like is in a text, so that it holds no secret of its own."""
    return has_mark(text) and re.fullmatch(r"[\s:/]*", _MARK.sub("", text)) is not None


def joined(text: str, name_of: Callable[[Mark], str], literal: Callable[[str], str]) -> str:
    """The text as a manifest writes it: what `name_of` says in place of marks, every other `$` doubled."""
    return "".join(
        name_of(part) if isinstance(part, Mark) else literal(part).replace("$", "$$") for part in pieces(text)
    )


def quote_bare(json_text: str) -> tuple[str, bool]:
    """JSON in which marks, and numbers with leading zeros, that stand where a value does have quotes around them.

    Returns the text, and whether there were any.
    """

    def quoted(match: re.Match[str]) -> str:
        bare = match.group(2) or ""
        return f'"{bare}"' if has_mark(bare) or re.fullmatch(r"-?0[0-9][0-9.]*", bare) else match.group()

    pattern = re.compile(rf'("(?:[^"\\]|\\.)*+(?:"|\Z))|([\w.{_OPEN}{_CLOSE}-]+)', re.DOTALL)
    result = pattern.sub(quoted, json_text)
    return result, result != json_text
