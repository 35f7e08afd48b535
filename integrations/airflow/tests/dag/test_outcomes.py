"""Manifests as DAGs: each task ends as the job does under `aftrun apply`, and the server gets the same requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from aftrun.domain.model import Json
from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from tests.dag.rig import WITH_PIN, apply, bodies, run_dags

SCENARIO: Mapping[str, Json] = {
    "defaults": {"queue": "0s", "duration": "10ms", "outputs": {"count": 12, "word": "a${AFT_API_KEY}{{ run_id }}$$b"}},
    "behaviours": [
        {"match": {"scriptName": "bad*"}, "outcome": "failed", "message": "no such folder"},
        {"match": {"scriptName": "gone"}, "outcome": "cancelled"},
        {"match": {"scriptName": "flaky*"}, "flaky": {"failFirst": 1}},
        {"match": {"params": {"region": "us"}}, "outcome": "failed"},
    ],
}

SIDE_BY_SIDE = """
strategy: {order: parallel, maxParallel: 8}
jobs:
  - {name: good, scriptName: good, outputs: {count: count, word: word}}
  - {name: bad, scriptName: bad}
  - {name: spared, scriptName: bad too, allowFailure: true}
  - {name: after good, scriptName: s1, needs: [good, spared]}
  - {name: after bad, scriptName: s2, needs: [good, bad]}
  - {name: always, scriptName: s3, needs: [after bad], when: always}
  - {name: on failure, scriptName: s4, needs: [good, bad], when: failure}
  - {name: not needed, scriptName: s5, needs: [good], when: failure}
  - {name: after not needed, scriptName: s6, needs: [not needed, good]}
  - {name: tidy up, scriptName: s7, needs: [after bad], when: failure}
  - name: load
    scriptName: s8
    needs: [good]
    matrix: {region: [eu, us], year: [25, 26]}
    params: {region: "${{ matrix.region }}"}
  - {name: after load, scriptName: s9, needs: [load]}
  - {name: "after load[eu]", scriptName: s10, needs: ["load[eu,25]"]}
  - {name: gone, scriptName: gone}
  - {name: let go, scriptName: s11, wait: false, needs: [good]}
  - name: again
    scriptName: flaky
    retry: {limit: 2, backoff: {duration: 0s, factor: 1}}
  - name: values
    scriptName: "s12 ${{ vars.year }}"
    needs: [good]
    params:
      id: "${{ jobs.good.id }}"
      count: "${{ jobs.good.outputs.count }}"
      word: "${{ jobs.good.outputs.word }}"
      secret: "a ${UPSTREAM_TOKEN} b"
      host: "${{ vars.host }}/x"
      jinja: "{{ ds }} {% raw %} {# no #} {{{ $$ $X $${Y} 50%}"
      lines: "one\\r\\ntwo\\n"
      odd: "'\\\\ \\u2028 \\U0001F600 ${{ vars.year }}{"
      number: 007
  - {name: apart 1, scriptName: s13, concurrency: ftp, needs: [bad]}
  - {name: apart 2, scriptName: s14, concurrency: ftp, needs: [good]}
vars: {year: "2026", host: "${UPSTREAM_HOST:-there}"}
"""

ONE_BY_ONE = """
strategy: {failFast: FAST}
jobs:
  - {name: one, scriptName: s1}
  - {name: two, scriptName: bad}
  - {name: three, scriptName: s3}
  - {name: four, scriptName: s4, when: always}
  - {name: five, scriptName: s5, needs: [two], when: failure}
  - {name: six, scriptName: s6, needs: [one], when: failure}
  - {name: seven, scriptName: s7, needs: [one]}
  - {name: eight, scriptName: s8, needs: [two], when: always}
"""

FAST_SIDE_BY_SIDE = """
strategy: {order: parallel, maxParallel: 8, failFast: true}
jobs:
  - {name: one, scriptName: bad}
  - {name: two, scriptName: s2, needs: [one], when: always}
  - {name: three, scriptName: s3, needs: [two]}
  - {name: four, scriptName: s4, needs: [three], when: failure}
"""

TYPED = """
jobs:
  - {name: typed, scriptName: s1, params: {n: 12, f: 1.50, yes: true, t: "12", d: 2026-01-02}}
"""

IN_A_GROUP = """
strategy: {order: parallel, maxParallel: 8, failFast: true}
jobs:
  - {name: one, scriptName: s1, outputs: {count: count}}
  - {name: two, scriptName: s2, needs: [one], when: failure}
  - {name: three, scriptName: s3, needs: [one, two]}
  - name: four
    scriptName: s4
    needs: [one]
    params: {id: "${{ jobs.one.id }}", count: "${{ jobs.one.outputs.count }}", run: x}
  - {name: five, scriptName: bad, needs: [four, three], when: always}
  - {name: six, scriptName: s6, needs: [seven]}
  - {name: seven, scriptName: s7, needs: [five], when: always}
"""

DOCUMENTS = """
name: first
jobs: [{name: extract, scriptName: s1}, {name: "load it", scriptName: FIRST, needs: [extract]}]
---
name: second
SERVER
jobs:
  - {name: extract, scriptName: s3, params: {from: "${{ run.date:%Y }}"}}
  - {name: ship, scriptName: s4, needs: [extract], when: always, params: {id: "${{ jobs.extract.id }}"}}
"""

MANIFESTS = {
    "side_by_side": WITH_PIN + SIDE_BY_SIDE,
    "fast": WITH_PIN + ONE_BY_ONE.replace("FAST", "true"),
    "slow": WITH_PIN + ONE_BY_ONE.replace("FAST", "false"),
    "fast_side_by_side": WITH_PIN + FAST_SIDE_BY_SIDE,
    "in_a_group": WITH_PIN + IN_A_GROUP,
    "typed": WITH_PIN.replace("server: {", "server: {paramValues: json, ") + TYPED,
    "well": WITH_PIN + DOCUMENTS.replace("FIRST", "s2").replace("SERVER", WITH_PIN),
    "badly": WITH_PIN + DOCUMENTS.replace("FIRST", "bad").replace("SERVER", WITH_PIN),
}
EXTRA = {"UPSTREAM_TOKEN": "tok-${NOT}-{{ ds }}"}


DAG_FILE = """from aftrun_airflow import manifest_dag

dag = manifest_dag("{0}.yaml", dag_id="{0}")
"""
GROUP_FILE = """from airflow.sdk import DAG

from aftrun_airflow import ManifestTaskGroup

with DAG("in_a_group", schedule=None) as dag:
    ManifestTaskGroup("in_a_group.yaml", group_id="night")
"""


class Both:
    """The same manifests, run both ways, each against a server of its own."""

    def __init__(self, home: Path, start: Callable[[Mapping[str, Json]], Sandbox]) -> None:
        self.on_airflow, self.by_apply = start(SCENARIO), start(SCENARIO)
        folder, files = home / "dags", []
        for name, text in MANIFESTS.items():
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
            files.append(folder / f"{name}.py")
            files[-1].write_text(GROUP_FILE if name == "in_a_group" else DAG_FILE.format(name), encoding="utf-8")
        self.ends = dict(zip(MANIFESTS, run_dags(home, files, self.on_airflow, EXTRA), strict=True))
        self.reports = {name: apply(folder, folder / f"{name}.yaml", self.by_apply, EXTRA) for name in MANIFESTS}

    def expected(self, name: str) -> dict[str, str]:
        """The state of each job's task, from how the job ended under `aftrun apply`."""
        jobs = self.reports[name]["jobs"]
        alone = len({job["manifest"] for job in jobs}) == 1
        return {(job["name"] if alone else f"{job['manifest']}/{job['name']}"): _state(job, ALLOWED) for job in jobs}

    def found(self, name: str) -> dict[str, str]:
        """The same, from Airflow."""
        return {_job(task): state for task, state in self.ends[name].tasks.items() if not _is_gate(task)}


ALLOWED = {"spared"}
_JOBS = {"after_load__eu": "after load[eu]"}


def _job(task: str) -> str:
    """The job that a task stands for."""
    name = task.removeprefix("night.").replace(".", "/")
    if name.startswith("load__"):
        return "load[{},{}]".format(*name.removeprefix("load__").split("_"))
    return _JOBS.get(name, name.replace("_", " "))


def _is_gate(task: str) -> bool:
    return task.endswith(("-ended", "-failed", "-turn", "outcome"))


def _state(job: Mapping[str, Any], allowed: set[str]) -> str:
    outcome = job["outcome"]
    if outcome in ("succeeded", "submitted") or job["name"] in allowed:
        return "success"
    if outcome != "skipped":
        return "failed"
    return "skipped" if job["reason"] == "notNeeded" else "upstream_failed"


@pytest.fixture(scope="module")
def both(home: Path) -> Iterator[Both]:
    """Runs everything once."""
    with ExitStack() as stack:
        yield Both(home, lambda scenario: stack.enter_context(Sandbox(parse(dict(scenario)))))


@pytest.mark.parametrize("name", MANIFESTS)
def test_tasks_end_as_jobs_do(both: Both, name: str) -> None:
    """Success, failure, conditions, skips, allowed failures, matrices, fail-fast, several documents."""
    expected = both.expected(name)
    for job in {"fast_side_by_side": ["three"], "in_a_group": ["six"]}.get(name, []):
        # No edge says it, so the task looks when its turn comes, and fails.
        assert expected[job] == "upstream_failed"
        expected[job] = "failed"
    assert both.found(name) == expected


@pytest.mark.parametrize("name", MANIFESTS)
def test_runs_end_as_runs_do(both: Both, name: str) -> None:
    """A run is a success in Airflow exactly if it is one for aftrun, whatever ran last."""
    good = both.reports[name]["run"]["exitCode"] == 0
    assert both.ends[name].state == ("success" if good else "failed")


def test_the_server_gets_the_same_requests(both: Both) -> None:
    """Params, ids and outputs of other jobs arrive byte for byte; Jinja and references in them stay text."""
    assert bodies(both.on_airflow) == bodies(both.by_apply)
    assert any("tok-${NOT}-{{ ds }}" in body for body in bodies(both.on_airflow))
