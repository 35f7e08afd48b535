"""A resumed run is the run that was begun: other servers, values and time zones are refused by name, or accepted."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import aftrun as library
from aftrun import Client
from aftrun.domain.events import Accepted, Event
from aftrun.domain.model import Json
from aftrun.sandbox.server import Sandbox
from tests.acceptance.test_resume import posted
from tests.conftest import Done, Run, clean_environ, program
from tests.waiting import HANG, until

Start = Callable[..., Sandbox]

LONG: dict[str, Json] = {"defaults": {"dialect": "numeric", "queue": "0s", "duration": "1200ms"}}
STATES = 'jobInfo: {states: {queued: ["0"], running: ["1"], succeeded: ["2"], failed: ["3"], cancelled: ["4"]}}'
NIGHT = f"""name: night
server: {{url: "${{AFT_URL}}", tls: {{fingerprint: "${{AFT_PIN:-{"0" * 64}}}"}}, poll: {{min: 50ms, max: 200ms}},
  {STATES}}}
jobs:
  - {{name: one, scriptName: one, timeout: "${{LIMIT:-1h}}"}}
  - {{name: two, scriptName: two, params: {{day: "${{{{ run.started }}}}", where: "${{PLACE}}"}}}}
"""


def values(server: Sandbox, **others: str) -> dict[str, str]:
    """What the manifest needs from outside."""
    pin = {"AFT_URL": server.url, "AFT_PIN": server.fingerprint, "AFT_API_KEY": server.api_key}
    return {**pin, "PLACE": "here", "TZ": "Europe/Berlin", **others}


def killed(folder: Path, server: Sandbox, *flags: str, text: str = NIGHT) -> dict[str, str]:
    """A run that was killed while its first job runs; returns the values that it was begun with."""
    (folder / "m.yaml").write_text(text, encoding="utf-8")
    environ = values(server)
    process = subprocess.Popen([*program(), "apply", "m.yaml", "-q", *flags], cwd=folder, env=clean_environ(**environ))
    until(lambda: any(entry.method == "GET" for entry in server.ledger()))
    process.kill()
    process.wait()
    return environ


def report(aftrun: Run) -> dict[str, Any]:
    """The run as `show` tells it."""
    data: dict[str, Any] = json.loads(aftrun("show", "--format", "json").out)
    return data


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"PLACE": "elsewhere"}, "${PLACE} has another value"),
        ({"LIMIT": "2h"}, "${LIMIT} had no value, so that its default served, and now has one"),
        ({"AFT_API_KEY": "rotated"}, "${AFT_API_KEY} has another value"),
        ({"TZ": "Asia/Tokyo"}, "the time zone was Europe/Berlin, and is now Asia/Tokyo"),
    ],
)
def test_a_resume_with_other_values_is_refused_by_name(
    sandbox: Start, aftrun: Run, tmp_path: Path, changed: Mapping[str, str], said: str
) -> None:
    """Exit 2, the name of what differs and never a value; nothing is sent, and the run can still be resumed."""
    server = sandbox(LONG)
    environ = killed(tmp_path, server)
    asked = len(server.ledger())
    refused = aftrun("resume", env={**environ, **changed})
    assert refused.code == 2
    assert said in refused.err
    assert "--accept-changes" in refused.err
    assert "elsewhere" not in refused.err
    assert "rotated" not in refused.err
    assert len(server.ledger()) == asked
    done = aftrun("resume", env=environ)
    assert done.code == 0, done.err
    assert [body["scriptName"] for body in posted(server)] == ["one", "two"]


def test_accepted_changes_are_said_and_recorded(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """The run goes on with them, but dates stay those of its own zone."""
    server = sandbox(LONG)
    environ = killed(tmp_path, server)
    done = aftrun("resume", "--accept-changes", env={**environ, "PLACE": "elsewhere", "TZ": "Asia/Tokyo"})
    assert done.code == 0, done.err
    assert "accepted: ${PLACE} has another value" in done.err
    started = report(aftrun)["run"]["startedAt"]
    params = posted(server)[1]["params"]
    assert params["where"] == "elsewhere"
    assert params["day"].endswith("+0100") or params["day"].endswith("+0200")
    assert params["day"][14:19] == started[14:19]
    (journal,) = (tmp_path / ".aftrun" / "runs").glob("*/journal.ndjson")
    assert "${PLACE} has another value" in journal.read_text(encoding="utf-8")


def test_another_server_is_never_asked_for_a_job(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """It has a job of the same id, which ended well: not ours, whoever accepts the change. Ours is read later."""
    server = sandbox(LONG)
    other = sandbox({"defaults": {"dialect": "numeric", "queue": "0s", "duration": "10ms"}})
    environ = killed(tmp_path, server)
    refused = aftrun("resume", env=values(other))
    assert refused.code == 2
    assert "the server ${AFT_URL} is another one" in refused.err
    assert "${AFT_URL} has another value" in refused.err
    assert other.ledger() == ()
    done = aftrun("resume", "--accept-changes", env=values(other))
    assert done.code == 6, done.err
    assert [job["outcome"] for job in report(aftrun)["jobs"]] == ["unknown", "skipped"], done.err
    assert other.ledger() == ()
    again = aftrun("resume", env=environ)
    assert again.code == 0, again.err
    assert [body["scriptName"] for body in posted(server)] == ["one", "two"]


def test_a_job_is_read_where_it_was_accepted(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """A server whose URL was in clear is asked for the jobs that it accepted, and the new one gets the others."""
    server = sandbox({**LONG, "behaviours": [{"match": {"scriptName": "one"}, "outputs": {"file": "ours"}}]})
    other = sandbox({"defaults": {"dialect": "numeric", "queue": "0s", "duration": "10ms"}})
    with Client(other.url, other.api_key, fingerprint=other.fingerprint) as client:
        client.submit({"scriptName": "somebody else's, with the id that ours has"})
    environ = killed(tmp_path, server, "--server", server.url)
    state = tmp_path / ".aftrun" / "state.db"
    with contextlib.closing(sqlite3.connect(state)) as db, db:  # as if the flag were another one now
        (options,) = db.execute("SELECT options FROM runs").fetchone()
        db.execute("UPDATE runs SET options = ?", (options.replace(server.url, other.url),))
    refused = aftrun("resume", env=environ)
    assert refused.code == 2
    assert f"the server {server.url} is now {other.url}" in refused.err
    pins = [f"--fingerprint={each.fingerprint}" for each in (server, other)]
    done = aftrun("resume", "--accept-changes", *pins, env=environ)
    assert done.code == 0, done.err
    assert not [entry for entry in other.ledger() if "1001" in entry.path]
    assert [body["scriptName"] for body in posted(server)] == ["one"]
    assert [body["scriptName"] for body in posted(other)][1:] == ["two"]


def test_a_job_accepted_after_an_accepted_change_is_asked_for_there_alone(
    sandbox: Start, aftrun: Run, tmp_path: Path
) -> None:
    """The run went from one server to another and back; each has jobs with the ids that the other gave to ours."""
    server = sandbox({**LONG, "behaviours": [{"match": {"scriptName": "not ours"}, "queue": "0s", "duration": "0s"}]})
    other = sandbox({"defaults": {"dialect": "numeric", "queue": "0s", "duration": "2s"}})
    text = NIGHT.replace("jobs:", "strategy: {failFast: false}\njobs:") + "  - {name: three, scriptName: three}\n"
    environ = killed(tmp_path, server, text=text)
    for each in (server, other):
        with Client(each.url, each.api_key, fingerprint=each.fingerprint) as client:
            client.submit({"scriptName": "not ours"})
    command = [*program(), "resume", "--accept-changes", "-q"]
    process = subprocess.Popen(command, cwd=tmp_path, env=clean_environ(**values(other)))
    until(lambda: any(entry.method == "GET" for entry in other.ledger()))
    process.kill()
    process.wait()
    back = aftrun("resume", env=environ)
    assert back.code == 6, back.err
    assert [job["outcome"] for job in report(aftrun)["jobs"]] == ["succeeded", "unknown", "succeeded"], back.err
    (two,) = [each.id for each in other.jobs() if each.body["scriptName"] == "two"]
    assert two == "1002"
    assert not [entry for entry in server.ledger() if entry.path.endswith(two)]
    there = aftrun("resume", "--accept-changes", env=values(other))
    assert there.code == 0, there.err
    assert [body["scriptName"] for body in posted(server)] == ["one", "not ours", "three"]
    assert [body["scriptName"] for body in posted(other)] == ["not ours", "two"]


def test_a_run_of_the_library_is_held_to_the_same(
    sandbox: Start, aftrun: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values that fields took when the manifest was loaded, such as a timeout, count for the library's `apply` too."""
    server = sandbox(LONG)
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text(NIGHT, encoding="utf-8")
    environ = values(server, LIMIT="1h", TZ=os.environ.get("TZ", ""))

    def leave(event: Event) -> None:
        if isinstance(event, Accepted):
            raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        library.apply(library.load("m.yaml", environ=environ), environ=environ, on_event=leave)
    refused = aftrun("resume", env={**environ, "LIMIT": "2h"})
    assert refused.code == 2, refused.err
    assert "${LIMIT} has another value" in refused.err
    done = aftrun("resume", env=environ)
    assert done.code == 0, done.err


def test_values_of_a_run_are_not_in_its_folder(sandbox: Start, tmp_path: Path) -> None:
    """Neither the values nor plain digests of them: only the folder's key could tell."""
    import hashlib  # noqa: PLC0415  # for this test only

    server = sandbox(LONG)
    environ = killed(tmp_path, server)
    kept = b"".join(path.read_bytes() for path in (tmp_path / ".aftrun").rglob("*") if path.is_file())
    for value in (environ["AFT_API_KEY"], "here"):
        assert hashlib.sha256(value.encode()).hexdigest().encode() not in kept
    assert environ["AFT_API_KEY"].encode() not in kept
    assert ((tmp_path / ".aftrun" / "digest.key").stat().st_mode & 0o077) == 0


def test_what_could_not_be_read_is_read_by_a_later_resume(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Reads that were refused for a while leave `unknown`; a resume puts it right, and what was skipped runs."""
    faults = [{"on": "status", "kind": "status", "code": 403, "times": 6}]
    behaviours = [{"match": {"scriptName": "one"}, "queue": "0s", "duration": "10ms", "faults": faults}]
    server = sandbox({"defaults": {"queue": "0s", "duration": "10ms"}, "behaviours": behaviours})
    text = f"server: {{url: '{server.url}', tls: {{fingerprint: '{server.fingerprint}'}}, poll: {{min: 50ms}},"
    text += " submitTimeout: 100ms}\njobs: [{scriptName: one}, {scriptName: two}]\n"
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    done: Done = aftrun("apply", "m.yaml", env={"AFT_API_KEY": server.api_key})
    assert done.code == 6, done.err
    for _ in range(8):
        done = aftrun("resume", env={"AFT_API_KEY": server.api_key})
        if done.code == 0:
            break
        assert done.code == 6, done.err
    assert done.code == 0, done.err
    assert [job["outcome"] for job in report(aftrun)["jobs"]] == ["succeeded", "succeeded"]
    assert [body["scriptName"] for body in posted(server)] == ["one", "two"]
    assert aftrun("resume", env={"AFT_API_KEY": server.api_key}).code == 2


def test_a_state_file_deleted_in_the_middle(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Nothing more is submitted, 74; the ids are in the journal, and resume goes on from there."""
    server = sandbox({"defaults": {"queue": "0s", "duration": "700ms"}})
    jobs = ", ".join(f"{{scriptName: j{number}}}" for number in range(4))
    text = f"server: {{url: '{server.url}', tls: {{fingerprint: '{server.fingerprint}'}}, poll: {{min: 50ms}}}}\n"
    (tmp_path / "m.yaml").write_text(f"{text}jobs: [{jobs}]\n", encoding="utf-8")
    environ = clean_environ(AFT_API_KEY=server.api_key)
    process = subprocess.Popen([*program(), "apply", "m.yaml"], cwd=tmp_path, env=environ, stderr=subprocess.PIPE)
    until(lambda: any(entry.method == "GET" for entry in server.ledger()))
    for path in (tmp_path / ".aftrun").glob("state.db*"):
        path.unlink()
    _, error = process.communicate(timeout=HANG)
    assert process.returncode == 74, error
    assert b"deleted while the run was under way" in error
    assert [body["scriptName"] for body in posted(server)] == ["j0"]
    done = aftrun("resume", env={"AFT_API_KEY": server.api_key})
    assert done.code == 0, done.err
    assert "does not hold run" in done.err
    assert [body["scriptName"] for body in posted(server)] == ["j0", "j1", "j2", "j3"]


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        ("journal.ndjson", None, "warning: journal.ndjson is damaged: it is missing"),
        ("journal.ndjson", b"", "warning: journal.ndjson is damaged: it is empty"),
        ("journal.ndjson", b"\0" * 5000, "warning: journal.ndjson is damaged: its last line is not whole"),
    ],
)
def test_damage_is_said_by_who_resumes(
    sandbox: Start, aftrun: Run, tmp_path: Path, file: str, damage: bytes | None, said: str
) -> None:
    """Not only in the report: whoever resumes may have to do something about that disk."""
    server = sandbox(LONG)
    environ = killed(tmp_path, server)
    (path,) = (tmp_path / ".aftrun" / "runs").glob(f"*/{file}")
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    done = aftrun("resume", env=environ)
    assert done.code == 0, done.err
    assert said in done.err
    assert [body["scriptName"] for body in posted(server)] == ["one", "two"]


def test_a_locked_state_file_is_waited_for(sandbox: Start, tmp_path: Path) -> None:
    """A backup program holds it: what happens goes to the journal, POSTs wait, it is said, and Ctrl-C works."""
    server = sandbox({"defaults": {"queue": "0s", "duration": "300ms"}})
    text = f"server: {{url: '{server.url}', tls: {{fingerprint: '{server.fingerprint}'}}, poll: {{min: 50ms}}}}\n"
    (tmp_path / "m.yaml").write_text(f"{text}jobs: [{{scriptName: one}}, {{scriptName: two}}]\n", encoding="utf-8")
    environ = clean_environ(AFT_API_KEY=server.api_key)
    command = [*program(), "apply", "m.yaml"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True)
    until(lambda: any(entry.method == "GET" for entry in server.ledger()))
    backup = sqlite3.connect(tmp_path / ".aftrun" / "state.db", isolation_level=None)
    backup.execute("BEGIN IMMEDIATE")
    assert process.stderr is not None
    seen = ""
    while "waiting for" not in seen:
        seen = process.stderr.readline()
        assert seen, "it ended"
    assert [body["scriptName"] for body in posted(server)] == ["one"]
    backup.execute("ROLLBACK")
    process.communicate(timeout=HANG)
    assert process.returncode == 0
    assert [body["scriptName"] for body in posted(server)] == ["one", "two"]
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True) as again:
        until(lambda: len(posted(server)) == 3)
        backup.execute("BEGIN IMMEDIATE")
        assert again.stderr is not None
        seen = ""
        while "waiting for" not in seen:
            seen = again.stderr.readline()
            assert seen, "it ended"
        again.send_signal(signal.SIGINT)
        again.communicate(timeout=HANG)
        assert again.returncode == 130
    backup.close()
