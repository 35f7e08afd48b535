"""Whatever shows how long a job took shows the same: `JobResult.took`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from aftrun.cli.view import table
from aftrun.domain.model import JobResult, Outcome, RunReport
from aftrun.report import ci_teamcity, html, junit, markdown, metrics
from aftrun.report import json as json_report
from tests.unit.report_samples import START, attempt, job, run

TOOK = 3.25


def a_long_story() -> JobResult:
    """Retried, polled late: 62 s from the first submission until its end was noticed, 31.8 s since it was accepted."""
    tries = (attempt(1, 0.0, 0.2, 1.0, 20.0, Outcome.FAILED), attempt(2, 30.0, 30.2, 31.0, 62.0))
    return replace(job("load", attempts=tries), lasted=TOOK)


@pytest.mark.parametrize(
    ("show", "shown"),
    [
        (lambda report: table.render(report, colour=False), "  3.2s  "),
        (markdown.render, "| 3.2s |"),
        (junit.render, 'time="3.250"'),
        (html.render, '"d":3.25'),
        (lambda report: "\n".join(ci_teamcity.result(report)), "duration='3250'"),
        (metrics.render, 'aftrun_job_duration_seconds{manifest="nightly",job="load"} 3.25'),
        (json_report.render, '"tookSeconds": 3.25'),
    ],
    ids=["table", "markdown", "junit", "html", "teamcity", "prometheus", "json"],
)
def test_all_formats_show_one_time(show: Callable[[RunReport], str], shown: str) -> None:
    """Not the wall time with its retries, nor the late poll."""
    assert shown in show(run(a_long_story()))


def test_the_report_also_tells_the_whole_of_it() -> None:
    """`durationSeconds` stays what it was: from `startedAt` to `endedAt`."""
    (data,) = json.loads(json_report.render(run(a_long_story())))["jobs"]
    assert (data["durationSeconds"], data["tookSeconds"]) == (62.0, TOOK)


@pytest.mark.parametrize(
    ("change", "took"),
    [
        ({}, TOOK),
        ({"lasted": None}, 31.8),
        ({"lasted": None, "attempts": (attempt(accepted=None, running=None),)}, 62.0),
        ({"lasted": None, "ended_at": None}, None),
        ({"lasted": None, "attempts": (), "started_at": None}, None),
        ({"lasted": None, "ended_at": START}, 0.0),
    ],
    ids=["told", "noticed", "never accepted", "not ended", "never begun", "clock set back"],
)
def test_where_it_is_counted_from(change: dict[str, object], took: float | None) -> None:
    """From the acceptance where there was one; never below zero; nothing where an end of it was not seen."""
    found = replace(a_long_story(), **change).took  # type: ignore[arg-type]  # a table of fields
    assert found == (None if took is None else pytest.approx(took))
