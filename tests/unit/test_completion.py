"""What completion answers, without a shell around it."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_powershell
import typer
from hypothesis import given
from hypothesis import strategies as st

from aftrun.cli.completion import Shell, script
from aftrun.cli.typed import build
from aftrun.complete import main, manifests, records, table
from aftrun.complete.main import complete, paths
from aftrun.complete.table import COMMANDS
from aftrun.complete.words import for_bash, for_powershell, split
from aftrun.manifest import load_all
from tests.conftest import ROOT
from tools import completion_table
from tools.commands import commands

BREAKS = " \t\n\"'><=;|&(:"
"""What breaks words in bash, unless somebody has changed it."""

VALID = sorted(
    path
    for path in [*(ROOT / "tests" / "manifests" / "valid").rglob("*.y*ml"), *(ROOT / "manifests").glob("*.yaml")]
    if path.name != "common.yaml"  # a part of another manifest
)


def names(before: Sequence[str], current: str = "", after: Sequence[str] = ()) -> list[str]:
    """The candidates that begin as the word does."""
    answer, skip = complete(before, current, after)
    return [name for name, _ in answer.items if name.startswith(current[skip:])]


def ask(*arguments: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """The program's own answer."""
    code = "from aftrun.__main__ import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "__complete", *arguments],
        capture_output=True,
        check=False,
        env={**os.environ, **environ},
    )


# The table


def test_the_table_is_up_to_date() -> None:
    """`python -m tools.completion_table` would write just what is there."""
    assert Path(table.__file__).read_text(encoding="utf-8") == completion_table.table()


def test_the_table_knows_what_typer_knows() -> None:
    """The same commands, and the same flags with and without values."""
    group = typer.main.get_command(build(None))
    assert list(COMMANDS) == list(group.commands)  # type: ignore[attr-defined]  # a group has commands
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # the same
        flags = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts) if flag[0] == "-"}
        known = {flag for names, *_ in COMMANDS[name][1] for flag in names}
        assert known - {"--help", "-h"} == flags - {"--help", "-h"}, name
        switches = {
            flag
            for each in command.params
            if getattr(each, "is_flag", False) or getattr(each, "count", False)
            for flag in (*each.opts, *each.secondary_opts)
        }
        assert {flag for names, kind, *_ in COMMANDS[name][1] for flag in names if not kind} - {"--help", "-h"} == (
            switches - {"--help", "-h"}
        ), name


def test_every_rule_of_the_table_is_about_something() -> None:
    """No rule says how to complete a flag that is no more."""
    there = {
        (where, name)
        for command in commands()
        for each in command.parameters
        for name in (*each.flags, each.name)
        for where in (command.name, "*")
    }
    assert completion_table.KINDS.keys() <= there


# Lines


@pytest.mark.parametrize(
    ("before", "current", "wanted"),
    [
        ([], "re", ["resume", "retry", "report"]),
        ([], "--v", ["--version"]),
        (["apply"], "--no-p", ["--no-progress"]),
        (["apply", "-o"], "", ["table", "json", "none"]),
        (["apply"], "-oj", ["json"]),
        (["apply"], "--output=n", ["none"]),
        (["apply"], "-qvo", []),
        (["apply", "-qo"], "t", ["table"]),
        (["apply", "--", "x"], "--no", []),
        (["apply", "--quiet"], "--qui", []),
        (["apply", "--var", "a=1"], "--va", ["--var"]),
        (["apply"], "-k", ["-k"]),
        (["validate", "--format"], "", ["text", "json", "github", "sarif"]),
        (["plan", "--format"], "", ["text", "json", "curl", "powershell"]),
        (["history"], "--l", ["--last", "--limit"]),
        (["history", "--status"], "s", ["succeeded", "skipped", "submitted"]),
        (["explain"], "AFT060", ["AFT060"]),
        (["explain", "AFT060"], "", []),
        (["completion"], "", ["bash", "zsh", "fish", "powershell"]),
        (["nothing"], "", []),
        (["nothing"], "--x", []),
        (["apply", "--unknown"], "--seq", ["--sequential"]),
        (["start", "--timeout"], "", []),
    ],
)
def test_lines(before: list[str], current: str, wanted: list[str]) -> None:
    """Flags, their values, and what is not to be repeated."""
    assert names(before, current) == wanted


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        (["apply"], "manifests"),
        (["apply", "a.yaml"], "manifests"),
        (["apply", "--state-dir"], "dirs"),
        (["apply", "--report-html"], "files"),
        (["doctor"], "manifests"),
        (["status", "--manifest"], "manifests"),
        (["history", "--manifest"], ""),
        (["start", "--file"], ""),
        (["sandbox", "--scenario"], "manifests"),
        (["import"], "files"),
    ],
)
def test_which_values_are_files(before: list[str], kind: str) -> None:
    """And which are not: a script lies on the server, and `history --manifest` takes a name."""
    assert complete(before, "")[0].how == kind


def test_every_command_can_be_completed() -> None:
    """No flag of any command has a value of an unknown kind."""
    for name, (_, options, _) in COMMANDS.items():
        assert names([name], "--")
        for flags, kind, *_ in options:
            if kind:
                complete([name, flags[0]], "")
                assert kind in {
                    "text", "files", "dirs", "manifests", "jobs", "variables", "servers", "job ids",
                } or "|" in kind  # fmt: skip


# Quotes


@pytest.mark.parametrize(
    ("line", "before", "text", "start", "quote"),
    [
        ("aftrun ap", ["aftrun"], "ap", 0, ""),
        ("aftrun ", ["aftrun"], "", 0, ""),
        ('aftrun apply a\\ b \'c d\' "e \\" f" g', ["aftrun", "apply", "a b", "c d", 'e " f'], "g", 0, ""),
        ("aftrun --select=lo", ["aftrun"], "--select=lo", 9, ""),
        ('aftrun --select="a b', ["aftrun"], "--select=a b", 9, '"'),
        ("aftrun tag:x", ["aftrun"], "tag:x", 4, ""),
        ("aftrun tag\\:x", ["aftrun"], "tag:x", 0, ""),
        ("aftrun x > out y", ["aftrun", "x"], "y", 0, ""),
        ("aftrun x 2>err y", ["aftrun", "x"], "y", 0, ""),
        ('aftrun "a\\x', ["aftrun"], "a\\x", 0, '"'),
        ("aftrun a\\\nb", ["aftrun"], "ab", 0, ""),
    ],
)
def test_lines_of_bash(line: str, before: list[str], text: str, start: int, quote: str) -> None:
    """Quotes and escapes are read, and it is known what bash will replace."""
    words, last = split(line, BREAKS)
    assert (words, last.text, last.start, last.quote) == (before, text, start, quote)


def test_a_redirection_wants_a_file() -> None:
    """Whatever the command would want there."""
    assert main._bash(["aftrun show > ", "", BREAKS]) == ("files", [])


@given(
    st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1), st.sampled_from("'\" ")
)
def test_bash_reads_what_was_quoted(name: str, quote: str) -> None:
    """Whatever a job is called: the word that is inserted means its name."""
    typed = "x " + quote.strip()
    _, word = split(typed, BREAKS)
    words, last = split(typed + for_bash(name, word) + quote.strip() + " ", BREAKS)
    assert (words, last.text) == (["x", name], "")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("load", "load"),
        ("load[eu]", "'load[eu]'"),
        ("a,b", "'a,b'"),
        ("it's $x", "'it''s $x'"),
        ("it\u2019s", "'it\u2019\u2019s'"),
        ("", "''"),
    ],
)
def test_quotes_of_powershell(name: str, shown: str) -> None:
    """In single quotes nothing is read as code; typographic ones count as quotes there too."""
    assert for_powershell(name) == shown


# Manifests


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.name)
def test_names_are_those_of_the_loader(path: Path) -> None:
    """Every job of every manifest of the corpus, copies included; and nothing that is no job."""
    loaded = load_all([str(path)]).manifests
    reader = manifests.Reader(60)
    reader.read(str(path))
    real = {job.name for manifest in loaded for job in manifest.jobs}
    templates = {job.template for manifest in loaded for job in manifest.jobs}
    found = set(reader.names.jobs)
    assert found <= real | templates
    many = len(real) > manifests.MAX_COPIES
    assert {name for name in real - found if "${" not in name} == set() or many
    assert {tag for manifest in loaded for job in manifest.jobs for tag in job.tags} >= set(reader.names.tags)


def test_a_manifest_that_is_being_written(tmp_path: Path) -> None:
    """Whole documents before the broken one count; what is broken gives nothing, and no error."""
    path = tmp_path / "m.yaml"
    path.write_text("scriptName: whole\n---\njobs: [{name: broken, scriptName: x\n")
    assert names(["apply", str(path), "--select"]) == ["whole"]
    for text in (
        "",
        "\0",
        "- a\n- b\n",
        "jobs: 7\n",
        "{",
        "a: *b\n",
        "jobs: [[1], null, {}]\n",
        "servers: [x]\nvars: 1\n",
    ):
        path.write_text(text)
        assert names(["apply", str(path), "--select"]) in ([], [""])
        assert names(["apply", str(path), "--var"]) == []


def test_includes_and_folders(tmp_path: Path) -> None:
    """As the loader has it: included jobs are there, a folder stands for its manifests."""
    (tmp_path / "a.yaml").write_text("include: [inner/b.yaml]\njobs: [{name: a, scriptName: x}]\n")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "b.yaml").write_text("include: ../a.yaml\njobs: [{name: b, scriptName: x}]\n")
    (tmp_path / "c.json").write_text('{"scriptName": "c"}')
    assert names(["plan", str(tmp_path), "--exclude"]) == ["b", "a", "c", "a/b", "a/a", "c/c"]
    assert names(["plan", str(tmp_path / "c.json"), "--select"]) == ["c"]


def test_limits_of_manifests(tmp_path: Path) -> None:
    """Size, depth, aliases that multiply, pipes and time: each ends at once."""
    deep, wide = tmp_path / "deep.yaml", tmp_path / "wide.yaml"
    deep.write_text("[" * 100_000)
    wide.write_text("x: &a [1,2,3,4,5,6,7,8,9]\n" + "".join(f"y{i}: &b{i} [*a,*a,*a,*a]\n" for i in range(1000)))
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (manifests.MAX_BYTES + 1))
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    for path in (deep, wide, large, pipe, tmp_path / "none.yaml"):
        assert names(["apply", str(path), "--select"]) in ([], [""])
    many = tmp_path / "many.yaml"
    many.write_text("jobs:\n" + "- {scriptName: x}\n" * 5000)
    reader = manifests.Reader(seconds=-1)
    with pytest.raises(manifests.GivenUp):
        reader.read(str(many))


# Records


def _record(folder: Path, runs: int = 3) -> Path:
    """A record as aftrun leaves it, from the one place that says what it looks like."""
    from aftrun.run.log import Log  # noqa: PLC0415 - only to make the file

    Log(folder).close()
    database = sqlite3.connect(folder / "state.db")
    outcomes = ["succeeded", "failed", "interrupted"]
    for number in range(runs):
        ended = None if number == 3 else f"2026-01-0{number + 1}T01:00:00.000Z"
        row = (f"2026010{number + 1}-000000-abcd", f"2026-01-0{number + 1}T00:00:00.000Z", ended)
        outcome = outcomes[number % 3] if ended else "running"
        database.execute(
            "INSERT INTO runs (id, started_at, ended_at, outcome, exit_code, manifests, jobs, format, options) "
            "VALUES (?, ?, ?, ?, 0, '[\"nightly\"]', 2, 1, '{}')",
            (*row, outcome),
        )
        body = {
            "type": "accepted",
            "at": row[1],
            "job": "nightly/x",
            "attempt": 1,
            "jobId": f"job-{number}",
            "state": "",
        }
        database.execute("INSERT INTO events VALUES (?, 0, ?)", (row[0], json.dumps(body, separators=(",", ":"))))
    database.commit()
    database.close()
    return folder


def test_runs_newest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`show` knows all, `resume` those that can go on, `retry` those that did not succeed; each with what it was."""
    folder = str(_record(tmp_path / "odd %20 ?#", 4))
    all_runs = [f"2026010{number}-000000-abcd" for number in (4, 3, 2, 1)]
    assert names(["show", "--state-dir", folder]) == all_runs
    assert names(["resume", f"--state-dir={folder}"]) == [all_runs[0], all_runs[1]]
    assert names(["retry", "--state-dir", folder]) == [all_runs[0], all_runs[1], all_runs[2]]
    monkeypatch.setenv("AFTRUN_STATE_DIR", folder)
    answer, _ = complete(["report"], "")
    assert next(iter(answer.items)) == (all_runs[0], "running, nightly, 2 jobs, 2026-01-04 00:00:00 UTC")
    assert names(["wait"], "job-") == ["job-3", "job-2", "job-1", "job-0"]
    assert names(["wait", "job-3"], "job-1") == ["job-1"]
    assert names(["doctor", "--job"], "job-1") == ["job-1"]


def test_reading_a_record_leaves_no_trace(tmp_path: Path) -> None:
    """Not a file more than before, also where nothing may be written; and no waiting for one who writes."""
    folder = _record(tmp_path / "state")
    before = sorted(each.name for each in folder.iterdir())
    assert len(records.runs(str(folder))) == 3
    assert sorted(each.name for each in folder.iterdir()) == before
    writer = sqlite3.connect(folder / "state.db", isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    assert len(records.runs(str(folder))) == 3  # readers of a write-ahead log do not wait
    writer.execute("ROLLBACK")
    writer.close()


def test_a_record_that_is_not_there_or_damaged(tmp_path: Path) -> None:
    """No candidates, and not a word."""
    assert records.runs(str(tmp_path)) == []
    assert records.jobs(str(tmp_path / "none")) == []
    (tmp_path / "state.db").write_bytes(b"SQLite format 3\0" + b"x" * 4096)
    assert records.runs(str(tmp_path)) == []
    assert records.jobs(str(tmp_path)) == []
    database = sqlite3.connect(_record(tmp_path / "s") / "state.db")
    database.execute("UPDATE runs SET manifests = '['")
    database.execute('UPDATE events SET body = \'{"type":"accepted"\'')
    database.commit()
    database.close()
    assert [row[4] for row in records.runs(str(tmp_path / "s"))] == ["", "", ""]
    assert records.jobs(str(tmp_path / "s")) == []


# Paths


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders with a slash, manifests by their ending, hidden files when asked for, home by its name."""
    for name in ("a.yaml", "b.txt", ".hidden.yaml"):
        (tmp_path / name).write_text("")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert paths("", "manifests") == ["a.yaml", "sub/"]
    assert paths("", "files") == ["a.yaml", "b.txt", "sub/"]
    assert paths("", "dirs") == ["sub/"]
    assert paths(".h", "manifests") == [".hidden.yaml"]
    assert paths("~/a", "manifests") == ["~/a.yaml"]
    assert paths("nowhere/", "files") == []


# The program


def test_nothing_heavy_is_loaded() -> None:
    """A person waits for this at every TAB: neither typer nor the loader nor the record's own module."""
    code = "import sys\nfrom aftrun.complete.main import main\n"
    code += "main(['zsh', '3', 'apply', sys.argv[1], '--select', ''])\nmain(['zsh', '1', 'show', ''])\n"
    code += "print(sorted({m.partition('.')[0] for m in sys.modules} | {m for m in sys.modules if m[:7] == 'aftrun.'}))"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "manifests" / "nightly.yaml")],
        capture_output=True, text=True, check=True, env=environ,
    )  # fmt: skip
    loaded = set(re.findall(r"'([^']+)'", done.stdout.splitlines()[-1]))
    assert "yaml" in loaded
    assert not loaded & {
        "typer",
        "rich",
        "jsonschema",
        "requests",
        "dataclasses",
        "pathlib",
        "urllib",
        "ssl",
        "inspect",
    }
    assert {each for each in loaded if each.startswith("aftrun.")} <= {
        "aftrun.complete", "aftrun.complete.main", "aftrun.complete.manifests", "aftrun.complete.records",
        "aftrun.complete.table", "aftrun.complete.words",
    }  # fmt: skip


@pytest.mark.parametrize("arguments", [[], ["ksh"], ["bash"], ["zsh", "x"], ["fish"], ["powershell", "x"]])
def test_a_question_that_makes_no_sense(arguments: list[str]) -> None:
    """Nothing on either stream that could land in a prompt."""
    done = ask(*arguments, _AFTRUN_COMPLETE="x")
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


def test_no_control_character_reaches_a_prompt(tmp_path: Path) -> None:
    """A name with an escape sequence is not offered; a description loses it."""
    path = tmp_path / "m.yaml"
    path.write_text('jobs: [{name: "a\\e[31m", scriptName: x}, {name: b, scriptName: "x\\e]0;title\\a\\ny"}]\n')
    out = ask("fish", "3", "apply", str(path), "--select", "").stdout.decode()
    assert out.splitlines() == ["keep", "b\tx ]0;title  y"]
    assert "\x1b" not in out + ask("bash", f"aftrun apply {path} --select ", "", BREAKS).stdout.decode()


def test_answers_for_each_shell(tmp_path: Path) -> None:
    """Bash gets quoted ends of words, zsh values behind the flag, fish and PowerShell whole words."""
    path = tmp_path / "m.yaml"
    path.write_text("jobs: [{name: 'load x', scriptName: y}]\n")
    line = f"aftrun apply {path} --select=lo"
    assert ask("bash", line, "", BREAKS).stdout == b"keep\nload\\ x\n"
    assert ask("zsh", "2", "apply", str(path), "--select=lo").stdout == b"keep skip=9\nload x\ty\n"
    assert ask("fish", "2", "apply", str(path), "--select=lo").stdout == b"keep\n--select=load x\ty\n"
    words = f"2\napply\n{path}\n--select=lo"
    assert ask("powershell", _AFTRUN_COMPLETE=words).stdout == b"keep\n'--select=load x'\ty\n"
    words = f"3\napply\n{path}\n--select\n'lo"
    assert ask("powershell", _AFTRUN_COMPLETE=words).stdout == b"keep\n'load x'\ty\n"


# Scripts


@pytest.mark.parametrize("shell", list(Shell))
def test_scripts_name_their_maker(shell: Shell) -> None:
    """Whoever finds one on a disk can make it anew."""
    assert f"aftrun completion {shell}" in script(shell)


def _errors(node: tree_sitter.Node) -> list[tree_sitter.Node]:
    found = [node] if node.is_error or node.is_missing else []
    return found + [error for child in node.children for error in _errors(child)]


def test_the_script_for_powershell_parses() -> None:
    """No PowerShell runs here, but its grammar is known; and a slip would be seen."""
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    text = script(Shell.POWERSHELL)
    assert _errors(parser.parse(text.encode()).root_node) == []
    assert _errors(parser.parse(text.replace("finally {", "finally ").encode()).root_node)
    assert text.isascii()  # Windows PowerShell takes a file without a mark for its own code page
