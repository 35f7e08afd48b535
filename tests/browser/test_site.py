"""The site of docs/, opened from a disk in a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.visits import Browser, needs_chromium
from tests.conftest import ROOT

pytestmark = needs_chromium


@pytest.mark.parametrize("page", ["index.html", "howto/converge.html"])
def test_the_search_works_from_disk(browser: Browser, tmp_path: Path, page: str) -> None:
    """Browsers start no workers there, and fetch no files: the index is a script, and the worker runs in a frame."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=True)
    visit = browser.visit(tmp_path / page, "input[name=query]")
    visit.page.click("input[name=query]")
    visit.page.locator("input[name=query]").press_sequentially("fingerprint")
    visit.page.wait_for_selector(".md-search-result__item a[href*='tls.html']")
    assert "matching documents" in visit.page.inner_text(".md-search-result__meta")
    assert visit.said == []
    assert all(url.startswith("file:") for url in visit.asked)
