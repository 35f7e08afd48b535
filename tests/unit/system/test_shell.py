"""What is printed to be pasted is one word to the shell of its system."""

from __future__ import annotations

import pytest

from aftrun.system.shell import command, quoted


@pytest.mark.parametrize(
    ("word", "posix", "windows"),
    [
        ("m.yaml", "m.yaml", "m.yaml"),
        (r"C:\aft\m.yaml", r"'C:\aft\m.yaml'", r"C:\aft\m.yaml"),
        ("My Job", "'My Job'", '"My Job"'),
        ("it's", """'it'"'"'s'""", '"it\'s"'),
        ("a$b", "'a$b'", "'a$b'"),
        ("100%", "100%", "'100%'"),
        ("a&b", "'a&b'", '"a&b"'),
        ("", "''", '""'),
    ],
)
def test_a_word_stays_one_word(word: str, posix: str, windows: str) -> None:
    """Each system has its own quotes."""
    assert quoted(word, windows=False) == posix
    assert quoted(word, windows=True) == windows


def test_a_command_is_its_words() -> None:
    """With blanks between them."""
    assert command("aftrun", "wait", "17").split() == ["aftrun", "wait", "17"]
