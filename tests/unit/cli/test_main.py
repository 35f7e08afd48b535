"""The entry of the command line: what is loaded, and what is said of what is not."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import subprocess
import sys

import pytest
import typer

from aftrun.__main__ import main
from aftrun.cli.helptext import EXAMPLES
from aftrun.cli.main import COMMANDS, asked_for, build, command, run
from aftrun.domain.errors import ExitCode
from tools.commands import commands

HEAVY = {
    "requests", "urllib3", "yaml", "jsonschema", "rich", "jinja2", "sqlite3", "aiohttp", "jmespath", "ssl",
    "aftrun.manifest.check.pages",
}  # fmt: skip


@pytest.mark.parametrize(("name", "text"), COMMANDS.items(), ids=list(COMMANDS))
def test_the_short_help_is_the_real_one(name: str, text: str) -> None:
    """What stands in the list of commands is the first sentence of the command's own help."""
    documentation = inspect.getdoc(command(name)) or ""
    assert documentation.partition("\n\n")[0].replace("\n", " ").startswith(text), name


FORKS = """
import os, sys
from aftrun.cli.main import run
sys.argv = ["aftrun", "--version"]
run()
print("LOADED", sorted(HEAVY & set(sys.modules)), flush=True)
for name in COMMANDS:
    if os.fork() == 0:
        sys.argv = ["aftrun", *filter(None, [name]), "--help"]
        run()
        print("LOADED", sorted(HEAVY & set(sys.modules)), name, flush=True)
        os._exit(0)
    os.wait()
"""
"""`--version`, then the help of each command in a process that has loaded nothing but what all of them load."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process for each command would take too long")
def test_what_is_not_asked_for_is_not_imported() -> None:
    """`--version` and help load none of the packages that do the work."""
    names = ["", *COMMANDS]
    code = f"HEAVY, COMMANDS = {HEAVY!r}, {names!r}\n{FORKS}"
    # Measuring coverage loads sqlite3 itself.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    lines = [line for line in done.stdout.splitlines() if line.startswith("LOADED")]
    assert lines == ["LOADED []", *(f"LOADED [] {name}" for name in names)]


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


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("start Backup", "a script's name goes behind -n: aftrun start -n 'My Backup Job'"),
        ("apply --sandbox=bad-night.yaml", "a file that says how it behaves goes behind --scenario"),
        ("start --sandbox=bad-night.yaml -n x", "a file that says how it behaves goes behind --scenario"),
        ("validate --nonsense", None),
    ],
)
def test_what_people_try_first_gets_a_hint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str, hint: str | None
) -> None:
    """Under what the parser itself says."""
    monkeypatch.setattr("sys.argv", ["aftrun", *line.split()])
    assert run() == 2
    hints = [each for each in capsys.readouterr().err.splitlines() if each.startswith("  hint: ")]
    assert hints == ([] if hint is None else [f"  hint: {hint}"])


def test_completion_that_no_shell_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Variables that make no sense are a mistake in the environment."""
    monkeypatch.setenv("_AFTRUN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "aftrun \udcff")
    monkeypatch.setenv("COMP_CWORD", "x")
    monkeypatch.setattr("sys.argv", ["aftrun", "history"])
    assert run() == 2
    assert "COMP_CWORD" in capsys.readouterr().err


def test_the_command_is_the_first_word() -> None:
    """Flags before it take no values."""
    assert asked_for(["-h", "apply", "x.yaml"]) == "apply"
    assert asked_for(["--version"]) == ""


def test_all_commands_can_be_built_at_once() -> None:
    """As tools that document command lines do."""
    assert len(build(None).registered_commands) == len(COMMANDS)


def test_the_help_names_every_exit_code() -> None:
    """Also the ones that nobody expects; 10 is `plan --exit-code`'s own, and in its help."""
    words = set(re.findall(r"[0-9]+", str(build(None).info.epilog).partition("\n")[0]))
    assert words == {str(code.value) for code in ExitCode if code is not ExitCode.CHANGES}


def load_main_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the import of `aftrun.cli.main` fail."""

    class Refuses:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "aftrun.cli.main":
                raise error

    monkeypatch.delitem(sys.modules, "aftrun.cli.main")
    monkeypatch.setattr(sys, "meta_path", [Refuses(), *sys.meta_path])
    monkeypatch.setattr("aftrun.system.signals.listen", lambda *_: {})


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModuleNotFoundError("No module named 'x'", name="x"), "(x)"),
        (OSError(24, "Too many open files"), "(Too many open files)"),
        (MemoryError(), "(no memory)"),
    ],
)
def test_a_program_that_cannot_load_itself_says_so(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: Exception, said: str
) -> None:
    """Before anything is there that turns errors into messages: one line, 74, no traceback."""
    load_main_with(monkeypatch, error)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 74
    assert capfd.readouterr().err == f"aftrun: a part of aftrun cannot be loaded {said}; nothing was sent\n"


class Exited(BaseException):
    """Instead of the end of this process."""


def test_ctrl_c_while_the_program_loads_itself(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Before anything hears signals there is nothing to finish: 130, and no traceback."""

    def leave(code: int) -> None:
        raise Exited(code)

    load_main_with(monkeypatch, KeyboardInterrupt())
    monkeypatch.setattr(os, "_exit", leave)
    with pytest.raises(Exited) as ended:
        main()
    assert ended.value.args == (130,)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_two_examples_that_it_takes(name: str) -> None:
    """Of the command itself, with flags that it has."""
    usual, other = EXAMPLES[name]
    flags = {
        flag
        for each in commands()
        if each.name == name
        for given in each.options
        for flag in (*given.flags, *given.opposites)
    }
    for line in (usual, other):
        words = shlex.split(line.partition(" > ")[0].partition(" < ")[0])
        assert words[:2] == ["aftrun", name]
        assert {word for word in words if word.startswith("-")} <= {*flags, "--help"}, line
        assert "'" not in line, "cmd knows double quotes only"
        group = typer.main.get_group(build(name))
        group.commands[name].make_context(name, words[2:])  # raises where something is missing or wrong


@pytest.mark.parametrize("name", COMMANDS)
def test_help_cuts_no_line_and_names_variables_once(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Flags stand under the titles of their groups."""
    build(name)([name, "--help"], prog_name="aftrun", standalone_mode=False)
    text = capsys.readouterr().out
    assert not [line for line in text.splitlines()[1:] if line.endswith(("...", "…"))]
    assert text.count("env var") == 0
    assert text.count("Every flag has a variable") == 1
    assert "Examples:" in text


PORT = "it is to be a whole number from 0 to 65535"
JOBS = "it is to be a whole number, 1 at least"


@pytest.mark.parametrize(
    ("typed", "variables", "said"),
    [
        (["sandbox", "--port", "99999"], {}, f"Invalid value for '--port': {PORT}"),
        (["sandbox", "--port=-1"], {}, f"Invalid value for '--port': {PORT}"),
        (["ui", "--port", "ten"], {}, f"Invalid value for '--port': {PORT}"),
        (["sandbox"], {"AFTRUN_PORT": "99999"}, f"of the variable AFTRUN_PORT, which stands for --port: {PORT}"),
        (["sandbox"], {"AFTRUN_SANDBOX_PORT": "x"}, f"variable AFTRUN_SANDBOX_PORT, which stands for --port: {PORT}"),
        (["sandbox", "--port", "x"], {"AFTRUN_PORT": "1"}, f"Invalid value for '--port': {PORT}"),
        (["apply", "-j0", "a.yaml"], {"AFTRUN_JOBS": "5"}, f"Invalid value for '--jobs': {JOBS}"),
        (["apply", "a.yaml"], {"AFTRUN_JOBS": "1.5"}, f"of the variable AFTRUN_JOBS, which stands for --jobs: {JOBS}"),
        (["history", "--limit", "0"], {}, f"Invalid value for '--limit': {JOBS}"),
        (["apply", "a.yaml"], {"AFTRUN_FAIL_FAST": "perhaps"}, "AFTRUN_FAIL_FAST, which stands for --fail-fast: it is"),
        (["apply", "a.yaml"], {"AFTRUN_KEEP_GOING": "so"}, "AFTRUN_KEEP_GOING, which stands for --fail-fast: it is"),
        (["start", "-n", "x"], {"AFTRUN_START_NO_WAIT": "so"}, "AFTRUN_START_NO_WAIT, which stands for --wait: it is"),
        (["apply", "a.yaml"], {"AFTRUN_OUTPUT": "pdf"}, "AFTRUN_OUTPUT, which stands for --output: 'pdf' is not one"),
    ],
)  # fmt: skip
def test_a_value_that_is_refused(
    typed: list[str],
    variables: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where it came from, under the name that it had there, and all that it may be."""
    monkeypatch.setattr(sys, "argv", ["aftrun", *typed])
    monkeypatch.setattr(os, "environ", {**os.environ, **variables})  # which the program changes for itself
    assert run() == 2
    assert said in " ".join(capsys.readouterr().err.split())
