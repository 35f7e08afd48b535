"""The hook for pre-commit: pre-commit itself fetches it from a git repository and runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.tools import clean, copy_tree, need_index, run, tool

GOOD = "name: good\njobs:\n  - scriptName: S3 relay\n    params: {destination: /archive}\n"
BAD = "name: bad\njobs:\n  - scriptName: S3 relay\n    parms: {destination: /archive}\n"


def commit(folder: Path) -> Path:
    """The folder as a git repository with everything in it."""
    env = clean(GIT_CONFIG_GLOBAL="/dev/null")
    name = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    run(["git", "init", "--quiet", "--initial-branch=main"], cwd=folder, env=env)
    run(["git", "add", "--all"], cwd=folder, env=env)
    run(["git", *name, "commit", "--quiet", "--message", "all"], cwd=folder, env=env)
    return folder


@pytest.fixture(scope="module")
def hook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository that holds aftrun, as GitHub would."""
    need_index()
    tool("git")
    return commit(copy_tree(tmp_path_factory.mktemp("hook") / "aftrun", without=("tests", "docs", "benchmarks")))


def test_the_hook_refuses_a_bad_manifest_with_its_line_and_lets_good_ones_pass(hook: Path, tmp_path: Path) -> None:
    """`pre-commit try-repo`: file and line of what is wrong; YAML that is no manifest is left alone."""
    env = clean(PRE_COMMIT_HOME=str(tmp_path / "cache"), PRE_COMMIT_COLOR="never")
    command = [tool("pre-commit"), "try-repo", str(hook), "aftrun-validate", "--all-files"]
    project = tmp_path / "project"
    (project / "manifests" / "more").mkdir(parents=True)
    (project / "manifests" / "good.yaml").write_text(GOOD, encoding="utf-8")
    (project / "manifests" / "more" / "good.yml").write_text(GOOD, encoding="utf-8")
    (project / "night.aft.yaml").write_text("scriptName: x\n", encoding="utf-8")
    (project / "mkdocs.yml").write_text("site_name: no manifest at all\n", encoding="utf-8")
    commit(project)
    passed = run(command, cwd=project, env=env)
    assert "check aftrun manifests" in passed
    assert "Passed" in passed

    (project / "manifests" / "bad.yaml").write_text(BAD, encoding="utf-8")
    run(["git", "add", "--all"], cwd=project)
    failed = run(command, cwd=project, env=env, code=1)
    assert "Failed" in failed
    assert "manifests/bad.yaml:4:" in failed
    assert "params" in failed, "it says what was meant"
    assert "mkdocs" not in failed
