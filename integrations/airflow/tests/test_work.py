"""The order of record and request in the worker, against a real server."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from aftrun.domain.model import Json, OnAmbiguous, Outcome
from aftrun.sandbox.server import Sandbox
from aftrun_airflow.prepare import Settings, prepare
from aftrun_airflow.record import NotKept, Progress, Record, RecordStore
from aftrun_airflow.work import Following, Work

Start = Callable[..., Sandbox]


class Lines:
    """A task's log."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, level: int, text: str, *values: object) -> None:
        """Keep it, with its level."""
        self.lines.append(f"{logging.getLevelName(level)} {text % values}")


class Watched_:  # noqa: N801  # `Watched` is what is watched
    """A task state store that notes how many POSTs had reached the server at each write."""

    def __init__(self, server: Sandbox, *, refuse: Progress | None = None) -> None:
        self.server = server
        self.refuse = refuse
        self.value: Json = None
        self.seen: list[tuple[str, int]] = []

    def get(self, key: str, default: Json = None) -> Json:
        """What was written last."""
        return default if self.value is None else self.value

    def set(self, key: str, value: dict[str, Json], *, retention: object = None) -> None:
        """Write, or refuse to."""
        self.seen.append((str(value["phase"]), sum(entry.method == "POST" for entry in self.server.ledger())))
        if value["phase"] == self.refuse:
            raise OSError("the API server is away")
        self.value = value


def work(
    server: Sandbox, store: Watched_, *, ambiguous: OnAmbiguous = OnAmbiguous.FAIL, wait: bool = True, **described: Json
) -> tuple[Work, Lines]:
    """A worker with one job."""
    settings = Settings(None, None, request={"scriptName": "x"}, on_ambiguous=ambiguous, wait=wait)
    server_described: dict[str, Json] = {
        "url": server.url,
        "apiKey": "${KEY}",
        "tls": {"fingerprint": server.fingerprint},
        "poll": {"min": "20ms"},
        **described,
    }
    prepared = prepare(settings, server_described, {"KEY": server.api_key})
    lines = Lines()
    following = Following(prepared, lines)
    return Work(following, prepared.connect(), RecordStore(store), max_tries=2, sleep=time.sleep), lines


def record_of(store: Watched_) -> Record:
    """What is on record in the end."""
    return Record.from_json(store.value)


def test_the_intent_is_kept_before_and_the_id_after(sandbox: Start) -> None:
    """When the intent is written no POST has arrived, and when the id is, one has."""
    server = sandbox()
    store = Watched_(server)
    worker, lines = work(server, store)
    assert worker.submit(1) is None
    assert store.seen == [("intended", 0), ("accepted", 1)]
    job = server.jobs()[0].id
    assert record_of(store).job_id == job
    finish = worker.wait()
    assert finish is not None
    assert finish.outcome is Outcome.SUCCEEDED
    assert lines.lines[0] == f"INFO the server accepted the job, its id is {job}"


def test_a_post_that_did_not_arrive_is_noted_as_such(sandbox: Start) -> None:
    """Told to come back later, it does; a worker killed in between would submit, and rightly."""
    fault: Json = {"on": "submit", "kind": "status", "code": 503, "retryAfter": 1}
    server = sandbox({"defaults": {"queue": "0s", "duration": "0s", "faults": [fault]}})
    store = Watched_(server)
    worker, lines = work(server, store)
    assert worker.submit(1) is None
    assert store.seen == [("intended", 0), ("deferred", 1), ("intended", 1), ("accepted", 2)]
    assert any(line.startswith("WARNING no job was created") for line in lines.lines)


def test_without_an_intent_nothing_is_sent(sandbox: Start) -> None:
    """Airflow's API server is away: the task fails, and may be retried."""
    server = sandbox()
    store = Watched_(server, refuse=Progress.INTENDED)
    worker, _ = work(server, store)
    with pytest.raises(NotKept, match="away"):
        worker.submit(1)
    assert server.ledger() == ()
    assert record_of(store).phase is Progress.DEFERRED


def test_an_id_that_cannot_be_kept_is_at_least_said(sandbox: Start) -> None:
    """The record says that a POST left; whoever raises has the id."""
    server = sandbox()
    store = Watched_(server, refuse=Progress.ACCEPTED)
    worker, lines = work(server, store)
    with pytest.raises(NotKept):
        worker.submit(1)
    job = server.jobs()[0].id
    assert worker.following.active.job_id == job
    assert any(job in line for line in lines.lines)
    assert record_of(store).phase is Progress.INTENDED


def test_an_ambiguous_post_is_repeated_only_where_that_is_wanted(sandbox: Start) -> None:
    """Each with its own intent on record."""
    fault: Json = {"on": "submit", "kind": "reset", "strikes": "after"}
    once: dict[str, Json] = {"defaults": {"queue": "0s", "duration": "0s", "faults": [fault]}}
    server = sandbox(once)
    finish = work(server, Watched_(server))[0].submit(1)
    assert finish is not None
    assert finish.outcome is Outcome.UNKNOWN

    server = sandbox(once)
    store = Watched_(server)
    assert work(server, store, ambiguous=OnAmbiguous.RESUBMIT)[0].submit(1) is None
    assert [phase for phase, _ in store.seen] == ["intended", "intended", "accepted"]
    assert record_of(store).attempt == 2


def test_a_server_that_is_away_gets_no_job(sandbox: Start) -> None:
    """`undelivered`, when `submitTimeout` is over; that is certain, so the record says so too."""
    server = sandbox()
    store = Watched_(server)
    worker, _ = work(server, store, submitTimeout="1s")
    server.stop()
    finish = worker.submit(1)
    assert finish is not None
    assert finish.outcome is Outcome.UNDELIVERED
    assert record_of(store).phase in (Progress.DEFERRED, Progress.INTENDED)


def test_accepted_is_enough_where_nobody_waits(sandbox: Start) -> None:
    """`wait=False`."""
    server = sandbox()
    finish = work(server, Watched_(server), wait=False)[0].submit(1)
    assert finish is not None
    assert finish.outcome is Outcome.SUBMITTED
    assert [entry.method for entry in server.ledger()] == ["POST"]


def test_waiting_ends_when_the_task_has_no_more_time(sandbox: Start) -> None:
    """`execution_timeout`, counted from the task's start, whoever waits."""
    server = sandbox({"defaults": {"queue": "0s", "duration": "1h"}})
    worker, _ = work(server, Watched_(server))
    assert worker.submit(1) is None
    assert worker.wait(give_up=time.time() + 0.3) is None


def test_the_settings_are_checked_like_a_manifest(sandbox: Start) -> None:
    """What a manifest may not say, a task may not say either."""
    wrong: list[dict[str, Any]] = [{"paramValues": "yaml"}, {"jobInfo": {"status": "]["}}, {"colour": "red"}]
    server = sandbox()
    for each in wrong:
        with pytest.raises(Exception, match="problem"):
            work(server, Watched_(server), **each)
