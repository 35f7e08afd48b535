"""No secret gets out: everything is run with awkward secrets, and every byte of output and files is searched."""

from __future__ import annotations

import base64
import html
import json
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aftrun.domain.model import Json
from aftrun.report.registry import FORMATS
from aftrun.sandbox.server import Sandbox
from tests.conftest import Done, Run, clean_environ, reach
from tests.waiting import HANG

Start = Callable[..., Sandbox]

KEY = "k3y$7\"quo'te<&>"
SECRETS = {
    "DOLLAR": "pa$$w0rd${HOME}-7",
    "QUOTES": "quo\"te's\\back`tick",
    "NEWLINE": "first-half\nsecond-half",
    "PREFIX": "prefix-of-another",
    "LONGER": "prefix-of-another-longer",
    "SHORT": "Zq7#",
}
MANIFEST = """
name: leaks
server:
  headers: {X-Extra: "${DOLLAR}"}
strategy: {order: parallel, failFast: false}
jobs:
""" + "".join(
    f"  - name: {name}\n    scriptName: {name}\n    params: {{a: '${{DOLLAR}}', b: '${{QUOTES}}', c: '${{NEWLINE}}', "
    "d: 'x${PREFIX}y', e: '${LONGER}', f: '${SHORT}'}\n    outputs: {back: data}\n"
    for name in ("good", "refused", "failed", "odd", "unreadable")
)


def forms(secret: str) -> Iterator[bytes]:
    """The encodings in which a secret could have got out. The shortest base64 forms prove nothing and are left out."""
    raw = secret.encode()
    yield raw
    yield secret.encode("utf-16-le")
    yield json.dumps(secret)[1:-1].encode()
    yield urllib.parse.quote(secret, safe="").encode()
    yield html.escape(secret).encode()
    yield raw.hex().encode()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw)
        core = encoded[(0, 2, 3)[offset] : (offset + len(raw)) * 8 // 6]
        if len(core) >= 6:
            yield core


def leaks(data: bytes) -> list[tuple[str, bytes]]:
    """What was found, by the name of the secret."""
    known = {**SECRETS, "KEY": KEY}
    return [(name, form) for name, secret in known.items() for form in forms(secret) if form in data]


def scenario() -> dict[str, Json]:
    """A server that gives back what it was sent wherever it can."""
    said = " ".join(SECRETS.values())
    told = f"got {said} and {KEY} and {base64.b64encode(said.encode()).decode()} {urllib.parse.quote(said, safe='')}"
    outputs: dict[str, Json] = {"data": told, "nested": {KEY: [said]}}
    echo: dict[str, Json] = {"kind": "echoKey", "times": "always"}
    behaviours: list[Json] = [
        {"match": {"scriptName": "refused"}, "faults": [{**echo, "on": "submit"}]},
        {"match": {"scriptName": "failed"}, "outcome": "failed"},
        {"match": {"scriptName": "odd"}, "dialect": "unlisted"},
        {"match": {"scriptName": "unreadable"}, "faults": [{**echo, "on": "status", "code": 500}]},
    ]
    return {
        "defaults": {"queue": "0s", "duration": "10ms", "outputs": outputs, "message": told},
        "behaviours": behaviours,
    }


def files(folder: Path) -> bytes:
    """Every byte that was written."""
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def searched(done: Done) -> bytes:
    """What a command printed, and everything that is on disk after it."""
    return (done.out + "\n" + done.err).encode() + files(done.folder)


@pytest.fixture
def environ() -> dict[str, str]:
    """The secrets, where a manifest finds them."""
    return {**SECRETS, "AFT_API_KEY": KEY}


def test_the_search_finds_what_it_looks_for() -> None:
    """Every form of every secret is found in a text that holds it, so that finding none means something."""
    for name, secret in {**SECRETS, "KEY": KEY}.items():
        for form in forms(secret):
            assert name in {found for found, _ in leaks(b"before " + form + b" after")}


def test_a_run_of_everything_leaks_nothing(
    aftrun: Run, sandbox: Start, tmp_path: Path, environ: dict[str, str]
) -> None:
    """validate, plan, apply with failures and -vv, reports, history, show, resume, retry, status, wait, doctor."""
    server = sandbox(scenario(), api_key=KEY)
    (tmp_path / "m.yaml").write_text(MANIFEST)
    flags = ("--timeout", "1500ms")
    reports = [part for name in FORMATS for part in (f"--report-{name}", f"r.{name}")]
    outputs = [
        aftrun("validate", "m.yaml", env=environ),
        aftrun("plan", "m.yaml", env=environ),
        aftrun("plan", "m.yaml", "--format", "json", env=environ),
        aftrun("apply", "m.yaml", "-vv", *reports, "--events", "e.ndjson", *flags, server=server, env=environ),
    ]
    assert outputs[-1].code == 6, outputs[-1].err
    outcomes = {job["name"]: job["outcome"] for job in outputs[-1].report()["jobs"]}
    assert (outcomes["good"], outcomes["refused"], outcomes["failed"]) == ("succeeded", "rejected", "failed")
    sent = [entry.parsed for entry in server.ledger() if entry.method == "POST"]
    assert len(sent) == 5
    assert json.dumps(sent).count(json.dumps(SECRETS["NEWLINE"])) == 5
    # Side by side, jobs are created in any order; the first is to be one that can be read.
    created = sorted(server.jobs(), key=lambda job: job.body != {**job.body, "scriptName": "good"})
    for job in created[:2]:
        outputs += [
            aftrun("status", job.id, "-m", "m.yaml", "--raw", server=server, env=environ),
            aftrun("status", job.id, "-m", "m.yaml", "--raw", "-o", "json", server=server, env=environ),
        ]
    one = created[0].id
    outputs += [
        aftrun("wait", one, *flags, "-m", "m.yaml", "-o", "json", server=server, env=environ),
        aftrun("doctor", "m.yaml", "--job", one, server=server, env=environ),
        aftrun("doctor", "m.yaml", "--job", one, "--format", "json", server=server, env=environ),
        aftrun("history", env=environ),
        aftrun("show", env=environ),
        aftrun("plan", "m.yaml", "--format", "curl", env=environ),
        aftrun("plan", "m.yaml", "--format", "powershell", env=environ),
        aftrun("report", "--report-html", "again.html", env=environ),
        aftrun("resume", env=environ),
        aftrun("retry", env=environ),
    ]
    # Without the manifest `status` cannot know what was sent; the key it knows.
    alone = aftrun("status", one, "--raw", server=server, env=environ)
    assert "KEY" not in {name for name, _ in leaks((alone.out + alone.err).encode())}
    for done in outputs:
        assert leaks(done.out.encode() + done.err.encode()) == [], done.out + done.err
        assert "Traceback" not in done.err
    assert leaks(files(tmp_path)) == []
    raw = json.loads(outputs[5].out)["raw"]
    assert "***" in raw["data"]


@pytest.mark.parametrize("verbose", [(), ("-v",)])
def test_a_crash_shows_no_value(
    sandbox: Start, tmp_path: Path, environ: dict[str, str], verbose: tuple[str, ...]
) -> None:
    """A bug in the middle of a run, whose exception holds every secret there is: exit 70, with the place only."""
    server = sandbox(scenario(), api_key=KEY)
    (tmp_path / "m.yaml").write_text(MANIFEST)
    crash = (
        "import sys, os, logging\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "from aftrun.run import policy\n"
        "def after_read(*reply):\n"
        "    raise RuntimeError(repr(dict(os.environ)) + str(dict(os.environ)))\n"
        "policy.after_read = after_read\n"
        "from aftrun.__main__ import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", crash, "apply", "m.yaml", *verbose, *reach(server)]
    done = subprocess.run(
        command, cwd=tmp_path, env=clean_environ(**environ), capture_output=True, timeout=HANG, check=False
    )
    assert done.returncode == 70
    assert b"a bug in aftrun: RuntimeError" in done.stderr
    assert (b"in after_read" in done.stderr) is bool(verbose)
    assert b"urllib3" in done.stderr
    assert leaks(done.stdout + done.stderr + files(tmp_path)) == []


def test_a_key_in_argv_is_kept_nowhere(aftrun: Run, sandbox: Start) -> None:
    """`start -a KEY`: in the request, and in no file and no output; the warning says what cannot be helped."""
    server = sandbox(scenario(), api_key=KEY)
    flags = ("--server", server.url, "--fingerprint", server.fingerprint)
    done = aftrun("start", "-n", "refused", "-a", KEY, "-vv", *flags)
    assert done.code == 1
    assert "can be seen" in done.err
    assert leaks(searched(done)) == []


def test_a_literal_key_in_a_manifest_is_masked_in_what_is_said_of_it(
    aftrun: Run, sandbox: Start, tmp_path: Path
) -> None:
    """The warning about it, the plan, the run and its record show no part of it."""
    server = sandbox(api_key="lite-ral-key-1234")
    (tmp_path / "m.yaml").write_text("server: {apiKey: lite-ral-key-1234}\njobs: [{scriptName: x}]\n")
    said = b""
    for command in (("validate", "--strict"), ("plan",), ("apply", *reach(server))):
        done = aftrun(command[0], "m.yaml", *command[1:])
        said += (done.out + done.err).encode()
    assert b"lite-ral" not in said + files(tmp_path / ".aftrun")


def test_a_variable_in_an_address_or_a_path_is_not_told(aftrun: Run, tmp_path: Path) -> None:
    """Not when the name does not resolve, and not when the file is not there."""
    secret = {"HOST_PART": "supersecret99", "AFT_API_KEY": "k"}
    (tmp_path / "name.yaml").write_text(
        "server: {url: 'http://${HOST_PART}.invalid:1', submitTimeout: 1s}\njobs: [{scriptName: x}]\n"
    )
    (tmp_path / "file.yaml").write_text("server: {tls: {caFile: '${HOST_PART}'}}\njobs: [{scriptName: x}]\n")
    for command, path in (
        ("doctor", "name.yaml"),
        ("doctor", "file.yaml"),
        ("apply", "name.yaml"),
        ("apply", "file.yaml"),
    ):
        done = aftrun(command, path, env=secret)
        assert done.code in (2, 3)
        assert b"supersecret99" not in (done.out + done.err).encode() + files(tmp_path / ".aftrun"), (command, path)
