"""Pages in a real browser: headless Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="Chromium is not installed (Debian: apt-get install chromium)"
)


class Visit:
    """A page, with everything that it said and asked for."""

    def __init__(self, page: Any, address: str, ready: str) -> None:
        self.page = page
        self.url = address
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("dialog", self._refuse)
        page.goto(address)
        page.wait_for_selector(ready)

    def _refuse(self, dialog: Any) -> None:
        self.said.append("dialog")
        dialog.dismiss()

    def names(self) -> list[str]:
        """The names of the jobs that are shown, in order."""
        names: list[str] = self.page.locator("tr.job .open bdi").all_inner_texts()
        return names

    def wait(self, selector: str, count: int) -> None:
        """Until so many elements match. The page's policy forbids `wait_for_function`, which evaluates text."""
        from playwright.sync_api import expect  # noqa: PLC0415  # where Chromium is missing, it may be too

        expect(self.page.locator(selector)).to_have_count(count)

    def wait_for_text(self, selector: str, text: str) -> None:
        """Until the first element that matches says just this."""
        from playwright.sync_api import expect  # noqa: PLC0415  # as above

        expect(self.page.locator(selector).first).to_have_text(text)

    def wait_for_background(self, colour: str) -> None:
        """Until the page is drawn on this colour, `rgb(…)`."""
        from playwright.sync_api import expect  # noqa: PLC0415  # as above

        expect(self.page.locator("body")).to_have_css("background-color", colour)

    def quiet(self) -> bool:
        """Whether the page neither complained nor asked for anything but itself."""
        return not self.said and [url for url in self.asked if not url.startswith("data:")] == [self.url]

    def serious(self) -> list[tuple[str, str]]:
        """What axe finds that is serious or critical, and where."""
        # As the browser itself, a tool of these tests alone.
        from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # noqa: PLC0415  # no types

        found = Axe().run(self.page).response["violations"]
        bad = [each for each in found if each["impact"] in ("serious", "critical")]
        return [(each["id"], each["nodes"][0]["html"]) for each in bad]


class Browser:
    """One Chromium, and the contexts that a test opens in it: each knows nothing of the last one."""

    def __init__(self, chromium: Any) -> None:
        self._chromium = chromium
        self._contexts: list[Any] = []

    def context(self, *, width: int = 1280, height: int = 900, **options: Any) -> Any:
        """A browser that knows nothing."""
        context = self._chromium.new_context(viewport={"width": width, "height": height}, **options)
        self._contexts.append(context)
        return context

    def visit(self, address: Path | str, ready: str, **options: Any) -> Visit:
        """A file or an address, opened and ready."""
        address = address.as_uri() if isinstance(address, Path) else address
        return Visit(self.context(**options).new_page(), address, ready)

    def close(self) -> None:
        """Close what this test opened."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()
