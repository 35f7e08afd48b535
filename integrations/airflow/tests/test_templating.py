"""References and Jinja in one text."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from aftrun_airflow import AftJobOperator
from aftrun_airflow.prepare import Settings
from aftrun_airflow.session import Facts, Session
from aftrun_airflow.templating import BadReference, References


def rendered(context: Any = None, **params: Any) -> AftJobOperator:
    """An operator after rendering."""
    with DAG("d", schedule=None, params={"mine": 1}):
        task = AftJobOperator(task_id="t", script_name="s", params=params)
    given: Any = context or {}
    task.render_template_fields(given)
    return task


def test_people_see_references_and_the_manifest_gets_them() -> None:
    """What Jinja makes is plain text, and its `$` is escaped for the manifest."""
    task = rendered({"x": "${AFT_API_KEY} $$"}, a="${TOKEN}/{{ x }}", b="5 $$")
    assert task.job_params == {"a": "${TOKEN}/${AFT_API_KEY} $$", "b": "5 $"}
    assert task.settings().request == {
        "scriptName": "s",
        "params": {"a": "${TOKEN}/$${AFT_API_KEY} $$$$", "b": "5 $$"},
    }
    assert task.hidden == ("${TOKEN}",)


def test_the_params_are_the_jobs_and_not_the_dags() -> None:
    """Airflow's own `params` stay what they are."""
    task = rendered(a="1")
    assert task.job_params == {"a": "1"}
    assert "mine" in task.params
    assert "a" not in task.params


def test_numbers_stay_numbers() -> None:
    """The manifest's rules turn them into text, or not."""
    assert rendered(a=1, b=1.5, c=True).settings().request == {
        "scriptName": "s",
        "params": {"a": 1, "b": 1.5, "c": True},
    }


@pytest.mark.parametrize("text", ["${", "${NOT OPEN", "${{ run.id }}", "{{ '${TOKEN}' | upper }}"])
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    """Malformed references, those of manifests, and those that a filter has changed."""
    with pytest.raises(AirflowFailException, match="nothing was sent"):
        rendered(a=text)


def test_lists_and_marks_are_put_back() -> None:
    """All the way down."""
    references = References()
    taken = references.take_out({"a": ["${X}", 1], "b": "$$"})
    assert "${X}" not in str(taken)
    assert references.shown(taken) == {"a": ["${X}", 1], "b": "$"}
    assert references.for_manifest(taken) == {"a": ["${X}", 1], "b": "$$"}
    with pytest.raises(BadReference):
        references.shown(str(taken["a"][0]).upper())


def test_exactly_one_script() -> None:
    """It is said when the DAG is parsed."""
    with pytest.raises(ValueError, match="exactly one"):
        AftJobOperator(task_id="t", script_name="a", file_path="b")
    with pytest.raises(ValueError, match="exactly one"):
        AftJobOperator(task_id="t")


def session_of(server: dict[str, Any]) -> Session:
    """What the worker makes of a server that stands in the DAG file."""
    return Session(Settings(None, server), Facts("d", "r", "t", -1, 0, 1, 0.0, 0.0), logging.getLogger("test"))


def test_a_key_in_the_dag_file_goes_to_no_triggerer() -> None:
    """A trigger's arguments go into the database, so such a job is followed by the worker."""
    server: dict[str, Any] = {"url": "https://127.0.0.1:9", "headers": {"X-Token": "abcdef", "X-Site": "north"}}
    assert session_of({**server, "apiKey": "a literal key"}).literal_secrets == ("apiKey", "X-Token")
    assert session_of({"url": "https://127.0.0.1:9", "apiKey": "${PATH}"}).literal_secrets == ()
