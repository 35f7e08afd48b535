"""`--select`, `--exclude` and `--env-file`, with the real program."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from aftrun.sandbox.server import Sandbox
from tests.acceptance.test_apply import posts, write
from tests.conftest import Run

Start = Callable[..., Sandbox]

CHAIN = """
jobs:
  - {name: extract, scriptName: one, params: {a: "${FIRST}"}}
  - {name: load, scriptName: two, needs: [extract], params: {id: "${{ jobs.extract.id }}"}}
  - {name: tell, scriptName: three, needs: [load], tags: [chat]}
"""


def scripts(server: Sandbox) -> list[object]:
    """The scripts that were started, in order."""
    return [body["scriptName"] for body in posts(server) if isinstance(body, dict)]


def test_only_what_is_selected_runs(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Needs that are left out are taken as met, their values are not asked for, and the report holds just the rest."""
    server = sandbox()
    done = aftrun("apply", write(tmp_path, CHAIN), "--select", "tag:chat", server=server)
    assert done.code == 0, done.err
    assert scripts(server) == ["three"]
    assert [job["name"] for job in done.report()["jobs"]] == ["tell"]


def test_a_needed_id_is_asked_for(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """A job that uses an id of what is left out is refused before anything is sent; `+name` helps."""
    server = sandbox()
    manifest = write(tmp_path, CHAIN)
    done = aftrun("apply", manifest, "--select", "load", server=server)
    assert done.code == 2
    assert "--select '+load'" in done.err
    assert server.ledger() == ()
    done = aftrun("apply", manifest, "--select", "+load", server=server, env={"FIRST": "1"})
    assert done.code == 0, done.err
    assert scripts(server) == ["one", "two"]


def test_exclude_and_typos(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """`--exclude` takes away; what stands for nothing is exit 2 with a guess, also from the environment."""
    server = sandbox()
    manifest = write(tmp_path, CHAIN)
    assert aftrun("apply", manifest, "--exclude", "load+", server=server, env={"FIRST": "1"}).code == 0
    assert scripts(server) == ["one"]
    for done in (
        aftrun("apply", manifest, "--exclude", "laod", server=server),
        aftrun("plan", manifest, env={"AFTRUN_SELECT": "laod"}),
    ):
        assert done.code == 2
        assert "did you mean 'load'?" in done.err
    assert len(posts(server)) == 1


def test_retry_keeps_the_selection(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """A retry of a run of some jobs runs some of those jobs."""
    text = "jobs: [{name: a, scriptName: good}, {name: b, scriptName: bad, needs: [a]}, {name: c, scriptName: good}]\n"
    fail = {"duration": "10ms", "queue": "0s", "outcome": "failed"}
    rules = [{"match": {"scriptName": "bad"}, **fail}]
    server = sandbox({"defaults": {"duration": "10ms", "queue": "0s"}, "behaviours": rules})
    assert aftrun("apply", write(tmp_path, text), "--exclude", "c", server=server).code == 1
    env = {"AFT_API_KEY": server.api_key}
    done = aftrun("retry", env=env)
    assert done.code == 1, done.err
    assert scripts(server) == ["good", "bad", "bad"]


def test_env_file(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Values come from the file, the environment wins, a later file wins over an earlier, nothing is expanded."""
    server = sandbox()
    (tmp_path / "one.env").write_text(
        f"# keys\nexport AFT_API_KEY={server.api_key}\nA='it is ${{HOME}} $B'\nB=\"two\\nlines\"\nC=file\nD=one\n"
    )
    (tmp_path / "two.env").write_text("\ufeffD=two # a comment\n", encoding="utf-8")
    text = "scriptName: x\nparams: {a: '${A}', b: '${B}', c: '${C}', d: '${D}'}\n"
    flags = ("--env-file", "one.env", "--env-file", "two.env", "--server", server.url)
    pin = ("--fingerprint", server.fingerprint)
    done = aftrun("apply", write(tmp_path, text), *flags, *pin, env={"C": "environment"})
    assert done.code == 0, done.err
    expected = {"a": "it is ${HOME} $B", "b": "two\nlines", "c": "environment", "d": "two"}
    assert posts(server) == [{"scriptName": "x", "params": expected}]
    record = b"".join(path.read_bytes() for path in (tmp_path / ".aftrun").rglob("*") if path.is_file())
    assert b"two\\nlines" not in record
    assert server.api_key.encode() not in record
    (tmp_path / "one.env").write_text("AFT_API_KEY=wrong\n")
    done = aftrun("plan", "jobs.yaml", "--env-file", "one.env")
    assert "${AFT_API_KEY}" not in done.out
    assert "${A}  (jobs.yaml:2:" in done.out


def test_bad_env_files(aftrun: Run, tmp_path: Path) -> None:
    """What cannot be read is named with file and line, and never shown."""
    manifest = write(tmp_path, "scriptName: x\n")
    for content, text in (
        (b"A=1\n\n\nhunter2\n", "bad.env:4: this line is not of the form NAME=value"),
        (b"A='hunter2\n", "bad.env:1: this line is not"),
        (b"A=hunter2\xff\n", "bad.env is not UTF-8"),
    ):
        (tmp_path / "bad.env").write_bytes(content)
        done = aftrun("apply", manifest, "--env-file", "bad.env")
        assert done.code == 2
        assert text in done.err
        assert "hunter2" not in done.err
    done = aftrun("apply", manifest, "--env-file", "missing.env")
    assert (done.code, "missing.env cannot be read" in done.err) == (2, True)


def test_env_file_on_retry(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """The values of a retried run may come from a file again."""
    server = sandbox({"defaults": {"duration": "10ms", "queue": "0s", "outcome": "failed"}})
    assert aftrun("apply", write(tmp_path, "scriptName: x\n"), server=server).code == 1
    (tmp_path / "key.env").write_text(f"AFT_API_KEY={server.api_key}\n")
    assert aftrun("retry").code == 2
    done = aftrun("retry", "--env-file", "key.env")
    assert done.code == 1, done.err
    assert len(posts(server)) == 2


def test_files_and_keyrings(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """`${file:}` is relative to the manifest and loses one line break; `${keyring:}` asks the package of that name."""
    server = sandbox()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "key").write_text(server.api_key + "\n")
    (tmp_path / "sub" / "value").write_text("a\n\n")
    text = "scriptName: x\nserver: {apiKey: '${file:key}'}\nparams: {a: '${file:value}', b: '${keyring:aft/bob}'}\n"
    write(tmp_path, text, "sub/m.yaml")
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "keyring.py").write_text("raise ModuleNotFoundError(name='keyring')\n")
    without = ":".join([str(tmp_path / "without"), *sys.path])
    done = aftrun("apply", "sub/m.yaml", server=server, env={"PYTHONPATH": without})
    assert done.code == 2
    assert "the package 'keyring', which is not installed" in done.err
    assert 'hint: install it: pip install "aftrun[keyring]"' in done.err
    assert "sub/m.yaml:3:" in done.err
    assert server.ledger() == ()
    (tmp_path / "keyring.py").write_text(
        "class errors:\n    class KeyringError(Exception): ...\n"
        "def get_password(service, user):\n    return f'{service} of {user}'\n"
    )
    done = aftrun("apply", "sub/m.yaml", server=server, env={"PYTHONPATH": ":".join([str(tmp_path), *sys.path])})
    assert done.code == 0, done.err
    assert posts(server) == [{"scriptName": "x", "params": {"a": "a\n", "b": "aft of bob"}}]
    assert "aft of bob" not in done.out + done.err + (tmp_path / ".aftrun" / "state.db").read_text(errors="replace")


def test_a_need_that_is_left_out_is_said(aftrun: Run, tmp_path: Path) -> None:
    """It is taken to be met, which a person may not have meant."""
    text = "jobs: [{name: a, scriptName: A}, {name: b, scriptName: B, needs: [a]}]\n"
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    done = aftrun("apply", "m.yaml", "--select", "b", "--sandbox")
    assert done.code == 0, done.err
    assert "note: b needs a, which is left out and taken for done; --select '+b' runs it too" in done.err
    assert "note:" not in aftrun("apply", "m.yaml", "--select", "+b", "--sandbox").err


def test_a_script_without_its_flag_gets_it(aftrun: Run) -> None:
    """`start "My Backup Job"`."""
    done = aftrun("start", "My Backup Job")
    assert done.code == 2
    assert "aftrun start -n 'My Backup Job'" in done.err
