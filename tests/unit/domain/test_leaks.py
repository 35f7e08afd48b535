"""Awkward secrets in every spelling that an echo may have: nothing of any is left.

The other half, what leaves through each command and file, is tests/acceptance/test_leak_matrix.py.
"""

from __future__ import annotations

import base64
import html

import pytest

from aftrun.domain.secrets import MARK, Scrubber
from tests.spellings import ENCODINGS, PEM, SECRETS


def left(spelled: str, scrubbed: str) -> str:
    """A piece of a spelling that can still be read: a third of it, or eight characters."""
    size = max(8, len(spelled) // 3)
    for at in range(max(1, len(spelled) - size + 1)):
        if spelled[at : at + size] in scrubbed:
            return spelled[at : at + size]
    return ""


def test_there_are_many() -> None:
    """As many as were promised."""
    assert len(SECRETS) >= 30
    assert len(ENCODINGS) >= 70


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_nothing_is_left(encoding: str) -> None:
    """Of any secret, in this spelling, in the middle of other text."""
    leaks = []
    for secret in SECRETS:
        spelled = ENCODINGS[encoding](secret)
        if len(html.unescape(secret)) < 8 and encoding in ("upper case", "lower case") and spelled != secret:
            continue  # short ones are words of some language in another case
        scrubbed = _SCRUBBER.scrub(f"<{spelled}> after")
        if MARK not in scrubbed or left(spelled.strip(), scrubbed.replace(MARK, "\0")):
            leaks.append((secret[:40], spelled[:60], scrubbed[:80]))
    assert leaks == []


_SCRUBBER = Scrubber(SECRETS)


@pytest.mark.parametrize("line", PEM.splitlines()[1:3])
def test_single_lines_of_a_key_file(line: str) -> None:
    """A tool that shows a file line by line shows it all the same."""
    assert Scrubber([PEM]).scrub(f"12 | {line} |") == f"12 | {MARK} |"
    assert line not in Scrubber([PEM]).scrub(base64.b64encode(line.encode()).decode() + line)


def test_what_is_no_secret_stays() -> None:
    """Text of the usual kind, with secrets known that share words with it."""
    text = "POST https://aft.example.com:44399/v1/jobs 200 OK: 1234 files, key accepted; see C:\\new\\log, 100% done\n"
    assert Scrubber(["s3cret-token", "plain0815token", "nightly-key"]).scrub(text) == text
