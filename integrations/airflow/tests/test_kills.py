"""Processes die at the worst moment, and the server's own ledger says what was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from aftrun.sandbox.server import Sandbox
from tests.clock import Clock
from tests.conftest import DAGS
from tests.world import World, posts, until

MONTH, YEAR = 30 * 86_400.0, 365 * 86_400.0
Held = tuple[Sandbox, Clock]


def test_a_worker_that_dies_leaves_one_post(world: World, runs: Mapping[str, str], held: Held) -> None:
    """Killed between POST and answer: `unknown`, with a retry left. Killed while waiting: the job is followed on."""
    server, clock = held
    run = runs["killed"]
    until("the POST has made its job", lambda: any(job.body["scriptName"] == "slow post" for job in server.jobs()))
    world.kill_worker("killed", run, "posting")
    until("the other job is accepted", lambda: world.xcom("killed", run, "waiting", "job_id"))
    world.kill_worker("killed", run, "waiting")
    until("the job is followed on", lambda: "following it, nothing is sent" in world.log("killed", run, "waiting", 2))
    clock.add(MONTH)

    assert world.ended("killed", run) == {"posting": "failed", "waiting": "success"}
    assert posts(server, scriptName="slow post") == 1
    assert world.xcom("killed", run, "posting", "outcome") == "unknown"
    assert "stopped between sending the request and its answer" in world.xcom("killed", run, "posting", "message")
    assert posts(server, scriptName="waited for") == 1
    assert world.xcom("killed", run, "waiting", "outcome") == "succeeded"
    tries = {each["task_id"]: each["try_number"] for each in world.tasks("killed", run)}
    assert tries == {"posting": 2, "waiting": 2}


def test_a_triggerer_that_dies_loses_nothing(world: World, runs: Mapping[str, str], held: Held) -> None:
    """Killed with all jobs deferred, and started again: each job was sent once, and all ends are seen."""
    server, clock = held
    for dag in DAGS:
        if dag != "many":
            world.ended(dag, runs[dag])
    run = runs["many"]

    def deferred() -> bool:
        return Counter(world.states("many", run).values())["deferred"] == 8

    until("all jobs are sent and waited for", deferred)
    assert posts(server, scriptName="one of many") == 8
    world.kill("triggerer")
    clock.add(YEAR)
    world.start("triggerer")
    states = world.ended("many", run)
    assert Counter(states.values()) == {"success": 8}
    assert posts(server, scriptName="one of many") == 8
    outcomes = [world.xcom("many", run, "job", "outcome", number) for number in range(8)]
    assert outcomes == ["succeeded"] * 8
