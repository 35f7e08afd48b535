"""What the checker and the builder read from the schema."""

from __future__ import annotations

from enum import StrEnum

import pytest

from aftrun.domain.model import OnAmbiguous, Order, Outcome, Selector, When
from aftrun.manifest.check import layout


@pytest.mark.parametrize(
    ("part", "key", "words"),
    [("strategy", "order", Order), ("job", "when", When), ("job", "onAmbiguous", OnAmbiguous)],
)
def test_words_are_those_of_the_model(part: str, key: str, words: type[StrEnum]) -> None:
    """A word that only one of them knew would be refused, or lost."""
    assert layout.words(part, key) == tuple(words)


@pytest.mark.parametrize("part", ["notify", "retry"])
def test_outcomes_that_a_manifest_names_exist(part: str) -> None:
    """Not each outcome makes sense there, but each word is one."""
    assert set(layout.words(part, "on")) <= set(Outcome)


@pytest.mark.parametrize(
    ("part", "key", "bounds"),
    [("retry", "limit", (0, 1000)), ("poll", "fraction", (0, 1)), ("strategy", "maxParallel", (1, 10_000))],
)
def test_bounds(part: str, key: str, bounds: tuple[float, float]) -> None:
    """Of numbers that may be written as references, too."""
    assert layout.bounds(part, key) == bounds


def test_forms_of_a_manifest() -> None:
    """Which keys tell the forms apart, and which say something of one file only."""
    assert set(layout.one_job()) == {*Selector, "params"}
    assert layout.beside_the_job() == {"version", "server"}
    assert layout.of_many_jobs() == {"needs", "when", "matrix"}
    assert layout.of_the_file() == {"version", "name", "description", "include"}


@pytest.mark.parametrize(
    ("key", "among", "place"),
    [
        ("maxParallel", "job", "strategy"),
        ("limit", "manifest", "retry"),
        ("factor", "job", "retry.backoff"),
        ("caFile", "manifest", "server.tls"),
        ("queued", "job", "server.jobInfo.states"),
        ("nonsense", "job", ""),
    ],
)
def test_where_a_key_belongs(key: str, among: str, place: str) -> None:
    """Each mapping of a manifest is known by its path."""
    assert layout.place(key, among) == place
