"""The copy of a manifest that is kept with a run: no API key in it, and otherwise the same."""

from __future__ import annotations

import pytest

from aftrun.domain.model import Manifest
from aftrun.manifest import load_all
from aftrun.manifest.redact import without_keys
from tests.effort import EFFORT, Effort

KEY = "hunter2hunter2"


def load(data: bytes) -> tuple[Manifest, ...]:
    """The manifests of a file's bytes."""
    return load_all(["f.yaml"], read=lambda _: data, environ={}).manifests


SPELLINGS = {
    "plain": "apiKey: hunter2hunter2",
    "plain with a comment": "apiKey: hunter2hunter2 # it's the key",
    "single": "apiKey: 'hunter2hunter2'",
    "single, quotes inside": "apiKey: 'hunter2''hunter2'",
    "double": 'apiKey: "hunter2hunter2"',
    "double, escapes": r'apiKey: "\x68unter2hunter2\u00fc"',
    "on the next line": "apiKey:\n    hunter2hunter2",
    "over two lines": "apiKey: hunter2hunter2\n    hunter2hunter2",
    "double over two lines": 'apiKey: "hunter2hunter2\\\n    hunter2hunter2"',
    "literal": "apiKey: |\n    hunter2hunter2",
    "literal, chomped": "apiKey: |-\n    hunter2hunter2\n    hunter2hunter2",
    "folded": "apiKey: >-\n    hunter2hunter2\n\n    hunter2hunter2",
    "literal with an indicator": "apiKey: |2-\n      hunter2hunter2",
    "anchored": "apiKey: &k hunter2hunter2\n  headers: {X-Again: *k}",
    "anchored elsewhere": "headers: {X-First: &k hunter2hunter2}\n  apiKey: *k",
    "tagged": "apiKey: !!str hunter2hunter2",
    "tagged and anchored": "apiKey: !!str &k 'hunter2hunter2'\n  headers: {X-Again: *k}",
    "anchored literal": "apiKey: &k |-\n    hunter2hunter2\n  headers: {X-Again: *k}",
    "quoted key": '"apiKey": hunter2hunter2',
    "escaped key": r'"api\u004bey": hunter2hunter2',
    "explicit key": "? apiKey\n  : hunter2hunter2",
    "dollars": "apiKey: $$hunter2hunter2",
    "a default": "apiKey: ${NOT_SET:-hunter2hunter2}",
    "a default in quotes": "apiKey: '${file:nowhere:-hunter2hunter2}'",
    "around a reference": "apiKey: hunter2hunter2${NOT_SET:-}",
}
AROUND = {
    "alone": "server:\n  KEY\n",
    "between": "# Zürich 😀\nserver:\n  url: https://a\n  KEY\n  connectTimeout: 5s\n",
    "at the end": "server:\n  url: https://a\n  KEY",
    "before blank lines": "server:\n  KEY\n\n\n# the end\n",
}


ENDINGS = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}
PAIRS = [
    pytest.param(spelling, around, ENDINGS[ending], id=f"{ending}-{spelling}-{around}")
    for row, spelling in enumerate(SPELLINGS)
    for column, around in enumerate(AROUND)
    for number, ending in enumerate(ENDINGS)
    if EFFORT is Effort.LONG or number == (row + column) % len(ENDINGS)
]
"""Every spelling in every place, and with every ending; every night, all three with one another."""


@pytest.mark.parametrize(("spelling", "around", "ending"), PAIRS)
def test_every_spelling(spelling: str, around: str, ending: str) -> None:
    """However a key is written, it goes, and what is left loads as the same manifest with the key from outside."""
    text = AROUND[around].replace("KEY", SPELLINGS[spelling])
    text = "jobs: [{scriptName: 'é 😀', params: {apiKey: '${X}'}}]\n" + text
    data = text.replace("\n", ending).encode()
    (before,) = load(data)
    found = without_keys("f.yaml", data)
    assert b"hunter2" not in found
    (after,) = load(found)
    assert [job.params for job in after.jobs] == [job.params for job in before.jobs]
    assert (after.servers[0].url, after.servers[0].connect_timeout) == (
        before.servers[0].url,
        before.servers[0].connect_timeout,
    )
    assert getattr(after.servers[0].api_key, "outsides", tuple)() != ()
    lines = text.splitlines()
    assert found.decode().replace(ending, "\n").splitlines()[0] == lines[0]
    if around == "before blank lines":
        assert found.endswith("\n\n# the end\n".replace("\n", ending).encode())


@pytest.mark.parametrize(
    "text",
    [
        "scriptName: x\nserver: {apiKey: '${AFT_API_KEY}'}\n",
        "scriptName: x\nserver: {apiKey: '${file:/run/secrets/key}', url: https://apiKey}\n",
        "scriptName: x\nserver: {apiKey: '${KEY:?ask Bob}'}\n",
        "scriptName: x\nserver: {apiKey: '${KEY:-}'}\n",
        "scriptName: x\nparams: {apiKey: mine}\nx-server: {apiKey: mine}\n",
        "scriptName: x\n",
        "\ufeffscriptName: x\n",
    ],
)
def test_nothing_to_do(text: str) -> None:
    """References, params and notes stay as they are, byte for byte."""
    assert without_keys("f.yaml", text.encode()) == text.encode()


def test_several_servers_and_documents() -> None:
    """All of them, by way of merges too, in a file that begins with a byte-order mark."""
    text = """\ufeffx-common: &common {apiKey: hunter2hunter2}
servers:
  a: {<<: *common, url: "https://a"}
  b: {apiKey: "hunter2hunter2"}
jobs: [{scriptName: x}]
---
server: *unknown_is_fine_here
"""
    text = text.replace("server: *unknown_is_fine_here", "scriptName: y\nserver: {apiKey: hunter2hunter2}")
    found = without_keys("f.yaml", text.encode())
    assert found.decode() == text.replace('"hunter2hunter2"', "hunter2hunter2").replace(
        "hunter2hunter2", '"${AFT_API_KEY}"'
    )


def test_json_on_one_line() -> None:
    """Pairs of surrogates, which YAML counts otherwise, do not move the place of the key."""
    start = '{"jobs": [{"scriptName": "\\ud83d\\ude00 \\ud83d\\ude00 \\\\ud83d"}], "server": '
    text = start + '{"apiKey": "hunter2hunter2", "url": "https://a"}}'
    assert without_keys("f.yaml", text.encode()).decode() == text.replace('"hunter2hunter2"', '"${AFT_API_KEY}"')


def test_a_default_goes_and_its_variable_stays() -> None:
    """The run goes on with the variable that the manifest names."""
    text = "scriptName: x\nserver: {apiKey: '${MY_KEY:-hunter2}'}\n"
    assert without_keys("f.yaml", text.encode()) == b'scriptName: x\nserver: {apiKey: "${MY_KEY}"}\n'
