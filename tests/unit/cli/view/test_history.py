"""Many runs on a terminal: it fits, and says which job it was."""

from __future__ import annotations

import pytest

from aftrun.cli.view import history as view
from aftrun.cli.view.table import width
from aftrun.domain.past import End, Past, RunPast, gather

START = 1_767_322_800.0
DAY = 86_400.0


def nights(count: int = 24, name: str = "nightly", jobs: int = 4) -> Past:
    """One job fails every fourth night, one gets slower."""
    ids = [f"2026{n:04}-030000-7f3a" for n in range(count)]
    runs = [
        RunPast(
            run,
            START + n * DAY,
            START + n * DAY + 600,
            "failed" if n % 4 == 3 else "succeeded",
            (name,),
            jobs,
            {"succeeded": jobs - 1, "failed": 1} if n % 4 == 3 else {"succeeded": jobs},
            ("backup",) if n % 4 == 3 else (),
        )
        for n, run in enumerate(ids)
    ]
    ends = {
        f"{name}/backup": [End(run, "failed" if n % 4 == 3 else "succeeded", 30.0) for n, run in enumerate(ids)],
        f"{name}/relay": [End(run, "succeeded", 0.5 + n / 4) for n, run in enumerate(ids)],
        **{f"{name}/{'copy' * 12}-{j}": [End(run, "succeeded", 4.0) for run in ids] for j in range(jobs - 2)},
    }
    causes = {(f"{name}/backup", run): f"exit code 3: {'no such file ' * 20}" for run in ids}
    return gather(runs, ends.items(), causes)


@pytest.mark.parametrize("columns", [80, 120, 200])
@pytest.mark.parametrize("name", ["n", "nightly", "漢字" * 40])
def test_everything_fits_the_width(columns: int, name: str) -> None:
    """With long names, wide characters and long causes."""
    past = nights(name=name)
    job = past.manifests[0].jobs[0]
    texts = [
        view.runs(past.runs, colour=False, columns=columns),
        view.one_job(job, 5, colour=False, columns=columns),
        view.overview(past, 20, colour=False, columns=columns),
        view.several(past.manifests[0].jobs, colour=False, columns=columns),
    ]
    for text in texts:
        assert [line for line in text.splitlines() if width(line) > columns] == []


def test_what_wants_attention_comes_first_and_says_why() -> None:
    """The failing job, its cause and its run; then the one that grew slower."""
    text = view.overview(nights(), 20, colour=False, columns=80)
    lines = text.splitlines()
    assert lines[0] == "nightly  ✓✓✓✗✓✓✓✗✓✓✓✗✓✓✓✗✓✓✓✗  6 of 24 runs failed"
    assert lines[2].startswith("backup")
    assert "25%" in lines[2]
    assert lines[3].strip() == "failed when it last ran, in 6 of 24 runs"
    assert "failed in run 20260023-030000-7f3a: exit code 3: no such file" in lines[5]
    assert lines[6].startswith("relay")
    assert lines[6].endswith("▁▂▃▄▅▆▇█"[-1])
    assert lines[7].strip() == "slower than usual: 6s of late, 1.9s before"


def test_a_run_names_the_jobs_that_did_not_succeed() -> None:
    """And counts what is open, of a run that was killed."""
    run = RunPast("r", START, None, "stopped", ("night",), 3, {"succeeded": 1, "failed": 1}, ("backup",), sandbox=True)
    text = view.runs([run], colour=False, columns=100)
    assert "1 failed (backup), 1 succeeded, 1 open" in text
    assert "night (sandbox)" in text
    text = view.runs([run], colour=False, columns=80)
    assert "✗ backup, …" in text or "✗ backup, ✓ 1" in text


def test_levels_begin_at_zero() -> None:
    """What hardly changes looks level, and nothing at all is no fault."""
    assert view.sparkline([]) == ""
    assert view.sparkline([0.0, 0.0]) == "▁▁"
    assert view.sparkline([100.0, 99.0, 101.0]) == "███"
    assert view.sparkline([1.0, 4.0, 8.0]) == "▂▅█"


def test_signs_become_letters_where_they_cannot_be_shown() -> None:
    """Not question marks or escapes."""
    text = view.overview(nights(), 20, colour=False, columns=80)
    assert view.plain(text, "utf-8") == text
    for encoding in ("ascii", "cp1252", None, "no such encoding"):
        view.plain(view.strip(["succeeded", "failed", "skipped"], colour=False), encoding).encode("ascii")


def test_colours_say_what_signs_say() -> None:
    """Green, red, and nothing where nobody wants it."""
    assert view.strip(["succeeded", "failed"], colour=True) == "\x1b[32m✓\x1b[0m\x1b[31m✗\x1b[0m"
    assert view.strip(["succeeded", "failed"], colour=False) == "✓✗"
