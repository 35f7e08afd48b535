"""The HTML report in a real browser: headless Chromium, driven by Playwright."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aftrun.domain.digits import Digits, exact_json
from aftrun.domain.frozen import replace
from aftrun.domain.model import Outcome, RunReport
from aftrun.domain.text import clean
from aftrun.report.html import render
from tests.browser.visits import Browser, Visit, needs_chromium
from tests.unit.past_samples import nights
from tests.unit.report_samples import attempt, big, job, nasty, run, sample
from tests.waiting import until

pytestmark = needs_chromium

Open = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Open:
    """Opens a report as a file, in a browser that knows nothing of the last one."""

    def start(report: RunReport, **options: Any) -> Visit:
        path = tmp_path / "report.html"
        path.write_text(render(report), encoding="utf-8")
        return browser.visit(path, "tr.job", **options)

    return start


def test_the_counts_and_the_problems_are_what_the_run_saw(visit: Open) -> None:
    """What a reader sees first."""
    page = visit(sample())
    assert page.page.title() == "unknown: nightly – aftrun"
    shown = [" ".join(text.split()) for text in page.page.locator(".filter").all_inner_texts()]
    assert shown == [
        "All 12",
        "succeeded 1",
        "failed 3",
        "rejected 1",
        "undelivered 1",
        "cancelled 1",
        "timed out 1",
        "unknown 1",
        "skipped 1",
        "submitted 1",
        "pending 1",
    ]
    assert page.page.locator(".attention li").count() == 6
    assert page.page.locator(".more").inner_text() == "and 2 more"
    assert "aftrun retry 20260102-030000-7f3a --include-unknown" in page.page.locator(".next").inner_text()
    assert "check the key" in page.page.locator(".attention .remedy").all_inner_texts()[0]
    assert page.names()[:3] == ["refused", "far", "slow"]
    assert page.page.locator("#job-9 .outcome").inner_text() == "failed, allowed"
    assert page.quiet()


def test_filter_search_and_sort(visit: Open) -> None:
    """Each alone, and together; the count says how many are left."""
    page = visit(sample())
    page.page.click(".filter[data-outcome=failed]")
    assert page.names() == ["load[eu]", "check", "flaky"]
    assert page.page.locator("#status").inner_text() == "3 of 12 jobs"
    assert page.page.get_attribute(".filter[data-outcome=failed]", "aria-pressed") == "true"
    page.page.click(".filter[data-outcome=skipped]")
    assert page.names() == ["load[eu]", "check", "flaky", "tell"]
    page.page.select_option("#sort", "name")
    assert page.names() == ["check", "flaky", "load[eu]", "tell"]
    assert page.page.get_attribute("th.c-name", "aria-sort") == "ascending"
    page.page.click(".filter[data-outcome='']")
    page.page.fill("#search", "no such FILE")
    page.wait("tr.job", 1)
    assert page.names() == ["load[eu]"]
    page.page.fill("#search", "nothing has this")
    page.page.wait_for_selector("tr.none")
    page.page.fill("#search", "")
    page.wait("tr.job", 12)
    page.page.click("th.c-time button")
    assert page.names()[0] == "extract"
    page.page.click("th.c-time button")
    assert page.names() == [job.name for job in sample().jobs]
    assert page.quiet()


def test_the_bars_of_the_timeline_are_at_their_places(visit: Open) -> None:
    """Two attempts of `extract`: sent, queued, run, waited, and once more, each to the pixel."""
    page = visit(sample())
    track = page.page.locator("#job-0 .track").bounding_box()
    found = []
    for number in range(page.page.locator("#job-0 .seg").count()):
        segment = page.page.locator("#job-0 .seg").nth(number)
        box = segment.bounding_box()
        left = (box["x"] - track["x"]) / track["width"] * 125
        found.append((segment.get_attribute("class").split()[1], left, left + box["width"] / track["width"] * 125))
    expected = [
        ("post", 0, 0.2),
        ("queue", 0.2, 1),
        ("run", 1, 20),
        ("wait", 20, 30),
        ("post", 30, 30.2),
        ("queue", 30.2, 31),
        ("run", 31, 62),
    ]
    assert [name for name, _, _ in found] == [name for name, _, _ in expected]
    smallest = 3.1 / track["width"] * 125  # bars are at least three pixels wide, to be seen at all
    for (_, left, right), (_, begin, end) in zip(found, expected, strict=True):
        assert left == pytest.approx(begin, abs=0.3)
        assert right == pytest.approx(max(end, begin + (smallest if right - left > end - begin else 0)), abs=0.4)
    assert "queued for 0.8s, ran for 19s" in page.page.get_attribute("#job-0 .track", "aria-label")


def test_needs_are_lines_on_hover_and_on_focus(visit: Open) -> None:
    """From the end of the one to the start of the other, for mouse and keyboard alike."""
    page = visit(sample())
    page.page.hover("#job-1 .outcome")
    assert page.page.locator("#needs path").count() == 2
    assert page.page.locator("tr.kin").count() == 2
    track = page.page.locator("#job-0 .track").bounding_box()
    dot = page.page.locator("#needs circle").first.bounding_box()
    assert (dot["x"] + dot["width"] / 2 - track["x"]) / track["width"] * 125 == pytest.approx(62, abs=0.5)
    page.page.mouse.move(1, 1)
    page.wait("#needs path", 0)
    page.page.focus("#job-8 .open")
    assert page.page.locator("#needs path").count() == 1


def test_everything_is_there_for_the_keyboard(visit: Open) -> None:
    """Skip link, then a job opened with Enter; its needs are links that open the other job."""
    page = visit(sample())
    page.page.keyboard.press("Tab")
    assert page.page.evaluate("document.activeElement.className") == "skip"
    page.page.focus("#job-1 .open")
    page.page.keyboard.press("Enter")
    assert page.page.get_attribute("#job-1 .open", "aria-expanded") == "true"
    detail = page.page.locator("#detail-1").inner_text()
    assert "exit code 3: no such file" in detail
    assert "manifests/nightly.yaml:14:5" in detail
    assert '"token": "${TOKEN}"' in detail
    page.page.click("#detail-1 a")
    assert page.page.get_attribute("#job-0 .open", "aria-expanded") == "true"
    assert "sent" in page.page.locator("#detail-0").inner_text()
    page.page.focus("#job-0 .open")
    page.page.keyboard.press("Enter")
    assert page.page.locator("#detail-0").count() == 0
    assert page.quiet()


@pytest.mark.parametrize(
    "request_body",
    [
        {
            "scriptName": "a",
            "params": {"to": "/archive, {old} [1]: x", "quoted": 'a "b", \\" }', "n": 12345678901234567890},
        },
        {"deep": {"list": [1, 1.0, 1e300, None, True, ["x", {}], []], "empty": {}}, "é": "\u2028, ö"},
        {"params": {}},
        {"scriptName": "a, b: c", "params": {"price": Digits("1.10"), "to": "x"}},
    ],
)
def test_a_request_stands_there_as_it_was_sent(visit: Open, request_body: dict[str, Any]) -> None:
    """A line for each value, and no number made another one."""
    page = visit(run(replace(job("one"), request=request_body)))
    page.page.click("#job-0 .open")
    shown = page.page.locator("#detail-0 h3:text-is('Request') + pre").inner_text()
    assert shown == clean(exact_json(request_body, indent=2, ensure_ascii=False))
    assert page.quiet()


def test_dark_mode_follows_the_system_and_the_button(visit: Open) -> None:
    """And is remembered over a reload."""
    page = visit(sample(), color_scheme="dark")
    page.wait_for_background("rgb(14, 18, 23)")
    page.page.click("#theme")
    page.wait_for_background("rgb(245, 246, 248)")

    def remembered() -> bool:
        page.page.reload()
        page.page.wait_for_selector("tr.job")
        colour: str = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return colour == "rgb(245, 246, 248)"

    until(remembered)  # a page from a disk may be read again before the browser has stored what the last one said


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(visit: Open, scheme: str, width: int) -> None:
    """With a job opened and a filter pressed, as the page is used."""
    page = visit(sample(), color_scheme=scheme, width=width)
    page.page.click("#job-1 .open")
    page.page.click(".filter[data-outcome=failed]")
    assert page.serious() == []


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(visit: Open, width: int) -> None:
    """Not even names and ids of ten thousand letters."""
    page = visit(nasty(), width=width)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    page.page.click("#job-6 .open")
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width


def test_nasty_texts_stay_texts(visit: Open) -> None:
    """No script runs, no image loads, no element comes of a name."""
    page = visit(nasty())
    for number in range(len(nasty().jobs)):
        page.page.click(f"#job-{number} .open")
    assert page.page.locator("img, iframe, main script, #rows script").count() == 0
    assert "0 <script>alert(1)</script> <script>alert(1)</script>" in page.names(), "the job and its manifest"
    assert page.quiet()


def test_of_ten_thousand_jobs_only_what_is_seen_is_built(visit: Open) -> None:
    """Which is why they open fast and stay quick; any of them can be found and linked to."""
    page = visit(big())
    assert page.page.locator("tr.job").count() < 1_000
    page.page.fill("#search", "copy[9999]")
    page.wait("tr.job", 1)
    page.page.fill("#search", "")
    page.wait("tr.job >> nth=9", 1)
    page.page.evaluate("location.hash = '#job-5007'")
    page.page.wait_for_selector("#detail-5007")
    # The rows above it are there too, so that it stands where scrolling would find it.
    assert page.page.locator("tr.job").count() < 10_000
    assert page.quiet()


def test_without_scripts_there_is_a_plain_table(browser: Browser, tmp_path: Path) -> None:
    """Mail programs and strict browsers show the jobs, too."""
    path = tmp_path / "plain.html"
    path.write_text(render(sample()), encoding="utf-8")
    page = browser.context(java_script_enabled=False).new_page()
    page.goto(path.as_uri())
    assert page.locator("table.plain tbody tr").count() == 12
    assert "exit code 3: no such file" in page.locator("table.plain").inner_text()


def test_it_prints_every_job_and_no_controls(visit: Open) -> None:
    """Printing builds the rows that scrolling has not reached."""
    page = visit(big(1_000))
    page.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.page.emulate_media(media="print")
    assert page.page.locator("tr.job").count() == 1_000
    assert not page.page.is_visible("#search")
    assert not page.page.is_visible("#theme")
    assert page.page.is_visible("#share")


def test_the_picture_of_needs_shows_outcomes_and_leads_to_jobs(visit: Open) -> None:
    """Boxes in layers; one that failed is in sight, even of two hundred jobs."""
    page = visit(big(200))
    assert page.page.locator(".graph .node").count() == 200
    assert page.page.locator(".graph .edge").count() == 192
    bad = page.page.locator(".graph .tone-bad").first
    frame, box = page.page.locator("#graph").bounding_box(), bad.bounding_box()
    assert frame["x"] <= box["x"] < frame["x"] + frame["width"]
    assert frame["y"] <= box["y"] < frame["y"] + frame["height"]
    bad.click()
    page.page.wait_for_selector("#detail-7")
    assert page.page.locator("#job-7 .outcome").inner_text() == "failed"
    assert page.serious() == []
    assert page.quiet()


def test_equal_reasons_stand_together_and_skipped_jobs_are_folded(visit: Open) -> None:
    """The rest of them is a filter; skipped jobs are one row until they are asked for."""
    failed = [job(f"f{n}", Outcome.FAILED, message="no such file\ncheck the path") for n in range(9)]
    skipped = [job(f"s{n}", Outcome.SKIPPED, reason="needs", message="it needs f0", attempts=()) for n in range(7)]
    page = visit(run(job("ok"), *skipped, *failed, outcome="failed", exit_code=1))
    assert page.page.locator(".attention li").count() == 1
    assert "9 ×" in page.page.locator(".attention li").inner_text()
    assert "check the path" in page.page.locator(".attention .remedy").inner_text()
    assert "aftrun retry 20260102-030000-7f3a" in page.page.locator(".next").inner_text()
    assert page.names() == [*(f"f{n}" for n in range(9)), "ok"]
    page.page.click(".fold button")
    page.wait("tr.job", 17)
    page.page.click(".also")
    page.wait("tr.job", 9)
    assert page.page.locator("#status").inner_text() == "9 of 17 jobs"
    assert page.quiet()


def test_other_nights_stand_beside_each_job(browser: Browser, tmp_path: Path) -> None:
    """The last ten ends and the usual time, also of what went wrong; what took much longer is marked."""
    path = tmp_path / "report.html"
    past = {each.key: each for manifest in nights(30).manifests for each in manifest.jobs}
    slow = job("extract", attempts=(attempt(1, 0, 1, 2, 500),))
    path.write_text(render(run(slow, job("backup"), job("new"), job("relay", Outcome.FAILED)), past), encoding="utf-8")
    page = browser.visit(path, "tr.job")
    assert re.fullmatch(r"after \S+s, usually \S+s", page.page.locator(".attention small").inner_text())
    assert page.page.locator("#job-0 .slow").count() == 1
    assert page.page.locator("#job-0 .strip i").count() == 10
    assert page.page.locator("#job-1 .strip .tone-bad").count() == 2
    assert page.page.locator("#job-1 .slow").count() == 0
    assert page.page.locator("#job-2 .past").inner_text() == ""
    assert page.serious() == []
