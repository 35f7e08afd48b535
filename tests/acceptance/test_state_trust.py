"""A record that came from somewhere else: a checkout, a cache, a copy, another user."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aftrun.cli.view import history as history_view
from aftrun.cli.view import table
from aftrun.domain.errors import AftrunError
from aftrun.domain.events import Event, JobHeader, RunEnded, RunStarted, Source, instant, to_json
from aftrun.report import json as json_report
from aftrun.report import past as history_data
from aftrun.run.store import folder as state_folder
from aftrun.sandbox.server import Sandbox
from aftrun.service import history, which
from aftrun.service import past as service_past
from tests.conftest import Run
from tests.records import database

Start = Callable[..., Sandbox]
MANIFEST = "version: 1\nname: m\njobs: [{name: a, scriptName: x}]\n"
STRANGER = (
    'version: 1\nname: m\nserver: {url: "http://stranger.example", apiKey: "${AFT_API_KEY}"}\n'
    'jobs: [{name: a, scriptName: x, params: {p: "${OTHER}"}}]\n'
)
AT = 1_767_225_600.0


def planted(folder: Path, run: str = "20260101-000000-aaaa", **columns: Any) -> None:
    """A record as somebody else would write it: one interrupted run, some columns of it anything at all."""
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    header = JobHeader("m/a", "a", "m", "http://stranger.example", "m.yaml", 4, 8)
    start = RunStarted(AT, run, (header,), (Source("m.yaml", "0" * 64, "m"),))
    row: dict[str, Any] = {
        "id": run,
        "started_at": instant(AT),
        "ended_at": instant(AT + 1),
        "outcome": "interrupted",
        "exit_code": 130,
        "manifests": '["m"]',
        "jobs": 1,
        "format": 1,
        "options": '{"paths": ["m.yaml"]}',
        **columns,
    }
    with database(folder / "state.db") as db:
        db.executescript(
            "CREATE TABLE runs (id, started_at, ended_at, outcome, exit_code, manifests, jobs, format, options);"
            "CREATE TABLE ends (run, job, outcome, seconds); CREATE TABLE events (run, seq, body);"
            "CREATE TABLE files (run, seq, path, content); PRAGMA user_version = 1;"
        )
        db.execute(f"INSERT INTO runs VALUES ({', '.join('?' * len(row))})", list(row.values()))  # noqa: S608  # question marks
        events: list[Event] = [start, RunEnded(AT + 1, "interrupted", 130)]
        for seq, event in enumerate(events):
            db.execute("INSERT INTO events VALUES (?, ?, ?)", (run, seq, json.dumps(to_json(event))))
        db.execute("INSERT INTO files VALUES (?, 0, 'm.yaml', ?)", (run, STRANGER.encode()))
    db.close()


EVERY = [
    ["resume"],
    ["retry"],
    ["show"],
    ["report", "--report-json", "r.json"],
    ["history"],
    ["history", "--format", "json"],
    ["history", "--prune", "0s"],
    ["apply", "m.yaml"],
]


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
def test_a_record_that_came_with_a_checkout(command: list[str], sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """No command goes by it; each names the line that accepts it. Nothing is sent, removed or written."""
    server = sandbox()
    (tmp_path / "m.yaml").write_text(MANIFEST)
    planted(tmp_path / ".aftrun", run="../../victim")
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "kept").write_text("")
    before = sorted(path.name for path in (tmp_path / ".aftrun").rglob("*"))
    env = {"AFT_API_KEY": "k-0815-k", "OTHER": "o-0815-o"}
    done = aftrun(*command, server=server if command[0] == "apply" else None, env=env)
    assert done.code == 2, done.err
    assert "was not made by aftrun for you" in done.err
    assert "aftrun history --state-dir .aftrun --trust-state" in done.err
    assert not server.jobs()
    assert (tmp_path / "victim" / "kept").exists()
    assert sorted(path.name for path in (tmp_path / ".aftrun").rglob("*")) == before


@pytest.mark.parametrize("run", ["../../victim", "a\n\x1b[31m"])
def test_ids_that_are_paths_where_the_record_was_accepted(run: str, aftrun: Run, tmp_path: Path) -> None:
    """Accepting a record does not make its ids paths."""
    planted(tmp_path / ".aftrun", run=run)
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "kept").write_text("")
    for command in (["history"], ["history", "--prune", "0s"], ["resume"]):
        done = aftrun(*command, env={"AFTRUN_TRUST_STATE": "1", "AFT_API_KEY": "k", "OTHER": "o"})
        assert done.code in (0, 2, 74), done.err
        assert "\x1b" not in done.out + done.err
        assert "stranger.example" not in done.err
    assert [path.name for path in (tmp_path / "victim").iterdir()] == ["kept"]


def judged(folder: Path) -> list[int]:
    """The exit codes of `show` and of `resume` before it sends anything, in this process: there are hundreds."""
    state_folder.accept(folder)
    codes = []
    for resume in (False, True):
        code = 0
        try:
            with history.open_log(folder) as log:
                found = history.read(log, (which.to_resume(log, None) if resume else which.find(which.runs(log), None)))
                json_report.render(found.report)
                table.details(found.report)
                past = service_past.gather(log, which.runs(log))
                history_view.runs(past.runs, colour=False, columns=80)
                history_view.overview(past, 20, colour=False, columns=80)
                history_data.ends_csv(job for each in past.manifests for job in each.jobs)
                if resume:
                    history.resume_setup(log, found, {"AFT_API_KEY": "k", "OTHER": "o"})
        except AftrunError as error:
            code = int(error.exit_code)
        codes.append(code)
    return codes


ODD = ["\x1b]0;owned\x07", "::error::x", "", None, -1, 10**15, 1.5, b"\xff\x00", "[", "[1]", "{}", "null", "[" * 5000]
COLUMNS = ["started_at", "ended_at", "outcome", "exit_code", "manifests", "jobs", "options"]


@pytest.mark.parametrize("column", COLUMNS)
def test_columns_that_hold_anything(column: str, tmp_path: Path) -> None:
    """Whatever a column holds, it is no bug of aftrun's."""
    for number, value in enumerate(ODD):
        folder = tmp_path / str(number)
        row: dict[str, Any] = {column: value}
        planted(folder, **row)
        assert set(judged(folder)) <= {0, 2, 74}, value


@pytest.mark.parametrize(("table_name", "column"), [
    ("ends", "run"), ("ends", "job"), ("ends", "outcome"), ("ends", "seconds"), ("causes", "job"), ("causes", "run"),
    ("causes", "message"),
])  # fmt: skip
def test_ends_and_causes_that_hold_anything(table_name: str, column: str, tmp_path: Path) -> None:
    """The same of what history reads; beside a good end, which is still told."""
    for number, value in enumerate([*ODD, -5.0, 1e308, float("inf"), "1e9"]):
        folder = tmp_path / str(number)
        planted(folder)
        with database(folder / "state.db") as db:
            run = db.execute("SELECT id FROM runs").fetchone()[0]
            db.execute(
                "CREATE TABLE IF NOT EXISTS causes (job TEXT NOT NULL, run TEXT NOT NULL, message TEXT NOT NULL)"
            )
            rows: dict[str, dict[str, Any]] = {
                "ends": {"run": run, "job": "m/odd", "outcome": "failed", "seconds": 1.0},
                "causes": {"run": run, "job": "m/odd", "message": "why"},
            }
            rows[table_name][column] = value
            try:
                for name, row in rows.items():
                    marks = f"({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
                    db.execute(f"INSERT OR REPLACE INTO {name} {marks}", [*row.values()])  # names of ours
            except sqlite3.IntegrityError:
                continue  # SQLite itself does not take that
        db.close()
        assert set(judged(folder)) <= {0, 2, 74}, value


def test_words_of_a_record_do_not_act(aftrun: Run, tmp_path: Path) -> None:
    """Neither on the terminal nor on a CI server that reads the log."""
    said = "\x1b]0;owned\x07::error::x\n::stop-commands::y"
    planted(tmp_path / ".aftrun", outcome=said)
    done = aftrun("history", env={"AFTRUN_TRUST_STATE": "1", "CI": "1"})
    assert done.code == 0
    assert "\x1b" not in done.out + done.err
    assert not any(line.lstrip().startswith("::") for line in (done.out + done.err).splitlines())


@pytest.mark.parametrize(
    "options",
    [
        {"paths": 5}, {"paths": [1]}, {"variables": [["a"]]}, {"variables": {}}, {"url": 5}, {"insecure": "yes"},
        {"max_parallel": -1}, {"max_parallel": True}, {"timeout": "1h"}, {"retry_of": "../../victim"}, {"retry_of": 5},
        {"inherited": []}, {"inherited": {"m/a": 5}}, {"unheard": 1}, {"sandbox": 1}, {"fail_fast": "x"},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_options_that_hold_anything(options: dict[str, Any], tmp_path: Path) -> None:
    """The same of what the run was started with."""
    planted(tmp_path, options=json.dumps({"paths": ["m.yaml"], **options}))
    assert set(judged(tmp_path)) <= {0, 2, 74}


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*at, key))


def test_events_that_hold_anything(tmp_path: Path) -> None:
    """Each field of a run's first event, replaced by what does not belong there: refused, in words."""
    folder = tmp_path / "state"
    planted(folder)
    with database(folder / "state.db") as db:
        body = json.loads(db.execute("SELECT body FROM events WHERE seq = 0").fetchone()[0])
        odd: tuple[Any, ...] = (None, 5, "\x1b[31m", [], {})
        for place in paths(body):
            for value in odd:
                changed = json.loads(json.dumps(body))
                if place:
                    inner = changed
                    for key in place[:-1]:
                        inner = inner[key]
                    inner[place[-1]] = value
                else:
                    changed = value
                db.execute("UPDATE events SET body = ? WHERE seq = 0", (json.dumps(changed),))
                db.commit()
                assert set(judged(folder)) <= {0, 2, 74}, (place, value)
    db.close()


def test_a_copy_of_a_killed_runs_record_is_not_resumed_twice(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """`cp -r` of the folder, and `resume` in both places: the copy waits for a person."""
    server = sandbox()
    (tmp_path / "m.yaml").write_text(MANIFEST)
    assert aftrun("apply", "m.yaml", server=server).code == 0
    shutil.copytree(tmp_path / ".aftrun", tmp_path / "copy")
    done = aftrun("show", "--state-dir", "copy")
    assert done.code == 2
    assert "copied, moved" in done.err
    accepted = aftrun("history", "--state-dir", "copy", "--trust-state")
    assert accepted.code == 0
    assert aftrun("show", "--state-dir", "copy").code == 0  # once is enough


def test_runs_of_one_user_are_never_asked(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """A fresh folder, then every command upon it, without a flag or a word about trust."""
    server = sandbox()
    (tmp_path / "m.yaml").write_text(MANIFEST)
    for command in (["apply", "m.yaml", "--state-dir", "new/state"], ["apply", "m.yaml", "--state-dir", "new/state"]):
        done = aftrun(*command, server=server)
        assert done.code == 0, done.err
        assert "trust" not in done.err
    for name in ("show", "report", "history"):
        assert aftrun(name, "--state-dir", "new/state").code == 0


def test_resume_names_the_server_and_what_was_edited(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Who resumes a run sees where it goes, and that its manifest is not the one on disk."""
    server = sandbox({"defaults": {"outcome": "failed"}})
    (tmp_path / "m.yaml").write_text(MANIFEST)
    assert aftrun("apply", "m.yaml", server=server).code == 1
    (tmp_path / "m.yaml").write_text(MANIFEST + "# another line\n")
    done = aftrun("retry", env={"AFT_API_KEY": server.api_key})
    assert f"1 of 1 jobs on {server.url}" in done.err
    assert "m.yaml has changed since the run began" in done.err
    (tmp_path / "m.yaml").unlink()
    done = aftrun("retry", env={"AFT_API_KEY": server.api_key})
    assert "m.yaml cannot be read any more" in done.err
