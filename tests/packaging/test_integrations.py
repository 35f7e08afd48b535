"""What lies under `integrations/`: each file judged by a reader of its own kind, and its aftrun commands by aftrun."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tree_sitter
import tree_sitter_groovy
import xmlschema
import yaml

from aftrun.sandbox.server import Sandbox
from tests.conftest import ROOT, Run, reach
from tests.docs.blocks import blocks
from tests.packaging.tools import run, tool

HERE = ROOT / "integrations"
UNITS = HERE / "systemd"
TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


def gitlab(**inputs: str) -> dict[str, Any]:
    """The jobs of GitLab's template with its inputs filled in, as GitLab fills them in."""
    text = (HERE / "gitlab" / "aftrun.gitlab-ci.yml").read_text(encoding="utf-8")
    header = next(yaml.safe_load_all(text))
    for name, each in header["spec"]["inputs"].items():
        text = text.replace(f"$[[ inputs.{name} ]]", inputs.get(name) or each["default"])
    assert "$[[" not in text
    jobs: dict[str, Any] = list(yaml.safe_load_all(text))[1]
    return jobs


def test_gitlabs_template_follows_gitlabs_schema(tmp_path: Path) -> None:
    """The header and what it makes, each by the schema that GitLab publishes."""
    header = (HERE / "gitlab" / "aftrun.gitlab-ci.yml").read_text(encoding="utf-8").partition("\n---\n")[0]
    (tmp_path / "header.yml").write_text(header, encoding="utf-8")
    (tmp_path / "jobs.yml").write_text(yaml.safe_dump(gitlab(manifest="m.yaml")), encoding="utf-8")
    schema = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    run([tool("check-jsonschema"), *schema, tmp_path / "header.yml", tmp_path / "jobs.yml"])


def test_gitlabs_script_runs_and_leaves_the_files_that_it_names(
    sandbox: Callable[..., Sandbox], aftrun: Run, tmp_path: Path
) -> None:
    """The template's own command line against a sandbox; the manifest's name has a blank."""
    (job,) = gitlab(manifest="my jobs.yaml").values()
    assert job["retry"] == 0, "starting a job again would start transfers again"
    (tmp_path / "my jobs.yaml").write_text("scriptName: x\n", encoding="utf-8")
    command = job["script"][-1].replace("$AFT_MANIFEST", job["variables"]["AFT_MANIFEST"])
    words = shlex.split(command)
    server = sandbox()
    done = aftrun(*words[1:-2], *reach(server), *words[-2:], env={"GITLAB_CI": "true", "AFT_API_KEY": server.api_key})
    assert done.code == 0, done.err
    assert "section_start" in done.out + done.err
    for path in (*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]):
        assert (tmp_path / path).stat().st_size


def test_azures_pipeline_follows_its_schema() -> None:
    """The schema of Azure Pipelines; its patterns are not those of ECMAScript, hence the variant."""
    path = HERE / "azure" / "azure-pipelines.yml"
    run([tool("check-jsonschema"), "--builtin-schema", "vendor.azure-pipelines", "--regex-variant", "python", path])


def groovy(source: bytes) -> tree_sitter.Node:
    """The root of a parse of Groovy."""
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_groovy.language()))
    return parser.parse(source).root_node


def test_the_jenkinsfile_is_groovy_and_keeps_the_key_out_of_its_strings() -> None:
    """It parses, a broken one does not, and what holds the secret is a string that Groovy does not look into."""
    source = (HERE / "jenkins" / "Jenkinsfile").read_bytes()
    assert groovy(source.replace(b"stages {", b"stages {{ (", 1)).has_error
    assert not groovy(source).has_error
    text = source.decode()
    assert [each for each in ("pipeline", "agent", "stages", "stage", "steps", "post") if f"{each}" not in text] == []
    assert "AFT_API_KEY" in text
    assert '"""' not in text
    assert not re.search(r'sh\s+"', text), "double quotes would put variables into the script's text"


def test_results_of_an_earlier_build_are_not_shown_again() -> None:
    """A run that sends nothing writes no reports, so old ones in a folder that is kept would pass for its own."""
    jenkins = (HERE / "jenkins" / "Jenkinsfile").read_text(encoding="utf-8")
    assert -1 < jenkins.find("sh 'rm -f junit.xml report.html'") < jenkins.find("aftrun apply")
    azure = yaml.safe_load((HERE / "azure" / "azure-pipelines.yml").read_text(encoding="utf-8"))
    (shown,) = (each["inputs"] for each in azure["steps"] if each.get("task") == "PublishTestResults@2")
    assert shown["searchFolder"] == "$(Build.ArtifactStagingDirectory)", "what an agent empties at each start"
    assert f'--report-junit "{shown["searchFolder"]}/{shown["testResultsFiles"]}"' in commands()["azure"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that looks like a system with aftrun and its units."""
    system = tmp_path / "etc" / "systemd" / "system"
    system.mkdir(parents=True)
    for path in UNITS.iterdir():
        shutil.copy(path, system)
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr" / "lib" / "systemd" / "system", symlinks=True)
    program = tmp_path / "opt" / "aftrun" / "bin" / "aftrun"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    return tmp_path


def test_systemd_accepts_the_units_and_calls_them_safe(root: Path) -> None:
    """`systemd-analyze verify` is silent; `security` sees little exposure (0 is none, 10 is all)."""
    analyze = tool("systemd-analyze")
    names = ("aftrun@nightly.service", "aftrun@nightly.timer")
    assert run([analyze, "verify", "--man=no", f"--root={root}", *names]).strip() == ""
    service = root / "etc" / "systemd" / "system" / "aftrun@.service"
    named = service.rename(service.with_name(names[0]))
    said = run([analyze, "security", "--offline=true", "--no-pager", named])
    level = re.search(r"Overall exposure level for \S+ ([\d.]+)", said)
    assert level is not None, said
    assert float(level[1]) < 2.0


def test_a_broken_unit_is_noticed(root: Path) -> None:
    """The check above can fail."""
    path = root / "etc" / "systemd" / "system" / "aftrun@.timer"
    path.write_text(path.read_text(encoding="utf-8").replace("OnCalendar=", "OnCalender="), encoding="utf-8")
    said = run([tool("systemd-analyze"), "verify", "--man=no", f"--root={root}", "aftrun@nightly.timer"], code=None)
    assert "OnCalender" in said


def test_the_scheduled_task_follows_the_task_schema() -> None:
    """Elements, their order and their values, as Microsoft documents them; one at a time, with few rights."""
    path = HERE / "windows" / "aftrun-nightly.xml"
    schema = xmlschema.XMLSchema(ROOT / "tests" / "data" / "task-scheduler.xsd")
    schema.validate(str(path))
    task = ET.parse(path).getroot()  # noqa: S314  # our own file
    assert task.findtext(f".//{TASK}MultipleInstancesPolicy") == "IgnoreNew"
    assert task.findtext(f".//{TASK}RunLevel") == "LeastPrivilege"
    context = task.find(f"{TASK}Actions")
    principal = task.find(f".//{TASK}Principal")
    assert context is not None
    assert principal is not None
    assert context.get("Context") == principal.get("id")


def commands() -> dict[str, str]:
    """Every aftrun command line under `integrations/`, by the file that it is in."""
    unit = (UNITS / "aftrun@.service").read_text(encoding="utf-8").replace("%i", "nightly")
    for name, value in (("CREDENTIALS_DIRECTORY", "cred"), ("STATE_DIRECTORY", "state")):
        unit = unit.replace(f"${{{name}}}", value)
    cron = (HERE / "cron" / "aftrun").read_text(encoding="utf-8").splitlines()[-1]
    arguments = ET.parse(HERE / "windows" / "aftrun-nightly.xml").getroot().findtext(f".//{TASK}Arguments")  # noqa: S314  # ours
    azure = yaml.safe_load((HERE / "azure" / "azure-pipelines.yml").read_text(encoding="utf-8"))
    jenkins = (HERE / "jenkins" / "Jenkinsfile").read_text(encoding="utf-8")
    compose = yaml.safe_load((HERE / "docker" / "compose.yaml").read_text(encoding="utf-8"))
    return {
        "systemd": unit.partition("ExecStart=")[2].splitlines()[0],
        "cron": cron.split(maxsplit=6)[6],
        "windows": str(arguments).partition('"')[2].partition(" >>")[0],
        "azure": next(each["script"] for each in azure["steps"] if each.get("name") == "night"),
        "jenkins": next(line for line in jenkins.splitlines() if "aftrun apply" in line).partition("'")[2].rstrip("'"),
        "compose": "aftrun " + shlex.join(compose["services"]["transfers"]["command"]),
    }


@pytest.mark.parametrize("where", ["systemd", "cron", "windows", "azure", "jenkins", "compose"])
def test_each_command_line_runs(where: str, sandbox: Callable[..., Sandbox], aftrun: Run, tmp_path: Path) -> None:
    """With its own flags, on a manifest of its own name, against a sandbox: exit 0 and one job on the server."""
    server = sandbox()
    line = commands()[where].replace("$(manifest)", "nightly.yaml").replace("$(Build.ArtifactStagingDirectory)", "out")
    words = [
        each.rpartition("/")[2] if each.startswith(("/etc/", "manifests/")) else each
        for each in shlex.split(line, posix=where != "windows")
    ]
    words = ["state" if each.startswith("/var/") else each for each in words]
    assert words[0].endswith(("aftrun", "aftrun.exe"))
    (tmp_path / "nightly.yaml").write_text("scriptName: x\n", encoding="utf-8")
    for env_file in (tmp_path / "nightly.env", tmp_path / "cred" / "env"):
        env_file.parent.mkdir(exist_ok=True)
        env_file.write_text(f"AFT_API_KEY={server.api_key}\n", encoding="utf-8")
    key = {} if "--env-file" in words else {"AFT_API_KEY": server.api_key}
    done = aftrun(*words[1:], *reach(server), env=key)
    assert done.code == 0, done.err
    assert len(server.jobs()) == 1


@pytest.mark.parametrize("where", ["gitlab", "azure", "jenkins"])
def test_what_a_stranger_brings_gets_no_key_from_a_ci_server(
    where: str, sandbox: Callable[..., Sandbox], aftrun: Run, tmp_path: Path
) -> None:
    """Each template takes its policy from outside the checkout; its own command line then refuses at file and line."""
    server = sandbox()
    template = "".join(path.read_text(encoding="utf-8") for path in (HERE / where).iterdir())
    assert "AFTRUN_POLICY" in template
    keeps_out = {
        "gitlab": '"merge_request_event"\n      when: never',
        "azure": "pr: none",
        "jenkins": "changeRequest()",
    }
    assert keeps_out[where] in template
    if where == "gitlab":
        (job,) = gitlab(manifest="nightly.yaml").values()
        line = job["script"][-1].replace("$AFT_MANIFEST", "nightly.yaml")
    else:
        line = commands()[where].replace("$(manifest)", "nightly.yaml").replace("manifests/", "")
    words = shlex.split(line.replace("$(Build.ArtifactStagingDirectory)", "out"))[1:]
    (tmp_path / "elsewhere").mkdir()
    policy = tmp_path / "elsewhere" / "policy.yaml"
    policy.write_text(f"servers: ['{server.url}']\nenv: [AFT_API_KEY]\nscripts: [x]\n", encoding="utf-8")
    (tmp_path / ".aftrun-policy.yaml").write_text("{}\n", encoding="utf-8")  # the stranger's own counts for nothing
    env = {"AFT_API_KEY": server.api_key, "OTHER": "t-0815-token", "AFTRUN_POLICY": str(policy)}
    pinned = f"server: {{url: '{server.url}', tls: {{fingerprint: '{server.fingerprint}'}}}}\n"
    for evil in (
        "server: {url: 'https://evil.invalid'}\nscriptName: x\n",
        f"{pinned}scriptName: x\nparams: {{a: '${{OTHER}}'}}\n",
        f"{pinned}scriptName: x\nparams: {{a: '${{file:/etc/passwd}}'}}\n".replace("scriptName: x", "scriptName: y"),
    ):
        (tmp_path / "nightly.yaml").write_text(evil, encoding="utf-8")
        done = aftrun(*words, env=env)
        assert done.code == 2, done.err
        assert "nightly.yaml:" in done.err
        assert "does not allow" in done.err
        assert not {server.api_key, "t-0815-token"} & set(re.split(r"\s", done.out + done.err))
    assert not server.jobs()
    (tmp_path / "nightly.yaml").write_text(f"{pinned}scriptName: x\n", encoding="utf-8")
    done = aftrun(*words, env=env)
    assert done.code == 0, done.err
    assert len(server.jobs()) == 1


def test_cron_is_silent_when_all_is_well_and_tells_when_it_is_not(
    sandbox: Callable[..., Sandbox], aftrun: Run, tmp_path: Path
) -> None:
    """Whatever is printed is mailed: nothing after a good night; the jobs and why after a bad one."""
    behaviours = [{"match": {"scriptName": "bad"}, "outcome": "failed"}]
    server = sandbox({"defaults": {"queue": "0s", "duration": "10ms"}, "behaviours": behaviours})
    manifest = tmp_path / "nightly.yaml"
    words = shlex.split(commands()["cron"].replace("/etc/aftrun/", "").replace("/var/lib/aftrun", "state"))
    (tmp_path / "nightly.env").write_text(f"AFT_API_KEY={server.api_key}\n", encoding="utf-8")
    manifest.write_text("scriptName: good\n", encoding="utf-8")
    quiet = aftrun(*words[1:], *reach(server))
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    manifest.write_text("scriptName: bad\n", encoding="utf-8")
    told = aftrun(*words[1:], *reach(server))
    assert (told.code, told.out) == (1, "")
    assert "bad (nightly.yaml:1:1): failed" in told.err
    manifest.write_text("scriptNam: bad\n", encoding="utf-8")
    wrong = aftrun(*words[1:], *reach(server))
    assert (wrong.code, wrong.out) == (2, "")
    assert "failed in" not in wrong.err  # that was the night before


def test_the_key_of_compose_is_a_file_that_the_manifest_can_read(
    sandbox: Callable[..., Sandbox], aftrun: Run, tmp_path: Path
) -> None:
    """The manifest line that the file's header recommends."""
    header = (HERE / "docker" / "compose.yaml").read_text(encoding="utf-8")
    line = next(each for each in header.splitlines() if "${file:" in each).lstrip("# ")
    compose = yaml.safe_load(header)
    assert compose["services"]["transfers"]["secrets"] == ["aft_api_key"]
    assert "/run/secrets/aft_api_key" in line
    server = sandbox()
    (tmp_path / "key").write_text(server.api_key + "\n", encoding="utf-8")
    text = line.replace("/run/secrets/aft_api_key", "key") + "\nscriptName: x\n"
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    done = aftrun("apply", "m.yaml", *reach(server), "-o", "json")
    assert json.loads(done.out)["summary"]["succeeded"] == 1


def test_every_file_says_at_its_top_what_to_do_with_it() -> None:
    """A comment first, for whoever copies the file without its surroundings."""
    for path in HERE.rglob("*"):
        if path.is_file() and path.suffix != ".md" and HERE / "airflow" not in path.parents:  # a package, not to copy
            text = path.read_text(encoding="utf-8").removeprefix('<?xml version="1.0" encoding="UTF-8"?>\n')
            assert text.startswith(("#", "//", "<!--")), path
            assert "\r" not in text


def test_the_pipelines_of_the_documentation_follow_their_schemas(tmp_path: Path) -> None:
    """The blocks of docs/ci.md: GitHub's workflows, GitLab's jobs, Azure's steps, pre-commit's configuration."""
    schemas = {"jobs": "github-workflows", "transfers": "gitlab-ci", "include": "gitlab-ci", "steps": "azure-pipelines"}
    seen = []
    for number, block in enumerate(blocks(ROOT / "docs" / "ci.md")):
        if block.language != "yaml":
            continue
        path = tmp_path / f"{number}.yaml"
        data = yaml.safe_load(block.text)
        kind = "jobs" if isinstance(data, list) else next((each for each in schemas if each in data), "")
        whole = kind != "jobs" or block.text.startswith("on:")  # as in a file; else the beginning is left out
        steps = "jobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n" if isinstance(data, list) else ""
        path.write_text(block.text if whole else f"on: push\n{steps}{block.text}", encoding="utf-8")
        if kind:
            variant = ("--regex-variant", "python")
            run([tool("check-jsonschema"), "--builtin-schema", f"vendor.{schemas[kind]}", *variant, path])
        else:
            run([tool("pre-commit"), "validate-config", path])
        seen.append(kind or "pre-commit")
    assert set(seen) == {*schemas, "pre-commit"}
