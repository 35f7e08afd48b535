"""The trigger against a real server, without the rest of Airflow."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from aftrun import Client
from aftrun.domain.model import Json
from aftrun.sandbox.server import Sandbox
from aftrun_airflow import AftJobTrigger, trigger
from aftrun_airflow.clients import THREADS, Pace
from aftrun_airflow.trigger import SETTLING
from tests.conftest import TOKEN

KEY = "Zx1-trigger-key-44aa"
Start = Callable[..., Sandbox]

pytestmark = pytest.mark.usefixtures("fresh")


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings from another test; keys are in the environment."""
    trigger._prepared.clear()
    trigger._AIRFLOW.forget()
    monkeypatch.setenv("TRIGGER_KEY", KEY)
    monkeypatch.setenv("TEST_TOKEN", TOKEN)


def scenario(**behaviour: Json) -> dict[str, Json]:
    """All jobs behave so."""
    return {"defaults": {"queue": "0s", "duration": "100ms", **behaviour}}


def described(server: Sandbox, **more: Json) -> dict[str, Json]:
    """A server as manifests describe it, the key a reference."""
    return {
        "url": server.url,
        "apiKey": "${TRIGGER_KEY}",
        "tls": {"fingerprint": server.fingerprint},
        "poll": {"min": "50ms", "max": "200ms"},
        **more,
    }


def submit(server: Sandbox, count: int = 1) -> list[str]:
    """Jobs that somebody started."""
    with Client(server.url, server.api_key, fingerprint=server.fingerprint) as client:
        return [str(client.submit({"scriptName": "x"}).id) for _ in range(count)]


def follow(server: Sandbox, job_id: str, described_as: Mapping[str, Json] | None = None, **arguments: Any) -> Any:
    """The payload of the event of a trigger that has been through the database."""
    given = {"aft_conn_id": None, "server": described_as or described(server), "accepted_at": time.time(), **arguments}
    _, kept = AftJobTrigger(job_id=job_id, **given).serialize()

    async def first() -> Any:
        async for event in AftJobTrigger(**json.loads(json.dumps(kept))).run():
            return event.payload
        return None

    return asyncio.run(asyncio.wait_for(first(), 600))


def test_an_end_that_comes_too_soon_waits(sandbox: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last thing before the event is a wait until its time, which a clock that was set back cannot make long."""
    waits: list[float] = []
    sleep = asyncio.sleep

    async def shorter(seconds: float) -> None:
        waits.append(seconds)
        await sleep(min(seconds, 0.05))

    monkeypatch.setattr(asyncio, "sleep", shorter)
    server = sandbox(scenario(), api_key=KEY)
    for job, ahead, least, most in zip(
        submit(server, 3), (3600.0, 5.0, -1.0), (SETTLING, 0.0, 0.0), (SETTLING, 5.0, 0.0), strict=True
    ):
        assert follow(server, job, not_before=time.time() + ahead)["kind"] == "ended"
        assert least <= waits[-1] <= most


def test_it_follows_a_job_to_its_end(sandbox: Start) -> None:
    """Outcome, exit code and outputs are in the event."""
    server = sandbox(scenario(outputs={"files": [1, 2]}), api_key=KEY)
    event = follow(server, submit(server)[0], outputs={"count": "length(files)"})
    assert event["kind"] == "ended"
    assert (event["outcome"], event["exit_code"], event["outputs"]) == ("succeeded", 0, {"count": 2})


def test_expect_is_held_against_the_job(sandbox: Start) -> None:
    """As in a manifest."""
    server = sandbox(scenario(outputs={"files": 0}), api_key=KEY)
    event = follow(server, submit(server)[0], expect=["files > `0`"])
    assert (event["outcome"], event["reason"]) == ("failed", "expect")


def test_the_timeout_counts_from_acceptance(sandbox: Start) -> None:
    """A trigger that starts late, after a restart say, gives no job more time; it looks once and gives up."""
    server = sandbox(scenario(duration="1h"), api_key=KEY)
    job = submit(server)[0]
    event = follow(server, job, accepted_at=time.time() - 100, timeout=90.0)
    assert (event["outcome"], event["reason"]) == ("timedOut", "timeout")
    assert sum(entry.method == "GET" for entry in server.ledger()) == 1


def test_the_last_look_counts(sandbox: Start) -> None:
    """All clocks have run out, but the job has ended well."""
    server = sandbox(scenario(duration="0s"), api_key=KEY)
    event = follow(server, submit(server)[0], accepted_at=time.time() - 100, timeout=9.0, give_up=time.time() - 50)
    assert event["outcome"] == "succeeded"


def test_the_queue_timeout_holds(sandbox: Start) -> None:
    """The job never leaves the queue."""
    server = sandbox(scenario(queue="1h"), api_key=KEY)
    event = follow(server, submit(server)[0], queue_timeout=0.5)
    assert (event["outcome"], event["reason"]) == ("timedOut", "queueTimeout")


def test_the_tasks_own_clock_ends_the_watch(sandbox: Start) -> None:
    """`execution_timeout` is no end of the job, so there is no outcome."""
    server = sandbox(scenario(duration="1h"), api_key=KEY)
    job = submit(server)[0]
    assert follow(server, job, give_up=time.time() + 0.5) == {"kind": "overdue", "job_id": job}


def test_a_job_that_is_not_listed_yet_is_waited_for(sandbox: Start) -> None:
    """404 is no end by itself."""
    server = sandbox(scenario(faults=[{"kind": "notFound", "times": 3}]), api_key=KEY)
    assert follow(server, submit(server)[0])["outcome"] == "succeeded"


def test_a_refused_key_is_asked_for_anew_once(sandbox: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that was renewed while the job ran is taken; one that is refused is `unknown`, never success."""
    server = sandbox(scenario(duration="2s"), api_key=KEY)
    job = submit(server)[0]
    monkeypatch.setenv("TRIGGER_KEY", "an old key")
    assert follow(server, job, described(server, submitTimeout="1s"))["outcome"] == "unknown"
    trigger._prepared.clear()

    async def renewed() -> Any:
        first = AftJobTrigger(job_id=job, aft_conn_id=None, server=described(server), accepted_at=time.time())
        await first._prepare()  # the old key is at hand now
        monkeypatch.setenv("TRIGGER_KEY", KEY)
        return [event.payload async for event in first.run()]

    (event,) = asyncio.run(renewed())
    assert event["outcome"] == "succeeded"


def test_what_the_server_echoes_is_hidden(sandbox: Start) -> None:
    """The event goes into the database; neither key nor params may."""
    server = sandbox(scenario(message=f"{TOKEN} {KEY}", outputs={"echo": TOKEN}), api_key=KEY)
    event = follow(server, submit(server)[0], outputs={"echo": "echo"}, hidden=["${TEST_TOKEN}"])
    assert event["outcome"] == "succeeded"
    assert event["outputs"] == {"echo": None}
    assert TOKEN not in str(event)
    assert KEY not in str(event)


def test_without_a_value_to_search_for_it_tells_the_outcome_only(
    sandbox: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """The worker has the value, the triggerer does not: the worker reads the texts itself."""
    server = sandbox(scenario(message=f"used {TOKEN}"), api_key=KEY)
    event = follow(server, submit(server)[0], hidden=["${file:absent}"], base_dir=str(tmp_path))
    assert (event["kind"], event["outcome"]) == ("handBack", "succeeded")
    assert "${file:absent}" in event["message"]
    assert TOKEN not in str(event)


def test_without_a_key_it_gives_the_job_back(sandbox: Start, tmp_path: Any) -> None:
    """And says which value is missing, for the triggerer's environment."""
    server = sandbox(scenario(), api_key=KEY)
    event = follow(server, "j", described(server, apiKey="${file:absent}"), base_dir=str(tmp_path))
    assert event["kind"] == "handBack"
    assert "absent" in event["message"]


def test_many_jobs_need_few_threads(sandbox: Start) -> None:
    """600 triggers in one event loop; each job is read to its end, by a bounded number of threads."""
    server = sandbox(scenario(duration="2s"), api_key=KEY)
    jobs = submit(server, 600)
    slow = described(server, poll={"min": "1s", "max": "2s"})
    most = 0

    async def one(job: str) -> str:
        nonlocal most
        given = AftJobTrigger(job_id=job, aft_conn_id=None, server=slow, accepted_at=time.time())
        async for event in given.run():
            most = max(most, sum(thread.name.startswith("aftrun_") for thread in threading.enumerate()))
            return str(event.payload["outcome"])
        return "no event"

    async def everyone() -> Sequence[str]:
        return await asyncio.gather(*(one(job) for job in jobs))

    assert asyncio.run(asyncio.wait_for(everyone(), 600)) == ["succeeded"] * 600
    assert 0 < most <= THREADS


def test_requests_keep_to_the_servers_rate() -> None:
    """`maxRequestsPerSecond` holds for all triggers together; time that nobody used is not saved up."""
    pace = Pace(5)
    assert [round(pace.wait(now), 6) for now in (0, 0, 0.1, 0.5, 10, 10)] == [0, 0.2, 0.3, 0.1, 0, 0.2]
    free = Pace(None)
    assert [free.wait(now) for now in (0, 0, 1)] == [0, 0, 0]


def test_the_rate_is_that_of_the_server(sandbox: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Triggers of one server wait for each other: the waits before their reads are those of one pace."""
    server = sandbox(scenario(duration="0s"), api_key=KEY)
    jobs = submit(server, 6)
    slow = described(server, maxRequestsPerSecond=0.001)
    waits: list[float] = []
    sleep = asyncio.sleep

    async def shorter(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", shorter)

    async def one(job: str) -> None:
        async for _ in AftJobTrigger(job_id=job, aft_conn_id=None, server=slow, accepted_at=time.time()).run():
            pass

    async def everyone() -> None:
        await asyncio.gather(*(one(job) for job in jobs))

    asyncio.run(everyone())
    # The sixth leaves 5,000 seconds after the first, less what went by until then.
    assert max(waits) > 4000
