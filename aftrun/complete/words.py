"""A line as a shell reads it: words without their quotes, and candidates put back into them.

bash hands over the line as it was typed, and takes replies for the part behind the last character that breaks words
or the last opening quote; so quoting is done here. The other shells split and quote by themselves.
"""

from __future__ import annotations

_BLANKS = " \t\n"
_OPERATORS = "<>|;&()"
_SPECIAL = frozenset(" \t\"'\\`$&|;<>()[]{}*?!#~^")
"""What means something to bash outside quotes."""
_IN_DOUBLE_QUOTES = frozenset('"\\`$')
_POWERSHELL = frozenset(" \t\"'`$&|;<>()[]{}*?!#@,\u2018\u2019\u201a\u201b\u201c\u201d\u201e")
_SINGLE_QUOTES = "'\u2018\u2019\u201a\u201b"
"""All of these end a single-quoted text in PowerShell."""


class Word:
    """The word at the cursor, up to the cursor.

    `text` is what it means, `quote` the quote that is still open or nothing, and `start` says from which character of
    `text` on the shell replaces it.
    """

    __slots__ = ("quote", "redirected", "start", "text")

    def __init__(self, text: str = "", quote: str = "", start: int = 0, *, redirected: bool = False) -> None:
        self.text = text
        self.quote = quote
        self.start = start
        self.redirected = redirected
        """Whether it is where output goes to, or input comes from: a file, whatever the command."""


class _Scanner:
    """Goes through a line once."""

    def __init__(self, breaks: str) -> None:
        self.breaks = frozenset(breaks) - frozenset(_BLANKS + "\"'")
        self.words: list[str] = []
        self.redirected = False
        self.fresh()

    def fresh(self) -> None:
        self.text: list[str] = []
        self.begun = False
        self.quote = ""
        self.start = 0

    def end_word(self) -> None:
        if self.begun:
            if not self.redirected:
                self.words.append("".join(self.text))
            self.redirected = False
        self.fresh()

    def bare(self, char: str) -> None:
        """A character outside quotes."""
        if char in _BLANKS:
            self.end_word()
        elif char in _OPERATORS:
            if "".join(self.text).isdigit():  # 2>file
                self.fresh()
            self.end_word()
            self.redirected = char in "<>"
        else:
            self.begun = True
            if char in "\"'":
                self.quote = char
                self.start = len(self.text)
            else:
                self.text.append(char)
                if char in self.breaks:
                    self.start = len(self.text)

    def scan(self, line: str) -> None:
        at = 0
        while at < len(line):
            char = line[at]
            at += 1
            if self.quote and char == self.quote:
                self.quote = ""
                self.start = len(self.text)
            elif char == "\\" and self.quote != "'":
                following = line[at : at + 1]
                if self.quote and following not in ('"', "\\", "`", "$"):
                    self.text.append(char)
                    continue
                at += 1
                self.begun = True
                if following != "\n":
                    self.text.append(following)
            elif self.quote:
                self.text.append(char)
            else:
                self.bare(char)


def split(line: str, breaks: str = "") -> tuple[list[str], Word]:
    """The words before the one at the end of the line, and that one, which may be empty.

    `breaks` are the characters that break words for the shell's completion though not for the shell itself.
    """
    scanner = _Scanner(breaks)
    scanner.scan(line)
    last = Word("".join(scanner.text), scanner.quote, scanner.start, redirected=scanner.redirected)
    return scanner.words, last


def for_bash(candidate: str, word: Word) -> str:
    """What bash is to put in the place of the word's end, so that the word comes to mean the candidate."""
    rest = candidate[word.start :]
    if word.quote == "'":
        return rest.replace("'", "'\\''")
    if word.quote:
        return "".join("\\" + char if char in _IN_DOUBLE_QUOTES else char for char in rest)
    return "".join("\\" + char if char in _SPECIAL else char for char in rest)


def for_powershell(candidate: str) -> str:
    """The candidate as one word of PowerShell."""
    if candidate and not any(char in _POWERSHELL for char in candidate):
        return candidate
    return "'" + "".join(char * 2 if char in _SINGLE_QUOTES else char for char in candidate) + "'"


def fit(text: str) -> bool:
    """Whether a text can be shown at a prompt and typed as one line: it holds no control characters."""
    return text.isprintable()


def flat(text: str) -> str:
    """A text that can be shown at a prompt, on one line."""
    return "".join(char if char.isprintable() else " " for char in text)
