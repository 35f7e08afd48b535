"""What many runs add up to: strips, rates, what is usual, slower, flaky, and what wants attention."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pytest

from aftrun.domain.model import Outcome, RunOutcome
from aftrun.domain.past import (
    MARKS,
    Concern,
    End,
    JobPast,
    RunPast,
    Verdict,
    gather,
    mark,
    percentile,
    usual,
    verdict,
    without_echoes,
)

DAY = 86_400.0
MONDAY = 1_767_600_000.0
"""2026-01-05, 08:00 UTC."""
WORDS = {
    "+": "succeeded",
    "x": "failed",
    "?": "unknown",
    "-": "skipped",
    "=": "upToDate",
    "t": "timedOut",
    "c": "cancelled",
}


def job(ends: str, seconds: Sequence[float | None] | None = None) -> JobPast:
    """A job that ended so, night after night."""
    times = [1.0] * len(ends) if seconds is None else seconds
    found = tuple(End(f"r{n:03}", WORDS[each], times[n]) for n, each in enumerate(ends))
    return JobPast("m", "a", found, {end.run: MONDAY + n * DAY for n, end in enumerate(found)}, {})


def test_every_outcome_has_a_verdict_and_a_mark() -> None:
    """One that is added later, too: it is never a success by oversight."""
    for outcome in (*Outcome, *RunOutcome):
        good = outcome.value in ("succeeded", "submitted")
        assert (verdict(outcome.value) is Verdict.GOOD) is good
        assert (mark(outcome.value) == "✓") is good
        assert len(mark(outcome.value)) == 1
    assert verdict("a word of next year") is Verdict.UNSURE
    assert mark("a word of next year") == "?"
    assert set(MARKS.values()) <= set("✓=·…!")


@pytest.mark.parametrize(
    ("ends", "runs", "failed", "rate", "strip"),
    [
        ("", 0, 0, None, ""),
        ("++++", 4, 0, 0.0, "✓✓✓✓"),
        ("+x+x", 4, 2, 0.5, "✓✗✓✗"),
        ("-=+-", 1, 0, 0.0, "·=✓·"),
        ("?++x", 4, 1, 0.25, "?✓✓✗"),
        ("tc++", 4, 2, 0.5, "✗✗✓✓"),
        ("---", 0, 0, None, "···"),
        ("x" + "+" * 25, 26, 1, 1 / 26, "✓" * 20),
    ],
)
def test_rates_count_only_runs_that_say_something(
    ends: str, runs: int, failed: int, rate: float | None, strip: str
) -> None:
    """Skipped and up-to-date ends say nothing of the job; unknown ends are neither success nor failure."""
    found = job(ends)
    assert (len(found.tried), len(found.failures), found.failure_rate, found.strip) == (runs, failed, rate, strip)


@pytest.mark.parametrize(
    ("seconds", "p50", "p95"),
    [([], None, None), ([3.0], 3.0, 3.0), ([1.0, 2.0], 1.0, 2.0), ([float(n) for n in range(1, 101)], 50.0, 95.0)],
)
def test_percentiles_are_times_that_were_seen(seconds: list[float], p50: float | None, p95: float | None) -> None:
    """By nearest rank."""
    assert (percentile(seconds, 0.5), percentile(seconds, 0.95)) == (p50, p95)


@pytest.mark.parametrize(
    ("seconds", "slower"),
    [
        ([1.0] * 7, False),
        ([1.0] * 5 + [60.0] * 2, False),  # seven successes are too few
        ([1.0] * 5 + [60.0] * 3, True),
        ([1.0] * 20 + [60.0], False),  # one night is chance
        ([1.0] * 20 + [60.0] * 2, True),
        ([0.5 + 2.5 * n / 11 for n in range(12)], True),  # half a second that grows to three
        ([60 + n for n in range(60)], True),
        ([0.1] * 10 + [0.4] * 3, False),  # within the time between two looks
        ([600.0] * 10 + [700.0] * 3, False),  # by less than a third
        ([10.0, 50.0] * 6 + [55.0] * 3, False),  # it always varied so
        ([60.0] * 10 + [1.0] * 10, False),
        ([30.0] * 300 + [90.0] * 30, True),
        ([30.0] * 30 + [90.0] * 300, False),  # that has been the usual for long
    ],
)
def test_slower_than_usual(seconds: list[float], slower: bool) -> None:
    """Robust: by median and spread, of eight successes at least."""
    found = job("+" * len(seconds), seconds)
    assert (found.slower is not None) is slower
    assert (Concern.SLOWER in [note.concern for note in found.notes]) is slower


def test_failures_have_no_say_in_what_is_usual() -> None:
    """A failure may come at once, or very late."""
    ends = "+x" * 12
    found = job(ends, [2.0 if each == "+" else 500.0 for each in ends])
    assert (found.p50, found.p95, found.slower) == (2.0, 2.0, None)


def test_what_is_usual() -> None:
    """The median, and the median distance from it."""
    assert usual([]) is None
    found = usual([1.0, 2.0, 3.0, 4.0, 5.0] * 3)
    assert found is not None
    assert (found.median, found.spread, found.high) == (3.0, 1.0, 5.0)
    assert not found.exceeded_by(7.0)
    assert found.exceeded_by(8.0)


@pytest.mark.parametrize(
    ("ends", "concerns"),
    [
        ("+" * 30, []),
        ("-" * 30, []),
        ("+++x", [Concern.FAILING]),
        ("xxxx", [Concern.FAILING]),
        ("+++x---", [Concern.FAILING]),  # it has not run since
        ("+x++", [Concern.FAILED]),
        ("x" + "+" * 20, []),  # long ago
        ("+?++", [Concern.UNKNOWN]),
        ("++?x", [Concern.FAILING, Concern.UNKNOWN]),
        ("x+x+", [Concern.FAILED]),
        ("+x+x+", [Concern.FAILED, Concern.FLAKY]),
        ("+x+x+" + "+" * 20, []),
        ("+x?x+", [Concern.UNKNOWN, Concern.FAILED]),
    ],
)
def test_what_wants_attention(ends: str, concerns: list[Concern]) -> None:
    """The most urgent first."""
    assert [note.concern for note in job(ends).notes] == concerns


def test_a_day_of_the_week_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all failures fell on it, and other runs on others; in the time of this machine."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert (
        job("++++++x" * 3).notes[0].text
        == "failed in the last 1 runs, in 3 of 21 runs".replace("in the last 1 runs", "when it last ran")
        + ", each on a Sunday"
    )
    assert "each on" not in job("++++++x" * 2).notes[0].text
    assert "each on" not in job("++++x+x" * 3).notes[0].text
    assert job("xx").notes[0].text == "failed in the last 2 runs, in 2 of 2 runs"


def run(
    name: str, outcome: str = "succeeded", manifests: tuple[str, ...] = ("m",), *, sandbox: bool = False
) -> RunPast:
    """One run, a day after the one before."""
    at = MONDAY + DAY * int(name[1:])
    return RunPast(name, at, at + 60, outcome, manifests, 1, {outcome: 1}, sandbox=sandbox)


def ends(**found: str) -> Mapping[str, list[End]]:
    """Ends by run."""
    return {"m/a": [End(name, word) for name, word in found.items()]}


def test_a_sandbox_is_apart() -> None:
    """Its times and its outcomes are made up."""
    runs = [run("r1"), run("r2", "failed", sandbox=True), run("r3")]
    past = gather(runs, ends(r1="succeeded", r2="failed", r3="succeeded").items())
    assert [(each.name, each.sandbox, each.strip) for each in past.manifests] == [("m", False, "✓✓"), ("m", True, "✗")]
    assert [job.strip for each in past.manifests for job in each.jobs] == ["✓✓", "✗"]
    assert past.attention() == ()


def test_a_manifest_answers_for_its_own_jobs_alone() -> None:
    """Of a run of two manifests, one of which failed."""
    both = ("m", "n")
    runs = [run("r1", "failed", both), run("r2", "unknown", both), run("r3", "stopped", both)]
    found = {
        "m/a": [End("r1", "failed"), End("r2", "succeeded")],
        "n/b": [End("r1", "succeeded"), End("r2", "unknown")],
    }
    past = gather(runs, found.items())
    assert [(each.name, each.outcomes) for each in past.manifests] == [
        ("m", ("failed", "succeeded", "stopped")),
        ("n", ("succeeded", "unknown", "stopped")),
    ]
    assert [each.failed for each in past.manifests] == [1, 0]


def test_names_with_slashes_find_their_manifest() -> None:
    """The longest name of a manifest that a key begins with."""
    runs = [run("r1", manifests=("a", "a/b"))]
    past = gather(runs, {"a/b/c": [End("r1", "succeeded")], "a/x": [End("r1", "failed")]}.items())
    assert [(job.manifest, job.name) for each in past.manifests for job in each.jobs] == [("a", "x"), ("a/b", "c")]


def test_runs_are_in_the_order_of_their_starts_whatever_their_ids_say() -> None:
    """Clocks are set back, and ids of other machines sort otherwise."""
    runs = [run("r9"), RunPast("r1", MONDAY + 20 * DAY, None, "running", ("m",), 1, {})]
    past = gather(runs, ends(r1="failed", r9="succeeded").items(), {("m/a", "r1"): "why"})
    (found,) = past.manifests[0].jobs
    assert found.strip == "✓✗"
    assert found.last_failure == End("r1", "failed")
    assert found.causes == {"r1": "why"}
    assert [each.seconds for each in past.runs] == [60.0, None]


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ("???", "???"),  # nobody knows yet, and each run said so
        ("+??", "+--"),  # settled where it was sent
        ("??+", "+--"),  # settled where that was asked last
        ("?x?", "x--"),
    ],
)
def test_what_one_run_sent_is_told_once(ends: str, told: str) -> None:
    """The runs after it sent nothing: what they said of it is no end of theirs."""
    nights = [End(str(number), WORDS[sign], 5.0) for number, sign in enumerate(ends)]
    found = without_echoes(nights, {"1": "0", "2": "0"})
    assert [end.outcome for end in found] == [WORDS[sign] for sign in told]
    assert [end.run for end in found] == ["0", "1", "2"]
    assert [end.unknown_then for end in found] == [a == "?" != b for a, b in zip(ends, told, strict=True)]
    assert without_echoes(nights, {}) == nights


def test_what_was_settled_counts_where_the_run_that_sent_it_is_forgotten() -> None:
    """Else nothing of it would be left; of two that were settled the last word counts."""
    nights = [End("1", "failed"), End("2", "unknown")]
    assert without_echoes(nights, {"1": "0", "2": "0"}) == [nights[0], End("2", "skipped", None, True)]
    other = [End("1", "unknown"), End("2", "succeeded", 1.0)]
    assert without_echoes(other, {"1": "0"}) == other
