"""Words for states: when two are the same, how one is written, and what learned ones do to those that are known."""

from __future__ import annotations

import pytest

from aftrun.domain.model import JobInfoMap, State
from aftrun.domain.words import from_plain, in_yaml, is_plain, normal, of_server, to_plain, unused, with_learned

MAP = JobInfoMap(status="a.b", states=((State.RUNNING, ("Brewing", "On Fire")), (State.FAILED, ())))


def test_a_mapping_comes_back_from_its_plain_form() -> None:
    """As the record of a run keeps it."""
    plain = to_plain(MAP)
    assert plain == {"status": "a.b", "states": {"running": ["Brewing", "On Fire"], "failed": []}}
    assert is_plain(plain)
    assert from_plain(plain) == MAP


@pytest.mark.parametrize(
    "strange", [None, [], {"state": "x"}, {"status": 1}, {"states": {"done": []}}, {"states": {"failed": "x"}}]
)
def test_what_is_no_plain_form_is_known_for_none(strange: object) -> None:
    """A record can have been written by anybody."""
    assert not is_plain(strange)


def test_learned_words_leave_the_lists_they_stood_in() -> None:
    """Whatever their spelling; what was not learned stays."""
    learned = JobInfoMap(id="x", states=((State.SUCCEEDED, ("on_fire",)),))
    assert with_learned(MAP, learned) == JobInfoMap(
        id="x",
        status="a.b",
        states=((State.RUNNING, ("Brewing",)), (State.FAILED, ()), (State.SUCCEEDED, ("on_fire",))),
    )
    assert with_learned(JobInfoMap(), MAP) == MAP


def test_what_was_learned_of_a_server_by_name_wins() -> None:
    """Without its name, what holds for all."""
    assert of_server({"": MAP, "eu": JobInfoMap()}, "eu") == JobInfoMap()
    assert of_server({"": MAP, "eu": JobInfoMap()}, "us") == MAP
    assert of_server({"eu": MAP}, "us") is None


@pytest.mark.parametrize(
    ("learned", "servers", "said"),
    [
        (["prod"], [""], "of prod is not used: the name of the server is another here (one without a name)"),
        (
            ["prdo", "test"],
            ["prod", "test"],
            "of prdo is not used: the name of the server is another here (prod, test)",
        ),
        (["b", "a"], ["c", "c"], "of a, b is not used"),
        (["a", "b", "c"], ["a"], ""),
        (["", "b"], ["a"], ""),
        (["", "b"], [""], ""),
        ([], ["a"], ""),
    ],
)
def test_what_was_learned_of_other_servers_alone_is_said(learned: list[str], servers: list[str], said: str) -> None:
    """A file can hold the words of many servers; where one goes without, its name may be misspelled."""
    found = unused(dict.fromkeys(learned, MAP), servers)
    assert said in found
    assert bool(found) == bool(said)


@pytest.mark.parametrize(
    ("word", "text"),
    [("Done", "Done"), ("on fire", "'on fire'"), ("true", "'true'"), ("it's", "'it''s'"), ("7", "'7'")],
)
def test_a_word_in_yaml_is_quoted_where_it_has_to_be(word: str, text: str) -> None:
    """So that it is read as the text that it is."""
    assert in_yaml(word) == text
    assert normal(word.upper()) == normal(word)
