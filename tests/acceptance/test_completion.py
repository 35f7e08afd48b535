"""Completion in real shells at a real terminal: TAB is pressed, and what the line then means is looked at."""

from __future__ import annotations

import json
import os
import pty
import select
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Run, clean_environ, program
from tests.waiting import until

HOSTILE = 'zq\'s $(touch pwned) `touch pwned` "q" \\ ~'

MANIFEST = """\
name: nightly
servers: {main: {url: "https://127.0.0.1:1"}, spare: {url: "https://127.0.0.1:2"}}
defaults: {server: main}
vars: {year: "2026", region: eu}
jobs:
  - {name: extract, scriptName: S3 relay, tags: [night, odd:tag]}
  - {name: load, scriptName: loader, needs: [extract], matrix: {region: [eu, us]}}
  - {scriptName: My Backup Job}
  - {name: "ünï=côde:x", scriptName: y}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with a manifest in it, and an `aftrun` that completes, and otherwise notes its words."""
    work = tmp_path / "work"
    (work / "sub").mkdir(parents=True)
    (work / "nightly.yaml").write_text(MANIFEST, encoding="utf-8")
    (work / "hostile.yaml").write_text("jobs:\n  - {scriptName: y, name: '" + HOSTILE.replace("'", "''") + "'}\n")
    (work / "with blank.yml").write_text("scriptName: x\n")
    (work / "readme.txt").write_text("no manifest\n")
    stand_in = tmp_path / "bin" / "aftrun"
    stand_in.parent.mkdir()
    stand_in.write_text(
        "#!/bin/sh\n"
        f'case "${{_AFTRUN_COMPLETE-}}$1" in complete_*|completion) exec {shlex.join(program())} "$@";; esac\n'
        f'for word; do printf "%s\\n" "$word"; done > {shlex.quote(str(tmp_path / "words"))}\n'
        f"mv {shlex.quote(str(tmp_path / 'words'))} {shlex.quote(str(tmp_path / 'noted'))}\n"
    )
    stand_in.chmod(0o755)
    return work


START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source <(aftrun completion bash)\n"),
    "zsh": (
        ["zsh", "-f", "-i"],
        "autoload -Uz compinit; compinit -u -D; source <(aftrun completion zsh)\n",
    ),
    "fish": (["fish", "--no-config", "-i"], "aftrun completion fish | source\n"),
}


class Terminal:
    """A shell at a terminal, with a person at the keys."""

    def __init__(self, shell: str, folder: Path, setup: str = "") -> None:
        self.noted = folder.parent / "noted"
        command, usual = START[shell]
        setup = setup or usual
        environ = clean_environ(TERM="xterm", LC_ALL="C.UTF-8", HOME=str(folder.parent))
        environ["PATH"] = f"{folder.parent / 'bin'}{os.pathsep}{environ['PATH']}"
        environ["AFTRUN_STATE_DIR"] = "state"
        self.pid, self.fd = pty.fork()
        if not self.pid:  # pragma: no cover - another process, which becomes the shell
            os.chdir(folder)
            os.execvpe(command[0], command, environ)  # noqa: S606  # a shell is what is tested
        self.seen = b""
        self.type(setup)
        self.words("aftrun ready\n")  # what is typed before a shell is ready, some shells throw away

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.fd, keys.encode())

    def words(self, keys: str) -> list[str]:
        """Press keys and Enter; the words that the program was then called with."""
        self.noted.unlink(missing_ok=True)
        self.type(keys)

        def noted() -> bool:
            if select.select([self.fd], [], [], 0)[0]:
                self.seen += os.read(self.fd, 65536)
            return self.noted.exists()

        until(noted)
        return self.noted.read_text(encoding="utf-8").splitlines()

    def close(self) -> None:
        """Close the window."""
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


@pytest.fixture(params=["bash", "zsh", pytest.param("fish", marks=pytest.mark.full)])
def shell(request: pytest.FixtureRequest) -> str:
    """Each shell that is installed."""
    name: str = request.param
    if shutil.which(name) is None:
        assert not os.environ.get("CI"), f"{name} is not installed, and CI is to have it"
        pytest.skip(f"{name} is not installed")
    return name


@pytest.fixture
def terminal(shell: str, folder: Path) -> Iterator[Terminal]:
    """Each shell with completion set up as its help says."""
    opened = Terminal(shell, folder)
    yield opened
    opened.close()


def test_tab_completes_what_it_should(terminal: Terminal) -> None:
    """Commands, flags, values, manifests, jobs: the word that comes to be is the right one."""
    for typed, words in {
        "aftrun vali\t nightly.yaml": ["validate", "nightly.yaml"],
        "aftrun apply nigh\t --seq\t": ["apply", "nightly.yaml", "--sequential"],
        "aftrun apply nightly.yaml --output j\t": ["apply", "nightly.yaml", "--output", "json"],
        "aftrun apply nightly.yaml --select ex\t": ["apply", "nightly.yaml", "--select", "extract"],
        "aftrun apply nightly.yaml --select +ex\t": ["apply", "nightly.yaml", "--select", "+extract"],
        "aftrun apply nightly.yaml --select loa\t": ["apply", "nightly.yaml", "--select", "load"],
        "aftrun status 1 --manifest nightly.yaml --server-name sp\t": [
            "status", "1", "--manifest", "nightly.yaml", "--server-name", "spare",
        ],
        "aftrun schema rep\t": ["schema", "report"],
    }.items():  # fmt: skip
        assert terminal.words(typed + "\n") == words, typed


def offered(folder: Path, line: str) -> list[str]:
    """What a shell is told that TAB could add at the end of a line."""
    words = line.split(" ")
    asked = {"_AFTRUN_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    environ = clean_environ(AFTRUN_STATE_DIR="state", **asked)
    done = subprocess.run([*program()], cwd=folder, env=environ, capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout.decode().split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("aftrun rep", ["report"]),
        ("aftrun apply ", ["hostile.yaml", "nightly.yaml", "sub/"]),
        ("aftrun apply sub/../n", ["sub/../nightly.yaml"]),
        ("aftrun apply --fa", ["--fail-fast"]),
        ("aftrun apply nightly.yaml --select ", ["extract", "load", "ünï=côde:x", "tag:night", "tag:odd:tag"]),
        ("aftrun apply nightly.yaml --select nightly/e", ["nightly/extract"]),
        ("aftrun apply hostile.yaml --select ", []),
        ("aftrun apply missing.yaml --select ", []),
        ("aftrun apply nightly.yaml --var ", ["region=", "year="]),
        ("aftrun history --status s", ["stateError", "stopped", "succeeded"]),
        ("aftrun history --status sk", []),
        ("aftrun validate --format ", ["github", "json", "sarif", "text"]),
        ("aftrun plan --format ", ["curl", "json", "powershell", "text"]),
        ("aftrun explain AFT10", [f"AFT10{digit}" for digit in range(1, 10)]),
        ("aftrun show ", []),
        ("aftrun wait ", []),
    ],
)
def test_what_is_offered(folder: Path, line: str, expected: list[str]) -> None:
    """Words come from the enums and the files; what a shell would not take as one word is left out."""
    assert sorted(offered(folder, line)) == sorted(expected)


def test_a_hostile_name_does_nothing(terminal: Terminal, folder: Path) -> None:
    """A name made to run commands is not put on the line, and nothing runs."""
    done = terminal.words("aftrun apply hostile.yaml --select zq\t\n")
    assert done == ["apply", "hostile.yaml", "--select", "zq"]
    assert not (folder / "pwned").exists()


def test_ids_are_completed(aftrun: Run, terminal: Terminal, folder: Path) -> None:
    """A real run's id, and the id that its job has on the server; `resume` has nothing to go on with."""
    state = folder / "state"
    assert aftrun("apply", str(folder / "with blank.yml"), "--sandbox", "--state-dir", str(state)).code == 0
    report = json.loads(next((state / "runs").glob("*/report.json")).read_text(encoding="utf-8"))
    run, job = report["run"]["id"], report["jobs"][0]["jobId"]
    assert terminal.words(f"aftrun show {run[:4]}\t\n") == ["show", run]
    assert terminal.words(f"aftrun status {job[:4]}\t\n") == ["status", job]
    assert terminal.words(f"aftrun resume {run[:4]}\t\n") == ["resume", run[:4]]


def test_it_sends_nothing_and_reads_no_secret(folder: Path) -> None:
    """No socket is opened, and of the files that a manifest's values come from, none."""
    if shutil.which("strace") is None:
        assert not os.environ.get("CI"), "strace is not installed, and CI is to have it"
        pytest.skip("strace is not installed")
    (folder / "key.txt").write_text("secret\n")
    (folder / ".env").write_text("AFT_API_KEY=secret\n")
    text = 'server: {apiKey: "${file:key.txt}"}\njobs: [{name: load, scriptName: x, params: {a: "${file:.env}"}}]\n'
    (folder / "m.yaml").write_text(text)
    calls = folder / "calls"
    watched = ["strace", "-f", "-o", str(calls), "-e", "trace=network,openat,unlink,rename,mkdir"]
    # Measuring coverage writes files of its own.
    environ = {name: value for name, value in clean_environ().items() if not name.startswith("COVERAGE")}
    environ |= {
        "_AFTRUN_COMPLETE": "complete_bash",
        "COMP_WORDS": "aftrun apply m.yaml --env-file .env --select lo",
        "COMP_CWORD": "6",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run([*watched, *program()], cwd=folder, env=environ, capture_output=True, check=True)
    assert done.stdout == b"load\n"
    seen = calls.read_text()
    assert "m.yaml" in seen
    for word in ("socket(", "connect(", "key.txt", '".env"', "unlink(", "rename(", "mkdir("):
        assert word not in seen
