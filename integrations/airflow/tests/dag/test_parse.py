"""What parsing a DAG file does, and does not: structure, errors, no network, no secrets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from aftrun_airflow.convert import Options, convert_file
from aftrun_airflow.export import export
from tests.dag.rig import environ
from tests.dag.test_outcomes import MANIFESTS
from tests.world import REPOSITORY, ROOT

PROBE = ROOT / "tests/dag/probe.py"


WIDE = """
server: {url: "https://${{ vars.host }}", tls: {caFile: certs/aft.pem}, headers: {X-Run: "${{ run.id }}"}}
vars: {host: "${AFT_HOST:-aft.example.com}", year: "2026"}
strategy: {order: parallel, failFast: true, finishBy: "06:00"}
defaults: {timeout: 90m, queueTimeout: 5m}
jobs:
  - name: a "quoted" job's name
    filePath: "/opt/${{ vars.year }}/x.syncjs"
    description: "two\\nlines"
    tags: [x, y]
    params: {pin: "${file:secrets/pin.txt}", no: "$$", "odd key": "'"}
    expect: ["exitCode == `0`"]
    outputs: {n: "length(files)"}
    onAmbiguous: resubmit
    correlation: ref
    concurrency: sftp
    retry: {limit: 3, on: [failed, rejected], backoff: {duration: 1m, factor: 3, cap: 10m}}
  - {name: import, scriptId: "7", needs: ['a "quoted" job''s name'], concurrency: sftp}
  - {name: b, scriptName: s, needs: [import], when: failure}
  - {name: c, scriptName: s, needs: [b, import]}
  - {name: 2nd, scriptName: s, when: always, needs: [c], wait: false}
"""


EXAMPLES = ("nightly", "fleet")
OPTIONS = {"wide": ('pools=True, pool="night", ', Options(pools=True, pool="night"))}

GOOD = "jobs: [{name: a, scriptName: s}]"
WRONG: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "misspelt": ("jobs: [{name: a, scriptNam: s}]", "", (".yaml:1:18", "scriptNam", "hint: did you mean")),
    "never": (
        "jobs:\n  - {name: a, scriptName: s, when: failure}",
        "",
        (".yaml:2:", "never run", "hint: give it needs"),
    ),
    "told": (
        f"notify: {{urls: ['json://x/y']}}\n{GOOD}",
        "",
        (".yaml:1:", "'notify'", "hint: use Airflow's callbacks"),
    ),
    "key": (f"server: {{apiKey: k}}\n{GOOD}", "", (".yaml:1:", "an API key stands", "hint: write")),
    "server": (GOOD, ", connections={'eu': 'x'}", ("no server 'eu'",)),
    "native": (GOOD, ", render_template_as_native_obj=True", ("1.10 would arrive as 1.1",)),
    "text": (GOOD, ", select='a'", ("write select=['a']",)),
}
"""Manifest, arguments of the call, and what is said about them."""

GROUPED = """
jobs:
  - {name: a, scriptName: s}
  - {name: b, scriptName: s, needs: [a], params: {id: "${{ jobs.a.id }}"}}
  - {name: c, scriptName: s, needs: [b], when: always}
"""
WITH_GROUPS = """
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, TaskGroup

with DAG("whole", schedule=None, default_args={"retries": 3}) as dag:
    with TaskGroup("night"):
        group = ManifestTaskGroup("grouped.yaml", group_id="jobs", connections="aft_eu")
    EmptyOperator(task_id="before") >> group >> EmptyOperator(task_id="after")
    ManifestTaskGroup("grouped.yaml", select=["a"])
"""

SECRET = 'server: {url: "${HOST:?which}", apiKey: "${file:pin.txt}"}\njobs: [{name: a, scriptName: "${NAME}"}]\n'

Found = Mapping[str, dict[str, Any]]


class Rounds:
    """The same folder of DAG files, parsed three times, each in a new process."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home, self.folder = home, folder
        self.files: dict[str, Path] = {}
        for name, text in {**self.examples(), **MANIFESTS, "wide": WIDE}.items():
            manifest = self.write(f"{name}.yaml", text)
            call, chosen = OPTIONS.get(name, ("", Options()))
            exported = export(convert_file(str(manifest), chosen).spec, schedule="@daily")
            self.files[f"{name} exported"] = self.write(f"{name}_exported.py", exported)
            self.add(name, f'manifest_dag("{name}.yaml", {call}schedule="@daily")')
        for name, (manifest_text, call, _) in WRONG.items():
            self.write(f"{name}.yaml", manifest_text)
            self.add(name, f'manifest_dag("{name}.yaml"{call})')
        self.write("grouped.yaml", GROUPED)
        self.add("grouped", WITH_GROUPS)
        self.write("pin.txt", "1234")
        self.write("secret.yaml", SECRET)
        self.add("secret", 'manifest_dag("secret.yaml")')
        self.write("common.yaml", "defaults: {timeout: 1h}\n")
        self.write("included.yaml", "include: [common.yaml]\njobs: [{name: a, scriptName: s}]\n")
        self.add("included", 'manifest_dag("included.yaml")')
        self.write("clock.yaml", 'jobs: [{name: a, scriptName: s, timeout: "${T:-1h}"}]\n')
        self.add("clock", 'manifest_dag("clock.yaml")')
        self.first = self.parse(["included", *self.files.keys() - {"included"}])
        self.second = self.parse(["included", "secret", "clock"])
        self.write("common.yaml", "defaults: {timeout: 2h}\n")
        self.write("secret.yaml", SECRET.replace("NAME", "OTHER"))
        self.third = self.parse(["included", "secret", "clock"], T="5m")

    @staticmethod
    def examples() -> dict[str, str]:
        """Those that come with aftrun."""
        return {name: (REPOSITORY / "manifests" / f"{name}.yaml").read_text(encoding="utf-8") for name in EXAMPLES}

    def write(self, name: str, text: str) -> Path:
        """A file."""
        (self.folder / name).write_text(text, encoding="utf-8")
        return self.folder / name

    def add(self, name: str, body: str) -> None:
        """A DAG file."""
        text = f"from aftrun_airflow import ManifestTaskGroup, manifest_dag\n\n{body}\n"
        self.files[name] = self.write(f"{name}_dag.py", text)

    def parse(self, names: Sequence[str], **extra: str) -> Found:
        """What Airflow finds in the files, by name; see `probe.py`."""
        done = subprocess.run(
            [sys.executable, str(PROBE), *(str(self.files[name]) for name in names)],
            cwd=self.home,
            env=environ(self.home, extra=extra),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return dict(zip(names, json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.fixture(scope="module")
def rounds(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Rounds:
    """Everything that these tests look at."""
    return Rounds(home, tmp_path_factory.mktemp("rounds"))


def a(found: Found, name: str) -> Any:
    """The task `a` of the only DAG of a file."""
    assert found[name]["errors"] == []
    (dag,) = found[name]["dags"].values()
    return dag["tasks"]["a"]


@pytest.mark.parametrize("name", [*MANIFESTS, *EXAMPLES, "wide"])
def test_the_exported_file_is_the_same_dag(rounds: Rounds, name: str) -> None:
    """An exported file and `manifest_dag` give the same tasks: ids, edges, rules, params, everything."""
    exported, live = rounds.first[f"{name} exported"], rounds.first[name]
    assert exported["errors"] == live["errors"] == []
    (one,), (other,) = exported["dags"].values(), live["dags"].values()
    assert one == other
    assert one["tasks"]


def test_nothing_is_asked_and_nothing_secret_is_read(rounds: Rounds) -> None:
    """No socket is opened for any file, no look is taken at a secret's file, and unset variables do not matter."""
    for found in (rounds.first, rounds.second, rounds.third):
        assert {name: each["sockets"] for name, each in found.items() if each["sockets"]} == {}
        assert [name for name in found["secret"]["opened"] if "pin.txt" in name] == []
    assert a(rounds.second, "secret")["script_name"] == "${NAME}"
    assert a(rounds.third, "secret")["script_name"] == "${OTHER}"


def test_the_second_parse_reads_no_yaml(rounds: Rounds) -> None:
    """What was made of a file is kept, and serves as long as the file, its includes and the options are the same."""
    assert "aftrun_airflow.convert" in rounds.first["included"]["loaded"]
    assert "aftrun_airflow.convert" not in rounds.second["included"]["loaded"]
    assert [a(found, "included")["timeout"] for found in (rounds.first, rounds.second)] == [3600, 3600]
    assert a(rounds.third, "included")["timeout"] == 7200


def test_a_timeout_from_the_environment_is_never_stale(rounds: Rounds) -> None:
    """Fields that must be known at once follow the environment of the process that parses."""
    assert a(rounds.second, "clock")["timeout"] == 3600
    assert a(rounds.third, "clock")["timeout"] == 300


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_an_import_error(rounds: Rounds, name: str) -> None:
    """Airflow shows file, line, cause and remedy."""
    (error,) = rounds.first[name]["errors"]
    assert all(text in error for text in WRONG[name][2]), error


def test_a_group_stands_between_tasks(rounds: Rounds) -> None:
    """Ids get the group's before them, in templates too; what follows the group follows its last tasks."""
    assert rounds.first["grouped"]["errors"] == []
    tasks: Mapping[str, Any] = rounds.first["grouped"]["dags"]["whole"]["tasks"]
    assert tasks["night.jobs.a"]["upstream"] == ["before"]
    assert tasks["night.jobs.b"]["job_params"] == {
        "id": "{{ '' + ti.xcom_pull(task_ids='night.jobs.a', key='job_id') }}"
    }
    assert tasks["after"]["upstream"] == ["night.jobs.outcome"]
    assert tasks["night.jobs.a"]["aft_conn_id"] == "aft_eu"
    assert tasks["night.jobs.a"]["server"] is None
    assert (tasks["night.jobs.a"]["retries"], tasks["night.jobs.a"]["retry_on"]) == (3, [])
    assert tasks["grouped.a"]["script_name"] == "s"
