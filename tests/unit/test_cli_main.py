"""The entry of the command line: what is loaded, and what is said of what is not."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

import pytest

from aftrun.cli.main import COMMANDS, asked_for, command, run
from aftrun.cli.typed import build

HEAVY = {"requests", "urllib3", "yaml", "jsonschema", "rich", "jinja2", "sqlite3", "aiohttp", "jmespath", "ssl"}


@pytest.mark.parametrize(("name", "place", "text"), COMMANDS, ids=[name for name, _, _ in COMMANDS])
def test_the_short_help_is_the_real_one(name: str, place: str, text: str) -> None:
    """What stands in the list of commands is the first sentence of the command's own help."""
    documentation = inspect.getdoc(command(place)) or ""
    assert documentation.partition("\n\n")[0].replace("\n", " ").startswith(text), name


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], *([name, "--help"] for name, _, _ in COMMANDS)])
def test_what_is_not_asked_for_is_not_imported(arguments: list[str]) -> None:
    """`--version` and help load none of the packages that do the work."""
    code = f"import sys; sys.argv = ['aftrun', *{arguments!r}]\nfrom aftrun.cli.main import run\nrun()\n"
    code += f"print('LOADED', sorted({HEAVY!r} & set(sys.modules)))"
    # Measuring coverage loads sqlite3 itself.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_a_command_that_moved_says_where_to(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, whatever was written behind it."""
    for words in (["export"], ["export", "airflow", "m.yaml", "--pools"], ["export", "--help"]):
        monkeypatch.setattr("sys.argv", ["aftrun", *words])
        assert run() == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "`aftrun-airflow export`" in line
        assert "pip install aftrun-airflow" in line


def test_the_command_is_the_first_word() -> None:
    """Flags before it take no values."""
    assert asked_for(["-h", "apply", "x.yaml"]) == "apply"
    assert asked_for(["--version"]) == ""


def test_all_commands_can_be_built_at_once() -> None:
    """As tools that document command lines do."""
    assert len(build(None).registered_commands) == len(COMMANDS)
