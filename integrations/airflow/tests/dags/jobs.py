"""The DAGs of the tests. Scripts are those of `conftest.SCENARIO`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from aftrun_airflow import AftJobOperator, AftJobSensor

QUICK = {"min": "100ms", "max": "500ms"}

AGAIN: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(seconds=0)}
"""On a busy machine the scheduler can hear of the first half of a deferred task when the second is queued already, and
then takes the task for lost. A retry takes the job up, so nothing is sent twice; without one the task would fail."""

with DAG("basic", schedule=None, params={"dag_param": "not for the server"}):
    first = AftJobOperator(
        task_id="first",
        script_name="S3 relay {{ 1 + 1 }}",
        params={
            "jinja": "{{ run_id }} costs 5 $$",
            "used": "Bearer ${TEST_TOKEN}",
            "variable": "${TEST_VARIABLE}",
            "connection": "${env:conn/aft_default/password}",
            "absent": "${TEST_ABSENT:-a default}",
            "number": 7,
            "yes": True,
        },
        outputs={"out": "result", "echo": "echo"},
        expect=["result == 'ok'"],
        correlation="job_id",
        deferrable=False,
        poll=QUICK,
    )
    second = AftJobOperator(
        task_id="second",
        script_name="echo",
        params={
            "plain": "{{ ti.xcom_pull(task_ids='first', key='outputs')['out'] }}",
            "injected": "{{ '$' ~ '{TEST_TOKEN}' }}",
            "token": "${TEST_TOKEN}",
        },
        outputs={"echo": "echo", "plain": "result"},
        deferrable=True,
        poll=QUICK,
        **AGAIN,
    )
    first >> second

with DAG("mapped", schedule=None):

    @task
    def regions() -> list[dict[str, str]]:
        """What another task says is data, whatever it looks like."""
        return [{"region": "eu", "text": "${TEST_TOKEN} {{ 1 + 1 }} $$"}, {"region": "us"}]

    AftJobOperator.partial(task_id="load", script_name="load", wait=False).expand(job_params=regions())

with DAG("retried", schedule=None):
    AftJobOperator(
        task_id="flaky", script_name="flaky", deferrable=True, retries=2, retry_delay=timedelta(seconds=0), poll=QUICK
    )
    AftJobOperator(
        task_id="refused",
        script_name="flaky-not-named",
        deferrable=False,
        retries=2,
        retry_on=["cancelled"],
        poll=QUICK,
    )

with DAG("unclear", schedule=None):
    AftJobOperator(task_id="lost", script_name="lost", retries=2, retry_delay=timedelta(seconds=0))
    AftJobOperator(task_id="again", script_name="lost once", on_ambiguous="resubmit", deferrable=False, poll=QUICK)

with DAG("clocks", schedule=None):
    AftJobOperator(task_id="timeout", script_name="long", timeout=5, deferrable=True, poll=QUICK, **AGAIN)
    AftJobOperator(task_id="queue", script_name="stuck", queue_timeout=5, deferrable=True, poll=QUICK, **AGAIN)
    AftJobOperator(
        task_id="execution", script_name="long", execution_timeout=timedelta(seconds=20), deferrable=True, poll=QUICK
    )

with DAG("forgiven", schedule=None):
    forgiven = AftJobOperator(task_id="bad", script_name="bad", allow_failure=True, deferrable=False, poll=QUICK)
    forgiven >> AftJobOperator(task_id="after", script_name="load", wait=False)

with DAG("sensed", schedule=None):
    started = AftJobOperator(task_id="started", script_name="short", wait=False)
    job = "{{ ti.xcom_pull(task_ids='started', key='job_id') }}"
    started >> [
        AftJobSensor(task_id="poking", job_id=job, deferrable=False, poke_interval=1, outputs={"out": "result"}),
        AftJobSensor(task_id="rescheduled", job_id=job, deferrable=False, mode="reschedule", poke_interval=1),
        AftJobSensor(task_id="deferred", job_id=job, deferrable=True, **AGAIN),
    ]
    started >> AftJobSensor(task_id="nobody", job_id="no-such-job", deferrable=True, timeout=5)

with DAG("killed", schedule=None):
    once_more: dict[str, Any] = {"retries": 1, "retry_delay": timedelta(seconds=0), "aft_conn_id": "aft_held"}
    AftJobOperator(task_id="posting", script_name="slow post", **once_more)
    AftJobOperator(task_id="waiting", script_name="waited for", deferrable=False, **once_more)

with DAG("many", schedule=None):
    AftJobOperator.partial(
        task_id="job", script_name="one of many", deferrable=True, aft_conn_id="aft_held", **AGAIN
    ).expand(job_params=[{"n": str(number)} for number in range(8)])
