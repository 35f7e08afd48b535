"""Excerpts of manifests never show a literal key, wherever it stands and however broken the file is."""

from __future__ import annotations

import pytest

from aftrun.domain.errors import ManifestError
from aftrun.manifest import load_all
from aftrun.manifest.check.diagnostics import render

KEY = "hunter2-hunter2-0815"


@pytest.mark.parametrize(
    "text",
    [
        f"server:\n  apiKey: {KEY}\n  bad: 1\n",
        f"server:\n  apiKey:\n    {KEY}\n",
        f"server:\n  apiKey: |\n    {KEY}\n    {KEY}\n",
        f"server:\n  apiKey: >-\n    first\n    {KEY}\n",
        f'server:\n  apiKey: "first\n    {KEY}"\n',
        f'server:\n  apiKey: "{KEY}\n',
        f"server:\n  apiKey: '{KEY}\n  url: x\n",
        f"server:\n  apiKey: [{KEY}\n",
        f"server: {{apiKey: {KEY}, url: [}}\n",
        f"server:\n\tapiKey: {KEY}\n",
        f"server:\n  apiKey: {KEY}\n  apiKey: {KEY}\n",
        f"server:\n  apiKey: ${{AFT_API_KEY:-{KEY}}}\n",
        f"server:\n  apiKey: ${{AFT_API_KEY:-{KEY}\n",
        f'server: {{url: "${{AFT_KEY:-{KEY}}}"}}\n',
        f"jobs:\n  - params: {{password: {KEY}, a: [1]}}\n    scriptName: x\n",
        f"jobs:\n  - scriptName: x\n    params:\n      token: >\n        {KEY}\n      a: [1]\n",
        f"jobs:\n  - scriptName: x\n    params:\n      token:\n        - {KEY}\n",
        f"apiKey: {KEY}\nscriptName: x\n",
        f"server:\n  apiKey: !!binary {KEY}\n",
        f"server:\n  apiKey: &a {KEY}\n  url: *a\n",
        f"server:\n  apiKey: {KEY}: {KEY}\n",
        f"server:\n  apiKey: {KEY}\x07\n",
    ],
)
def test_no_excerpt_shows_a_key(text: str) -> None:
    """What is wrong is said, and the line shown without it."""
    read = lambda _: text.encode()  # noqa: E731  # the file
    try:
        loaded = load_all(["m.yaml"], read=read)
        said = render(loaded.warnings, loaded.files)
    except ManifestError as error:
        said = render(error.problems, error.files)
    assert said
    assert KEY not in said
    assert "hunter2" not in said


def test_other_values_are_shown() -> None:
    """A line below a key that is finished is no part of it."""
    text = "server:\n  apiKey: ${AFT_API_KEY}\n  url: htps://x\n"
    with pytest.raises(ManifestError) as caught:
        load_all(["m.yaml"], read=lambda _: text.encode())
    assert "htps://x" in render(caught.value.problems, caught.value.files)
