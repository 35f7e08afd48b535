"""The operator's ways through a try, step by step, against a real server; Airflow's side is a stage with a memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout, TaskDeferred

from aftrun.domain.model import Json
from aftrun.run.policy import MAY_EXIST
from aftrun.sandbox.server import Sandbox
from aftrun_airflow import AftJobOperator, trigger
from aftrun_airflow.record import KEY
from tests.clock import Clock
from tests.conftest import TOKEN
from tests.test_record import Shelf

SECRET = "Op3-operator-key-77c1"
Start = Callable[..., Sandbox]


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values for worker and triggerer, and no settings of another test."""
    monkeypatch.setenv("OPERATOR_KEY", SECRET)
    monkeypatch.setenv("TEST_TOKEN", TOKEN)
    monkeypatch.setattr(trigger, "SETTLING", 0.0)
    trigger._prepared.clear()
    trigger._AIRFLOW.forget()


@dataclass
class Stage:
    """One task instance over several tries: what Airflow keeps for it."""

    server: Sandbox
    retries: int = 0
    tries: int = 0
    max_tries: int = 0
    store: Shelf = field(default_factory=Shelf)
    xcoms: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.max_tries = self.retries
        self.started = datetime.now(UTC)

    def push(self, key: str, value: Json) -> None:
        """Keep an XCom."""
        self.xcoms[key] = value

    def context(self) -> Any:
        """The context of the present try."""
        ti = SimpleNamespace(
            dag_id="d",
            run_id="r1",
            task_id="t",
            map_index=-1,
            try_number=self.tries,
            max_tries=self.max_tries,
            start_date=self.started,
            xcom_push=self.push,
        )
        return {"ti": ti, "dag_run": SimpleNamespace(start_date=self.started), "task_state_store": self.store}

    def clear(self) -> None:
        """What a person does."""
        self.max_tries = self.tries + self.retries

    def operator(self, **arguments: Any) -> AftJobOperator:
        """The task, as the next process has it."""
        server = {
            "url": self.server.url,
            "apiKey": "${OPERATOR_KEY}",
            "tls": {"fingerprint": self.server.fingerprint},
            "poll": {"min": "50ms", "max": "200ms"},
            "submitTimeout": "1s",
        }
        task = AftJobOperator(
            **{"task_id": "t", "script_name": "x", "aft_conn_id": None, "server": server, "deferrable": False}
            | arguments
        )
        given: Any = {}
        task.render_template_fields(given)
        return task

    def run(self, **arguments: Any) -> Any:
        """One try; where it defers, the triggerer's part and the second process are in it."""
        self.tries += 1
        self.xcoms.clear()
        self.started = datetime.now(UTC)
        try:
            return self.operator(**arguments).execute(self.context())
        except TaskDeferred as deferred:
            event = asyncio.run(first_event(deferred.trigger))
            return self.operator(**arguments).execute_complete(self.context(), event)

    def posts(self) -> int:
        """How many reached the server."""
        return sum(entry.method == "POST" for entry in self.server.ledger())


async def first_event(given: Any) -> Any:
    """What a trigger fires."""
    async for event in given.run():
        return event.payload
    return None


def scenario(**behaviour: Json) -> dict[str, Json]:
    """All jobs behave so."""
    return {"defaults": {"queue": "0s", "duration": "100ms", **behaviour}}


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_result_that_airflow_lost_is_taken_from_the_record(sandbox: Start, deferrable: bool) -> None:
    """The job succeeded, the worker died before it could say so: the retry sends nothing, and has the same XComs."""
    stage = Stage(sandbox(scenario(outputs={"n": 3}), api_key=SECRET), retries=1)
    arguments: dict[str, Any] = {"outputs": {"n": "n"}, "deferrable": deferrable}
    job = stage.run(**arguments)
    assert stage.run(**arguments) == job
    assert stage.posts() == 1
    assert stage.xcoms["outputs"] == {"n": 3}
    stage.clear()
    assert stage.run(**arguments) != job
    assert stage.posts() == 2


@pytest.mark.parametrize("deferrable", [False, True])
def test_only_a_named_bad_end_may_be_retried(sandbox: Start, deferrable: bool) -> None:
    """Airflow retries an `AirflowException`, never an `AirflowFailException`."""
    stage = Stage(sandbox(scenario(outcome="failed"), api_key=SECRET), retries=1)
    with pytest.raises(AirflowException, match=r"^failed: ") as caught:
        stage.run(deferrable=deferrable)
    assert not isinstance(caught.value, AirflowFailException)
    with pytest.raises(AirflowFailException, match=r"^failed: "):
        Stage(stage.server).run(deferrable=deferrable, retry_on=["cancelled"])


def test_a_job_that_timed_out_is_taken_up_by_who_clears(sandbox: Start) -> None:
    """It went on; clearing gives it new time and no second job."""
    clock = Clock()
    server = sandbox(scenario(duration="1h"), api_key=SECRET, clock=clock)
    stage = Stage(server, retries=3)
    with pytest.raises(AirflowFailException, match=r"timedOut: the timeout of 300ms ran out"):
        stage.run(timeout=0.3)
    with pytest.raises(AirflowFailException, match="timedOut"):
        stage.run(timeout=0.3)  # a retry gives no new time
    clock.add(3600)
    stage.clear()
    stage.run(timeout=timedelta(hours=1))
    assert stage.xcoms["outcome"] == "succeeded"
    assert stage.posts() == 1


def test_the_execution_timeout_leaves_the_job_to_the_retry(sandbox: Start) -> None:
    """Airflow's clock ends the try, not the job."""
    clock = Clock()
    server = sandbox(scenario(duration="1h"), api_key=SECRET, clock=clock)
    stage = Stage(server, retries=1)
    with pytest.raises(AirflowTaskTimeout, match="had not ended"):
        stage.run(deferrable=True, execution_timeout=timedelta(seconds=0.4))
    clock.add(3600)
    stage.run(deferrable=True, execution_timeout=timedelta(hours=1))
    assert stage.xcoms["outcome"] == "succeeded"
    assert stage.posts() == 1


def test_a_job_that_failed_while_nobody_looked_is_followed_by_another(sandbox: Start) -> None:
    """The worker died after the acceptance, the job failed meanwhile: this is what retries are for."""
    behaviours: list[Json] = [{"match": {"scriptName": "x"}, "duration": "1h", "flaky": {"failFirst": 1}}]
    clock = Clock()
    server = sandbox({**scenario(), "behaviours": behaviours}, api_key=SECRET, clock=clock)
    stage = Stage(server, retries=1)
    stage.tries = 1
    with pytest.raises(TaskDeferred):
        stage.operator(deferrable=True).execute(stage.context())
    clock.add(3600)
    with pytest.raises(TaskDeferred):
        stage.operator(deferrable=True).execute(stage.context())
    clock.add(3600)
    stage.run(deferrable=True)
    assert stage.xcoms["outcome"] == "succeeded"
    assert stage.posts() == 2


def test_what_the_triggerer_cannot_do_the_worker_does(
    sandbox: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """The triggerer lacks the key, or a value: the job is given back, and its outputs are read by the worker."""
    (tmp_path / "key").write_text(SECRET)
    (tmp_path / "token").write_text(TOKEN)
    server = sandbox(scenario(message=f"used {TOKEN}", outputs={"n": 3}), api_key=SECRET)
    for absent in ("key", "token"):
        stage = Stage(server)
        stage.tries = 1
        described = {"url": server.url, "apiKey": "${file:key}", "tls": {"fingerprint": server.fingerprint}}
        arguments: dict[str, Any] = {
            "server": described,
            "params": {"t": "${file:token}"},
            "base_dir": str(tmp_path),
            "outputs": {"n": "n"},
            "deferrable": True,
        }
        with pytest.raises(TaskDeferred) as deferred:
            stage.operator(**arguments).execute(stage.context())
        kept = (tmp_path / absent).read_text()
        (tmp_path / absent).unlink()
        trigger._prepared.clear()
        event = asyncio.run(first_event(deferred.value.trigger))
        assert event["kind"] == "handBack"
        (tmp_path / absent).write_text(kept)
        stage.operator(**arguments).execute_complete(stage.context(), event)
        assert (stage.xcoms["outcome"], stage.xcoms["message"]) == ("succeeded", "used ***")
        assert stage.xcoms["outputs"] == {"n": 3}


@pytest.mark.parametrize("error", ["Trigger timeout", "the trigger broke"])
def test_a_trigger_that_breaks_ends_nothing(sandbox: Start, error: str) -> None:
    """No triggerer for too long, or an error in it: the worker looks for itself."""
    stage = Stage(sandbox(scenario(), api_key=SECRET))
    stage.tries = 1
    with pytest.raises(TaskDeferred):
        stage.operator(deferrable=True).execute(stage.context())
    task = stage.operator(deferrable=True)
    task.resume_execution("__fail__", {"error": error}, stage.context())
    assert stage.xcoms["outcome"] == "succeeded"
    assert stage.posts() == 1


def test_an_unanswered_post_is_settled_by_a_person(sandbox: Start) -> None:
    """Until then neither retries nor clearing send another; `resubmit_unknown` is one way to say it."""
    server = sandbox(scenario(faults=[{"on": "submit", "kind": "reset", "strikes": "after"}]), api_key=SECRET)
    stage = Stage(server, retries=2)
    for _ in range(3):
        with pytest.raises(AirflowFailException) as caught:
            stage.run()
        assert MAY_EXIST in str(caught.value)
        assert "aftrun-airflow settle d 'r1' t" in str(caught.value)
        assert stage.xcoms["outcome"] == "unknown"
        stage.clear()
    assert stage.posts() == 1
    stage.run(resubmit_unknown="true")
    assert (stage.xcoms["outcome"], stage.posts()) == ("succeeded", 2)


def test_a_server_that_is_away_is_no_reason_to_ask_a_person(sandbox: Start) -> None:
    """Nothing was created, for certain; retries are used where they are meant for that."""
    stage = Stage(sandbox(scenario(), api_key=SECRET), retries=1)
    stage.server.stop()
    with pytest.raises(AirflowException, match=r"^undelivered: "):
        stage.run(retry_on=["failed", "undelivered"])
    stage.server.start()
    stage.run(retry_on=["failed", "undelivered"])
    assert stage.xcoms["outcome"] == "succeeded"


def test_nothing_starts_after_finish_by(sandbox: Start) -> None:
    """As in a manifest."""
    stage = Stage(sandbox(scenario(), api_key=SECRET))
    with pytest.raises(AirflowFailException, match="not started before finishBy"):
        stage.run(finish_by="2020-01-01T00:00:00Z")
    assert (stage.xcoms["outcome"], stage.posts()) == ("skipped", 0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"params": {"x": "${NOT_SET_ANYWHERE:?ask Ann}"}}, "ask Ann"),
        ({"params": {"x": None}}, "has no value"),
        ({"expect": ["]["]}, "JMESPath"),
        ({"server": None}, "names no server"),
        ({"server": {"url": "https://127.0.0.1", "tls": {"caFile": "/none"}, "apiKey": "${OPERATOR_KEY}"}}, "/none"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    sandbox: Start, arguments: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is not retried: it would be wrong again."""
    monkeypatch.setenv("NOT_SET_ANYWHERE", "")
    stage = Stage(sandbox(scenario(), api_key=SECRET), retries=1)
    with pytest.raises(AirflowFailException, match=says):
        stage.run(**arguments)
    assert stage.posts() == 0


def test_a_record_that_nobody_can_read_stops_everything(sandbox: Start) -> None:
    """Better no job than perhaps a second one."""
    stage = Stage(sandbox(scenario(), api_key=SECRET))
    stage.store.values[KEY] = "what is this"
    with pytest.raises(AirflowFailException, match="task state"):
        stage.run()
    assert stage.posts() == 0


def test_forgiven_failures_are_still_retried_first(sandbox: Start) -> None:
    """`allow_failure` is about the last end, as in a manifest; `unknown` is never forgiven."""
    stage = Stage(sandbox(scenario(outcome="failed"), api_key=SECRET), retries=1)
    with pytest.raises(AirflowException, match=r"^failed"):
        stage.run(allow_failure=True)
    stage.run(allow_failure=True)
    assert (stage.xcoms["outcome"], stage.posts()) == ("failed", 2)
    lost = sandbox(scenario(faults=[{"on": "submit", "kind": "reset", "strikes": "after"}]), api_key=SECRET)
    with pytest.raises(AirflowFailException, match=r"^unknown"):
        Stage(lost).run(allow_failure=True)
