"""What all HTML pages share: one file each, which loads nothing from anywhere, and in which only our script can run.

A template (autoescaped) holds what a reader sees first; data come as JSON in a block, and the script builds rows as
they are needed. A content security policy names our style and our script by their hashes: text of strangers could not
run even if it got into the page.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources
from typing import Any

from aftrun.domain.errors import UsageError

TONES = {
    "succeeded": "ok",
    "submitted": "info",
    "upToDate": "ok",
    "failed": "bad",
    "rejected": "bad",
    "undelivered": "bad",
    "cancelled": "warn",
    "timedOut": "warn",
    "unknown": "unsure",
    "skipped": "calm",
    "pending": "calm",
    "running": "calm",
    "interrupted": "warn",
    "stopped": "unsure",
    "stateError": "bad",
    "error": "bad",
}
"""The colour of each word; the word itself and a shape always stand beside it."""

WORDS = {"timedOut": "timed out", "stateError": "state not written", "upToDate": "up to date"}
"""Outcomes as people write them, where that differs."""

ICONS = {
    "running": "pending",
    "interrupted": "cancelled",
    "stopped": "unknown",
    "stateError": "failed",
    "error": "failed",
}
"""The shapes of runs' outcomes, where there is none of their own."""


@functools.cache
def _resource(name: str) -> str:
    return resources.files("aftrun.report").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The source expression that lets just this inline text through a content security policy."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def render(name: str, *, live: bool = False, **values: Any) -> str:
    """The page `name`, from its template, style and script and those that all share.

    Args:
        name: `report` or `history`.
        live: whether the page may ask the server that it came from for news; nobody else, in any case.
        values: what the template is about.

    Raises:
        UsageError: Jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: PLC0415  # only pages need it
        from markupsafe import Markup  # noqa: PLC0415  # comes with Jinja2
    except ImportError as error:
        raise UsageError("the HTML report needs Jinja2", hint="install it with: pip install jinja2") from error
    style = _resource("page.css") + _resource(f"{name}.css")
    script = _resource("page.js") + _resource(f"{name}.js")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FunctionLoader(_resource),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": False}
    return (
        environment.get_template(f"{name}.html.j2").render(
            # The two texts of ours, and they alone, stand in the page as they are.
            style=Markup(style),  # noqa: S704  # our own files
            script=Markup(script),  # noqa: S704  # our own files
            policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
            + ("connect-src 'self'; " if live else "")
            + "base-uri 'none'; form-action 'none'",
            words=WORDS,
            tones=TONES,
            icons=ICONS,
            **values,
        )
        + "\n"
    )
