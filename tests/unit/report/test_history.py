"""Many runs as a page: what a reader finds without scripts, how long it is, and data for programs."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

from aftrun.domain.model import Outcome, RunOutcome
from aftrun.domain.past import End, RunPast, gather
from aftrun.report import past as data
from aftrun.report.history import LETTERS, page_data, render
from aftrun.report.page import TONES
from tests.unit.past_samples import SUNDAY, nasty, nights


def test_every_outcome_has_a_letter_and_a_tone() -> None:
    """Of jobs and of runs, also of those to come."""
    words = {*Outcome, *RunOutcome}
    assert {word.value for word in words} == set(LETTERS)
    assert len(set(LETTERS.values())) == len(LETTERS)
    assert set(LETTERS) <= set(TONES)


def test_what_wants_attention_is_there_without_scripts() -> None:
    """The failing job first, with its day of the week, its cause and a link to the run; then the slower one."""
    past = nights()
    text = render(past, {run.id: f"./runs/{run.id}/report.html" for run in past.runs})
    attention = text[text.index("Needs attention") : text.index("</section>")]
    assert attention.index("backup") < attention.index("relay")
    assert "failed in 9 of 60 runs, each on a Sunday" in attention
    assert "exit code 1: no space left on /archive" in attention
    assert 'href="./runs/20260056-030000-0038/report.html"' in attention
    assert re.search(r"slower than usual: \d+\.?\d*s of late, \d+\.?\d*s before", attention)
    assert "Nothing: no job failed" in render(gather([], ()))


def test_a_thousand_runs_of_fifty_jobs_are_a_short_page() -> None:
    """5 MB was the promise; a letter an end and three digits a time are less than one."""
    assert len(render(nights(1_000, 50)).encode()) < 1_000_000


def test_data_line_up() -> None:
    """A letter for each run of the manifest, a blank where the job was not in it, and causes once."""
    runs = [RunPast(f"r{n}", SUNDAY + n, SUNDAY + n + 5, "failed", ("m",), 2, {}) for n in range(3)]
    past = gather(
        runs,
        {"m/a": [End("r0", "succeeded", 1.23456), End("r2", "failed", 5.0)], "m/b": [End("r1", "failed")]}.items(),
        {("m/a", "r2"): "why", ("m/b", "r1"): "why"},
    )
    found: Any = page_data(past, {"r1": "x"})
    (manifest,) = found["manifests"]
    assert [job["e"] for job in manifest["jobs"]] == ["s f", " f "]
    assert [job["t"] for job in manifest["jobs"]] == [[1.23, None, 5], [None, None, None]]
    assert found["causes"] == ["why"]
    assert [run[6] for run in found["runs"]] == ["", "x", ""]


def test_nasty_texts_stay_texts() -> None:
    """In the page as markup, and in its data."""
    text = render(nasty(), {run.id: 'javascript:alert("1")' for run in nasty().runs})
    assert "<script>alert" not in text
    assert "<img" not in text
    assert text.count("</script>") == 3
    block = text[text.index('id="data">') + 10 :]
    json.loads(block[: block.index("</script>")])


def test_spreadsheets_get_text_and_no_formulas() -> None:
    """A cell that begins with a sign of theirs gets a quotation mark before it."""
    past = gather(
        [RunPast("r0", SUNDAY, None, "failed", ("=m",), 1, {}, ("@x",))],
        {"=m/+a": [End("r0", "failed", 2.5)]}.items(),
        {("=m/+a", "r0"): '=HYPERLINK("http://evil.example"), "quoted"\nand more'},
    )
    rows = list(csv.DictReader(io.StringIO(data.ends_csv(past.manifests[0].jobs))))
    assert rows == [
        {
            "manifest": "'=m",
            "job": "'+a",
            "run": "r0",
            "startedAt": "2026-01-04T03:00:00.000Z",
            "outcome": "failed",
            "seconds": "2.5",
            "message": '\'=HYPERLINK("http://evil.example"), "quoted" and more',
        }
    ]
    (run,) = csv.DictReader(io.StringIO(data.runs_csv(past.runs)))
    assert (run["manifests"], run["notSucceeded"], run["endedAt"]) == ("'=m", "'@x", "")
