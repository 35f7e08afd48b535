"""Markdown, rendered by a CommonMark renderer as a browser would get it."""

from __future__ import annotations

from html import unescape

import pytest
from markdown_it import MarkdownIt

from aftrun.domain.model import RunReport
from aftrun.domain.text import clean, one_line
from aftrun.report.facts import labels
from aftrun.report.markdown import code, plain, render
from tests.unit.report_samples import NASTY, big, nasty, run, sample

HTML = MarkdownIt("commonmark").enable(["table", "strikethrough"])
"""With raw HTML let through, as GitHub does before it filters: nothing of ours may come out as HTML."""


@pytest.mark.parametrize("report", [sample(), nasty()], ids=["sample", "nasty"])
def test_every_job_is_one_row_of_the_table(report: RunReport) -> None:
    """Pipes and newlines in texts break no row."""
    page = HTML.render(render(report))
    assert page.count("<tr>") == len(report.jobs) + 1
    assert page.count("<td") == 5 * len(report.jobs)


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_text_is_shown_as_it_is(text: str) -> None:
    """Neither links, nor emphasis, nor HTML come of it."""
    shown = one_line(text)
    assert HTML.render(f"x {plain(text)}").strip() == f"<p>x {escaped(shown)}</p>"
    assert HTML.render(f"x {code(text)}").strip() == f"<p>x <code>{escaped(shown)}</code></p>"
    table = HTML.render(f"| a | b |\n| --- | --- |\n| {plain(text)} | {code(text, cell=True)} |")
    assert f"<td>{escaped(shown)}</td>" in table
    assert f"<td><code>{escaped(shown)}</code></td>" in table


def escaped(text: str) -> str:
    """As the renderer escapes text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def test_bad_ends_come_first_with_their_whole_message() -> None:
    """What a reader opens the page for."""
    text = render(sample())
    page = unescape(HTML.render(text))
    assert text.startswith("## ❌ nightly: unknown\n\n12 jobs in 2m5s: 1 succeeded")
    assert page.index("<h3>❌ load[eu]: failed</h3>") < page.index("<table>")
    assert "HTTP 401\ncheck the key" in text
    assert "(allowed)" in text
    assert "<h3>⚠️ flaky" not in page


def test_a_run_that_goes_on_or_went_well_says_so() -> None:
    """The first line is the verdict."""
    assert render(run(exit_code=0)).startswith("## ✅")
    assert render(run(outcome="running", exit_code=None, seconds=None)).startswith("## ⏳")


def test_rows_can_be_limited_and_the_bad_ones_are_kept() -> None:
    """Summaries have a largest size."""
    text = render(big(), jobs=100)
    assert text.count("\n| ") == 102
    assert "9900 more jobs are not shown here." in text
    assert text.count("| ❌ failed |") == 100


def test_clean_text_is_left_alone_and_the_rest_is_legible() -> None:
    """What is not seen is written out; what is seen stays."""
    assert clean("plain text") == "plain text"
    assert clean("عربى 漢字 😀\tx\n") == "عربى 漢字 😀\tx\n"
    assert clean("a\x1b[1;31mb\x1b[0m\x1b]8;;http://x\x07c\x1b(B") == "abc"
    assert clean("a\x07b\u202ec\ud800\r\nd\re") == "a\\u0007b\\u202ec\\ud800\nd\ne"
    assert clean("\U000e0041") == "\\U000e0041"
    assert one_line("  a\n b\u2028c ", 3) == "a …"


def test_labels_are_short_where_they_can_be() -> None:
    """And never the same twice."""
    found = labels(nasty())
    assert len(set(found)) == len(found)
    assert all("\n" not in label for label in found)
