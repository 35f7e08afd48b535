"""The page of many runs in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aftrun.domain.past import Past
from aftrun.report.history import render
from tests.browser.visits import Browser, Visit, needs_chromium
from tests.unit.past_samples import nasty, nights

pytestmark = needs_chromium

Open = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Open:
    """Opens the page as a file."""

    def start(past: Past, **options: Any) -> Visit:
        path = tmp_path / "history.html"
        links = {run.id: f"./runs/{run.id}/report.html" for run in past.runs}
        path.write_text(render(past, links), encoding="utf-8")
        return browser.visit(path, "article.job", timezone_id="UTC", locale="en-GB", **options)

    return start


def test_what_went_wrong_is_seen_first(visit: Open) -> None:
    """Above the fold: the job that fails weekly, the one that gets slower, and the red row of the calendar."""
    page = visit(nights())
    shown = page.page.locator(".attention li")
    assert shown.count() == 2
    assert "backup" in shown.nth(0).inner_text()
    assert "each on a Sunday" in shown.nth(0).inner_text()
    assert "relay" in shown.nth(1).inner_text()
    assert "slower than usual" in shown.nth(1).inner_text()
    for item in (shown.nth(0), shown.nth(1), page.page.locator(".calendar")):
        box = item.bounding_box()
        assert box["y"] + box["height"] < 900
    assert page.page.locator(".day").count() == 60
    assert page.page.locator(".day.tone-bad").count() == 9
    rows = page.page.locator(".weeks tbody tr")
    assert [rows.nth(number).locator(".day.tone-bad").count() for number in range(7)] == [0, 0, 0, 0, 0, 0, 9]
    assert page.page.locator("article.job h4").all_inner_texts()[:2] == ["backup", "relay"]
    assert page.page.locator("article.job").nth(0).locator(".chart .fail").get_attribute("d").count("M") == 9
    assert page.quiet()


def test_a_night_shows_its_runs(visit: Open) -> None:
    """By click and by keyboard; once more, and all are there again."""
    page = visit(nights())
    page.wait("#runs tr", 60)
    assert page.page.get_attribute("#runs tr a >> nth=0", "href") == "./runs/20260059-030000-003b/report.html"
    page.page.click(".day.tone-bad >> nth=2")
    page.wait("#runs tr", 1)
    assert "failed" in page.page.locator("#runs").inner_text()
    assert "Sunday" in page.page.locator("#day").inner_text()
    assert "backup" in page.page.locator("#runs").inner_text()
    page.page.click("#all")
    page.wait("#runs tr", 60)
    page.page.locator(".day[tabindex='0']").focus()
    page.page.keyboard.press("ArrowLeft")
    before = page.page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.page.keyboard.press("ArrowUp")
    after = page.page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert before != after
    page.page.keyboard.press("Enter")
    page.wait("#runs tr", 1)
    assert page.page.locator(".day[tabindex='0']").count() == 1
    assert page.quiet()


def test_jobs_are_found_sorted_and_opened(visit: Open) -> None:
    """Search, sort, and the runs of one job with their causes."""
    page = visit(nights())
    page.page.fill("#search", "load")
    page.wait("article.job", 2)
    page.wait_for_text("#status", "2 of 12 jobs")
    page.page.fill("#search", "")
    page.page.select_option("#sort", "long")
    page.wait_for_text("article.job h4", "copy")
    page.page.select_option("#sort", "name")
    page.wait_for_text("article.job h4", "backup")
    page.page.click("article.job >> nth=0 >> summary")
    page.wait("article.job >> nth=0 >> li", 60)
    assert page.page.locator("article.job >> nth=0 >> li.tone-bad").count() == 9
    assert "no space left" in page.page.locator("article.job >> nth=0 >> ol").inner_text()
    page.page.click(".attention a.name >> nth=1")
    assert page.page.evaluate("document.querySelector(':target h4').innerText") == "relay"
    assert page.quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious_and_nothing_is_too_wide(visit: Open, scheme: str, width: int) -> None:
    """With a night pressed and a job opened, as the page is used."""
    page = visit(nights(400), color_scheme=scheme, width=width)
    page.page.click(".day >> nth=5")
    page.page.click("article.job >> nth=0 >> summary")
    assert page.serious() == []
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1280, 390])
def test_nasty_texts_stay_texts(visit: Open, width: int) -> None:
    """No script runs, no element comes of a name, and nothing is wider than the window."""
    page = visit(nasty(), width=width)
    for summary in page.page.locator("article.job summary").all():
        summary.click()
    assert page.page.locator("img, iframe, main script").count() == 0
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.quiet()


def test_without_scripts_there_is_a_plain_table(browser: Browser, tmp_path: Path) -> None:
    """Mail programs and strict browsers show the jobs, too."""
    path = tmp_path / "plain.html"
    path.write_text(render(nights()), encoding="utf-8")
    page = browser.context(java_script_enabled=False).new_page()
    page.goto(path.as_uri())
    assert page.locator("table.plain tbody tr").count() == 12
    assert "9 of 60" in page.locator("table.plain").inner_text()
    assert "slower than usual" in page.locator(".attention").inner_text()
