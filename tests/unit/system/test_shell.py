"""Lines to paste: read back as the shell that they are for reads them."""

from __future__ import annotations

import ast
import re
import shlex
import sys
import types
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import aftrun
from aftrun.system import shell
from aftrun.system.shell import Shell, command, quoted, setting

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


def as_powershell(line: str) -> list[str]:
    """The words that PowerShell makes of a line: bare ones, and single quotes of all kinds, doubled inside."""
    quotes = "'\u2018\u2019\u201a\u201b"
    found = re.findall(rf"[{quotes}]((?:[^{quotes}]|[{quotes}]{{2}})*)[{quotes}]|([^\s{quotes}]+)", line)
    return [re.sub(rf"([{quotes}])[{quotes}]", r"\1", quoted) or bare for quoted, bare in found]


def as_cmd(line: str) -> str:
    """What cmd hands to a program: carets outside quotes go, variables (all set to "gone") are filled in."""
    line = re.sub(r"%[^%^\"]+%", "gone", line)
    text, quoted, at = "", False, 0
    while at < len(line):
        if line[at] == "^" and not quoted:
            at += 1
        elif line[at] == '"':
            quoted = not quoted
        else:
            assert quoted or line[at] not in "&|<>()", "cmd would act on it"
        text += line[at]
        at += 1
    return text


def as_windows(line: str) -> list[str]:
    """The arguments that the C library makes of a command line (CommandLineToArgvW)."""
    words: list[str] = []
    current, inside, begun, at = "", False, False, 0
    while at < len(line):
        slashes = len(line[at:]) - len(line[at:].lstrip("\\"))
        at += slashes
        if slashes and line[at : at + 1] == '"':
            current += "\\" * (slashes // 2)
            if slashes % 2:
                current += '"'
                at += 1
            begun = True
            continue
        current += "\\" * slashes
        begun = begun or bool(slashes)
        if at >= len(line):
            break
        if line[at] == '"':
            inside, begun = not inside, True
        elif line[at] in " \t" and not inside:
            words, current, begun = ([*words, current] if begun else words), "", False
        else:
            current, begun = current + line[at], True
        at += 1
    return [*words, current] if begun else words


@given(TEXTS, TEXTS)
@example("C:\\Users\\Jörg Müller\\state\\", "%PATH%")
@example('a" & calc "', "it's ’quoted’")
@example("load[eu]", "$env:KEY; rm")
def test_a_word_is_read_back_as_it_was(one: str, two: str) -> None:
    """By each shell's rules, whatever is in it, and beside other words."""
    assert shlex.split(command("aftrun", one, two, shell=Shell.POSIX)) == ["aftrun", one, two]
    assert as_powershell(command("aftrun", one, two, shell=Shell.POWERSHELL)) == ["aftrun", one, two]
    assert as_windows(as_cmd(command("aftrun", one, two, shell=Shell.CMD))) == ["aftrun", one, two]


@pytest.mark.parametrize(
    ("kind", "marked", "plain", "unset", "filled"),
    [
        (Shell.POSIX, "'C:\\a b'", "'C:\\ab'", "export K=…", "export K='a b'"),
        (Shell.POWERSHELL, "'C:\\a b'", "C:\\ab", "$env:K = '…'", "$env:K = 'a b'"),
        (Shell.CMD, '"C:\\a b"', "C:\\ab", "set K=…", 'set "K=a b"'),
    ],
)
def test_how_lines_look(kind: Shell, marked: str, plain: str, unset: str, filled: str) -> None:
    """Quotes only where they are needed, and a variable set as people of that shell set it."""
    assert quoted("C:\\a b", kind) == marked
    assert quoted("C:\\ab", kind) == plain
    assert setting("K", shell=kind) == unset
    assert setting("K", "a b", shell=kind) == filled


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("pwsh", Shell.POWERSHELL),
        ("powershell", Shell.POWERSHELL),
        ("cmd", Shell.CMD),
        ("bash", Shell.POSIX),
        ("", Shell.POWERSHELL),
    ],
)
def test_the_shell_at_hand(monkeypatch: pytest.MonkeyPatch, name: str, family: Shell) -> None:
    """That of the process that started this one; a service has none, and is looked after from PowerShell."""

    class ShellDetectionFailure(EnvironmentError):
        pass

    def detect() -> tuple[str, str]:
        if not name:
            raise ShellDetectionFailure
        return name, name

    stand_in = types.SimpleNamespace(detect_shell=detect, ShellDetectionFailure=ShellDetectionFailure)
    monkeypatch.setitem(sys.modules, "shellingham", stand_in)
    assert shell.found("nt") is family
    assert shell.found("posix") is Shell.POSIX


def test_nobody_else_quotes_for_shells_or_says_how_to_set_a_variable() -> None:
    """But for what is for one shell by its nature: `plan --format curl`, and scripts that are read."""
    package = Path(aftrun.__file__).parent
    own = {"system/shell.py", "run/curl.py"}
    everything = {
        path.relative_to(package).as_posix(): path.read_text(encoding="utf-8") for path in package.rglob("*.py")
    }
    found = {name: text for name, text in everything.items() if not name.startswith("importer/")}
    assert {name for name, text in found.items() if "import shlex" in text} == own
    said = {
        name
        for name, text in found.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"\bexport [A-Z{]", node.value)
    }
    assert said <= own
    for name, text in everything.items():
        assert not re.search(r"pip install '", text), f"{name}: cmd knows no single quotes"
