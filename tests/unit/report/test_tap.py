"""TAP 14, read back by a TAP parser."""

from __future__ import annotations

from typing import Any

import pytest
from tap.parser import Parser  # type: ignore[import-untyped]  # it has no types

from aftrun.domain.model import RunReport
from aftrun.report.tap import render
from tests.unit.report_samples import nasty, run, sample


def points(report: RunReport) -> tuple[list[Any], list[Any]]:
    """The plan and the test points. The parser knows version 13, of which 14 is a superset as far as we write it."""
    text = render(report)
    assert text.startswith("TAP version 14\n1..")
    lines = list(Parser().parse_text(text.replace("TAP version 14", "TAP version 13", 1)))
    assert [line.category for line in lines if line.category == "unknown"] == []
    return [line for line in lines if line.category == "plan"], [line for line in lines if line.category == "test"]


@pytest.mark.parametrize("report", [run(), sample(), nasty()], ids=["empty", "sample", "nasty"])
def test_a_parser_finds_as_many_points_as_the_plan_announces(report: RunReport) -> None:
    """Whatever the texts, no line is taken for another."""
    plans, tests = points(report)
    assert [plan.expected_tests for plan in plans] == [len(report.jobs)]
    assert [test.number for test in tests] == list(range(1, len(report.jobs) + 1))


def test_ends_become_ok_not_ok_skip_and_todo() -> None:
    """The whole table of ends."""
    _, tests = points(sample())
    found = {test.description.removeprefix("- "): (test.ok, test.skip, test.todo) for test in tests}
    good, bad = (True, False, False), (False, False, False)
    assert found == {
        "extract": good,
        "load[eu]": bad,
        "check": bad,
        "stopped": bad,
        "refused": bad,
        "far": bad,
        "slow": bad,
        "lost": bad,
        "tell": (True, True, False),
        "flaky": (False, False, True),
        "fire": good,
        "going": bad,
    }


def test_details_are_yaml() -> None:
    """A harness reads them as data."""
    _, tests = points(sample())
    assert tests[0].yaml_block["durationSeconds"] == 62.0
    assert tests[1].yaml_block == {
        "outcome": "failed",
        "message": "exit code 3: no such file",
        "reason": "done",
        "manifest": "nightly",
        "at": "manifests/nightly.yaml:14:5",
        "server": "https://aft.example.com:44399",
        "jobId": "42",
        "startedAt": "2026-01-02T03:00:00.000Z",
        "durationSeconds": 5.0,
    }


def test_hash_and_backslash_are_escaped() -> None:
    """As the specification demands; a `#` would begin a directive."""
    text = render(nasty())
    assert "and \\# hash \\\\ backslash" in text
    assert all(ord(char) >= 32 or char == "\n" for char in text)
