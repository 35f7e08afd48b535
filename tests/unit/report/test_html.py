"""The HTML page as text; how it behaves is tested in a browser (tests/browser)."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from html.parser import HTMLParser

import pytest

from aftrun.domain.errors import UsageError
from aftrun.domain.model import Outcome, RunReport
from aftrun.report.html import page_data, render
from aftrun.report.page import TONES
from tests.unit.report_samples import NASTY, attempt, big, job, nasty, run, sample


class Page(HTMLParser):
    """The tags of a page, with their attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, str]] = []
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.tags.append((tag, dict(attrs)))
        self._in = tag if tag in ("script", "style") else ""

    def handle_data(self, data: str) -> None:
        """Keep what stands in scripts and styles."""
        if self._in:
            self.raw.append((self._in, data))

    def handle_endtag(self, _tag: str) -> None:
        """Scripts and styles hold no tags."""
        self._in = ""


@pytest.mark.parametrize("report", [run(), sample(), nasty()], ids=["empty", "sample", "nasty"])
def test_nothing_is_loaded_from_anywhere(report: RunReport) -> None:
    """Every reference is within the page, and the policy forbids all others."""
    page = Page(render(report))
    for tag, attributes in page.tags:
        assert "src" not in attributes, tag
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
        href = attributes.get("href")
        assert href is None or href.startswith("#") or href == "data:,", (tag, href)
    policy = next(each["content"] for tag, each in page.tags if each.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_the_policy_lets_just_our_style_and_script_run() -> None:
    """By their hashes, as a browser works them out."""
    text = render(sample())
    page = Page(text)
    policy = str(next(each["content"] for _, each in page.tags if each.get("http-equiv")))
    style = next(data for tag, data in page.raw if tag == "style")
    script = page.raw[-1][1]
    for name, body in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}';" in policy


def test_nasty_texts_make_no_elements() -> None:
    """Three scripts of ours, whatever the names say; the data comes back from its block."""
    text = render(nasty())
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("script") == 3
    assert not any(tag in ("img", "iframe", "a ") for tag, _ in page.tags)
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert block is not None
    data = json.loads(block.group(1))
    assert data["jobs"][0]["n"] == "0 " + NASTY[0]
    assert "<" not in block.group(1)
    assert not any(char in text for char in "\x1b\u202e\x00\u2028")
    text.encode()


def test_the_data_holds_what_the_timeline_needs() -> None:
    """Seconds after the start of the run; needs as numbers of jobs."""
    data = page_data(sample())
    assert data["span"] == 125
    jobs = data["jobs"]
    assert isinstance(jobs, list)
    assert jobs[0]["a"][1][:6] == [30.0, 30.2, 31.0, 62.0, "succeeded", "7"]  # type: ignore[index,call-overload]
    assert jobs[1]["q"] == [0]  # type: ignore[index,call-overload]
    assert "q" not in jobs[0]  # type: ignore[operator]


def test_a_job_that_was_never_seen_to_run_takes_the_servers_word() -> None:
    """As far as it fits what was seen: clocks differ."""
    from dataclasses import replace  # noqa: PLC0415  # just here

    from tests.unit.report_samples import START  # noqa: PLC0415  # just here

    seen = replace(attempt(running=None), server_started_at=START + 2)
    early = replace(attempt(running=None), server_started_at=START - 500)
    data = page_data(run(job("a", attempts=(seen,)), job("b", attempts=(early,))))
    assert [each["a"][0][2] for each in data["jobs"]] == [2.0, 0.2]  # type: ignore[union-attr,index,call-overload]


def test_every_outcome_has_a_colour_and_a_shape() -> None:
    """None is left to colour alone."""
    text = render(sample())
    for outcome in (*Outcome, "pending"):
        assert outcome in TONES
        assert f'<symbol id="i-{outcome}"' in text


def test_the_page_grows_slowly_with_the_jobs() -> None:
    """Thousands of jobs are a megabyte or two; the table for browsers without scripts stays short."""
    text = render(big(3_000))
    assert len(text) < 1_800_000
    assert text.count('<tr id="job-') == 1_000
    assert "2000 more jobs are shown only where scripts may run" in text


def test_without_jinja_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that can be copied."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UsageError, match="Jinja2") as caught:
        render(sample())
    assert "pip install jinja2" in caught.value.hint
