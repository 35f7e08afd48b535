"""Jobs as tasks of a real Airflow, from the scheduler to the metadata database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aftrun.run.policy import MAY_EXIST
from aftrun.sandbox.server import Sandbox
from tests.conftest import KEY, TOKEN, VARIABLE
from tests.world import World, posts


def bodies(server: Sandbox, script: str) -> list[dict[str, Any]]:
    """What was POSTed for a script."""
    return [
        entry.parsed
        for entry in server.ledger()
        if entry.method == "POST" and isinstance(entry.parsed, dict) and entry.parsed.get("scriptName") == script
    ]


def test_a_job_runs_with_its_values(world: World, runs: Mapping[str, str], server: Sandbox) -> None:
    """Environment, Variables and connections reach the server; Jinja's output is text; the DAG's params stay here."""
    run = runs["basic"]
    assert world.ended("basic", run) == {"first": "success", "second": "success"}
    (body,) = bodies(server, "S3 relay 2")
    assert body["params"] == {
        "jinja": f"{run} costs 5 $",
        "used": f"Bearer {TOKEN}",
        "variable": VARIABLE,
        "connection": KEY,
        "absent": "a default",
        "number": "7",
        "yes": "true",
        "job_id": f"{run}/first/1",
    }
    (body,) = bodies(server, "echo")
    assert body["params"] == {"plain": "ok", "injected": "${TEST_TOKEN}", "token": TOKEN}


def test_results_are_xcoms(world: World, runs: Mapping[str, str]) -> None:
    """Id, outcome and outputs; an output that held a secret is null, and the message has it hidden."""
    run = runs["basic"]
    world.ended("basic", run)
    assert world.xcom("basic", run, "first", "return_value") == world.xcom("basic", run, "first", "job_id")
    assert world.xcom("basic", run, "first", "outcome") == "succeeded"
    assert world.xcom("basic", run, "first", "outputs") == {"out": "ok", "echo": None}
    assert world.xcom("basic", run, "second", "outputs") == {"echo": None, "plain": "ok"}
    assert world.xcom("basic", run, "second", "message") == "used ***"
    report = world.xcom("basic", run, "first", "report")
    assert report["request"]["params"]["used"] == "Bearer ${TEST_TOKEN}"
    assert report["jobId"] == world.xcom("basic", run, "first", "job_id")


def test_links_are_honest(world: World, runs: Mapping[str, str]) -> None:
    """To the XComs, and to where the connection says that jobs are shown."""
    run = runs["basic"]
    world.ended("basic", run)
    links = world.get(f"/dags/basic/dagRuns/{run}/taskInstances/second/links")["extra_links"]
    job = world.xcom("basic", run, "second", "job_id")
    assert links["AFT! job"] == f"https://aft.example.com/jobs/{job}"
    assert links["AFT! report"].startswith(f"{world.url}/dags/basic/runs/")
    assert links["AFT! report"].endswith("/tasks/second/xcom")


def test_what_other_tasks_say_is_data(world: World, runs: Mapping[str, str], server: Sandbox) -> None:
    """A mapped task's params may come from an XCom, and then hold no references."""
    states = world.ended("mapped", runs["mapped"])
    assert states == {"regions": "success", "load[0]": "success", "load[1]": "success"}
    sent = [body["params"] for body in bodies(server, "load") if body.get("params")]
    assert {"region": "eu", "text": "${TEST_TOKEN} {{ 1 + 1 }} $$"} in sent
    assert {"region": "us"} in sent
    assert world.xcom("mapped", runs["mapped"], "load", "outcome", 0) == "submitted"


def test_retries_follow_a_definite_bad_end(world: World, runs: Mapping[str, str], server: Sandbox) -> None:
    """A job that failed is started again if `retry_on` names that, and else is not."""
    assert world.ended("retried", runs["retried"]) == {"flaky": "success", "refused": "failed"}
    assert posts(server, scriptName="flaky") == 2
    assert posts(server, scriptName="flaky-not-named") == 1
    tries = {each["task_id"]: each["try_number"] for each in world.tasks("retried", runs["retried"])}
    assert tries["flaky"] in (2, 3)  # Airflow may have lost sight of a try: see `AGAIN` in the DAGs
    assert tries["refused"] == 1


def test_an_unknown_fate_is_not_retried(world: World, runs: Mapping[str, str], server: Sandbox) -> None:
    """Airflow has two retries left, and none is used; the words are those of the command line."""
    run = runs["unclear"]
    assert world.ended("unclear", run) == {"lost": "failed", "again": "success"}
    assert posts(server, scriptName="lost") == 1
    assert posts(server, scriptName="lost once") == 2
    assert world.xcom("unclear", run, "lost", "outcome") == "unknown"
    assert MAY_EXIST in world.xcom("unclear", run, "lost", "message")
    assert "aftrun-airflow settle" in world.log("unclear", run, "lost")


def test_clearing_is_not_looking(world: World, runs: Mapping[str, str], server: Sandbox) -> None:
    """A cleared task of unknown fate sends nothing until a person has said what they found."""
    run = runs["unclear"]
    world.ended("unclear", run)
    world.clear("unclear", run, "lost")
    assert world.ended("unclear", run)["lost"] == "failed"
    assert posts(server, scriptName="lost") == 1

    job = next(each.id for each in server.jobs() if each.body.get("scriptName") == "lost")
    done = world.program("settle", "unclear", run, "lost", "--job", job)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert job in done.stdout
    world.clear("unclear", run, "lost")
    assert world.ended("unclear", run)["lost"] == "success"
    assert world.xcom("unclear", run, "lost", "job_id") == job
    assert posts(server, scriptName="lost") == 1


def test_clearing_a_job_that_ended_starts_another(world: World, runs: Mapping[str, str], server: Sandbox) -> None:
    """Who clears a task that succeeded wants it again."""
    run = runs["forgiven"]
    assert world.ended("forgiven", run) == {"bad": "success", "after": "success"}
    before = world.xcom("forgiven", run, "after", "job_id")
    world.clear("forgiven", run, "after")
    assert world.ended("forgiven", run)["after"] == "success"
    assert world.xcom("forgiven", run, "after", "job_id") not in (before, None)


def test_a_forgiven_failure_says_so(world: World, runs: Mapping[str, str]) -> None:
    """The task succeeds and the outcome stays what it was."""
    run = runs["forgiven"]
    world.ended("forgiven", run)
    assert world.xcom("forgiven", run, "bad", "outcome") == "failed"
    assert "allow_failure is set" in world.log("forgiven", run, "bad")


def test_all_clocks_hold_while_deferred(world: World, runs: Mapping[str, str], server: Sandbox) -> None:
    """The job's timeouts, and Airflow's `execution_timeout`; none of them is retried into a second job."""
    run = runs["clocks"]
    assert world.ended("clocks", run) == {"timeout": "failed", "queue": "failed", "execution": "failed"}
    assert world.xcom("clocks", run, "timeout", "outcome") == "timedOut"
    assert "timeout of 5s ran out" in world.xcom("clocks", run, "timeout", "message")
    assert "queueTimeout of 5s ran out" in world.xcom("clocks", run, "queue", "message")
    assert "execution_timeout of 20s ran out" in world.log("clocks", run, "execution")
    assert "goes on, on the server" in world.log("clocks", run, "execution")
    assert posts(server, scriptName="long") == 2
    assert posts(server, scriptName="stuck") == 1


def test_sensors_wait_in_all_modes(world: World, runs: Mapping[str, str]) -> None:
    """Poking, rescheduled and deferred; a job that nobody knows never succeeds."""
    run = runs["sensed"]
    states = world.ended("sensed", run)
    assert states == {
        "started": "success",
        "poking": "success",
        "rescheduled": "success",
        "deferred": "success",
        "nobody": "failed",
    }
    assert world.xcom("sensed", run, "poking", "outputs") == {"out": "ok"}
