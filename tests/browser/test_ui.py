"""`aftrun ui` with the real program and a real Chromium: a run as it happens, without a reload."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aftrun.sandbox.server import Sandbox
from tests.browser.visits import Browser, Visit, needs_chromium
from tests.clocks import HandClock
from tests.conftest import Run, clean_environ, program, reach
from tests.ui import Served, serving
from tests.waiting import until

pytestmark = needs_chromium

Start = Callable[..., Sandbox]


@pytest.fixture
def served(tmp_path: Path) -> Any:
    """The server, in the folder of this test."""
    with serving(tmp_path) as found:
        yield found


def test_a_row_changes_without_a_reload(served: Served, browser: Browser, sandbox: Start, tmp_path: Path) -> None:
    """Thirty jobs, eight at a time: what runs ends before the eyes of who looks on, and so does the run."""
    from playwright.sync_api import expect  # noqa: PLC0415  # where Chromium is missing, it may be too

    clock = HandClock()
    server = sandbox({"defaults": {"queue": "0s", "duration": "60s"}}, clock=clock)
    jobs = "\n".join(
        f"  - {{name: job{n}, scriptName: s{n}{', needs: [job0]' if n % 5 == 4 else ''}}}" for n in range(30)
    )
    text = f"version: 1\nname: nightly\nstrategy: {{order: parallel, maxParallel: 8}}\njobs:\n{jobs}\n"
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    process = subprocess.Popen(
        [*program(), "apply", "m.yaml", *reach(server)],
        cwd=tmp_path,
        env=clean_environ(AFT_API_KEY=server.api_key),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: len(server.jobs()) == 8, alive=lambda: process.poll() is None)
    (run,) = (path.name for path in (tmp_path / ".aftrun" / "runs").iterdir())
    page = browser.visit(f"{served.url}0/run/{run}/", "tr.job")
    page.page.evaluate("window.stillTheSamePage = true")
    row = page.page.locator("#job-0 .outcome")
    assert row.inner_text() == "pending"
    loads = [url for url in page.asked if url == page.url]
    clock.advance(61)
    expect(row).to_have_text("succeeded", timeout=60_000)
    expect(page.page.locator(".graph .tone-ok")).not_to_have_count(0)
    expect(page.page.locator(".filter[data-outcome=succeeded]")).to_be_visible()
    assert page.page.evaluate("window.stillTheSamePage") is True
    assert [url for url in page.asked if url == page.url] == loads == [page.url]

    def over() -> bool:
        clock.advance(61)
        return process.poll() is not None

    until(over)
    assert process.returncode == 0
    # At its end the page is fetched once more, whole.
    expect(page.page.locator("#badge")).to_have_text("succeeded", timeout=60_000)
    expect(page.page.locator("tr.job .outcome", has_text="succeeded")).to_have_count(30, timeout=60_000)
    assert page.said == []
    assert [url for url in page.asked if not url.startswith((served.url, "data:"))] == []


def test_the_pages_lead_to_each_other(
    served: Served, browser: Browser, aftrun: Run, sandbox: Start, tmp_path: Path
) -> None:
    """From all runs to one and back; a run that begins and ends meanwhile shows up by itself."""
    from playwright.sync_api import expect  # noqa: PLC0415  # as above

    server = sandbox({"defaults": {"queue": "0s", "duration": "10ms"}})
    (tmp_path / "m.yaml").write_text("name: nightly\nscriptName: x\n", encoding="utf-8")
    assert aftrun("apply", "m.yaml", server=server).code == 0
    page = browser.visit(served.url, "article.job")
    page.wait("#runs tr", 1)
    assert aftrun("apply", "m.yaml", server=server).code == 0
    expect(page.page.locator("#runs tr")).to_have_count(2, timeout=60_000)
    page.page.click("#runs a >> nth=0")
    page.page.wait_for_selector("tr.job")
    assert page.page.locator("#job-0 .past .strip i").count() == 1
    assert page.serious() == []
    page.page.click("a.home")
    page.page.wait_for_selector("article.job")
    assert page.said == []


KEEP_STREAMS = """
window.streams = [];
window.EventSource = class extends EventSource {
  constructor(...given) { super(...given); window.streams.push(this); }
};
"""


def test_who_is_leaving_is_not_brought_back(
    served: Served, browser: Browser, aftrun: Run, sandbox: Start, tmp_path: Path
) -> None:
    """News reload the page of all runs: not once somebody has followed a link, whatever is on record meanwhile."""
    server = sandbox({"defaults": {"queue": "0s", "duration": "10ms"}})
    (tmp_path / "m.yaml").write_text("name: nightly\nscriptName: x\n", encoding="utf-8")
    assert aftrun("apply", "m.yaml", server=server).code == 0
    context = browser.context()
    context.add_init_script(KEEP_STREAMS)
    page = Visit(context.new_page(), served.url, "article.job")
    assert page.page.evaluate("window.streams.map((each) => each.readyState < 2)") == [True]
    page.page.evaluate("window.dispatchEvent(new Event('beforeunload'))")  # what a browser does when a link is followed
    assert page.page.evaluate("window.streams.map((each) => each.readyState)") == [2]
