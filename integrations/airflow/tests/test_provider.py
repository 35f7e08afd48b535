"""What Airflow knows of the provider: its listing, the connection form, the test button."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from airflow.providers_manager import _create_provider_info_schema_validator

import aftrun
from aftrun.sandbox.server import Sandbox
from aftrun_airflow.provider import get_provider_info
from tests.conftest import KEY
from tests.world import World


def test_airflow_lists_the_provider(world: World) -> None:
    """By its entry point."""
    listed = world.get("/providers", limit=500)["providers"]
    (found,) = [each for each in listed if each["package_name"] == "aftrun-airflow"]
    assert found["description"].startswith("Jobs of Syncplify AFT!")
    assert found["version"] == aftrun.__version__


def test_the_description_is_what_airflow_expects() -> None:
    """Airflow has a schema for it, and warns about everything else."""
    make: Any = _create_provider_info_schema_validator
    make().validate(get_provider_info())


def test_the_form_shows_what_a_connection_takes(world: World) -> None:
    """The password is called API key; certificate fields are there; what has no meaning is not."""
    (form,) = [
        each
        for each in world.client.get("/ui/connections/hook_meta").json()
        if each["connection_type"] == "aft"
    ]  # fmt: skip
    assert form["standard_fields"]["password"]["title"] == "API key"
    assert form["standard_fields"]["login"]["hidden"]
    assert {"fingerprint", "caFile", "jobInfo", "jobUrl"} <= set(form["extra_fields"])


@pytest.mark.parametrize(
    ("key", "pin", "good", "says"),
    [
        (KEY, None, True, "accepted for reading jobs"),
        ("a wrong key", None, False, "allow-list"),
        (KEY, "sha256:" + "0" * 64, False, "not the pinned one"),
    ],
)
def test_the_test_button_looks_and_starts_nothing(
    world: World, server: Sandbox, key: str, pin: str | None, good: bool, says: str
) -> None:
    """Certificate and key are tried; no job is created."""
    jobs = len(server.jobs())
    answer = world.post(
        "/connections/test",
        {
            "connection_id": "tried",
            "conn_type": "aft",
            "host": "127.0.0.1",
            "port": server.port,
            "password": key,
            "extra": json.dumps({"fingerprint": pin or server.fingerprint}),
        },
    )
    assert answer["status"] is good, answer
    assert says in answer["message"]
    assert key not in answer["message"]
    assert len(server.jobs()) == jobs


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"host": ""}, "names no host"),
        ({"password": ""}, "has no API key"),
        ({"extra": '{"fingerprnt": "x"}'}, "did you mean 'fingerprint'"),
        ({"extra": '{"jobInfo": "{"}'}, "is no JSON"),
        ({"extra": '{"jobInfo": "{\\"status\\": \\"][\\"}"}'}, "JMESPath"),
    ],
)
def test_the_test_button_says_what_is_wrong(world: World, change: dict[str, str], says: str) -> None:
    """In words, before anything is sent."""
    tried = {
        "connection_id": "tried",
        "conn_type": "aft",
        "host": "127.0.0.1",
        "port": 1,
        "password": "k",
        "extra": "{}",
    }
    answer = world.post("/connections/test", {**tried, **change})
    assert not answer["status"]
    assert says in answer["message"]


def test_reading_the_description_costs_no_airflow() -> None:
    """Airflow reads it in every process, so it must import next to nothing."""
    seen = "print('airflow.sdk' in sys.modules, 'requests' in sys.modules)"
    code = f"import sys, aftrun_airflow.provider as p; p.get_provider_info(); {seen}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
