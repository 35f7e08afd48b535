"""Which CI server it is, and the files that it gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from aftrun.cli.choices import DETECTED, Ci, detect
from aftrun.cli.view.ci import Speaker
from tests.unit.report_samples import START, sample


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, Ci.NONE),
        ({"CI": "true"}, Ci.NONE),
        ({"GITHUB_ACTIONS": "true", "CI": "true"}, Ci.GITHUB),
        ({"GITHUB_ACTIONS": "false"}, Ci.NONE),
        ({"GITLAB_CI": "true"}, Ci.GITLAB),
        ({"TF_BUILD": "True"}, Ci.AZURE),
        ({"TEAMCITY_VERSION": "2025.07"}, Ci.TEAMCITY),
        ({"JENKINS_URL": "https://ci.example.com"}, Ci.NONE),
    ],
)
def test_the_server_is_known_by_its_documented_variable(environ: dict[str, str], expected: Ci) -> None:
    """And by nothing else."""
    assert detect(environ) is expected


def test_githubs_files_are_added_to(tmp_path: Path) -> None:
    """Other commands of the same step may have written there before."""
    output, summary = tmp_path / "output", tmp_path / "summary"
    output.write_text("before=1\n")
    environ = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    lines, errors = Speaker(Ci.GITHUB, environ, tmp_path).result(sample(), tmp_path)
    assert errors == ()
    assert output.read_text(encoding="utf-8").startswith(
        "before=1\nrun-id=20260102-030000-7f3a\noutcome=unknown\nexit-code=6\nfailed<<"
    )
    assert summary.read_text(encoding="utf-8").startswith("## ❌ nightly: unknown\n")
    assert lines[0].startswith("::error file=manifests/nightly.yaml,line=14,")


def test_paths_are_relative_to_the_checkout(tmp_path: Path) -> None:
    """Wherever aftrun was started; outside of it they stay as they are."""
    (tmp_path / "deploy").mkdir()
    environ = {"GITHUB_WORKSPACE": str(tmp_path), "BUILD_SOURCESDIRECTORY": str(tmp_path / "other")}
    lines, _ = Speaker(Ci.GITHUB, environ, tmp_path / "deploy").result(sample(), tmp_path)
    assert "file=deploy/manifests/nightly.yaml," in lines[0]
    lines, _ = Speaker(Ci.AZURE, environ, tmp_path / "deploy").result(sample(), tmp_path)
    assert "sourcepath=manifests/nightly.yaml;" in lines[0]


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """And the annotations come all the same."""
    environ = {"GITHUB_OUTPUT": str(tmp_path / "missing" / "output")}
    lines, errors = Speaker(Ci.GITHUB, environ, tmp_path).result(sample(), tmp_path)
    assert lines
    assert "GITHUB_OUTPUT" in errors[0].message


def test_azure_uploads_the_summary_from_the_runs_folder(tmp_path: Path) -> None:
    """By its absolute path."""
    lines, errors = Speaker(Ci.AZURE, {}, tmp_path).result(sample(), tmp_path / "run")
    assert errors == ()
    assert lines[-1] == f"##vso[task.uploadsummary]{tmp_path / 'run' / 'summary.md'}"
    assert (tmp_path / "run" / "summary.md").read_text(encoding="utf-8").startswith("## ❌ nightly")


def test_azure_without_a_writable_folder_still_gets_its_issues(tmp_path: Path) -> None:
    """The summary alone is missing."""
    (tmp_path / "run").write_text("in the way")
    lines, errors = Speaker(Ci.AZURE, {}, tmp_path).result(sample(), tmp_path / "run")
    assert len(errors) == 1
    assert not any("uploadsummary" in line for line in lines)


@pytest.mark.parametrize(
    ("ci", "opening", "closing"),
    [
        (Ci.NONE, "", ""),
        (Ci.GITHUB, "::group::aftrun: what each job did", "::endgroup::"),
        (Ci.AZURE, "##[group]aftrun: what each job did", "##[endgroup]"),
        (
            Ci.TEAMCITY,
            "##teamcity[blockOpened name='aftrun: what each job did']",
            "##teamcity[blockClosed name='aftrun: what each job did']",
        ),
        (
            Ci.GITLAB,
            "\x1b[0Ksection_start:1767322800:aftrun[collapsed=true]\r\x1b[0Kaftrun: what each job did",
            "\x1b[0Ksection_end:1767322805:aftrun\r\x1b[0K",
        ),
    ],
)
def test_progress_can_be_folded(ci: Ci, opening: str, closing: str, tmp_path: Path) -> None:
    """Where the server knows how."""
    speaker = Speaker(ci, {}, tmp_path)
    assert (speaker.opening(START), speaker.closing(START + 5)) == (opening, closing)


def test_only_a_ci_server_gets_lines(tmp_path: Path) -> None:
    """A person at a terminal gets none."""
    assert Speaker(Ci.NONE, {}, tmp_path).result(sample(), tmp_path) == ((), ())
    assert Speaker(Ci.TEAMCITY, {}, tmp_path).result(sample(), tmp_path)[0][0].startswith("##teamcity[testSuiteStarted")


@pytest.mark.parametrize("ci", [each for each in Ci if each is not Ci.NONE])
def test_each_server_is_detected_and_has_its_module(ci: Ci, tmp_path: Path) -> None:
    """One that was forgotten somewhere would say nothing, and nobody would know."""
    variable, value = DETECTED[ci]
    assert detect({variable: value or "1"}) is ci
    speaker = Speaker(ci, {}, tmp_path)
    assert speaker.opening(0.0)
    assert speaker.closing(0.0)
    _, errors = speaker.result(sample(), tmp_path)
    assert errors == ()
