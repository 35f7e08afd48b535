"""Processes die at the worst moment, and the server's own ledger says what was sent."""

from __future__ import annotations

from collections import Counter

from aftrun.sandbox.server import Sandbox
from tests.world import World, posts, until


def test_a_worker_that_dies_leaves_one_post(world: World, server: Sandbox) -> None:
    """Killed between POST and answer: `unknown`, with a retry left. Killed while waiting: the job is taken up."""
    run = world.trigger("killed")
    until("the POST has made its job", lambda: any(job.body["scriptName"] == "slow post" for job in server.jobs()))
    world.kill_worker("killed", run, "posting")
    until("the other job is accepted", lambda: world.xcom("killed", run, "waiting", "job_id"))
    world.kill_worker("killed", run, "waiting")

    assert world.ended("killed", run, 180) == {"posting": "failed", "waiting": "success"}
    assert posts(server, scriptName="slow post") == 1
    assert world.xcom("killed", run, "posting", "outcome") == "unknown"
    assert "stopped between sending the request and its answer" in world.xcom("killed", run, "posting", "message")
    assert posts(server, scriptName="ten") == 1
    assert world.xcom("killed", run, "waiting", "outcome") == "succeeded"
    assert "taking it up, nothing is sent" in world.log("killed", run, "waiting", 2)
    tries = {each["task_id"]: each["try_number"] for each in world.tasks("killed", run)}
    assert tries == {"posting": 2, "waiting": 2}


def test_a_triggerer_that_dies_loses_nothing(world: World, server: Sandbox) -> None:
    """Killed with jobs deferred and started again: each job was sent once, and all ends are seen."""
    run = world.trigger("night")

    def half() -> bool:
        return posts(server, scriptName="five") >= 14 and "deferred" in world.states("night", run).values()

    until("half of the jobs are sent", half)
    seen = Counter(world.states("night", run).values())["success"]
    world.kill("triggerer")
    assert seen < 30
    until("all jobs are sent", lambda: posts(server, scriptName="five") == 30)
    world.start("triggerer")
    states = world.ended("night", run, 180)
    assert Counter(states.values()) == {"success": 30}
    assert posts(server, scriptName="five") == 30
    outcomes = [world.xcom("night", run, "job", "outcome", number) for number in range(30)]
    assert outcomes == ["succeeded"] * 30
