"""Problems as text for people, and what must never be in it."""

from __future__ import annotations

import re

import pytest

from aftrun.domain.errors import Problem
from aftrun.domain.text import brief, did_you_mean
from aftrun.manifest import load_all
from aftrun.manifest.check.diagnostics import CODES, render
from aftrun.manifest.check.masking import looks_secret, masked


def test_codes() -> None:
    """Codes are of one form, each with a title."""
    assert all(re.fullmatch(r"AFT\d{3}", code) and title for code, title in CODES.items())


def test_render() -> None:
    """Place, code, message, line, caret, hint."""
    problem = Problem("AFT021", "unknown key 'b'", "f.yaml", 2, 3, 2, 4, hint="did you mean 'a'?")
    assert render([problem], [("f.yaml", b"a:\n  b: 1\n")]) == (
        "f.yaml:2:3: error[AFT021]: unknown key 'b'\n  2 |   b: 1\n    |   ^\n  hint: did you mean 'a'?"
    )
    assert render([problem]) == "f.yaml:2:3: error[AFT021]: unknown key 'b'\n  hint: did you mean 'a'?"


def test_long_lines_are_cut() -> None:
    """A minified file shows the neighbourhood of the mistake, with the caret still below it."""
    line = "a" * 5000 + "X" + "b" * 5000
    _, shown, marks = render([Problem("AFT001", "m", "f", 1, 5001, 1, 5002)], [("f", line.encode())]).splitlines()
    assert len(shown) < 200
    megabytes = b'"token": "x", ' * 50_000
    text = render(
        [Problem("AFT001", "m", "f", 1, at, 1, at + 2) for at in range(1, 700_000, 7_000)], [("f", megabytes)]
    )
    assert '"x"' not in text
    assert shown[marks.index("^")] == "X"


@pytest.mark.parametrize(
    "line",
    [
        "apiKey: hunter2",
        "  api_key: 'hunter2'",
        '{"apiKey": "hunter2", "a": 1}',
        "params: {token: hunter2, b: c}",
        "db-password: hunter2 hunter2",
        'password: "hun\\"hunter2"',
        "password: 'it''s hunter2'",
        "Authorization: Bearer hunter2",
        "- {name: token, value: hunter2}",
        '{"name": "password", "value": "hunter2"}',
        "    value: hunter2",
        "url: https://me:hunter2@host/x",
        "headers: {X-API-Key: hunter2}",
        "secret: [hunter2, b]",
        "- password: &a hunter2",
        "password: !!str hunter2",
        "password: >- hunter2",
    ],
)
def test_literal_secrets_are_hidden(line: str) -> None:
    """A line is shown without what stands after a secret's name, and no character moves."""
    result = masked(line)
    assert "hunter2" not in result
    assert len(result) == len(line)


def test_secrets_on_a_line_of_their_own_are_hidden() -> None:
    """A warning about a literal secret never shows it, wherever its key stands."""
    data = b"scriptName: x\nserver:\n  apiKey:\n    hunter2\nparams:\n  password:\n    hunter2\n"
    loaded = load_all(["f.yaml"], read=lambda _: data)
    text = render(loaded.warnings, loaded.files)
    assert [problem.line for problem in loaded.warnings] == [4, 7]
    assert "hunter2" not in text
    assert text.count("*******") == 2


@pytest.mark.parametrize("line", ["apiKey: ${AFT_API_KEY}", "scriptName: My Backup Job", "tokens:", "a: {b: c}"])
def test_other_lines_are_shown(line: str) -> None:
    """References and ordinary text stay."""
    assert masked(line) == line


def test_looks_secret() -> None:
    """Names that people give to secrets, and names that only look like it."""
    assert all(map(looks_secret, ["token", "dbPassword", "API_KEY", "secret", "ssh-key", "encryptionKey"]))
    assert not any(map(looks_secret, ["destination", "keyboard", "primary_key", "tokenFile", "monkey", "key_id"]))


def test_words() -> None:
    """Guesses look through spelling habits; names are kept short and printable."""
    assert did_you_mean("fail_fast", ["failFast", "order"]) == "did you mean 'failFast'?"
    assert did_you_mean("zzz", ["failFast"]) == ""
    assert brief("a\x07b\n") == "a\\u0007b"
    assert len(brief("x" * 1000)) == 60
