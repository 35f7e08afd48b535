"""The man page says what the program says, and formatters find nothing wrong with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from aftrun.cli.main import COMMANDS
from aftrun.errors import ExitCode
from tests.conftest import ROOT
from tools import manpage
from tools.commands import commands

PAGE = ROOT / "man" / "aftrun.1"


def formatted(*command: str) -> tuple[str, str]:
    """Plain text of the page, and what the formatter complains of."""
    if shutil.which(command[0]) is None:
        assert command[0] != "mandoc" or not os.environ.get("CI"), "mandoc is not installed, and CI is to have it"
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([*command, str(PAGE)], capture_output=True, text=True, check=False)
    return re.sub(r".\x08|\x1b\[[0-9;]*m", "", done.stdout), done.stderr


def test_the_page_is_up_to_date() -> None:
    """`python -m tools.manpage` would write just what is there."""
    assert PAGE.read_text(encoding="utf-8") == manpage.page()


def test_mandoc_finds_nothing_wrong() -> None:
    """Not even in style."""
    assert formatted("mandoc", "-T", "lint") == ("", "")


def test_groff_finds_nothing_wrong() -> None:
    """With all of its warnings."""
    assert formatted("groff", "-mandoc", "-ww", "-T", "utf8")[1] == ""


def test_everything_is_on_the_page() -> None:
    """Every command, flag, variable and exit code, each readable as it is typed."""
    shown, _ = formatted("mandoc", "-T", "ascii")
    words = set(re.split(r"[\s,()\[\].]+", shown))
    assert {name for name, _, _ in COMMANDS} <= words
    for command in commands():
        for each in command.options:
            assert {*each.flags, *each.opposites} <= words, each
            assert not each.variable or each.variable in words, each
    assert {str(int(code)) for code in ExitCode} <= words
    assert manpage.CODES.keys() == set(ExitCode)


@pytest.mark.parametrize(
    ("plain", "roff"),
    [
        (".start", "\\&.start"),
        ("'quoted", "\\&'quoted"),
        ("a\\b", "a\\eb"),
        ("with --flag and -f", "with \\-\\-flag and \\-f"),
        ("self-signed", "self-signed"),
        ("…", "\\[u2026]"),
    ],
)
def test_text_is_no_markup(plain: str, roff: str) -> None:
    """What would mean something to roff is told to mean nothing."""
    assert manpage.text(plain) == roff
