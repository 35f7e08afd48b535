"""The table at the end, and the lists of past runs."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from aftrun.cli.view import table
from aftrun.domain.model import JobResult, Outcome, RunReport
from aftrun.domain.values import Origin


def result(name: str, outcome: Outcome | None, *, manifest: str = "m", **changes: object) -> JobResult:
    """A job as a report has it."""
    job = JobResult(
        name=name,
        manifest=manifest,
        server="https://x",
        origin=Origin("m.yaml", 3, 5),
        request={"scriptName": name},
        outcome=outcome,
        phase="ended" if outcome else "running",
        started_at=100.0,
        ended_at=103.4 if outcome else None,
        job_id="42",
    )
    return replace(job, **changes)  # type: ignore[arg-type]  # checked by dataclasses itself


def report(*jobs: JobResult) -> RunReport:
    """A run of these jobs."""
    return RunReport(id="r", started_at=100.0, jobs=jobs, ended_at=110.0, outcome="failed", exit_code=1)


def test_one_line_a_job_in_order() -> None:
    """Name, outcome, time, id and the first line of the message."""
    text = table.render(
        report(result("a", Outcome.SUCCEEDED), result("b", Outcome.FAILED, message="disk is full\nfree some space")),
        colour=False,
    )
    assert text.splitlines() == [
        "JOB  OUTCOME    TIME  ID  MESSAGE",
        "a    succeeded  3.4s  42",
        "b    failed     3.4s  42  disk is full",
        "",
        "failed: 2 jobs in 10s: 1 succeeded, 1 failed",
    ]


def test_names_are_qualified_only_where_they_are_ambiguous() -> None:
    """`manifest/job` where two manifests have a job of that name."""
    text = table.render(report(result("a", None), result("a", None, manifest="n"), result("b", None)), colour=False)
    assert [line.split()[0] for line in text.splitlines()[1:4]] == ["m/a", "n/a", "b"]


def test_control_characters_do_not_reach_the_terminal() -> None:
    """Messages of a server can hold anything."""
    text = table.render(report(result("a", Outcome.FAILED, message="\x1b[2Jgone\r\x07")), colour=False)
    assert "\x1b" not in text
    assert "gone" in text


def test_a_message_is_cut_at_the_width_of_the_terminal() -> None:
    """With an ellipsis, and wide characters counted as two columns."""
    text = table.render(report(result("a", Outcome.FAILED, message="漢字" * 60)), colour=False, columns=60)
    line = text.splitlines()[1]
    assert line.endswith("…")
    assert table.width(line) <= 60


def test_what_has_not_ended_and_what_may_fail_is_said() -> None:
    """A phase in brackets, and `allowed` beside a forgiven failure."""
    text = table.render(report(result("a", None), result("b", Outcome.FAILED, allow_failure=True)), colour=False)
    assert "(running)" in text
    assert "failed, allowed" in text


@pytest.mark.parametrize(
    ("median", "expected"), [(3.4, "3.4s"), (1.0, "1s (×3.4)"), (20.0, "20s (×0.2)"), (0.5, "0.5s")]
)
def test_usual_times_stand_beside_the_seen_ones(median: float, expected: str) -> None:
    """The factor is shown only where it is far off, and not for very short jobs."""
    text = table.render(report(result("a", Outcome.SUCCEEDED)), colour=False, usual={"m/a": median})
    assert re.search(rf"3\.4s  {re.escape(expected)} +42", text)


def test_colours_are_in_the_outcome_only() -> None:
    """The columns still line up."""
    plain = table.render(report(result("a", Outcome.SUCCEEDED)), colour=False)
    coloured = table.render(report(result("a", Outcome.SUCCEEDED)), colour=True)
    assert "\x1b[32msucceeded" in coloured
    assert len(coloured) > len(plain)


def test_details_name_commit_and_warnings() -> None:
    """What stands above the table of `show`."""
    run = replace(report(), git=(("commit", "abcdef0123456789"), ("branch", "main")), warnings=("mind the gap",))
    text = table.details(run)
    assert "abcdef012345 main" in text
    assert "mind the gap" in text


def test_what_was_not_started_is_told_by_its_number() -> None:
    """After a Ctrl-C: a line for each job on the server, one for the 184 that were not started, and where they are."""
    going = [result(f"a{number}", None) for number in range(16)]
    idle = [result(f"b{number}", None, phase="pending", job_id=None, started_at=None) for number in range(184)]
    text = table.render(replace(report(*going, *idle), outcome="interrupted"), colour=False)
    assert text.splitlines()[16:] == [
        "a15  (running)        42",
        "and 184 more, not started",
        "",
        "interrupted: 200 jobs in 10s: 16 on the server, 184 not started",
    ]
    few = table.render(report(*going, *idle[:3]), colour=False)
    assert "b2" in few
    assert "more, not started" not in few


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        ("pending", "not started"),
        ("submitting", "perhaps sent"),
        ("deferred", "not delivered yet"),
        ("waiting", "between two attempts"),
        ("accepted", "on the server"),
        ("running", "on the server"),
    ],
)
def test_where_a_job_without_an_end_is(phase: str, words: str) -> None:
    """Nothing is being sent any more once the run was interrupted or killed."""
    run = replace(report(result("a", None, phase=phase)), outcome="interrupted")
    assert table.render(run, colour=False).endswith(f": 1 {words}\n")


def test_one_cause_stands_once_in_the_table() -> None:
    """Jobs that share it name the first; a short one is repeated."""
    why = "nothing listens at aft.example.com:44399: connection refused"
    bad = [result(name, Outcome.UNDELIVERED, message=why) for name in "abc"]
    text = table.render(report(*bad, result("d", Outcome.FAILED, message="exit code 1")), colour=False)
    assert text.count("connection refused") == 1
    assert [line.split()[-2:] for line in text.splitlines()[2:4]] == [["as", "a"], ["as", "a"]]


def test_earlier_ends_stand_beside_the_usual_time() -> None:
    """Where there are any; a job that never ran before has none."""
    run = report(result("a", Outcome.SUCCEEDED), result("b", Outcome.SUCCEEDED))
    lines = table.render(run, colour=False, usual={"m/a": 3.0}, strips={"m/a": "✓✗✓"}).splitlines()
    assert lines[0].split() == ["JOB", "OUTCOME", "TIME", "USUAL", "BEFORE", "ID", "MESSAGE"]
    assert "✓✗✓" in lines[1]
    assert "✓" not in lines[2]
    assert "BEFORE" not in table.render(run, colour=False, usual={}, strips={})
