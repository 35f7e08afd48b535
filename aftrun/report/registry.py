"""The report formats by name. A format is a module with one `render(RunReport) -> str`, and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from aftrun.domain.frozen import dataclass

if TYPE_CHECKING:
    from aftrun.domain.model import RunReport
    from aftrun.domain.past import JobPast

Render = Callable[["RunReport"], str]


@dataclass(frozen=True, slots=True)
class Format:
    """One report format."""

    name: str
    """As in `--report-NAME`."""
    module: str
    suffix: str
    title: str
    """What it is for, for help texts."""
    nights: bool = False
    """Whether its `render` takes how the jobs fared in earlier runs, by key, as a second argument."""

    def renderer(self) -> Render:
        """The format's `render`. Imports its module, which others need not pay for."""
        return cast("Render", import_module(self.module).render)


FORMATS = {
    each.name: each
    for each in (
        Format("json", "aftrun.report.json", ".json", "JSON, with everything, for programs"),
        Format("junit", "aftrun.report.junit", ".xml", "JUnit XML, for CI servers"),
        Format("html", "aftrun.report.html", ".html", "one HTML page with a timeline, for people", nights=True),
        Format("markdown", "aftrun.report.markdown", ".md", "Markdown, for pull requests and chats"),
        Format("tap", "aftrun.report.tap", ".tap", "TAP 14, the Test Anything Protocol"),
    )
}
"""All formats by name, in the order in which help texts list them."""


def render(name: str, report: RunReport, past: Callable[[], Mapping[str, JobPast]] = dict) -> str:
    """The report in the named format; `past` is asked how the jobs fared in earlier runs, by key, where it says that.

    Raises:
        KeyError: there is no such format.
    """
    found = FORMATS[name]
    return cast("Any", found.renderer())(report, past()) if found.nights else found.renderer()(report)
