"""JUnit XML: valid for Jenkins, readable for others, harmless whatever the texts."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import junitparser
import pytest
import xmlschema

from aftrun.domain.model import RunReport
from aftrun.report.junit import render
from tests.effort import effort
from tests.unit.report_samples import NASTY, big, job, nasty, run, sample

SCHEMA = Path(__file__).resolve().parents[2] / "data" / "junit.xsd"


@cache
def schema() -> Any:
    """The schema, read once."""
    return xmlschema.XMLSchema(str(SCHEMA))


def cases(report: RunReport) -> dict[str, Any]:
    """The test cases as junitparser reads them, by name."""
    suites = junitparser.JUnitXml.fromstring(render(report).encode())
    return {case.name: case for suite in suites for case in suite}


@pytest.mark.parametrize("report", [run(), sample(), nasty()], ids=["empty", "sample", "nasty"])
def test_the_file_fits_the_schema_that_jenkins_demands(report: RunReport) -> None:
    """What does not fit would be dropped as a whole."""
    schema().validate(render(report))


def test_one_case_a_job_with_manifest_time_and_unique_name() -> None:
    """The classname is the manifest; where two manifests share a job name, the name says which."""
    report = run(job("extract"), job("load"), job("extract", manifest="weekly"))
    suites = list(junitparser.JUnitXml.fromstring(render(report).encode()))
    assert [suite.name for suite in suites] == ["nightly", "weekly"]
    found = [(case.classname, case.name, case.time) for suite in suites for case in suite]
    assert found == [("nightly", "nightly/extract", 4.8), ("nightly", "load", 4.8), ("weekly", "weekly/extract", 4.8)]
    assert (suites[0].timestamp, suites[0].hostname) == ("2026-01-02T03:00:00.000Z", "aft.example.com:44399")


def test_failure_is_what_the_job_did_and_error_what_aftrun_could_not_do() -> None:
    """The whole table of ends."""
    found = {name: [type(each).__name__ for each in case.result] for name, case in cases(sample()).items()}
    assert found == {
        "extract": [],
        "load[eu]": ["Failure"],
        "check": ["Failure"],
        "stopped": ["Failure"],
        "refused": ["Error"],
        "far": ["Error"],
        "slow": ["Error"],
        "lost": ["Error"],
        "tell": ["Skipped"],
        "flaky": ["Skipped"],
        "fire": [],
        "going": ["Error"],
    }
    result = cases(sample())["check"].result[0]
    assert (result.type, result.message) == ("expect", "failed: expect did not hold: files > `0`")
    assert "manifests/nightly.yaml:18:5" in result.text
    assert cases(sample())["flaky"].result[0].type == "allowedFailure"


def test_the_counts_are_those_of_the_cases() -> None:
    """Suite and file agree with what stands below them."""
    suites = junitparser.JUnitXml.fromstring(render(sample()).encode())
    suite = next(iter(suites))
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (12, 3, 5, 2)
    assert (suites.tests, suites.failures, suites.errors) == (12, 3, 5)


def test_job_id_and_server_are_properties_and_stand_in_the_case() -> None:
    """Where the schema has room for them, and where a person looks."""
    suite = next(iter(junitparser.JUnitXml.fromstring(render(sample()).encode())))
    properties = {each.name: each.value for each in suite.properties()}  # type: ignore[no-untyped-call]  # so the parser has it
    assert properties["extract.id"] == "7"
    assert properties["extract.server"] == "https://aft.example.com:44399"
    assert properties["run"] == "20260102-030000-7f3a"
    assert "far.id" not in properties
    assert "job id: 6\njob id: 7" in cases(sample())["extract"].system_out


def test_nasty_texts_come_back_as_text_under_unique_names() -> None:
    """Nothing is lost but what XML cannot hold, and that is written out."""
    report = nasty()
    found = cases(report)
    assert len(found) == len(report.jobs)
    text = render(report)
    assert "\x1b" not in text
    assert "\u202e" not in text
    text.encode()
    assert found[f"0 {NASTY[0]}"].name == "0 <script>alert(1)</script>"
    assert any("\\u202e" in name for name in found)


def test_names_that_differ_in_nothing_visible_are_told_apart() -> None:
    """A CI would take two cases of one name for one."""
    found = cases(run(job("a\u200b"), job("a\x1b[0m"), job("a")))
    assert sorted(found) == ["a", "a (2)", "a\\u200b"]


def test_thousands_of_jobs_are_one_valid_looking_file() -> None:
    """Size is no trouble."""
    count = effort(quick=1_000, usual=2_000, long=10_000)
    assert len(cases(big(count))) == count
