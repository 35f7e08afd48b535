"""The file for Prometheus, read back by its own parser."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from aftrun.domain.model import Outcome, RunReport
from aftrun.report.facts import measures
from aftrun.report.metrics import render
from tests.unit.past_samples import nights
from tests.unit.report_samples import START, attempt, job, nasty, run, sample


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Name and labels of each sample, and its value."""
    found: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation
        for each in family.samples:
            key: tuple[Any, ...] = (each.name, *each.labels.values())
            assert key not in found, "no sample stands there twice"
            found[key] = each.value
    return found


def test_the_last_run_of_a_manifest() -> None:
    """Outcome, duration, counts."""
    found = samples(render(sample()))
    assert found["aftrun_last_run_success", "nightly"] == 0
    assert found["aftrun_last_run_exit_code", "nightly"] == 6
    assert found["aftrun_last_run_timestamp_seconds", "nightly"] == START + 125
    assert found["aftrun_last_run_duration_seconds", "nightly"] == 62
    assert found["aftrun_last_run_jobs", "nightly", "failed"] == 3
    assert found["aftrun_last_run_jobs", "nightly", "pending"] == 1
    assert found["aftrun_last_run_info", "nightly", "20260102-030000-7f3a", "unknown"] == 1
    assert ("aftrun_last_success_timestamp_seconds", "nightly") not in found


def test_the_last_success_is_kept_when_a_later_run_fails() -> None:
    """So that an alert can ask how long ago it was."""
    good = render(run(job("a")))
    bad = render(run(job("a", Outcome.FAILED), outcome="failed", exit_code=1, seconds=500), good)
    found = samples(bad)
    assert found["aftrun_last_success_timestamp_seconds", "nightly"] == START + 125
    assert found["aftrun_last_run_timestamp_seconds", "nightly"] == START + 500
    again = samples(render(run(job("a"), seconds=900), bad))
    assert again["aftrun_last_success_timestamp_seconds", "nightly"] == START + 900


def test_other_manifests_in_the_file_are_kept() -> None:
    """Several timers may share it."""
    weekly = render(run(job("a", manifest='week "ly"\\')))
    found = samples(render(sample(), weekly))
    assert found["aftrun_last_run_success", 'week "ly"\\'] == 1
    assert found["aftrun_last_run_success", "nightly"] == 0


def test_foreign_and_broken_lines_are_dropped() -> None:
    """The collector would refuse the whole file."""
    text = render(run(job("a")), 'other_metric 1\naftrun_last_run_success{manifest="x} 1\n\x00\nnonsense\n')
    assert "other_metric" not in text
    assert samples(text)["aftrun_last_run_success", "nightly"] == 1


@pytest.mark.parametrize(
    ("reason", "expected"), [("notNeeded", 1), ("needs", 0), ("finishBy", 0)], ids=["rightly", "needs", "late"]
)
def test_a_skipped_job_counts_by_its_reason(reason: str, expected: int) -> None:
    """`when: failure` and nothing failed is a success."""
    report = run(job("a"), job("b", Outcome.SKIPPED, reason=reason, attempts=()))
    assert samples(render(report))["aftrun_last_run_success", "nightly"] == expected


@pytest.mark.parametrize("report", [run(), nasty(), sample()], ids=["empty", "nasty", "sample"])
def test_it_can_always_be_read(report: RunReport) -> None:
    """Twice over the same file, too."""
    text = render(report)
    samples(text)
    assert render(report, text) == text


def test_measures_of_jobs_tell_of_earlier_runs() -> None:
    """The same names and values as in traces; a job that never ran before has its own time alone."""
    past = {job.key: job for each in nights(30).manifests for job in each.jobs}
    text = render(
        run(job("relay", attempts=(attempt(1, 0, 1, 2, 41),)), job("new"), job("late", None, attempts=())), "", past
    )
    told = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}
    assert told['aftrun_job_duration_seconds{manifest="nightly",job="relay"}'] == 40
    assert 20 < told['aftrun_job_usual_duration_seconds{manifest="nightly",job="relay"}'] < 50
    assert told['aftrun_job_failed_ratio{manifest="nightly",job="relay"}'] == 0
    assert 'aftrun_job_usual_duration_seconds{manifest="nightly",job="new"}' not in told
    assert not any('job="late"' in name for name in told)
    again = render(run(job("relay", manifest="weekly")), text)
    assert 'aftrun_job_duration_seconds{manifest="nightly",job="relay"} 40' in again
    bad = run(job("backup", Outcome.FAILED))
    assert measures(bad.jobs[0], past["nightly/backup"])["failed_ratio"] == 0.2
