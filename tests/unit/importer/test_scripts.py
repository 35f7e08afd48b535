"""Whole scripts: the manifest and remarks of each are kept beside it, and hostile text ends in bounded work."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from aftrun.importer.emit import manifest
from aftrun.importer.read import LONGEST, language_of, read_text
from aftrun.manifest import load_all
from aftrun.manifest.check.masking import looks_secret
from tests.conftest import ROOT
from tests.effort import alike

SCRIPTS = ROOT / "tests" / "data" / "import"
NAMES = sorted(
    path.name for path in SCRIPTS.iterdir() if path.suffix not in (".expected", ".json", ".curl", ".headers")
)
SECRET = "S3CR3T"
"""A part of every secret in the scripts."""


def file_of(path: str) -> bytes:
    """The files that the scripts name."""
    found = SCRIPTS / Path(path).name
    if path.startswith("~") or not found.is_file():
        raise FileNotFoundError(2, "No such file or directory", path)
    return found.read_bytes()


def made_of(name: str) -> str:
    """The manifest that is made of a script."""
    text = (SCRIPTS / name).read_bytes().decode()
    imported = read_text(name, text, file_of)
    assert imported.problems == (), imported.problems
    return manifest(imported, looks_secret).text


def test_there_are_forty() -> None:
    """Every shape that people's scripts have is there, in each language."""
    assert len(NAMES) >= 40
    assert {name.rpartition(".")[2] for name in NAMES} >= {"sh", "ps1", "bat", "cmd", "md", "txt", "cron"}


@pytest.mark.parametrize("name", NAMES)
def test_each_script_becomes_the_manifest_that_is_kept_beside_it(name: str) -> None:
    """`AFTRUN_IMPORT=write` writes them anew, to be read before they are committed."""
    made = made_of(name)
    kept = SCRIPTS / f"{name}.expected"
    if os.environ.get("AFTRUN_IMPORT") == "write":
        kept.write_text(made, encoding="utf-8")
    assert made == kept.read_text(encoding="utf-8")
    load_all(["m.yaml"], read=lambda _: made.encode())


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_of_a_script_gets_out(name: str) -> None:
    """Neither manifest nor remark holds a part of a key, password, token or cookie."""
    text = (SCRIPTS / name).read_bytes().decode()
    imported = read_text(name, text, file_of)
    said = manifest(imported, looks_secret)
    assert SECRET not in said.text
    assert not any(SECRET in each for _, each in said.remarks)
    assert not any(SECRET in each for _, each in imported.remarks)


@pytest.mark.parametrize("name", NAMES)
def test_every_line_that_is_said_is_a_line_of_the_script(name: str) -> None:
    """A remark stands at the line it is about: the one that holds the call, or sets the value."""
    lines = (SCRIPTS / name).read_bytes().decode().split("\n")
    numbers = [int(number) for number in re.findall(r"(?m)^\s*# (?:- )?line (\d+)", made_of(name))]
    assert numbers
    assert all(lines[number - 1].strip() for number in numbers)


LANGUAGES = {
    "# please confirm\ncurl -k https://h/v1/jobs -d x": "bash",
    'curl -d "d=$(date +%Y%m%d)" https://h/v1/jobs': "bash",
    "curl -d f%C3%BCr%20x https://h/v1/jobs": "bash",
    "aft start -n x": "bash",
    "KEY=abc\naft start -n x -a $KEY": "bash",
    "curl https://h/v1/jobs \\\n -d x": "bash",
    'powershell -Command "irm https://h/v1/jobs"': "bash",
    "cat <<EOF | curl -d @- https://h/v1/jobs\n$x = 1\nEOF\nif true; then\necho\nfi\n": "bash",
    "#!/usr/bin/env pwsh\naft start -n x": "powershell",
    "irm https://h/v1/jobs": "powershell",
    "$key = 'x'\ncurl.exe -H \"X-API-Key: $key\" https://h/v1/jobs": "powershell",
    "Invoke-RestMethod https://h/v1/jobs `\n -Method Post": "powershell",
    "@echo off\naft start -n x": "cmd",
    'curl -H "X-API-Key: %AFT_KEY%" https://h/v1/jobs': "cmd",
    'curl ^"https://h/v1/jobs^" ^\n -d x': "cmd",
    "set KEY=abc\naft start -n x -a %KEY%": "cmd",
    "REM irm\naft start -n x": "cmd",
    "aft start -n x\nif errorlevel 1 exit /b 1": "cmd",
}


@pytest.mark.parametrize("text", LANGUAGES)
def test_the_language_is_found_by_what_only_it_has(text: str) -> None:
    """Words in comments, percent signs of dates and of URLs decide nothing."""
    assert language_of("-", text) == LANGUAGES[text]


def test_a_name_or_a_flag_says_the_language() -> None:
    """A file's name wins over its text, and `--from` over both."""
    assert language_of("x.ps1", "aft start -n x") == "powershell"
    assert language_of("C:\\X.BAT", "aft start -n x") == "cmd"
    percent = "aft start -n %NAME%"
    assert read_text("x.bat", percent, file_of).jobs[0].script != "%NAME%"
    assert read_text("x.bat", percent, file_of, "bash").jobs[0].script == "%NAME%"


HOSTILE = {
    "five megabytes": "curl -k https://h/v1/jobs -d '{}'\n" * 150_000,
    "a binary": "\x7fELF\0\0\1" * 1000,
    "control characters": "\1\2\3\x1b[2J" * 20_000,
    "brackets": "(" * 100_000,
    "substitutions": "echo $(" * 5_000,
    "maps": "$x = " + "@{a=" * 3_000,
    "parentheses": "$x = " + "(" * 3_000 + "1" + ")" * 3_000 + "; irm https://h/v1/jobs -Method Post",
    "functions that call each other": "".join(f"f{n}() {{ f{n + 1}; f{n + 1}; }}\n" for n in range(60)) + "f0\n",
    "a function that calls itself": "f() { f; curl -d '{}' https://h/v1/jobs; }\nf\n",
    "loops in loops": "for a in 1 2 3 4 5 6 7 8 9; do\n" * 12 + "curl x\n" + "done\n" * 12,
    "quotes": "\"'`" * 10_000,
    "here-strings": '@"\n' * 10_000,
    "round quotes": "\u201c\u2018" * 10_000 + "curl",
    "a sum": "$x = " + "'a' + " * 3_000 + "'b'\nirm https://h/v1/jobs -Method Post -Body $x",
    "one long line": "curl -k https://h/v1/jobs -d '" + "x" * 200_000 + "'",
    "prompts": "$ \n> \n" * 20_000,
    "fences": "```\n" * 20_000 + "curl https://h/v1/jobs\n",
    "percent signs": "@echo off\naft start " + "%" * 50_000,
    "carets": "@echo off\naft start " + "^" * 50_001,
    "nested shells": "bash -c 'bash -c \"" * 200 + "curl",
}


@pytest.mark.parametrize("suffix", ["", ".sh", ".ps1", ".bat"])
@pytest.mark.parametrize("name", alike(HOSTILE))
def test_hostile_text_is_read_or_refused(name: str, suffix: str) -> None:
    """There is no third way out. What bounds the work is counted: characters, statements, levels."""
    imported = read_text(f"x{suffix}", HOSTILE[name], file_of)
    assert imported.jobs or imported.problems
    if imported.jobs:
        made = manifest(imported, looks_secret).text
        load_all(["m.yaml"], read=lambda _: made.encode())


def test_a_text_that_no_script_is_as_long_as_says_so() -> None:
    """The bound is on characters, so it is met or not whatever the machine does."""
    line = 'curl -k https://h/v1/jobs -d \'{"scriptName":"x"}\'\n'
    (problem,) = read_text("x.sh", "#" * LONGEST + line, file_of).problems
    assert "longer than 256 KiB" in problem.message
    assert read_text("x.sh", "#" * (LONGEST - len(line) - 1) + "\n" + line, file_of).jobs


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch files need no grammar; the others say what to install, and exit 2."""
    from aftrun.domain.errors import UsageError  # noqa: PLC0415  # beside the test that needs it

    monkeypatch.setitem(__import__("sys").modules, "tree_sitter_bash", None)
    with pytest.raises(UsageError, match=r'pip install "aftrun\[import\]"'):
        read_text("x.sh", "aft start -n x", file_of)
    assert read_text("x.bat", "aft start -n x", file_of).jobs
