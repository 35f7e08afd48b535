"""Text that is safe to show, whatever it holds."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftrun.domain import text

ANYTHING = st.text(
    st.one_of(st.characters(), st.sampled_from("\x1b\x9b\x07[]0;mK\u202e\u200b\r\n\t#:vso teamcity")), max_size=80
)
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
COMMAND = re.compile(r"^\s*::|##(?:\[|vso\[|teamcity\[)", re.MULTILINE | re.IGNORECASE)


@given(ANYTHING)
def test_what_is_shown_holds_nothing_unseen(said: str) -> None:
    """No control character, no change of direction, nothing without width comes through; one line is one line."""
    assert not UNSEEN.search(text.clean(said))
    for line in (text.one_line(said), text.one_line(said, 20), text.brief(said), text.in_place(said)):
        assert not UNSEEN.search(line)
        assert "\n" not in line
        assert "\t" not in line
    assert len(text.one_line(said, 20)) <= 20
    assert len(text.in_place(said)) == len(said)


@given(
    st.recursive(ANYTHING | st.none() | st.integers(), lambda each: st.lists(each) | st.dictionaries(ANYTHING, each))
)
def test_json_reads_back_equal(value: object) -> None:
    """What is escaped for terminals and CI servers is the same JSON value."""
    shown = text.dumps(value)
    assert json.loads(shown) == value
    assert not UNSEEN.search(shown)
    assert not COMMAND.search(shown)


@given(ANYTHING)
def test_no_command_for_a_ci_server_is_left(said: str) -> None:
    """Wherever it stands, and in whatever case."""
    assert not COMMAND.search(text.harmless(said))


@pytest.mark.parametrize("escape", ["\x1b[0m", "\x9b1m", "\x1b]0;title\x07", "\x1b]8;;x\x1b\\"])
def test_escapes_can_be_taken_out_before_a_search(escape: str) -> None:
    """A word that an escape divides is whole again."""
    assert text.without_escapes(f"hun{escape}ter2") == "hunter2"
