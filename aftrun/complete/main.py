"""One question of a shell, answered: `aftrun __complete SHELL …`, as the scripts in `scripts/` ask it.

The answer's first line says what kind it is; each further line is a candidate, for shells that show one followed by a
tab and a description. The words of the first line:

    files      the shell completes file names by itself
    manifests  the same, files that can be manifests
    dirs       the same, folders
    paths      the candidates are paths, and the shell quotes them
    keep       the candidates come in the order in which they are to be shown
    nospace    more is to come after a candidate
    skip=N     the first N characters of the word belong to a flag, and are no part of the candidates
"""

from __future__ import annotations

import os
import sys

from aftrun.complete import words
from aftrun.complete.table import CODES, COMMANDS, Argument, Option

TYPE_CHECKING = False  # typing's own takes longer to import than the answer takes
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aftrun.complete.manifests import Names

SHELLS = ("bash", "zsh", "fish", "powershell")
DEFAULT_STATE_DIR = ".aftrun"

_PATHS = ("files", "manifests", "dirs")
_OF_MANIFESTS = ("jobs", "servers", "variables", "names")


class Answer:
    """Candidates with their descriptions, and how the shell is to take them."""

    __slots__ = ("how", "items", "keep", "nospace")

    def __init__(
        self, items: Iterable[tuple[str, str]] = (), how: str = "", *, keep: bool = False, nospace: bool = False
    ) -> None:
        self.items = items
        self.how = how
        """One of `files`, `manifests`, `dirs`, or nothing."""
        self.keep = keep
        self.nospace = nospace


class Line:
    """The words of a command line, sorted by the table."""

    def __init__(self, before: Sequence[str], after: Sequence[str]) -> None:
        """`before` and `after` are the words around the cursor's, without the program."""
        at = next((number for number, word in enumerate(before) if not word.startswith("-")), None)
        self.command = "" if at is None else before[at]
        _, options, self.arguments = COMMANDS.get(self.command, ("", (), ()))
        self.options = {name: option for option in options for name in option[0]}
        self.given: set[str] = set()
        self.values: dict[str, list[str]] = {}
        """Values of flags, by the flag's first name."""
        self.positional: list[str] = []
        self.pending: Option | None = None
        """The flag whose value the cursor's word is."""
        self.only_positional = False
        self._sort([] if at is None else before[at + 1 :])
        pending, self.count = self.pending, len(self.positional)
        if not self.only_positional:
            self.pending = None
            self._sort(after)
            self.pending = pending

    def _sort(self, given: Sequence[str]) -> None:
        for word in given:
            if self.pending is not None:
                self.values.setdefault(self.pending[0][0], []).append(word)
                self.pending = None
            elif self.only_positional or word == "-" or not word.startswith("-"):
                self.positional.append(word)
            elif word == "--":
                self.only_positional = True
            else:
                self._flag(word)

    def _flag(self, word: str) -> None:
        option, name, value = self.attached(word)
        if option is None:
            return
        self.given.add(option[0][0])
        if value is not None:
            self.values.setdefault(option[0][0], []).append(value)
        elif option[1]:
            self.pending = option
        assert name  # noqa: S101 - an option was found by it

    def attached(self, word: str) -> tuple[Option | None, str, str | None]:
        """The flag that a word is, what of the word names it, and the value behind that, where there is one."""
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            option = self.options.get(name)
            return option, name + equals, value if equals else None
        for end in range(2, len(word) + 1):  # -kv is -k -v, and -j4 is -j 4
            option = self.options.get("-" + word[end - 1])
            if option is None or option[1] or end == len(word):
                return option, word[:end], word[end:] if option is not None and end < len(word) else None
        return None, word, None

    def last(self, name: str) -> str:
        """The last value of a flag; empty where it was not given."""
        return self.values.get(name, [""])[-1]


def complete(before: Sequence[str], current: str, after: Sequence[str] = ()) -> tuple[Answer, int]:
    """What could stand at the cursor, and how many characters of the current word belong to a flag before it.

    `before` are the words between the program and the current one, which is given up to the cursor; all without
    quotes. Candidates that do not begin with the current word are among them.
    """
    line = Line(before, after)
    if not line.command:
        if current.startswith("-"):
            return Answer([("--help", "Show help and exit."), ("--version", "Print the version and exit.")]), 0
        return Answer([(name, about) for name, (about, _, _) in COMMANDS.items()], keep=True), 0
    if line.pending is not None:
        return _values(line.pending[1], line, current), 0
    if not line.only_positional and current.startswith("-") and current != "-":
        option, name, value = line.attached(current)
        if option is not None and option[1] and (value is not None or name.endswith("=")):
            return _values(option[1], line, value or ""), len(name)
    if not line.only_positional and current.startswith("-"):
        return Answer(_flags(line, current)), 0
    kind = _argument(line)
    if kind is None:
        return Answer(() if line.only_positional or line.arguments else _flags(line)), 0
    return _values(kind, line, current), 0


def _argument(line: Line) -> str | None:
    """The kind of the argument that the cursor's word is; None where there is no place for one more."""
    arguments: tuple[Argument, ...] = line.arguments
    if line.count < len(arguments):
        return arguments[line.count][0]
    return arguments[-1][0] if arguments and arguments[-1][1] else None


def _flags(line: Line, current: str = "") -> list[tuple[str, str]]:
    return [
        (name, option[2])
        for name, option in line.options.items()
        if (option[3] or option[0][0] not in line.given)
        and (name.startswith("--") or len(option[0]) == 1 or name == current)
    ]


def _values(kind: str, line: Line, current: str) -> Answer:
    """What a flag or argument of this kind can be."""
    if kind in _PATHS:
        return Answer(how=kind)
    if "|" in kind:
        return Answer([(each, "") for each in kind.split("|") if each], keep=True)
    if kind in ("runs", "open runs", "runs to retry"):
        return Answer(_runs(line, kind), keep=True)
    if kind == "job ids":
        from aftrun.complete import records  # noqa: PLC0415 - only where ids are wanted

        return Answer(((id_, job) for id_, job in records.jobs(_state_dir(line))), keep=True)
    if kind == "codes":
        return Answer(CODES)
    if kind in _OF_MANIFESTS:
        return _named(kind, _names(line), current)
    return Answer()


def _state_dir(line: Line) -> str:
    return line.last("--state-dir") or os.environ.get("AFTRUN_STATE_DIR") or DEFAULT_STATE_DIR


def _runs(line: Line, kind: str) -> list[tuple[str, str]]:
    from aftrun.complete import records  # noqa: PLC0415 - only where ids are wanted

    found = []
    for id_, started, ended, outcome, manifests, count in records.runs(_state_dir(line)):
        if kind == "open runs" and ended and outcome not in ("interrupted", "error", "stateError"):
            continue
        if kind == "runs to retry" and outcome == "succeeded":
            continue
        when = started[:19].replace("T", " ")
        found.append((id_, f"{outcome}, {manifests}, {count} job{'' if count == 1 else 's'}, {when} UTC"))
    return found


def _names(line: Line) -> Names:
    """What the manifests on the line name."""
    from aftrun.complete import manifests  # noqa: PLC0415 - only where names are wanted

    reader = manifests.Reader()
    paths = list(line.values.get("--manifest", ()))
    last = len(line.arguments) - 1
    paths += [
        path for at, path in enumerate(line.positional) if last >= 0 and line.arguments[min(at, last)][0] == "manifests"
    ]
    try:
        for path in paths:
            if path != "-":
                reader.read(path)
    except manifests.GivenUp:
        pass  # what was found before the limit is as good as ever
    return reader.names


def _named(kind: str, names: Names, current: str) -> Answer:
    if kind == "servers":
        return Answer(names.servers.items(), keep=True)
    if kind == "names":
        return Answer(names.manifests.items())
    if kind == "variables":
        return Answer(((name + "=", about) for name, about in names.variables.items()), keep=True, nospace=True)
    plus = "+" if current.startswith("+") else ""
    found = names.jobs
    if len(names.manifests) > 1 or "/" in current:
        found = {**found, **names.full}
    items = [(plus + name, about) for name, about in found.items()]
    items += [(f"{plus}tag:{tag}", "every job with this tag") for tag in names.tags]
    return Answer(items, keep=True)


def paths(text: str, kind: str) -> list[str]:
    """Files and folders that begin as `text` does, folders with a slash at their end, as `text` names them."""
    head, tail = os.path.split(text)
    prefix = text[: len(text) - len(tail)]
    folder = os.path.expanduser(head) or "."  # noqa: PTH111 - pathlib is slow to import
    found = []
    try:
        for entry in os.scandir(folder):
            name = entry.name
            if not name.startswith(tail) or (name.startswith(".") and not tail.startswith(".")):
                continue
            if entry.is_dir():
                found.append(prefix + name + "/")
            elif kind == "files" or (kind == "manifests" and name.endswith((".yaml", ".yml", ".json"))):
                found.append(prefix + name)
    except OSError:
        return []
    return sorted(found)


def _fitting(answer: Answer, current: str) -> list[tuple[str, str]]:
    """The candidates that begin as the word does and can be shown at a prompt, each once."""
    found = {name: about for name, about in answer.items if name.startswith(current) and words.fit(name)}
    items = [(name, words.flat(about)) for name, about in found.items()]
    return items if answer.keep else sorted(items)


def _lines(items: list[tuple[str, str]], shown: Callable[[str], str] = str) -> list[str]:
    return [f"{shown(name)}\t{about}" for name, about in items]


def _bash(given: Sequence[str]) -> tuple[str, list[str]]:
    """`LINE-TO-CURSOR REST-OF-LINE WORDBREAKS`."""
    line, rest, breaks = given
    before, word = words.split(line, breaks)
    after, _ = words.split(rest + " ")
    if word.redirected:
        return "files", []
    answer, skip = complete(before[1:], word.text, after)
    value, prefix = word.text[skip:], word.text[:skip]
    if answer.how == "files":
        return "files", []
    if answer.how:
        return "paths", [(prefix + path)[word.start :] for path in paths(value, answer.how) if words.fit(path)]
    found = [words.for_bash(prefix + name, word) for name, _ in _fitting(answer, value)]
    return _how(answer), found


def _how(answer: Answer, skip: int = 0) -> str:
    return " ".join(
        word
        for word, wanted in (
            (answer.how, answer.how),
            ("keep", answer.keep),
            ("nospace", answer.nospace),
            (f"skip={skip}", skip),
        )
        if wanted
    )


def _around(given: Sequence[str]) -> tuple[Sequence[str], str, Sequence[str]]:
    """`NUMBER-OF-CURRENT WORD…`, the program not counted: the words before, the current one, those after."""
    at = int(given[0])
    line = [*given[1:], *([""] * at)]
    return line[:at], line[at] if at < len(line) else "", line[at + 1 :]


def _zsh(given: Sequence[str]) -> tuple[str, list[str]]:
    """`NUMBER-OF-CURRENT WORD…`, without quotes. zsh looks for files itself."""
    before, current, after = _around(given)
    answer, skip = complete(before, current, after)
    return _how(answer, skip), _lines(_fitting(answer, current[skip:]))


def _fish(given: Sequence[str]) -> tuple[str, list[str]]:
    """The same, the current word as it was typed. fish takes whole words, and quotes them."""
    before, typed, after = _around(given)
    return _whole(before, words.split("x " + typed)[1].text, after, str)


def _powershell(given: Sequence[str]) -> tuple[str, list[str]]:
    """The same in a variable of the environment, one word a line, since Windows PowerShell mangles arguments."""
    before, typed, after = _around(os.environ.get("_AFTRUN_COMPLETE", "0\n").split("\n"))
    current = typed[1:].replace(typed[0] * 2, typed[0]) if typed[:1] in ("'", '"') else typed
    return _whole(before, current, after, words.for_powershell)


def _whole(
    before: Sequence[str], current: str, after: Sequence[str], shown: Callable[[str], str]
) -> tuple[str, list[str]]:
    answer, skip = complete(before, current, after)
    value, prefix = current[skip:], current[:skip]
    items = [(path, "") for path in paths(value, answer.how)] if answer.how else _fitting(answer, value)
    found = [(prefix + name, about) for name, about in items if words.fit(name)]
    answer.how = "paths" if answer.how else ""
    return _how(answer), _lines(found, shown)


_SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish, "powershell": _powershell}


def main(given: Sequence[str]) -> int:
    """Answer `SHELL …`. Exit code 0, or 1 without a word where anything goes wrong: a prompt is no place for it."""
    try:
        how, lines = _SHELLS[given[0]](given[1:])
        answer = "\n".join((how, *lines, ""))
        sys.stdout.buffer.write(answer.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
    except Exception:  # noqa: BLE001 - whatever it is, nobody asked for it
        return 1
    return 0
