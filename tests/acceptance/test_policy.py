"""Manifests of strangers, held to a policy: refused at file and line, before anything is read or sent."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from aftrun.sandbox.server import Sandbox
from tests.conftest import Run

Start = Callable[..., Sandbox]
KEY = "k-0815-key-of-the-house"
VALUES = {"AFT_API_KEY": KEY, "AFT_REGION": "eu", "HOME_TOKEN": "t-4711-token", "U": "https://evil.invalid"}
HEAD = "version: 1\nserver: {url: 'https://aft.invalid:44399', submitTimeout: 0s}\n"
POLICY = """\
version: 1
servers: ["https://aft.invalid:44399", "https://*.aft.invalid:44399/api"]
env: [AFT_API_KEY, "AFT_*", U]
files: ["secrets/*"]
keyring: ["aft/*"]
scripts: ["Backup *", "purge", "/opt/backup/*", 'C:\\backup\\*', "/opt/../exact.syncjs"]
notify: ["mailto://ops@*"]
"""


def job(text: str) -> str:
    """A manifest of one job on the house's own server; what is asked for stands on line 3."""
    return HEAD + text + "\n"


def server(text: str) -> str:
    """A manifest with a server of its own, on line 2."""
    return f"version: 1\nserver: {{{text}}}\njobs: [{{scriptName: purge}}]\n"


STRANGERS: dict[str, tuple[int, str]] = {
    # where the key goes
    "another host": (2, server("url: 'https://evil.invalid:44399'")),
    "another port": (2, server("url: 'https://aft.invalid:443'")),
    "the default port": (2, server("url: 'https://aft.invalid'")),
    "the same host as a prefix": (2, server("url: 'https://aft.invalid.evil.invalid:44399'")),
    "the same host as a suffix": (2, server("url: 'https://evilaft.invalid:44399'")),
    "plain http": (2, server("url: 'http://aft.invalid:44399', tls: {plain: true}")),
    "this machine": (2, server("url: 'https://127.0.0.1:44399'")),
    "no server at all, which is this machine": (1, "jobs: [{scriptName: purge}]\nversion: 1\n"),
    "a path beside the one that is allowed": (2, server("url: 'https://eu.aft.invalid:44399/apix'")),
    "no path where one is asked for": (2, server("url: 'https://eu.aft.invalid:44399'")),
    "a server by variable": (2, server("url: '${U}'")),
    "a server put together": (2, server("url: 'https://${AFT_REGION}.evil.invalid:44399'")),
    "a server by vars": (2, "vars: {u: x}\nserver: {url: 'https://${{ vars.u }}.y:1'}\njobs: [{scriptName: purge}]\n"),
    "one of several": (
        2,
        "servers: {a: {url: 'https://aft.invalid:44399'}, b:\n {url: 'https://evil.x'}}\njobs: [{scriptName: purge}]\n",
    ),
    # what is read
    "a variable as a param": (3, job("jobs: [{scriptName: purge, params: {p: '${HOME_TOKEN}'}}]")),
    "the same with a default": (3, job("jobs: [{scriptName: purge, params: {p: '${HOME_TOKEN:-x}'}}]")),
    "the same spelled out": (3, job("jobs: [{scriptName: purge, params: {p: '${env:HOME_TOKEN}'}}]")),
    "a variable as the key": (2, server("url: 'https://aft.invalid:44399', apiKey: '${HOME_TOKEN}'")),
    "a variable in a header": (2, server("url: 'https://aft.invalid:44399', headers: {X-A: '${HOME_TOKEN}'}")),
    "a variable in vars": (3, job("vars: {v: '${HOME_TOKEN}'}\njobs: [{scriptName: purge}]")),
    "a variable in a field that is needed early": (3, job("jobs: [{scriptName: purge, timeout: '${HOME_TOKEN}'}]")),
    "a variable in the strategy": (3, job("strategy: {maxParallel: '${HOME_TOKEN}'}\njobs: [{scriptName: purge}]")),
    "a variable in defaults": (3, job("defaults: {params: {p: '${HOME_TOKEN}'}}\njobs: [{scriptName: purge}]")),
    "a variable in a file of TLS": (2, server("url: 'https://aft.invalid:44399', tls: {caFile: '${HOME_TOKEN}'}")),
    "a variable in a script's name": (3, job("jobs: [{scriptName: 'Backup ${HOME_TOKEN}'}]")),
    "a variable in a notice": (3, job("notify: {urls: ['mailto://ops@${HOME_TOKEN}']}\njobs: [{scriptName: purge}]")),
    "a file elsewhere": (3, job("jobs: [{scriptName: purge, params: {p: '${file:/etc/passwd}'}}]")),
    "a file above": (3, job("jobs: [{scriptName: purge, params: {p: '${file:secrets/../m.yaml}'}}]")),
    "a file deeper": (3, job("jobs: [{scriptName: purge, params: {p: '${file:secrets/a/b}'}}]")),
    "a link out of the folder": (3, job("jobs: [{scriptName: purge, params: {p: '${file:secrets/link}'}}]")),
    "a pipe": (3, job("jobs: [{scriptName: purge, params: {p: '${file:pipe}'}}]")),
    "another entry of the keyring": (3, job("jobs: [{scriptName: purge, params: {p: '${keyring:bank/me}'}}]")),
    # what is started
    "another script": (3, job("jobs: [{scriptName: drop everything}]")),
    "another case": (3, job("jobs: [{scriptName: PURGE}]")),
    "a script by id": (3, job("jobs: [{scriptId: x4711}]")),
    "a script by path": (3, job("jobs: [{filePath: /opt/evil.syncjs}]")),
    "a path that leads up": (3, job("jobs: [{filePath: /opt/backup/../evil.syncjs}]")),
    "a path that leads down and up": (3, job("jobs: [{filePath: /opt/backup/a/../../evil.syncjs}]")),
    "a path of Windows that leads up": (3, job("jobs: [{filePath: 'C:\\backup\\..\\evil.syncjs'}]")),
    "a path with both slashes": (3, job("jobs: [{filePath: '/opt/backup/x\\../evil.syncjs'}]")),
    "a path that leads up, by matrix": (
        3,
        job("jobs: [{name: a, filePath: '/opt/backup/${{ matrix.s }}/x.syncjs', matrix: {s: ['..']}}]"),
    ),
    "a name that leads up": (3, job("jobs: [{scriptName: 'Backup /../purge all'}]")),
    "an address that leads up": (2, server("url: 'https://eu.aft.invalid:44399/api/../admin'")),
    "an address that leads up, encoded": (2, server("url: 'https://eu.aft.invalid:44399/api/%2e%2E/admin'")),
    "a script by matrix": (3, job("jobs: [{name: a, scriptName: '${{ matrix.s }}', matrix: {s: [purge, evil]}}]")),
    "a script by vars": (3, job("jobs: [{scriptName: '${{ vars.s }}'}]\nvars: {s: evil}")),
    "a script by variable": (3, job("jobs: [{scriptName: '${AFT_REGION}'}]")),
    "a script by another job": (
        4,
        job(
            "jobs:\n  - {name: b, needs: [a], scriptName: '${{ jobs.a.outputs.s }}'}\n"
            "  - {name: a, scriptName: purge, outputs: {s: message}}"
        ),
    ),
    "a second document": (5, job("jobs: [{scriptName: purge}]") + "---\nscriptName: evil\n"),
    # who is told
    "a notice to somebody else": (3, job("notify: {urls: ['mailto://evil@b']}\njobs: [{scriptName: purge}]")),
    "a notice to a web hook": (3, job("notify: {urls: ['json://evil.invalid/x']}\njobs: [{scriptName: purge}]")),
}  # fmt: skip


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder with a policy, secrets, and a file that must not be opened."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "secrets" / "a").mkdir(parents=True)
    (tmp_path / "secrets" / "ok").write_text("s-fine-s")
    (tmp_path / "secrets" / "a" / "b").write_text("s-deep-s")
    if os.name != "nt":  # there both lead nowhere, and are refused before anybody looks
        (tmp_path / "secrets" / "link").symlink_to("/etc/passwd")
        os.mkfifo(tmp_path / "pipe")
    return tmp_path


def test_there_are_many() -> None:
    """Forty of them at least."""
    assert len(STRANGERS) >= 40


@pytest.mark.parametrize("name", STRANGERS)
def test_a_strangers_manifest(name: str, house: Path, aftrun: Run) -> None:
    """At file and line, exit 2, with the policy named; no value is shown, and no name of a server is looked up."""
    line, text = STRANGERS[name]
    (house / "m.yaml").write_text(text)
    done = aftrun("apply", "m.yaml", "--policy", "policy.yaml", env=VALUES)
    assert done.code == 2, done.err
    assert f"m.yaml:{line}:" in done.err
    assert "AFT070" in done.err
    assert "policy.yaml does not allow it" in done.err
    assert not any(value in done.err + done.out for value in (KEY, "t-4711-token", "root:x:", "s-deep-s"))
    assert "not found" not in done.err
    assert not (house / ".aftrun").exists()


COMMANDS = [
    ["validate", "m.yaml"],
    ["plan", "m.yaml"],
    ["plan", "m.yaml", "--format", "curl"],
    ["apply", "m.yaml", "--dry-run"],
    ["apply", "m.yaml", "--sandbox"],
    ["status", "17", "-m", "m.yaml"],
    ["wait", "17", "-m", "m.yaml"],
    ["doctor", "m.yaml"],
    ["status", "17", "--server", "https://evil.invalid"],
    ["wait", "17", "--server", "https://evil.invalid"],
    ["doctor", "--server", "https://evil.invalid"],
    ["start", "-n", "purge", "--host", "https://evil.invalid"],
    ["start", "-n", "evil", "--host", "https://aft.invalid:44399"],
    ["start", "-n", "purge", "--host", "https://aft.invalid:44399", "--param", "p=${HOME_TOKEN}"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("how", ["flag", "variable", "found"])
def test_every_command(command: list[str], how: str, house: Path, aftrun: Run) -> None:
    """Every one that sends, reads values or shows what would be sent; wherever the policy comes from."""
    if how != "flag" and command[0] not in ("plan", "status", "start"):
        return  # the same code; three are enough
    (house / "m.yaml").write_text(server("url: 'https://evil.invalid:44399', apiKey: '${HOME_TOKEN}'"))
    if how == "found":
        (house / "policy.yaml").rename(house / ".aftrun-policy.yaml")
    flags = ["--policy", "policy.yaml"] if how == "flag" else []
    done = aftrun(*command, *flags, env={**VALUES, **({"AFTRUN_POLICY": "policy.yaml"} if how == "variable" else {})})
    assert done.code == 2, done.err
    said = done.out + done.err
    assert "does not allow it" in said
    assert "not found" not in said
    assert "t-4711-token" not in said


def test_a_path_that_leads_up_is_allowed_as_it_is_listed(house: Path, aftrun: Run) -> None:
    """Two dots are no mistake in themselves: what stands in the policy word for word may be started."""
    (house / "m.yaml").write_text(job("jobs: [{filePath: /opt/../exact.syncjs}, {filePath: /opt/backup/a..b.syncjs}]"))
    done = aftrun("validate", "m.yaml", "--policy", "policy.yaml")
    assert done.code == 0, done.err


def test_what_is_allowed_runs(house: Path, sandbox: Start, aftrun: Run) -> None:
    """A value of each kind, a script of a matrix, and the server that is listed."""
    there = sandbox()
    (house / "policy.yaml").write_text(POLICY.replace("https://aft.invalid:44399", there.url))
    (house / "m.yaml").write_text(
        f"version: 1\nserver: {{url: '{there.url}', tls: {{fingerprint: '{there.fingerprint}'}}}}\n"
        "vars: {r: '${AFT_REGION}'}\n"
        "jobs:\n  - {name: a, scriptName: 'Backup ${{ matrix.x }} ${{ vars.r }}', matrix: {x: [b, c]},\n"
        "     params: {f: '${file:secrets/ok}', n: '${NONE:-d}'}}\n"
    )
    done = aftrun("apply", "m.yaml", "--policy", "policy.yaml", env={**VALUES, "AFT_API_KEY": there.api_key})
    assert done.code == 2  # NONE is not among the variables, default or not
    (house / "m.yaml").write_text((house / "m.yaml").read_text().replace("${NONE", "${AFT_NONE"))
    done = aftrun("apply", "m.yaml", "--policy", "policy.yaml", env={**VALUES, "AFT_API_KEY": there.api_key})
    assert done.code == 0, done.err
    assert [record.body["scriptName"] for record in there.jobs()] == ["Backup b eu", "Backup c eu"]


def test_resume_and_retry_go_by_the_policy_of_now(house: Path, sandbox: Start, aftrun: Run) -> None:
    """A run was begun before there was one."""
    there = sandbox({"defaults": {"outcome": "failed"}})
    (house / "m.yaml").write_text("version: 1\njobs: [{scriptName: purge}]\n")
    assert aftrun("apply", "m.yaml", server=there, env={"AFT_API_KEY": there.api_key}).code == 1
    done = aftrun("retry", "--policy", "policy.yaml", env=VALUES)
    assert done.code == 2, done.err
    assert "requests may not go to" in done.err
    assert len(there.jobs()) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("servers: https://x", "array"),
        ("servers: ['ftp://x']", "it must begin with https://"),
        ("server: [x]", "did you mean 'servers'"),
        ("env: [1]", "env"),
        ("version: 2", "unknown version of the policy format"),
        ("", "is empty, and an empty one would allow all"),
        ("# to be written\n", "is empty"),
        ("null\n", "is empty"),
        ("version: 1\n---\nscripts: []\n", "a policy is one document, and another begins here"),
        ("scripts: []\n---\nscripts: ['*']\n", "policy.yaml:3:1"),
        ("[", "policy.yaml:2"),
        ("- a", "policy.yaml:1"),
    ],
)
def test_a_policy_that_is_none(text: str, words: str, house: Path, aftrun: Run) -> None:
    """An error at its place: a policy that is not understood must not allow all."""
    (house / "m.yaml").write_text(job("jobs: [{scriptName: purge}]"))
    (house / "policy.yaml").write_text(text)
    done = aftrun("apply", "m.yaml", "--policy", "policy.yaml", env=VALUES)
    assert done.code == 2, done.err
    assert "not found" not in done.err
    assert words in done.err or "policy.yaml:1" in done.err


def test_a_policy_under_another_name_is_not_passed_over(house: Path, aftrun: Run) -> None:
    """Manifests may end in .yml; a policy that did would guard nothing, and nobody would notice."""
    (house / "m.yaml").write_text(job("jobs: [{scriptName: evil}]"))
    (house / "policy.yaml").rename(house / ".aftrun-policy.yml")
    done = aftrun("validate", "m.yaml")
    assert done.code == 2
    assert ".aftrun-policy.yml is not looked for" in done.err
    assert "call it .aftrun-policy.yaml" in done.err
    assert aftrun("validate", "m.yaml", "--policy", ".aftrun-policy.yml").code == 2
    (house / ".aftrun-policy.yaml").write_text("version: 1\n")
    assert aftrun("validate", "m.yaml").code == 0


@pytest.mark.parametrize("name", ["missing.yaml", "secrets"])
def test_a_policy_that_cannot_be_read(name: str, house: Path, aftrun: Run) -> None:
    """The same."""
    (house / "m.yaml").write_text(job("jobs: [{scriptName: purge}]"))
    done = aftrun("validate", "m.yaml", "--policy", name)
    assert done.code == 2
    assert f"the policy {name} cannot be read" in done.err


def test_where_a_policy_is_found(house: Path, aftrun: Run) -> None:
    """From the working folder up to the root of the work tree, and not beyond; a broken link counts as one."""
    inner = house / "tree" / "inner"
    inner.mkdir(parents=True)
    (house / "policy.yaml").rename(house / ".aftrun-policy.yaml")
    (inner / "m.yaml").write_text(job("jobs: [{scriptName: evil}]"))

    def validated(where: Path) -> int:
        done = subprocess.run(
            [*command_line(), "validate", str(inner / "m.yaml")], cwd=where, capture_output=True, check=False
        )
        return done.returncode

    assert validated(house) == 2
    assert validated(inner) == 0  # there is no work tree, so only the folder itself is looked into
    (house / ".git").mkdir()
    assert validated(inner) == 2
    (house / "tree" / ".git").mkdir()
    assert validated(inner) == 0
    (inner / ".aftrun-policy.yaml").symlink_to("nowhere")
    assert validated(inner) == 2


def command_line() -> list[str]:
    """The program."""
    from tests.conftest import program  # noqa: PLC0415  # only here

    return list(program())


def test_a_policy_made_of_what_is_there(house: Path, aftrun: Run) -> None:
    """It allows that and nothing else, and holds no token of a notice's URL."""
    (house / "other.yaml").write_text("not: a manifest\n")
    text = (
        "version: 1\nserver: {url: 'https://aft.invalid:44399'}\nvars: {h: '${AFT_H}'}\n"
        "strategy: {order: parallel, maxParallel: '${AFT_N:-2}'}\nnotify: {urls: ['slack://t0ken/t0ken/t0ken']}\n"
        "jobs:\n  - {name: a, scriptName: 'Backup ${{ matrix.r }}', matrix: {r: [eu, us]},\n"
        "     params: {t: '${TOKEN}', f: '${file:secrets/ok}', k: '${keyring:aft/x}'}}\n"
    )
    (house / "m.yaml").write_text(text)
    (house / "policy.yaml").unlink()
    made = aftrun("policy", "init")
    assert made.code == 0, made.err
    written = (house / ".aftrun-policy.yaml").read_text()
    assert "t0ken" not in written
    for each in (
        "AFT_API_KEY",
        "AFT_H",
        "AFT_N",
        "TOKEN",
        "secrets/ok",
        "aft/x",
        "Backup eu",
        "Backup us",
        "slack://*",
    ):
        assert f'- "{each}"' in written
    assert aftrun("validate", "m.yaml", "--strict").code == 0
    (house / "m.yaml").write_text(text.replace("[eu, us]", "[eu, us, cn]"))
    assert aftrun("validate", "m.yaml").code == 2
    assert aftrun("policy", "init").code == 2  # it is there already
    assert aftrun("policy", "init", "--force").code == 0
    assert aftrun("validate", "m.yaml").code == 0
    assert "Backup cn" in aftrun("policy", "show").out


def test_a_policy_is_shown_as_text_however_windows_editors_saved_it(house: Path, aftrun: Run) -> None:
    """Its byte order mark and carriage returns are none of it."""
    (house / ".aftrun-policy.yaml").write_bytes(b"\xef\xbb\xbfversion: 1\r\nscripts: [x]\r\n")
    shown = aftrun("policy", "show", "--policy", ".aftrun-policy.yaml")
    assert (shown.code, shown.out) == (0, "version: 1\nscripts: [x]\n")


def test_includes_stay_in_the_work_tree(house: Path, aftrun: Run) -> None:
    """Below the manifest's folder, or the work tree that it is in; a link does not lead out of it."""
    inner = house / "tree" / "inner"
    inner.mkdir(parents=True)
    (house / "tree" / "common.yaml").write_text("jobs: [{scriptName: purge}]\n")
    (house / "outside.yaml").write_text("jobs: [{scriptName: purge}]\n")
    (inner / "m.yaml").write_text("version: 1\ninclude: [../common.yaml]\n")
    (inner / "out.yaml").write_text("version: 1\ninclude: [../../outside.yaml]\n")
    (inner / "link.yaml").symlink_to(house / "outside.yaml")
    (inner / "by-link.yaml").write_text("version: 1\ninclude: [link.yaml]\n")
    assert aftrun("validate", "tree/inner/m.yaml").code == 2
    (house / "tree" / ".git").mkdir()
    assert aftrun("validate", "tree/inner/m.yaml").code == 0
    for name in ("out", "by-link"):
        done = aftrun("validate", f"tree/inner/{name}.yaml")
        assert done.code == 2
        assert "AFT055" in done.err
